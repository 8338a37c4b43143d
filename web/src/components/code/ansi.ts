// Terminal output as spans: the colours that carry a meaning (red, green, yellow, blue), bold and dim; every other
// control sequence is dropped. Carriage returns keep what was written last. Pure.

export interface AnsiSpan {
  text: string;
  colour: "red" | "green" | "amber" | "blue" | null;
  bold: boolean;
  dim: boolean;
}

const ESC = "\u001b";
const BELL = "\u0007";
const SEQUENCE = new RegExp(
  [
    String.raw`${ESC}\[([0-9;]*)m`,
    String.raw`${ESC}\[[0-9;?]*[A-Za-ln-z]`,
    String.raw`${ESC}\][^${BELL}${ESC}]*(?:${BELL}|${ESC}\\)`,
    `${ESC}[()][A-Z0-9]`,
  ].join("|"),
  "g",
);

const COLOURS: Record<number, AnsiSpan["colour"]> = {
  31: "red",
  32: "green",
  33: "amber",
  34: "blue",
  35: "blue",
  36: "blue",
  91: "red",
  92: "green",
  93: "amber",
  94: "blue",
  96: "blue",
};

export function ansi(line: string): AnsiSpan[] {
  const text = afterReturns(line);
  const spans: AnsiSpan[] = [];
  let style: Omit<AnsiSpan, "text"> = { colour: null, bold: false, dim: false };
  let at = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    if (match.index > at) spans.push({ text: text.slice(at, match.index), ...style });
    at = match.index + match[0].length;
    if (match[0].endsWith("m") && match[1] !== undefined) style = restyle(style, match[1]);
  }
  if (at < text.length) spans.push({ text: text.slice(at), ...style });
  return spans;
}

function restyle(style: Omit<AnsiSpan, "text">, codes: string): Omit<AnsiSpan, "text"> {
  const next = { ...style };
  for (const code of codes.split(";").map(Number)) {
    if (code === 0) Object.assign(next, { colour: null, bold: false, dim: false });
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 22) Object.assign(next, { bold: false, dim: false });
    else if (code === 39) next.colour = null;
    else if (COLOURS[code]) next.colour = COLOURS[code] ?? null;
  }
  return next;
}

function afterReturns(line: string): string {
  const trimmed = line.endsWith("\r") ? line.slice(0, -1) : line;
  const last = trimmed.lastIndexOf("\r");
  return last < 0 ? trimmed : trimmed.slice(last + 1);
}
