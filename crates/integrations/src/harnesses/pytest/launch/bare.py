"""Calls tests as a program would, with no framework running."""

import os
import sys
import time


class Unsupported(Exception):
    pass


class Bare:
    """Loads a test file as a program would and calls its tests; knows the plain features and says so where it doesn't."""

    def __init__(self, root):
        self.root, self.modules = root, {}

    def prepared(self, nodeid):
        """The test loaded and ready to be called."""
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
            return lambda: self.unittest(module, owner, steps[-1])
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise Unsupported
        values = self.row(function, owner, row)
        if owner is not None:
            for name in ("setup_class", "teardown_class", "setup_method", "teardown_method"):
                if hasattr(owner, name):
                    raise Unsupported
            function = getattr(owner(), steps[-1])
        return lambda: self.call(function, fixtures, values)

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


# ---------------------------------------------------------------- no trace of a framework


RUNNERS = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "unittest", "doctest", "hypothesis", "xdist", "coverage")
hidden = {}


class Returning:
    """Gives back a hidden module when somebody imports it again, as if it were loaded for the first time."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in hidden:
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, Returning, is_package=hasattr(hidden[name], "__path__"))
        return None

    @staticmethod
    def create_module(spec):
        module = hidden[spec.name]
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module):
        module.__spec__, module.__loader__ = module.__spec__.loader_state, module.__spec__.loader_state.loader


def hide():
    """Takes what belongs to test frameworks off the list of loaded modules: a program in use has none of it."""
    if Returning not in sys.meta_path:
        sys.meta_path.append(Returning)
        sys.meta_path.insert(0, sys.meta_path.pop())
    for name in list(sys.modules):
        if name.split(".", 1)[0] in RUNNERS and getattr(sys.modules[name], "__spec__", None) is not None:
            hidden[name] = sys.modules.pop(name)


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


def run(witness, root, variant):
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
        result = {"id": nodeid, "declared": nodeid.split("[", 1)[0], "file": nodeid.split("::")[0], "outcome": "passed"}
        began = time.monotonic()
        try:
            call = bare.prepared(nodeid)
            hide()
            call()
        except BaseException as error:
            names = {c.__name__ for c in type(error).__mro__}
            if isinstance(error, Unsupported) or "Skipped" in names or "SkipTest" in names:
                left.append(nodeid)
                continue
            chain = witness.chain_of(root, error)
            if not any(f["file"] == result["file"] for link in chain for f in link["frames"]):
                left.append(nodeid)  # it could not be loaded this way; the framework decides
                continue
            result["outcome"] = "failed"
            result["chain"] = chain
            result["log"] = witness.cut("\n".join(f"{link['kind']}: {link['message']}" for link in result["chain"]))
        result["duration_ms"] = int((time.monotonic() - began) * 1000)
        tests.append(result)
    return {"tests": tests, "load_errors": [], "left": left, "log": "called without a framework"}
