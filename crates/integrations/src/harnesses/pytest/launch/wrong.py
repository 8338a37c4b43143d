"""Functions made wrong on purpose: decorators that swallow exceptions, that don't call the function at all, or that
leave what it works on in disorder."""

import sys


def shake(values):
    for value in values:
        stir(value)
        for name, part in list(getattr(value, "__dict__", {}).items()) if not isinstance(value, type) else []:
            other = different(part)
            if other is not part:
                try:
                    object.__setattr__(value, name, other)
                except Exception:
                    pass


def different(value):
    kind = type(value)
    if kind is bool:
        return not value
    if kind in (int, float):
        return value + 1
    if kind is str:
        return value + "~"
    if value is None:
        return 0
    stir(value)
    return value


def stir(value):
    """Puts one more thing into a container."""
    kind = type(value)
    if kind is list or hasattr(value, "appendleft"):
        value.append(value[-1] if value else 0)
    elif kind is set:
        value.add("~")
    elif isinstance(value, dict):
        value["~"] = 0


def provide():
    """The module that changed trees import."""
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

    def caught(instead, generate):
        def decorate(function):
            def plain(f, a, k, waits):
                if waits:

                    async def wait():
                        try:
                            return await f(*a, **k)
                        except Exception:
                            return instead(a, k)

                    return wait()
                try:
                    return f(*a, **k)
                except Exception:
                    return instead(a, k)

            return shape(function, plain, generate)

        return decorate

    def swallow(value):
        def generate(f, a, k):
            try:
                yield from f(*a, **k)
            except Exception:
                if value is not None:
                    yield value

        return caught(lambda a, k: value, generate)

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

    def disturb():
        return caught(lambda a, k: shake([*a, *k.values()]), None)

    def fail():
        if module.tests_run:
            raise RuntimeError("every function of the product fails")

    module = types.ModuleType("_wrong")
    module.tests_run, module.fail = False, fail
    module.swallow, module.give, module.disturb = swallow, give, disturb
    sys.modules["_wrong"] = module
