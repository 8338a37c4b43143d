// Runs tests of a tree under orders read from standard input and leaves one JSON report.
//
// Every variant's tests get processes of their own: its edits are laid over the tree before and taken back after. Each
// child writes what happened, line by line, to a file of ours whose last line says that it came to its end.

import fs from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { Child, capture } from './child.mjs';
import { packageOf, plan, split } from './script.mjs';
import { gather, worst } from './gather.mjs';

const HERE = path.dirname(new URL(import.meta.url).pathname);
const TEST_FILE = /(^|\/)(__tests__\/.+|.+[.\-_](test|spec)|test-[^/]+|test|tests?\/([^/]+\/)*[^/]+)\.[cm]?[jt]sx?$/;
const SOURCE = /\.([cm]?[jt]s|[jt]sx)$/;
const OPTIONS_MS = 30_000;

const orders = JSON.parse(fs.readFileSync(0, 'utf8'));
const root = orders.root;
const how = plan(root);

function discover(wanted, folder = '', found = []) {
  for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) {
      if (!['node_modules', '.git', 'coverage', 'dist'].includes(entry.name)) discover(wanted, name, found);
    } else if (wanted(name)) found.push(name);
  }
  return found.sort();
}

/** What a script names: files, folders or patterns. */
function named(args) {
  const { patterns } = split('node', args);
  if (!patterns.length) return (name) => TEST_FILE.test(name);
  const shapes = patterns.map((pattern) => {
    const clean = pattern.replace(/^\.\//, '').replace(/\/$/, '');
    const shape = clean.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\\\{([^}]*)\\\}/g, (_, all) => `(${all.replaceAll(',', '|')})`);
    const glob = shape.replace(/\*\*\/?|\*|\?/g, (star) => (star.startsWith('**') ? '(.*/)?' : star === '*' ? '[^/]*' : '[^/]'));
    return new RegExp(`^${glob}(/.*)?$`);
  });
  return (name) => shapes.some((shape) => shape.test(name)) && SOURCE.test(name) && (TEST_FILE.test(name) || patterns.some((pattern) => SOURCE.test(pattern)));
}

