"""Small versions of the functions and classes of the same names in `contextlib`.

To import that takes 1 ms, before the call of a child and in the child.
"""

from __future__ import annotations

from .functions import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import (
        ExitStack as ExitStack,
        closing as closing,
        contextmanager as contextmanager,
        nullcontext as nullcontext,
        suppress as suppress,
    )
else:

    def contextmanager(function):
        """Make a function that returns context managers of one that yields once."""

        @wraps(function)
        def make(*args, **kwargs):
            return _Generated(function(*args, **kwargs))

        return make

    class _Generated:
        """A context manager around what a generator yields."""

        __slots__ = ("_generator",)

        def __init__(self, generator):
            self._generator = generator

        def __enter__(self):
            for value in self._generator:
                return value
            raise RuntimeError("The generator has not yielded.")

        def __exit__(self, kind, error, traceback):
            if kind is None:
                for _ in self._generator:
                    raise RuntimeError("The generator has yielded twice.")
                return False
            try:
                self._generator.throw(error)
            except StopIteration as stop:
                return stop is not error
            except BaseException as raised:
                # Python raises another error for a `StopIteration` in a generator.
                is_same = raised is error or (
                    isinstance(error, StopIteration) and raised.__cause__ is error
                )
                if not is_same:
                    raise
                error.__traceback__ = traceback
                return False
            raise RuntimeError("The generator has yielded twice.")

    class suppress:
        """End the block at exceptions of some classes, which are not raised."""

        __slots__ = ("_classes",)

        def __init__(self, *classes):
            self._classes = classes

        def __enter__(self):
            return None

        def __exit__(self, kind, error, traceback):
            return kind is not None and issubclass(kind, self._classes)

    class nullcontext:
        """Return a value from `__enter__`, and do nothing else."""

        __slots__ = ("_value",)

        def __init__(self, value=None):
            self._value = value

        def __enter__(self):
            return self._value

        def __exit__(self, kind, error, traceback):
            return None

    class closing:
        """Close something at the end of the block."""

        __slots__ = ("_thing",)

        def __init__(self, thing):
            self._thing = thing

        def __enter__(self):
            return self._thing

        def __exit__(self, kind, error, traceback):
            self._thing.close()

    class ExitStack:
        """Call functions at the end of the block, the last one first."""

        __slots__ = ("_calls",)

        def __init__(self):
            self._calls = []

        def callback(self, function, *args):
            """Have a function called at the end."""
            self._calls.append((function, args))

        def pop_all(self):
            """Have nothing called at the end."""
            self._calls = []

        def __enter__(self):
            return self

        def __exit__(self, kind, error, traceback):
            if self._calls:
                function, args = self._calls.pop()
                try:
                    function(*args)
                finally:
                    self.__exit__(kind, error, traceback)
