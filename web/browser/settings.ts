// Repositories, alert sources, keys, workspaces, sandboxes.

import { check, expectingRefusals } from "./checks";
import { look } from "./look";
import type { Stage } from "./stage";

export async function settings({ page, url, password }: Stage): Promise<void> {
  await check("a repository shows how it is cloned", async () => {
    await page.goto(`${url}/repositories`);
    await look(page, "repositories");
    await page.getByRole("button", { name: "checkout-service" }).click();
    await page.getByText(/git clone http:\/\/localhost:\d+\/git\//).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Connect a repository" }).click();
    await page.getByRole("textbox", { name: "Name" }).waitFor();
    await look(page, "repository-new");
  });
  await check("an alert source shows its DSN, a snippet per language and what it received", async () => {
    await page.goto(`${url}/alert-sources`);
    await look(page, "alert-sources");
    await page.getByRole("button", { name: "Checkout" }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByText("KeyError: 'AUTUMN15'").waitFor();
    const dsn = await drawer.locator("code", { hasText: /^http:\/\/[0-9a-f]+@/ }).innerText();
    for (const language of ["Python", "Node", "Rust", "Go"]) {
      await drawer.getByRole("combobox", { name: "Language" }).selectOption(language);
      if (!(await drawer.locator("pre").innerText()).includes(dsn))
        throw new Error(`${language} lacks the DSN`);
    }
    await drawer.getByRole("button", { name: "Copy the DSN" }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    if (copied !== dsn) throw new Error(`copied ${copied}`);
    await drawer.getByRole("button", { name: "Send a test event" }).click();
    await drawer.getByRole("link", { name: "Open the incident it made" }).waitFor();
    await drawer.getByText("Test event for Checkout").waitFor();
    await look(page, "alert-source");
  });
  await check("a webhook's whole address is shown once, and it works", async () => {
    await page.goto(`${url}/alert-sources?new=true`);
    const form = page.getByRole("dialog");
    await form.getByLabel("Kind").selectOption("generic");
    await form.getByRole("textbox", { name: "Name" }).fill("Batch jobs");
    await look(page, "alert-source-new");
    await form.getByRole("button", { name: "Create the source" }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByText("only time the whole address is shown").waitFor();
    const hook = await drawer.locator("code", { hasText: "/api/hooks/" }).first().innerText();
    const sent = await fetch(hook, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ title: "OSError: the disk is full", level: "error" }),
    });
    if (!sent.ok) throw new Error(`the webhook answered ${sent.status}`);
    await drawer.getByText("OSError: the disk is full").waitFor();
    await look(page, "alert-source-once");
    await page.goto(`${url}/alert-sources`);
    await page.getByRole("button", { name: "Batch jobs" }).click();
    await drawer.getByText("{token}", { exact: false }).first().waitFor();
    if (await drawer.getByText("only time").isVisible()) throw new Error("the address is shown again");
  });
  await check("an incident without a run says why, and what to do", async () => {
    const openIncident = async () => {
      await page.goto(`${url}/incidents`);
      await page.getByRole("link", { name: /disk is full/ }).click();
      await page.getByText("No run", { exact: true }).first().waitFor();
    };
    const refuseIfOffered = async () => {
      if (await page.getByRole("button", { name: "Run anyway" }).isVisible())
        throw new Error("a run is offered that could not work");
    };
    await openIncident();
    await page.getByText("Connect a repository").waitFor();
    await refuseIfOffered();
    await page.goto(`${url}/alert-sources`);
    await page.getByRole("button", { name: "Batch jobs" }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByRole("combobox", { name: "Repository" }).selectOption({ index: 1 });
    await drawer.getByRole("button", { name: "Save" }).click();
    await drawer.getByText("Saved").waitFor();
    // The server's recording knows the bundled example alone.
    await openIncident();
    await page.getByText("Configure a model").waitFor();
    await page.getByText("No model is configured: ").waitFor();
    await refuseIfOffered();
    await look(page, "incident-no-run");
    await page.getByRole("button", { name: "Ignore" }).click();
    await page.getByRole("button", { name: "Only count it from now on" }).click();
    await page.getByText("Ignored", { exact: true }).first().waitFor();
  });
  await check("a key is shown once", async () => {
    await page.goto(`${url}/api-keys`);
    await page.getByRole("button", { name: "New key" }).first().click();
    const drawer = page.getByRole("dialog");
    await drawer.getByLabel("Name").fill("browser");
    await page.keyboard.press("Enter");
    const key = await drawer.locator("code").first().innerText();
    const mine = await fetch(`${url}/api/auth/me/`, { headers: { "X-Api-Key": key } });
    if (!mine.ok) throw new Error(`the key is answered with ${mine.status}`);
    await look(page, "api-key-once");
    await drawer.getByRole("button", { name: "I have copied it" }).click();
    await drawer.waitFor({ state: "detached" });
    if ((await page.content()).includes(key)) throw new Error("the key is still on the page");
    await look(page, "api-keys");
  });
  await check("a sandbox is seen, used and deleted", async () => {
    await page.goto(`${url}/sandboxes`);
    await page.getByText("No sandbox yet", { exact: false }).waitFor();
    await look(page, "sandboxes-empty");
    await page.evaluate(async () => {
      const token = document.cookie.match(/csrftoken=([^;]+)/)?.[1] ?? "";
      const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
      const body = JSON.stringify({ metadata: { name: "notebook" } });
      const made = await fetch("/api/sandbox/sessions/", { method: "POST", headers, body });
      if (!made.ok) throw new Error(`${made.status} ${await made.text()}`);
    });
    await page.getByRole("button", { name: "notebook" }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByRole("textbox", { name: "Command" }).fill("echo out; echo err >&2; exit 3");
    await drawer.getByRole("button", { name: "Run", exact: true }).click();
    await drawer.getByText(/^exit 3 in/).waitFor();
    await drawer
      .getByRole("log", { name: /^Output of/ })
      .getByText("err")
      .waitFor();
    await look(page, "sandbox");
    await drawer.getByRole("button", { name: "Delete with its files" }).click();
    await drawer.getByRole("button", { name: "Delete it now" }).click();
    await drawer.waitFor({ state: "detached" });
  });
  await check("a password is changed, which ends the other sessions", async () => {
    const headers = { "Content-Type": "application/json" };
    const signIn = (secret: string) =>
      fetch(`${url}/api/auth/login/`, {
        method: "POST",
        headers,
        body: JSON.stringify({ username: "admin", password: secret }),
      });
    const elsewhere = await signIn(password);
    const cookie = elsewhere.headers
      .getSetCookie()
      .map((each) => each.split(";")[0])
      .join("; ");
    const me = () => fetch(`${url}/api/auth/me/`, { headers: { cookie } });
    if (!(await me()).ok) throw new Error("the other session never worked");
    await page.goto(url);
    await page.getByRole("button", { name: "admin", exact: true }).click();
    await page.getByRole("menuitem", { name: "Account" }).click();
    const current = page.getByLabel("Current password", { exact: true });
    const fresh = page.getByLabel("New password", { exact: true });
    await current.fill("not the password");
    await fresh.fill("a longer way round");
    await expectingRefusals(async () => {
      await page.keyboard.press("Enter");
      await page.getByText("this is not your password").waitFor();
    });
    await current.fill(password);
    await page.keyboard.press("Enter");
    await page.getByText("The password is changed", { exact: false }).waitFor();
    await look(page, "account");
    if ((await me()).status !== 401) throw new Error("the other session goes on");
    if ((await signIn(password)).ok) throw new Error("the old password still signs in");
    if (!(await signIn("a longer way round")).ok) throw new Error("the new password does not sign in");
    await page.reload();
    await page.getByRole("heading", { name: "Password" }).waitFor();
  });
  await check("a workspace is made, entered and left again", async () => {
    await page.goto(`${url}/workspace`);
    await page.getByText("admin, you").waitFor();
    await look(page, "workspace");
    await page.getByRole("button", { name: "Workspace Personal" }).click();
    await page.getByRole("menuitem", { name: "New workspace" }).click();
    await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("Northwind");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Workspace Northwind" }).waitFor();
    await page.getByRole("heading", { name: "Nothing has crashed here yet" }).waitFor();
    await page.goto(`${url}/incidents`);
    await page.getByText("No incident yet.", { exact: false }).waitFor();
    await look(page, "incidents-empty");
    await page.goto(`${url}/workspace`);
    await page.getByRole("textbox", { name: "Name" }).fill("Northwind Traders");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("button", { name: "Workspace Northwind Traders" }).click();
    await page.getByRole("menuitem", { name: "Personal" }).click();
    await page.getByRole("button", { name: "Workspace Personal" }).waitFor();
    await page.getByRole("heading", { name: /needs? you$/ }).waitFor();
    await look(page, "inbox-done");
  });
}
