"""The files of what is tracked, and how several processes write them."""

from __future__ import annotations

import os
import stat
from itertools import count

from ..exceptions import UntrustedDirectoryError
from ..runtime.fork import call_in_child
from ..session.attachments import copy_attachment
from .documents import Documents
from .names import file_name
from .recent import Recent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..session import Ids
    from ..session.attachments import Attachment, Attachments

_RUN_INFO = "run-info.json"
_TASK_INFO = "task-info.json"
_EXECUTION_INFO = "execution-info.json"
_SESSION_INFO = "session-info.json"
_RESULT_INFO = "result-info.json"
_ATTACHMENTS = "attachments"
_EARLIER_RESULT_INFO = "earlier-success-info.json"
_EARLIER_ATTACHMENTS = "earlier-success-attachments"

# Neither follows a link that another user has put there, nor waits for a pipe.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK

# No file with what is tracked of a result is as large, in bytes.
_LARGEST_RESULT = 16 * 1024 * 1024

_MOST_NEW = 1_000


class TrackingDirectory:
    """The directory in which a backend keeps what is tracked.

    Args:
        root: Its path, with a slash at its end.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._documents = Documents()
        self._last_place: _Place | None = None
        # Directories of sessions that this process has made and not left yet: nothing
        # of an earlier execution can be in them.
        self._new: Recent[bool] = Recent(_MOST_NEW)
        # Directories that are known to be no links.
        self._real: Recent[object] = Recent(_MOST_NEW)

    def write_run(self, ids: Ids, run_info: dict[str, Any]) -> None:
        """Write `run-info.json`, unless the run was tracked before."""
        place = self._place_of(ids)
        if not os.path.lexists(f"{place.run}/{_RUN_INFO}"):
            self._write(place.run, _RUN_INFO, run_info)

    def write_task(self, ids: Ids, task_info: dict[str, Any]) -> None:
        """Write `task-info.json`."""
        place = self._place_of(ids)
        self._update(place.task, _TASK_INFO, task_info)

    def write_execution(self, ids: Ids, execution_info: dict[str, Any]) -> None:
        """Write `execution-info.json`."""
        place = self._place_of(ids)
        is_new = _make_new_directory(place.execution)
        write = self._write if is_new else self._update
        write(place.execution, _EXECUTION_INFO, execution_info)

    def write_session(self, ids: Ids, session_info: dict[str, Any]) -> None:
        """Write `session-info.json`, and an empty file among those of the run."""
        place = self._place_of(ids)
        if _make_new_directory(place.session):
            self._new.setdefault(place.session, True)
        self._write(place.session, _SESSION_INFO, session_info)
        name = file_name(ids.session_id, reserved=_RUN_INFO)
        _make_empty_file(place.run, f"{place.run}/{name}")

    def write_result(self, ids: Ids, result_info: dict[str, Any]) -> None:
        """Write `result-info.json`; a failure moves an earlier success aside."""
        place = self._place_of(ids)
        if "exception" in result_info.get("result", ()):
            self._write_failure(place.session, result_info)
        else:
            self._write(place.session, _RESULT_INFO, result_info)

    def write_attachments(self, ids: Ids, attachments: Attachments) -> None:
        """Copy the attachments, and remove those of an earlier execution."""
        # It is the last that is told of a session.
        self._documents.forget()
        directory = self._place_of(ids).session
        is_new = self._new.pop(directory)
        if is_new and not attachments:
            return
        names = set()
        for name, attachment in attachments.items():
            self._copy(attachment, directory, _attachment_name(name))
            names.add(_attachment_name(name))
        if is_new:
            return
        try:
            obsolete = set(os.listdir(f"{directory}/{_ATTACHMENTS}")) - names
        except FileNotFoundError:
            return
        for name in obsolete:
            _remove_file(f"{directory}/{_ATTACHMENTS}/{name}")

    def _copy(self, attachment: Attachment, directory: str, name: str) -> None:
        temporary = _temporary_name(directory)
        descriptor = _open(directory, temporary, _CREATE)
        try:
            with open(descriptor, "wb") as target:
                copy_attachment(attachment, target)
            _make_new_directory(f"{directory}/{_ATTACHMENTS}")
            os.replace(temporary, f"{directory}/{_ATTACHMENTS}/{name}")
        except BaseException:
            _remove_file(temporary)
            raise

    def _place_of(self, ids: Ids) -> _Place:
        # Asked for several times in a row. Replaced as a whole, so it needs no lock.
        place = self._last_place
        if place is None or place.ids is not ids:
            shared = None if place is None else place.shared
            if shared is None or not shared.belong_to(ids):
                shared = _Shared(self._root, ids)
                for directory in shared.directories:
                    if self._real.add(directory):
                        _make_new_directory(directory)
            self._last_place = place = _Place(shared, ids)
        return place

    def _update(self, directory: str, name: str, info: dict[str, Any]) -> None:
        # Most are the same in each run, and to replace a file takes long on a disk.
        data = self._documents.document_of(info)
        if _read_up_to(f"{directory}/{name}", len(data) + 1) != data:
            self._write(directory, name, info)

    def _write(self, directory: str, name: str, info: dict[str, Any]) -> None:
        temporary = self._write_temporary(directory, info)
        try:
            os.rename(temporary, f"{directory}/{name}")
        except BaseException:
            _remove_file(temporary)
            raise

    def _write_temporary(self, directory: str, info: dict[str, Any]) -> str:
        data = self._documents.document_of(info)
        temporary = _temporary_name(directory)
        descriptor = _open(directory, temporary, _CREATE)
        try:
            try:
                written = os.write(descriptor, data)
                while written < len(data):
                    written += os.write(descriptor, data[written:])
            finally:
                os.close(descriptor)
        except BaseException:
            _remove_file(temporary)
            raise
        return temporary

    def _write_failure(self, directory: str, info: dict[str, Any]) -> None:
        # Other processes may write a success at any moment. So what is there is moved
        # away before it is looked at, and the failure is put only where nothing is.
        target = f"{directory}/{_RESULT_INFO}"
        temporary = self._write_temporary(directory, info)
        try:
            while True:
                if self._keep_success(directory):
                    _remove_file(temporary)
                    info = {**info, "earlier_success": _EARLIER_RESULT_INFO}
                    temporary = self._write_temporary(directory, info)
                try:
                    os.link(temporary, target)
                except FileExistsError:
                    continue
                except OSError:
                    # Not every file system knows links.
                    os.rename(temporary, target)
                break
        finally:
            _remove_file(temporary)

    def _keep_success(self, directory: str) -> bool:
        """Clear the place of the result, and tell if a success is kept beside."""
        kept = f"{directory}/{_EARLIER_RESULT_INFO}"
        found = _temporary_name(directory)
        try:
            os.rename(f"{directory}/{_RESULT_INFO}", found)
        except FileNotFoundError:
            return os.path.exists(kept)
        if _is_failure(found):
            _remove_file(found)
            return os.path.exists(kept)
        os.rename(found, kept)
        import shutil

        kept_attachments = f"{directory}/{_EARLIER_ATTACHMENTS}"
        shutil.rmtree(kept_attachments, ignore_errors=True)
        try:
            os.rename(f"{directory}/{_ATTACHMENTS}", kept_attachments)
        except OSError:
            # There are none, or another process has just moved them.
            pass
        return True


class _Shared:
    """The directories in which those of all calls of a task in a run are.

    Args:
        root: The path of the tracking directory, with a slash at its end.
        ids: The ids of a session.

    Attributes:
        run: The directory of its run.
        run_below: What a directory of the run is called in that of an execution.
        task: The directory of its task.
    """

    __slots__ = ("_ids", "_root", "run", "run_below", "task")

    def __init__(self, root: str, ids: Ids) -> None:
        self._root = root
        self._ids = ids
        self.run = f"{root}runs/{file_name(ids.run_id)}"
        self.run_below = file_name(ids.run_id, reserved=_EXECUTION_INFO)
        self.task = f"{root}tasks/{file_name(ids.task_id)}"

    def belong_to(self, ids: Ids) -> bool:
        """Tell if they are those of a session, too."""
        known = self._ids
        return ids.task_id == known.task_id and ids.run_id == known.run_id

    @property
    def directories(self) -> tuple[str, ...]:
        """Their paths, those above the others first."""
        return f"{self._root}runs", f"{self._root}tasks", self.run, self.task


class _Place:
    """The location of the files of a session.

    Args:
        shared: The directories that it shares with others.
        ids: The ids of the session.

    Attributes:
        shared: The same.
        ids: The ids of the session.
        run: The directory of its run.
        task: The directory of its task.
        execution: The directory of its execution.
        session: Its own directory.
    """

    __slots__ = ("execution", "ids", "run", "session", "shared", "task")

    def __init__(self, shared: _Shared, ids: Ids) -> None:
        self.shared = shared
        self.ids = ids
        self.run, self.task = shared.run, shared.task
        name = file_name(ids.execution_id, reserved=_TASK_INFO)
        self.execution = f"{shared.task}/{name}"
        self.session = f"{self.execution}/{shared.run_below}"


def _is_failure(path: str) -> bool:
    import json

    try:
        with open(os.open(path, _READ), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_RESULT:
                return False
            return "exception" in json.load(stream)["result"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


class _TemporaryNames:
    """The names that this process gives to files before it renames them."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Let a forked process have other names than its parent."""
        # A number of the process would not do: processes share a directory also where
        # they do not share their numbers.
        self._beginning = f".{os.urandom(12).hex()}-"
        self._numbers = count()

    def next_below(self, directory: str) -> str:
        """Return the path of a new file in a directory."""
        return f"{directory}/{self._beginning}{next(self._numbers)}.tmp"


