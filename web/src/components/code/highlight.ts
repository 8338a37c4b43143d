// Code set in ink: keywords and defined names are heavier, strings and comments muted. No hues, so that red and
// green in a diff stay the only colours. One small scanner for all languages, line by line with a carried state.

export type InkKind = "plain" | "keyword" | "definition" | "string" | "comment";

export interface Ink {
  kind: InkKind;
  text: string;
}

/** The multi-line construct a line ended in: its closing mark, or null. */
export type Carry = { close: string; kind: "string" | "comment" } | null;

export interface Language {
  keywords: ReadonlySet<string>;
  definers: ReadonlySet<string>;
  lineComment: string[];
  blocks: [open: string, close: string, kind: "string" | "comment"][];
  quotes: string;
}

const words = (text: string) => new Set(text.split(" "));

const PYTHON: Language = {
  keywords: words(
    "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield None True False",
  ),
  definers: words("def class"),
  lineComment: ["#"],
  blocks: [
    ['"""', '"""', "string"],
    ["'''", "'''", "string"],
  ],
  quotes: "\"'",
};

const SCRIPT: Language = {
  keywords: words(
    "abstract as async await break case catch class const continue default delete do else enum export extends false finally for from function if implements import in instanceof interface let new null of private protected public readonly return static super switch this throw true try type typeof undefined var void while yield",
  ),
  definers: words("function class interface enum type"),
  lineComment: ["//"],
  blocks: [
    ["/*", "*/", "comment"],
    ["`", "`", "string"],
  ],
  quotes: "\"'",
};

const RUST: Language = {
  keywords: words(
    "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
  ),
  definers: words("fn struct enum trait mod type"),
  lineComment: ["//"],
  blocks: [["/*", "*/", "comment"]],
  quotes: '"',
};

const BRACES: Language = {
  keywords: words(
    "abstract break case catch class const continue default defer do else enum extends false final finally for func go if implements import interface map new nil null package private protected public range return static struct super switch this throw throws true try type var void while",
  ),
  definers: words("func class interface struct enum type"),
  lineComment: ["//"],
  blocks: [["/*", "*/", "comment"]],
  quotes: "\"'`",
};

const RUBY: Language = {
  keywords: words(
    "alias and begin break case class def do else elsif end ensure false for if in module next nil not or redo require rescue retry return self super then true unless until when while yield",
  ),
  definers: words("def class module"),
  lineComment: ["#"],
  blocks: [],
  quotes: "\"'",
};

const CONFIG: Language = {
  keywords: words("true false null yes no"),
  definers: new Set(),
  lineComment: ["#"],
  blocks: [],
  quotes: "\"'",
};

const PLAIN: Language = { keywords: new Set(), definers: new Set(), lineComment: [], blocks: [], quotes: "" };

const BY_ENDING: Record<string, Language> = {
  py: PYTHON,
  pyi: PYTHON,
  js: SCRIPT,
  jsx: SCRIPT,
  mjs: SCRIPT,
  cjs: SCRIPT,
  ts: SCRIPT,
  tsx: SCRIPT,
  vue: SCRIPT,
  rs: RUST,
  go: BRACES,
  java: BRACES,
  kt: BRACES,
  c: BRACES,
  h: BRACES,
  cc: BRACES,
  cpp: BRACES,
  cs: BRACES,
  swift: BRACES,
  php: BRACES,
  rb: RUBY,
  sh: RUBY,
  toml: CONFIG,
  yml: CONFIG,
  yaml: CONFIG,
  json: CONFIG,
  cfg: CONFIG,
  ini: CONFIG,
};

export function languageOf(path: string): Language {
  return BY_ENDING[path.split(".").pop()?.toLowerCase() ?? ""] ?? PLAIN;
}

const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;

/** One line's pieces, and what the next line starts inside of. */
export function ink(line: string, language: Language, carry: Carry = null): { pieces: Ink[]; carry: Carry } {
  const pieces: Ink[] = [];
  let plain = "";
  let at = 0;
  let inside = carry;
  let defining = false;
  const put = (kind: InkKind, text: string) => {
    if (text) pieces.push({ kind, text });
  };
  const flush = () => {
    put("plain", plain);
    plain = "";
  };

  while (at < line.length) {
    if (inside) {
      const end = line.indexOf(inside.close, at);
      const stop = end < 0 ? line.length : end + inside.close.length;
      flush();
      put(inside.kind, line.slice(at, stop));
      at = stop;
      if (end >= 0) inside = null;
      continue;
    }
    const block = language.blocks.find(([open]) => line.startsWith(open, at));
    if (block) {
      flush();
      const [open, close, kind] = block;
      const end = line.indexOf(close, at + open.length);
      const stop = end < 0 ? line.length : end + close.length;
      put(kind, line.slice(at, stop));
      if (end < 0) inside = { close, kind };
      at = stop;
      continue;
    }
    if (language.lineComment.some((mark) => line.startsWith(mark, at))) {
      flush();
      put("comment", line.slice(at));
      break;
    }
    const char = line[at] ?? "";
    if (language.quotes.includes(char)) {
      const stop = stringEnd(line, at, char);
      flush();
      put("string", line.slice(at, stop));
      at = stop;
      continue;
    }
    WORD.lastIndex = at;
    const word = WORD.exec(line)?.[0];
    if (word) {
      if (language.keywords.has(word)) {
        flush();
        put("keyword", word);
        defining = language.definers.has(word);
      } else if (defining) {
        flush();
        put("definition", word);
        defining = false;
      } else plain += word;
      at += word.length;
      continue;
    }
    if (char !== " ") defining = false;
    plain += char;
    at += 1;
  }
  flush();
  return { pieces, carry: inside };
}

function stringEnd(line: string, start: number, quote: string): number {
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === quote) return at + 1;
  }
  return line.length;
}
