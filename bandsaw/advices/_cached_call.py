"""What a cache has to know of a call: which one it is, and what is told of it later."""

from __future__ import annotations

import sys
import time
from hashlib import sha256
from types import FunctionType

from ..exceptions import ConfigurationError, SerializationError
from ..fingerprint import fingerprint_of_tokens
from ..identifier import ID_LENGTH
from ..infos import text_of
from ..serialization import PickleSerializer
from ..serialization.buffers import contiguous
from ..stores.entries import identity, pack
from ..tracking.hiding import HIDDEN, names_to_hide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        Container,
    )

    from ..execution import Execution
    from ..fingerprint import Token
    from ..fingerprint.code import Code
    from ..serialization import Serializer
    from ..session import Session
    from ..tasks import Task

#: What of the code counts, by the name of the choice.
CODE_CHOICES = ("reachable", "own", "version", "ignore")

_PARAMETERS = frozenset(("ignore", "code", "compare_python"))

# No code comes with these.
_ATOMS = frozenset(
    (bool, bytearray, bytes, complex, float, int, range, str, type(None))
)


def is_wanted(task: Task) -> bool:
    """Tell if results of a task are to be kept at all.

    Args:
        task: The task.
    """
    # A user's own task needs no parameters.
    parameters = getattr(task, "advice_parameters", None) or {}
    return parameters.get("cache", True) is not False


class Identification:
    """How the calls of one task are told apart.

    Args:
        task: The task.
        code: What of the code counts, one of `CODE_CHOICES`.
        compare_python: Whether the version of Python counts.
        environment: What is known of the interpreter in which the task runs, `None`
            for this one.

    Raises:
        ConfigurationError: If the parameter `cache` of the task makes no sense.
        SerializationError: If the task is a generator function.
    """

    def __init__(
        self,
        task: Task,
        code: str,
        compare_python: bool,
        environment: str | None,
    ) -> None:
        if getattr(task, "is_generator_function", False):
            raise SerializationError(
                f"The result of task {task} cannot be cached: it is a generator. "
                "Return a list, or switch the cache off with @task(cache=False)."
            )
        parameters = _parameters(task)
        self.task = task
        self.code = parameters.get("code", code)
        self.compare_python = parameters.get("compare_python", compare_python)
        self.environment = environment
        self.ignored = _ignored(task, parameters)
        if self.code not in CODE_CHOICES:
            raise ConfigurationError(
                f"Task {task}: the cache's code={self.code!r} is unknown. It is one of "
                f"{', '.join(map(repr, CODE_CHOICES))}."
            )
        # A user's own task may execute without a function of its own.
        function = getattr(task, "callable", None)
        self._function = function if isinstance(function, FunctionType) else None
        self._choose_code()
        self.hidden: Container[str] = (
            names_to_hide(getattr(task, "advice_parameters", None) or {}) or ()
        )
        self._known: tuple[Code | None, str, dict[str, Any]] = (None, "", {})

    def call_of(self, session: Session) -> CachedCall:
        """Identify a call.

        Args:
            session: The session of the call.

        Raises:
            UnstableValueError: If an argument that counts has no stable identity.
        """
        execution: Execution = session.execution
        if self.ignored:
            counting = {
                name: token
                for name, token in execution.argument_tokens(self.task).items()
                if name not in self.ignored
            }
            key = fingerprint_of_tokens(counting).hex()
            execution_id = key[:ID_LENGTH]
        else:
            key = execution.fingerprint(self.task)
            counting = execution.argument_tokens()
            execution_id = execution.execution_id
            if execution.instability is not None:
                raise execution.instability
        code = None
        if self._find_code is not None:
            values = self._counting_values(execution)
            others: tuple[Any, ...] = ()
            if not _ATOMS.issuperset(map(type, values)):
                others = self._find_others(values)
            code = self._find_code(self._function, others)
        known, digest, facts = self._known
        if known is not code or not digest:
            digest = self._digest(code)
            facts = self._facts(code)
            self._known = (code, digest, facts)
        name = f"{self.task.task_id}/{execution_id}"
        call = CachedCall(self, name, key, digest, code, counting)
        call.facts = facts
        serializer = session.serializer
        # The usual one makes no difference between subjects.
        if type(serializer) is not PickleSerializer:
            serializer = serializer.bound_to(f"{name} {key} {digest}")
        call.serializer = serializer
        return call

    def _counting_values(self, execution: Execution) -> tuple[Any, ...]:
        if self.ignored:
            arguments = self.task.bind(execution.args, execution.kwargs)
            if arguments is not None:
                return tuple(
                    value
                    for name, value in arguments.items()
                    if name not in self.ignored
                )
        return (*execution.args, *execution.kwargs.values())

    def _choose_code(self) -> None:
        self._find_code: Callable[..., Code] | None = None
        self._find_others: Callable[..., tuple[Any, ...]] = _none
        if self._function is None or self.code not in ("reachable", "own"):
            return
        from ..fingerprint import code

        if self.code == "own":
            self._find_code = code.own_code
        else:
            self._find_code = code.reachable_code
            self._find_others = code.code_in

    def _facts(self, code: Code | None) -> dict[str, Any]:
        """Return what is written down of all calls of the task with this code."""
        return {
            "task": str(self.task),
            "python": python_version(),
            "environment": self.environment,
            "counts": self.code,
            "compare_python": self.compare_python,
            "packages": {} if code is None else code.packages,
            "document": document_of(self.task.task_id, code),
        }

    def _digest(self, code: Code | None) -> str:
        parts = [self.code]
        if self.code == "version":
            parts.append(repr(self.task.advice_parameters.get("version")))
        if code is not None:
            parts.append(code.digest.hex())
            if self.environment is not None:
                parts.append(self.environment)
            else:
                parts += [f"{name}=={code.packages[name]}" for name in code.packages]
        if self.compare_python:
            parts.append(python_version())
        return sha256("\n".join(parts).encode("utf-8")).hexdigest()


