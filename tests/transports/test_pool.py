"""Resident processes: how many there are, how long they live, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.exceptions import ConfigurationError
from bandsaw.session import Session
from bandsaw.transports.pool import Turn
from tests.interpreters import with_the_newest_python_only
from tests.workflows import HEAD, Workflow, read_script

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

class Asked(SubprocessAdvice):
    # It is asked about each session, so each is moved as a whole.
    def timeout_for(self, session):
        return super().timeout_for(session)

configuration = bandsaw.Configuration()
configuration.add_advice_chain({advice}(workers={workers}{more}))
"""

# What test_routes.py asserts of them: of a task, only the first session is moved as a
# whole, or each is.
ADVICES = pytest.mark.parametrize(
    "advice",
    ["SubprocessAdvice", pytest.param("Asked", marks=with_the_newest_python_only)],
)


def config(
    workers: int = 1, more: str = "", *, advice: str = "SubprocessAdvice"
) -> str:
    return CONFIG.format(workers=workers, more=more, advice=advice)


PID = """
@bandsaw.task
def pid(*ignored):
    return os.getpid()
"""


@ADVICES
def test_one_process_continues_one_session_after_the_other(
    workflow: Workflow, advice: str
) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
if __name__ == "__main__":
    print(len({pid(n) for n in range(10)}), pid() != os.getpid())
""",
        config=config(advice=advice),
    )
    assert output == "1 True\n"


@pytest.mark.parametrize("threads", [1, 32])
@ADVICES
def test_threads_share_the_processes(
    workflow: Workflow, advice: str, threads: int
) -> None:
    output = workflow.output(
        HEAD
        + f"""
from concurrent.futures import ThreadPoolExecutor

@bandsaw.task
def work(x):
    return os.getpid(), x

if __name__ == "__main__":
    with ThreadPoolExecutor({threads}) as pool:
        results = list(pool.map(work, range(64)))
    print([x for _, x in results] == list(range(64)))
    print(1 <= len({{pid for pid, _ in results}}) <= 2)
""",
        config=config(2, advice=advice),
    )
    assert output == "True\nTrue\n"


@ADVICES
def test_a_process_ends_after_so_many_sessions(workflow: Workflow, advice: str) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
if __name__ == "__main__":
    pids = [pid() for _ in range(7)]
    print([pids.count(one) for one in dict.fromkeys(pids)])
""",
        config=config(more=", tasks_per_worker=3", advice=advice),
    )
    assert output == "[3, 3, 1]\n"


@ADVICES
def test_a_process_that_is_idle_ends_and_the_next_call_has_another(
    workflow: Workflow,
    advice: str,
) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
import time

if __name__ == "__main__":
    first = pid()
    deadline = time.monotonic() + 60
    # It is a zombie then, until it is waited for.
    while os.waitid(os.P_PID, first, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    print(pid() != first)
""",
        config=config(more=", idle_timeout=0.2", advice=advice),
    )
    assert output == "True\n"


@ADVICES
def test_calls_work_while_processes_go_because_they_are_idle(
    workflow: Workflow,
    advice: str,
) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
import random
import time

if __name__ == "__main__":
    rest = random.Random(0)
    for _ in range(15):
        pid()
        time.sleep(rest.uniform(0, 0.04))
    print("all answered")
""",
        config=config(more=", idle_timeout=0.02", advice=advice),
    )
    assert output == "all answered\n"


@ADVICES
def test_a_process_that_was_killed_is_replaced(workflow: Workflow, advice: str) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
import signal

if __name__ == "__main__":
    first = pid()
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    print(pid() != first)
""",
        config=config(advice=advice),
    )
    assert output == "True\n"


@ADVICES
def test_what_this_process_changes_a_new_process_finds(
    workflow: Workflow, advice: str
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def state():
    found = os.environ.get("NEW"), os.getcwd(), "/there/is/nothing" in sys.path
    return found, sys.argv, os.getpid()

if __name__ == "__main__":
    advice, = bandsaw.get_configuration().get_advice_chain("default")
    for change in (
        'os.environ["NEW"] = "value"',
        'os.chdir("/")',
        'sys.path.insert(0, "/there/is/nothing")',
        'sys.argv.append("another")',
        'advice.interpreter.set_environment(NEW="another value")',
    ):
        before = state()
        exec(change)
        after = state()
        found = before[:2] != after[:2], after == state()
        if before[-1] == after[-1] or found != (True, True):
            print(change, before, after, found)
    print("the end")
""",
        config=config(advice=advice),
    )
    assert output == "the end\n"


@ADVICES
def test_the_hundredth_session_finds_what_the_first_has_found(
    workflow: Workflow,
    advice: str,
) -> None:
    output = workflow.output(
        read_script("hundredth_session.py"), config=config(advice=advice)
    )
    assert output == "True\n"


@ADVICES
def test_a_task_that_changes_its_process_changes_it_for_the_next(
    workflow: Workflow,
    advice: str,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def count():
    os.environ["COUNT"] = str(int(os.environ.get("COUNT", 0)) + 1)
    return os.environ["COUNT"]

if __name__ == "__main__":
    print(count(), count(), os.environ.get("COUNT"))
""",
        config=config(advice=advice),
    )
    assert output == "1 2 None\n"


@ADVICES
def test_tasks_choose_an_interpreter_by_its_name(
    workflow: Workflow, advice: str
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def default():
    return os.environ.get("WHICH"), os.getpid()

@bandsaw.task(subprocess={"interpreter": "other"})
def other():
    return os.environ.get("WHICH"), os.getpid()

@bandsaw.task(subprocess={"interpreter": "unknown"})
def unknown():
    pass

if __name__ == "__main__":
    print(default()[0], other()[0], default() == default(), other() == other())
    print(text_of(unknown))
""",
        config=config(2, advice=advice)
        + """
advice = configuration.get_advice_chain("default")[0]
interpreter = bandsaw.Interpreter().set_environment(WHICH="the other one")
advice.add_interpreter(interpreter, name="other")
""",
    )
    assert output == (
        "None the other one True True\n"
        "ConfigurationError: Unknown interpreter 'unknown' of task workflow.unknown. "
        "Known are: 'default', 'other'.\n"
    )


