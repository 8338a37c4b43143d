// Where jest meets the tests: their errors as they were raised, frames under the names they have in the running
// program, and, in disguise, a process without jest's marks. All of it in jest's own realm, outside the tests'.

const Module = require('node:module');
const path = require('node:path');
const { begin, chain, idOf, orders, root } = require('./chain.cjs');
const { dress } = require('./dress.cjs');
const { createRequire } = Module;

/** Links of what each test raised first, by id. */
const met = new Map();

function inside(home) {
  let at = createRequire(path.join(home, 'package.json'));
  for (const name of ['jest-cli', '@jest/core', 'jest-runner']) at = createRequire(at.resolve(name));
  return at;
}

/** Compiled code's frames get their lines from the source map, but their functions' names from V8. */
function keepNames(environment) {
  // Older jests map stacks in the tests' realm, newer ones in their own for all.
  const own = typeof environment.global.Error.prepareStackTrace === 'function' ? environment.global.Error : Error;
  const mapped = own.prepareStackTrace;
  if (typeof mapped !== 'function' || mapped.isOurs) return;
  own.prepareStackTrace = (error, sites) => {
    const lines = String(mapped(error, sites)).split('\n');
    const first = lines.length - sites.length;
    if (first < 1) return lines.join('\n');
    return lines.map((line, i) => {
      const place = /^\s*at (?:.*\()?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(line);
      if (i < first || !place) return line;
      const name = sites[i - first].getFunctionName();
      return `    at ${name ? `${name} (${place[1]})` : place[1]}`;
    }).join('\n');
  };
  own.prepareStackTrace.isOurs = true;
}

function namesOf(test) {
  const names = [test.name];
  for (let above = test.parent; above?.parent; above = above.parent) names.unshift(above.name);
  return names;
}

function enter(runtime) {
  const environment = runtime._environment;
  keepNames(environment);
  if (orders.disguised) dress(environment.global.process);
  const theirs = environment.handleTestEvent;
  environment.handleTestEvent = async function (event, state) {
    const id = event.test && idOf(runtime._testPath, namesOf(event.test));
    if (event.name === 'test_start') begin(id);
    if ((event.name === 'test_fn_failure' || event.name === 'hook_failure') && id && !met.has(id)) met.set(id, chain(event.error));
    return theirs?.call(environment, event, state);
  };
}

function install() {
  const found = inside(orders.home)('jest-runtime');
  const Runtime = found.default ?? found;
  const load = Runtime.prototype.requireInternalModule;
  const entered = new WeakSet();
  // What runs the tests is loaded after what maps their stacks, and before anybody listens to it.
  Runtime.prototype.requireInternalModule = function (from, to) {
    if (!entered.has(this) && !/source-map-support/.test(from)) {
      entered.add(this);
      enter(this);
    }
    return load.call(this, from, to);
  };
  if (orders.lenient) {
    // Types that don't fit are no result: a mixture of two trees runs as it is, like everywhere else.
    const plainLoad = Module._load;
    Module._load = function (request, ...rest) {
      const set = plainLoad.call(this, request, ...rest);
      if (/(^|\/)config-set(\.js)?$/.test(request) && set.ConfigSet) carefree(set.ConfigSet.prototype);
      return set;
    };
  }
}

/** ts-jest's own settings: no complaints, and where that gives the same code, each file compiled by itself. */
function carefree(settings) {
  settings.shouldReportDiagnostics = () => false;
  const last = settings._resolveTsCacheDir;
  if (!orders.alone || typeof last !== 'function') return;
  settings._resolveTsCacheDir = function () {
    this.isolatedModules = true;
    return last.call(this);
  };
}

module.exports = { inside, install, met, root };
