"""Runs tests through pytest and notes what each of them came to."""

import hashlib
import os
import sys
import types


def declared_id(nodeid):
    return nodeid.split("[", 1)[0]


def body_of(item):
    """A digest of the code that stands behind a test's name, or where that is if another file has it."""
    function = getattr(item, "obj", None)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or os.path.realpath(code.co_filename) != os.path.realpath(str(getattr(item, "path", item.fspath))):
        return "elsewhere"
    return hashlib.sha256(essence(code).encode()).hexdigest()[:16]


def essence(constant):
    """What it does, without its lines; the same in every process."""
    if isinstance(constant, types.CodeType):
        return f"{constant.co_code} {constant.co_names} {constant.co_varnames} {essence(constant.co_consts)}"
    if isinstance(constant, tuple):
        return f"({', '.join(map(essence, constant))})"
    if isinstance(constant, frozenset):
        return f"{{{', '.join(sorted(map(essence, constant)))}}}"
    return repr(constant)


def may_fail(item):
    """Marked as one that fails: that it passes shows nothing. The framework says so only after we have asked."""
    from _pytest import skipping

    try:
        return item.stash.get(skipping.xfailed_key, None) is not None
    except AttributeError:
        return False


class Plugin:
    def __init__(self, witness, root, variant):
        self.witness, self.root, self.variant = witness, root, variant
        self.watcher = witness.Watcher(root, variant.get("watch"))
        self.handler = witness.logged(self.watcher)
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
            def pytest_runtest_setup(self, item):
                if "_wrong" in sys.modules:
                    sys.modules["_wrong"].tests_run = True

            @pytest.hookimpl(tryfirst=True)
            def pytest_exception_interact(self, node, call, report):
                witness = outer.witness
                if call.excinfo is None:
                    return
                if hasattr(node, "runtest"):
                    note = outer.note(node)
                    note["chain"] = note["chain"] or witness.chain_of(outer.root, call.excinfo.value)
                else:
                    path = witness.place(outer.root, str(getattr(node, "path", "")), "", 0)["file"]
                    error = {"file": path, "chain": witness.chain_of(outer.root, call.excinfo.value)}
                    error["log"] = witness.cut(str(getattr(report, "longreprtext", "")))
                    outer.load_errors.append(error)

            @pytest.hookimpl(tryfirst=True)
            def pytest_runtest_logreport(self, report):
                # A part of a test has a report of its own, and none of the test's own says that it failed.
                if hasattr(report, "context") and report.failed:
                    outer.failed_part(report)

            @pytest.hookimpl(hookwrapper=True, tryfirst=True)
            def pytest_runtest_call(self, item):
                import logging

                logging.getLogger().addHandler(outer.handler)
                outer.watcher.begin()
                try:
                    yield
                finally:
                    note, (seen, steps) = outer.note(item), outer.watcher.end()
                    note["seen"].extend(seen)
                    note["steps"] = steps
                    logging.getLogger().removeHandler(outer.handler)

            @pytest.hookimpl(hookwrapper=True, trylast=True)
            def pytest_runtest_makereport(self, item, call):
                outcome = yield
                outer.judge(item, call, outcome.get_result())

        return Hooks()

    def note(self, item):
        nodeid = item.nodeid
        if nodeid not in self.results:
            path = self.witness.place(self.root, str(getattr(item, "path", item.fspath)), "", 0)["file"]
            name = {"id": nodeid, "declared": declared_id(nodeid), "file": path, "outcome": "error"}
            self.results[nodeid] = dict(name, duration_ms=0, chain=[], seen=[], body=body_of(item), log="")
            self.order.append(nodeid)
        return self.results[nodeid]

    def failed_part(self, report):
        note = self.results.get(report.nodeid)
        if note is not None:
            note["outcome"] = "failed"
            note["log"] = self.witness.cut((note["log"] + "\n" + report.longreprtext).strip())

    def judge(self, item, call, report):
        note = self.note(item)
        note["duration_ms"] += int(call.duration * 1000)
        if report.passed:
            if report.when == "call" and note["outcome"] != "failed":
                note["outcome"] = "skipped" if may_fail(item) else "passed"
        elif report.skipped:
            note["outcome"] = "skipped"
        else:
            note["outcome"] = "failed" if report.when == "call" else "error"
            if call.excinfo is not None and not note["chain"]:
                note["chain"] = self.witness.chain_of(self.root, call.excinfo.value)
            sections = "\n".join(f"{title}\n{text}" for title, text in report.sections)
            note["log"] = self.witness.cut((report.longreprtext + "\n" + sections).strip())


def run(witness, root, variant, dressed):
    import pytest

    plugin = Plugin(witness, root, variant)
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
