"""Private directories that go away with their owner, at the latest after the process.

A process that is killed cannot clean up. So each directory that does not lie in another
one holds a file that its process keeps locked, and what a dead process has left is
removed by the next one that makes a directory at the same place, by a child that sees
its parent die, or by the process that had started it for a pool.

Another machine makes a directory for each call. An interpreter that continues a session
there locks that directory, and removes those beside it that a killed workflow has left.
"""

from __future__ import annotations

import os
import sys
import time

from .fork import call_at_exit, call_at_reset, call_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Sequence

# How the names of directories with a lock begin, how many random hexadecimal digits
# they end with, and what the file is called. It holds the id of the process, which may
# lose its locks, but not its id, while it lives, and the name of the machine, as not
# every file system knows the locks of other ones.
_PREFIX = "bandsaw-"
_RANDOM_DIGITS = 10
_LOCK = ".lock"

# What the interpreter for a call from another machine locks in the directory of the
# call, which outlives it until the answer is fetched, and how many random hexadecimal
# digits the name of such a directory ends with.
_INTERPRETER = ".interpreter"
_DIGITS_OF_CALL = 32

# How long such a directory stays unchanged at most while its workflow lives and no
# interpreter runs there, in seconds.
_LONGEST_PAUSE = 24 * 60 * 60

# How long it takes at most to lock a directory that was just made, in seconds.
_LONGEST_START = 60 * 60

# How long to wait between two looks at what another process may leave, in seconds.
_PAUSE = 0.02

# How often to try to make what other processes are removing.
_TRIES = 100


class _State:
    """The files and directories that this process has made."""

    def __init__(self) -> None:
        # The directories that are not removed yet, with the descriptor of their lock
        self.directories: dict[str, int | None] = {}
        # What leads to them, the outermost directory first
        self.parents: list[str] = []
        # Where this process has made directories with a lock
        self.places: set[str] = set()
        # Where the user wants them, with what was not there when that was chosen
        self.chosen: dict[str, list[str]] = {}
        # Where they are made in a process that may be killed at any time
        self.parent_directory: str | None = None

    def forget(self) -> None:
        """Leave what the parent of a forked process has made to the parent."""
        for descriptor in self.directories.values():
            if descriptor is not None:
                os.close(descriptor)
        self.directories.clear()
        self.parents.clear()

    def reset(self) -> None:
        """Forget where directories are made, after removing what was left there."""
        _remove_shared()
        self.parent_directory = None
        self.places.clear()
        self.chosen.clear()


_state = _State()
call_in_child(_state.forget)
call_at_reset(_state.reset)


class TemporaryDirectory:
    """A new directory that only the user can enter.

    It is removed with its content when asked to, when the object is collected, or when
    the process that made it ends. A forked child never removes it.

    Args:
        parent: The directory to make it in. The system's one, when left out.
        kind: What its name says that it is for.

    Attributes:
        path: Where it is.
    """

    path = ""

    def __init__(self, parent: str | None = None, kind: str = "") -> None:
        self._process = os.getpid()
        call_at_exit(_remove_all, priority=-100)
        parent = os.path.abspath(parent or _system_directory())
        if _is_removed_with_another(parent):
            self.path = _make_new(parent, kind or _PREFIX)
            _state.directories[self.path] = None
        else:
            if parent not in _state.places:
                _state.places.add(parent)
                _remove_left(parent)
            self.path = _make_new(parent, _PREFIX + kind)
            _state.directories[self.path] = None  # In case that the next step fails
            _state.directories[self.path] = _hold(self.path)

    def remove(self) -> None:
        """Remove the directory with its content; a second time has no effect."""
        if self._process == os.getpid():
            _remove(self.path)

    def __del__(self) -> None:
        # When modules are already gone, it was removed at the exit.
        if _remove is not None:
            self.remove()


def set_parent_directory(path: str | None) -> None:
    """Set where this process makes its temporary directories.

    Args:
        path: The directory, which another process removes; `None` for the usual place.
    """
    # The program may change the working directory.
    _state.parent_directory = None if path is None else os.path.abspath(path)


def parent_directory_for(directory: str | None) -> str | None:
    """Return where this process has to make a directory of its own.

    Args:
        directory: The user's directory for temporary files, `None` for the system's.

    Returns:
        A directory; `None` if the user's one, or one of the system's, is its own.
    """
    if _state.parent_directory is not None:
        return _state.parent_directory
    if directory is None or not _is_of_a_pool():
        return None
    # The one that has started the pool removes it.
    _make_shared(directory)
    return directory


def choose_directory(path: str) -> None:
    """Remember where the user wants temporary directories.

    Args:
        path: The directory. Processes that this one starts for a pool may make it, too.
    """
    missing: list[str] = []
    _state.chosen[path] = missing
    while not os.path.isdir(path):
        missing.insert(0, path)
        path = os.path.dirname(path)


