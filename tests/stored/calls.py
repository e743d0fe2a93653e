"""Calls of tasks whose results are kept in a cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.execution import Execution
from bandsaw.serialization import JsonSerializer, PickleSerializer, SignedSerializer
from bandsaw.session import Session
from bandsaw.tasks import Task

KEY = b"not a secret, but long enough"

#: What has written a cache, by the name of its directory.
SERIALIZERS: dict[str, Callable[[], Any]] = {
    "json": JsonSerializer,
    "pickle": PickleSerializer,
    "signed": lambda: SignedSerializer(PickleSerializer(), KEY),
    "signed-json": lambda: SignedSerializer(JsonSerializer(), KEY),
}


class Refusing(bandsaw.Advice):
    """Stands behind a cache that has to answer every call."""

    def before(self, session: Session) -> None:
        raise AssertionError(f"The cache does not answer a call of {session.task}.")


def session_of_call(
    directory: Path,
    serializer: str,
    function: Any,
    value: Any,
    cache: Any,
    *behind: bandsaw.Advice,
) -> Session:
    """Make the session of a call of a function whose results are kept."""
    configuration = bandsaw.Configuration().set_serializer(SERIALIZERS[serializer]())
    configuration.add_advice_chain(CachingAdvice(directory, wait=0), *behind)
    # What the argument looks like, a path for example, is not to be in the entry.
    parameters = {"cache": cache, "tracking": {"hide": ["value"]}}
    task = Task.create_task(function, parameters)
    return Session(task, Execution.of_call(task, (value,), {}), configuration)
