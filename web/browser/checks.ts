// The checks of a story, one line each, and what must not happen while they run.

import type { Page } from "playwright-core";

let passed = 0;
const failures: string[] = [];
const faults: string[] = [];

export async function check(name: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failures.push(name);
    console.log(
      `FAIL ${name}: ${error instanceof Error ? error.message.split("\n").slice(0, 3).join(" ") : error}`,
    );
  }
}

/** Notes errors, refusals nobody expected, and anything that is asked of another host. */
export function watch(page: Page, origin: string): void {
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // Blocked by the page's own policy, or a mistake of React's: never silent.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      faults.push(message.text());
    }
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:")) faults.push(`asked for ${url}`);
  });
  page.on("response", (answer) => {
    const signedOut = answer.status() === 401 && answer.url().endsWith("/api/auth/me/");
    if (answer.status() >= 400 && !signedOut) faults.push(`${answer.status()} ${answer.url()}`);
  });
}

/** Runs what is expected to be refused. */
export async function expectingRefusals(act: () => Promise<void>): Promise<void> {
  const before = faults.length;
  await act();
  faults.length = before;
}

export function noFaults(): void {
  if (faults.length > 0) throw new Error([...new Set(faults)].slice(0, 5).join("; "));
}

export function summary(): number {
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length;
}