def clean_up_at_exit() -> None:
    """Remove at the end what the processes of a pool leave that this one starts.

    A pool ends its processes without a chance to clean up.
    """
    call_at_exit(_remove_all, priority=-100)


def places_of_directories() -> list[str]:
    """Return where this process has made directories that a kill would leave."""
    return sorted(_state.places)


def left_directories(place: str, dead: int | None = None) -> Iterator[str]:
    """Yield the directories that dead processes of this user have left.

    Args:
        place: Where to look for them.
        dead: The id of a process that is known to be dead.
    """
    try:
        names = os.listdir(place)
    except OSError:
        return
    for name in names:
        if name.startswith(_PREFIX) and _is_hexadecimal(name[-_RANDOM_DIGITS:]):
            path = os.path.join(place, name)
            is_own = path in _state.directories
            if not is_own and (_is_left(path, dead) or _is_begun(path)):
                yield path


def remove_when_left(paths: Sequence[str], seconds: float) -> None:
    """Remove directories of another process on this machine when that is dead.

    Args:
        paths: The directories.
        seconds: How long to wait until it is dead or has removed them.
    """
    deadline = time.monotonic() + seconds
    while paths and time.monotonic() < deadline:
        for path in filter(_is_left, paths):
            _remove_tree(path)
        paths = [path for path in paths if os.path.lexists(path)]
        if paths:
            time.sleep(_PAUSE)


def hold_directory_of_call(path: str) -> None:
    """Lock the directory of a call from another machine as long as this process lives.

    Args:
        path: The directory.
    """
    try:
        _hold(path, _INTERPRETER)
    except OSError:
        pass  # The lock protects only what stays unchanged for long.


def remove_left_directories_of_calls(path: str) -> None:
    """Remove what killed workflows on other machines have left.

    No process here can see such a workflow. It is taken for dead when its directory has
    not been changed for long, and no interpreter runs there.

    Args:
        path: The directory of a call that was just locked; the others are beside it.
    """
    place, own = os.path.split(path)
    try:
        now = os.lstat(path).st_mtime  # By the clock of this file system
        names = [name for name in os.listdir(place) if name != own]
    except OSError:
        return
    for name in filter(_is_name_of_call, names):
        other = os.path.join(place, name)
        if _is_left_by_call(other, now):
            import shutil

            # Another user may be able to put a link there, which this refuses.
            shutil.rmtree(other, ignore_errors=True)


def make_directory(path: str) -> None:
    """Make a directory that only the user can enter, and its parents.

    When the process ends it is removed, unless there is something left in it.

    Args:
        path: Where to make it; another process may do so at the same time.
    """
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_directory(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    _state.parents.append(path)
    call_at_exit(_remove_all, priority=-100)


def open_private(path: str, flags: int) -> int:
    """Open a file that only the user can read; an `opener` for the built-in `open`."""
    return os.open(path, flags, 0o600)


def _system_directory() -> str:
    """Return the system's directory for temporary files."""
    # The module `tempfile` takes long to import. It tries the same ones first, and
    # knows others if they cannot be used. What it has chosen once stays.
    if "tempfile" not in sys.modules:
        named = map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))
        directory = next(filter(None, named), "/tmp")
        if _is_usable(directory):
            return directory
    from tempfile import gettempdir

    return gettempdir()


def _is_usable(directory: str) -> bool:
    try:
        is_full = not os.statvfs(os.path.join(directory, "")).f_bavail
    except OSError:
        return False
    return not is_full and os.access(directory, os.W_OK | os.X_OK)


