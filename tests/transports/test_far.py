"""Interpreters behind a command: how they are reached, and every way to fail there."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command
from bandsaw.exceptions import ConfigurationError
from bandsaw.runner.server import _Lane, _Specification
from bandsaw.transports import frames
from tests.transports.test_routes import COUNTING
from tests.waiting import wait_until
from tests.workflows import FAR, HEAD, MOVING, Workflow, assert_interrupted

CONFIG = f"""
import bandsaw
{FAR}
"""


def config(*command: str, **options: object) -> str:
    """A configuration whose chain leads through a command."""
    words = "".join(f"{word!r}, " for word in command)
    more = "".join(f"{name}={value!r}, " for name, value in options.items())
    chain = f"bandsaw.Configuration().add_advice_chain(far({words}{more}))"
    return f"{CONFIG}\nconfiguration = {chain}\n"


WHERE = (
    HEAD
    + """
import signal

@bandsaw.task
def where(*ignored):
    return os.getpid(), os.getppid()

def has_not_ended(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
"""
)

# It says what a call raises, and whether another one works then.
TWICE = (
    WHERE
    + """
if __name__ == "__main__":
    print(text_of(where))
"""
)


def test_a_call_runs_behind_the_command_and_the_next_one_in_the_same_process(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
if __name__ == "__main__":
    first = where()
    print(os.getpid() not in first, where() == first)
""",
        config=config(),
    )
    assert output == "True True\n"


def test_what_is_printed_before_python_is_reached_does_no_harm(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
if __name__ == "__main__":
    print(where() == where())
""",
        config=config("sh", "-c", 'echo Welcome; echo there >&2; exec "$@"', "sh"),
    )
    assert output == "True\n"


STARTS = {
    "starting the command": ("/there/is/no/program",),
    "not found": ("sh", "-c", "exec /no/python3", "sh"),
    "not executable": ("sh", "-c", "exec /etc/passwd", "sh"),
    "refused": ("sh", "-c", "echo refused >&2; exit 255", "sh"),
    "input is gone": ("sh", "-c", 'read line; exec "$@" </dev/null', "sh"),
    "too old": ("sh", "-c", 'exec "$1" -uc "$OLD"', "sh"),
    "no home": ("env", "BANDSAW_HOME=/proc/nothing"),
    "open home": (
        *("sh", "-c", 'mkdir -m 777 a; BANDSAW_HOME=$PWD/a; export BANDSAW_HOME; "$@"'),
        "sh",
    ),
}

ERRORS = {
    "starting the command": (
        "InterpreterStartError",
        "starting the command",
        "/there/is/no/program",
    ),
    "not found": ("InterpreterStartError", "reaching Python", "status 127"),
    "not executable": ("InterpreterStartError", "reaching Python", "status 126"),
    "refused": ("UnreachableError", "reaching Python", "refused"),
    "input is gone": ("InterpreterStartError", "reaching Python", "standard input"),
    "too old": ("InterpreterStartError", "reaching Python", "version 2.7.18"),
    "no home": ("InterpreterStartError", "sending code", "/proc/nothing"),
    "open home": ("InterpreterStartError", "sending code", "Everybody may write"),
}


@pytest.mark.parametrize("fault", STARTS)
def test_what_fails_at_the_start_is_an_error_that_says_in_which_phase(
    workflow: Workflow, fault: str
) -> None:
    old = "import sys;sys.version_info=(2,7,18);exec(eval(sys.stdin.readline()))"
    output = workflow.output(
        TWICE,
        config=config(*STARTS[fault], start_timeout=60),
        environment={"OLD": old},
    )

    kind, phase, part = ERRORS[fault]
    assert output.startswith(f"{kind}: The connection 'default' failed while {phase}: ")
    assert part in output


@pytest.mark.parametrize("command", ["sleep 600", "cat"], ids=["silent", "echo"])
def test_a_command_that_does_not_answer_is_given_up_in_time(
    workflow: Workflow, command: str
) -> None:
    output = workflow.output(
        TWICE, config=config("sh", "-c", f"exec {command}", start_timeout=0.5)
    )

    assert output.startswith(
        "UnreachableError: The connection 'default' failed while reaching Python: "
        "there was no answer within 0.5 seconds."
    )


def test_an_interrupt_ends_the_wait_for_a_connection(workflow: Workflow) -> None:
    begin = "echo $$ > begun.part; mv begun.part begun; sleep 600"
    workflow.write_script(
        TWICE.replace("text_of(where)", "where()"), config("sh", "-c", begin)
    )
    process = workflow.start("workflow.py")
    wait_until((workflow.directory / "begun").exists)

    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=60)
    assert_interrupted(errors)
    command = int((workflow.directory / "begun").read_text())
    wait_until(lambda: not _is_there(command))


def test_a_connection_that_is_lost_fails_its_call_and_the_next_one_has_another(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
@bandsaw.task
def end_server():
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()

if __name__ == "__main__":
    first = where()
    print(text_of(end_server).splitlines()[0])
    second = where()
    print(first[0] != second[0], first[1] != second[1])
""",
        config=config(),
    )
    first, last = output.splitlines()
    assert first.startswith(
        "UnreachableError: The connection 'default' failed while running: the command "
        "was killed by SIGKILL."
    )
    assert last == "True True"


