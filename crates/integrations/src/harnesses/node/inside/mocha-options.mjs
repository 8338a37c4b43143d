// What the project tells mocha, by its configuration and by its script: node's flags apart from the rest.

import { createRequire } from 'node:module';
import path from 'node:path';

const [home, ...words] = process.argv.slice(2);
const require = createRequire(path.join(home, 'package.json'));
const load = (...names) => {
  for (const name of names) {
    try {
      return require(path.join(home, 'lib/cli', name));
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
};
const { loadOptions } = load('options.cjs', 'options.js');
const { isNodeFlag, unparseNodeFlags } = load('node-flags.cjs', 'node-flags.js');
const OURS = ['reporter', 'R', 'reporter-option', 'reporter-options', 'reporterOption', 'O', 'watch', 'w', 'watch-files', 'watch-ignore', 'parallel', 'p', 'jobs', 'j', 'bail', 'b', 'forbid-only', 'forbidOnly', 'forbid-pending', 'forbidPending', 'dry-run', 'dryRun', 'fail-zero', 'failZero', 'color', 'c', 'growl', 'G', 'inspect', 'inspect-brk'];

const all = loadOptions(words);
const node = {};
for (const name of Object.keys(all)) {
  if (OURS.includes(name)) delete all[name];
  else if (isNodeFlag(name)) {
    node[name.replace(/^v8-/, '')] = all[name];
    delete all[name];
  }
}
const flags = [...(all['node-option'] ?? []).map((word) => `--${word}`), ...unparseNodeFlags(node)];
for (const name of ['node-option', 'nodeOption', 'n']) delete all[name];
process.stdout.write(JSON.stringify({ flags, args: { ...all, 'full-trace': true, exit: true, retries: 0, reporter: undefined } }));
