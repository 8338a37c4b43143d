// Our orders, and what happened as lines of ours: results, errors as data. Shared by every runner's part.

const fs = require('node:fs');
const { isNativeError } = require('node:util').types;

const orders = JSON.parse(process.env.AF_ORDERS || '{}');
const { root, kinds = [], files = [], ids = null, shuffle = null } = orders;

// A handle and a function of our own: tests may put others in their place.
const writeSync = fs.writeSync;
let handle;

function tell(line) {
  if (!orders.out) return;
  handle ??= fs.openSync(orders.out, 'a');
  writeSync(handle, JSON.stringify(line) + '\n');
}

/** The test that runs from here on; whoever watches prepares for it. */
function begin(at) {
  tell({ at });
  debugger;
}

/** Nothing of ours stays where the tests can see it. */
function hide() {
  if (orders.out) handle ??= fs.openSync(orders.out, 'a');
  delete process.env.AF_ORDERS;
}

function relative(file) {
  let name = String(file);
  if (name.startsWith('file://')) name = decodeURIComponent(name.slice(7));
  name = name.split('?')[0];
  return name.startsWith(root + '/') ? name.slice(root.length + 1) : name;
}

const FRAME = /^\s*at (?:async )?(?:(.+?) \()?((?:file:\/\/)?\/[^()]*?|node:[^()]*?):(\d+):\d+\)?$/;

function frames(stack) {
  const found = [];
  for (const line of String(stack ?? '').split('\n')) {
    const match = FRAME.exec(line);
    if (match) found.push({ file: relative(match[2]), function: (match[1] ?? '').replace(/^(new|Object\.) ?/, '').replace(/ \[as .*\]$/, ''), line: Number(match[3]) });
  }
  found.reverse();
  const own = found.findIndex((place) => !/^(\/|node:)/.test(place.file));
  return found.slice(Math.max(0, own)).slice(-60);
}

const plain = (text) => String(text ?? '').replace(/\u001b\[\d+m/g, '');
const isError = (value) => isNativeError(value) || (typeof value === 'object' && value !== null && typeof value.stack === 'string' && 'message' in value);

/** A check of the test's own, in the words of node's `assert`, chai, jest or vitest. */
function isCheck(error) {
  return error.code === 'ERR_ASSERTION' || error.matcherResult !== undefined || /AssertionError/.test(error.name ?? '') || /^(expect\(|assert[.\w]*\(received)/.test(plain(error.message)) || /^Snapshot .* mismatched/.test(plain(error.message));
}

/** `TypeError: …` at the head of a stack whose error came as a copy without its type. */
function headOf(stack) {
  return /^([A-Z][\w$.]*)(?: \[[^\]]*\])?(?::|\n|$)/.exec(String(stack ?? ''))?.[1];
}

function chain(error, links = []) {
  if (error === undefined || error === null || links.length > 10) return links;
  if (typeof error !== 'object') {
    const said = plain(error);
    links.push({ kind: headOf(said) ?? 'Error', message: said.slice(0, 600), is_check: isCheck({ message: said.replace(/^Error: /, '') }), frames: frames(said) });
    return links;
  }
  const check = isCheck(error);
  const named = error.name && error.name !== 'Error' ? error.name : error.constructor?.name;
  const kind = check && !named ? 'AssertionError' : named && !['Object', 'Error'].includes(named) ? named : (headOf(error.stack) ?? 'Error');
  links.push({ kind: String(kind || 'Error').replace(/ \[.*$/, ''), message: plain(error.message).slice(0, 600), is_check: check, frames: frames(error.stack) });
  for (const inner of Array.isArray(error.errors) ? error.errors : []) chain(inner, links);
  if (error.cause !== undefined) chain(error.cause, links);
  // `assert.doesNotThrow` and the like keep what they met.
  if (check && isError(error.actual)) chain(error.actual, links);
  return links;
}

const idOf = (file, names) => `${relative(file)}::${names.join(' > ')}`;

/** One result; `met` are links already made where the error itself does not come this far. */
function result(file, names, outcome, error, duration, met) {
  const id = idOf(file, names);
  const log = error ? plain(error.stack ?? error.message ?? error).slice(0, 4000) : '';
  return { test: { id, declared: id, file: relative(file), outcome, duration_ms: Math.round(duration ?? 0), chain: met ?? (error ? chain(error) : []), log } };
}

/** A test that passed only when it was tried again did not pass. */
const AGAIN = { name: 'Error', message: 'passed only when it was tried again' };

module.exports = { AGAIN, begin, chain, files, hide, idOf, ids, kinds, orders, plain, relative, result, root, shuffle, tell };
