"""Resident processes: how many there are, how long they live, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.exceptions import ConfigurationError
from tests.advices.scripts import run
from tests.workflows import run_workflow

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers={workers}{more}))
"""


def config(workers: int = 1, more: str = "") -> str:
    return CONFIG.format(workers=workers, more=more)


PID = """
@bandsaw.task
def pid(*ignored):
    return os.getpid()
"""


def test_one_process_continues_one_session_after_the_other(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        PID
        + """
if __name__ == "__main__":
    print(len({pid(n) for n in range(10)}), pid() != os.getpid())
""",
        config=config(),
    )
    assert output == "1 True\n"


@pytest.mark.parametrize("threads", [1, 2, 8, 32])
def test_threads_share_the_processes(tmp_path: Path, threads: int) -> None:
    output = run(
        tmp_path,
        f"""
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
        config=config(2),
    )
    assert output == "True\nTrue\n"


def test_a_process_ends_after_so_many_sessions(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        PID
        + """
if __name__ == "__main__":
    pids = [pid() for _ in range(7)]
    print([pids.count(one) for one in dict.fromkeys(pids)])
""",
        config=config(more=", tasks_per_worker=3"),
    )
    assert output == "[3, 3, 1]\n"


def test_a_process_that_is_idle_ends_and_the_next_call_has_another(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        PID
        + """
import time

if __name__ == "__main__":
    first = pid()
    deadline = time.monotonic() + 60
    # It is a zombie then, until somebody asks.
    while os.waitid(os.P_PID, first, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    print(pid() != first)
""",
        config=config(more=", idle_timeout=0.2"),
    )
    assert output == "True\n"


def test_calls_work_while_processes_go_because_they_are_idle(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        PID
        + """
import random
import time

if __name__ == "__main__":
    rest = random.Random(0)
    for _ in range(40):
        pid()
        time.sleep(rest.uniform(0, 0.04))
    print("all answered")
""",
        config=config(more=", idle_timeout=0.02"),
    )
    assert output == "all answered\n"


def test_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        PID
        + """
import signal

if __name__ == "__main__":
    first = pid()
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    print(pid() != first)
""",
        config=config(),
    )
    assert output == "True\n"


@pytest.mark.parametrize(
    "change",
    [
        'os.environ["NEW"] = "value"',
        'os.chdir("/")',
        'sys.path.insert(0, "/there/is/nothing")',
        'sys.argv.append("another")',
    ],
)
def test_what_this_process_changes_a_new_process_finds(
    tmp_path: Path, change: str
) -> None:
    output = run(
        tmp_path,
        f"""
@bandsaw.task
def state():
    found = os.environ.get("NEW"), os.getcwd(), "/there/is/nothing" in sys.path
    return found, sys.argv, os.getpid()

if __name__ == "__main__":
    before = state()
    {change}
    after = state()
    print(before[-1] != after[-1], before[:2] != after[:2], after == state())
""",
        config=config(),
    )
    assert output == "True True True\n"


def test_the_hundredth_session_finds_what_the_first_has_found(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
import logging
import random
import signal
import threading

@bandsaw.task
def state(n):
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return (
        os.getpid(),
        dict(os.environ),
        os.getcwd(),
        list(sys.path),
        list(map(str, signals)),
        logging.getLogger().level,
        len(logging.getLogger().handlers),
        random.getstate(),
        threading.active_count(),
        len(os.listdir("/dev/fd")),
        sorted(sys.modules),
    )

if __name__ == "__main__":
    second = [state(n) for n in (1, 2)][-1]
    for n in range(3, 100):
        state(n)
    print(state(100) == second)
""",
        config=config(),
    )
    assert output == "True\n"


def test_a_task_that_changes_its_process_changes_it_for_the_next(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
@bandsaw.task
def count():
    os.environ["COUNT"] = str(int(os.environ.get("COUNT", 0)) + 1)
    return os.environ["COUNT"]

if __name__ == "__main__":
    print(count(), count(), os.environ.get("COUNT"))
""",
        config=config(),
    )
    assert output == "1 2 None\n"


def test_tasks_choose_an_interpreter_by_its_name(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
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
        config=config(2)
        + """
advice = configuration.get_advice_chain("default")[0]
interpreter = bandsaw.Interpreter().set_environment(WHICH="the other one")
advice.add_interpreter(interpreter, "other")
""",
    )
    assert output == (
        "None the other one True True\n"
        "ConfigurationError: Unknown interpreter 'unknown' of task workflow.unknown. "
        "Known are: 'default', 'other'.\n"
    )


def test_a_forked_process_has_processes_of_its_own(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        PID
        + """
if __name__ == "__main__":
    mine = pid()
    child = os.fork()
    if not child:
        sys.exit(0 if pid() not in (mine, os.getppid()) else 1)
    print(os.waitpid(child, 0)[1])
    print(pid() == mine)
""",
        config=config(),
    )
    assert output == "0\nTrue\n"


def test_a_forked_process_that_goes_on_does_not_keep_a_process_alive(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        PID
        + """
import signal
import time

def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

if __name__ == "__main__":
    reader, writer = os.pipe()
    gate, kept_shut = os.pipe()
    script = os.fork()
    if not script:
        worker = pid()
        if os.fork():
            # The child that has just been forked goes on.
            os.write(writer, str(worker).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.close(1)
        os.close(2)
        os.close(kept_shut)
        os.read(gate, 1)
        os._exit(0)
    os.waitpid(script, 0)
    worker = int(os.read(reader, 100))
    deadline = time.monotonic() + 60
    while is_there(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    print("alive" if is_there(worker) else "ended")
""",
        config=config(),
        # A script that is killed leaves its files.
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
def test_no_process_outlives_the_script(tmp_path: Path, end: str) -> None:
    # That nothing is left is asserted after every test.
    completed = run_workflow(
        tmp_path,
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
        # A script that is killed leaves its files.
        environment={"TMPDIR": str(tmp_path)},
    )
    assert completed.stdout == "True\n"


KILLING = """
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from bandsaw.exceptions import InterpreterDiedError

@bandsaw.task
def work(number, pause):
    time.sleep(pause)
    return os.getpid(), number, bytes([number % 256]) * 2000

def call(number):
    pid, same, content = work(number, 0.001 * (number % 3))
    assert same == number and content == bytes([number % 256]) * 2000
    pids.add(pid)

def call_until_it_works(number):
    failures = 0
    while True:
        try:
            call(number)
            return failures
        except InterpreterDiedError as error:
            assert "SIGKILL" in str(error), error
            failures += 1

def kill(ended):
    chance = random.Random(0)
    while not ended.wait(chance.uniform(0, 0.1)):
        for pid in chance.sample(sorted(pids), min(1, len(pids))):
            pids.discard(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

def descriptors():
    return len(os.listdir("/dev/fd"))

if __name__ == "__main__":
    pids = set()
    call(0)
    before = descriptors()
    ended = threading.Event()
    killer = threading.Thread(target=kill, args=(ended,))
    killer.start()
    with ThreadPoolExecutor(8) as pool:
        failures = []
        # Until the killer has met a process that was working
        while sum(failures) == 0:
            failures += pool.map(call_until_it_works, range(CALLS))
    ended.set()
    killer.join()
    print(len(failures) % CALLS)
    from bandsaw.transports import worker
    worker.end_all()
    print(descriptors() - before <= 0)
"""


@pytest.mark.parametrize("calls", [300, pytest.param(10_000, marks=pytest.mark.stress)])
def test_no_call_is_lost_or_wrong_when_processes_are_killed(
    tmp_path: Path, calls: int
) -> None:
    output = run(
        tmp_path, KILLING.replace("CALLS", str(calls)), config=config(4), timeout=1200
    )
    assert output == "0\nTrue\n"


@pytest.mark.parametrize(
    "calls", [1000, pytest.param(10_000, marks=pytest.mark.stress)]
)
def test_neither_end_grows(tmp_path: Path, calls: int) -> None:
    output = run(
        tmp_path,
        f"""
import resource

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

@bandsaw.task
def work(data):
    return data, peak()

if __name__ == "__main__":
    data = bytes(100_000)
    for _ in range(100):
        _, there = work(data)
    here = peak()
    for _ in range({calls}):
        _, later = work(data)
    # In kilobytes; on macOS in bytes.
    unit = 1024 if sys.platform == "darwin" else 1
    print(peak() - here < 4000 * unit, later - there < 4000 * unit)
""",
        config=config(),
        timeout=1200,
    )
    assert output == "True True\n"


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
