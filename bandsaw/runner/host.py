"""Continue sessions in a process of an engine, with the code that has come along.

Workers of Dask and Ray are sent the text of this module, which runs before anything of
bandsaw can be imported. So it knows the standard library only. The first code that
comes into a process is imported there. Sessions with other code, and those of a process
in which another bandsaw was imported, are continued in child processes.
"""

from __future__ import annotations

import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from typing import Any, Sequence, Union

    #: The answer; or what has kept the session from being continued, the answer and
    #: its buffers.
    Answer = Union[bytes, tuple[Any, bytes, Sequence[Any]]]

# The name in `sys` of what says which code the process has imported. Hosts of different
# versions of bandsaw share it.
_OWNER = "_bandsaw_code"

# The module that continues sessions, of an archive or of what is installed
_ENGINE = "bandsaw.runner.engine"

# How long a child waits for another session, in seconds.
_PATIENCE = 60.0

# What a child is told to run.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from bandsaw.runner.engine import serve; serve(*map(int, sys.argv[2:5]))"
)


#: The environment variables that children have besides those of this process.
child_variables: dict[str, str] = {}


class Code:
    """Code with which sessions are continued.

    Args:
        key: What tells it from other code, and from the same with other settings.
            Before a hyphen, what a process that has it imported has to have in common.
        directory: Where its archive is unpacked.
        settings: What a process has to know besides.
    """

    def __init__(self, key: str, directory: str, settings: dict[str, Any]) -> None:
        self._owner = key.partition("-")[0]
        self.directory = directory
        self.settings = settings
        self._idle: list[_Child] = []

    def is_imported_here(self) -> bool:
        """Import it if this process has imported no other; tell if it is imported."""
        owner = vars(sys).get(_OWNER)
        if owner is None:
            is_free = "bandsaw" not in sys.modules or _is_imported_from(self.directory)
            owner = vars(sys).setdefault(_OWNER, self._owner if is_free else "")
            if owner == self._owner:
                self._begin()
        return bool(owner == self._owner)

    def _begin(self) -> None:
        sys.path.insert(0, self.directory)
        try:
            self._engine().begin(self.directory, self.settings)
        except BaseException:
            # The session was cancelled meanwhile, and the next one begins anew.
            sys.path.remove(self.directory)
            del vars(sys)[_OWNER]
            raise

    @staticmethod
    def _engine() -> Any:
        # It may be that of an archive, or the one that is installed.
        from importlib import import_module

        return import_module(_ENGINE)

    def serve(self, request: bytes, buffers: Sequence[Any]) -> Answer:
        """Continue a session.

        Args:
            request: The session, and its conditions.
            buffers: What stands beside it.
        """
        if vars(sys).get(_OWNER) == self._owner:
            modules = self.settings.get("modules")
            # It is imported; to import it again takes time even so.
            engine: Any = sys.modules.get(_ENGINE) or self._engine()
            return engine.continue_session(request, buffers, modules)  # type: ignore[no-any-return]
        try:
            while True:
                with _lock:
                    child = self._idle.pop() if self._idle else None
                if child is None:
                    child = _Child(self)
                elif not child.is_alive:
                    child.end()
                    continue
                break
            answer = child.ask(request, buffers)
        except (EOFError, OSError) as error:
            status = None if child is None else child.end()
            text = f"The process of a session in {_place()} ended with status {status}"
            return f"{text} without an answer: {error!r}", b"", ()
        except BaseException:
            if child is not None:
                child.end()
            raise
        with _lock:
            self._idle.append(child)
        return answer