_names = _TemporaryNames()
_temporary_name = _names.next_below
call_in_child(_names.renew)


def _attachment_name(name: str) -> str:
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        return file_name(name)
    return name


def _make_new_directory(directory: str) -> bool:
    """Make a directory, and tell if it was not there before.

    Raises:
        UntrustedDirectoryError: If something else is there, a link for example.
    """
    # Usually it is not, but everything above it is.
    try:
        os.mkdir(directory)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            raise UntrustedDirectoryError(
                f"{directory} is not a directory. A link there could lead outside of "
                "the tracking directory: remove it."
            ) from None
        return False
    except FileNotFoundError:
        os.makedirs(directory, exist_ok=True)
    return True


def _make_empty_file(directory: str, path: str) -> None:
    """Make an empty file in a directory, unless the same call has made it before."""
    try:
        os.mknod(path, 0o666 | stat.S_IFREG)  # Takes two thirds of the time of a file.
    except OSError:
        # On macOS only root may do that.
        try:
            os.close(_open(directory, path, _CREATE))
        except FileExistsError:
            pass


def _open(directory: str, path: str, flags: int) -> int:
    # Usually the directory is there.
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(directory, exist_ok=True)
        return os.open(path, flags, 0o666)


def _read_up_to(path: str, size: int) -> bytes | None:
    """Return the beginning of a file, `None` if it cannot be read."""
    try:
        descriptor = os.open(path, _READ)
        try:
            return os.read(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError:
        return None


def _remove_file(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