/** Whether the project's own code says this somewhere. */
function says(words) {
  return discover((name) => SOURCE.test(name) && !TEST_FILE.test(name) && fs.readFileSync(path.join(root, name), 'utf8').includes(words)).length > 0;
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

/** Another folder under a neutral name for everything of ours. */
function moved() {
  const folder = `/tmp/service-${randomBytes(4).toString('hex')}`;
  fs.mkdirSync(folder);
  for (const name of fs.readdirSync(HERE)) fs.copyFileSync(path.join(HERE, name), path.join(folder, name));
  return folder;
}

const once = (make) => {
  let value;
  return () => (value ??= make());
};
/** Code that asks for `NODE_ENV` is configured by it, so it stays in a disguise. */
const keepsNodeEnv = once(() => says('NODE_ENV'));
/** Such constants have no value of their own in a file that is compiled alone. */
const needsProgram = once(() => says('const enum'));
const home = once(() => packageOf(root, how.kind));
/** Mocha's configuration, read by mocha in a process of its own. */
const ofMocha = once(async () => {
  const argv = [path.join(HERE, 'mocha-options.mjs'), home(), ...how.args];
  return JSON.parse(await capture(argv, { cwd: root, env: { ...process.env, ...how.env }, timeout: OPTIONS_MS }));
});

function secrets(variant, folder, files) {
  return {
    out: `/tmp/${randomBytes(8).toString('hex')}.jsonl`,
    root,
    files,
    ids: variant.ids ?? null,
    kinds: variant.watch?.kinds ?? [],
    others: variant.watch?.others ?? [],
    shuffle: variant.shuffle ?? null,
    lenient: Boolean(variant.lenient),
    alone: Boolean(variant.lenient) && how.kind === 'jest' && !needsProgram(),
    disguised: variant.disguise !== 'none',
    hides_node_env: variant.disguise !== 'none' && !keepsNodeEnv(),
    given: [...Object.keys(process.env), ...Object.keys(how.env)],
    kind: how.kind,
    home: how.kind === 'node' ? null : home(),
    folder,
  };
}

/** What a child is started with; `files` null means the whole suite. */
async function command(variant, folder, files) {
  const { kind, flags, args } = how;
  const at = (name) => path.join(folder, name);
  const all = secrets(variant, folder, files);
  if (kind === 'mocha') {
    const found = await ofMocha();
    const positional = files ? { _: files, spec: undefined, file: found.args.file, recursive: false } : {};
    Object.assign(all, { args: { ...found.args, ...positional }, loads: found.args.require ?? [] });
    return { argv: [...flags, ...found.flags, at(variant.disguise === 'bare' ? 'bare.mjs' : 'mocha-main.mjs')], all };
  }
  const { options, patterns } = split(kind, args);
  if (variant.disguise === 'bare') return { argv: [...flags, at('bare.mjs')], all: { ...all, args: options, options: words(options) } };
  if (kind === 'node') {
    if (all.disguised) return { argv: [...flags, at('node-main.mjs')], all };
    const reporter = [`--test-reporter=${at('node-reporter.mjs')}`, '--test-reporter-destination=stdout'];
    if (variant.watch) return { argv: [...flags, ...reporter, at('node-watched.mjs')], all };
    return { argv: [...flags, '--import', at('witness.mjs'), ...reporter, ...files], all };
  }
  if (kind === 'vitest') {
    Object.assign(all, { flags, patterns, options: words(options) });
    return { argv: [...flags, at('vitest-main.mjs')], all };
  }
  const picked = files ? ['--runTestsByPath', ...files] : patterns;
  const order = variant.shuffle ? ['--randomize', `--seed=${variant.shuffle}`] : [];
  const own = ['--ci', '--runInBand', '--watchman=false', '--watchAll=false', '--coverage=false', '--bail=0', '--forceExit', '--cacheDirectory=/tmp/jest', `--reporters=${at('jest-reporter.cjs')}`];
  all.args = [...options, ...own, ...order, ...picked];
  return { argv: [...flags, at('jest-main.mjs')], all };
}

/** `--dir src --globals` as an object, for a programmatic start. */
function words(options) {
  const names = { c: 'config', r: 'root', env: 'environment' };
  const found = {};
  for (let i = 0; i < options.length; i += 1) {
    const [name, value] = options[i].replace(/^-+/, '').split(/=(.*)/s);
    const next = value ?? (options[i + 1]?.startsWith('-') === false ? options[(i += 1)] : true);
    found[names[name] ?? name] = /^\d+$/.test(next) ? Number(next) : next;
  }
  return found;
}

/** A vitest that has run nothing yet, or only runs of the same dress. */
let standing;
async function runGroup(variant, folder, files, deadline) {
  const dress = JSON.stringify([variant.disguise, variant.watch ?? null, Boolean(variant.lenient)]);
  if (standing && (standing.dress !== dress || !standing.child.lives)) {
    standing.child.end();
    standing = undefined;
  }
  const keeps = how.kind === 'vitest' && variant.disguise !== 'bare';
  let { child, out } = standing ?? {};
  if (!child) {
    const { argv, all } = await command(variant, folder, files);
    out = all.out;
    child = new Child(argv, { cwd: root, env: { ...process.env, ...how.env, AF_ORDERS: JSON.stringify(all) }, talks: keeps });
    if (keeps) standing = { child, out, dress };
  }
  const ended = keeps ? await child.ask({ files, shuffle: variant.shuffle ?? null }, deadline) : await child.wait(deadline);
  const told = lines(out);
  if (standing && child.lives) fs.truncateSync(out);
  else {
    fs.rmSync(out, { force: true });
    standing = undefined;
  }
  return { ...ended, told };
}

function lines(file) {
  try {
    return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

async function one(variant) {
  const begun = Date.now();
  const deadline = begun + orders.timeout_s * 1000;
  const wanted = variant.ids ? new Set(variant.ids) : null;
  let files = wanted ? [...new Set(variant.ids.map((id) => id.split('::')[0]))] : how.kind === 'node' ? discover(named(how.args)) : null;
  files = files?.filter((file) => fs.existsSync(path.join(root, file))) ?? null;
  const answer = { key: variant.key, ended: 'finished', tests: [], load_errors: [], log: '', left: [] };
  if (wanted && !files.length) return answer;
  const alone = how.kind === 'node' || variant.disguise === 'bare';
  const groups = alone ? files.map((file) => [file]) : [files];
  const folder = variant.disguise === 'none' ? HERE : hidden();
  for (let i = 0; i < groups.length; i += 1) {
    const found = await runGroup(variant, folder, groups[i], deadline);
    // One file that can't be loaded takes the others of its process along.
    if (groups[i]?.length > 1 && !found.late && found.code && !found.told.some((line) => line.test || line.end)) groups.push(...groups[i].map((file) => [file]));
    else gather(answer, found, groups[i] ?? [], root);
    if (found.late) break;
  }
  answer.tests = worst(answer.tests).filter((test) => !wanted || wanted.has(test.id));
  answer.duration_ms = Date.now() - begun;
  return answer;
}

const hidden = once(moved);

async function whole(variant) {
  const answer = await one(variant);
  if (answer.left.length) {
    const again = await one({ ...variant, disguise: 'dressed', ids: [...new Set(answer.left)] });
    answer.tests.push(...again.tests);
    if (again.ended !== 'finished') answer.ended = again.ended;
    answer.load_errors.push(...again.load_errors);
    answer.duration_ms += again.duration_ms ?? 0;
  }
  delete answer.left;
  return answer;
}

const answers = [];
for (const variant of orders.variants) {
  if (how.stranger) {
    answers.push({ key: variant.key, ended: 'died', tests: [], load_errors: [], log: `the script \`test\` runs \`${how.stranger}\`, which this runner does not know` });
    continue;
  }
  if (orders.fresh && answers.at(-1)?.ended === 'timeout') {
    answers.push({ ...answers.at(-1), key: variant.key });
    continue;
  }
  const kept = lay(variant.edits ?? []);
  try {
    answers.push(await whole(variant));
  } finally {
    for (const [full, content] of kept) write(full, content);
  }
}
standing?.child.end();
fs.writeFileSync(`${orders.report}.part`, JSON.stringify({ variants: answers }));
fs.renameSync(`${orders.report}.part`, orders.report);
