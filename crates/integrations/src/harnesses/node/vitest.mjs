// What vitest says, as lines of ours.

import { createRequire } from 'node:module';
const { chain, relative, result, tell } = createRequire(import.meta.url)('./chain.cjs');

export default class {
  onFinished(files = []) {
    const walk = (file, task, names) => {
      if (task.type === 'suite') return task.tasks.forEach((inner) => walk(file, inner, [...names, task.name]));
      const state = task.result?.state;
      const outcome = state === 'pass' ? 'passed' : state === 'fail' ? 'failed' : 'skipped';
      const error = task.result?.errors?.[0];
      tell(result(file, [...names, task.name], outcome, outcome === 'failed' ? error : undefined, task.result?.duration));
    };
    for (const file of files) {
      const errors = file.result?.errors ?? [];
      if (errors.length) tell({ load_error: { file: relative(file.filepath), chain: chain(errors[0]), log: String(errors[0]?.stack ?? '').slice(0, 4000) } });
      for (const task of file.tasks) walk(file.filepath, task, []);
    }
    tell({ end: true });
  }
}
