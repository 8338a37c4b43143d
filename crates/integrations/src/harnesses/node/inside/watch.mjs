// Notes exceptions of the wanted kinds wherever they are thrown, swallowed or not, through the debugger's eyes.

import { createRequire } from 'node:module';
import { Worker, isMainThread } from 'node:worker_threads';
const { kinds, orders, root } = createRequire(import.meta.url)('./chain.cjs');

if (isMainThread && orders.out && kinds.length) {
  const code = `
    const { Session } = require('node:inspector');
    const { SourceMap } = require('node:module');
    const { parentPort, workerData } = require('node:worker_threads');
    const fs = require('node:fs');
    const path = require('node:path');
    const session = new Session();
    const scripts = new Map();
    const maps = new Map();
    let noted = 0;

    // What was compiled before it ran carries its map with it.
    function mapOf(id) {
      if (!maps.has(id)) {
        let map = null;
        try {
          const inline = /^data:application\\/json[^,]*,(.*)$/s.exec(scripts.get(id)?.sourceMapURL ?? '');
          if (inline) {
            const text = /;base64$/.test(scripts.get(id).sourceMapURL.split(',')[0]) ? Buffer.from(inline[1], 'base64').toString() : decodeURIComponent(inline[1]);
            map = new SourceMap(JSON.parse(text));
          }
        } catch {}
        maps.set(id, map);
      }
      return maps.get(id);
    }
    function place(frame) {
      const { scriptId, lineNumber, columnNumber } = frame.location;
      let file = (scripts.get(scriptId)?.url || frame.url || '').replace('file://', '').split('?')[0];
      let line = lineNumber + 1;
      const entry = mapOf(scriptId)?.findEntry(lineNumber, columnNumber ?? 0);
      if (entry?.originalLine !== undefined) {
        line = entry.originalLine + 1;
        const source = entry.originalSource?.replace('file://', '');
        if (source) file = path.resolve(path.dirname(file), source);
      }
      if (file.startsWith(workerData.root + '/')) file = file.slice(workerData.root.length + 1);
      return { file, function: frame.functionName, line };
    }
    parentPort.on('message', () => {}); // something must keep this thread alive
    session.connectToMainThread();
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params));
    session.on('Debugger.paused', ({ params }) => {
      const kind = params.data?.className;
      const named = /^([\\w$]+)(?::|\\n|$)/.exec(params.data?.description ?? '')?.[1];
      const found = [kind, named].find((k) => workerData.kinds.includes(k));
      // What an async function raises comes as a rejection.
      if (['exception', 'promiseRejection'].includes(params.reason) && found && noted < 40) {
        const frames = params.callFrames.slice(0, 60).map(place).reverse();
        if (frames.some((frame) => frame.file && !/^(\\/|node:)/.test(frame.file))) {
          noted += 1;
          const message = (params.data.description ?? '').split('\\n')[0].slice(0, 300);
          fs.appendFileSync(workerData.out, JSON.stringify({ seen: { kind: found, message, is_check: false, frames } }) + '\\n');
        }
      }
      session.post('Debugger.resume');
    });
    session.post('Debugger.enable', () => session.post('Debugger.setPauseOnExceptions', { state: 'all' }, () => parentPort.postMessage('ready')));
  `;
  try {
    const worker = new Worker(code, { eval: true, execArgv: [], workerData: { out: orders.out, root, kinds }, env: {} });
    await new Promise((done) => {
      worker.once('message', done);
      worker.once('error', done);
    });
    worker.unref();
  } catch {}
}
