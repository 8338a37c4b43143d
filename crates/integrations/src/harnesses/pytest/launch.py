"""Runs tests of a tree under orders read from standard input and leaves one JSON report.

The parent takes the variants one by one: lays their edits over the tree, starts a child (a fork that has loaded
pytest but nothing of the project, or a fresh process), collects what it has to say through a pipe, and takes the
edits back. A child that dies or hangs costs one variant, never the report.
"""

import json
import os
import signal
import sys
import time

TEXT_MAX = 4000
LINKS_MAX = 12
FRAMES_MAX = 60


# ---------------------------------------------------------------- exceptions as data


def cut(text, limit=TEXT_MAX):
    text = text if isinstance(text, str) else str(text)
    return text if len(text) <= limit else text[: limit // 2] + "\n[...]\n" + text[-limit // 2 :]


def place(root, filename, function, line):
    path = os.path.abspath(filename) if not filename.startswith("<") else filename
    if path.startswith(root + os.sep):
        path = path[len(root) + 1 :]
    return {"file": path, "function": function, "line": line or 0}


def frames_of(root, trace):
    frames = []
    while trace is not None and len(frames) < 400:
        code = trace.tb_frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        frames.append(place(root, code.co_filename, name, trace.tb_lineno))
        trace = trace.tb_next
    ours = [i for i, frame in enumerate(frames) if not frame["file"].startswith(("/", "<"))]
    return frames[ours[0] if ours else 0 :][-FRAMES_MAX:]


def is_check(error):
    names = {c.__name__ for c in type(error).__mro__}
    return "AssertionError" in names or ("Failed" in names and "OutcomeException" in names)


def chain_of(root, error):
    links, queue, known = [], [error], set()
    while queue and len(links) < LINKS_MAX:
        error = queue.pop(0)
        if error is None or id(error) in known:
            continue
        known.add(id(error))
        try:
            message = cut(str(error), 600)
        except Exception:
            message = ""
        frames = frames_of(root, error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename:
            frames.append(place(root, error.filename, "", error.lineno))
        kind = type(error).__name__
        links.append({"kind": kind, "message": message, "is_check": is_check(error), "frames": frames})
        queue.extend(getattr(error, "exceptions", None) or ())
        queue.append(error.__cause__)
        if not error.__suppress_context__:
            queue.append(error.__context__)
    return links


# ---------------------------------------------------------------- what passes by while a test runs


class Watcher:
    """Notes exceptions that the project's own frames see, swallowed or not, and those that somebody logs."""

    def __init__(self, root, watch):
        self.root, self.kinds, self.seen = root, set(watch["kinds"]) if watch else set(), []
        self.watching = bool(watch)

    def begin(self):
        self.seen = []
        if self.watching:
            import threading

            threading.settrace(self.enter)
            sys.settrace(self.enter)

    def end(self):
        if self.watching:
            import threading

            sys.settrace(None)
            threading.settrace(None)
        seen, self.seen = self.seen, []
        return seen[:40]

    def enter(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(self.root + os.sep):
            return None
        frame.f_trace_lines = False
        return self.inside

    def inside(self, frame, event, argument):
        if event == "exception" and len(self.seen) < 200:
            kind = argument[0].__name__
            if kind in self.kinds:
                code = frame.f_code
                name = getattr(code, "co_qualname", code.co_name)
                spot = place(self.root, code.co_filename, name, frame.f_lineno)
                link = {"kind": kind, "message": cut(repr(argument[1]), 300), "is_check": False, "frames": [spot]}
                if link not in self.seen:
                    self.seen.append(link)
        return self.inside


def logged(watcher):
    import logging

    class Handler(logging.Handler):
        def emit(self, record):
            try:
                if record.exc_info and record.exc_info[1] is not None and len(watcher.seen) < 200:
                    watcher.seen.extend(chain_of(watcher.root, record.exc_info[1]))
            except Exception:
                pass

    return Handler(0)


# ---------------------------------------------------------------- the framework's run


def declared_id(nodeid):
    return nodeid.split("[", 1)[0]


class Plugin:
    def __init__(self, root, variant):
        self.root, self.variant = root, variant
        self.watcher = Watcher(root, variant.get("watch"))
        self.handler = logged(self.watcher)
        self.results, self.order, self.load_errors = {}, [], []

    def hooks(self):
        import pytest

        outer = self

        class Hooks:
            @pytest.hookimpl(trylast=True)
            def pytest_collection_modifyitems(self, items):
                if outer.variant.get("shuffle") is not None:
                    import random

                    random.Random(outer.variant["shuffle"]).shuffle(items)

            @pytest.hookimpl(tryfirst=True)
            def pytest_exception_interact(self, node, call, report):
                if not hasattr(node, "runtest") and call.excinfo is not None:
                    path = place(outer.root, str(getattr(node, "path", "")), "", 0)["file"]
                    error = {"file": path, "chain": chain_of(outer.root, call.excinfo.value)}
                    error["log"] = cut(str(getattr(report, "longreprtext", "")))
                    outer.load_errors.append(error)

            @pytest.hookimpl(hookwrapper=True, tryfirst=True)
            def pytest_runtest_call(self, item):
                import logging

                logging.getLogger().addHandler(outer.handler)
                outer.watcher.begin()
                try:
                    yield
                finally:
                    outer.note(item)["seen"].extend(outer.watcher.end())
                    logging.getLogger().removeHandler(outer.handler)

            @pytest.hookimpl(hookwrapper=True, trylast=True)
            def pytest_runtest_makereport(self, item, call):
                outcome = yield
                outer.judge(item, call, outcome.get_result())

        return Hooks()

    def note(self, item):
        nodeid = item.nodeid
        if nodeid not in self.results:
            path = place(self.root, str(getattr(item, "path", item.fspath)), "", 0)["file"]
            name = {"id": nodeid, "declared": declared_id(nodeid), "file": path, "outcome": "error"}
            self.results[nodeid] = dict(name, duration_ms=0, chain=[], seen=[], log="")
            self.order.append(nodeid)
        return self.results[nodeid]

    def judge(self, item, call, report):
        note = self.note(item)
        note["duration_ms"] += int(call.duration * 1000)
        if report.passed:
            if report.when == "call":
                note["outcome"] = "passed"
        elif report.skipped:
            note["outcome"] = "skipped"
        else:
            note["outcome"] = "failed" if report.when == "call" else "error"
            if call.excinfo is not None and not note["chain"]:
                note["chain"] = chain_of(self.root, call.excinfo.value)
            sections = "\n".join(f"{title}\n{text}" for title, text in report.sections)
            note["log"] = cut((report.longreprtext + "\n" + sections).strip())


def run_framework(root, variant, dressed):
    import pytest

    plugin = Plugin(root, variant)
    arguments = ["-p", "no:cacheprovider", "--maxfail=0", "--continue-on-collection-errors", "-q", "--no-header", "--color=no", f"--rootdir={root}"]
    ids = variant.get("ids")
    arguments += ids if ids is not None else []
    if root not in sys.path:
        sys.path.insert(0, root)
    if dressed:
        import _pytest.runner

        _pytest.runner._update_current_test_var = lambda *_: None
        sys.argv = ["main"]
        os.environ.pop("PYTEST_VERSION", None)
        keep = os.environ.__class__.__setitem__

        def quiet(self, key, value):
            if not str(key).startswith("PYTEST_"):
                keep(self, key, value)

        os.environ.__class__.__setitem__ = quiet
    else:
        sys.argv = ["pytest"] + arguments
    hooks = plugin.hooks()
    status = int(pytest.main(arguments, plugins=[hooks]))
    tests = [plugin.results[nodeid] for nodeid in plugin.order]
    return {"tests": tests, "load_errors": plugin.load_errors, "log": f"pytest ended with {status}"}


# ---------------------------------------------------------------- the same tests with no framework running


class Unsupported(Exception):
    pass


class Bare:
    """Loads a test file as a program would and calls its tests; knows the plain features and says so where it doesn't."""

    def __init__(self, root):
        self.root, self.modules = root, {}

    def run(self, nodeid):
        path, _, rest = nodeid.partition("::")
        row = rest[rest.index("[") + 1 : -1] if "[" in rest else None
        steps = rest.split("[", 1)[0].split("::")
        module, fixtures = self.load(path)
        holder, owner = module, None
        for step in steps[:-1]:
            owner = holder = getattr(holder, step)
        function = getattr(holder, steps[-1])
        import inspect
        import unittest

        if inspect.isclass(owner) and issubclass(owner, unittest.TestCase):
            return self.unittest(module, owner, steps[-1])
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise Unsupported
        values = self.row(function, owner, row)
        if owner is not None:
            for name in ("setup_class", "teardown_class", "setup_method", "teardown_method"):
                if hasattr(owner, name):
                    raise Unsupported
            function = getattr(owner(), steps[-1])
        return self.call(function, fixtures, values)

    def unittest(self, module, owner, name):
        if hasattr(module, "setUpModule") or hasattr(module, "tearDownModule"):
            raise Unsupported
        owner.setUpClass()
        try:
            owner(name).debug()
        finally:
            owner.tearDownClass()
            owner.doClassCleanups()

    def row(self, function, owner, row):
        marks = list(getattr(function, "pytestmark", [])) + list(getattr(owner, "pytestmark", []))
        tables = [m for m in marks if m.name == "parametrize"]
        if len(tables) != len(marks) or len(tables) > 1 or bool(tables) != (row is not None):
            raise Unsupported
        if not tables:
            return {}
        names, rows = tables[0].args[0], tables[0].args[1]
        names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        if tables[0].kwargs:
            raise Unsupported
        for values in rows:
            if type(values).__name__ == "ParameterSet":
                raise Unsupported
            values = [values] if len(names) == 1 else list(values)
            if all(v is None or isinstance(v, (str, int, float, bool)) for v in values):
                if "-".join(str(v) for v in values) == row:
                    return dict(zip(names, values))
        raise Unsupported

    def call(self, function, fixtures, values):
        import inspect

        ends = []
        try:
            known = dict(values)
            for name, (_, auto) in fixtures.items():
                if auto:
                    self.fixture(name, fixtures, known, ends)
            names = list(inspect.signature(function).parameters)
            function(**{n: self.fixture(n, fixtures, known, ends) for n in names})
        finally:
            for end in reversed(ends):
                end()

    def fixture(self, name, fixtures, known, ends):
        if name in known:
            return known[name]
        if name == "tmp_path":
            import pathlib
            import tempfile

            known[name] = pathlib.Path(tempfile.mkdtemp())
        elif name == "monkeypatch":
            import pytest

            known[name] = pytest.MonkeyPatch()
            ends.append(known[name].undo)
        elif name in fixtures:
            import inspect

            function = fixtures[name][0]
            parts = {n: self.fixture(n, fixtures, known, ends) for n in inspect.signature(function).parameters}
            if inspect.isgeneratorfunction(function):
                going = function(**parts)
                known[name] = next(going)
                ends.append(lambda: next(going, None))
            else:
                known[name] = function(**parts)
        else:
            raise Unsupported
        return known[name]

    def load(self, path):
        if path in self.modules:
            return self.modules[path]
        folder, fixtures = self.root, {}
        for part in [""] + os.path.dirname(path).split("/"):
            folder = os.path.join(folder, part) if part else folder
            helper = os.path.join(folder, "conftest.py")
            if os.path.exists(helper):
                self.gather(self.exec_module(helper), fixtures)
        module = self.exec_module(os.path.join(self.root, path))
        if hasattr(module, "pytestmark") or hasattr(module, "setup_module") or hasattr(module, "setup_function"):
            raise Unsupported
        self.gather(module, fixtures)
        self.modules[path] = (module, fixtures)
        return self.modules[path]

    def exec_module(self, full):
        import importlib

        folder, names = os.path.dirname(full), [os.path.splitext(os.path.basename(full))[0]]
        while os.path.exists(os.path.join(folder, "__init__.py")) and folder.startswith(self.root):
            names.insert(0, os.path.basename(folder))
            folder = os.path.dirname(folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        name = ".".join(names)
        if names[-1] == "conftest":
            sys.modules.pop(name, None)
        module = importlib.import_module(name)
        if os.path.realpath(getattr(module, "__file__", "")) != os.path.realpath(full):
            raise Unsupported
        return module

    def gather(self, module, fixtures):
        for name, value in list(vars(module).items()):
            marker = getattr(value, "_fixture_function_marker", None) or getattr(value, "_pytestfixturefunction", None)
            if marker is None:
                continue
            function = getattr(value, "_fixture_function", None) or getattr(value, "__wrapped__", None)
            if function is None or getattr(marker, "params", None):
                raise Unsupported
            fixtures[getattr(marker, "name", None) or name] = (function, bool(getattr(marker, "autouse", False)))


def configured_paths(root):
    paths = []
    try:
        with open(os.path.join(root, "pyproject.toml"), "rb") as file:
            import tomllib

            tool = tomllib.load(file).get("tool", {}).get("pytest", {})
            paths = tool.get("ini_options", tool).get("pythonpath", [])
    except Exception:
        pass
    for name, section in (("pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        try:
            import configparser

            parser = configparser.ConfigParser()
            parser.read(os.path.join(root, name))
            paths = paths or parser.get(section, "pythonpath", fallback="").split()
        except Exception:
            pass
    paths = paths.split() if isinstance(paths, str) else paths
    return [os.path.join(root, p) for p in paths]


def run_bare(root, variant):
    for path in [root] + configured_paths(root):
        if path not in sys.path:
            sys.path.insert(0, path)
    sys.argv = ["main"]
    ids = list(variant.get("ids") or [])
    if variant.get("shuffle") is not None:
        import random

        random.Random(variant["shuffle"]).shuffle(ids)
    bare, tests, left = Bare(root), [], []
    for nodeid in ids:
        result = {"id": nodeid, "declared": declared_id(nodeid), "file": nodeid.split("::")[0], "outcome": "passed"}
        began = time.monotonic()
        try:
            bare.run(nodeid)
        except BaseException as error:
            names = {c.__name__ for c in type(error).__mro__}
            if isinstance(error, Unsupported) or "Skipped" in names or "SkipTest" in names:
                left.append(nodeid)
                continue
            chain = chain_of(root, error)
            if not any(f["file"] == result["file"] for link in chain for f in link["frames"]):
                left.append(nodeid)  # it could not be loaded this way; the framework decides
                continue
            result["outcome"] = "failed"
            result["chain"] = chain
            result["log"] = cut("\n".join(f"{link['kind']}: {link['message']}" for link in result["chain"]))
        result["duration_ms"] = int((time.monotonic() - began) * 1000)
        tests.append(result)
    return {"tests": tests, "load_errors": [], "left": left, "log": "called without a framework"}


# ---------------------------------------------------------------- functions made wrong on purpose


def wrong_module():
    """What changed trees import: decorators that swallow, or that don't call the function at all."""
    import functools
    import inspect
    import types

    def shape(function, plain, generate):
        if inspect.isasyncgenfunction(function):
            return function
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapped(*a, **k):
                return await plain(function, a, k, True)

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def wrapped(*a, **k):
                yield from generate(function, a, k)

        else:

            @functools.wraps(function)
            def wrapped(*a, **k):
                return plain(function, a, k, False)

        return wrapped

    def swallow(value):
        def decorate(function):
            def plain(f, a, k, waits):
                if waits:

                    async def wait():
                        try:
                            return await f(*a, **k)
                        except Exception:
                            return value

                    return wait()
                try:
                    return f(*a, **k)
                except Exception:
                    return value

            def generate(f, a, k):
                try:
                    yield from f(*a, **k)
                except Exception:
                    if value is not None:
                        yield value

            return shape(function, plain, generate)

        return decorate

    def give(value):
        def decorate(function):
            def plain(f, a, k, waits):
                if waits:

                    async def wait():
                        return value

                    return wait()
                return value

            def generate(f, a, k):
                return
                yield

            return shape(function, plain, generate)

        return decorate

    module = types.ModuleType("_wrong")
    module.swallow, module.give = swallow, give
    sys.modules["_wrong"] = module


# ---------------------------------------------------------------- children and the parent


def run_child(root, variant):
    began = time.monotonic()
    os.chdir(root)
    sys.dont_write_bytecode = True
    disguise = variant.get("disguise") or "none"
    if variant.get("edits"):
        wrong_module()
    if disguise == "bare":
        answer = run_bare(root, variant)
    else:
        answer = run_framework(root, variant, disguise == "dressed")
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
        folder = f"/tmp/service-{os.urandom(4).hex()}"
        os.makedirs(folder)
        with open(path) as here, open(os.path.join(folder, "main.py"), "w") as there:
            there.write(here.read())
        path = os.path.join(folder, "main.py")
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
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if "child" in orders:
        comm = "/proc/self/comm"
        if (orders["variant"].get("disguise") or "none") != "none":
            with open(comm, "w") as file:
                file.write("service")
        send(orders["child"], run_child(orders["root"], orders["variant"]))
        os._exit(0)
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