def test_a_connection_that_ends_between_two_calls_is_not_noticed(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
if __name__ == "__main__":
    worker, server = where()
    os.kill(server, signal.SIGKILL)
    while has_not_ended(server):
        pass
    print(where()[1] != server)
""",
        config=config(),
    )
    assert output == "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_all_processes_end_with_a_caller_that_is_killed(workflow: Workflow) -> None:
    workflow.write_script(
        WHERE
        + """
@bandsaw.task
def hang():
    import subprocess
    child = subprocess.Popen(["sleep", "600"])
    print(os.getpid(), os.getppid(), child.pid, flush=True)
    child.wait()

if __name__ == "__main__":
    hang()
""",
        config(),
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    processes = [int(word) for word in process.stdout.readline().split()]
    assert len(processes) == 3

    process.kill()
    process.wait()

    wait_until(lambda: not any(map(_is_there, processes)))
    # What the caller has left is removed by the next process that leaves something.
    workflow.output(TWICE, config=MOVING)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_processes_of_a_server_that_is_killed_end(workflow: Workflow) -> None:
    output = workflow.output(
        WHERE
        + """
@bandsaw.task
def end_server(path):
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()

if __name__ == "__main__":
    first = where()[0]
    text_of(end_server, "")
    while has_not_ended(first):
        pass
    print("ended")
""",
        config=config(),
    )
    assert output == "ended\n"


def test_a_connection_without_calls_ends(workflow: Workflow) -> None:
    output = workflow.output(
        WHERE
        + """
if __name__ == "__main__":
    server = where()[1]
    while has_not_ended(server):
        pass
    print(where()[1] != server)
""",
        config=config(idle_timeout=0.2),
    )
    assert output == "True\n"


def test_a_connection_without_a_sign_of_life_is_given_up(workflow: Workflow) -> None:
    output = workflow.output(
        WHERE
        + """
from bandsaw.transports import far_connection

if __name__ == "__main__":
    server = where()[1]
    far_connection._SILENCE = 0.2
    os.kill(server, signal.SIGSTOP)
    print(text_of(where).splitlines()[0].partition(". ")[0])
    far_connection._SILENCE = 60
    print(where()[1] != server)
""",
        config=config(),
    )
    assert output == (
        "UnreachableError: The connection 'default' failed while running: there was no "
        "sign of life for 0.2 seconds\nTrue\n"
    )
    # What the server has left is removed by the next one.
    workflow.output(TWICE, config=config())


def test_the_calls_of_a_task_take_a_short_route(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + COUNTING.replace("frames.Channel", "lane.LaneChannel")
        + """
import fractions

class Value:
    def __init__(self, number):
        self.number = number

@bandsaw.task
def fail(value):
    print("failing", value)
    raise LookupError(value)

if __name__ == "__main__":
    same(0), same(1), text_of(fail, 0)
    kinds()
    print([same(number) for number in range(4)], same([1], more={"a": None}))
    print(same(Value(3)).number, same(fractions.Fraction(1, 3)))
    print(text_of(fail, 4))
    print(kinds())
    events = []
    sys.setprofile(lambda frame, event, _: events.append(event))
    same(5)
    sys.setprofile(None)
    # After a wait caches are cold, so each call of a function takes time. On Python 3.8
    # that of a lock is one.
    count = events.count("call")
    print(count < (100 if sys.version_info >= (3, 9) else 120) or count)
""",
        config=config(),
    )
    assert output == (
        "failing 0\n[0, 1, 2, 3] ([1], {'a': None})\n3 1/3\nfailing 4\n"
        "LookupError: 4\n(0, 8)\nTrue\n"
    )


def test_workers_are_behind_one_command_and_connections_are_commands(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
from concurrent.futures import ThreadPoolExecutor

@bandsaw.task
def meet(names, name):
    open(name, "w").close()
    while not all(map(os.path.exists, names)):
        pass
    return os.getpid(), os.getppid()

if __name__ == "__main__":
    # The last time, each of the processes is told the route.
    for names in "abcd", "efgh", "ijkl":
        with ThreadPoolExecutor(4) as pool:
            pids = list(pool.map(lambda name: meet(names, name), names))
        workers, servers = zip(*pids)
        print(len(set(workers)), sorted(map(servers.count, set(servers))))
""",
        config=config(workers=2, connections=2),
    )
    assert output == 3 * "4 [2, 2]\n"


