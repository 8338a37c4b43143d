"""Every figure that AstraForge promises, measured in one run on this machine and printed beside its goal.

Usage: bench.py PATH_TO_BINARY [--quick]
Only the standard library; traffic goes to loopback alone. Each load is bounded in count and time.
"""

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

ROWS = []


def row(what, value, unit, goal, holds):
    ROWS.append((what, value, unit, goal, holds))
    mark = "" if holds is None else ("ok" if holds else "MISSED")
    print(f"{what:<58} {value:>10} {unit:<6} goal {goal:<10} {mark}", flush=True)


class Server:
    """The real binary on a data dir of its own."""

    def __init__(self, binary, data_dir):
        self.binary, self.data_dir = binary, data_dir

    def __enter__(self):
        begun = time.monotonic()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "LLM_", "ASTRAFORGE", "DATABASE_URL"))}
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data-dir", self.data_dir, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        line = self.process.stdout.readline()
        self.start_ms = (time.monotonic() - begun) * 1000
        self.port = int(re.search(r"localhost:(\d+)", line).group(1))
        key = subprocess.run([self.binary, "admin", "create-key", "--data-dir", self.data_dir, "--user", "admin"],
                             capture_output=True, text=True, check=True, env=env)
        self.key = key.stdout.strip()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Api-Key": self.key, "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def rss_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def envelope(number):
    event = {
        "event_id": uuid.uuid4().hex, "platform": "python", "level": "error", "release": "bench@1", "environment": "bench",
        "exception": {"values": [{"type": "KeyError", "value": f"'{number % 7}'", "stacktrace": {"frames": [
            {"filename": "shop/cart.py", "module": "shop.cart", "function": "total", "lineno": 10 + n, "in_app": True,
             "context_line": "    return prices[sku]", "pre_context": ["def total(cart):"] * 5, "post_context": [""] * 5}
            for n in range(12)]}}]},
    }
    payload = json.dumps(event)
    return "\n".join([json.dumps({"event_id": event["event_id"]}), json.dumps({"type": "event", "length": len(payload)}), payload, ""]).encode()


