"""Context managers that behave like those of `contextlib`."""

from __future__ import annotations

import contextlib
import traceback
from typing import Any, Iterator

import pytest

from bandsaw.runtime import contexts

both = pytest.mark.parametrize("module", [contextlib, contexts])


def outcome(manager: Any, error: BaseException | None) -> Any:
    """Return what becomes of an error that is raised in a block."""
    values = []
    try:
        with manager as value:
            values.append(value)
            if error is not None:
                raise error
    except BaseException as raised:
        frames = [frame.name for frame in traceback.extract_tb(raised.__traceback__)]
        return raised is error, type(raised), frames
    return values[0] if error is None else "suppressed"


@both
@pytest.mark.parametrize(
    "kind", [None, ValueError, KeyError, StopIteration, RuntimeError]
)
def test_a_generator_sees_the_error_of_its_block(
    module: Any, kind: type[BaseException] | None
) -> None:
    seen: list[object] = []
    error = None if kind is None else kind()

    def generate(value: int) -> Iterator[int]:
        """Give a value."""
        try:
            yield value
        except KeyError:
            seen.append("suppressed")
        except BaseException as raised:
            seen.append(raised)
            raise
        finally:
            seen.append("end")

    manager = module.contextmanager(generate)
    found = outcome(manager(3), error)

    assert (manager.__name__, manager.__doc__) == ("generate", "Give a value.")
    if error is None:
        assert (found, seen) == (3, ["end"])
    elif isinstance(error, KeyError):
        assert (found, seen) == ("suppressed", ["suppressed", "end"])
    else:
        assert found == (True, type(error), ["outcome"])
        assert seen == [error, "end"]


@both
def test_a_generator_may_raise_another_error(module: Any) -> None:
    def generate() -> Iterator[None]:
        try:
            yield
        except ValueError:
            raise LookupError from None

    manager = module.contextmanager(generate)
    assert outcome(manager(), ValueError())[:2] == (False, LookupError)


@both
@pytest.mark.parametrize("yields", [0, 2])
def test_a_generator_has_to_yield_once(module: Any, yields: int) -> None:
    @module.contextmanager
    def manager() -> Iterator[None]:
        for _ in range(yields):
            yield

    with pytest.raises(RuntimeError), manager():
        pass


@both
def test_the_others_do_what_their_names_say(module: Any) -> None:
    calls: list[object] = []

    class Closed:
        def close(self) -> None:
            calls.append("closed")

    def fail() -> None:
        raise LookupError

    assert outcome(module.suppress(OSError, KeyError), KeyError()) == "suppressed"
    assert outcome(module.suppress(KeyError), OSError())[0] is True
    assert outcome(module.nullcontext(1), None) == 1
    outcome(module.closing(Closed()), ValueError())
    with pytest.raises(LookupError), module.ExitStack() as stack:
        stack.callback(calls.append, "last")
        stack.callback(fail)
        stack.callback(calls.append, "first")
    with module.ExitStack() as stack:
        stack.callback(fail)
        stack.pop_all()

    assert calls == ["closed", "first", "last"]
