// A test file of node:test under the debugger's eyes.

import './witness.mjs';
import { createRequire } from 'node:module';
import { beforeEach } from 'node:test';
const { begin, files, root } = createRequire(import.meta.url)('./chain.cjs');
beforeEach((context) => begin(context.name));
await import(`file://${root}/${files[0]}`);
