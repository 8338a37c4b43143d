// Runs tests of a tree under orders read from standard input and leaves one JSON report.
//
// Every variant gets processes of its own: its edits are laid over the tree before and taken back after. Each child
// writes what happened, line by line, to a file of ours whose last line says that it came to its end.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';

const HERE = path.dirname(new URL(import.meta.url).pathname);
const orders = JSON.parse(fs.readFileSync(0, 'utf8'));
const root = orders.root;
const TEST_FILE = /(^|\/)(__tests__\/.+|.+[.\-_](test|spec)|test-[^/]+|test|tests?\/([^/]+\/)*[^/]+)\.[cm]?[jt]sx?$/;

function runner() {
  let manifest = {};
  try {
    manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  } catch {}
  const script = String(manifest.scripts?.test ?? '');
  for (const name of ['vitest', 'jest', 'mocha']) if (script.includes(name)) return name;
  if (script.includes('node')) return 'node';
  for (const name of ['vitest', 'jest', 'mocha']) if (packageOf(name)) return name;
  return 'node';
}

function packageOf(name) {
  for (const folder of [path.join(root, 'node_modules'), '/node_modules']) {
    if (fs.existsSync(path.join(folder, name, 'package.json'))) return path.join(folder, name);
  }
}

function discover(folder = '', found = []) {
  for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) {
      if (!['node_modules', '.git', 'coverage', 'dist'].includes(entry.name)) discover(name, found);
    } else if (TEST_FILE.test(name)) found.push(name);
  }
  return found.sort();
}

function lay(edits) {
  const kept = [];
  for (const [name, text] of edits) {
    const full = path.join(root, name);
    kept.push([full, fs.existsSync(full) ? fs.readFileSync(full) : null]);
    write(full, text);
  }
  return kept.reverse();
}

function write(full, content) {
  if (content === null) return fs.rmSync(full, { force: true });
  fs.mkdirSync(path.dirname(full), { recursive: true });
  fs.writeFileSync(full, content);
}

