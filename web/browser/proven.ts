// The same crash with the agent that mends it, followed to the merge.

import { check } from "./checks";
import { look } from "./look";
import { RUN_MS, type Stage } from "./stage";

export async function proven({ page, url }: Stage): Promise<void> {
  const open = async (path: string, name: RegExp) => {
    await page.goto(url + path);
    await page.getByRole("link", { name }).first().click();
  };

  await check("a rerun is followed live to its verdict, without a reload", async () => {
    await open("/runs", /AUTUMN15/);
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Rerun from the start" }).click();
    await page.getByRole("button", { name: "Cancel run" }).waitFor();
    await page
      .getByRole("region", { name: "Proof" })
      .getByText("Proven", { exact: true })
      .waitFor({ timeout: RUN_MS });
    await page.getByRole("region", { name: "Proof" }).getByText("6 of 6 rules hold").waitFor();
    await page.getByText("5 of 5 wrong versions are caught").first().waitFor();
    await look(page, "run-proven");
    for (const tab of ["diff", "log", "files"]) {
      await page.getByRole("tab", { name: new RegExp(`^${tab}`, "i") }).click();
      await look(page, `run-${tab}`);
    }
  });
  await check("every event is there once, and output is cut into lines", async () => {
    await page.getByRole("tab", { name: /^Log/ }).click();
    const log = page.getByRole("log", { name: "Log of the run" });
    await log.getByText("13 passed", { exact: false }).first().waitFor();
    const doubled = await page.evaluate(async () => {
      const id = location.pathname.split("/").pop();
      const run = await (await fetch(`/api/runs/${id}/`)).json();
      const numbers: number[] = run.events.map((event: { seq: number }) => event.seq);
      return numbers.length - new Set(numbers).size;
    });
    if (doubled !== 0) throw new Error(`${doubled} events came twice`);
  });
  await check("the run survives a reload", async () => {
    await page.reload();
    await page.getByText("6 of 6 rules hold").first().waitFor();
  });
  await check("a finished run can begin again from a step, which the button names", async () => {
    await page.getByRole("button", { name: "Rerun from Patch" }).waitFor();
    await page
      .getByRole("button", { name: /^Prove/ })
      .first()
      .click();
    await page.getByRole("button", { name: "Rerun from Prove" }).waitFor();
  });
  await check("a dot of the strip shows what the test printed", async () => {
    await page.getByRole("button", { name: "failed, show the log" }).first().click();
    await page.getByRole("dialog").getByText("KeyError", { exact: false }).first().waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });
  await check("the keyboard goes everywhere", async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("i");
    await page.getByRole("heading", { name: "1 fix is ready to merge" }).waitFor();
    await look(page, "inbox-ready");
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    await page
      .getByRole("link", { name: /AUTUMN15/ })
      .first()
      .waitFor();
    await look(page, "runs");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByText("6 of 6 rules hold").first().waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Go to inbox").waitFor();
    await look(page, "keys");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });
  await check("the palette finds runs, files and commands", async () => {
    await page.getByRole("tab", { name: /^Diff/ }).click();
    for (const [words, found] of [
      ["rerun start", "Rerun from the start"],
      ["pricing.py", "Go to checkout/pricing.py"],
      ["autumn !1", "Fix KeyError: 'AUTUMN15'"],
    ] as const) {
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").fill(words);
      await page.getByRole("option", { name: found }).first().waitFor();
      if (words === "pricing.py") await look(page, "palette");
      await page.keyboard.press("Escape");
      await page.getByRole("combobox").waitFor({ state: "detached" });
    }
  });
  await check("the merge request shows proof and diff", async () => {
    await open("/merge-requests", /AUTUMN15/);
    await page.getByText("promotions.get(cart.promo_code)").first().waitFor();
    await page.getByText("Signed by this installation’s runner").waitFor();
    await look(page, "merge-request-proven");
  });
  await check("hunks, lines, comments and marks are done with keys and kept", async () => {
    await page.keyboard.press("n");
    await page.keyboard.press("j");
    const line = page.locator("[data-gutter]:focus");
    const number = await line.innerText();
    await page.keyboard.press("c");
    await page
      .getByRole("textbox", { name: `Comment on line ${number}` })
      .fill("Why not raise a ValueError?");
    await page.getByRole("button", { name: "Keep the comment" }).click();
    await page.getByText("1 comment not sent yet").waitFor();
    await page.keyboard.press("x");
    await page.getByText("1 of 2 reviewed").waitFor();
    await page.reload();
    await page.getByText("1 of 2 reviewed").waitFor();
    await page.getByText("1 comment not sent yet").waitFor();
    await look(page, "merge-request-comment");
  });
  await check("it is approved and merged by one button, which says what it does", async () => {
    await page.getByText("merges 1 commit into main").waitFor();
    await page.getByRole("button", { name: "Approve and merge" }).click();
    await page.getByText(/^merged by admin/).waitFor();
    await look(page, "merge-request-merged");
  });
  await check("its run says that further work is a new request", async () => {
    await page.getByRole("link", { name: /^run \d+$/ }).click();
    await page.getByText("Its merge request is merged.").waitFor();
    await look(page, "run-merged");
  });
  await check("the incident is resolved", async () => {
    await open("/incidents", /AUTUMN15/);
    await page.getByText("Resolved", { exact: true }).first().waitFor();
    await page.getByText("pricing cart c-7f3a with 1 lines").waitFor();
    await look(page, "incident-resolved");
    await page.goto(`${url}/incidents`);
    await page.getByText("Resolved", { exact: true }).first().waitFor();
    await look(page, "incidents");
  });
}
