"""A process on this machine that continues sessions, and what it is started with.

It is started with a channel, a lifeline and perhaps pipes for its output. It never
outlives the process that has started it.
"""

from __future__ import annotations

import _socket
import os
import sys
from _signal import SIGKILL  # type: ignore[import-not-found]

from ..exceptions import InterpreterDiedError, InterpreterError, InterpreterStartError
from ..modules import working_directory
from ..runtime.contexts import ExitStack
from ..runtime.fork import Lock
from ..runtime.parent_watch import Lifeline
from ..runtime.temporary import TemporaryDirectory
from . import frames
from .frames import Channel, SessionMessage
from .output import ChildStream
from .spawning import start_process
from .termination import (
    MARK_VARIABLE,
    describe_exit,
    end_group,
    end_left,
    signal_group,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Sequence, TextIO

    from ..interpreter import Interpreter
    from .base import Job
    from .frames import Handshake
    from .lane import FarProcess
    from .output import TextOutput


_NO_VARIABLES: Mapping[str, str] = {}

# What a process runs until it knows its code: the main module of the directory that the
# channel names first, as if that had been on the command line. A `compile` would give
# its code a file name, but the first one of a process takes more than a millisecond.
_LOADER = """\
import posix, sys
if sys.version_info < (3, 8):
    sys.exit("bandsaw needs Python 3.8, and this is %d.%d.%d" % sys.version_info[:3])
descriptor = int(sys.argv[1])
size = posix.read(descriptor, 8)
if not size:
    sys.exit()
__file__ = posix.read(descriptor, int(size)).decode("utf-8", "surrogatepass")
sys.argv[:1] = [__file__, "--channel"]
if sys.path[:1] == [""]:
    del sys.path[0]
with open(__file__, "rb") as file:
    code = file.read()
exec(code)
"""


class ProcessSpecification:
    """The parameters of a process; processes with equal ones are interchangeable.

    Args:
        job: The job that needs a process.
    """

    __slots__ = ("_parts", "archive", "interpreter", "piped", "run", "settings")

    #: What packs the sessions that the process is sent.
    session_message = SessionMessage

    def __init__(self, job: Job) -> None:
        self.interpreter = job.interpreter
        self.archive = job.archive
        self.settings = job.settings.process
        self.run = job.session.run
        self.piped = (True, True) if job.output_to is not None else piped_streams()
        self._parts: tuple[object, ...] = (
            # Another one was made when another module was imported.
            id(self.archive),
            self.piped,
            working_directory(),
            self.settings,
            # A copy: the interpreter's environment and executable can be changed.
            dict(vars(self.interpreter)),
            # What is known of the run does not travel with every session.
            (id(self.run), repr(self.run.meta) if self.run.meta else ""),
            _environment(),
        )

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, ProcessSpecification) and self._parts == other._parts
        )

    def __hash__(self) -> int:
        return hash((id(self.archive), self.piped))

    @property
    def takes_routes(self) -> bool:
        """Whether calls may take short routes to the process."""
        return not any(self.piped)

    @property
    def takes_claims(self) -> bool:
        """Whether calls may be sent ahead to the process, see `claims`."""
        return True

    @property
    def name(self) -> str:
        """The name of the process in an error."""
        return self.interpreter.executable

    def start(
        self, parent_directory: str, variables: Mapping[str, str]
    ) -> LocalProcess | FarProcess:
        """Start a process.

        Args:
            parent_directory: Where to make the directory for its temporary files.
            variables: The environment variables that it has in addition.

        Raises:
            InterpreterStartError: If it cannot be started.
        """
        process = start_interpreter(
            self.interpreter, parent_directory, self.piped, variables
        )
        try:
            # The process starts while the archive is looked for.
            process.run_code(self.archive.directory)
        except BaseException as error:
            process.discard()
            if isinstance(error, OSError):
                raise _not_started(self.name, error) from error
            raise
        return process


def start_interpreter(
    interpreter: Interpreter,
    parent_directory: str,
    piped: tuple[bool, bool],
    variables: Mapping[str, str] = _NO_VARIABLES,
) -> LocalProcess:
    """Start a process that waits for its code.

    Args:
        interpreter: Its interpreter.
        parent_directory: Where to make the directory for its temporary files.
        piped: Whether its standard output and its standard error arrive here.
        variables: The environment variables that it has in addition.

    Raises:
        InterpreterStartError: If it cannot be started.
    """
    with ExitStack() as undoing:
        try:
            _occupy_standard_descriptors()
            streams: list[ChildStream | None] = []
            for name, is_piped in zip(("stdout", "stderr"), piped):
                stream = ChildStream(name) if is_piped else None
                streams.append(stream)
                if stream is not None:
                    undoing.callback(stream.close)
            process = LocalProcess(
                interpreter.executable,
                interpreter.command(),
                {**interpreter.process_environment(), **variables},
                parent_directory,
                [None if one is None else one.target for one in streams],
            )
        except OSError as error:
            raise _not_started(interpreter.executable, error) from error
        undoing.pop_all()
    for stream in streams:
        if stream is not None:
            stream.close_target()
    process.streams = [*streams]
    return process


def _not_started(name: str, error: OSError) -> InterpreterStartError:
    return InterpreterStartError(f"Interpreter {name} cannot be started: {error}")


def piped_streams() -> tuple[bool, bool]:
    """Tell if the output and the error of a process have to pass through this one."""
    return not is_inherited(sys.stdout, 1), not is_inherited(sys.stderr, 2)


def _environment() -> dict[Any, Any]:
    # A copy that decodes nothing is ten times faster; it is only compared.
    return dict(getattr(os.environ, "_data", os.environ))


