// The real binary as a process of ours: its address, its one-time password, and its end.

import { type ChildProcess, spawn } from "node:child_process";

const START_MS = 60_000;
const STOP_MS = 20_000;
/** Settings of the person who runs the tests must not reach the server under test. */
const SETTINGS = /^(OPENAI|LLM_|DATABASE_URL|ASTRAFORGE_)/;

export interface Server {
  url: string;
  /** Of the user `admin`; only a first start tells it. */
  password: string | null;
  /** Without a last word to anybody, as when the machine dies. */
  kill: () => Promise<void>;
  stop: () => Promise<void>;
}

export function binary(): string {
  const path = process.env.ASTRAFORGE_BINARY;
  if (!path) throw new Error("ASTRAFORGE_BINARY names the binary to try");
  return path;
}

/** `port` 0 takes any that is free. */
export function start(dataDir: string, port = 0, more: string[] = []): Promise<Server> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SETTINGS.test(name)));
  const child = spawn(binary(), ["serve", "--data-dir", dataDir, "--listen", `127.0.0.1:${port}`, ...more], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error("the server did not start"));
    }, START_MS);
    let said = "";
    child.stdout.on("data", (piece: Buffer) => {
      said += piece.toString();
      const line = /AstraForge is at (http:\/\/localhost:\d+)(?: \(first start.*password `(\w+)`\))?\n/.exec(
        said,
      );
      if (!line?.[1]) return;
      clearTimeout(timer);
      child.stdout.removeAllListeners("data").resume();
      resolve({
        url: line[1],
        password: line[2] ?? null,
        kill: () => end(child, "SIGKILL"),
        stop: () => end(child, "SIGTERM"),
      });
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with ${code}`));
    });
  });
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}
