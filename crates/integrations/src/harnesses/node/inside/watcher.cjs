// The debugger's eyes, in a thread of its own: notes exceptions of the wanted kinds wherever they are thrown, swallowed
// or not, which lines of the test run, and what they ask of the project.

const { Session } = require('node:inspector');
const { SourceMap } = require('node:module');
const { parentPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const path = require('node:path');

const { out, root, ids, kinds, others, begins } = workerData;
const SEEN_MAX = 40;
/** A place in a loop is looked at so often, and all places of a test together so often. */
const LOOKS_MAX = 100;
const PAUSES_MAX = 4000;
/** Of a script with more of them nothing is told rather than a part. */
const PLACES_MAX = 3000;
const LOCATIONS_MAX = 100_000;
const NAMED_AT_ONCE = 1000;
/** How far a function without a name is followed to one that has one. */
const FOLLOWED_MAX = 30;
const TEST = /(^|\/)(tests?|__tests__|__mocks__|__snapshots__|__fixtures__)\/|(^|\/)([^/]*[.\-_](test|spec)|test|test-[^/]*)\.[cm]?[jt]sx?$/;

const session = new Session();
const post = (method, params) => new Promise((done) => session.post(method, params, (error, answer) => done(error ? {} : answer)));
const tell = (line) => fs.appendFileSync(out, JSON.stringify(line) + '\n');
const isOwn = (file) => Boolean(file) && !/^(\/|node:)|(^|\/)node_modules\//.test(file);
const isTest = (file) => isOwn(file) && TEST.test(file);

const scripts = new Map();
const maps = new Map();
/** The looks at each script's places. */
const armed = new Map();
const looks = new Map();
let pauses = 0;
let noted = 0;
let told = new Set();
/** What each line of the test asked of the project last. */
let asked = new Map();
/** A function without a name, as long as it may still ask one that has a name. */
let nameless;

/** What was compiled before it ran carries its map with it. */
function mapOf(id) {
  if (!maps.has(id)) {
    let map = null;
    try {
      const url = scripts.get(id)?.sourceMapURL ?? '';
      const inline = /^data:application\/json[^,]*,(.*)$/s.exec(url);
      if (inline) {
        const text = /;base64$/.test(url.split(',')[0]) ? Buffer.from(inline[1], 'base64').toString() : decodeURIComponent(inline[1]);
        map = new SourceMap(JSON.parse(text));
      }
    } catch {}
    maps.set(id, map);
  }
  return maps.get(id);
}

function spot({ scriptId, lineNumber, columnNumber }, url) {
  let file = (scripts.get(scriptId)?.url || url || '').replace('file://', '').split('?')[0];
  let line = lineNumber + 1;
  const entry = mapOf(scriptId)?.findEntry(lineNumber, columnNumber ?? 0);
  if (entry?.originalLine !== undefined) {
    line = entry.originalLine + 1;
    const source = entry.originalSource?.replace('file://', '');
    if (source) file = path.resolve(path.dirname(file), source);
  }
  if (file.startsWith(root + '/')) file = file.slice(root.length + 1);
  return { file, line };
}

const place = (frame) => ({ function: frame.functionName, ...spot(frame.location, frame.url) });
const lineOf = ({ file, line }) => `${file}:${line}`;

/** A test begins: its steps count from here, if anybody asked for it. */
async function begin(frame) {
  const { result } = await post('Debugger.evaluateOnCallFrame', { callFrameId: frame.callFrameId, expression: 'at', silent: true });
  const isWanted = !ids || ids.some((id) => id === result?.value || id.endsWith(` > ${result?.value}`) || id.endsWith(`::${result?.value}`));
  told = new Set();
  asked = new Map();
  nameless = undefined;
  pauses = 0;
  noted = 0;
  await (isWanted ? arm() : disarm());
}

/** A look at every place in the files of tests that were loaded since. */
async function arm() {
  for (const [scriptId, { url }] of scripts) {
    if (armed.has(scriptId)) continue;
    armed.set(scriptId, []);
    if (!isTest(spot({ scriptId, lineNumber: 0 }, url).file)) continue;
    const wanted = (await locationsOf(scriptId)).filter((location) => location.type !== 'return' && isAsked(spot(location))).map(({ lineNumber, columnNumber }) => ({ scriptId, lineNumber, columnNumber }));
    if (wanted.length > PLACES_MAX) continue;
    const made = await Promise.all(wanted.map((location) => post('Debugger.setBreakpoint', { location })));
    armed.set(scriptId, made.map(({ breakpointId }) => breakpointId));
  }
}

const isAsked = ({ file, line }) => !others.some(([name, first, last]) => name === file && first <= line && line <= last);

/** All that the debugger knows; it names only so many at once. */
async function locationsOf(scriptId) {
  const found = [];
  let start = { scriptId, lineNumber: 0, columnNumber: 0 };
  for (let more = true; more && found.length < LOCATIONS_MAX; ) {
    const { locations = [] } = await post('Debugger.getPossibleBreakpoints', { start });
    found.push(...locations);
    more = locations.length >= NAMED_AT_ONCE;
    if (more) start = { scriptId, lineNumber: locations.at(-1).lineNumber, columnNumber: locations.at(-1).columnNumber + 1 };
  }
  return found;
}

async function disarm() {
  const all = [...armed.values()].flat();
  armed.clear();
  await Promise.all(all.map((breakpointId) => post('Debugger.removeBreakpoint', { breakpointId })));
}

function went(step) {
  if (told.has(step)) return;
  told.add(step);
  tell({ step });
}

/** Places that ran too often are let be, and nobody knows any more what they ask. */
async function forget(ids, line) {
  for (const breakpointId of ids) {
    const count = (looks.get(breakpointId) ?? 0) + 1;
    looks.set(breakpointId, count);
    if (count < LOOKS_MAX) continue;
    await post('Debugger.removeBreakpoint', { breakpointId });
    asked.delete(line);
  }
}

/** What a function was just called with. Arrow functions have no `arguments`, but names for them. */
async function given(frame) {
  const { scriptId, lineNumber, columnNumber } = frame.functionLocation ?? frame.location;
  const { scriptSource = '' } = await post('Debugger.getScriptSource', { scriptId });
  const text = scriptSource.split('\n').slice(lineNumber, lineNumber + 20).join('\n').slice(columnNumber);
  const arrow = /^(?:async\s*)?(?:([\w$]+)|\(((?:[^()]|\([^()]*\))*)\))\s*(?::[^=]*)?=>/.exec(text);
  const names = arrow && [...(arrow[1] ?? arrow[2]).replace(/=[^,}\]]*/g, '').matchAll(/[\w$]+(?!\s*:)/g)].map(([name]) => name);
  const expression = names ? `[${names.join(', ')}]` : '[].slice.call(arguments)';
  const { result } = await post('Debugger.evaluateOnCallFrame', { callFrameId: frame.callFrameId, expression, silent: true, generatePreview: true });
  const values = result?.preview?.properties ?? [];
  return values.slice(0, 12).map(({ type, value, subtype }) => (type === 'string' ? JSON.stringify(value) : type === 'function' ? type : (value ?? subtype ?? type)));
}

