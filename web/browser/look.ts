// How a screen is looked at: no accessibility violation in light or dark, nothing that scrolls the page sideways at any
// width, and, where a folder is given (`--pictures DIR`), a picture of each.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";

export const SIZES = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
  wide: { width: 1680, height: 1050 },
} as const;
export const SCHEMES = ["light", "dark"] as const;

const { values: options } = parseArgs({ options: { pictures: { type: "string" } } });
if (options.pictures) mkdirSync(options.pictures, { recursive: true });
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Leaves the page at the desktop's size, in light. */
export async function look(page: Page, name: string): Promise<void> {
  try {
    await lookEverywhere(page, name);
  } finally {
    await page.setViewportSize(SIZES.desktop);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  }
}

async function lookEverywhere(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const scheme of SCHEMES) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await painted(page);
      if (options.pictures)
        await page.screenshot({ path: join(options.pictures, `${name}-${size}-${scheme}.png`) });
      await notSideways(page, `${name}, ${size}`);
      await noViolations(page, `${name}, ${size}, ${scheme}`);
    }
  }
}

/** Two frames: one in which React answers the new size, one in which it is drawn. */
async function painted(page: Page): Promise<void> {
  await page.evaluate(
    () => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))),
  );
}

/** Nothing may make the page itself scroll sideways. */
export async function notSideways(page: Page, name: string): Promise<void> {
  const over = await page.evaluate(() => {
    const main = document.querySelector("main");
    return Math.max(
      document.documentElement.scrollWidth - window.innerWidth,
      main ? main.scrollWidth - main.clientWidth : 0,
    );
  });
  if (over > 0) throw new Error(`${name}: scrolls ${over} px sideways`);
}

interface Violation {
  id: string;
  nodes: { html: string }[];
}

export async function noViolations(page: Page, name: string): Promise<void> {
  // Evaluated, not added as a script: the page's own policy refuses foreign scripts.
  await page.evaluate(axeSource);
  const found = (await page.evaluate(
    "axe.run({ resultTypes: ['violations'] }).then((answer) => answer.violations)",
  )) as Violation[];
  if (found.length === 0) return;
  const said = found.map((each) => `${each.id} ×${each.nodes.length}: ${each.nodes[0]?.html.slice(0, 160)}`);
  throw new Error(`${name}: ${said.join("; ")}`);
}
