"""Private directories that go away with their owner, at the latest with the process."""

from __future__ import annotations

import os
import sys

from .fork import call_at_exit, call_at_reset, call_in_child

# The directories that this process has made and not removed yet.
_directories: set[str] = set()
_made_parents: list[str] = []
# What a forked child removes is its own.
call_in_child(_directories.clear)
call_in_child(_made_parents.clear)

# Names the directory for everything of the processes of a pool.
_POOL_DIRECTORY_ENV_VARIABLE = "BANDSAW_POOL_DIRECTORY"


class TemporaryDirectory:
    """A new directory that only the user can enter.

    It is removed with its content when asked to, when the object is collected, or when
    the process that made it ends. A forked child never removes it.

    Args:
        parent: The directory to make it in. The system's one, when left out.
        prefix: How its name begins.

    Attributes:
        path: Where it is.
    """

    def __init__(self, parent: str | None = None, prefix: str = "bandsaw-") -> None:
        from tempfile import mkdtemp

        self.path = mkdtemp(prefix=prefix, dir=parent)
        self._process = os.getpid()
        _directories.add(self.path)
        call_at_exit(_remove_all, priority=-100)

    def remove(self) -> None:
        """Remove the directory with its content; again does no harm."""
        if self._process == os.getpid():
            _remove(self.path)

    __del__ = remove


def set_parent_directory(path: str | None) -> None:
    """Set where this process makes its temporary directories.

    Args:
        path: The directory, which somebody else removes; `None` for the usual place.
    """
    # The program may change the working directory.
    _pool.parent_directory = None if path is None else os.path.abspath(path)


def reserve_pool_directory() -> None:
    """Choose where processes make their directories that this one starts for a pool.

    A pool ends its processes without a chance to clean up. This process does it for
    them, at its end.
    """
    if _POOL_DIRECTORY_ENV_VARIABLE not in os.environ:
        _pool.name = "bandsaw-pool-" + os.urandom(16).hex()
        _pool.process = os.getpid()
        os.environ[_POOL_DIRECTORY_ENV_VARIABLE] = _pool.name
        call_at_exit(_remove_all, priority=-100)


def parent_directory_for(directory: str | None) -> str | None:
    """Say where this process has to make its directories.

    Args:
        directory: The user's directory for temporary files, `None` for the system's.

    Returns:
        A directory that somebody else removes; `None` if this process is its own.
    """
    if _pool.parent_directory is not None or not _is_of_a_pool():
        return _pool.parent_directory
    name = os.environ.get(_POOL_DIRECTORY_ENV_VARIABLE)
    if not name or _pool.process == os.getpid():
        return None
    from tempfile import gettempdir

    path = os.path.join(directory or gettempdir(), os.path.basename(name))
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        os.mkdir(path, 0o700)
    except FileExistsError:
        status = os.lstat(path)
        if status.st_uid != os.getuid() or status.st_mode & 0o170022 != 0o040000:
            return None  # Somebody else has put it there.
    return path


def add_user_directory(path: str) -> None:
    """Remember where the processes of a pool may have made their directory, too."""
    _pool.user_directories[path] = _missing_directories(path)


def _missing_directories(path: str) -> list[str]:
    missing: list[str] = []
    while not os.path.isdir(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


def _is_of_a_pool() -> bool:
    """Tell if `multiprocessing` has started this process, which ends with its parent.

    That is different for a process that was just forked: it must not depend on what its
    parent may remove.
    """
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


class _PoolDirectory:
    """The directory that this process has chosen for the processes of pools."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        # Where temporary directories are made in a process that may be killed any time
        self.parent_directory: str | None = None
        self.name: str | None = None
        self.process: int | None = None
        # With what was not there when they were chosen, the outermost directory first
        self.user_directories: dict[str, list[str]] = {}

    def reset(self) -> None:
        """Forget what was chosen, and remove it."""
        self.remove()
        if self.name and os.environ.get(_POOL_DIRECTORY_ENV_VARIABLE) == self.name:
            del os.environ[_POOL_DIRECTORY_ENV_VARIABLE]
        self._begin()

    def remove(self) -> None:
        if self.name is None or self.process != os.getpid():
            return
        # Without these there is no process that could have made one.
        if not {"multiprocessing", "subprocess"} & sys.modules.keys():
            return
        from shutil import rmtree
        from tempfile import gettempdir

        rmtree(os.path.join(gettempdir(), self.name), ignore_errors=True)
        for directory, missing in self.user_directories.items():
            path = os.path.join(directory, self.name)
            if os.path.isdir(path):
                rmtree(path, ignore_errors=True)
                # The processes may also have made what leads there.
                _made_parents.extend(
                    name for name in missing if name not in _made_parents
                )


_pool = _PoolDirectory()
call_at_reset(_pool.reset)


def make_directory(path: str) -> None:
    """Make a directory that only the user can enter, and its parents.

    When the process ends it is removed, unless there is something left in it.

    Args:
        path: Where to make it; somebody else may do so at the same time.
    """
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_directory(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    _made_parents.append(path)
    call_at_exit(_remove_all, priority=-100)


def open_private(path: str, flags: int) -> int:
    """Open a file that only the user can read; an `opener` for the built-in `open`."""
    return os.open(path, flags, 0o600)


def _remove(path: str) -> None:
    if path in _directories:
        import shutil

        shutil.rmtree(path, ignore_errors=True)
        _directories.discard(path)


def _remove_all() -> None:
    for path in list(_directories):
        _remove(path)
    util = sys.modules.get("multiprocessing.util")
    if util is None or util.is_exiting():
        _remove_shared()
    else:
        # First multiprocessing waits for its processes.
        util.Finalize(None, _remove_shared, exitpriority=-100)


def _remove_shared() -> None:
    """Remove what processes of a pool may have used as well."""
    _pool.remove()
    while _made_parents:
        try:
            os.rmdir(_made_parents.pop())
        except OSError:
            pass  # The user has put something there, or somebody was faster.
