// Loaded before anything of the project: takes the orders out of sight and notes what ends the process too early.

import './watch.mjs';
import { createRequire } from 'node:module';
const { chain, hide, tell } = createRequire(import.meta.url)('./chain.cjs');
process.on('uncaughtExceptionMonitor', (error) => tell({ raised: chain(error) }));
hide();
