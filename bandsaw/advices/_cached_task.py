"""The identity of a task's calls for a cache, and the record of each result."""

from __future__ import annotations

import sys
from collections import namedtuple
from types import FunctionType

from ..exceptions import (
    ConfigurationError,
    SerializationError,
    UnstableValueError,
)
from ..fingerprint import Unstable, fingerprint_of_tokens, is_immutable
from ..identifier import ID_LENGTH
from ..infos import text_of
from ..runtime.hashing import sha256
from ..stores.results import CacheKey, Description, document_of
from ..tasks import unwrap
from ..tracking.hiding import HIDDEN, names_to_hide
from ._choices import parameters_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Container, NamedTuple

    from ..execution import Execution
    from ..fingerprint.code import Code, Watch
    from ..fingerprint.tokens import Token
    from ..session import Session
    from ..tasks import OwnTask, Task

    class _Version(NamedTuple):
        """All that is significant for a result but the arguments.

        The facts are what is written down of all calls with this code.
        """

        code: Code | None
        digest: str
        facts: dict[str, Any]

else:
    _Version = namedtuple("_Version", "code digest facts")


# Of how many calls of a task the keys are remembered.
_MOST_KEYS = 1000

# No code comes with these.
_ATOMS = frozenset(
    (bool, bytearray, bytes, complex, float, int, range, str, type(None))
)


def is_wanted(task: Task | OwnTask) -> bool:
    """Tell if results of a task are to be kept at all.

    Args:
        task: The task.
    """
    return task.advice_parameters.get("cache", True) is not False


