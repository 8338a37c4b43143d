// A live line as words and code: `running` + `pytest tests/test_cart.py`. Pure.

const VERB = /^([^:]{1,24}:|\w+ing) (.+)$/;

/** Only what looks like a command or a path is code; anything else stays words. */
export function splitLive(line: string): { words: string; code: string | null } {
  const [, words, rest] = line.match(VERB) ?? [];
  if (words && rest && /[/=_.-]/.test(rest)) return { words, code: rest };
  return { words: line, code: null };
}
