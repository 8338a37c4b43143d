// Loads a test file with a few plain functions in the framework's place, and calls its tests one by one.

import module, { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const { files, hide, ids, relative, result, root, tell } = require('./chain.cjs');

class Unsupported extends Error {}
const suite = (name, parent) => ({ name, parent, items: [], hooks: { before: [], after: [], beforeEach: [], afterEach: [] } });
const top = suite('', null);
let at = top;

function pick(args) {
  const [name, options, body] = typeof args[0] === 'function' ? [args[0].name, {}, args[0]] : typeof args[1] === 'function' ? [args[0], {}, args[1]] : args;
  return { name, options: options ?? {}, body };
}
function test(...args) {
  at.items.push(pick(args));
  return Promise.resolve();
}
function describe(...args) {
  const { name, options, body } = pick(args);
  const inner = suite(name, at);
  if (options.skip || options.todo || !body) return;
  at.items.push(inner);
  at = inner;
  try {
    if (body() instanceof Promise) throw new Unsupported('a suite that waits');
  } finally {
    at = inner.parent;
  }
}
const nothing = () => {};
test.skip = describe.skip = test.todo = describe.todo = nothing;
test.only = test;
describe.only = describe;
const hook = (kind) => (body) => void at.hooks[kind].push(body);
const shim = Object.assign(test, { test, it: test, describe, suite: describe, before: hook('before'), after: hook('after'), beforeEach: hook('beforeEach'), afterEach: hook('afterEach') });
Object.defineProperty(shim, 'mock', { get: () => { throw new Unsupported('mock'); } });

const load = module._load;
module._load = function (name, ...rest) {
  return name === 'node:test' || name === 'test' ? shim : load.call(this, name, ...rest);
};
const key = `key${Math.random()}`;
globalThis[key] = shim;
const text = `const s = globalThis[${JSON.stringify(key)}]; export default s; export const test = s, it = s, describe = s.describe, suite = s.describe, before = s.before, after = s.after, beforeEach = s.beforeEach, afterEach = s.afterEach; export const mock = new Proxy({}, { get() { return s.mock; } });`;
const hooks = `export async function resolve(name, context, next) { return name === 'node:test' ? { url: 'data:text/javascript,' + ${JSON.stringify(encodeURIComponent(text))}, shortCircuit: true } : next(name, context); }`;
module.register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const file = files[0];
const wanted = ids?.filter((id) => id.startsWith(`${file}::`));

function* tests(group, names) {
  for (const item of group.items) {
    if (item.items) yield* tests(item, [...names, item.name]);
    else yield { item, group, names: [...names, item.name] };
  }
}
function above(group) {
  return group ? [...above(group.parent), group] : [];
}
async function each(groups, kind) {
  for (const group of groups) for (const body of group.hooks[kind]) await body.call(undefined, {});
}
async function run({ item, group, names }, begun) {
  if (item.options.skip || item.options.todo || !item.body) return;
  const inner = [];
  const context = new Proxy({ name: item.name, diagnostic: nothing, test: async (...args) => {
    const sub = pick(args);
    try {
      await sub.body(context);
      inner.push(result(`${root}/${file}`, [...names, sub.name], 'passed'));
    } catch (error) {
      inner.push(result(`${root}/${file}`, [...names, sub.name], 'failed', error));
      throw error;
    }
  } }, { get(target, name) { if (name in target || typeof name === 'symbol' || name === 'then') return target[name]; throw new Unsupported(String(name)); } });
  const own = result(`${root}/${file}`, names, 'passed');
  try {
    if (item.body.length > 1) throw new Unsupported('a callback');
    for (const one of above(group)) if (!begun.has(one)) { begun.add(one); await each([one], 'before'); }
    await each(above(group), 'beforeEach');
    try {
      await item.body.call(undefined, context);
    } finally {
      await each(above(group).reverse(), 'afterEach');
    }
    for (const line of inner) tell(line);
    tell(own);
  } catch (error) {
    if (error instanceof Unsupported) return tell({ left: own.test.id });
    for (const line of inner) tell(line);
    tell(result(`${root}/${file}`, names, 'failed', error));
  }
}

hide();
process.title = 'service';
try {
  await import(`file://${root}/${file}`);
  const begun = new Set();
  const known = new Set();
  for (const one of tests(top, [])) {
    known.add(`${relative(file)}::${one.names.join(' > ')}`);
    if (!wanted || wanted.some((id) => id === `${file}::${one.names.join(' > ')}` || id.startsWith(`${file}::${one.names.join(' > ')} > `))) await run(one, begun);
  }
  for (const group of [...begun].reverse()) await each([group], 'after');
  for (const id of wanted ?? []) if (![...known].some((name) => id === name || id.startsWith(`${name} > `))) tell({ left: id });
} catch {
  for (const id of wanted ?? []) tell({ left: id });
}
tell({ end: true });
