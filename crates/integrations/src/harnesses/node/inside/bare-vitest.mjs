// vitest's words and its own `expect`, with files loaded by node itself: nothing is rewritten but types.

import { createRequire } from 'node:module';
import path from 'node:path';
import { Unsupported, only } from './bare-words.mjs';
import { serve } from './bare-node.mjs';
import { format } from 'node:util';
const { orders, root } = createRequire(import.meta.url)('./chain.cjs');

export async function prepare({ words, module }) {
  const { resolveConfig } = await import(`file://${orders.home}/dist/node.js`);
  if (!resolveConfig) throw new Unsupported('this version');
  const resolved = await resolveConfig({ ...orders.options, watch: false });
  const { vitestConfig: config = resolved.test, viteConfig = resolved } = resolved;
  if (config.projects?.length || config.workspace || !['node', undefined].includes(config.environment)) throw new Unsupported('this configuration');
  const real = await import(`file://${orders.home}/dist/index.js`);
  const { test, describe } = words;
  for (const word of [test, describe]) word.each = (...table) => (title, ...rest) => rows(table).forEach((row, i) => word(named(title, row, i), ...rest.map((body) => (typeof body === 'function' ? () => (Array.isArray(row) ? body(...row) : body(row)) : body))));
  const own = {
    ...Object.fromEntries(Object.keys(real).map((name) => [name, real[name]])),
    test, it: test, describe, suite: describe, beforeAll: words.before, afterAll: words.after, beforeEach: words.beforeEach, afterEach: words.afterEach,
  };
  for (const name of ['onTestFailed', 'onTestFinished', 'aroundAll', 'aroundEach', 'inject', 'bench']) own[name] = () => { throw new Unsupported(name); };
  serve(module, 'vitest', own, Object.keys(own).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default'));
  if (config.globals) Object.assign(globalThis, Object.fromEntries(['test', 'it', 'describe', 'suite', 'beforeAll', 'afterAll', 'beforeEach', 'afterEach', 'expect', 'vi', 'vitest', 'assert'].filter((name) => own[name]).map((name) => [name, own[name]])));
  const vite = createRequire(path.join(orders.home, 'package.json')).resolve('vite');
  const alias = (viteConfig?.resolve?.alias ?? []).filter(({ find }) => typeof find === 'string' && !find.startsWith('/@')).map(({ find, replacement }) => [find, replacement]);
  module.register(new URL('./bare-loader.mjs', import.meta.url), { data: { root, vite: viteOf(vite), alias } });
  for (const file of config.setupFiles ?? []) await import(`file://${path.resolve(root, file)}`);
  return {
    argument: () => only({ expect: own.expect, skip: () => { throw new Unsupported('skip'); } }),
    begin() {
      own.expect.setState({ assertionCalls: 0, expectedAssertionsNumber: null, isExpectingAssertions: false });
      if (config.clearMocks) real.vi.clearAllMocks();
      if (config.mockReset) real.vi.resetAllMocks();
      if (config.restoreMocks) real.vi.restoreAllMocks();
    },
    end() {
      const { assertionCalls, expectedAssertionsNumber, isExpectingAssertions } = own.expect.getState();
      if (expectedAssertionsNumber !== null && assertionCalls !== expectedAssertionsNumber) throw new Error(`expected ${expectedAssertionsNumber} assertions, had ${assertionCalls}`);
      if (isExpectingAssertions && !assertionCalls) throw new Error('expected an assertion, had none');
    },
    load: (file) => import(`file://${file}`),
  };
}

const viteOf = (main) => main.replace(/\/vite\/.*$/, '/vite/dist/node/index.js');

/** Of a list, or of a written table. */
function rows(table) {
  const [first, ...values] = table;
  if (!first?.raw) return first;
  const names = first[0].split('|').map((name) => name.trim());
  const found = [];
  for (let i = 0; i < values.length; i += names.length) found.push(Object.fromEntries(names.map((name, j) => [name, values[i + j]])));
  return found;
}

function named(title, row, i) {
  const text = String(title).replaceAll('%%', '\u0000').replaceAll('%#', String(i)).replaceAll('%$', String(i + 1));
  const values = Array.isArray(row) ? row : [row];
  const places = (text.match(/%[sdifjoO]/g) ?? []).length;
  const said = format(text, ...values.slice(0, places)).replaceAll('\u0000', '%');
  if (typeof values[0] !== 'object' || values[0] === null) return said;
  return said.replace(/\$([\w$.]+)/g, (whole, words) => {
    const found = words.split('.').reduce((at, word) => at?.[word], values[0]);
    return found === undefined ? whole : typeof found === 'string' ? `'${found}'` : String(found);
  });
}