QUEUE = (
    WHERE
    + """
import time

@bandsaw.task
def hold(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return os.getpid()

@bandsaw.task
def make(path):
    open(path, "w").close()
    return os.getpid()

@bandsaw.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@bandsaw.task(connection={"timeout": 1})
def quick():
    return os.getpid()

def in_turn(*calls):
    from bandsaw.transports import far_connection
    futures = []
    for task, *arguments in calls:
        futures.append(task.submit(*arguments))
        # A thread that waits has sent its session.
        while sum(len(c._movers) for c in far_connection._connections) < len(futures):
            time.sleep(0.01)
    return futures
"""
)


def test_sessions_wait_for_a_process_at_the_far_end(workflow: Workflow) -> None:
    workflow.write_script(
        QUEUE
        + """
if __name__ == "__main__":
    futures = in_turn((hold, "go"), (make, "a"), (make, "b"), (make, "c"))
    print("sent", flush=True)
    print(len({future.result() for future in futures}))
""",
        config(),
    )
    process = workflow.start("workflow.py")
    assert process.stdout is not None
    assert process.stdout.readline() == "sent\n"

    # Nothing can be sent by a caller that does not run.
    process.send_signal(signal.SIGSTOP)
    (workflow.directory / "go").touch()
    wait_until(lambda: all((workflow.directory / name).exists() for name in "abc"))
    process.send_signal(signal.SIGCONT)

    assert process.communicate(timeout=60)[0] == "1\n"


def test_what_becomes_of_a_session_does_not_concern_those_behind_it(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        QUEUE
        + """
def go(path):
    open(path, "w").close()

if __name__ == "__main__":
    first, dead, last = in_turn((hold, "one"), (die,), (make, "x"))
    go("one")
    print(text_of(dead.result).partition(" ")[0], last.result() != first.result())

    first, late, last = in_turn((hold, "two"), (make, "never"), (make, "y"))
    print(late.cancel())
    go("two")
    print(last.result() == first.result(), os.path.exists("never"))

    # As long as it waits there, it takes none of its time.
    first, late = in_turn((hold, "three"), (quick,))
    time.sleep(1.2)
    go("three")
    print(late.result() == first.result())
""",
        config=config(),
    )
    assert output == "InterpreterDiedError: True\nTrue\nTrue False\nTrue\n"


def test_a_process_ends_after_its_sessions(workflow: Workflow) -> None:
    output = workflow.output(
        WHERE
        + """
from pathlib import Path

if __name__ == "__main__":
    pids = [where()[0] for _ in range(6)]
    print([pids.index(pid) for pid in pids])
    while has_not_ended(pids[-1]):
        pass
    # The connection holds its code without a process, too.
    from bandsaw.runtime.home import is_held
    [path] = Path("home").resolve().glob("**/workflow.py")
    print(is_held(str(path.parent)))
""",
        config=config(
            "env", f"BANDSAW_HOME={workflow.directory}/home", tasks_per_worker=2
        ),
    )
    assert output == "[0, 0, 2, 2, 4, 4]\nTrue\n"


