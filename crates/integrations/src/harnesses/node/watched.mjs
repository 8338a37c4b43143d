// A test file under the debugger's eyes.

import './watch.mjs';
import { createRequire } from 'node:module';
const { chain, files, hide, root, tell } = createRequire(import.meta.url)('./chain.cjs');
process.on('uncaughtExceptionMonitor', (error) => tell({ raised: chain(error) }));
hide();
await import(`file://${root}/${files[0]}`);
