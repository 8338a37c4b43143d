// The whole product in Chromium against the real binary: first start, a real crash, a live run that survives the death
// of its server, a fix that is not proven and one that is, the merge, the settings. Everything but the model's words is
// real. Needs ASTRAFORGE_BINARY; prints one line a check and a closing count.
//
//   npm run test:browser [-- --pictures DIR]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { check, noFaults, summary, watch } from "./checks";
import { longLog } from "./long-log";
import { SIZES } from "./look";
import { proven } from "./proven";
import { writeScript } from "./scripts";
import { start } from "./server";
import { settings } from "./settings";
import type { Stage } from "./stage";
import { unproven } from "./unproven";

const STEP_MS = 30_000;

const dataDir = mkdtempSync(join(tmpdir(), "astraforge-browser-"));
const script = writeScript(dataDir);
let server = await start(dataDir, 0, ["--script", script]);
const port = Number(new URL(server.url).port);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
  ],
});
const context = await browser.newContext({
  viewport: SIZES.desktop,
  reducedMotion: "reduce",
  permissions: ["clipboard-read", "clipboard-write"],
});
const page = await context.newPage();
page.setDefaultTimeout(STEP_MS);
watch(page, server.url);

const stage: Stage = {
  page,
  url: server.url,
  password: server.password ?? "",
  kill: () => server.kill(),
  restart: async (with_ = script) => {
    await server.kill();
    server = await start(dataDir, port, with_ ? ["--script", with_] : []);
  },
};

try {
  await unproven(stage);
  await stage.restart(null);
  await proven(stage);
  await settings(stage);
  await stage.restart();
  await longLog(stage);
  await check("no page raised an error, broke its own policy or asked for what is not there", async () =>
    noFaults(),
  );
} finally {
  await browser.close();
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(summary() > 0 ? 1 : 0);
