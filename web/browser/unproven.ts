// The same crash with an agent that takes every discount away: its patch breaks what worked, and says so nowhere. And
// an agent whose command prints more than anybody reads.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { check } from "./checks";
import { look } from "./look";
import type { Stage } from "./run";

const RUN_MS = 300_000;
const LINES = 100_000;
const LONG_PROMPT = "Print a lot";

const SCRIPT = {
  scripts: [
    {
      name: "a long output",
      match: LONG_PROMPT,
      steps: [{ say: "I print.", shell: { command: `seq 1 ${LINES}` } }],
      final: "Nothing is changed.",
    },
    {
      name: "no discount for anybody",
      match: "AUTUMN15",
      steps: [
        {
          say: "A code that is not in the table must not raise.",
          edit: {
            path: "tests/test_pricing.py",
            old: "def test_total_adds_shipping_and_takes_the_discount_off():\n",
            new: 'def test_an_ended_promotion_gives_no_discount():\n    late = cart(price="20.00", promo="AUTUMN15", day=date(2026, 11, 20))\n    assert discount_for(late) == Decimal("0.00")\n\n\ndef test_total_adds_shipping_and_takes_the_discount_off():\n',
          },
        },
        { shell: { command: "python3 -m pytest -q -p no:cacheprovider tests/test_pricing.py; sleep 2" } },
        {
          edit: {
            path: "checkout/pricing.py",
            old: "    promotion = promotions[cart.promo_code]\n",
            new: '    if cart.promo_code not in promotions or cart.placed_on:\n        return Decimal("0.00")\n    promotion = promotions[cart.promo_code]\n',
          },
        },
      ],
      final:
        "## What broke\n\n`POST /checkout` raised for ended promotions.\n\n## Why\n\nThe table holds only promotions that run.\n\n## What changed\n\nAn unknown code gives no discount.",
    },
  ],
};

export async function unproven({ page, url, restart, dataDir }: Stage): Promise<void> {
  const script = join(dataDir, "unproven.json");
  writeFileSync(script, JSON.stringify(SCRIPT));
  await restart(script);

  await check("a fix that breaks what worked is unproven, and the rule is named", async () => {
    await page.goto(`${url}/incidents`);
    // The merged fix made the crash a thing of the past; the unmerged example crashes again for the same reason.
    await crashAgain(page, url);
    await page.getByText("Broken again").first().waitFor({ timeout: RUN_MS });
    await look(page, "incident-regressed");
    await page.getByRole("link", { name: "Open run" }).click();
    await page.getByText("Unproven", { exact: true }).first().waitFor({ timeout: RUN_MS });
    await look(page, "run-unproven");
  });
  await check("the merge request says which rule does not hold and offers two ways out", async () => {
    await page.getByRole("link", { name: "Open merge request" }).click();
    await page.getByRole("heading", { name: "Which rule failed" }).waitFor();
    await page.getByText("No regression.").first().waitFor();
    await page.getByRole("button", { name: "Override with a reason…" }).waitFor();
    if (await page.getByRole("button", { name: "Approve and merge" }).isEnabled())
      throw new Error("an unproven fix can be merged");
    await look(page, "merge-request-unproven");
  });
  await check("the inbox asks for a decision", async () => {
    await page.goto(url);
    await page.getByRole("heading", { name: "1 thing needs you" }).waitFor();
    if ((await page.title()) !== "(1) Inbox · AstraForge") throw new Error(await page.title());
    await look(page, "inbox-needs-you");
    await page.getByRole("link", { name: "Decide" }).click();
    await page.getByRole("heading", { name: "Which rule failed" }).waitFor();
  });
  await check("what does not hold is sent to the agent without a word of one's own", async () => {
    await page.getByRole("button", { name: "Send to the agent" }).click();
    await page.getByText("The fix is not proven. What does not hold:").waitFor();
    await page.getByText("Unproven", { exact: true }).first().waitFor({ timeout: RUN_MS });
    await look(page, "run-sent-back");
  });
  await check("an override keeps name and reason, and can be merged", async () => {
    await page.getByRole("link", { name: "Open merge request" }).click();
    await page.getByRole("button", { name: "Override with a reason…" }).click();
    const dialog = page.getByRole("dialog");
    if (await dialog.getByRole("button", { name: "Override" }).isEnabled())
      throw new Error("no reason was asked for");
    await dialog.getByRole("textbox", { name: "Reason" }).fill("the discount ends this week anyway");
    await look(page, "merge-request-override");
    await dialog.getByRole("button", { name: "Override" }).click();
    await page.getByText("overridden by admin: the discount ends this week anyway").waitFor();
    await page.getByRole("button", { name: "Approve and merge" }).waitFor();
    await look(page, "merge-request-overridden");
  });
  await check(
    `${LINES} lines of log scroll, and only what is near the screen is in the document`,
    async () => {
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
      await look(page, "run-failed");
      await page.getByRole("tab", { name: /^Log/ }).click();
      await scrolls(page);
    },
  );
}

async function crashAgain(page: Page, url: string): Promise<void> {
  const incident = await page.evaluate(async () => {
    const token = document.cookie.match(/csrftoken=([^;]+)/)?.[1] ?? "";
    const headers = { "X-CSRFToken": token };
    return (await (await fetch("/api/demo/crash/", { method: "POST", headers })).json()).incident_id;
  });
  await page.goto(`${url}/incidents/${incident}`);
}

/** From one end to the other: the document stays small, and the last line is the last. */
async function scrolls(page: Page): Promise<void> {
  const log = page.getByRole("region", { name: "Log of the run" });
  await log.getByText("1", { exact: true }).first().waitFor();
  const pane = page.getByRole("tabpanel");
  const measured = await pane.evaluate(async (element) => {
    const started = performance.now();
    let most = 0;
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    for (let part = 0; part <= 40; part++) {
      element.scrollTop = (element.scrollHeight * part) / 40;
      await frame();
      most = Math.max(most, element.querySelectorAll("*").length);
    }
    return { most, perFrameMs: (performance.now() - started) / 41, text: element.textContent ?? "" };
  });
  if (measured.most > 10_000) throw new Error(`${measured.most} elements at once`);
  if (measured.perFrameMs > 100) throw new Error(`${measured.perFrameMs.toFixed(0)} ms a step`);
  console.log(`     ${measured.most} elements at most, ${measured.perFrameMs.toFixed(1)} ms a step`);
}
