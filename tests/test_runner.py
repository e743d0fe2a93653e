"""The far end, and the answers it gives."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from bandsaw import Advice, Configuration
from bandsaw.exceptions import (
    AdviceError,
    InterpreterError,
    InvalidSessionError,
    RemoteTraceback,
    SerializationError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.runner import main
from bandsaw.session import Session
from bandsaw.session.exchange import continue_session, receive_answer
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration
from tests.workflows import Workflow


def add(a: Any, b: Any) -> Any:
    return a + b


class Undescribable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it cannot be described")


def raise_undescribable() -> None:
    raise Undescribable


class Moves(Advice):
    """Continues sessions in this very process, with a session object of its own."""

    answer = b""
    failure: Exception | None = None

    def __init__(self, change: Callable[[bytes], bytes] | None = None) -> None:
        self.change = change

    def before(self, session: Session) -> None:
        sent, received = io.BytesIO(), io.BytesIO()
        session.save(sent)
        sent.seek(0)
        continue_session(SessionFile(sent), SessionFile(received))
        self.answer = received.getvalue()
        if self.change is not None:
            self.answer = self.change(self.answer)
        self.failure = receive_answer(session, SessionFile(io.BytesIO(self.answer)))
        if self.failure is None:
            session.proceed()
        else:
            session.conclude(Result(exception=self.failure))

    def after(self, session: Session) -> None:
        """End the walk there."""


@pytest.fixture
def configuration() -> Iterator[Configuration]:
    with loadable_configuration() as made:
        yield made


def walk(
    configuration: Configuration, function: Callable[..., Any], *args: Any
) -> Session:
    session = Session(Task.create_task(function), Execution("e", args), configuration)
    session.initiate()
    return session


def test_an_answer_holds_what_has_changed_only(configuration: Configuration) -> None:
    mover = Moves()
    configuration.add_advice_chain(mover)
    session = walk(configuration, add, 1, 2)

    assert session.result == Result(3)
    assert session.is_finished
    with zipfile.ZipFile(io.BytesIO(mover.answer)) as answer:
        members = set(answer.namelist())
    assert members == {"session.json", "context.dat", "result.dat", "moderator.dat"}


def test_an_exception_comes_back_with_the_far_traceback_as_its_cause(
    configuration: Configuration,
) -> None:
    configuration.add_advice_chain(Moves())
    error = walk(configuration, add, 1, "a").result.exception

    assert isinstance(error, TypeError)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "return a + b" in str(error.__cause__)


class Forgets(Advice):
    def before(self, session: Session) -> None:
        """Neither proceed nor conclude."""


def test_an_advice_that_forgets_its_step_is_named(configuration: Configuration) -> None:
    configuration.add_advice_chain(Advice(), Moves(), Advice(), Forgets())
    with pytest.raises(AdviceError) as caught:
        walk(configuration, add, 1, 2)
    message = str(caught.value)
    assert f"{__name__}.Forgets.before() (4 of 4) of chain 'default'" in message
    assert f"{__name__}.Moves.before() (2 of 4)" in message


class Raises(Advice):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def after(self, session: Session) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error", [LookupError("a", 1), KeyboardInterrupt(), SystemExit(3)]
)
def test_what_an_advice_raises_there_is_raised_here(
    configuration: Configuration, error: BaseException
) -> None:
    configuration.add_advice_chain(Moves(), Raises(error))
    with pytest.raises(type(error)) as caught:
        walk(configuration, add, 1, 2)
    assert caught.value.args == error.args
    assert "raise self.error" in str(caught.value.__cause__)


def test_what_an_advice_raises_and_nothing_can_write_arrives_as_text(
    configuration: Configuration,
) -> None:
    error = LookupError("unwritable")
    error.lock = open  # type: ignore[attr-defined]
    error.generator = (i for i in ())  # type: ignore[attr-defined]
    configuration.add_advice_chain(Moves(), Raises(error))
    with pytest.raises(InterpreterError, match="walking the session: LookupError: unw"):
        walk(configuration, add, 1, 2)


def test_an_exception_that_can_not_be_described_comes_back_all_the_same(
    configuration: Configuration,
) -> None:
    configuration.add_advice_chain(Moves())
    error = walk(configuration, raise_undescribable).result.exception
    assert isinstance(error, Undescribable)


class Attaches(Advice):
    def __init__(self, path: Path) -> None:
        self.path = path

    def before(self, session: Session) -> None:
        self.path.write_text("soon gone")
        session.attachments["gone"] = self.path
        self.path.unlink()
        session.proceed()


def test_a_session_that_can_not_be_saved_there_fails_the_call(
    configuration: Configuration, tmp_path: Path
) -> None:
    mover = Moves()
    configuration.add_advice_chain(mover, Attaches(tmp_path / "file"))
    session = walk(configuration, add, 1, 2)
    error = session.result.exception
    assert type(error) is InterpreterError
    assert "while saving the session: FileNotFoundError" in str(error)
    assert isinstance(error.__cause__, RemoteTraceback)


def test_a_result_that_can_not_be_written_fails_the_call(
    configuration: Configuration,
) -> None:
    configuration.add_advice_chain(Moves())
    result = walk(configuration, make_generator).result
    assert isinstance(result.exception, SerializationError)


def make_generator() -> Any:
    return (i for i in ())


@pytest.mark.parametrize(
    "change",
    [lambda answer: b"", lambda answer: answer[:-30]],
    ids=["empty", "truncated"],
)
def test_an_answer_that_is_no_session_fails_the_call(
    configuration: Configuration, change: Callable[[bytes], bytes]
) -> None:
    configuration.add_advice_chain(Moves(change))
    result = walk(configuration, add, 1, 2).result
    assert isinstance(result.exception, InvalidSessionError)


def test_a_session_that_can_not_be_restored_there_says_why(
    configuration: Configuration,
) -> None:
    source, target = io.BytesIO(b"no session"), io.BytesIO()
    continue_session(SessionFile(source), SessionFile(target))

    session = Session(Task.create_task(add), Execution("e", (1, 2)), configuration)
    failure = receive_answer(session, SessionFile(target))

    assert type(failure) is InvalidSessionError
    assert isinstance(failure.__cause__, RemoteTraceback)


def test_a_task_whose_module_is_missing_there_says_so(workflow: Workflow) -> None:
    completed = workflow.run(
        """
        import sys
        import types
        import bandsaw

        missing = types.ModuleType("missing")
        sys.modules["missing"] = missing
        exec("def f(): pass", missing.__dict__)
        missing.f = bandsaw.task(missing.f)

        if __name__ == "__main__":
            try:
                missing.f()
            except TypeError as error:
                print(type(error).__name__, error)
        """,
    )
    assert completed.stdout.startswith("SerializationError The task of the session")
    assert "No module named 'missing'" in completed.stdout


def test_the_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["-h"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("--input", "--output", "--run-id"))


# The modules that a child may have when it runs a task; what they import by themselves
# depends on the Python.
ALLOWED = {
    "__main__",
    "__mp_main__",
    "_bandsaw_bytecode",
    "_bandsaw_startup",
    "bandsaw",
    "bandsaw_config",
    "workflow",
}


def test_a_child_imports_the_standard_library_and_bandsaw_only(
    workflow: Workflow,
) -> None:
    completed = workflow.run(
        """
        import json
        import os
        import sys
        import sysconfig
        import bandsaw

        @bandsaw.task
        def foreign():
            library = os.path.realpath(sysconfig.get_paths()["stdlib"])
            found = []
            for name, module in sorted(sys.modules.items()):
                path = getattr(module, "__file__", None)
                if path is None or "site-packages" in path:
                    continue  # Built in, or imported by a .pth file when Python starts
                if not os.path.realpath(path).startswith(library):
                    found.append(name.partition(".")[0])
            return sorted(set(found))

        if __name__ == "__main__":
            print(json.dumps(foreign()))
        """,
    )
    assert set(json.loads(completed.stdout)) <= ALLOWED


def test_a_child_needs_nothing_that_is_installed(
    workflow: Workflow, tmp_path: Path
) -> None:
    # `-S` does not even look at what is installed.
    wrapper = tmp_path / "bare"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    wrapper.chmod(0o700)
    completed = workflow.run(
        """
        import sys
        import bandsaw

        @bandsaw.task
        def flags():
            return sys.flags.isolated, sys.flags.no_site

        if __name__ == "__main__":
            print(flags())
        """,
        config=f"""
        import bandsaw
        from bandsaw.advices.subprocess import SubprocessAdvice

        interpreter = bandsaw.Interpreter(executable={str(wrapper)!r})
        configuration = bandsaw.Configuration().add_advice_chain(
            SubprocessAdvice(interpreter=interpreter)
        )
        """,
    )
    assert completed.stdout == "(1, 1)\n"


def test_a_process_of_an_engine_has_the_code_of_callers_that_import_more(
    workflow: Workflow,
) -> None:
    script = """