/** The nearest line of a test, and what it asked of the project if that still runs. */
function stepOf(places) {
  const at = places.findIndex(({ file }) => isTest(file));
  if (at < 0) return '';
  const line = lineOf(places[at]);
  const callee = places.slice(0, at).findLast(({ file }) => isOwn(file));
  const last = asked.get(line);
  return callee && last && last.among.includes(callee.function) ? last.step : line;
}

function note(params, places) {
  const named = /^([\w$]+)(?::|\n|$)/.exec(params.data?.description ?? '')?.[1];
  const kind = [params.data?.className, named].find((one) => kinds.includes(one));
  // Also where only a package's frames lie between: its exceptions are the project's business.
  if (!kind || noted >= SEEN_MAX || !places.some(({ file }) => file && !/^(\/|node:)/.test(file))) return;
  noted += 1;
  const message = (params.data.description ?? '').split('\n')[0].slice(0, 300);
  tell({ seen: { kind, message, is_check: false, step: stepOf(places), frames: [...places].reverse() } });
}

function ask({ step, line, among }) {
  asked.set(line, { step, among });
  went(step);
  nameless = undefined;
}

/** How to go on from a place where no exception passes. */
async function look({ callFrames, hitBreakpoints = [] }, places) {
  if (isTest(places[0].file)) {
    if (nameless) ask(nameless);
    went(lineOf(places[0]));
    await forget(hitBreakpoints, lineOf(places[0]));
    return 'Debugger.stepInto';
  }
  // An async function begins with a hook of node's own.
  const top = places.findIndex(({ file }) => !file.startsWith('node:'));
  const at = places.findIndex(({ file }) => isTest(file));
  if (!isOwn(places[top]?.file) || at <= top || nameless?.steps > FOLLOWED_MAX) {
    if (nameless) ask(nameless);
    return 'Debugger.resume';
  }
  const name = places[top].function;
  if (name || !nameless) {
    const line = lineOf(places[at]);
    const among = places.slice(0, at).filter(({ file }) => isOwn(file)).map((one) => one.function);
    const found = { line, among, step: `${line} ${[name, ...(await given(callFrames[top]))].join(', ')}` };
    if (name) {
      ask(found);
      return 'Debugger.resume';
    }
    nameless = { ...found, steps: 0 };
  }
  nameless.steps += 1;
  return 'Debugger.stepInto';
}

async function paused({ params }) {
  const places = params.callFrames.slice(0, 60).map(place);
  let next = 'Debugger.resume';
  try {
    if (['exception', 'promiseRejection'].includes(params.reason)) note(params, places);
    else if (places[0].function === 'begin' && places[0].file.endsWith(begins)) await begin(params.callFrames[0]);
    else if ((pauses += 1) < PAUSES_MAX) next = await look(params, places);
    else await disarm();
  } catch {}
  session.post(next);
}

parentPort.on('message', () => {}); // something must keep this thread alive
session.connectToMainThread();
session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params));
session.on('Debugger.paused', paused);
session.post('Debugger.enable', () => session.post('Debugger.setPauseOnExceptions', { state: 'all' }, () => parentPort.postMessage('ready')));
