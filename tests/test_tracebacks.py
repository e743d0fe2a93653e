"""Exceptions of failed calls: few frames, and which call it was."""

from __future__ import annotations

import pickle
import sys
import traceback
from typing import Any, Iterator

import pytest

import bandsaw
from bandsaw.advices.log import LoggingAdvice
from bandsaw.result import Result
from tests.configurations import loadable_configuration
from tests.workflows import FAR, MOVING, Workflow

# Older Pythons have no notes.
HAS_NOTES = sys.version_info >= (3, 11)


class Proceeding(bandsaw.Advice):
    """An advice of a user's, which may fail."""

    fails = False

    def before(self, session: Any) -> None:
        if self.fails:
            raise LookupError("advice")
        session.proceed()


class Failing(Proceeding):
    fails = True


def fail(x: Any, *, password: str = "") -> Any:
    raise ValueError(x)


def interrupt() -> Any:
    raise KeyboardInterrupt


@pytest.fixture(name="config")
def _config() -> Iterator[str]:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(Proceeding(), LoggingAdvice(), Proceeding())
        configuration.add_advice_chain(Proceeding(), Failing(), name="failing")
        configuration.add_advice_chain(name="idle")
        yield configuration.module_name


def failure_of(task: Any, *args: Any, **kwargs: Any) -> BaseException:
    with pytest.raises(BaseException) as raised:
        task(*args, **kwargs)
    return raised.value


def functions_of(error: BaseException) -> list[str]:
    # Without the helper of this module, and where it calls the task.
    frames = traceback.extract_tb(error.__traceback__)
    names = [frame.name for frame in frames]
    return names[names.index("failure_of") + 1 :]


def notes_of(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def test_between_the_caller_and_its_task_is_the_decorated_function_only(
    config: str,
) -> None:
    inner = bandsaw.task(fail, config=config)

    def outer(x: int) -> Any:
        return inner(x)

    error = failure_of(bandsaw.task(outer, config=config), 3)

    assert functions_of(error) == ["call", "outer", "call", "fail"]


def test_between_advices_of_users_is_no_frame_of_the_library(config: str) -> None:
    error = failure_of(bandsaw.task(fail, config=config, chain="failing"), 3)

    assert functions_of(error) == ["call", "before", "before"]


def test_the_frames_of_the_library_are_kept_on_request(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_TRACEBACK", "full")

    error = failure_of(bandsaw.task(fail, config=config, chain="failing"), 3)

    assert functions_of(error).count("proceed") == 2


def test_what_has_led_to_an_exception_is_short_too(config: str) -> None:
    inner = bandsaw.task(fail, config=config, chain="failing")

    def outer() -> Any:
        try:
            inner(3)
        except LookupError as error:
            raise RuntimeError from error

    cause = failure_of(bandsaw.task(outer, config=config)).__cause__

    assert cause is not None
    names = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert names == ["outer", "call", "before", "before"]


@pytest.mark.skipif(not HAS_NOTES, reason="Python has notes from 3.11 on")
def test_an_exception_names_each_call_that_it_has_gone_through_once(
    config: str,
) -> None:
    inner = bandsaw.task(fail, config=config, tracking={"hide": "password"})

    def outer(x: int) -> Any:
        return inner(x, password="secret")

    error = failure_of(bandsaw.task(outer, config=config), list(range(10_000)))

    first, second = notes_of(error)
    assert first.startswith(f"Failed call: {__name__}.fail(x=[0, 1, 2")
    assert "9999], password=(hidden))" in first
    assert "outer(x=[0, 1, 2" in second
    assert "secret" not in first + second
    assert "\n  session " in first
    assert len(first) < 300


@pytest.mark.skipif(not HAS_NOTES, reason="Python has notes from 3.11 on")
def test_ctrl_c_names_the_call_that_it_has_ended(config: str) -> None:
    error = failure_of(bandsaw.task(interrupt, config=config))

    assert isinstance(error, KeyboardInterrupt)
    assert notes_of(error)[0].startswith(f"Failed call: {__name__}.interrupt()")
    assert functions_of(error) == ["call", "before", "before", "interrupt"]


@pytest.mark.skipif(not HAS_NOTES, reason="Python has notes from 3.11 on")
@pytest.mark.parametrize("submit", ["submit", "map"])
def test_a_submitted_call_is_named_once_however_often_it_is_asked_for(
    config: str, submit: str
) -> None:
    task = bandsaw.task(fail, config=config)
    if submit == "submit":
        future = task.submit(3)
        errors = [failure_of(future.result), failure_of(future.result)]
    else:
        errors = [failure_of(list, task.map([3]))]

    (note,) = notes_of(errors[-1])
    assert note.startswith(f"Failed call: {__name__}.fail(x=3, password='')")


def test_a_call_without_advices_tells_nothing_more(config: str) -> None:
    task = bandsaw.task(fail, config=config, chain="idle")

    assert notes_of(failure_of(task, 3)) == []
    assert notes_of(failure_of(task.submit(3).result)) == []


def test_an_argument_without_a_text_does_not_hide_the_error(config: str) -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

        def __fingerprint__(self) -> str:
            return "silent"

    assert isinstance(
        failure_of(bandsaw.task(fail, config=config), Silent()), ValueError
    )


class Unchangeable(Exception):
    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("unchangeable")


def raise_unchangeable() -> Any:
    raise Unchangeable


def test_an_exception_that_cannot_be_changed_arrives(config: str) -> None:
    task = bandsaw.task(raise_unchangeable, config=config)

    assert isinstance(failure_of(task), Unchangeable)


def test_many_calls_with_one_exception_leave_few_notes(config: str) -> None:
    kept = ValueError()

    def raise_kept(x: int) -> Any:
        raise kept

    task = bandsaw.task(raise_kept, config=config)

    errors = {failure_of(task, number) for number in range(20)}

    assert errors == {kept}
    assert len(notes_of(kept)) == (8 if HAS_NOTES else 0)


def test_notes_are_no_part_of_the_equality_of_results(config: str) -> None:
    noted = Result(exception=failure_of(bandsaw.task(fail, config=config), 3))

    assert noted == Result(exception=ValueError(3))
    assert pickle.loads(pickle.dumps(noted)) == noted


FAILING = """
import bandsaw
import faulthandler
import sys
import traceback

@bandsaw.task
def fail(x):
    raise ValueError(x)

@bandsaw.task
def crash():
    faulthandler._sigsegv()

if __name__ == "__main__":
    for call in (lambda: fail(3)), crash:
        try:
            call()
        except Exception:
            traceback.print_exc()
"""


def test_a_call_in_a_child_tells_where_it_was_and_a_crashed_one_its_stack(
    workflow: Workflow,
) -> None:
    config = f"""
import bandsaw
{FAR}
configuration = bandsaw.Configuration().add_advice_chain(far())
"""
    for text in MOVING, config:
        told = workflow.run(FAILING, config=text).stderr

        assert "Failed call: workflow.fail(x=3)" in told
        assert f"  in {sys.executable}" in told
        head, _, crashed = told.partition("Fatal Python error: Segmentation fault")
        assert "archives" not in head
        script = workflow.directory / "workflow.py"
        assert f'File "{script}", line 13 in crash' in crashed
