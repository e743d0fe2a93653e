"""The work of a tracker: what its backend is told, once each, and when that fails."""

from __future__ import annotations

import weakref
from operator import attrgetter

from .recent import Recent
from .records import SessionRecords, TaskFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from ..distribution import DistributionArchive
    from ..session import Ids, Session
    from .tracker import TrackerExtension

# How many ids and how many tasks are remembered.
_MOST_IDS = 2_000
_MOST_TASKS = 1_000


class Teller:
    """Tell the backend of a tracker about sessions.

    Args:
        tracker: The tracker.
    """

    def __init__(self, tracker: TrackerExtension) -> None:
        self._tracker = tracker
        self._told: Recent[object] = Recent(_MOST_IDS)
        self._facts: Recent[tuple[Any, TaskFacts]] = Recent(_MOST_TASKS)
        self._last: tuple[str, str] | None = None
        # A session bears its records until its end, those of each tracker.
        self._attribute = f"_records_of_tracker_{id(self)}"

    def tell_begin(self, session: Session) -> None:
        """Tell about everything that is known before the first advice."""
        try:
            records = self._records_of(session)
            setattr(session, self._attribute, records)
            self._tell_facts(session, records)
        except Exception as error:
            self._warn(error)

    def tell_end(self, session: Session) -> None:
        """Tell about the result and the attachments."""
        try:
            records = vars(session).pop(self._attribute, None)
            if records is None:
                records = self._records_of(session)
            self._tell_outcome(session, records)
        except Exception as error:
            self._warn(error)

    def _records_of(self, session: Session) -> SessionRecords:
        return SessionRecords(session, session.ids, self._facts_of(session.task))

    def _facts_of(self, task: Any) -> TaskFacts:
        # Asking a task for its signature takes longer than the rest of a description.
        remembered = self._facts.get(id(task))
        if remembered is not None and remembered[0]() is task:
            return remembered[1]
        facts = TaskFacts(task)
        try:
            reference = weakref.ref(task)
        except TypeError:
            return facts
        self._facts.pop(id(task))
        self._facts.setdefault(id(task), (reference, facts))
        return facts

    def _tell_facts(self, session: Session, records: SessionRecords) -> None:
        backend, ids = self._tracker.backend, records.ids
        run, task, execution = ids.run_id, ids.task_id, ids.execution_id
        facts: tuple[Any, ...] = (
            ((task, execution), backend.track_execution, records.execution),
            ((task, execution, run), backend.track_session, records.session),
        )
        # Most sessions are of the run and the task of the one before.
        if self._last != (run, task):
            facts = (
                (("run", run), backend.track_run, records.run),
                (("task", task), backend.track_task, records.task),
                *facts,
            )
        self._last = run, task
        for key, track, record in facts:
            if self._told.add(key) and not self._tell(track, ids, record, session):
                self._told.pop(key)
                self._last = None
        self._tell_about_archive(session, records)

    def _tell_outcome(self, session: Session, records: SessionRecords) -> None:
        backend, ids = self._tracker.backend, records.ids
        # It may have been built during the session, or be another one after it.
        archive = records.archive
        self._tell_about_archive(session, records)
        # An advice that failed leaves a session without a result.
        if session.result is not None:
            self._tell(backend.track_result, ids, records.result, session)
            if records.archive is not archive:
                self._tell_about_archive(session, records)
        self._tell(backend.track_attachments, ids, attrgetter("attachments"), session)

    def _tell_about_archive(self, session: Session, records: SessionRecords) -> None:
        archive = records.archive
        if archive is None or archive.archive_id is None:
            return
        key = ("archive", archive.archive_id)
        if not self._told.add(key):
            return
        if not self._tell(self._track_archive, records.ids, lambda _: archive, session):
            self._told.pop(key)

    def _track_archive(self, ids: Ids, archive: DistributionArchive) -> None:
        self._tracker.backend.track_distribution_archive(archive)

    def _tell(
        self,
        track: Callable[[Ids, Any], None],
        ids: Ids,
        record: Callable[[Session], Any],
        session: Session,
    ) -> bool:
        try:
            track(ids, record(session))
        except Exception as error:
            self._warn(error)
            return False
        return True

    def _warn(self, error: Exception) -> None:
        import logging
        import traceback

        backend = self._tracker.backend
        mark = object()
        # The backend bears the mark, as it may belong to several configurations.
        if vars(backend).setdefault("_first_error", mark) is mark:
            level, cause = logging.WARNING, None
        else:
            level, cause = logging.DEBUG, error
        try:
            logging.getLogger("bandsaw.tracking").log(
                level,
                "Tracking with %s is incomplete: %s",
                type(backend).__qualname__,
                "".join(traceback.format_exception_only(type(error), error)).strip(),
                exc_info=cause,
            )
        except Exception:
            # The user's handlers are the user's, but must not break the workflow here.
            pass
