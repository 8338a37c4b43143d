// Has this program watched, by a thread that must look before anything of the project is loaded.

import { createRequire } from 'node:module';
import { Worker, isMainThread } from 'node:worker_threads';
const { ids, kinds, orders, root } = createRequire(import.meta.url)('./chain.cjs');

if (isMainThread && orders.out && kinds.length) {
  try {
    const watcher = new URL('./watcher.cjs', import.meta.url);
    const worker = new Worker(watcher, { execArgv: [], workerData: { out: orders.out, root, ids, kinds, others: orders.others, begins: '/chain.cjs' }, env: {} });
    await new Promise((done) => {
      worker.once('message', done);
      worker.once('error', done);
    });
    worker.unref();
  } catch {}
}
