// Notes exceptions of the wanted kinds wherever they are thrown, swallowed or not, through the debugger's eyes.

import { createRequire } from 'node:module';
import { Worker, isMainThread } from 'node:worker_threads';
const require = createRequire(import.meta.url);

if (isMainThread && process.env.AF_OUT) {
  const data = { out: process.env.AF_OUT, root: process.env.AF_ROOT, kinds: JSON.parse(process.env.AF_KINDS || '[]') };
  const code = `
    const { Session } = require('node:inspector');
    const { parentPort, workerData } = require('node:worker_threads');
    const fs = require('node:fs');
    const session = new Session();
    const scripts = new Map();
    let noted = 0;
    parentPort.on('message', () => {}); // something must keep this thread alive
    session.connectToMainThread();
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params }) => {
      const kind = params.data?.className;
      const named = /^([\\w$]+)(?::|\\n|$)/.exec(params.data?.description ?? '')?.[1];
      const found = [kind, named].find((k) => workerData.kinds.includes(k));
      if (params.reason === 'exception' && found && noted < 40) {
        const frames = params.callFrames.slice(0, 60).map((f) => {
          let file = (scripts.get(f.location.scriptId) || f.url || '').replace('file://', '');
          if (file.startsWith(workerData.root + '/')) file = file.slice(workerData.root.length + 1);
          return { file, function: f.functionName, line: f.location.lineNumber + 1 };
        }).reverse();
        noted += 1;
        const message = (params.data.description ?? '').split('\\n')[0].slice(0, 300);
        fs.appendFileSync(workerData.out, JSON.stringify({ seen: { kind: found, message, is_check: false, frames } }) + '\\n');
      }
      session.post('Debugger.resume');
    });
    session.post('Debugger.enable', () => session.post('Debugger.setPauseOnExceptions', { state: 'all' }, () => parentPort.postMessage('ready')));
  `;
  try {
    const worker = new Worker(code, { eval: true, execArgv: [], workerData: data, env: {} });
    await new Promise((done) => {
      worker.once('message', done);
      worker.once('error', done);
    });
    worker.unref();
  } catch {}
}
