// Loads a test file with plain functions in the framework's place and calls its tests one by one: no runner is there.
//
// What a framework offers beyond that is `Unsupported`; its tests are left to a run in disguise.

import module, { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const { files, hide, ids, orders, relative, result, root, shuffle, tell } = require('./chain.cjs');
const { dress } = require('./dress.cjs');
const { Unsupported, isLeft, nothing, unsupported } = await import('./bare-words.mjs');

const suite = (name, parent) => ({ name, parent, items: [], hooks: { before: [], after: [], beforeEach: [], afterEach: [] } });
const top = suite('', null);
let at = top;

function pick(args) {
  const [name, options, body] = typeof args[0] === 'function' && typeof args[1] !== 'function' ? [args[0].name, {}, args[0]] : typeof args[1] === 'function' ? [args[0], {}, args[1]] : args;
  return { name: typeof name === 'function' ? name.name : String(name), options: typeof options === 'object' && options !== null ? options : {}, body };
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
    if (body.call(context()) instanceof Promise) throw new Unsupported('a suite that waits');
  } finally {
    at = inner.parent;
  }
}
for (const word of [test, describe]) {
  Object.assign(word, { skip: nothing, todo: nothing, only: word, concurrent: word, sequential: word });
  for (const other of ['each', 'for', 'failing', 'fails', 'skipIf', 'runIf', 'extend', 'shuffle', 'runOnly']) word[other] = unsupported(other);
}
const hook = (kind) => (...args) => void at.hooks[kind].push(args.find((arg) => typeof arg === 'function'));
const words = { test, it: test, describe, suite: describe, before: hook('before'), after: hook('after'), beforeEach: hook('beforeEach'), afterEach: hook('afterEach') };

/** `this` of a test or hook, as mocha has it. */
function context() {
  const own = { timeout: () => own, slow: () => own, retries: () => own, skip: unsupported('skip'), test: undefined, currentTest: undefined };
  return own;
}

function* tests(group, names) {
  for (const item of group.items) {
    if (item.items) yield* tests(item, [...names, item.name]);
    else yield { item, group, names: [...names, item.name] };
  }
}
function above(group) {
  return group ? [...above(group.parent), group] : [];
}

/** Plain, waiting, or with a callback where the framework knows callbacks. */
function call(body, that, argument) {
  if (orders.callbacks && body.length > 0) {
    return new Promise((done, failed) => {
      const callback = (error) => (error === undefined || error === null ? done() : failed(error));
      callback.fail = failed;
      try {
        body.call(that, callback);
      } catch (error) {
        failed(error);
      }
    });
  }
  if (body.length > 1) throw new Unsupported('a callback');
  return body.call(that, argument);
}
async function each(groups, kind, that) {
  for (const group of groups) for (const body of group.hooks[kind]) await call(body, that, argument({ name: '' }));
}

let argument = () => undefined;
async function run({ item, group, names }, begun, adapter) {
  if (item.options.skip || item.options.todo || !item.body) return;
  const inner = [];
  argument = (of) => adapter.argument?.({ item: of, names, inner, pick });
  const file = `${root}/${files[0]}`;
  const own = result(file, names, 'passed');
  const that = context();
  try {
    for (const one of above(group)) if (!begun.has(one)) { begun.add(one); await each([one], 'before', that); }
    await adapter.begin?.();
    await each(above(group), 'beforeEach', that);
    try {
      await call(item.body, that, argument(item));
      await adapter.end?.();
    } finally {
      await each(above(group).reverse(), 'afterEach', that);
    }
    for (const line of inner) tell(line);
    tell(own);
  } catch (error) {
    if (isLeft(error)) return tell({ left: own.test.id });
    for (const line of inner) tell(line);
    tell(result(file, names, 'failed', error));
  }
}

/** The same order for the same number. */
function shuffled(list, seed) {
  let state = seed * 2654435761 + 1;
  const found = [...list];
  for (let i = found.length - 1; i > 0; i -= 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [found[i], found[j]] = [found[j], found[i]];
  }
  return found;
}

const wanted = ids?.filter((id) => id.startsWith(`${files[0]}::`)) ?? null;
const leaveAll = () => (wanted ?? []).forEach((id) => tell({ left: id }));
process.on('unhandledRejection', () => {});
hide();
try {
  const kind = orders.kind;
  const adapter = await (await import(`./bare-${kind}.mjs`)).prepare({ words, pick, module });
  dress();
  await adapter.load(`${root}/${files[0]}`);
  const begun = new Set();
  const all = [...tests(top, [])];
  const known = all.map((one) => `${relative(files[0])}::${one.names.join(' > ')}`);
  const isWanted = (name) => !wanted || wanted.some((id) => id === name || id.startsWith(`${name} > `));
  const chosen = all.filter((_, i) => isWanted(known[i]));
  for (const one of shuffle === null ? chosen : shuffled(chosen, shuffle)) await run(one, begun, adapter);
  for (const group of [...begun].reverse()) await each([group], 'after', context());
  for (const id of wanted ?? []) if (!known.some((name) => id === name || id.startsWith(`${name} > `))) tell({ left: id });
} catch (error) {
  if (process.env.AF_TALK) console.error(error);
  leaveAll();
}
tell({ end: true });
process.exit(0);
