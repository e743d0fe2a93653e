"""The contract of a backend, which keeps the facts that a tracker tells."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..distribution import DistributionArchive
    from ..session import Ids
    from ..session.attachments import Attachments


class Backend:
    """Keep what a `TrackerExtension` tells about runs, tasks and sessions.

    Every method is optional. They are called from the threads in which the sessions
    walk, so also at the same time. A backend is told once each among the most recent
    ids; hearing the same again must be harmless. What a method raises becomes a warning
    and never reaches the workflow.

    The records are plain dicts and lists that share parts with each other: copy what
    you change. Some of what is in them comes from the user and may be any value: the
    advice parameters of a task, the context of a session, and what a value's own
    `value_info()` said.
    """

    def track_run(self, ids: Ids, run_info: dict[str, Any]) -> None:
        """Keep facts about a run.

        Args:
            ids: The ids of the session in which the run was first met.
            run_info: What `Run.to_json()` gives: `id`, `start_date`, `user`, `command`,
                `env` and `meta`.
        """

    def track_distribution_archive(
        self, distribution_archive: DistributionArchive
    ) -> None:
        """Keep a distribution archive.

        Args:
            distribution_archive: An archive that was built: `path` is its file,
                `archive_id` its id and `modules` says what is in it.
        """

    def track_task(self, ids: Ids, task_info: dict[str, Any]) -> None:
        """Keep facts about a task.

        Args:
            ids: The ids of the session in which the task was first met.
            task_info: `task` with its `id`, its `definition` (``module.function``) and
                its `advice_parameters`.
        """

    def track_execution(self, ids: Ids, execution_info: dict[str, Any]) -> None:
        """Keep facts about the arguments of a task.

        Args:
            ids: The ids of the session in which the arguments were first met.
            execution_info: The facts about the task, and `execution` with its `id` and
                its `arguments`: of each the `name`, and what `value_info` says of it.
        """

    def track_session(self, ids: Ids, session_info: dict[str, Any]) -> None:
        """Keep facts about a session that begins.

        Args:
            ids: The ids of the session.
            session_info: The facts about the execution, and `run` and `session` with
                their `id`, `configuration`, `distribution_archive` with its `modules`
                and its `id` (`None` unless it was built), and `context`.
        """

    def track_result(self, ids: Ids, result_info: dict[str, Any]) -> None:
        """Keep the result of a session; called at the end of each that has one.

        Args:
            ids: The ids of the session.
            result_info: The facts about the session as they are at its end, and
                `result`: either `value` or `exception` and `message`. The `value` is
                what `value_info` says of it; of a dict, a list or a tuple it is a list
                of what it says of the items, each with its `key` or `index`.
        """

    def track_attachments(self, ids: Ids, attachments: Attachments) -> None:
        """Keep the attachments of a session. Called at the end of every session.

        Args:
            ids: The ids of the session.
            attachments: The attachments by name; their files are gone after the call.
        """