def is_inherited(stream: TextIO | None, descriptor: int) -> bool:
    """Tell if a stream of this process is what its children inherit.

    What was written to it so far is flushed, to keep the order.

    Args:
        stream: The stream.
        descriptor: The descriptor that children inherit.
    """
    if stream is None:
        return False
    try:
        stream.flush()
        return stream.fileno() == descriptor
    except (AttributeError, OSError, ValueError):
        return False


def _occupy_standard_descriptors() -> None:
    """Open those of the descriptors 0 to 2 that are closed.

    What this process opens next would become one of them, and a standard stream of a
    child.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


class LocalProcess:
    """A process on this machine that continues sessions with the code it is given.

    Args:
        name: What it is called in an error.
        words: The command that starts its interpreter.
        environment: Its environment variables.
        parent_directory: Where to make the directory for its temporary files.
        outputs: The descriptors of its standard output and error, `None` for those of
            this process.

    Attributes:
        name: What it is called in an error.
        channel_end: This end of its channel, which belongs to the caller.
        is_ready: Whether it needs no handshake of its own.
        poll: Returns its exit status, `None` while it runs.
        streams: Where its standard output and error arrive, `None` for one that is
            inherited.

    Raises:
        OSError: If it cannot be started.
    """

    is_ready = False

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        environment: dict[str, str],
        parent_directory: str,
        outputs: Sequence[int | None],
    ) -> None:
        self.name = name
        self.streams: list[TextOutput | None] = []
        _occupy_standard_descriptors()
        os.makedirs(parent_directory, exist_ok=True)
        self._directory = TemporaryDirectory(parent_directory, "worker-")
        self._mark = os.urandom(8).hex()
        marks = environment.get(MARK_VARIABLE, "")
        environment = {**environment, MARK_VARIABLE: f"{marks}:{self._mark}"}
        with ExitStack() as undoing:
            undoing.callback(self._directory.remove)
            self._lifeline = Lifeline()
            undoing.callback(self._lifeline.__exit__, None, None, None)
            own, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
            undoing.callback(own.close)
            try:
                # A Ctrl-C is for this process, which ends it; so it has a session of
                # its own.
                self._process = start_process(
                    [*words, "-c", _LOADER],
                    environment,
                    outputs,
                    [theirs.fileno(), self._lifeline.descriptor],
                )
            finally:
                theirs.close()
            self._lifeline.continue_at_end(self._process.pid)
            undoing.pop_all()
        self.channel_end = own.detach()
        self.poll = self._process.poll
        self._ending = Lock()

    def run_code(self, directory: str) -> None:
        """Have it run the code that it continues sessions with.

        Args:
            directory: The directory with the content of an archive.
        """
        main = os.path.join(directory, "__main__.py").encode("utf-8", "surrogatepass")
        try:
            os.write(self.channel_end, b"%8d" % len(main) + main)
        except BrokenPipeError:
            pass  # It is gone, and its first job finds out why.

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def open_channel(self, is_alive: Callable[[], bool]) -> Channel:
        """Return its channel, which the descriptor belongs to from now on.

        Args:
            is_alive: Tells if it may still answer.
        """
        return Channel(self.channel_end, is_alive)

    def greet(self, channel: Channel, handshake: Handshake) -> None:
        """Send the first message to the process.

        Args:
            channel: Its channel.
            handshake: The message, which gets what the process has to know of this one.

        Raises:
            EOFError: If it is gone.
        """
        settings = {**(handshake.settings or {}), **self.settings}
        handshake.settings = settings
        channel.send(frames.HANDSHAKE, handshake.encode())

    @property
    def settings(self) -> dict[str, Any]:
        """The facts about this process that it has to know, to be asked for once."""
        settings = {
            "lifeline": {
                **self._lifeline.settings,
                "descriptor": self._process.descriptors[1],
            },
            "temporary_directory": self._directory.path,
        }
        self._lifeline.release_descriptor()
        return settings

    @property
    def status(self) -> int:
        """The exit status, as `ChildProcess` represents it."""
        return self._process.returncode or 0

    def death(self, more: str) -> InterpreterError:
        """Return the error about its end.

        Args:
            more: What the message adds.
        """
        return InterpreterDiedError(
            f"Interpreter {self.name} {describe_exit(self.status)}{more}"
        )

    def wait(self, seconds: float | None) -> None:
        """Wait until it has ended.

        Args:
            seconds: How long at most; `None` for as long as it takes.
        """
        self._process.wait(seconds)

    def end_group(self) -> None:
        """End it with what it has started, unless it has ended."""
        with self._ending:
            end_group(self._process)

    def end(self) -> None:
        """End it and everything that it has started."""
        # Another thread may have asked that to end, and wait for it.
        with self._ending:
            if self.poll() is not None:
                end_left(self._mark)
            end_group(self._process)
            # Whatever the process has started there cannot be told any more to end.
            signal_group(self._process.pid, SIGKILL)

    def kill(self) -> None:
        """End it at once; it has not worked yet."""
        signal_group(self._process.pid, SIGKILL)
        self._process.wait()

    def discard(self) -> None:
        """End a process whose channel is not used yet, and let go of it."""
        self.kill()
        os.close(self.channel_end)
        for stream in self.streams:
            if stream is not None:
                stream.close()
        self.close()

    def close(self) -> None:
        """Let go of what was made for it; idempotent."""
        self._lifeline.__exit__(None, None, None)
        self._directory.remove()

    def forget(self) -> None:
        """Let go of it in a forked child: it is its parent's."""
        self._process.returncode = 0
