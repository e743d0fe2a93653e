"""The process of the next call, which is started while one runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflows import HEAD, MOVING, MOVING_WITHOUT_SPARE, Workflow

# Waits until the process that was started ahead has imported the script.
AHEAD = (
    HEAD
    + """
import time
from bandsaw.transports import worker

with open("imports.txt", "a") as file:
    file.write(f"{os.getpid()}\\n")

@bandsaw.task
def pid():
    return os.getpid()

def pids_that_import():
    with open("imports.txt") as file:
        return [int(line) for line in file]

def wait_for_imports(count):
    deadline = time.monotonic() + 60
    while len(pids_that_import()) < count and time.monotonic() < deadline:
        time.sleep(0.01)
"""
)


def test_the_next_call_has_the_process_that_was_started_ahead(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        AHEAD
        + """
if __name__ == "__main__":
    first = pid()
    wait_for_imports(3)
    second = pid()
    print(pids_that_import()[:3] == [os.getpid(), first, second])
"""
    )
    assert output == "True\n"


def test_the_process_of_a_first_call_has_what_a_thread_imports_as_it_begins(
    workflow: Workflow,
) -> None:
    workflow.write({"late.py": "VALUE = 1"})
    output = workflow.output(
        """
import bandsaw
from bandsaw.advices import _moving

@bandsaw.task
def value():
    import late

    return late.VALUE

job_for = _moving.job_for

def import_and_return_job(*arguments):
    import late  # As another thread may at any time

    return job_for(*arguments)

if __name__ == "__main__":
    _moving.job_for = import_and_return_job
    print(value())
""",
        # It finds there what has travelled, and nothing else.
        config=MOVING.replace(
            "SubprocessAdvice()",
            "SubprocessAdvice(interpreter=bandsaw.Interpreter(path=()))",
        ),
    )
    assert output == "1\n"


FIRST = """
import os
import time
import bandsaw
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

class Waiting(bandsaw.Extension):
    def on_session_created(self, session):
        deadline = time.monotonic() + 20
        while self.pid_of_process() is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def pid_of_process(self):
        with open("imports.txt") as file:
            return next((int(line) for line in file if int(line) != os.getpid()), None)

waiting = Waiting()
configuration = bandsaw.Configuration().add_extension(waiting)
configuration.add_advice_chain(bandsaw.Advice(), LoggingAdvice(), SubprocessAdvice())
"""


def test_the_process_of_the_first_call_starts_before_extensions_are_told(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        AHEAD
        + """
if __name__ == "__main__":
    import bandsaw_config
    start = time.monotonic()
    first = pid()
    print(first == bandsaw_config.waiting.pid_of_process())
    print(time.monotonic() - start < 20)
""",
        config=FIRST,
    )
    assert output == "True\nTrue\n"


def test_a_forked_process_leaves_it_to_its_parent(workflow: Workflow) -> None:
    output = workflow.output(
        AHEAD
        + """
if __name__ == "__main__":
    first = pid()
    wait_for_imports(3)
    ahead = pids_that_import()[2]
    child = os.fork()
    if not child:
        print(pid() not in (first, ahead))
        sys.exit()
    print(os.waitpid(child, 0)[1], pid() == ahead)
"""
    )
    assert output == "True\n0 True\n"


@pytest.mark.parametrize(
    "change",
    ['os.environ["NEW"] = "value"', 'os.chdir("/tmp")', "sys.path.append('/nothing')"],
)
def test_it_is_thrown_away_when_something_has_changed(
    workflow: Workflow, tmp_path: Path, change: str
) -> None:
    output = workflow.output(
        AHEAD.replace('"imports.txt"', repr(str(tmp_path / "imports.txt")))
        + f"""
@bandsaw.task
def state():
    return os.getpid(), os.environ.get("NEW"), os.getcwd(), "/nothing" in sys.path

if __name__ == "__main__":
    first = state()
    wait_for_imports(3)
    {change}
    second = state()
    print(second[0] != pids_that_import()[2], first[1:] != second[1:])
