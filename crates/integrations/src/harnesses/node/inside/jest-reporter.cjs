// What jest says, as lines of ours.

const { AGAIN, chain, idOf, plain, relative, result, tell } = require('./chain.cjs');
const { met } = require('./jest-hooks.cjs');

module.exports = class {
  onTestResult(test, found) {
    if (found.testExecError || (found.failureMessage && !found.testResults.length)) {
      const error = found.testExecError ?? new Error(plain(found.failureMessage));
      tell({ load_error: { file: relative(test.path), chain: chain(error), log: plain(found.failureMessage).slice(0, 4000) } });
    }
    for (const one of found.testResults) {
      const names = [...one.ancestorTitles, one.title];
      const again = one.status === 'passed' && (one.invocations > 1 || one.retryReasons?.length > 0);
      if (one.status === 'passed' && !again) tell(result(test.path, names, 'passed', undefined, one.duration));
      else if (one.status === 'failed' || again) {
        const said = one.failureMessages?.[0];
        const links = met.get(idOf(test.path, names));
        tell(result(test.path, names, 'failed', again ? AGAIN : (said ?? one.failureDetails?.[0]), one.duration, again ? undefined : links));
      } else tell(result(test.path, names, 'skipped', undefined, one.duration));
    }
  }
  onRunComplete() {
    tell({ end: true });
  }
};