import bandsaw
from bandsaw.advices._engine_calls import Code
from bandsaw.distribution import get_distribution_archive
from bandsaw.runner import host

archive = get_distribution_archive(bandsaw.get_configuration("bandsaw_config"))
codes = [
    Code(archive, {"arguments": [name], "modules": modules})
    for name, modules in (("one", ["os"]), ("one", ["os", "re"]), ("two", ["os"]))
]
print(len({code.key for code in codes}))
print([host.Code(c.key, c.directory, {}).is_imported_here() for c in codes])
"""
    config = "import bandsaw\nconfiguration = bandsaw.Configuration()\n"
    output = workflow.run(script, config=config).stdout
    assert output == "3\n[True, True, False]\n"


def test_a_process_of_an_engine_that_is_interrupted_at_its_start_begins_anew(
    workflow: Workflow,
) -> None:
    script = """
import sys
from bandsaw.runner import host

class Interrupted(list):
    def __iter__(self):
        raise KeyboardInterrupt

directory, key = sys.argv[1], "key"
try:
    host.bring(key, {"arguments": Interrupted(["train.py"])}, directory)
except KeyboardInterrupt:
    print(host.knows(key), directory in sys.path)
host.bring(key, {"arguments": ["train.py", "--fast"]}, directory)
print(host.knows(key), sys.path[0] == directory, sys.argv)
"""
    directory = workflow.directory / "unpacked"
    directory.mkdir()

    output = workflow.python("-c", script, directory).stdout

    assert output == "False False\nTrue True ['train.py', '--fast']\n"