def test_an_idle_process_ends_while_the_connection_is_in_use(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
import time

@bandsaw.task
def hold():
    open("begun", "w").close()
    wait_until(lambda: os.path.exists("ended"))
    return os.getpid()

def wait_until(condition):
    while not condition():
        time.sleep(0.01)

if __name__ == "__main__":
    held = hold.submit()
    wait_until(lambda: os.path.exists("begun"))
    idle = where()[0]
    wait_until(lambda: not has_not_ended(idle))
    open("ended", "w").close()
    print(held.result() != idle)
""",
        config=config(workers=2, idle_timeout=0.2),
    )
    assert output == "True\n"


def test_the_beginning_of_a_session_may_arrive_in_pieces() -> None:
    lane = _Lane(1, _Specification("", {}, 1, None, 1.0))
    content = frames.packed(frames.JOB, {}, [b"content"])

    lane.arrived.extend([content[:3], content[3:5]])
    assert not lane.find_session()
    lane.arrived.append(content[5:])
    assert lane.find_session()
    assert lane.size == len(content)


def test_what_is_printed_comes_before_the_answer_and_at_the_exit(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        WHERE
        + """
import atexit

@bandsaw.task
def write(count):
    atexit.register(print, "the end")
    for _ in range(count):
        print("." * 1023)

if __name__ == "__main__":
    write(1)
    write(4 << 10)
    print("answered", flush=True)
""",
        config=config(),
    )
    lines = output.splitlines()
    # More than may be under way
    assert lines[: 1 + (4 << 10)] == ["." * 1023] * (1 + (4 << 10))
    assert lines[1 + (4 << 10) :] == ["answered", "the end", "the end"]


def test_a_large_argument_does_not_hold_up_a_small_call(workflow: Workflow) -> None:
    output = workflow.output(
        WHERE
        + """
from concurrent.futures import ThreadPoolExecutor

@bandsaw.task
def read_late(content):
    return len(content)

class ReadLate:
    # Until the file is there, nothing behind this is read.
    def __reduce__(self):
        return wait_for, ("go",)

def wait_for(path):
    while not os.path.exists(path):
        pass
    return b""

if __name__ == "__main__":
    where()
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(where)
        large = pool.submit(read_late, bytes(64 << 20))
        small = [where() for _ in range(20)]
        print(len(set(small)) <= 2, large.result() >> 20)
""",
        config=config(workers=3),
    )
    assert output == "True 64\n"


def test_a_forked_child_has_a_connection_of_its_own(workflow: Workflow) -> None:
    output = workflow.output(
        WHERE
        + """
if __name__ == "__main__":
    first = where()
    child = os.fork()
    if not child:
        other = where()
        print(other[0] != first[0], other[1] != first[1], flush=True)
        sys.exit()
    print(os.waitpid(child, 0)[1], where() == first)
""",
        config=config(),
        # Newer Pythons say that there are other threads, which serve connections.
        environment={"PYTHONWARNINGS": "ignore::DeprecationWarning"},
    )
    assert output == "True True\n0 True\n"


def _far_code(home: Path) -> tuple[set[str], set[str]]:
    """The directories with the user's code, and those with bandsaw's."""
    paths = [path for path in (home / "archives").iterdir() if path.is_dir()]
    own = {path.name for path in paths if (path / "__main__.py").exists()}
    return own, {path.name for path in paths} - own


def test_the_code_is_sent_once_and_an_edit_of_the_script_sends_the_script(
    workflow: Workflow, tmp_path: Path
) -> None:
    home = tmp_path / "far"
    home.mkdir(mode=0o700)
    through = config("env", f"BANDSAW_HOME={home}")
    workflow.output(TWICE, config=through)
    own, shared = _far_code(home)
    before = {path: path.stat().st_ino for path in (home / "archives").iterdir()}

    workflow.output(TWICE, config=through)
    assert before == {p: p.stat().st_ino for p in (home / "archives").iterdir()}
    assert not any(p.lstat().st_mode & 0o077 for p in before if p.is_dir())
    workflow.output(TWICE + "# It was edited.\n", config=through)

    own_then, shared_then = _far_code(home)
    assert (len(own), len(shared)) == (1, 1)
    assert (len(own_then), shared_then) == (2, shared)


@pytest.mark.parametrize("change", ["changed", "lost"])
def test_code_that_is_not_what_was_sent_is_sent_again(
    workflow: Workflow, tmp_path: Path, change: str
) -> None:
    home = tmp_path / "far"
    home.mkdir(mode=0o700)
    through = config("env", f"BANDSAW_HOME={home}")
    workflow.output(TWICE, config=through)
    own, shared = _far_code(home)
    for name in "workflow.py", "bandsaw/tasks.py":
        path = home / "archives" / next(iter(own)) / name
        if change == "lost":
            path.unlink()
        else:
            path.write_text("raise SystemError('damaged')\n")

    output = workflow.output(TWICE, config=through)

    assert output.startswith("(")
    assert _far_code(home) == (own, shared)


def test_a_task_chooses_its_connection_and_its_limits(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import time

@bandsaw.task(connection="other")
def variable():
    return os.environ.get("PLACE")

@bandsaw.task(connection={"name": "other", "timeout": 0.2})
def hang():
    time.sleep(600)

@bandsaw.task(connection="nowhere")
def nowhere():
    pass

if __name__ == "__main__":
    print(variable())
    print(text_of(hang).partition(" in ")[0])
    print(text_of(nowhere))
""",
        config=CONFIG
        + """
configuration = bandsaw.Configuration().add_advice_chain(
    far().add_connection(Command(["env", "PLACE=other"]), "other")
)
""",
    )
    assert (
        output
        == """\
other
TaskTimeoutError: The call took longer than its timeout of 0.2 seconds
ConfigurationError: Unknown connection 'nowhere' of task workflow.nowhere. Known are: \
'default', 'other'.
"""
    )