class CachedCall:
    """One call, as a cache sees it.

    Attributes:
        identification: How it was identified.
        name: The name of the call's first entry in the store.
        key: The fingerprint of the arguments that count, in hex digits.
        digest: The fingerprint of the code and of all else that counts, in hex digits.
        code: The code, `None` if it does not count.
        tokens: What stands for the arguments that count.
        place: The name in the store that the result gets.
        damaged: The names in the store whose entries cannot be read.
        is_too_old: Whether a result was found that does not count any more.
        serializer: What writes and reads the result.
        facts: What is written down of all calls of the task.
    """

    __slots__ = (
        "code",
        "damaged",
        "digest",
        "facts",
        "identification",
        "is_too_old",
        "key",
        "name",
        "place",
        "serializer",
        "tokens",
    )

    facts: dict[str, Any]
    serializer: Serializer

    def __init__(
        self,
        identification: Identification,
        name: str,
        key: str,
        digest: str,
        code: Code | None,
        tokens: dict[str, Token],
    ) -> None:
        self.identification = identification
        self.name = self.place = name
        self.key = key
        self.digest = digest
        self.code = code
        self.tokens = tokens
        self.damaged: set[str] = set()
        self.is_too_old = False

    @property
    def identity(self) -> bytes:
        """How the footer of an entry of this call and this code begins."""
        return identity(self.key, self.digest)

    @property
    def variant(self) -> str:
        """The name of an entry beside the call's first one, for this code."""
        return f"{self.name}-{self.digest[:16]}"

    @property
    def document(self) -> str | None:
        """The name of the document that describes the code, `None` without code."""
        return document_of(self.identification.task.task_id, self.code)

    @property
    def parts(self) -> dict[str, list[str]]:
        """What the code consists of: kind, digest and text by name."""
        if self.code is None:
            return {}
        return {
            part.name: [part.kind, part.digest, part.text]
            for part in self.code.parts.values()
        }

    def record(self, session: Session) -> dict[str, Any]:
        """Return what is written down of the call, to explain later what differs.

        Args:
            session: The session of the call, before the task is executed.

        Returns:
            Plain data that JSON knows.
        """
        execution = session.execution
        hidden = self.identification.hidden
        bind = getattr(session.task, "bind", None)
        values = None if bind is None else bind(execution.args, execution.kwargs)
        if values is None:
            values = {"args": execution.args, "kwargs": execution.kwargs}
        arguments: dict[str, list[str]] = {}
        for name, token in self.tokens.items():
            digest = sha256(token).hexdigest()[:16]  # type: ignore[arg-type]
            text = HIDDEN if name in hidden else _text_of(values.get(name))
            arguments[name] = [digest, text]
        return {**self.facts, "arguments": arguments}

    def packed(self, value: Any, record: dict[str, Any]) -> list[bytes | memoryview]:
        """Return the pieces of the entry that keeps a result.

        Args:
            value: The result.
            record: What is written down of the call.
        """
        from io import BytesIO

        stream = BytesIO()
        buffers = self.serializer.serialize_with_buffers(value, stream)
        return pack(
            stream.getvalue(),
            [contiguous(buffer) for buffer in buffers],
            record,
            self.key,
            self.digest,
            time.time(),
        )


def document_of(task_id: str, code: Code | None) -> str | None:
    """Return the name in the store of the document that describes code.

    Args:
        task_id: The id of the task.
        code: The code, `None` if it does not count.
    """
    return None if code is None else f"{task_id}/.code-{code.digest.hex()[:16]}"


def _text_of(value: Any) -> str:
    text = text_of(value)
    # `'1'` must not look like `1`.
    return repr(text) if isinstance(value, str) else text


def _none(values: Any) -> tuple[Any, ...]:
    return ()


def _parameters(task: Task) -> dict[str, Any]:
    parameter = (getattr(task, "advice_parameters", None) or {}).get("cache", True)
    if parameter is True or parameter is None:
        return {}
    if not isinstance(parameter, dict):
        # Published releases let everything but False pass.
        return {}
    unknown = parameter.keys() - _PARAMETERS
    if unknown:
        raise ConfigurationError(
            f"Task {task}: cache={parameter!r} has unknown keys "
            f"{', '.join(sorted(map(repr, unknown)))}. Known are "
            f"{', '.join(sorted(map(repr, _PARAMETERS)))}."
        )
    return parameter


def _ignored(task: Task, parameters: dict[str, Any]) -> frozenset[str]:
    names = parameters.get("ignore", ())
    if isinstance(names, str):
        names = (names,)
    ignored = frozenset(names)
    known = set(task.signature.parameters) if ignored else set()
    if not ignored <= known:
        raise ConfigurationError(
            f"Task {task} has no parameter "
            f"{', '.join(sorted(map(repr, ignored - known)))} that its cache could "
            f"ignore. It has {', '.join(map(repr, task.signature.parameters))}."
        )
    return ignored


def python_version() -> str:
    """Return the version of this Python, e.g. ``CPython 3.11.7``."""
    implementation = sys.implementation.name.replace("cpython", "CPython")
    return f"{implementation} {'.'.join(map(str, sys.version_info[:3]))}"