class _Child:
    """A process that continues sessions with the code that belongs to it."""

    def __init__(self, code: Code) -> None:
        import socket
        import subprocess
        from multiprocessing.connection import Connection

        here, there = socket.socketpair()
        line, self._lifeline = os.pipe()
        numbers = there.fileno(), line
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _CHILD,
                    code.directory,
                    *map(str, (*numbers, os.getpid())),
                ],
                env={**os.environ, **child_variables},
                stdin=subprocess.DEVNULL,
                pass_fds=numbers,
                start_new_session=True,
            )
        finally:
            there.close()
            os.close(line)
        self._connection: Connection = Connection(here.detach())
        self._connection.send((code.directory, code.settings, _PATIENCE))

    @property
    def is_alive(self) -> bool:
        """Whether it waits for a session."""
        # All that it says unasked is that it ends.
        return not self._connection.poll()

    def ask(self, request: bytes, buffers: Sequence[Any]) -> Answer:
        self._connection.send((request, [bytes(buffer) for buffer in buffers]))
        return self._connection.recv()  # type: ignore[no-any-return]

    def end(self) -> int:
        """End the process and return its exit status."""
        self._connection.close()
        os.close(self._lifeline)
        try:
            return self._process.wait(5)
        except Exception:
            self._process.kill()
            return self._process.wait()


_codes: dict[str, Code] = {}
_lock = threading.RLock()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    for code in _codes.values():
        code._idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def import_nothing() -> None:
    """Let sessions be continued in child processes, unless code was imported before."""
    vars(sys).setdefault(_OWNER, "")


def knows(key: str) -> bool:
    """Tell if some code was brought to this process.

    Args:
        key: Its key.
    """
    return key in _codes


def bring(key: str, settings: dict[str, Any], directory: str) -> None:
    """Let this process know some code.

    Args:
        key: Its key.
        settings: What a process has to know besides.
        directory: Where its archive is unpacked.
    """
    with _lock:
        if key not in _codes:
            code = Code(key, directory, settings)
            code.is_imported_here()
            _codes[key] = code


def bring_archive(key: str, settings: dict[str, Any], archive: bytes) -> None:
    """Let this process know some code that is not on its machine.

    Args:
        key: Its key.
        settings: What a process has to know besides.
        archive: The content of the distribution archive.
    """
    with _lock:
        if key not in _codes:
            bring(key, settings, _unpack(archive))


def serve(key: str, request: bytes, buffers: Sequence[Any]) -> Answer:
    """Continue a session with some code that was brought.

    Args:
        key: The key of the code.
        request: The session, and its conditions.
        buffers: What stands beside it.
    """
    return _codes[key].serve(request, buffers)


def _unpack(archive: bytes) -> str:
    """Unpack an archive into the home directory, unless that was done before."""
    import shutil
    import tempfile

    names = "_bandsaw_bootstrap", "_bandsaw_home", "_bandsaw_path_trust"
    directory = tempfile.mkdtemp(prefix="bandsaw-archive-")
    path = os.path.join(directory, "archive.pyz")
    sys.path.insert(0, path)
    try:
        with open(path, "xb") as file:
            file.write(archive)
        import _bandsaw_bootstrap

        return _bandsaw_bootstrap.unpack(path)  # type: ignore[no-any-return]
    finally:
        # Another archive brings its own.
        for name in names:
            sys.modules.pop(name, None)
        sys.path.remove(path)
        sys.path_importer_cache.pop(path, None)
        shutil.rmtree(directory, ignore_errors=True)


def is_unpacked(directory: str) -> bool:
    """Tell if this machine has an unpacked archive that no other user can change.

    Args:
        directory: Where it is unpacked.
    """
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _is_imported_from(directory: str) -> bool:
    """Tell if the imported bandsaw has the content of the one in an archive."""
    from importlib import import_module

    ours = os.path.dirname(import_module("bandsaw").__file__ or "")
    theirs = os.path.realpath(os.path.join(directory, "bandsaw"))
    for parent, _, names in os.walk(theirs):
        for name in names:
            path = os.path.join(parent, name)
            other = os.path.join(ours, os.path.relpath(path, theirs))
            if name.endswith(".py") and _content_of(path) != _content_of(other):
                return False
    return True


def _content_of(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _place() -> str:
    import socket

    return f"process {os.getpid()} of {socket.gethostname()}"
