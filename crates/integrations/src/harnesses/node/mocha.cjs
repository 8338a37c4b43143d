// What mocha says, as lines of ours.

const { result, tell } = require('./chain.cjs');

module.exports = class {
  constructor(runner) {
    const say = (outcome) => (test, error) => tell(result(test.file, test.titlePath(), outcome, error, test.duration));
    runner.on('pass', say('passed'));
    runner.on('fail', say('failed'));
    runner.on('pending', say('skipped'));
    runner.on('end', () => tell({ end: true }));
  }
};
