// Takes a runner's names away from a process, so that it looks like any other program.

const { orders, root } = require('./chain.cjs');

/** What runners leave in the environment. `NODE_ENV` goes too where the project itself never asks for it. */
const SIGNS = /^(JEST_WORKER_ID|VITEST.*|TEST|MODE|DEV|PROD|SSR|NODE_TEST_CONTEXT|NODE_OPTIONS|CI|MOCHA_.*|BABEL_ENV)$/;

function dress(place = process) {
  for (const name of Object.keys(place.env)) {
    if (SIGNS.test(name) && !orders.given.includes(name)) delete place.env[name];
  }
  if (orders.hides_node_env) delete place.env.NODE_ENV;
  place.title = 'service';
  place.execArgv.length = 0;
  place.argv.splice(1, Infinity, `${root}/server.js`);
}

module.exports = { dress };
