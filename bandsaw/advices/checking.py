"""A check of a connection, which uses it step by step."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import namedtuple

from ..connections import Ssh
from ..exceptions import BandsawError
from ..runtime.home import home_directory
from ..transports import far_command as phases
from ..transports.boot import facts as facts_of_python
from ..transports.far import ConnectionTransport
from ._far_calls import FarCaller
from ._far_environments import FarEnvironments
from .connection import ConnectionAdvice
from .ssh import SshAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator, NamedTuple

    from ..config import Configuration
    from ..connections import Connection
    from ..reporting import Progress

    class _Step(NamedTuple):
        name: str
        text: str
        facts: dict[str, Any]
        is_passed: bool

else:
    _Step = namedtuple("_Step", "name text facts is_passed")

# How long a connection may take to start, in seconds.
_TIME_TO_START = 300.0

# How many calls are timed, and how many bytes are sent and returned.
_CALLS = 10
_BYTES = 1 << 24

# Of which packages the versions on both ends are compared, as their values travel.
_PACKAGES = ("numpy", "pandas", "polars", "pyarrow", "scikit-learn", "scipy", "torch")

# How long the program that knows GPUs may take, in seconds.
_TIME_FOR_GPUS = 20

_STEP_OF_PHASE = {
    phases.STARTING_COMMAND: "command",
    phases.REACHING_PYTHON: "python",
    phases.HANDSHAKE: "python",
    phases.SENDING_CODE: "write access",
}
_FIRST_STEPS = ("command", "python", "write access", "process")


class Step(_Step):
    """The outcome of one step of a check.

    Attributes:
        name: The name of the step.
        text: What was found, for a person.
        facts: The same as plain data.
        is_passed: Whether it works.
    """

    __slots__ = ()


class Declared:
    """A connection that a configuration declares.

    Args:
        name: Its name.
        chain: The name of the first chain with an advice that has it.
        connection: The connection.
        interpreter: The Python there, or an environment.
    """

    def __init__(
        self, name: str, chain: str, connection: Connection, interpreter: Any
    ) -> None:
        self.name = name
        self.chain = chain
        self.connection = connection
        self.interpreter = interpreter

    @property
    def python(self) -> str:
        """The executable there, or the label of the environment."""
        found = getattr(self.interpreter, "executable", None)
        return str(self.interpreter.label if found is None else found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Declared):
            return NotImplemented
        return (self.name, self.connection, self.interpreter) == (
            other.name,
            other.connection,
            other.interpreter,
        )

    __hash__ = None  # type: ignore[assignment]


def declared_connections(configuration: Configuration) -> list[Declared]:
    """Return the connections of a configuration's advices.

    Args:
        configuration: The configuration.
    """
    found: list[Declared] = []
    for chain, advices in configuration.chains.items():
        for advice in advices.advices:
            for name, connection, interpreter in _connections_of(advice):
                if not hasattr(interpreter, "executable"):
                    interpreter = interpreter.at(configuration.directory)
                one = Declared(name, chain, connection, interpreter)
                if one not in found:
                    found.append(one)
    return found


def _connections_of(advice: object) -> Iterable[tuple[str, Connection, Any]]:
    if isinstance(advice, ConnectionAdvice):
        interpreter = advice.interpreters["default"]
        for name, connection in advice.connections.items():
            yield name, connection, interpreter
    elif isinstance(advice, SshAdvice) and advice.has_connections:
        for name, remote in advice.remotes.items():
            connection = Ssh(
                remote.host,
                user=remote.user,
                port=remote.port,
                key_file=remote.key_file,
            )
            yield name, connection, remote.interpreter


def check(declared: Declared, tell: Callable[[str], object]) -> Iterator[Step]:
    """Use a connection, and yield what works, until something does not.

    Args:
        declared: The connection.
        tell: Is told why something takes its time.
    """
    name, connection = declared.name, declared.connection
    interpreter = declared.interpreter

    def tell_progress(told: Progress) -> None:
        tell(told.message or "")

    if not hasattr(interpreter, "executable"):
        there = FarEnvironments(name, connection, _TIME_TO_START, 1.0)
        try:
            interpreter = there.make(interpreter, tell_progress).interpreter
        except BandsawError as error:
            yield Step("environment", str(error), {}, False)
            return
        yield Step("environment", interpreter.executable, {}, True)
    transport = ConnectionTransport(
        name,
        connection,
        connections=1,
        workers=1,
        lanes=1,
        tasks_per_worker=None,
        start_timeout=_TIME_TO_START,
        idle_timeout=60.0,
    )
    caller = FarCaller(transport, interpreter, tell_progress)
    try:
        yield from _use(caller, transport, connection)
    except BandsawError as error:
        yield Step("connection", str(error), {}, False)
    finally:
        transport.close()


def _use(
    caller: FarCaller, transport: ConnectionTransport, connection: Connection
) -> Iterator[Step]:
    python = caller.interpreter.executable
    try:
        facts = caller.call(_facts)
    except BandsawError as error:
        failed = _STEP_OF_PHASE.get(transport.phase, "process")
        for step in _FIRST_STEPS:
            if step == failed:
                yield Step(step, str(error), {}, False)
                return
            yield Step(step, "", {}, True)
        return
    words = connection.wrap([python])
    yield Step("command", shlex.join(words), {"words": words}, True)
    version = ".".join(map(str, facts["python"]))
    text = f"Python {version}, {facts['executable']} on {facts['node']}"
    yield _told("python", text, facts, "python", "executable", "node")
    text = (
        f"code in {facts['home']} ({_size(facts['home_free'])} free), temporary files "
        f"in {facts['temporary']} ({_size(facts['temporary_free'])} free)"
    )
    names = ("home", "home_free", "temporary", "temporary_free")
    yield _told("write access", text, facts, *names)
    text = f"process {facts['pid']}, {facts['cpus']} CPUs"
    yield _told("process", text, facts, "pid", "cpus")
    yield _compare_versions(facts)
    yield from _measure(caller)
    text = f"{_size(facts['memory'])}, {_size(facts['memory_available'])} available"
    yield _told("memory", text, facts, "memory", "memory_available")
    yield _told("GPUs", ", ".join(facts["gpus"]) or "none", facts, "gpus")


def _told(name: str, text: str, facts: dict[str, Any], *names: str) -> Step:
    return Step(name, text, {name: facts[name] for name in names}, True)


def _compare_versions(facts: dict[str, Any]) -> Step:
    here, there = _versions(), facts["versions"]
    both = {name: (here.get(name), there.get(name)) for name in sorted({*here, *there})}
    text = ", ".join(
        f"{name} {mine}" if mine == other else f"{name} {other} ({mine} here)"
        for name, (mine, other) in both.items()
    )
    return Step("versions", text, {"here": here, "there": there}, True)


def _measure(caller: FarCaller) -> Iterator[Step]:
    rounds = []
    for _ in range(_CALLS):
        begun, wall = time.perf_counter(), time.time()
        there = caller.call(_clock)
        seconds = time.perf_counter() - begun
        rounds.append((seconds, there - wall - seconds / 2))
    seconds, ahead = min(rounds)
    text = f"{abs(ahead):.3f} s {'ahead' if ahead > 0 else 'behind'}"
    if abs(ahead) <= seconds:
        text = "the same"
    facts = {"seconds_ahead": ahead, "error": seconds / 2}
    yield Step("clock", f"{text}, to {1000 * seconds / 2:.1f} ms", facts, True)
    yield Step(
        "round trip", f"{1000 * seconds:.1f} ms for a call", {"seconds": seconds}, True
    )
    content = _some_bytes(_BYTES)
    begun = time.perf_counter()
    caller.call(_size_of, content)
    sent = time.perf_counter() - begun
    begun = time.perf_counter()
    caller.call(_some_bytes, _BYTES)
    returned = time.perf_counter() - begun
    rates = {"there": _BYTES / sent, "back": _BYTES / returned}
    text = ", ".join(f"{_size(rate)}/s {way}" for way, rate in rates.items())
    yield Step("throughput", text, rates, True)


def _size(size: float | None) -> str:
    if size is None:
        return "an unknown size"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


# What follows is called there.


def _facts() -> dict[str, Any]:
    """Return what the far end has, as plain data."""
    from tempfile import gettempdir

    home, temporary = home_directory(), gettempdir()
    total, available = _memory()
    return {
        **facts_of_python(),
        "versions": _versions(),
        "home": home,
        "home_free": _free(home),
        "temporary": temporary,
        "temporary_free": _free(temporary),
        "cpus": _cpus(),
        "memory": total,
        "memory_available": available,
        "gpus": _gpus(),
    }


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _free(directory: str) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _memory() -> tuple[int | None, int | None]:
    """Return how many bytes of memory there are, and how many are available."""
    found: dict[str, int] = {}
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                found[name] = 1024 * int(value.split()[0])
    except (OSError, ValueError):
        pass
    if not found:
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (OSError, ValueError):
            return None, None
        return total, None
    return found.get("MemTotal"), found.get("MemAvailable")


def _gpus() -> list[str]:
    """Return the names of the graphics cards that `nvidia-smi` knows."""
    import subprocess

    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIME_FOR_GPUS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()


def _clock() -> float:
    return time.time()


def _size_of(content: bytes) -> int:
    return len(content)


def _some_bytes(count: int) -> bytes:
    # What could be compressed would be faster than what is.
    block = os.urandom(1 << 16)
    return block * (count // len(block))
