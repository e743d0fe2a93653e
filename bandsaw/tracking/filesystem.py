"""A backend that keeps what is tracked as JSON files in a directory."""

from __future__ import annotations

import os

from .backend import Backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ..session import Ids
    from ..session.attachments import Attachments
    from .directory import TrackingDirectory


class FileSystemBackend(Backend):
    """Keep what is tracked as JSON files in a directory.

        runs/RUN/run-info.json
        runs/RUN/SESSION_ID                                (empty)
        tasks/TASK/task-info.json
        tasks/TASK/EXECUTION/execution-info.json
        tasks/TASK/EXECUTION/RUN/session-info.json
        tasks/TASK/EXECUTION/RUN/result-info.json
        tasks/TASK/EXECUTION/RUN/attachments/NAME

    Every file is written beside and renamed, so a reader sees a whole file or none, and
    any number of processes may track into one directory. Ids that are not plain file
    names are encoded as `bandsaw.tracking.names.file_name` says. What JSON does not
    know is written as its text.

    When a run is started again under the same id, `run-info.json` keeps telling of its
    first start. When the same call is made again in one run, `result-info.json` and
    `attachments` are those of its last execution. If that one failed after an earlier
    one had succeeded, the success is kept beside, in `earlier-success-info.json` and
    `earlier-success-attachments`, and `earlier_success` in `result-info.json` says so.

    Args:
        directory: Where to keep the files. It is made when it is needed.

    """

    def __init__(self, directory: str | Path) -> None:
        self._given = directory
        # A program that changes its working directory still has one tracking directory.
        self._root = os.path.join(os.path.abspath(directory), "")
        self._kept: TrackingDirectory | None = None

    @property
    def directory(self) -> Path:
        """The directory as it was given."""
        from pathlib import Path

        return Path(self._given)

    def track_run(self, ids: Ids, run_info: dict[str, Any]) -> None:
        """Write `run-info.json`, unless the run was tracked before."""
        (self._kept or self._open()).write_run(ids, run_info)

    def track_task(self, ids: Ids, task_info: dict[str, Any]) -> None:
        """Write `task-info.json`."""
        (self._kept or self._open()).write_task(ids, task_info)

    def track_execution(self, ids: Ids, execution_info: dict[str, Any]) -> None:
        """Write `execution-info.json`."""
        (self._kept or self._open()).write_execution(ids, execution_info)

    def track_session(self, ids: Ids, session_info: dict[str, Any]) -> None:
        """Write `session-info.json`, and an empty file among those of the run."""
        (self._kept or self._open()).write_session(ids, session_info)

    def track_result(self, ids: Ids, result_info: dict[str, Any]) -> None:
        """Write `result-info.json`; a failure moves an earlier success aside."""
        (self._kept or self._open()).write_result(ids, result_info)

    def track_attachments(self, ids: Ids, attachments: Attachments) -> None:
        """Copy the attachments, and remove those of an earlier execution."""
        (self._kept or self._open()).write_attachments(ids, attachments)

    def _open(self) -> TrackingDirectory:
        # A process that only loads the configuration does without what this needs.
        from .directory import TrackingDirectory

        self._kept = TrackingDirectory(self._root)
        return self._kept
