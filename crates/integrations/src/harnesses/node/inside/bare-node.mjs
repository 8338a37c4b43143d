// node:test, replaced by plain functions under its name.

import { only } from './bare-words.mjs';
import { createRequire } from 'node:module';
const { result, root, files } = createRequire(import.meta.url)('./chain.cjs');

export function prepare({ words, pick, module }) {
  const shim = only(Object.assign(words.test, words));
  const load = module._load;
  module._load = function (name, ...rest) {
    return name === 'node:test' || name === 'test' ? shim : load.call(this, name, ...rest);
  };
  serve(module, 'node:test', shim, [...Object.keys(words), 'mock'], 'default');
  return {
    argument: ({ item, names, inner }) => {
      const context = only({ name: item.name, diagnostic() {}, test: async (...args) => {
        const sub = pick(args);
        const line = (outcome, error) => inner.push(result(`${root}/${files[0]}`, [...names, sub.name], outcome, error));
        try {
          await sub.body(context);
          line('passed');
        } catch (error) {
          line('failed', error);
          throw error;
        }
      } });
      return context;
    },
    load: (file) => import(`file://${file}`),
  };
}

/** Answers an import of `name` with these exports of an object. */
export function serve(module, name, shim, exported, byDefault) {
  const key = `key${Math.random()}`;
  globalThis[key] = shim;
  const lines = exported.map((word) => `export ${word === 'mock' ? `const mock = new Proxy({}, { get() { return s.mock; } });` : `const ${word} = s.${word};`}`);
  const text = `const s = globalThis[${JSON.stringify(key)}]; ${byDefault ? 'export default s;' : ''} ${lines.join(' ')}`;
  const hooks = `export async function resolve(name, context, next) { return name === ${JSON.stringify(name)} ? { url: 'data:text/javascript,' + ${JSON.stringify(encodeURIComponent(text))}, shortCircuit: true } : next(name, context); }`;
  module.register(`data:text/javascript,${encodeURIComponent(hooks)}`);
}
