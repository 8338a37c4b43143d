// What mocha says, as lines of ours.

const { AGAIN, begin, idOf, result, tell } = require('./chain.cjs');

module.exports = class {
  constructor(runner) {
    const say = (test, outcome, error) => tell(result(test.file, test.titlePath(), outcome, error, test.duration));
    runner.on('test', (test) => begin(idOf(test.file, test.titlePath())));
    runner.on('pass', (test) => (test.currentRetry?.() > 0 ? say(test, 'failed', AGAIN) : say(test, 'passed')));
    runner.on('pending', (test) => say(test, 'skipped'));
    runner.on('fail', (failed, error) => {
      if (failed.type !== 'hook') return say(failed, 'failed', error);
      // A hook that fails takes its tests along: the one it was run for, or all that are still to come.
      const current = failed.ctx?.currentTest;
      if (current) say(current, 'failed', error);
      failed.parent.eachTest((test) => {
        if (!test.state && test !== current) say(test, 'failed', error);
      });
    });
    runner.on('end', () => tell({ end: true }));
  }
};