def test_a_far_end_that_builds_another_chain_refuses_with_both(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TWICE,
        config=CONFIG
        + """
import os
from bandsaw.advices.log import LoggingAdvice

class Mine(LoggingAdvice):
    pass

chain = [far("env", "PLACE=far")]
if os.environ.get("PLACE") == "far":
    chain.append(Mine())
configuration = bandsaw.Configuration().add_advice_chain(*chain)
""",
    )
    connection = "bandsaw.advices.connection.ConnectionAdvice"
    assert output == (
        "ConfigurationError: Chain 'default' is another one where the session comes "
        f"from than here. There it is ({connection}); here bandsaw_config builds "
        f"({connection}, bandsaw_config.Mine). A configuration has to build the same "
        "chains on both ends.\n"
    )


def test_variables_and_directories_of_the_interpreter_are_those_that_were_given(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def found():
    return os.environ["PLACE"], "/there/is/nothing" in sys.path

if __name__ == "__main__":
    print(found())
""",
        config=CONFIG
        + """
there = bandsaw.Interpreter(path=["/there/is/nothing"], executable=sys.executable)
class Text(str):
    pass

there.set_environment(PLACE=Text("far"))
configuration = bandsaw.Configuration().add_advice_chain(
    ConnectionAdvice(Command(["env"]), interpreter=there)
)
""",
    )
    assert output == "('far', True)\n"


@pytest.mark.parametrize(
    "options",
    [
        {"connections": 0},
        {"workers": 1.5},
        {"tasks_per_worker": -1},
        {"start_timeout": "long"},
        {"idle_timeout": True},
        {"timeout": 0},
        {"memory_limit": 0.5},
        {"output": "nowhere"},
        {"interpreter": "python3"},
    ],
)
def test_an_argument_that_cannot_be_is_refused_at_once(options: dict[str, str]) -> None:
    value = next(iter(options.values()))
    with pytest.raises(ConfigurationError, match=f"ConnectionAdvice needs .*{value}"):
        ConnectionAdvice(Command(["env"]), **options)  # type: ignore[arg-type]


def test_something_else_than_a_connection_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="needs a connection"):
        ConnectionAdvice().add_connection("ssh host")  # type: ignore[arg-type]


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_command_starts_before_this_process_has_imported_the_rest(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        """
import subprocess
import sys
import threading

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "bandsaw.transports.far":
            print(is_started.wait(60))

is_started = threading.Event()

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        is_started.set()
        super().__init__(*arguments, **options)

subprocess.Popen = Popen
sys.meta_path.insert(0, Finder)
"""
        + WHERE
        + """
if __name__ == "__main__":
    print(where() == where())
""",
        config=config(),
    )
    assert output == "True\nTrue\n"


def test_a_command_that_nothing_has_taken_ends_with_the_program(
    workflow: Workflow,
) -> None:
    words = ["sh", "-c", "echo $$ > begun.part; mv begun.part begun; sleep 600"]
    workflow.output(
        f"""
import os
import time
from bandsaw.transports.far_start import StartingCommand

StartingCommand({words!r})
while not os.path.exists("begun"):
    time.sleep(0.01)
"""
    )
    command = int((workflow.directory / "begun").read_text())
    wait_until(lambda: not _is_there(command))
