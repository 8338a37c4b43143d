// Keeps one vitest for several runs: its server is the costly part and never runs the project's code, and every test
// file of every run has a process of its own below it.

import './witness.mjs';
import { createRequire } from 'node:module';
import path from 'node:path';
const require = createRequire(import.meta.url);
const { AGAIN, chain, orders, relative, result, root, tell } = require('./chain.cjs');
const { dress } = require('./dress.cjs');

const here = path.dirname(new URL(import.meta.url).pathname);
const { createVitest } = await import(`file://${orders.home}/dist/node.js`);
const { version } = require(path.join(orders.home, 'package.json'));
const major = Number(version.split('.')[0]);

let isTold = false;
function report(files) {
  if (isTold) return;
  isTold = true;
  const walk = (file, task, names, above) => {
    if (task.type === 'suite') {
      const broken = task.result?.errors?.[0] ?? above;
      return task.tasks.forEach((inner) => walk(file, inner, [...names, task.name], broken));
    }
    const { state, errors, duration, retryCount = 0 } = task.result ?? {};
    if (state === 'pass') return tell(result(file, [...names, task.name], retryCount > 0 ? 'failed' : 'passed', retryCount > 0 ? AGAIN : undefined, duration));
    const isFailed = state === 'fail' || (above && task.mode === 'run');
    tell(result(file, [...names, task.name], isFailed ? 'failed' : 'skipped', isFailed ? (errors?.[0] ?? above) : undefined, duration));
  };
  for (const file of files) {
    const errors = file.result?.errors ?? [];
    if (errors.length) tell({ load_error: { file: relative(file.filepath), chain: chain(errors[0]), log: String(errors[0]?.stack ?? '').slice(0, 4000) } });
    for (const task of file.tasks) walk(file.filepath, task, [], undefined);
  }
  tell({ end: true });
}
const reporter = {
  onTestRunEnd: (modules) => report(modules.map((module) => module.task)),
  onFinished: (files = []) => report(files),
};

const own = { reporters: [reporter], watch: true, coverage: { enabled: false }, bail: 0, retry: 0, pool: 'forks', isolate: true, allowOnly: true, passWithNoTests: true, typecheck: { enabled: false } };
if (major >= 4) Object.assign(own, { maxWorkers: 1, update: major >= 5 ? 'none' : false });
else Object.assign(own, { update: false, poolOptions: { forks: { singleFork: true } } });
if (orders.flags.length) Object.assign(own, major >= 4 ? { execArgv: orders.flags } : { poolOptions: { forks: { singleFork: true, execArgv: orders.flags } } });

// Workers read their orders before anything of the project runs in them, and forget them.
if (orders.disguised || orders.kinds?.length) process.env.AF_ORDERS = JSON.stringify(orders);
process.env.CI = 'true'; // snapshots are compared, never written
const setup = { test: { setupFiles: [path.join(here, 'vitest-setup.mjs')] }, server: { watch: null } };
const vitest = await createVitest('test', { ...orders.options, ...own }, setup);
if (!orders.given.includes('CI')) delete process.env.CI;
if (orders.disguised) dress();

async function run({ files, shuffle }) {
  isTold = false;
  const projects = vitest.projects ?? [];
  for (const place of [vitest, ...projects]) {
    (place.vite ?? place.server)?.moduleGraph?.invalidateAll();
    for (const environment of Object.values((place.vite ?? place.server)?.environments ?? {})) environment.moduleGraph?.invalidateAll();
    if (shuffle !== null && place.config?.sequence) Object.assign(place.config.sequence, { shuffle: true, seed: shuffle + 1 });
  }
  const filters = files?.map((file) => path.join(root, file)) ?? orders.patterns;
  if (major < 4) return void (await vitest.start(filters));
  let specs = await vitest.globTestSpecifications(filters);
  if (files) specs = specs.filter((spec) => files.includes(relative(spec.moduleId)));
  if (specs.length) await vitest.runTestSpecifications(specs, !files);
  else report([]);
}

process.on('message', async (message) => {
  try {
    await run(message);
  } catch (error) {
    tell({ raised: chain(error) });
  }
  process.send({ done: true, again: major >= 4 });
});
process.send({ ready: true });
