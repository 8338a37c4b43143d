import type { Page } from "playwright-core";

/** Set-up of the example's requirements included. */
export const RUN_MS = 300_000;

/** What every story needs. They build on each other: one data dir, one signed-in page. */
export interface Stage {
  page: Page;
  url: string;
  /** Of the user `admin`. */
  password: string;
  /** As when the machine dies. */
  kill: () => Promise<void>;
  /** Starts it again at the same address. With null the model says what the product's own recording has. */
  restart: (script?: string | null) => Promise<void>;
}
