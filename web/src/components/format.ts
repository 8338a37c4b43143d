// Numbers and names in words.

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** A whole number, its thousands apart. Not by the browser's tables: loading those holds up the first page. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, "\u202f");
}

/** `812`, `96.4 k`, `1.2 M`. */
export function compact(value: number): string {
  if (value < 1_000) return String(value);
  if (value < 1_000_000) return `${trim(value / 1_000)} k`;
  return `${trim(value / 1_000_000)} M`;
}

export function money(usd: number): string {
  return `$${usd.toFixed(usd > 0 && usd < 0.01 ? 4 : 2)}`;
}

export function bytes(size: number): string {
  if (size < 1_024) return `${size} B`;
  if (size < 1_024 * 1_024) return `${trim(size / 1_024)} KiB`;
  return `${trim(size / 1_024 / 1_024)} MiB`;
}

export function shortCommit(commit: string | null | undefined): string {
  return commit ? commit.slice(0, 7) : "";
}

/** Keeps both ends: `sha256:9f3ce0…d471be`. */
export function shortDigest(digest: string, ends = 6): string {
  const split = digest.indexOf(":");
  const [prefix, value] = split > 0 ? [digest.slice(0, split + 1), digest.slice(split + 1)] : ["", digest];
  return value.length <= ends * 2 + 1 ? digest : `${prefix}${value.slice(0, ends)}…${value.slice(-ends)}`;
}

function trim(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
}