"""
    )
    assert output == "True True\n"


def test_it_is_thrown_away_when_another_module_was_imported(workflow: Workflow) -> None:
    workflow.write({"other.py": "VALUE = 42"})
    output = workflow.output(
        AHEAD
        + """
@bandsaw.task
def value():
    import other
    return other.VALUE, os.getpid()

if __name__ == "__main__":
    pid()
    wait_for_imports(3)
    import other
    print(value()[0], value()[1] != pids_that_import()[2])
"""
    )
    assert output == "42 True\n"


def test_it_is_thrown_away_when_a_module_was_reloaded(workflow: Workflow) -> None:
    workflow.write({"other.py": "VALUE = 42"})
    output = workflow.output(
        AHEAD
        + """
import importlib
import other

@bandsaw.task
def value():
    return other.VALUE

if __name__ == "__main__":
    print(value())
    wait_for_imports(3)
    with open("other.py", "w") as file:
        file.write("VALUE = 'another one'")
    importlib.reload(other)
    print(value())
"""
    )
    assert output == "42\nanother one\n"


VALUES = """
class Value:
    def __init__(self, is_movable):
        self.is_movable = is_movable

    def __reduce__(self):
        if not self.is_movable:
            raise TypeError("not movable")
        # What runs here is the saving of the session.
        print(len(worker._workers))
        return int, ()

@bandsaw.task
def pid_with(value):
    return os.getpid()
"""


def test_a_process_starts_while_the_session_is_saved(workflow: Workflow) -> None:
    output = workflow.output(
        AHEAD
        + VALUES
        + """
if __name__ == "__main__":
    print(pid_with(Value(True)) in pids_that_import())
""",
        config=MOVING_WITHOUT_SPARE,
    )
    assert output == "1\nTrue\n"


@pytest.mark.parametrize(
    ("config", "left"), [(MOVING, 1), (MOVING_WITHOUT_SPARE, 0)], ids=["kept", "ended"]
)
def test_the_process_of_a_session_that_cannot_be_saved_is_for_the_next(
    workflow: Workflow, config: str, left: int
) -> None:
    output = workflow.output(
        AHEAD
        + VALUES
        + """
if __name__ == "__main__":
    try:
        pid_with(Value(False))
    except bandsaw.exceptions.SerializationError:
        print("not saved")
    waiting = [one.process.pid for one in worker._workers]
    print(len(waiting))
    print([pid()] == waiting)
""",
        config=config,
    )
    assert output == f"not saved\n{left}\n{bool(left)}\n"


def test_it_can_be_switched_off(workflow: Workflow) -> None:
    output = workflow.output(
        AHEAD
        + """
if __name__ == "__main__":
    pid()
    print(len(worker._workers) <= 1)
    worker.end_all()
    print(len(pids_that_import()))
""",
        config=MOVING_WITHOUT_SPARE,
    )
    assert output == "True\n2\n"


def test_one_that_was_killed_is_not_missed(workflow: Workflow) -> None:
    output = workflow.output(
        AHEAD
        + """
if __name__ == "__main__":
    pid()
    wait_for_imports(3)
    spare = pids_that_import()[2]
    os.kill(spare, 9)
    print(pid() != spare)
"""
    )
    assert output == "True\n"


def test_one_that_has_closed_its_channel_is_not_missed(workflow: Workflow) -> None:
    output = workflow.output(
        AHEAD
        + """
import stat

# The process that is started ahead imports the script as the third one.
if len(pids_that_import()) == 3:
    for descriptor in range(3, 50):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.close(descriptor)
        except OSError:
            pass
    open("closed", "w").close()
    time.sleep(600)

if __name__ == "__main__":
    pid()
    deadline = time.monotonic() + 60
    while not os.path.exists("closed") and time.monotonic() < deadline:
        time.sleep(0.01)
    spare = pids_that_import()[2]
    print(pid() not in (spare, os.getpid()))
"""
    )
    assert output == "True\n"
