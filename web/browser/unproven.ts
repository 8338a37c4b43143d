// First start, a crash of the example, and a live run that survives the death of its server; but the agent's patch breaks
// what worked, and nobody is told that it is fine.

import { check, expectingRefusals } from "./checks";
import { look } from "./look";
import { RUN_MS, type Stage } from "./stage";

export async function unproven({ page, url, password, kill, restart }: Stage): Promise<void> {
  await check("a wrong password is refused in words", async () => {
    await page.goto(url);
    await page.getByLabel("Name").fill("admin");
    await page.locator("input[type=password]").fill("not the password");
    await expectingRefusals(async () => {
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").first().waitFor();
    });
    await look(page, "sign-in");
  });
  await check("the one-time password signs in, to the path of three", async () => {
    await page.locator("input[type=password]").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Crash the example" }).waitFor();
    await page.getByRole("link", { name: "Connect a repository" }).waitFor();
    await page.getByRole("link", { name: "Connect alerts" }).waitFor();
    await page.getByText("no interface but loopback").waitFor();
    await look(page, "first-start");
  });
  await check("a real crash becomes an incident with its stack trace", async () => {
    await page.getByRole("button", { name: "Crash the example" }).click();
    await page.getByRole("heading", { name: "KeyError: 'AUTUMN15'" }).waitFor({ timeout: RUN_MS });
    await page.getByText("promotions[cart.promo_code]").first().waitFor();
    await page.getByText("KeyError raised here").waitFor();
    await page.getByRole("img", { name: /^Seen 1 time/ }).waitFor();
    await page.getByText("pricing cart c-7f3a with 1 lines").waitFor();
    await look(page, "incident-live");
  });
  await check("its run is followed live, over the death of its server", async () => {
    await page.getByRole("link", { name: "Open run" }).click();
    await page.getByRole("button", { name: "Cancel run" }).waitFor();
    await expectingRefusals(async () => {
      await kill();
      await page.getByText(/^reconnecting · last event \d+ s ago$/).waitFor();
      await look(page, "run-reconnecting");
      await restart();
    });
    await page.getByText(/^reconnecting/).waitFor({ state: "detached" });
    await page.getByText("a new worker goes on from the last finished step").waitFor();
    await look(page, "run-live");
  });
  await check("and to its verdict, without a reload", async () => {
    await page.getByText("Unproven", { exact: true }).first().waitFor({ timeout: RUN_MS });
    await page.getByText("No regression").first().waitFor();
    await look(page, "run-unproven");
  });
  await check("the merge request says which rule does not hold and offers two ways out", async () => {
    await page.getByRole("link", { name: "Open merge request" }).click();
    await page.getByRole("heading", { name: /^Which rules? failed$/ }).waitFor();
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
    await page.getByRole("heading", { name: /^Which rules? failed$/ }).waitFor();
  });
  await check("what does not hold is sent to the agent without a word of one's own", async () => {
    await page.getByRole("button", { name: "Send to the agent" }).click();
    await page.getByText("The fix is not proven. What does not hold:").first().waitFor();
    await look(page, "run-sent-back");
    await page.getByRole("button", { name: "Cancel run" }).waitFor({ state: "detached", timeout: RUN_MS });
  });
  await check("an override keeps name and reason, and then it can be merged", async () => {
    await page.goto(`${url}/merge-requests`);
    await page.getByRole("link", { name: /AUTUMN15/ }).click();
    await page.getByRole("button", { name: "Override with a reason…" }).click();
    const dialog = page.getByRole("dialog");
    if (await dialog.getByRole("button", { name: "Override" }).isEnabled())
      throw new Error("no reason is asked for");
    await dialog.getByRole("textbox", { name: "Reason" }).fill("the discount ends this week anyway");
    await look(page, "merge-request-override");
    await dialog.getByRole("button", { name: "Override" }).click();
    await page.getByText("overridden by admin: the discount ends this week anyway").waitFor();
    await page.getByRole("button", { name: "Approve and merge" }).waitFor();
    await look(page, "merge-request-overridden");
  });
}