function child(argv, env, deadline) {
  return new Promise((done) => {
    const left = Math.max(1, deadline - Date.now());
    const process_ = spawn(process.execPath, argv, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (part) => {
      if (said.length < 20000) said += part;
    };
    process_.stdout.on('data', hear);
    process_.stderr.on('data', hear);
    const kill = () => {
      try {
        process.kill(-process_.pid, 'SIGKILL');
      } catch {}
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, left);
    process_.on('error', () => {});
    process_.on('exit', (code) => {
      clearTimeout(timer);
      setTimeout(() => {
        kill();
        done({ code, said, late });
      }, 5);
    });
  });
}

function lines(file) {
  try {
    return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

/** Files and options for one child of the framework that the project uses. */
function command(kind, files, out, variant, folder) {
  const disguised = variant.disguise !== 'none';
  const here = disguised ? folder : HERE;
  if (kind === 'node') {
    if (disguised) return [path.join(folder, variant.disguise === 'bare' ? 'bare.mjs' : 'main.mjs')];
    const reporter = [`--test-reporter=${path.join(here, 'reporter.mjs')}`, '--test-reporter-destination=stdout'];
    if (variant.watch) return [...reporter, path.join(here, 'watched.mjs')];
    return ['--import', path.join(here, 'witness.mjs'), ...reporter, ...files];
  }
  const home = packageOf(kind);
  if (kind === 'jest') {
    const picked = variant.ids || files.length ? ['--runTestsByPath', ...files] : [];
    return [path.join(home, 'bin/jest.js'), '--ci', '--runInBand', '--watchman=false', '--coverage=false', '--cacheDirectory=/tmp/jest', `--reporters=${path.join(here, 'jest.cjs')}`, ...picked];
  }
  if (kind === 'vitest') {
    return [path.join(home, 'vitest.mjs'), 'run', '--no-coverage', '--pool=forks', '--poolOptions.forks.singleFork', `--reporter=${path.join(here, 'vitest.mjs')}`, ...files];
  }
  return [path.join(home, 'bin/mocha.js'), '--exit', '--reporter', path.join(here, 'mocha.cjs'), ...files];
}

function disguise(variant) {
  if (variant.disguise === 'none') return HERE;
  const folder = `/tmp/service-${randomBytes(4).toString('hex')}`;
  fs.mkdirSync(folder);
  for (const name of fs.readdirSync(HERE)) fs.copyFileSync(path.join(HERE, name), path.join(folder, name));
  return folder;
}

async function one(kind, variant) {
  const begun = Date.now();
  const deadline = begun + orders.timeout_s * 1000;
  const wanted = variant.ids ? new Set(variant.ids) : null;
  let files = wanted ? [...new Set(variant.ids.map((id) => id.split('::')[0]))] : kind === 'node' ? discover() : [];
  files = files.filter((file) => fs.existsSync(path.join(root, file)));
  const answer = { key: variant.key, ended: 'finished', tests: [], load_errors: [], log: '', left: [] };
  if (wanted && !files.length) return answer;
  const groups = kind === 'node' ? files.map((file) => [file]) : [files];
  const folder = disguise(variant);
  for (const group of groups) {
    const out = `/tmp/${randomBytes(8).toString('hex')}.jsonl`;
    const env = { ...process.env, AF_OUT: out, AF_ROOT: root, AF_FILES: JSON.stringify(group), AF_KINDS: JSON.stringify(variant.watch?.kinds ?? []) };
    if (variant.disguise === 'bare' && wanted) env.AF_IDS = JSON.stringify(variant.ids);
    const { said, late, code } = await child(command(kind, group, out, variant, folder), env, deadline);
    const told = lines(out);
    fs.rmSync(out, { force: true });
    gather(answer, told, { said, late, code, group });
    if (late) break;
  }
  answer.tests = answer.tests.filter((test) => !wanted || wanted.has(test.id));
  answer.duration_ms = Date.now() - begun;
  return answer;
}

function gather(answer, told, { said, late, code, group }) {
  answer.log += said.slice(-2000);
  const seen = told.filter((line) => line.seen).map((line) => line.seen);
  const tests = told.filter((line) => line.test).map((line) => line.test);
  for (const test of tests) test.seen = [...(test.seen ?? []), ...seen.slice(0, 40)];
  answer.tests.push(...tests);
  answer.left.push(...told.filter((line) => line.left).map((line) => line.left));
  for (const line of told) if (line.load_error) answer.load_errors.push(line.load_error);
  if (late) answer.ended = 'timeout';
  else if (!told.some((line) => line.end)) {
    const raised = told.find((line) => line.raised)?.raised;
    if (raised && !tests.length) answer.load_errors.push({ file: group[0] ?? '', chain: raised, log: said.slice(-2000) });
    else if (!tests.length && code) answer.load_errors.push({ file: group[0] ?? '', chain: [], log: said.slice(-2000) });
    else answer.ended = 'died';
  }
}

const kind = runner();
const answers = [];
for (const variant of orders.variants) {
  if (orders.fresh && answers.length && answers.at(-1).ended === 'timeout') {
    answers.push({ ...answers.at(-1), key: variant.key });
    continue;
  }
  const kept = lay(variant.edits ?? []);
  let answer;
  try {
    if (kind !== 'node' && variant.disguise === 'bare') variant.disguise = 'dressed';
    answer = await one(kind, variant);
    if (answer.left.length) {
      const again = await one(kind, { ...variant, disguise: 'dressed', ids: answer.left });
      answer.tests.push(...again.tests);
      if (again.ended !== 'finished') answer.ended = again.ended;
      answer.load_errors.push(...again.load_errors);
    }
  } finally {
    for (const [full, content] of kept) write(full, content);
  }
  delete answer.left;
  answers.push(answer);
}
fs.writeFileSync(`${orders.report}.part`, JSON.stringify({ variants: answers }));
fs.renameSync(`${orders.report}.part`, orders.report);