@ADVICES
def test_a_forked_process_has_processes_of_its_own(
    workflow: Workflow, advice: str
) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
if __name__ == "__main__":
    mine = pid()
    child = os.fork()
    if not child:
        sys.exit(0 if pid() not in (mine, os.getppid()) else 1)
    print(os.waitpid(child, 0)[1])
    print(pid() == mine)
""",
        config=config(advice=advice),
    )
    assert output == "0\nTrue\n"


def test_a_forked_process_does_not_wait_for_the_calls_of_its_parent(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + PID
        + """
import gc
import threading
import warnings
from bandsaw.transports.pool import Turn

# Python minds a fork beside threads.
warnings.simplefilter("ignore")

@bandsaw.task
def hold():
    open("begun", "w").close()
    while not os.path.exists("go"):
        threading.Event().wait(0.001)

def is_one_waiting():
    turns = [thing for thing in gc.get_objects() if type(thing) is Turn]
    return any(turn._coming is not None for turn in turns)

if __name__ == "__main__":
    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not (os.path.exists("begun") and is_one_waiting()):
        threading.Event().wait(0.001)
    child = os.fork()
    if not child:
        print(len({pid(), pid(), pid()}), flush=True)
    else:
        os.waitpid(child, 0)
        open("go", "w").close()
        for thread in threads:
            thread.join()
""",
        config=config(),
    )
    assert output == "1\n"


@ADVICES
def test_a_forked_process_that_goes_on_does_not_keep_a_process_alive(
    workflow: Workflow,
    advice: str,
    tmp_path: Path,
) -> None:
    output = workflow.output(
        read_script("forked_beside_a_pool.py"),
        config=config(advice=advice),
        environment={"TMPDIR": str(tmp_path)},
    )
    assert output == "ended\n"


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(3)",
        "os._exit(3)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "os.kill(os.getpid(), signal.SIGINT)",
        "raise LookupError",
    ],
)
def test_no_process_outlives_the_script(
    workflow: Workflow, tmp_path: Path, end: str
) -> None:
    # That nothing is left is asserted after every test.
    completed = workflow.run(
        f"""
        import os
        import signal
        import sys
        import bandsaw

        @bandsaw.task
        def resident():
            return os.getpid()

        @bandsaw.task(chain="fresh")
        def fresh():
            return os.getpid()

        if __name__ == "__main__":
            print(resident() != fresh(), flush=True)
            {end}
        """,
        config=config()
        + """
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
""",
        status=None,
        environment={"TMPDIR": str(tmp_path)},
    )
    assert completed.stdout == "True\n"


@pytest.mark.parametrize("calls", [60, pytest.param(10_000, marks=pytest.mark.stress)])
@ADVICES
def test_no_call_is_lost_or_wrong_when_processes_are_killed(
    workflow: Workflow, advice: str, calls: int
) -> None:
    script = read_script("killing_a_pool.py")
    output = workflow.output(
        script, str(calls), config=config(4, advice=advice), timeout=1200
    )
    assert output == "0\nTrue\n"


@pytest.mark.parametrize("calls", [400, pytest.param(11_000, marks=pytest.mark.stress)])
@ADVICES
def test_neither_end_grows(workflow: Workflow, advice: str, calls: int) -> None:
    output = workflow.output(
        HEAD
        + f"""
import resource

def held():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak, len(os.listdir("/dev/fd"))

@bandsaw.task
def work(data):
    return data, os.getpid(), held()

if __name__ == "__main__":
    data = bytes(100_000)
    for _ in range(100):
        _, pid, there = work(data)
    here = held()
    pids = set()
    for _ in range({calls}):
        _, pid, later = work(data)
        pids.add(pid)
    # In kilobytes; on macOS in bytes.
    unit = 1024 if sys.platform == "darwin" else 1
    for before, after in (here, held()), (there, later):
        print(after[0] - before[0] < 4000 * unit, after[1] - before[1], len(pids))
""",
        config=config(advice=advice),
        timeout=1200,
    )
    assert output == "True 0 1\n" * 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"workers": 0}, "a positive number as workers, and not 0"),
        ({"workers": 1.5}, "a positive number as workers, and not 1.5"),
        ({"tasks_per_worker": -1}, "a positive number as tasks_per_worker, and not -1"),
        ({"idle_timeout": 0}, "a positive number as idle_timeout, and not 0"),
        ({"timeout": "soon"}, "a positive number as timeout, and not 'soon'"),
        ({"memory_limit": True}, "a positive number as memory_limit, and not True"),
        ({"output": "nowhere"}, "output='inherit', 'capture' or a function"),
    ],
)
def test_bad_options_are_refused_at_once(
    arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match="SubprocessAdvice needs") as caught:
        SubprocessAdvice(**arguments)
    assert reason in str(caught.value)


def test_a_turn_that_is_about_to_come_is_waited_for() -> None:
    turn = Turn(Session(), cast("Any", None))
    worker = object()

    class Gate:
        """Opens when it is waited for."""

        def acquire(self) -> None:
            turn.worker = cast("Any", worker)

    turn._coming = Gate()

    assert turn.worker_after_all() is worker
