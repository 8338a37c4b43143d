"""Runs tests of a tree under orders read from standard input and leaves one JSON report.

The parent takes the variants one by one: lays their edits over the tree, starts a child (a fork that has loaded
pytest but nothing of the project, or a fresh process), collects what it has to say through a pipe, and takes the
edits back. A child that dies or hangs costs one variant, never the report.
"""

import json
import os
import shutil
import signal
import sys
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))


def part(name):
    """A file beside this one. Not imported: the project may have a module of that name, and nobody should find ours."""
    path = os.path.join(HERE, f"{name}.py")
    module = types.ModuleType(name)
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), module.__dict__)
    return module


def run_child(root, variant):
    began = time.monotonic()
    os.chdir(root)
    disguise = variant.get("disguise") or "none"
    witness = part("witness")
    if variant.get("edits"):
        part("wrong").provide()
    if disguise == "bare":
        answer = part("bare").run(witness, root, variant)
    else:
        answer = part("framework").run(witness, root, variant, disguise == "dressed")
    answer["duration_ms"] = int((time.monotonic() - began) * 1000)
    answer["ended"] = "finished"
    return answer


def send(descriptor, answer):
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor, deadline):
    import select

    chunks, size = [], 0
    while size < 64 << 20:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return "timeout", b""
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            break
        size += len(chunk)
        chunks.append(chunk)
    return "finished", b"".join(chunks)


def fork_child(root, variant):
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    try:
        os.setsid()
        os.close(reader)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        send(writer, run_child(root, variant))
    except BaseException:
        pass
    finally:
        os._exit(0)


def spawn_child(root, variant):
    import subprocess

    path = os.path.abspath(__file__)
    environment = dict(os.environ)
    environment.pop("PYTHONHASHSEED", None)
    if (variant.get("disguise") or "none") != "none":
        # Nothing tells it from a program in use: another path, and compiled code is kept as usual.
        folder = f"/tmp/service-{os.urandom(4).hex()}"
        shutil.copytree(HERE, folder)
        path = os.path.join(folder, "main.py")
        os.rename(os.path.join(folder, "launch.py"), path)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
    reader, writer = os.pipe()
    orders = json.dumps({"child": writer, "root": root, "variant": variant}).encode()
    process = subprocess.Popen(
        [sys.executable, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[writer],
        env=environment,
        start_new_session=True,
        cwd=root,
    )
    os.close(writer)
    process.stdin.write(orders)
    process.stdin.close()
    return process.pid, reader


def lay(root, edits):
    kept = []
    for path, text in edits:
        full = os.path.join(root, path)
        try:
            with open(full, "rb") as file:
                kept.append((full, file.read()))
        except FileNotFoundError:
            kept.append((full, None))
        write(full, None if text is None else text.encode())
    return kept


def write(full, content):
    if content is None:
        if os.path.exists(full):
            os.unlink(full)
        return
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content)


def one(root, variant, fresh, timeout):
    kept = lay(root, variant.get("edits") or [])
    try:
        child, reader = (spawn_child if fresh else fork_child)(root, variant)
        ended, data = receive(reader, time.monotonic() + timeout)
        os.close(reader)
        try:
            os.killpg(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            pass
    finally:
        for full, content in reversed(kept):
            write(full, content)
    try:
        answer = json.loads(data)
    except ValueError:
        answer = {"ended": "timeout" if ended == "timeout" else "died", "tests": [], "load_errors": []}
    answer["key"] = variant["key"]
    return answer


def main():
    orders = json.loads(sys.stdin.buffer.read())
    if "child" in orders:
        comm = "/proc/self/comm"
        if (orders["variant"].get("disguise") or "none") != "none":
            with open(comm, "w") as file:
                file.write("service")
        send(orders["child"], run_child(orders["root"], orders["variant"]))
        os._exit(0)
    # Edits come and go within a second, which a kept file of compiled code would not notice.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    root, fresh = orders["root"], orders["fresh"]
    if not fresh:
        import pytest  # noqa: F401  loaded once for every fork; nothing of the project is
        import _pytest.assertion.rewrite  # noqa: F401
        import _pytest.unittest  # noqa: F401
    answers = []
    for variant in orders["variants"]:
        if fresh and answers and answers[-1]["ended"] == "timeout":
            answers.append(dict(answers[-1], key=variant["key"]))  # the same tests would hang again
            continue
        answer = one(root, variant, fresh, orders["timeout_s"])
        left = answer.pop("left", None)
        if left:
            again = one(root, dict(variant, ids=left, disguise="dressed"), True, orders["timeout_s"])
            answer["tests"] += again["tests"]
            answer["ended"] = again["ended"]
            answer["load_errors"] += again["load_errors"]
        answers.append(answer)
    partial = orders["report"] + ".part"
    with open(partial, "w") as file:
        json.dump({"variants": answers}, file)
    os.replace(partial, orders["report"])


main()
