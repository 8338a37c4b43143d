import { expect, test } from "vitest";
import { ansi } from "./ansi";
import { type Carry, ink, languageOf } from "./highlight";

const kinds = (line: string, path: string, carry: Carry = null) =>
  ink(line, languageOf(path), carry).pieces.map((piece) => [piece.kind, piece.text]);

test("no character is lost or added", () => {
  const lines = [
    "def f(x): return 'a\\'b' # done",
    'const s = `a b "c"`; // x',
    "fn main() { let c = '\"'; }",
    '"open',
  ];
  for (const path of ["a.py", "a.ts", "a.rs", "a.unknown"]) {
    for (const line of lines) {
      expect(
        ink(line, languageOf(path))
          .pieces.map((piece) => piece.text)
          .join(""),
      ).toBe(line);
    }
  }
});

test("keywords, definitions, strings and comments", () => {
  expect(kinds("def total(cart): # all", "a.py")).toEqual([
    ["keyword", "def"],
    ["plain", " "],
    ["definition", "total"],
    ["plain", "(cart): "],
    ["comment", "# all"],
  ]);
  expect(kinds("undefined_name = 'def'", "a.py")).toEqual([
    ["plain", "undefined_name = "],
    ["string", "'def'"],
  ]);
});

test("a docstring is carried to the next line and ends there", () => {
  const first = ink('    """What it takes off,', languageOf("a.py"));
  expect(first.carry).toEqual({ close: '"""', kind: "string" });
  const second = ink('    never more.""" if x', languageOf("a.py"), first.carry);
  expect(second.carry).toBeNull();
  expect(second.pieces.at(-2)).toEqual({ kind: "keyword", text: "if" });
});

test("terminal colours become words, everything else is dropped", () => {
  expect(ansi("\u001b[1m\u001b[32m18 passed\u001b[0m in 0.74s\u001b[K")).toEqual([
    { text: "18 passed", colour: "green", bold: true, dim: false },
    { text: " in 0.74s", colour: null, bold: false, dim: false },
  ]);
  expect(ansi("10%\r50%\r100%").map((span) => span.text)).toEqual(["100%"]);
  expect(ansi("\u001b]0;title\u0007plain").map((span) => span.text)).toEqual(["plain"]);
});
