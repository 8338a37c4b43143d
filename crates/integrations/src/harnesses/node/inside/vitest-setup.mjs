// The first file of ours in a process that vitest made for tests.

import './witness.mjs';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const { begin, idOf, kinds, orders } = require('./chain.cjs');

if (orders.disguised) require('./dress.cjs').dress();
if (kinds.length) {
  const { beforeEach } = await import(/* @vite-ignore */ `file://${orders.home}/dist/index.js`);
  beforeEach(({ task }) => {
    const names = [];
    for (let at = task; at && at !== task.file; at = at.suite) names.unshift(at.name);
    begin(idOf(task.file.filepath, names));
  });
}
