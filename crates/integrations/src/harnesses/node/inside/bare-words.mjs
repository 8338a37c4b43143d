// What a bare run can't do, and how it says so.

export class Unsupported extends Error {}
export const nothing = () => {};
export const unsupported = (what) => () => {
  throw new Unsupported(what);
};

/** Parts of a framework that refuse to work without it. */
const REFUSALS = /Vitest failed to access its internal state|cannot be used without test context|mocker was not initialized|can only be used inside a test|failed to find the current suite|Snapshot state must be initialized|snapshot state|`?expect\.soft/i;

export function isLeft(error) {
  return error instanceof Unsupported || REFUSALS.test(String(error?.message ?? ''));
}

/** An object that has some of a framework's functions; asking it for another is asking too much. */
export function only(own) {
  return new Proxy(own, {
    get(target, name) {
      if (name in target || typeof name === 'symbol' || name === 'then') return target[name];
      throw new Unsupported(String(name));
    },
  });
}
