// Which test runner a project uses and with which words, read from the scripts of its `package.json`.

import fs from 'node:fs';
import path from 'node:path';

const RUNNERS = ['vitest', 'jest', 'mocha'];
const STRANGERS = ['ava', 'tap', 'jasmine', 'karma', 'cypress', 'playwright', 'qunit', 'uvu', 'lab', 'wdio', 'testcafe', 'bun', 'deno', 'react-scripts', 'ng'];
const SCRIPT_RUNNERS = ['npm', 'yarn', 'pnpm', 'bun', 'run-s', 'run-p', 'npm-run-all'];
/** What a project may say to its runner; the rest (coverage, reporters, watching, parallel work) is ours to decide. */
const KEPT = {
  jest: { '--config': 1, '-c': 1, '--rootDir': 1, '--env': 1, '--testEnvironment': 1, '--testTimeout': 1, '--testPathIgnorePatterns': 1, '--injectGlobals': 0 },
  vitest: { '--config': 1, '-c': 1, '--root': 1, '-r': 1, '--dir': 1, '--environment': 1, '--env': 1, '--project': 1, '--mode': 1, '--testTimeout': 1, '--exclude': 1, '--globals': 0 },
};
const DROPPED_WITH_VALUE = ['--reporter', '--reporters', '-R', '--maxWorkers', '-w', '--outputFile', '--coverageDirectory', '--coverageReporters', '--shard', '-t', '--testNamePattern', '--pool', '--testResultsProcessor'];
const DEPTH_MAX = 5;

/** The words of a line of shell, one list per command. */
export function commands(line) {
  const found = [[]];
  for (const [, end, word] of line.matchAll(/(&&|\|\||[;|&\n])|((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"';|&\\])+)/g)) {
    if (end) found.push([]);
    else found.at(-1).push(word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, (_, a, b, c) => (a !== undefined ? a.replace(/\\(.)/g, '$1') : (b ?? c))));
  }
  return found.filter((words) => words.length);
}

export function packageOf(root, name) {
  for (const folder of [path.join(root, 'node_modules'), '/node_modules']) {
    if (fs.existsSync(path.join(folder, name, 'package.json'))) return fs.realpathSync(path.join(folder, name));
  }
}

/** `{ kind, flags, env, args }`: the runner, what node is told, variables, and the runner's own words. */
export function plan(root) {
  let scripts = {};
  try {
    scripts = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).scripts ?? {};
  } catch {}
  const names = ['test', ...Object.keys(scripts).filter((name) => /^(unit|tests?)\b/.test(name) && name !== 'test')];
  let stranger;
  for (const name of names) {
    const found = search(scripts, name, 0);
    if (found?.kind && (!RUNNERS.includes(found.kind) || packageOf(root, found.kind))) return found;
    stranger ??= found?.stranger;
  }
  if (stranger) return { stranger };
  const kind = RUNNERS.find((name) => packageOf(root, name)) ?? 'node';
  return { kind, flags: [], env: {}, args: [] };
}

function search(scripts, name, depth) {
  if (typeof scripts[name] !== 'string' || depth > DEPTH_MAX) return undefined;
  let stranger;
  for (const words of commands(scripts[name])) {
    const found = read(words, scripts);
    if (found) return found;
    const head = base(words.find((word) => !isSetting(word) && !['npx', 'cross-env'].includes(word)));
    if (SCRIPT_RUNNERS.includes(head)) {
      for (const word of words.slice(1)) {
        const inner = word === 't' ? 'test' : word;
        if (inner !== name && Object.hasOwn(scripts, inner)) {
          const below = search(scripts, inner, depth + 1);
          if (below?.kind) return below;
          stranger ??= below?.stranger;
        }
      }
    }
    if (STRANGERS.includes(head)) stranger ??= head;
  }
  return stranger && { stranger };
}

const isSetting = (word) => /^[A-Za-z_]\w*=/.test(word);
const base = (word) => path.basename(word ?? '').replace(/\.[cm]?js$/, '').replace(/^_mocha$/, 'mocha');

function read(words, scripts) {
  const env = {};
  const flags = [];
  for (const word of words) {
    if (!isSetting(word)) continue;
    const at = word.indexOf('=');
    const [name, value] = [word.slice(0, at), word.slice(at + 1)];
    if (name === 'NODE_OPTIONS') flags.push(...value.split(/\s+/).filter(Boolean));
    else env[name] = value;
  }
  const at = words.findIndex((word) => RUNNERS.includes(base(word)) && !word.startsWith('-'));
  const node = words.findIndex((word) => ['node', 'tsx'].includes(base(word)));
  const isScript = at > 0 && Object.hasOwn(scripts, words[at]) && SCRIPT_RUNNERS.includes(base(words[0]));
  if (at >= 0 && !isScript) {
    if (node >= 0 && node < at) flags.push(...words.slice(node + 1, at));
    const kind = base(words[at]);
    return { kind, flags, env, args: kind === 'mocha' ? words.slice(at + 1) : kept(kind, words.slice(at + 1)) };
  }
  if (node < 0) return undefined;
  const { flags: own, args } = ofNode(words.slice(node + 1));
  if (!own.includes('--test') && !args.some((word) => /\b(test|spec)s?\b/.test(word))) return undefined;
  if (base(words[node]) === 'tsx') flags.push('--import', 'tsx');
  return { kind: 'node', flags: [...flags, ...own.filter((word) => !word.startsWith('--test') && !word.startsWith('--watch'))], env, args };
}

/** Node's own flags end at the first word that is a file. */
function ofNode(words) {
  const takes = ['--import', '--require', '-r', '--loader', '--experimental-loader', '--conditions', '-C', '--env-file', '--test-reporter', '--test-reporter-destination', '--test-name-pattern', '--test-concurrency'];
  const flags = [];
  let i = 0;
  for (; i < words.length && words[i].startsWith('-'); i += 1) {
    const ours = words[i].startsWith('--test-');
    const value = takes.includes(words[i]) ? [words[(i += 1)]] : [];
    if (!ours) flags.push(words[i - value.length], ...value);
  }
  return { flags, args: words.slice(i) };
}

function kept(kind, words) {
  const all = KEPT[kind];
  const args = [];
  for (let i = 0; i < words.length; i += 1) {
    const name = words[i].split('=')[0];
    if (Object.hasOwn(all, name)) {
      args.push(words[i]);
      if (all[name] && name === words[i] && i + 1 < words.length) args.push(words[(i += 1)]);
    } else if (name === words[i] && DROPPED_WITH_VALUE.includes(name)) i += 1;
    else if (!words[i].startsWith('-') && !(kind === 'vitest' && ['run', 'watch', 'dev'].includes(words[i]))) args.push(words[i]);
  }
  return args;
}

/** Words of `args` that are no options: paths or patterns that narrow the whole suite. */
export function split(kind, args) {
  const options = [];
  const patterns = [];
  for (let i = 0; i < args.length; i += 1) {
    if (!args[i].startsWith('-')) patterns.push(args[i]);
    else {
      options.push(args[i]);
      if (KEPT[kind]?.[args[i]] && i + 1 < args.length) options.push(args[(i += 1)]);
    }
  }
  return { options, patterns };
}