def _make_new(parent: str, prefix: str) -> str:
    """Make a directory with a name that cannot be foreseen."""
    for _ in range(_TRIES):
        path = os.path.join(parent, prefix + os.urandom(_RANDOM_DIGITS // 2).hex())
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            continue
        except FileNotFoundError:
            if parent not in _state.chosen:
                raise
            _make_shared(parent)
            continue
        return path
    raise FileNotFoundError(f"{parent} is removed again and again.")


def _make_shared(directory: str) -> None:
    """Make a directory that processes of a pool share, and remove as they end."""
    for _ in range(_TRIES):
        try:
            os.makedirs(directory, 0o700, exist_ok=True)
        except FileNotFoundError:
            continue  # One of them has just removed what leads there.
        return
    raise FileNotFoundError(f"What leads to {directory} is removed again and again.")


def _is_of_a_pool() -> bool:
    """Tell if `multiprocessing` has started this process, which ends with its parent.

    That is different for a process that was just forked.
    """
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _is_removed_with_another(parent: str) -> bool:
    """Tell if what is made in a directory is removed with another one at the latest."""
    others = [path for path, lock in _state.directories.items() if lock is not None]
    if _state.parent_directory is not None:
        others.append(_state.parent_directory)
    return os.path.join(parent, "").startswith(
        tuple(os.path.join(path, "") for path in others)
    )


def _hold(directory: str, name: str = _LOCK) -> int | None:
    """Lock a directory as long as this process lives.

    Args:
        directory: The directory.
        name: The name of the file in it that is locked.
    """
    import fcntl

    path = os.path.join(directory, name)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    # It has its name when it is locked.
    descriptor = os.open(f"{path}.new", flags, 0o600)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)  # There are no locks in this file system.
            return None
        os.write(descriptor, _content(os.getpid()))
        os.rename(f"{path}.new", path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_name_of_call(name: str) -> bool:
    digits = name[len(_PREFIX) :]
    return (
        name.startswith(_PREFIX)
        and len(digits) == _DIGITS_OF_CALL
        and _is_hexadecimal(digits)
    )


def _is_hexadecimal(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


def _is_left_by_call(directory: str, now: float) -> bool:
    try:
        status = os.lstat(directory)
        if status.st_uid != os.getuid():
            return False
        with os.scandir(directory) as entries:
            times = {
                entry.name: entry.stat(follow_symlinks=False).st_mtime
                for entry in entries
            }
    except OSError:
        return False  # It is just being removed.
    if now - max([status.st_mtime, *times.values()]) < _LONGEST_PAUSE:
        return False
    # Where there are no locks, the file keeps its first name.
    if not any(name.startswith(_INTERPRETER) for name in times):
        return True
    return _is_left(directory, name=_INTERPRETER)


def _is_left(directory: str, dead: int | None = None, name: str = _LOCK) -> bool:
    import fcntl

    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        if os.lstat(directory).st_uid != os.getuid():
            return False
        descriptor = os.open(os.path.join(directory, name), flags)
    except OSError:
        return False  # It has none, or is just being removed.
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = os.read(descriptor, 1024)
        process = int(content.split()[0])
    except (IndexError, OSError, ValueError):
        return False
    finally:
        os.close(descriptor)
    if content != _content(process):
        return False  # It is of another machine.
    return process == dead or not _is_alive(process)


def _is_begun(directory: str) -> bool:
    """Tell if a process was killed before it had locked a directory, or as it left."""
    import fcntl

    try:
        status = os.lstat(directory)
        names = os.listdir(directory)
        if status.st_uid != os.getuid() or set(names) - {f"{_LOCK}.new"}:
            return False
        if time.time() - status.st_mtime < _LONGEST_START:
            return False
        for name in names:
            # It keeps this name where there are no locks.
            with open(os.path.join(directory, name), "r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return not _is_name_of_call(os.path.basename(directory))


def _content(process: int) -> bytes:
    return f"{process} {os.uname().nodename}".encode()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):
        return False  # Another user's process has got its id by now.
    return True


def _remove_left(place: str) -> None:
    for path in left_directories(place):
        _remove_tree(path)


def _remove_tree(path: str) -> None:
    # Most hold little else, and the module `shutil` takes long to import.
    try:
        _remove_few(path)
    except OSError:
        # Something was put there just now, or there are more directories inside.
        import shutil

        for name in _other_names(path):
            shutil.rmtree(os.path.join(path, name), ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)


def _other_names(path: str) -> list[str]:
    """Return what is in a directory beside its lock, which goes last.

    When this process is killed meanwhile, another one finds the rest by the lock.
    """
    try:
        return [name for name in os.listdir(path) if name != _LOCK]
    except OSError:
        return []


def _remove_few(path: str) -> None:
    """Remove a directory with files, and with directories that are empty.

    Raises:
        OSError: If there is more in it.
    """
    with os.scandir(path) as entries:
        found = sorted(entries, key=lambda entry: entry.name == _LOCK)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(path)


def _remove(path: str) -> None:
    if path in _state.directories:
        _remove_tree(path)
        descriptor = _state.directories.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)


def _remove_all() -> None:
    for path in list(_state.directories):
        _remove(path)
    util = sys.modules.get("multiprocessing.util")
    if util is None or util.is_exiting():
        _remove_shared()
    else:
        # First multiprocessing waits for its processes.
        util.Finalize(None, _remove_shared, exitpriority=-100)


def _remove_shared() -> None:
    """Remove what processes of a pool may have used as well."""
    if "multiprocessing" in sys.modules:
        from tempfile import gettempdir

        for place in {gettempdir(), *_state.chosen}:
            _remove_left(place)
        # These processes may also have made what leads there.
        for missing in _state.chosen.values():
            _state.parents.extend(missing)
    for path in sorted(set(_state.parents), reverse=True):
        try:
            os.rmdir(path)
        except OSError:
            pass  # The user has put something there, or another process was faster.
    _state.parents.clear()
