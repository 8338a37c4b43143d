// The two Latin fonts, without what the app never draws: ligatures and contextual forms, which base.css switches off,
// and weights that it never asks for. Less than half of the bytes is left of files that every first visit loads.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import subsetFont from "subset-font";

const PACKAGES = "node_modules/@fontsource-variable";
const OUT = "node_modules/.astraforge/fonts";
const FONTS = [
  ["inter", "inter-latin-wght-normal.woff2"],
  ["jetbrains-mono", "jetbrains-mono-latin-wght-normal.woff2"],
] as const;
const RECIPE = {
  targetFormat: "woff2",
  keepFeatures: ["kern", "mark", "mkmk", "ccmp", "locl", "tnum"],
  variationAxes: { wght: { min: 400, max: 700 } },
} as const;

/** Aliases for Vite: the packages' style sheets ask for the whole files and get the reduced ones. */
export async function reducedFonts(root: string): Promise<{ find: RegExp; replacement: string }[]> {
  mkdirSync(join(root, OUT), { recursive: true });
  return Promise.all(
    FONTS.map(async ([name, file]) => {
      const folder = join(root, PACKAGES, name);
      const { latin } = JSON.parse(readFileSync(join(folder, "unicode.json"), "utf8"));
      const whole = readFileSync(join(folder, "files", file));
      const replacement = join(root, OUT, file);
      writeFileSync(replacement, await subsetFont(whole, characters(latin), RECIPE));
      return { find: new RegExp(`^.*/${file.replace(".", "\\.")}$`), replacement };
    }),
  );
}

/** `U+0000-00FF,U+0131` as the characters themselves. */
function characters(ranges: string): string {
  return ranges
    .split(",")
    .map((range) => {
      const [first = 0, last = first] = range
        .replace("U+", "")
        .split("-")
        .map((code) => Number.parseInt(code, 16));
      return String.fromCodePoint(...Array.from({ length: last - first + 1 }, (_, at) => first + at));
    })
    .join("");
}
