// Notes what ends the process before the framework could.

import { createRequire } from 'node:module';
const { chain, hide, tell } = createRequire(import.meta.url)('./chain.cjs');
process.on('uncaughtExceptionMonitor', (error) => tell({ raised: chain(error) }));
hide();
