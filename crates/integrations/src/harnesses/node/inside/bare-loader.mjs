// Node's loader with what vite would find: endings left out, aliases, types taken away.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

let root;
let alias = [];
let strip;

export function initialize(data) {
  ({ root, alias } = data);
  strip = async (file, text) => {
    const vite = await import(pathToFileURL(data.vite).href);
    const found = vite.transformWithOxc ? await vite.transformWithOxc(text, file, { sourcemap: false }) : await vite.transformWithEsbuild(text, file, { format: 'esm', sourcemap: 'inline' });
    return found.code;
  };
}

const ENDINGS = ['', '.mjs', '.js', '.mts', '.ts', '.jsx', '.tsx', '.json', '/index.mjs', '/index.js', '/index.ts'];

export async function resolve(name, context, next) {
  for (const [find, replacement] of alias) {
    if (name === find || name.startsWith(`${find}/`)) name = replacement + name.slice(find.length);
  }
  const isPath = /^(\.{1,2}\/|\/|file:)/.test(name);
  if (isPath && (context.parentURL?.startsWith(`file://${root}/`) || name.startsWith(root))) {
    const full = name.startsWith('file:') ? fileURLToPath(name) : path.resolve(path.dirname(fileURLToPath(context.parentURL ?? 'file:///')), name);
    const stems = [full, full.replace(/\.([cm]?)jsx?$/, '.$1ts')];
    for (const stem of stems) for (const ending of ENDINGS) {
      const file = stem + ending;
      if (fs.existsSync(file) && fs.statSync(file).isFile()) return next(pathToFileURL(file).href, context);
    }
  }
  return next(name, context);
}

export async function load(url, context, next) {
  const file = url.startsWith('file:') ? fileURLToPath(url) : '';
  if (!file.startsWith(`${root}/`) || file.includes('/node_modules/')) return next(url, context);
  const text = fs.readFileSync(file, 'utf8');
  if (/\.([cm]?ts|[jt]sx)$/.test(file)) return { format: 'module', source: await strip(file, text), shortCircuit: true };
  if (file.endsWith('.json')) return { format: 'module', source: `export default ${text};`, shortCircuit: true };
  if (file.endsWith('.js') && /^\s*(import|export)\b/m.test(text)) return { format: 'module', source: text, shortCircuit: true };
  return next(url, context);
}
