"""Small versions of the functions and classes of the same names in `functools`.

To import that takes 2 ms, before the call of a child and in the child.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import (
        lru_cache as lru_cache,
        partial as partial,
        update_wrapper as update_wrapper,
        wraps as wraps,
    )
else:
    from _functools import partial as partial

    _COPIED = (
        "__module__",
        "__name__",
        "__qualname__",
        "__doc__",
        "__annotations__",
        "__type_params__",
    )

    def lru_cache(maxsize):
        """Remember what a function returns, of about so many calls."""

        def decorate(function):
            known = {}

            def call(*args):
                value = known.get(args, known)
                if value is known:
                    value = function(*args)
                    if len(known) == maxsize:
                        known.clear()
                    known[args] = value
                return value

            return update_wrapper(call, function)

        return decorate

    def update_wrapper(wrapper, wrapped):
        """Let a function look like the one that it calls."""
        for name in _COPIED:
            try:
                setattr(wrapper, name, getattr(wrapped, name))
            except AttributeError:
                pass  # It is none of Python's own functions, or Python is older.
        vars(wrapper).update(getattr(wrapped, "__dict__", ()))
        wrapper.__wrapped__ = wrapped
        return wrapper

    def wraps(wrapped):
        """Let the decorated function look like the one that it calls."""
        return lambda wrapper: update_wrapper(wrapper, wrapped)
