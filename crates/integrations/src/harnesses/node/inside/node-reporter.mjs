// What node:test says, as lines of ours.

import { createRequire } from 'node:module';
const { files, result, tell } = createRequire(import.meta.url)('./chain.cjs');

export default async function* report(source) {
  const names = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      names.length = data.nesting;
      names[data.nesting] = data.name;
    } else if ((type === 'test:pass' || type === 'test:fail') && data.details?.type !== 'suite') {
      const error = data.details?.error;
      const cause = error?.code === 'ERR_TEST_FAILURE' ? (error.cause ?? error) : error;
      if (error?.failureType === 'subtestsFailed') continue;
      const own = names.slice(0, data.nesting).concat(data.name);
      const outcome = data.skip !== undefined || data.todo !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
      tell(result(data.file ?? files[0], own, outcome, type === 'test:fail' ? cause : undefined, data.details?.duration_ms));
      yield '';
    }
  }
  tell({ end: true });
}
