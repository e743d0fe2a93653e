"""The advice that measures what a task uses, with the package multimeter."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from ..advice import Advice
from ..exceptions import MissingExtraError, check_methods
from ..runtime.fork import Lock, call_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..session import Session


class MetricsAdvice(Advice):
    """Measure the rest of the session, and attach the measurements to it.

    The measurement has the session's id, and the tags ``run_id``, ``task_id``,
    ``execution_id`` and ``session_id``. A task adds tags of its own with
    ``@task(metrics={"tags": {"model": "large"}})``. The attachment is called
    ``metrics`` with the extension of the format, e.g. ``metrics.json``.

    Needs the package multimeter, the extra ``bandsaw[multimeter]``.

    Args:
        meter: The `multimeter.Multimeter` that measures.
        directory: Keeps a copy of each file too, named by the session's id. It is made
            if there is none.
        file_format: The format of the file, by default `multimeter.JsonFormat`.

    Raises:
        ConfigurationError: If the meter cannot measure.
    """

    parameters: tuple[str, ...] = ("metrics",)

    def __init__(
        self,
        meter: Any,
        directory: str | os.PathLike[str] | None = None,
        file_format: Any | None = None,
    ) -> None:
        check_methods("MetricsAdvice", "a Multimeter as meter", meter, "measure")
        self.meter = meter
        self.directory: Path | None = None if directory is None else Path(directory)
        self._file_format = file_format
        self._forget_measurements()
        call_in_child(self._forget_measurements)

    def _forget_measurements(self) -> None:
        self._running: list[_Running] = []
        # All sessions share the probes and the storage of the meter, which need not be
        # made for several threads.
        self._lock = Lock()

    @property
    def file_format(self) -> Any:
        """The format of the file.

        Raises:
            MissingExtraError: If it is the default one, and multimeter is not there.
        """
        if self._file_format is None:
            self._file_format = _import_multimeter().JsonFormat()
        return self._file_format

    def before(self, session: Session) -> None:
        """Measure until this advice's `after`.

        Args:
            session: The session.

        Raises:
            MissingExtraError: If multimeter is needed but not there.
        """
        # The format is asked for now, as later the task would have run in vain.
        file_format = self.file_format
        measurement = self.meter.measure(session.session_id, **_tags(session))
        running = _Running(session, measurement, file_format)
        with self._lock:
            running.measurement.start()
            self._running.append(running)
        try:
            session.proceed()
        finally:
            # Still there only if something failed, or if the session ended elsewhere.
            if self._take(session, running) is not None:
                with contextlib.suppress(Exception):
                    self._end(running)

    def after(self, session: Session) -> None:
        """End the measurement and attach it to the session.

        Args:
            session: The session. It stays as it is when another process measured it.
        """
        running = self._take(session)
        if running is not None:
            self._end(running)
            path = _save(running)
            name = f"metrics{running.file_format.extension}"
            session.attachments.add(name, path)
            if self.directory is not None:
                name = _file_name(session.session_id) + running.file_format.extension
                _keep_copy(path, self.directory, name)
        session.proceed()

    def _take(
        self, session: Session, wanted: _Running | None = None
    ) -> _Running | None:
        # The innermost one, if the advice is in the chain more than once.
        with self._lock:
            for running in reversed(self._running):
                if running.session is session and wanted in (None, running):
                    self._running.remove(running)
                    return running
        return None

    def _end(self, running: _Running) -> None:
        with self._lock:
            running.measurement.end()


class _Running:
    """A measurement that has not ended."""

    def __init__(self, session: Session, measurement: Any, file_format: Any) -> None:
        self.session = session
        self.measurement = measurement
        self.file_format = file_format


def _save(running: _Running) -> str:
    descriptor, path = tempfile.mkstemp(
        prefix="metrics-",
        suffix=running.file_format.extension,
        dir=os.fspath(running.session.temp_dir),
    )
    with os.fdopen(descriptor, "wb") as stream:
        running.file_format.save_result_to_stream(running.measurement.result, stream)
    return path


def _keep_copy(path: str, directory: Path, name: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # Calls with the same arguments have the same id: the last one wins, whole.
    descriptor, beside = tempfile.mkstemp(prefix=".", dir=os.fspath(directory))
    os.close(descriptor)
    try:
        shutil.copyfile(path, beside)
        os.replace(beside, directory / name)
    except BaseException:
        os.unlink(beside)
        raise


def _import_multimeter() -> Any:
    try:
        import multimeter
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "MetricsAdvice needs the package multimeter. "
            "Install it with: pip install 'bandsaw[multimeter]'"
        ) from error
    return multimeter


def _tags(session: Session) -> dict[str, Any]:
    ids = session.ids
    tags: dict[str, Any] = {
        "run_id": ids.run_id,
        "task_id": ids.task_id,
        "execution_id": ids.execution_id,
        "session_id": ids.session_id,
    }
    parameters = session.full_task.advice_parameters.get("metrics") or {}
    tags.update(parameters.get("tags") or {})
    return tags


def _file_name(session_id: str) -> str:
    # A run id may be any text.
    return session_id.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
