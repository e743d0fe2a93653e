"""Facts about the content of files, remembered as long as the files are the same.

A file is taken for the same when its size, its time and its inode are. What is known of
it is kept in this process, and below `BANDSAW_HOME` for the processes to come, unless
everybody may change it there.
"""

from __future__ import annotations

import os
import time

from .fork import call_at_reset
from .hashing import sha256
from .home import home_directory, make_directory
from .json_text import loads, make_dumps
from .path_trust import check_home
from .registries import code_came_at
from .temporary import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Key = tuple[str, str]

# A file that was changed just now may be changed again without a change of its time.
_YOUNG_NS = 2 * 10**9

# The resolution of the times at which processes start, in seconds.
_TICK = 0.05

# After how many seconds without a question something is forgotten.
_KEPT = 90 * 24 * 60 * 60

_known: dict[Key, tuple[list[int], Any]] = {}
call_at_reset(_known.clear)

# By home directory, whether what is remembered there can be trusted
_trusted: dict[str, bool] = {}
call_at_reset(_trusted.clear)

_REMEMBERED = "remembered"

_dumps = make_dumps()


def cached_facts(
    kind: str, path: str, status: os.stat_result, compute: Callable[[], Any]
) -> Any:
    """Return what was found out about a file, or find it out.

    Args:
        kind: What is to be known. It changes with the way in which that is computed.
        path: The path of the file.
        status: The file's status, from before its content was read.
        compute: Finds it out; the answer is plain data that JSON knows.

    Returns:
        The answer, of this time or of an earlier one.
    """
    identity = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev]
    known = _known.get((kind, path))
    if known is not None and known[0] == identity:
        return known[1]
    directory = _directory()
    place = None if directory is None else _place(directory, kind, path)
    answer = None if place is None else _read(place, identity)
    if answer is None:
        answer = compute()
        if time.time_ns() - status.st_mtime_ns < _YOUNG_NS:
            return answer
        if place is not None:
            _write(place, [identity, answer])
    _known[kind, path] = (identity, answer)
    return answer


def _directory() -> str | None:
    """Return the directory of all facts, `None` if it cannot be used."""
    home = home_directory()
    if home not in _trusted:
        try:
            check_home(home, make_directory(_REMEMBERED))
            _trusted[home] = True
        except OSError:
            _trusted[home] = False
    return os.path.join(home, _REMEMBERED) if _trusted[home] else None


def _place(directory: str, kind: str, path: str) -> str:
    name = sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:32]
    return os.path.join(directory, kind, f"{name}.json")


def _read(place: str, identity: list[int]) -> Any:
    """Return the answer in a file, `None` if it is of another content, or damaged."""
    try:
        with open(place, encoding="utf-8") as file:
            found, answer = loads(file.read())
    except (OSError, TypeError, ValueError):
        return None
    return answer if found == identity else None


def _write(place: str, content: Any) -> None:
    directory = os.path.dirname(place)
    beside = f"{place}.{os.urandom(8).hex()}"
    try:
        if not os.path.isdir(directory):
            os.makedirs(directory, 0o700, exist_ok=True)
            _remove_unused(os.path.dirname(directory))
        with open(beside, "x", encoding="utf-8", opener=open_private) as file:
            file.write(_dumps(content))
        os.replace(beside, place)
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass  # Then it is found out again the next time.


def _remove_unused(parent: str) -> None:
    for directory, _, names in os.walk(parent):
        for name in names:
            path = os.path.join(directory, name)
            try:
                if time.time() - os.stat(path).st_mtime > _KEPT:
                    os.unlink(path)
            except OSError:
                pass  # Another process was faster.


def changed_after_start(changed: float, tolerance: float = _TICK) -> bool:
    """Tell if a file was changed after this process began.

    Args:
        changed: The time of its last change, in seconds.
        tolerance: How long after the start, in seconds, that is ignored.
    """
    return changed > start_of_process() + tolerance


def start_of_process() -> float:
    """Return when this process began to load code, in seconds since the epoch."""
    if _Process.start is None:
        # One that has waited for its code has loaded nothing of it before.
        _Process.start = code_came_at.get() or _read_start() or _estimate_start()
    return _Process.start


class _Process:
    """This process, or the one that it was forked from when it knew its start."""

    start: float | None = None


def _read_start() -> float | None:
    """Return when the process began, in seconds, where Linux tells it."""
    try:
        with open("/proc/self/stat", "rb") as file:
            # The name of the program comes before and may contain anything.
            fields = file.read().rpartition(b")")[2].split()
        ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks)
    except (OSError, AttributeError, LookupError, ValueError):
        return None


def _estimate_start() -> float:
    """Return when the process began, in seconds, or up to a second later."""
    import subprocess

    # It has used no more time than has passed; most that wait have used much less.
    start = time.time() - time.process_time()
    command = ["ps", "-o", "etime=", "-p", str(os.getpid())]
    try:
        elapsed = subprocess.check_output(command, stderr=subprocess.DEVNULL).decode()
        days, _, clock = elapsed.strip().rpartition("-")
        seconds = int(days or 0) * 24 * 60 * 60
        for power, number in enumerate(reversed(clock.split(":"))):
            seconds += int(number) * 60**power
        return min(start, time.time() - seconds)
    except (OSError, ValueError, subprocess.SubprocessError):
        return start
