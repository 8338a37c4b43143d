// The whole demo in Chromium against the real binary: first start, sign in, a real crash, a live run, proof, merge.
// Everything but the model's words is real. Needs ASTRAFORGE_BINARY; prints one line a check and a closing count.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";

const START_MS = 60_000;
const STEP_MS = 30_000;
/** Set-up of the example's requirements included. */
const RUN_MS = 300_000;

const binary = process.env.ASTRAFORGE_BINARY;
if (!binary) throw new Error("ASTRAFORGE_BINARY names the binary to try");

let passed = 0;
const failures: string[] = [];
const faults: string[] = [];

async function check(name: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failures.push(name);
    console.log(`FAIL ${name}: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  }
}

function start(dataDir: string): Promise<{ process: ChildProcess; url: string; password: string }> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OPENAI|LLM_|DATABASE_URL|ASTRAFORGE_)/.test(name)),
  );
  const child = spawn(binary as string, ["serve", "--data-dir", dataDir, "--listen", "127.0.0.1:0"], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the server did not start")), START_MS);
    let said = "";
    child.stdout.on("data", (piece: Buffer) => {
      said += piece.toString();
      const found = /(http:\/\/localhost:\d+).*password `(\w+)`/.exec(said);
      if (found?.[1] && found[2]) {
        clearTimeout(timer);
        resolve({ process: child, url: found[1], password: found[2] });
      }
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

async function noViolations(page: Page): Promise<void> {
  const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  // Evaluated, not added as a script: the page's own policy refuses foreign scripts.
  const violations = await page.evaluate(async (axe) => {
    // biome-ignore lint/security/noGlobalEval: the checker's own text, in a page of ours
    globalThis.eval?.(axe);
    // biome-ignore lint/suspicious/noExplicitAny: axe puts itself on the window
    const result = await (globalThis as any).axe.run({ resultTypes: ["violations"] });
    return result.violations.map((v: { id: string; nodes: unknown[] }) => `${v.id} ×${v.nodes.length}`);
  }, source);
  if (violations.length > 0) throw new Error(`axe: ${violations.join(", ")}`);
}

const dataDir = mkdtempSync(join(tmpdir(), "astraforge-browser-"));
const server = await start(dataDir);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--headless=new", "--disable-background-networking", "--disable-component-update"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: true });
const page = await context.newPage();
page.setDefaultTimeout(STEP_MS);
page.on("pageerror", (error) => faults.push(error.message));
page.on("response", (answer) => {
  const signedOut = answer.status() === 401 && answer.url().endsWith("/api/auth/me/");
  if (answer.status() >= 400 && !signedOut) faults.push(`${answer.status()} ${answer.url()}`);
});

try {
  await check("a wrong password is refused in words", async () => {
    await page.goto(server.url);
    await page.getByLabel("Name").fill("admin");
    await page.locator("input[type=password]").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").first().waitFor();
    faults.length = 0;
  });
  await check("the one-time password signs in", async () => {
    await page.locator("input[type=password]").fill(server.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Crash the example" }).waitFor();
    await noViolations(page);
  });
  await check("a real crash becomes an incident with its stack trace", async () => {
    await page.getByRole("button", { name: "Crash the example" }).click();
    await page.getByText("KeyError: 'AUTUMN15'").first().waitFor({ timeout: RUN_MS });
    await page.goto(`${server.url}/incidents`);
    await page
      .getByRole("link", { name: /AUTUMN15/ })
      .first()
      .click();
    await page.getByText("promotions[cart.promo_code]").first().waitFor();
    await noViolations(page);
  });
  await check("its run is followed live to the verdict", async () => {
    await page.goto(`${server.url}/runs`);
    await page
      .getByRole("link", { name: /AUTUMN15/ })
      .first()
      .click();
    await page.getByText("Proven", { exact: true }).first().waitFor({ timeout: RUN_MS });
    await page.getByText("5 of 5 rules hold").first().waitFor();
    await noViolations(page);
  });
  await check("the run survives a reload", async () => {
    await page.reload();
    await page.getByText("5 of 5 rules hold").first().waitFor();
  });
  await check("the merge request shows proof and diff, and is approved and merged", async () => {
    await page.goto(`${server.url}/merge-requests`);
    await page
      .getByRole("link", { name: /AUTUMN15/ })
      .first()
      .click();
    await page.getByText("promotions.get(cart.promo_code)").first().waitFor();
    await noViolations(page);
    await page.getByRole("button", { name: "Approve and merge" }).first().click();
    const sure = page.getByRole("dialog").getByRole("button", { name: /merge/i });
    if (await sure.isVisible().catch(() => false)) await sure.click();
    await page
      .getByText(/^Merged/)
      .first()
      .waitFor();
  });
  await check("the incident is resolved", async () => {
    await page.goto(`${server.url}/incidents`);
    await page.getByText("Resolved").first().waitFor();
  });
  await check("an alert source shows its DSN and what it received", async () => {
    await page.goto(`${server.url}/alert-sources`);
    await page.getByText("Checkout").first().waitFor();
    await noViolations(page);
  });
  await check("a key is shown once", async () => {
    await page.goto(`${server.url}/api-keys`);
    await page.getByRole("button", { name: "New key" }).first().click();
    const drawer = page.getByRole("dialog");
    await drawer.getByLabel("Name").fill("browser");
    await page.keyboard.press("Enter");
    await page
      .getByText(/[A-Za-z0-9_-]{40,}/)
      .first()
      .waitFor();
    await noViolations(page);
  });
  await check("a phone shows the same without sideways scroll", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["/", "/incidents", "/runs", "/merge-requests", "/alert-sources"]) {
      await page.goto(server.url + path);
      await page.waitForLoadState("networkidle");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      if (wide) throw new Error(`${path} scrolls sideways`);
    }
  });
  await check("no page raised an error or asked for what is not there", async () => {
    if (faults.length > 0) throw new Error(faults.slice(0, 5).join("; "));
  });
} finally {
  await browser.close();
  server.process.kill("SIGTERM");
  await new Promise((resolve) => server.process.once("exit", resolve));
  rmSync(dataDir, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length > 0 ? 1 : 0);
