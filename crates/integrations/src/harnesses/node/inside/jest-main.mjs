// Starts jest: as its own program does, or in disguise as a program like any other.

import './witness.mjs';
import { createRequire } from 'node:module';
import path from 'node:path';
const require = createRequire(import.meta.url);
const { orders } = require('./chain.cjs');
const { dress } = require('./dress.cjs');
const { install } = require('./jest-hooks.cjs');

install();
process.env.NODE_ENV ??= 'test';
const home = createRequire(path.join(orders.home, 'package.json'));
if (orders.disguised) {
  const { NODE_ENV, BABEL_ENV } = process.env;
  dress();
  // Outside the tests' own realm: presets are chosen by it.
  Object.assign(process.env, { NODE_ENV }, BABEL_ENV && { BABEL_ENV });
  await home('jest-cli').run(orders.args);
} else {
  process.argv = [process.execPath, path.join(orders.home, 'bin/jest.js'), ...orders.args];
  home('./bin/jest.js');
}
