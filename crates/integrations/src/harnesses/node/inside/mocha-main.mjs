// Starts mocha: as its own program does, or in disguise as a program like any other.

import './witness.mjs';
import { createRequire } from 'node:module';
import path from 'node:path';
const require = createRequire(import.meta.url);
const { orders } = require('./chain.cjs');
const { dress } = require('./dress.cjs');

if (orders.disguised) dress();
else process.argv = [process.execPath, path.join(orders.home, 'bin/mocha.js'), ...orders.args._];
const found = await import(`file://${orders.home}/lib/cli/cli.js`);
(found.main ?? found.default.main)([], { ...orders.args, reporter: path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'mocha-reporter.cjs') });
