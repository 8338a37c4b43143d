// A program like any other that happens to load a test file; the framework reports through a channel of its own.

import { createRequire } from 'node:module';
import { spawnSync } from 'node:child_process';
const require = createRequire(import.meta.url);
const { chain, files, hide, root, tell } = require('./chain.cjs');

if (!process.execArgv.some((word) => word.startsWith('--test-reporter'))) {
  const reporter = new URL('./reporter.mjs', import.meta.url).pathname;
  const again = [`--test-reporter=${reporter}`, '--test-reporter-destination=stdout', process.argv[1]];
  process.exitCode = spawnSync(process.execPath, again, { stdio: 'ignore' }).status ?? 1;
} else {
  process.on('uncaughtExceptionMonitor', (error) => tell({ raised: chain(error) }));
  hide();
  process.execArgv.length = 0;
  process.title = 'service';
  delete process.env.NODE_OPTIONS;
  delete process.env.NODE_TEST_CONTEXT;
  await import(`file://${root}/${files[0]}`);
}
