// What the children's lines come to.

const SEEN_MAX = 40;
const STEPS_MAX = 2000;
/** Stands at the end of every file, and does nothing of the project's. */
const CANARY = /(^|> |::)af[0-9a-f]+ (holds|breaks)$/;
const RANK = { passed: 0, skipped: 1, failed: 2 };

/** Tests of one name are one test, which went as the worst of them. */
export function worst(tests) {
  const found = new Map();
  for (const test of tests) {
    const known = found.get(test.id);
    const of = (what) => [...(known?.[what] ?? []), ...(test[what] ?? [])];
    const both = { seen: of('seen'), steps: of('steps') };
    found.set(test.id, Object.assign(!known || RANK[test.outcome] > RANK[known.outcome] ? { ...test } : known, both));
  }
  return [...found.values()];
}

/** Exceptions on their way belong to the test that ran when they passed; to all where nobody said which.
 *  What a test's own tests do, it does itself. One that comes from no line of a test, while only a canary runs, is
 *  late: it belongs to every test that has begun. */
function attach(told) {
  const tests = told.filter((line) => line.test).map((line) => ({ ...line.test, seen: [], steps: [] }));
  const isTold = told.some((line) => line.at);
  const begun = [];
  for (const line of told) {
    if (line.at) begun.push(line.at);
    if (!line.seen && !line.step) continue;
    const isLate = line.seen && !line.seen.step && CANARY.test(begun.at(-1));
    const from = isLate ? begun : begun.slice(-1);
    const isIts = ({ id }) => !isTold || from.some((at) => id === at || id.endsWith(` > ${at}`) || id.endsWith(`::${at}`));
    const ids = tests.filter(isIts).map(({ id }) => id);
    for (const test of tests) {
      if (!ids.some((id) => id === test.id || id.startsWith(`${test.id} > `))) continue;
      if (line.step && test.steps.length < STEPS_MAX) test.steps.push(line.step);
      if (line.seen && test.seen.length < SEEN_MAX) test.seen.push(line.seen);
    }
  }
  return tests;
}

/** The last exception that a program printed before it gave up, as one link. */
function printed(said, root) {
  const text = said.replace(/\u001b\[\d+m/g, '');
  const heads = [...text.matchAll(/^(?:.*[^\w.])?([A-Z]\w*(?:Error|Exception))(?: \[[^\]]*\])?: (.*)\n((?:.*\n){0,12}?\s+at .*(?:\n\s+at .*)*)/gm)];
  const found = heads.at(-1);
  if (!found) return [];
  const frames = [...found[3].matchAll(/^\s*at (?:async )?(?:(.+?) \()?((?:file:\/\/)?\/[^()]*?):(\d+):\d+\)?$/gm)].map(([, name, file, line]) => {
    const clean = file.replace('file://', '');
    return { file: clean.startsWith(`${root}/`) ? clean.slice(root.length + 1) : clean, function: name ?? '', line: Number(line) };
  });
  return [{ kind: found[1], message: found[2].slice(0, 600), is_check: false, frames: frames.reverse() }];
}

export function gather(answer, { said, late, code, told }, files, root) {
  answer.log += said.slice(-2000);
  const tests = attach(told);
  answer.tests.push(...tests);
  answer.left.push(...told.filter((line) => line.left).map((line) => line.left));
  for (const line of told) if (line.load_error) answer.load_errors.push(line.load_error);
  if (late) answer.ended = 'timeout';
  else if (!told.some((line) => line.end)) {
    const raised = told.find((line) => line.raised)?.raised;
    const hasBegun = tests.length || told.some((line) => line.at);
    if (hasBegun || (!raised && !code)) answer.ended = 'died';
    else answer.load_errors.push({ file: files[0] ?? '', chain: raised ?? printed(said, root), log: said.slice(-2000) });
  }
}