async def acknowledged(port, dsn_key, project, rate, seconds):
    """An open loop: each send starts when its time has come, whether earlier ones were answered or not."""
    pool = asyncio.Queue()
    for _ in range(64):
        pool.put_nowait(None)
    taken, failed = [], 0

    async def one(number):
        nonlocal failed
        body = envelope(number)
        begun = time.perf_counter()
        pair = await pool.get()
        try:
            if pair is None:
                pair = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = pair
            head = (f"POST /api/{project}/envelope/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                    f"Content-Type: application/x-sentry-envelope\r\nX-Sentry-Auth: Sentry sentry_version=7, sentry_key={dsn_key}\r\n\r\n")
            writer.write(head.encode() + body)
            status = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", status.lower()).group(1))
            await reader.readexactly(length)
            if b" 200 " not in status.split(b"\r\n")[0]:
                failed += 1
            taken.append((time.perf_counter() - begun) * 1000)
            pool.put_nowait(pair)
        except (OSError, asyncio.IncompleteReadError, AttributeError):
            failed += 1
            pool.put_nowait(None)

    begun = time.perf_counter()
    tasks = []
    for number in range(rate * seconds):
        wait = begun + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.wait(tasks, timeout=30)
    return sorted(taken), failed, rate * seconds


def intake(server, quick):
    workspace = server.call("GET", "/api/workspaces/")[0]["uid"]
    source = server.call("POST", "/api/alert-sources/", {"name": "Bench", "kind": "sentry_sdk", "workspace_uid": workspace})
    key = re.search(r"//(\w+)@", source["dsn"]).group(1)
    seconds = 5 if quick else 20
    taken, failed, sent = asyncio.run(acknowledged(server.port, key, source["project_number"], 500, seconds))
    p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
    row(f"envelope acknowledged, 500/s for {seconds} s, p50", f"{p50:.1f}", "ms", "-", None)
    row("envelope acknowledged, 500/s, p99", f"{p99:.1f}", "ms", "< 20", p99 < 20)
    row("envelopes refused or lost", f"{max(failed, sent - len(taken))}", "", "0", failed == 0 and len(taken) == sent)
    seen = sum(i["times_seen"] for i in server.call("GET", "/api/incidents/"))
    row("events counted of those sent", f"{seen}/{sent}", "", "equal", seen == sent)


def sandboxes(server, quick):
    """Create to first exec result over HTTP, beside bubblewrap doing less on the same machine."""
    rounds = 5 if quick else 20
    ours, theirs, execs = [], [], []
    bwrap = shutil.which("bwrap")
    for _ in range(rounds):
        begun = time.perf_counter()
        session = server.call("POST", "/api/sandbox/sessions/", {})
        server.call("POST", f"/api/sandbox/sessions/{session['id']}/exec/", {"command": ["true"]})
        ours.append((time.perf_counter() - begun) * 1000)
        begun = time.perf_counter()
        server.call("POST", f"/api/sandbox/sessions/{session['id']}/exec/", {"command": ["true"]})
        execs.append((time.perf_counter() - begun) * 1000)
        server.call("DELETE", f"/api/sandbox/sessions/{session['id']}/")
        if bwrap:
            begun = time.perf_counter()
            subprocess.run([bwrap, "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink",
                            "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--unshare-all", "true"], check=False, capture_output=True)
            theirs.append((time.perf_counter() - begun) * 1000)
    row("local sandbox: create to first exec over HTTP, median", f"{statistics.median(ours):.1f}", "ms", "<= 15", statistics.median(ours) <= 15)
    if theirs:
        row("  beside it: bwrap ... true, median", f"{statistics.median(theirs):.1f}", "ms", "-", None)
    row("exec `true` round trip over HTTP, median", f"{statistics.median(execs):.1f}", "ms", "<= 3", statistics.median(execs) <= 3)


def proven(binary, data_dir):
    """The whole demo; the second run of a fresh incident stands on a warm set-up layer."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "LLM_", "ASTRAFORGE", "DATABASE_URL"))}
    out = subprocess.run([binary, "demo", "--once", "--listen", "127.0.0.1:0", "--data-dir", data_dir], capture_output=True, text=True, timeout=900, env=env)
    lines = out.stdout.splitlines()
    at = lambda words: next((float(l.split()[0]) for l in lines if words in l), None)
    crash, layer, agent, end = at("crashing the example"), at("set up in"), at("reproduce"), at("review it: http")
    if out.returncode != 0 or None in (crash, agent, end):
        row("crash to proven merge request", "failed", "", "<= 20", False)
        print(out.stdout[-2000:], out.stderr[-2000:])
        return
    set_up = float(re.search(r"set up in ([\d.]+) s", out.stdout).group(1)) if layer else 0.0
    warm = end - crash - set_up
    row("crash to proven merge request, set-up layer warm", f"{warm:.1f}", "s", "<= 20", warm <= 20)
    row("  of which set-up when the layer is cold", f"{set_up:.1f}", "s", "-", None)


def main():
    binary, quick = sys.argv[1], "--quick" in sys.argv
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    size = Path(binary).stat().st_size / 2**20
    row("release binary", f"{size:.1f}", "MiB", "<= 60", size <= 60)
    with tempfile.TemporaryDirectory() as scratch:
        with Server(binary, f"{scratch}/a") as server:
            row("server start to its first line", f"{server.start_ms:.0f}", "ms", "< 1000", server.start_ms < 1000)
            time.sleep(3)
            row("server idle, resident", f"{server.rss_mib():.0f}", "MiB", "<= 60", server.rss_mib() <= 60)
            intake(server, quick)
            sandboxes(server, quick)
            row("server after that, resident", f"{server.rss_mib():.0f}", "MiB", "-", None)
        proven(binary, f"{scratch}/b")
    missed = [r[0] for r in ROWS if r[4] is False]
    print(f"{len(ROWS)} figures, {len(missed)} goals missed")
    sys.exit(1 if missed else 0)


main()
