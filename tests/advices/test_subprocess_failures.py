"""Failures in a child, and what its caller sees of them."""

from __future__ import annotations

import json

import pytest

from tests.workflows import HEAD, Workflow, read_script


def test_an_exception_says_where_in_the_child_it_was_raised(workflow: Workflow) -> None:
    output = workflow.output(read_script("failing_deep_inside.py"))
    assert output == 2 * "('missing',) True True\nRemoteTraceback\n"


def test_an_exception_keeps_its_notes_and_attributes(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def fail():
    error = OSError(2, "not there", "a file")
    error.hint = "look elsewhere"
    raise error

if __name__ == "__main__":
    try:
        fail()
    except FileNotFoundError as error:
        print(error.errno, error.strerror, error.filename, error.hint)
"""
    )
    assert output == "2 not there a file look elsewhere\n"


def test_a_falsy_exception_is_raised_all_the_same(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
class Empty(Exception):
    def __len__(self):
        return 0

@bandsaw.task
def fail():
    raise Empty("nothing")

if __name__ == "__main__":
    print(text_of(fail))
"""
    )
    assert output == "Empty: nothing\n"


FAILURES = {
    "a result that cannot be pickled": (
        "return (i for i in [])",
        "SerializationError",
        "generator",
    ),
    "a result that cannot be unpickled": (
        "return Stubborn()",
        "SerializationError",
        "only where it was made",
    ),
    "an exception that cannot be pickled": (
        "raise Locked()",
        "SerializationError",
        "Locked: it holds a lock",
    ),
    "an exception that cannot be unpickled": (
        "raise StubbornError('stubborn message')",
        "SerializationError",
        "stubborn message",
    ),
    "an exception of a local class": (
        """
        class Local(LookupError):
            pass
        raise Local("from inside")""",
        "Local",
        "from inside",
    ),
    "an end without an answer": ("os._exit(7)", "InterpreterDiedError", "status 7"),
    "a signal": (
        "os.kill(os.getpid(), 9)",
        "InterpreterDiedError",
        "SIGKILL",
    ),
    "an exit": ("sys.exit(3)", "SystemExit", "3"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    "a generator that is exited": ("raise GeneratorExit", "GeneratorExit", ""),
    "too deep a recursion": (
        "return recurse()",
        "RecursionError",
        "maximum recursion",
    ),
}

FAILING = """
import json
import threading

class Stubborn:
    def __reduce__(self):
        return rebuild, (os.getpid(),)

def rebuild(pid):
    if os.environ.get("MAIN_PROCESS") == str(os.getpid()):
        raise LookupError("only where it was made")
    return Stubborn()

class Locked(Exception):
    def __init__(self):
        super().__init__("it holds a lock")
        self.lock = threading.Lock()

class StubbornError(Exception):
    def __reduce__(self):
        return rebuild_error, ()

def rebuild_error():
    raise LookupError("not again")

def recurse():
    return recurse()

@bandsaw.task
def fine(x):
    return x

TASKS
if __name__ == "__main__":
    os.environ["MAIN_PROCESS"] = str(os.getpid())
    for fail in FAILING:
        try:
            told = [fail()]
        except BaseException as error:
            told = [type(error).__name__, isinstance(error, LookupError), str(error)]
        print(json.dumps([*told, fine(1)]))
"""


def test_a_failure_reaches_the_caller_and_the_next_call_works(
    workflow: Workflow,
) -> None:
    bodies = [body for body, _, _ in FAILURES.values()]
    tasks = [
        f"@bandsaw.task\ndef fail_{number}():\n    {body}\n"
        for number, body in enumerate(bodies)
    ]
    names = ", ".join(f"fail_{number}" for number in range(len(tasks)))
    text = "\n".join([*tasks, f"FAILING = [{names}]\n"])

    output = workflow.output(HEAD + FAILING.replace("TASKS", text))

    lines = output.splitlines()
    assert len(lines) == len(FAILURES)
    for line, (failure, (_, name, message)) in zip(lines, FAILURES.items()):
        kind, is_lookup_error, said, following = json.loads(line)
        expected = name, name == "Local", 1
        assert (kind, is_lookup_error, following) == expected, failure
        assert message in said, failure


def test_a_status_that_is_unknown_is_not_made_up(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import signal

@bandsaw.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(text_of(die))
"""
    )
    assert output.endswith(
        "has ended without an answer. How is unknown, as this process ignores the "
        "signal SIGCHLD.\n"
    )


def test_an_argument_that_can_not_be_pickled_fails_the_call_and_starts_nothing(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
import threading

@bandsaw.task
def take(value):
    print("called")

if __name__ == "__main__":
    try:
        take(threading.Lock())
    except TypeError as error:
        print(type(error).__name__, "lock" in str(error))
    take(1)
"""
    )
    assert output == "SerializationError True\ncalled\n"


def test_what_can_not_be_moved_says_so_and_why(workflow: Workflow) -> None:
    output = workflow.output(read_script("not_movable.py"))
    lines = output.splitlines()
    for line, name, reason in zip(
        lines,
        ("generate", "replaced", "executed"),
        ("generator", "leads to something else", "leads to something else"),
    ):
        assert line.startswith(f"Task workflow.{name} cannot be moved")
        assert reason in line
    assert lines[3:] == ["2"]


def test_a_task_that_exists_behind_the_main_guard_only_says_so(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
if __name__ == "__main__":
    @bandsaw.task
    def guarded():
        return 1

    print(text_of(guarded))
"""
    )
    assert output.startswith("NotMovableError: Task workflow.guarded cannot be moved")
    assert "not behind \"if __name__ == '__main__':\"" in output


FORGETFUL = read_script("forgetful_config.py")

MISBEHAVING = """
@bandsaw.task(chain=CHAIN, step=STEP)
def call():
    print("task", flush=True)
    return "worked"

if __name__ == "__main__":
    print(text_of(call))
"""


@pytest.mark.parametrize(
    ("chain", "step", "lines"),
    [
        (
            "Forgets",
            "before",
            ["AdviceError: Not all advice has been applied. "],
        ),
        (
            "Forgets",
            "after",
            ["task", "AdviceError: Not all advice has been applied. "],
        ),
        ("Raises", "before", ["Broken: an advice"]),
        ("Raises", "after", ["task", "Broken: an advice"]),
        ("Concludes", "before", ["seen concluded", "'concluded'"]),
        ("Concludes", "after", ["task", "seen concluded", "'concluded'"]),
    ],
)
def test_what_an_advice_does_in_the_child_counts_here(
    workflow: Workflow, chain: str, step: str, lines: list[str]
) -> None:
    output = workflow.output(
        HEAD + f"CHAIN, STEP = {chain!r}, {step!r}\n" + MISBEHAVING, config=FORGETFUL
    )
    written = output.splitlines()
    assert len(written) == len(lines)
    for line, expected in zip(written, lines):
        assert line.startswith(expected)
    if chain == "Forgets":
        assert f"bandsaw_config.Forgets.{step}() (4 of 4)" in written[-1]
        assert "SubprocessAdvice.before() (2 of 4)" in written[-1]


def test_a_failing_child_concludes_the_session_so_that_earlier_advices_see_it(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def die():
    os._exit(1)

if __name__ == "__main__":
    print(die())
""",
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.exceptions import InterpreterError
from bandsaw.result import Result

class Replaces(bandsaw.Advice):
    def after(self, session):
        if isinstance(session.result.exception, InterpreterError):
            session.conclude(Result("instead"))
        else:
            session.proceed()

configuration = bandsaw.Configuration().add_advice_chain(Replaces(), SubprocessAdvice())
""",
    )
    assert output == "instead\n"


def test_a_full_disk_is_the_result_of_the_call_and_nothing_is_left(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        read_script("full_disk.py"),
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

class Tell(bandsaw.Advice):
    def after(self, session):
        print("after", type(session.result.exception).__name__)
        session.proceed()

configuration = bandsaw.Configuration().add_advice_chain(
    Tell(), SubprocessAdvice(directory="exchange")
)
""",
    )
    assert output.splitlines() == [
        "after NoneType",
        "4",
        "after OSError",
        "refused True",
        "after NoneType",
        "10000000",
    ]
