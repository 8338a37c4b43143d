// A program like any other that happens to load a test file; node:test reports through a channel of its own.

import { createRequire } from 'node:module';
import { spawnSync } from 'node:child_process';
const require = createRequire(import.meta.url);
const { chain, files, hide, root, tell } = require('./chain.cjs');
const { dress } = require('./dress.cjs');

if (!process.execArgv.some((word) => word.startsWith('--test-reporter'))) {
  const reporter = new URL('./node-reporter.mjs', import.meta.url).pathname;
  const again = [...process.execArgv, `--test-reporter=${reporter}`, '--test-reporter-destination=stdout', process.argv[1]];
  process.exitCode = spawnSync(process.execPath, again, { stdio: 'ignore' }).status ?? 1;
} else {
  process.on('uncaughtExceptionMonitor', (error) => tell({ raised: chain(error) }));
  hide();
  dress();
  await import(`file://${root}/${files[0]}`);
}
