// What jest says, as lines of ours.

const { chain, relative, result, tell } = require('./chain.cjs');

module.exports = class {
  onTestResult(test, found) {
    if (found.testExecError || (found.failureMessage && !found.testResults.length)) {
      const error = found.testExecError ?? new Error(found.failureMessage);
      tell({ load_error: { file: relative(test.path), chain: chain(error), log: String(found.failureMessage ?? '').slice(0, 4000) } });
    }
    for (const one of found.testResults) {
      const outcome = one.status === 'passed' ? 'passed' : one.status === 'failed' ? 'failed' : 'skipped';
      const error = one.failureDetails?.[0] ?? (one.failureMessages?.[0] ? { name: 'Error', message: one.failureMessages[0], stack: one.failureMessages[0] } : undefined);
      tell(result(test.path, [...one.ancestorTitles, one.title], outcome, outcome === 'failed' ? (error?.error ?? error) : undefined, one.duration));
    }
  }
  onRunComplete() {
    tell({ end: true });
  }
};
