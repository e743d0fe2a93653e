"""A call that takes too long, or too much memory, ends; its process does, too."""

from __future__ import annotations

import sys

import pytest

from tests.workflows import FAR, HEAD, Workflow

CONFIG = f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
{FAR}

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
configuration.add_advice_chain(far(), name="far")
configuration.add_advice_chain(SubprocessAdvice(timeout=0.5), name="short")
"""

CHAINS = pytest.mark.parametrize("chain", ["fresh", "pool", "far"])


@CHAINS
def test_a_call_that_takes_too_long_ends_with_all_that_it_has_started(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import signal
import subprocess
import time

LIMITS = {{"timeout": 1}}

@bandsaw.task(chain="{chain}", subprocess=LIMITS, connection=LIMITS)
def hang():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    with open("beside", "w") as file:
        file.write(str(child.pid))
    os.rename("beside", "pid")
    time.sleep(600)

@bandsaw.task(chain="{chain}")
def answer():
    return "an answer"

def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

if __name__ == "__main__":
    # The limit counts what a busy machine takes to read the call, too.
    while not os.path.exists("pid"):
        try:
            hang()
        except TimeoutError as error:
            told = type(error).__name__, "timeout of 1 seconds" in str(error)
    print(*told)
    deadline = time.monotonic() + 60
    pid = int(open("pid").read())
    # The process that takes over its children may need a moment.
    while is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    print(is_there(pid), answer())
""",
        config=CONFIG,
    )
    assert output == "TaskTimeoutError True\nFalse an answer\n"


# Holds the pipe, and starts one that does, too; it ignores what is polite.
STUBBORN = """
import signal
import subprocess
import sys
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"], pass_fds=[int(sys.argv[1])], start_new_session=True)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not tell what a process started"
)
@CHAINS
def test_what_has_a_session_of_its_own_ends_with_the_process_that_is_ended(
    workflow: Workflow, chain: str
) -> None:
    workflow.write({"stubborn.py": STUBBORN})
    output = workflow.output(
        HEAD
        + f"""
import select
import subprocess
import time

@bandsaw.task(chain="{chain}")
def leave_the_channel():
    gate = os.open("gate", os.O_WRONLY)
    subprocess.Popen(
        [sys.executable, "stubborn.py", str(gate)],
        pass_fds=[gate],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ).stdout.readline()
    os.write(gate, b"all are there")
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink(f"/proc/self/fd/{{descriptor}}").startswith("socket:"):
                os.close(descriptor)
        except FileNotFoundError:
            pass
    time.sleep(600)

if __name__ == "__main__":
    os.mkfifo("gate")
    gate = os.open("gate", os.O_RDONLY | os.O_NONBLOCK)
    print(text_of(leave_the_channel).rpartition(" ")[2])
    # It reads as ended when no process has it any more.
    for _ in range(2):
        print(select.select([gate], [], [], 60)[0] == [gate], os.read(gate, 100))
""",
        config=CONFIG,
    )
    assert output == "ended.\nTrue b'all are there'\nTrue b''\n"


# Says when it is asked to end, and takes its time after its parent has ended.
POLITE = """
import os
import signal
import sys
import time

parent = os.getppid()

def leave(number, frame):
    while os.getppid() == parent:
        time.sleep(0.01)
    time.sleep(0.3)
    open("asked", "w").close()
    sys.exit()

signal.signal(signal.SIGTERM, leave)
open("ready", "w").close()
time.sleep(600)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not tell what a process started"
)
def test_what_has_a_session_of_its_own_is_asked_to_end_first(
    workflow: Workflow,
) -> None:
    workflow.write({"polite.py": POLITE})
    output = workflow.output(
        HEAD
        + """
import subprocess
import time
from bandsaw.transports import termination

@bandsaw.task
def hang():
    subprocess.Popen([sys.executable, "polite.py"], start_new_session=True).wait()

if __name__ == "__main__":
    # Not even a busy machine needs as long.
    termination.GRACE = 60
    future = hang.submit()
    while not os.path.exists("ready"):
        time.sleep(0.01)
    print(future.cancel(), os.path.exists("asked"))
"""
    )
    assert output == "True True\n"


def test_the_advice_has_a_timeout_for_tasks_without_one(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import time

@bandsaw.task(chain="short")
def hang():
    time.sleep(600)

@bandsaw.task(chain="short", subprocess={"timeout": None})
def unhurried():
    time.sleep(1)
    return "in time"

if __name__ == "__main__":
    print(text_of(hang).partition(":")[0], unhurried())
""",
        config=CONFIG,
    )
    assert output == "TaskTimeoutError in time\n"


def test_a_call_that_took_too_long_is_the_result_of_its_session(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
import time

@bandsaw.task
def sleep(seconds):
    time.sleep(seconds)
    return seconds

if __name__ == "__main__":
    print(sleep(600))
""",
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

class AskAgain(bandsaw.Advice):
    def after(self, session):
        if isinstance(session.result.exception, TimeoutError):
            session.conclude(bandsaw.result.Result("too long"))
        else:
            session.proceed()

configuration = bandsaw.Configuration()
configuration.add_advice_chain(AskAgain(), SubprocessAdvice(timeout=0.3))
""",
    )
    assert output == "too long\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")
@CHAINS
def test_a_task_that_takes_too_much_memory_gets_an_error(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
MEGABYTE = 1 << 20

LIMITS = {{"memory_limit": 64 * MEGABYTE}}

@bandsaw.task(chain="{chain}", subprocess=LIMITS, connection=LIMITS)
def take(megabytes):
    return len(bytearray(megabytes * MEGABYTE))

@bandsaw.task(chain="{chain}")
def take_unlimited(megabytes):
    return len(bytearray(megabytes * MEGABYTE))

if __name__ == "__main__":
    print(take(1) // MEGABYTE)
    try:
        take(500)
    except MemoryError as error:
        print(type(error).__name__, error)
        print("MemoryError" in str(error.__cause__))
    print(take(1) // MEGABYTE, take_unlimited(100) // MEGABYTE)
""",
        config=CONFIG,
    )
    assert output == (
        "1\n"
        "TaskMemoryError The task wanted more memory than its limit of 67108864 "
        "bytes.\nTrue\n1 100\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")
def test_the_arguments_do_not_count_as_memory_of_the_task(workflow: Workflow) -> None:
    pytest.importorskip("numpy")
    output = workflow.output(
        HEAD
        + """
import numpy

@bandsaw.task(chain="pool", subprocess={"memory_limit": 32 << 20})
def size(array):
    return array.nbytes >> 20

if __name__ == "__main__":
    print(size(numpy.zeros(200 << 17)))
""",
        config=CONFIG,
    )
    assert output == "200\n"