class CachedTask:
    """A task as a cache sees it: what of its calls is significant.

    Args:
        task: The task.
        code: What of the code is significant, one of `CODE_CHOICES`.
        compare_python: Whether the version of Python is significant.
        environment: What is known of the interpreter in which the task runs, `None`
            for this one.

    Attributes:
        environment: What is known of the interpreter in which the task runs.
        keys: The keys of calls with constant arguments, and what tells as long as they
            are current.

    Raises:
        ConfigurationError: If the parameter `cache` of the task makes no sense.
        SerializationError: If the task is a generator function.
    """

    def __init__(
        self,
        task: Task | OwnTask,
        code: str,
        compare_python: bool,
        environment: str | None,
    ) -> None:
        if task.is_generator_function:
            raise SerializationError(
                f"The result of task {task} cannot be cached: it is a generator. "
                "Return a list, or switch the cache off with @task(cache=False)."
            )
        parameters = parameters_of(task)
        self.environment = environment
        self._code = parameters.get("code", code)
        self._compare_python = parameters.get("compare_python", compare_python)
        self._ignored = _ignored(task, parameters)
        self._own_code: Callable[..., Code] | None = None
        self._watched_code: Callable[..., tuple[Code, Watch]] | None = None
        self._code_in: Callable[..., tuple[Any, ...]]
        self._has_constant_defaults = False
        self._choose_code(task)
        self._hidden: Container[str] = names_to_hide(task.advice_parameters) or ()
        self._version = _Version(None, "", {})
        self.keys: dict[object, tuple[CacheKey, Watch]] = {}

    def _choose_code(self, task: Task | OwnTask) -> None:
        function: Any = task.callable
        if isinstance(function, FunctionType) and self._code in ("reachable", "own"):
            from ..fingerprint import code

            if self._code == "own":
                self._own_code = code.own_code
            else:
                self._watched_code, self._code_in = code.watched_code, code.code_in
                self._has_constant_defaults = is_immutable(_defaults(task))

    def key_of(self, session: Session) -> tuple[CacheKey, Watch | None]:
        """Return the key of a call.

        Args:
            session: The session of the call.

        Returns:
            The key, and what tells as long as it is that of a call with equal constant
            arguments; `None` if nothing does.

        Raises:
            UnstableValueError: If a significant argument has no stable identity.
        """
        task = session.full_task
        execution: Execution = session.execution
        if self._ignored:
            found = fingerprint_of_tokens(self._tokens(execution, task))
            if isinstance(found, Unstable):
                raise found.error()
            arguments = found.hex()
            execution_id = arguments[:ID_LENGTH]
        else:
            arguments = execution.fingerprint(task)
            execution_id = execution.execution_id
            if execution.instability is not None:
                raise execution.instability
        version, watch = self._version_of(execution, task)
        name = f"{task.task_id}/{execution_id}"
        key = CacheKey(name, arguments, version.digest)
        return key, watch if self._has_constant_defaults else None

    def remember(self, key: CacheKey, constants: object, watch: Watch) -> None:
        """Remember the key of a call with constant arguments.

        Args:
            key: The key.
            constants: What stands for the arguments.
            watch: What tells as long as the key is current.
        """
        if len(self.keys) >= _MOST_KEYS:
            self.keys.clear()
        self.keys[constants] = key, watch

    def unseen(self, session: Session) -> dict[str, str]:
        """Return what of the code could not be looked at, by name, and why.

        Args:
            session: The session of the call.
        """
        code = self._version_of(session.execution, session.full_task)[0].code
        return {} if code is None else code.unseen

    def refuse_unseen(self, session: Session) -> None:
        """Refuse a call if something of its code could not be looked at.

        Args:
            session: The session of the call.

        Raises:
            UnstableValueError: If there is such a thing. It names the first one.
        """
        for name, reason in sorted(self.unseen(session).items()):
            raise UnstableValueError(
                f"{name}, which task {session.task} uses, could not be looked at: "
                f"{reason.rstrip('.')}. Pass it as an argument, give its class an "
                "identity with register_fingerprint, or leave strict=True out, so that "
                "its assignment counts."
            )

    def describe(self, session: Session, key: CacheKey) -> Description:
        """Return what is written down of a call, to explain later what differs.

        Args:
            session: The session of the call, before the task is executed.
            key: The key of the call.
        """
        execution, task = session.execution, session.full_task
        tokens = self._tokens(execution, task)
        values = execution.named_arguments(task)
        arguments: dict[str, list[str]] = {}
        for name, token in tokens.items():
            digest = sha256(token).hexdigest()[:16]  # type: ignore[arg-type]
            text = HIDDEN if name in self._hidden else _text_of(values[name])
            arguments[name] = [digest, text]
        version = self._version
        if version.digest != key.code:  # Another call with other code came between.
            version, _ = self._version_of(execution, task)
        return Description({**version.facts, "arguments": arguments}, version.code)

    def _tokens(self, execution: Execution, task: Task | OwnTask) -> dict[str, Token]:
        """Return what stands for the significant arguments."""
        tokens = execution.argument_tokens(task)
        if self._ignored:
            return {name: tokens[name] for name in tokens if name not in self._ignored}
        return tokens

    def _values(self, execution: Execution, task: Task | OwnTask) -> tuple[Any, ...]:
        """Return the significant arguments themselves."""
        if self._ignored:
            arguments = task.bind(execution.args, execution.kwargs)
            if arguments is not None:
                return tuple(
                    arguments[name] for name in arguments if name not in self._ignored
                )
        return (*execution.args, *execution.kwargs.values())

    def _version_of(
        self, execution: Execution, task: Task | OwnTask
    ) -> tuple[_Version, Watch | None]:
        code: Code | None = None
        watch: Watch | None = None
        if self._watched_code is not None:
            values = self._values(execution, task)
            others: tuple[Any, ...] = ()
            if not _ATOMS.issuperset(map(type, values)):
                others = self._code_in(values)
            code, watch = self._watched_code(task.callable, others)
        elif self._own_code is not None:
            code = self._own_code(task.callable)
        version = self._version
        if version.code is not code or not version.digest:
            version = _Version(code, self._digest(task, code), self._facts(task, code))
            self._version = version
        return version, watch

    def _digest(self, task: Task | OwnTask, code: Code | None) -> str:
        parts = [self._code]
        if self._code == "version":
            parts.append(repr(task.advice_parameters.get("version")))
        if code is not None:
            parts.append(code.digest.hex())
            if self.environment is not None:
                parts.append(self.environment)
            else:
                parts += [f"{name}=={code.packages[name]}" for name in code.packages]
        if self._compare_python:
            parts.append(python_version())
        return sha256("\n".join(parts).encode("utf-8")).hexdigest()

    def _facts(self, task: Task | OwnTask, code: Code | None) -> dict[str, Any]:
        return {
            "task": str(task),
            "python": python_version(),
            "environment": self.environment,
            "counts": self._code,
            "compare_python": self._compare_python,
            "packages": {} if code is None else code.packages,
            "document": document_of(task.task_id, code),
        }


def _text_of(value: Any) -> str:
    text = text_of(value)
    # `'1'` must not look like `1`.
    return repr(text) if isinstance(value, str) else text


def _defaults(task: Task | OwnTask) -> tuple[Any, ...]:
    function = unwrap(task.callable)
    by_name = getattr(function, "__kwdefaults__", None) or {}
    return (*(getattr(function, "__defaults__", None) or ()), *by_name.values())


def _ignored(task: Task | OwnTask, parameters: dict[str, Any]) -> frozenset[str]:
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
