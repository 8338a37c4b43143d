// Opens the built app in Chromium with its API answered from fixtures, and takes a picture of every scene; with
// `--axe` it looks for accessibility violations instead. Fails on any console error, refused resource, unanswered
// request or sideways scroll.
//
//   npm run screenshots [-- --only run --size phone --scheme dark]
//   npm run test:axe

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { preview } from "vite";
import { NOW } from "./fixtures/story";
import { everywhere, pending, type Scene, scenes } from "./scenes";

const SIZES = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
  wide: { width: 1680, height: 1050 },
} as const;
const SCHEMES = ["light", "dark"] as const;
const OUT = new URL("./out/", import.meta.url).pathname;
const SETTLE_MS = 400;
const PAGES_AT_ONCE = 4;

const { values: options } = parseArgs({
  options: {
    axe: { type: "boolean", default: false },
    only: { type: "string" },
    size: { type: "string" },
    scheme: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});

const faults: string[] = [];
mkdirSync(OUT, { recursive: true });
const server = await preview({ preview: { port: 0, host: "127.0.0.1" }, logLevel: "error" });
const origin = server.resolvedUrls?.local[0]?.replace(/\/$/, "") ?? "";
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ["--no-sandbox", "--headless=new"],
});
const eventSource = readFileSync(new URL("./event-source.js", import.meta.url), "utf8");
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const sizes = Object.entries(SIZES).filter(([size]) => !options.size || options.size === size);
const schemes = SCHEMES.filter((scheme) => !options.scheme || options.scheme === scheme);
const chosen = scenes.filter((scene) => !options.only || scene.name.includes(options.only));
const jobs = sizes.flatMap(([size, viewport]) =>
  schemes.flatMap((scheme) =>
    chosen.map((scene) => async () => {
      const context = await browser.newContext({
        viewport,
        colorScheme: scheme,
        reducedMotion: "reduce",
        locale: "en-GB",
        timezoneId: "UTC",
      });
      await show(context, scene, `${scene.name}-${size}-${scheme}`);
      await context.close();
    }),
  ),
);
await Promise.all(
  Array.from({ length: PAGES_AT_ONCE }, async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await job();
  }),
);

await browser.close();
await server.close();
for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "no faults" : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);

async function show(context: BrowserContext, scene: Scene, name: string): Promise<void> {
  const page = await context.newPage();
  page.on("console", (message) => {
    // A refused answer is part of some scenes; the browser reports each as an error of its own.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      faults.push(`${name}: console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => faults.push(`${name}: ${error.message}`));
  await page.clock.setFixedTime(new Date(NOW));
  await page.addInitScript({
    content: `const EVENTS = ${JSON.stringify(scene.events ?? [])};\n${eventSource}`,
  });
  await answer(page, scene, name);
  try {
    await page.goto(`${origin}${scene.path}`, { waitUntil: "load" });
    await page.locator("h1").first().waitFor({ timeout: 15_000 });
    await page.waitForTimeout(SETTLE_MS);
    await scene.act?.(page);
    await page.waitForTimeout(SETTLE_MS);
    await page.evaluate(() => document.fonts.ready);
    if (options.axe) await axe(page, name);
    else await page.screenshot({ path: `${OUT}${name}.png` });
    await sideways(page, name);
  } catch (error) {
    faults.push(`${name}: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
    await page.screenshot({ path: `${OUT}${name}.png`, timeout: 5_000 }).catch(() => undefined);
  }
  await page.close();
}

async function answer(page: Page, scene: Scene, name: string): Promise<void> {
  await page.route(`${origin}/api/**`, async (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname;
    const answers = { ...everywhere, ...scene.answers };
    const value = answers[`${request.method()} ${path}`] ?? answers[path];
    if (value === pending) return;
    if (value === undefined) {
      if (path !== "/api/auth/csrf/") faults.push(`${name}: nobody answers ${request.method()} ${path}`);
      return route.fulfill({ status: 204, headers: { "Set-Cookie": "csrftoken=token; Path=/" } });
    }
    const refused = (value as { __problem?: { status: number } }).__problem;
    if (refused) {
      return route.fulfill({
        status: refused.status,
        contentType: "application/problem+json",
        body: JSON.stringify(refused),
      });
    }
    return route.fulfill({ status: 200, contentType: "application/json", body: JSON.stringify(value) });
  });
}

async function axe(page: Page, name: string): Promise<void> {
  await page.evaluate(axeSource);
  const found = (await page.evaluate(
    "axe.run({ resultTypes: ['violations'] }).then((answer) => answer.violations)",
  )) as Violation[];
  for (const violation of found) {
    const nodes = violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 140));
    faults.push(
      `${name}: ${violation.id}: ${violation.help} (${violation.nodes.length})\n    ${nodes.join("\n    ")}`,
    );
  }
}

interface Violation {
  id: string;
  help: string;
  nodes: { html: string }[];
}

/** Nothing may make the page itself scroll sideways. */
async function sideways(page: Page, name: string): Promise<void> {
  const wide = await page.evaluate(() => {
    const over = document.documentElement.scrollWidth - window.innerWidth;
    const main = document.querySelector("main");
    return Math.max(over, main ? main.scrollWidth - main.clientWidth : 0);
  });
  if (wide > 0) faults.push(`${name}: scrolls ${wide} px sideways`);
}
