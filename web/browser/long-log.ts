// A run whose agent prints 100 000 lines and changes nothing.

import type { Page } from "playwright-core";
import { check } from "./checks";
import { look } from "./look";
import { LINES, LONG_PROMPT } from "./scripts";
import { RUN_MS, type Stage } from "./stage";

const ELEMENTS_MAX = 10_000;
const STEP_MS_MAX = 100;
const STEPS = 40;

export async function longLog({ page, url }: Stage): Promise<void> {
  await check("a request in words that changes nothing fails, and says why", async () => {
    await page.goto(`${url}/runs?new=true`);
    const form = page.getByRole("dialog");
    await form.getByRole("textbox", { name: "What should change" }).fill(LONG_PROMPT);
    await look(page, "request-new");
    await form.getByRole("button", { name: "Start the run" }).click();
    await page.getByRole("link", { name: LONG_PROMPT }).first().click();
    await page
      .getByText(/^Failed/)
      .first()
      .waitFor({ timeout: RUN_MS });
    await page.getByText("the agent changed no file", { exact: false }).first().waitFor();
    await look(page, "run-failed");
  });
  await check(`${LINES} lines scroll, and only those near the screen are in the document`, async () => {
    await page.getByRole("tab", { name: /^Log/ }).click();
    await page.getByRole("log", { name: "Log of the run" }).waitFor();
    await scrolls(page);
  });
}

async function scrolls(page: Page): Promise<void> {
  const measured = await page.getByRole("tabpanel").evaluate(async (pane, steps) => {
    const times: number[] = [];
    let most = 0;
    for (let step = 0; step <= steps; step++) {
      const started = performance.now();
      pane.scrollTop = (pane.scrollHeight * step) / steps;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
      times.push(performance.now() - started);
      most = Math.max(most, pane.querySelectorAll("*").length);
    }
    times.sort((a, b) => a - b);
    return {
      most,
      median: times[Math.floor(times.length / 2)] ?? 0,
      said: pane.querySelector("p")?.textContent ?? "",
    };
  }, STEPS);
  console.log(
    `     ${measured.said}: ${measured.most} elements at most, ${measured.median.toFixed(0)} ms a step`,
  );
  if (measured.most > ELEMENTS_MAX) throw new Error(`${measured.most} elements at once`);
  if (measured.median > STEP_MS_MAX) throw new Error(`${measured.median.toFixed(0)} ms a step`);
}
