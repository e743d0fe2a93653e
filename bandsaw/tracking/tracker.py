"""An extension that tells a backend what happens in the sessions."""

from __future__ import annotations

import logging
import traceback
import weakref
from operator import attrgetter
from typing import TYPE_CHECKING

from ..extensions import Extension
from .backend import Backend
from .recent import Recent
from .records import SessionRecords, TaskFacts

if TYPE_CHECKING:
    from typing import Any, Callable

    from ..distribution import DistributionArchive
    from ..session import Ids, Session

logger = logging.getLogger("bandsaw.tracking")

# How many ids and how many tasks are remembered.
_MOST_IDS = 2_000
_MOST_TASKS = 1_000


class TrackerExtension(Extension):
    """Tells a backend what happens in the sessions of a configuration.

    When a session is created, the backend is told about its run, its task, its
    execution, the session itself, and the distribution archive if one was built: once
    each, among the most recent ones. When it is finished, the backend is told its
    result, if there is one, and its attachments.

    Tracking never breaks a workflow. The first error of a backend becomes a warning of
    the logger `bandsaw.tracking`; the further ones are logged at level `DEBUG`. What
    failed is tried again at the next occasion.

    The value of an argument can be kept out of all records, whatever the backend::

        @bandsaw.task(tracking={"hide": ["password"]})
        def connect(user, password): ...

    Its name and type are tracked. The value is replaced also where the other arguments,
    the result, the message of an exception or the context repeat its text. The id of
    the execution is still made from all arguments.

    Args:
        backend: What keeps the facts.

    Raises:
        ValueError: If no backend is given.
        TypeError: If it is not a `Backend`.
    """

    def __init__(self, backend: Backend) -> None:
        if backend is None:
            raise ValueError("Backend must be set")
        if not isinstance(backend, Backend):
            raise TypeError(f"{backend!r} is not of type `Backend`")
        self.backend = backend
        self._told: Recent[object] = Recent(_MOST_IDS)
        self._facts: Recent[tuple[Any, TaskFacts]] = Recent(_MOST_TASKS)
        # A session bears its records until its end, those of each tracker.
        self._attribute = f"_records_of_tracker_{id(self)}"

    def on_session_created(self, session: Session) -> None:
        """Tell about everything that is known before the first advice."""
        try:
            records = self._records_of(session)
            setattr(session, self._attribute, records)
            self._tell_begin(session, records)
        except Exception as error:
            self._warn(error)

    def on_session_finished(self, session: Session) -> None:
        """Tell about the result and the attachments."""
        try:
            records = vars(session).pop(self._attribute, None)
            if records is None:
                records = self._records_of(session)
            self._tell_end(session, records)
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

    def _tell_begin(self, session: Session, records: SessionRecords) -> None:
        backend, ids = self.backend, records.ids
        run, task, execution = ids.run_id, ids.task_id, ids.execution_id
        for key, track, record in (
            (("run", run), backend.track_run, records.run),
            (("task", task), backend.track_task, records.task),
            ((task, execution), backend.track_execution, records.execution),
            ((task, execution, run), backend.track_session, records.session),
        ):
            if self._told.add(key) and not self._tell(track, ids, record, session):
                self._told.pop(key)
        self._tell_about_archive(session, records)

    def _tell_end(self, session: Session, records: SessionRecords) -> None:
        backend, ids = self.backend, records.ids
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
        self.backend.track_distribution_archive(archive)

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
        backend = self.backend
        mark = object()
        # The backend bears the mark, as it may belong to several configurations.
        if vars(backend).setdefault("_first_error", mark) is mark:
            level, cause = logging.WARNING, None
        else:
            level, cause = logging.DEBUG, error
        try:
            logger.log(
                level,
                "Tracking with %s is incomplete: %s",
                type(backend).__qualname__,
                "".join(traceback.format_exception_only(type(error), error)).strip(),
                exc_info=cause,
            )
        except Exception:
            # The user's handlers are the user's, but must not break the workflow here.
            pass
