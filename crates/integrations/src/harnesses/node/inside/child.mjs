// One process below the launcher, with everything that it starts: waited for, asked, and taken away in time.

import { execFile, spawn } from 'node:child_process';

const SAID_MAX = 20_000;

export class Child {
  constructor(argv, { cwd, env, talks = false }) {
    const stdio = ['ignore', 'pipe', 'pipe', ...(talks ? ['ipc'] : [])];
    this.process = spawn(process.execPath, argv, { cwd, env, detached: true, stdio });
    this.lives = true;
    this.said = '';
    this.late = false;
    const hear = (part) => {
      if (this.said.length < SAID_MAX) this.said += part;
    };
    this.process.stdout.on('data', hear);
    this.process.stderr.on('data', hear);
    this.process.on('error', () => {});
    this.exited = new Promise((done) => {
      this.process.on('exit', (code) => {
        this.lives = false;
        // What it printed last may still be on its way.
        setTimeout(() => {
          this.end();
          done(code);
        }, 5);
      });
    });
    this.ready = talks ? this.message((message) => message.ready) : undefined;
  }

  end() {
    this.lives = false;
    try {
      process.kill(-this.process.pid, 'SIGKILL');
    } catch {}
  }

  /** Until it ends by itself or the deadline ends it. */
  async wait(deadline) {
    const code = await this.until(this.exited, deadline);
    return { code, said: this.said, late: this.late };
  }

  /** One order and its answer; the process stays for the next if it says so. */
  async ask(order, deadline) {
    this.said = '';
    const answer = this.ready.then(() => {
      const answered = this.message((message) => message.done);
      this.process.send(order, () => {});
      return answered;
    });
    const message = await this.until(Promise.race([answer, this.exited]), deadline);
    if (message?.again !== true) this.end();
    return { code: message?.done ? 0 : 1, said: this.said, late: this.late };
  }

  message(isMeant) {
    return new Promise((done) => {
      const hear = (message) => {
        if (!isMeant(message)) return;
        this.process.off('message', hear);
        done(message);
      };
      this.process.on('message', hear);
    });
  }

  async until(event, deadline) {
    let timer;
    const late = new Promise((done) => {
      timer = setTimeout(() => {
        this.late = true;
        this.end();
        done(undefined);
      }, Math.max(1, deadline - Date.now()));
    });
    const found = await Promise.race([event, late]);
    clearTimeout(timer);
    return found;
  }
}

/** What a short helper of ours prints. */
export function capture(argv, { cwd, env, timeout }) {
  return new Promise((done, failed) => {
    execFile(process.execPath, argv, { cwd, env, timeout, maxBuffer: 1 << 20 }, (error, printed, complained) => (error ? failed(new Error(`${error.message}\n${complained}`)) : done(printed)));
  });
}
