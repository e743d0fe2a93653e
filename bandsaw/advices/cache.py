"""Answers calls from results that were kept in files."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import warnings
import weakref
from pathlib import Path

from .._advice import Advice
from ..exceptions import SerializationError
from ..result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import IO, Any, Iterator, Optional, Set, Tuple, Union

    from ..session import Session
    from ..tasks import Task

_CONTEXT_KEY = "cache-item-path"

# Stands behind what the serializer has written; readers of the published releases
# stop before it.
_TRAILER = b"\n#bandsaw-cache "
_DIGEST_SIZE = 64

# Reading the source of a function takes longer than a whole hit. What is read first is
# also more likely to be what is loaded than what is read after an edit.
_code_digests: weakref.WeakKeyDictionary[FunctionType, str] = (
    weakref.WeakKeyDictionary()
)


class CachingAdvice(Advice):
    """Keeps the results of tasks in files and answers the same call from them.

    A result is kept in ``directory/TASK_ID/EXECUTION_ID``, beginning with what the
    configured serializer writes for it. A file that was put there by hand is trusted.
    Exceptions are not kept. The task parameter ``cache=False`` switches it off.

    The path of the file is in ``context["cache-item-path"]``; when there are several
    caches in a chain, that of the first one.

    Args:
        directory: Where the files are. It is made when it is needed.

    Attributes:
        directory: Where the files are.
    """

    def __init__(self, directory: Union[str, Path]) -> None:
        self.directory = Path(directory)
        self._complained_of: Set[Any] = set()

    def before(self, session: Session) -> None:
        """Conclude with the result that is kept for the call, if there is one.

        Args:
            session: The session.

        Raises:
            SerializationError: If the task is a generator function.
            UnstableValueError: If an argument has no stable identity.
        """
        if not _is_wanted(session):
            session.proceed()
            return
        if getattr(session.task, "is_generator_function", False):
            raise SerializationError(
                f"The result of task {session.task} cannot be cached: it is a "
                "generator. Return a list, or switch the cache off with "
                "@task(cache=False)."
            )
        path = self._path(session)
        # Known when the path is.
        instability = getattr(session.execution, "instability", None)
        if instability is not None:
            raise instability
        if _CONTEXT_KEY not in session.context:
            session.context[_CONTEXT_KEY] = str(path)
        result = _load(path, session)
        if result is None:
            session.proceed()
        else:
            session.conclude(result)

    def after(self, session: Session) -> None:
        """Keep the result, unless it is a failure.

        Args:
            session: The session.
        """
        # A user's own task may execute to anything.
        is_result = isinstance(session.result, Result)
        if is_result and session.result.exception is None and _is_wanted(session):
            try:
                _store(self._path(session), session)
            except Exception as error:
                self._complain(session, error)
        session.proceed()

    def _path(self, session: Session) -> Path:
        ids = session.ids
        return self.directory / ids.task_id / ids.execution_id

    def _complain(self, session: Session, error: Exception) -> None:
        # A directory that cannot be written is one problem, however many calls it has.
        subject = "directory" if isinstance(error, OSError) else session.ids.task_id
        if subject in self._complained_of:
            return
        self._complained_of.add(subject)
        warnings.warn(
            f"The result of task {session.task} could not be kept in the cache: "
            f"{type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=3,
        )


def _is_wanted(session: Session) -> bool:
    # A user's own task needs no parameters.
    parameters = getattr(session.task, "advice_parameters", None) or {}
    return parameters.get("cache", True) is not False


def _load(path: Path, session: Session) -> Optional[Result]:
    """Read the result in a file; what is no result of this task's code is a miss."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _warn_of_damage(path, error)
        return None
    try:
        written, code = _split(content)
        if code is not None and code != _code_digest(session.task):
            return None
        stream = io.BytesIO(written)
        result = session.serializer.deserialize(stream)
        if not isinstance(result, Result):
            raise TypeError(f"it holds a {type(result).__name__}, not a result")
        # A serializer of the user's may have closed it.
        if code is None and not stream.closed and stream.read().strip():
            raise ValueError("something else stands behind the result")
    except Exception as error:
        _warn_of_damage(path, error)
        return None
    return result


def _store(path: Path, session: Session) -> None:
    """Write the result beside and rename it, so that a file is whole or absent."""
    stream = io.BytesIO()
    session.serializer.serialize(session.result, stream)
    written = stream.getbuffer()
    digest = hashlib.sha256(written).hexdigest()
    trailer = _TRAILER + f"{digest} {_code_digest(session.task)}".encode("ascii")
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with _beside(path) as file:
        file.write(written)
        file.write(trailer)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[IO[bytes]]:
    descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=str(path.parent))
    try:
        with open(descriptor, "wb") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _split(content: bytes) -> Tuple[bytes, Optional[str]]:
    """Return what the serializer wrote, and the digest of the code that made it.

    Raises:
        ValueError: If the checksum says that the file is damaged.
    """
    size = len(_TRAILER) + 2 * _DIGEST_SIZE + 1
    if not content[-size:].startswith(_TRAILER):
        return content, None  # Put there by hand, or by a published release.
    written, trailer = content[:-size], content[-size + len(_TRAILER) :]
    digest, code = trailer.decode("ascii").split(" ")
    if hashlib.sha256(written).hexdigest() != digest:
        raise ValueError("its checksum does not fit")
    return written, code


def _code_digest(task: Task) -> str:
    """Return the SHA-256 of the task's source, as hex digits.

    Scripts of the same name have tasks of the same id, which must not share results.
    """
    function = getattr(task, "function", None)
    digest = None if function is None else _code_digests.get(function)
    if digest is None:
        try:
            code = task.source.encode("utf-8")
        except (AttributeError, OSError, TypeError):
            code = getattr(task, "bytecode", b"")
        digest = hashlib.sha256(code).hexdigest()
        if function is not None:
            _code_digests[function] = digest
    return digest


def _warn_of_damage(path: Path, error: Exception) -> None:
    warnings.warn(
        f"The cached result {path} cannot be read and is computed again: "
        f"{type(error).__name__}: {error}",
        RuntimeWarning,
        stacklevel=4,
    )
