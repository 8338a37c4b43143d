// How much JavaScript a reader loads before they see each page, compressed as the server sends it. Fails above the
// limits, of one page and of what every page waits for. Reads Vite's manifest, so it needs a build.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 250;
const SHARED_LIMIT_KB = 160;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
const size = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length / 1_000;

function files(key, seen = new Set()) {
  const entry = manifest[key];
  if (!entry || seen.has(entry.file)) return seen;
  seen.add(entry.file);
  for (const needed of entry.imports ?? []) files(needed, seen);
  return seen;
}

const first = files("index.html");
const sum = (set) => [...set].reduce((total, file) => total + size(file), 0);
let worst = 0;
for (const page of manifest["index.html"].dynamicImports ?? []) {
  const all = new Set([...first, ...files(page)]);
  worst = Math.max(worst, sum(all));
  console.log(`${sum(all).toFixed(1).padStart(7)} kB  ${page}`);
}
console.log(
  `${sum(first).toFixed(1).padStart(7)} kB  shared by all, of ${SHARED_LIMIT_KB} kB; the heaviest page loads ${worst.toFixed(1)} of ${LIMIT_KB} kB`,
);
process.exit(worst > LIMIT_KB || sum(first) > SHARED_LIMIT_KB ? 1 : 0);
