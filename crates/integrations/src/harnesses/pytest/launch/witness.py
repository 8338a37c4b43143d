"""Exceptions as data, and what passes by while a test runs. Never imported by name: see `part` in launch.py."""

import logging
import os
import sys
import threading
import types

TEXT_MAX = 4000
LINKS_MAX = 12
FRAMES_MAX = 60
SEEN_MAX = 200
STEPS_MAX = 3000


def cut(text, limit=TEXT_MAX):
    text = text if isinstance(text, str) else str(text)
    return text if len(text) <= limit else text[: limit // 2] + "\n[...]\n" + text[-limit // 2 :]


def place(root, filename, function, line):
    path = os.path.abspath(filename) if not filename.startswith("<") else filename
    if path.startswith(root + os.sep):
        path = path[len(root) + 1 :]
    return {"file": path, "function": function, "line": line or 0}


def is_test(path):
    name = path.rsplit("/", 1)[-1]
    named = name.startswith("test_") or name.endswith("_test.py") or name in ("tests.py", "conftest.py")
    return named or any(part in ("tests", "test") for part in path.split("/")[:-1])


# ---------------------------------------------------------------- code that stands where it says it stands


compiled = {}


def codes_of(filename):
    """The code objects that the file gives when it is compiled."""
    if filename not in compiled:
        found, queue = set(), []
        try:
            with open(filename, "rb") as file:
                queue.append(compile(file.read(), filename, "exec", dont_inherit=True))
        except Exception:
            pass
        while queue:
            code = queue.pop()
            found.add(code)
            queue.extend(c for c in code.co_consts if isinstance(c, type(code)))
        compiled[filename] = found
    return compiled[filename]


def is_played(root, frame):
    """Code that names one of the project's files as its own and is not in it. Test files and modules that a loader of
    the project's own choice rewrites are taken at their word."""
    filename = os.path.abspath(frame.f_code.co_filename)
    if not filename.startswith(root + os.sep) or is_test(filename[len(root) + 1 :]):
        return False
    if frame.f_code in codes_of(filename):
        return False
    module = sys.modules.get(frame.f_globals.get("__name__"))
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return getattr(module, "__dict__", None) is not frame.f_globals or type(loader).__name__ == "SourceFileLoader"


def spot(root, frame, line):
    code = frame.f_code
    found = place(root, code.co_filename, getattr(code, "co_qualname", code.co_name), line)
    return dict(found, file="<played>") if is_played(root, frame) else found


# ---------------------------------------------------------------- exceptions


def frames_of(root, trace):
    frames = []
    while trace is not None and len(frames) < 400:
        frames.append(spot(root, trace.tb_frame, trace.tb_lineno))
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


# ---------------------------------------------------------------- the steps of a test


PLAIN = (str, bytes, int, float, complex, bool, type(None))


def told(value, depth=3):
    """A value in words that stay the same when a class gets another field or an object another address."""
    kind = type(value)
    if kind in PLAIN:
        return repr(value)[:80]
    if depth and kind in (list, tuple):
        return f"[{', '.join(told(v, depth - 1) for v in value[:8])}]"
    if depth and kind in (set, frozenset):
        return f"{{{', '.join(sorted(told(v, depth - 1) for v in list(value)[:8]))}}}"
    if depth and kind is dict:
        pairs = list(value.items())[:8]
        return f"{{{', '.join(f'{told(k, 0)}: {told(v, depth - 1)}' for k, v in pairs)}}}"
    return repr(value)[:80] if kind.__module__ in ("decimal", "fractions", "datetime") else kind.__name__


def given(frame):
    """What a function was called with, in order."""
    code, names = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    values = [names[n] for n in code.co_varnames[:count] if n in names]
    rest = [names.get(n) for n in code.co_varnames[count : count + bool(code.co_flags & 4) + bool(code.co_flags & 8)]]
    for more in rest:
        values.extend(more.values() if isinstance(more, dict) else more or ())
    return ", ".join(told(v) for v in values[:12])


def wrapped(frame):
    """The functions that a decorator's inner function stands for: a test that calls it calls them."""
    held = [frame.f_locals.get(name) for name in frame.f_code.co_freevars]
    return [value.__name__ for value in held if isinstance(value, types.FunctionType)]


LEAVING = {"RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RETURN_GENERATOR"}


def returns(frame):
    """Whether a frame that is about to end does so by itself, and not because an exception passes through."""
    import dis

    at = frame.f_lasti
    return at >= 0 and dis.opname[frame.f_code.co_code[at]] in LEAVING


class Watcher:
    """Notes exceptions that the project's own frames see, swallowed or not, and those that somebody logs; which lines
    of the test run, and what they ask of the project."""

    def __init__(self, root, watch):
        self.root, self.watching = root, watch is not None
        self.kinds = set(watch["kinds"]) if watch else set()
        self.files, self.seen, self.steps, self.asked, self.open = {}, [], {}, {}, {}

    def begin(self):
        self.seen, self.steps, self.asked, self.open = [], {}, {}, {}
        if self.watching:
            threading.settrace(self.enter)
            sys.settrace(self.enter)

    def end(self):
        if self.watching:
            sys.settrace(None)
            threading.settrace(None)
        return self.seen[:40], list(self.steps)

    def own(self, frame):
        """Its file below the root, or nothing."""
        name = frame.f_code.co_filename
        if name not in self.files:
            path = place(self.root, name, "", 0)["file"]
            self.files[name] = None if path.startswith(("/", "<")) else (path, is_test(path))
        return self.files[name]

    def step(self, frame):
        """The nearest line of a test above a frame, with what it asked of the project."""
        asked = self.asked.get(id(frame))
        while frame is not None:
            here = self.own(frame)
            if here and here[1]:
                line = f"{here[0]}:{frame.f_lineno}"
                return f"{line} {', '.join(filter(None, asked))}" if asked else line
            asked = self.asked.get(id(frame), asked) if here else asked
            frame = frame.f_back
        return ""

    def enter(self, frame, event, argument):
        here = self.own(frame)
        if here is None:
            return None
        frame.f_trace_lines = here[1]
        if here[1]:
            return self.inside
        above = frame.f_back
        while above is not None and self.own(above) is None:
            above = above.f_back
        if above is not None and self.own(above)[1]:
            try:
                values = given(frame)
            except Exception:
                values = ""
            for name in [*wrapped(frame), frame.f_code.co_name]:
                self.asked[id(frame)] = (name, values)
                self.went(self.step(frame))
        return self.inside

    def went(self, step):
        if step and len(self.steps) < STEPS_MAX:
            self.steps[step] = None

    def inside(self, frame, event, argument):
        if event == "line":
            self.went(f"{self.own(frame)[0]}:{frame.f_lineno}")
        elif event == "exception":
            self.note(frame, argument[1], argument[0].__name__)
        elif event == "return":
            self.asked.pop(id(frame), None)
            noted = self.open.pop(id(frame), None)
            if noted and returns(frame):
                self.caught(noted[1], frame)
        return self.inside

    def note(self, frame, error, kind):
        before = self.open.get(id(frame))
        if before and before[0] is not error:
            self.caught(before[1], frame)
        if kind not in self.kinds or len(self.seen) >= SEEN_MAX:
            return
        if before and before[0] is error:
            return
        try:
            message = cut(repr(error), 300)
        except Exception:
            message = ""
        link = {"kind": kind, "message": message, "is_check": False, "step": self.step(frame)}
        link["frames"] = [spot(self.root, frame, frame.f_lineno)]
        self.open[id(frame)] = (error, link)
        if link not in self.seen:
            self.seen.append(link)

    def caught(self, link, frame):
        """Inside the project only: a test that catches something has not handled it."""
        if not self.own(frame)[1]:
            link["caught_in"] = spot(self.root, frame, frame.f_lineno)


def logged(watcher):
    class Handler(logging.Handler):
        def emit(self, record):
            try:
                if record.exc_info and record.exc_info[1] is not None and len(watcher.seen) < SEEN_MAX:
                    watcher.seen.extend(chain_of(watcher.root, record.exc_info[1]))
            except Exception:
                pass

    return Handler(0)
