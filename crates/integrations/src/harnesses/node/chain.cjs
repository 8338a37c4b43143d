// Errors as data, for every reporter of ours.

const fs = require('node:fs');
const path = require('node:path');

const env = process.env;
const out = env.AF_OUT;
const root = env.AF_ROOT;
const kinds = JSON.parse(env.AF_KINDS || '[]');
const files = JSON.parse(env.AF_FILES || '[]');
const ids = env.AF_IDS ? JSON.parse(env.AF_IDS) : null;

/** Nothing of ours stays where the tests can see it. */
function hide() {
  for (const name of Object.keys(process.env)) if (name.startsWith('AF_')) delete process.env[name];
}

const write = fs.appendFileSync;

function tell(line) {
  write(out, JSON.stringify(line) + '\n');
}

function relative(file) {
  let name = String(file);
  if (name.startsWith('file://')) name = decodeURIComponent(name.slice(7));
  name = name.split('?')[0];
  return name.startsWith(root + '/') ? name.slice(root.length + 1) : name;
}

function frames(stack) {
  const found = [];
  for (const line of String(stack ?? '').split('\n')) {
    const match = /^\s*at (?:async )?(?:(.+?) \()?((?:file:\/\/)?\/[^()]*?|node:[^()]*?):(\d+):\d+\)?$/.exec(line);
    if (match) found.push({ file: relative(match[2]), function: (match[1] ?? '').replace(/^(new|Object\.) ?/, ''), line: Number(match[3]) });
  }
  found.reverse();
  const own = found.findIndex((place) => !/^(\/|node:)/.test(place.file));
  return found.slice(Math.max(0, own)).slice(-60);
}

function isCheck(error) {
  return error?.code === 'ERR_ASSERTION' || /AssertionError/.test(error?.name ?? '') || error?.matcherResult !== undefined || /^expect\(/.test(String(error?.message ?? '').replace(/\u001b\[\d+m/g, ''));
}

function chain(error, links = []) {
  if (error === undefined || error === null || links.length > 10) return links;
  if (typeof error !== 'object') {
    links.push({ kind: 'Error', message: String(error).slice(0, 600), is_check: false, frames: [] });
    return links;
  }
  const kind = (error.name && error.name !== 'Error' ? error.name : error.constructor?.name) || 'Error';
  const message = String(error.message ?? '').replace(/\u001b\[\d+m/g, '').slice(0, 600);
  links.push({ kind: String(kind).replace(/ \[.*$/, ''), message, is_check: isCheck(error), frames: frames(error.stack) });
  for (const inner of error.errors ?? []) chain(inner, links);
  if (error.cause !== undefined) chain(error.cause, links);
  // `assert.doesNotThrow` and the like keep what they met.
  if (isCheck(error) && error.actual instanceof Error) chain(error.actual, links);
  return links;
}

function result(file, names, outcome, error, duration) {
  const id = `${relative(file)}::${names.join(' > ')}`;
  const log = error ? String(error.stack ?? error.message ?? error).slice(0, 4000) : '';
  return { test: { id, declared: id, file: relative(file), outcome, duration_ms: Math.round(duration ?? 0), chain: error ? chain(error) : [], log } };
}

module.exports = { chain, files, frames, hide, ids, kinds, out, relative, result, root, tell };
