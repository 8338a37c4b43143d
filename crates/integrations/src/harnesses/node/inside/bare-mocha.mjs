// mocha's words as global functions, without mocha.

import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Unsupported, nothing } from './bare-words.mjs';
import { serve } from './bare-node.mjs';
const { orders, root } = createRequire(import.meta.url)('./chain.cjs');

export async function prepare({ words, module }) {
  if (orders.args.ui && orders.args.ui !== 'bdd') throw new Unsupported('another interface');
  orders.callbacks = true;
  const mocha = { ...words, context: words.describe, specify: words.test, xit: nothing, xspecify: nothing, xdescribe: nothing, xcontext: nothing };
  delete mocha.test;
  delete mocha.suite;
  Object.assign(globalThis, mocha);
  serve(module, 'mocha', mocha, Object.keys(mocha));
  const load = module._load;
  module._load = function (name, ...rest) {
    return name === 'mocha' ? mocha : load.call(this, name, ...rest);
  };
  const own = createRequire(path.join(root, 'package.json'));
  const open = async (file) => {
    try {
      return await import(pathToFileURL(file).href);
    } catch (error) {
      if (!['ERR_UNKNOWN_FILE_EXTENSION', 'ERR_UNSUPPORTED_DIR_IMPORT', 'ERR_MODULE_NOT_FOUND'].includes(error.code)) throw error;
      return own(file);
    }
  };
  for (const name of orders.loads) {
    const loaded = await open(/^[./]/.test(name) ? path.resolve(root, name) : own.resolve(name));
    if (loaded?.mochaHooks || loaded?.mochaGlobalSetup || loaded?.default?.mochaHooks) throw new Unsupported('hooks of a plugin');
  }
  for (const name of orders.args.file ?? []) await open(path.resolve(root, name));
  return { load: open };
}
