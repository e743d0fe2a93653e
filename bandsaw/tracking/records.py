"""Records of a session for a tracking backend: plain dicts."""

from __future__ import annotations

from itertools import islice

from ..distribution import get_distribution_archive
from ..infos import described, value_info
from ..tasks import (
    KEYWORD_ONLY,
    NO_DEFAULT,
    POSITIONAL_ONLY,
    POSITIONAL_OR_KEYWORD,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    full_task,
)
from .hiding import HIDDEN, Eraser, names_to_hide, without_hidden_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Container, Iterator, Sequence

    from ..distribution import DistributionArchive
    from ..session import Ids, Session
    from ..tasks import Parameters

# How many items of a result are described, and how much of a message is kept.
_MOST_ITEMS = 1_000
_LONGEST_MESSAGE = 10_000

_POSITIONAL = frozenset((POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD))
_ANY_ARGUMENTS: Parameters = (("kwargs", VAR_KEYWORD, NO_DEFAULT),)


class TaskFacts:
    """The facts that do not change from one call of a task to the next.

    Args:
        task: The task; one of the user's own may know neither its signature nor what
            its function is called.

    Attributes:
        definition: Where the function of the task is defined, ``module.function``.
    """

    def __init__(self, task: Any) -> None:
        self.definition = _text(task)
        # Any keyword arguments, if the task does not know its parameters.
        self._parameters: Parameters = _ANY_ARGUMENTS
        try:
            self._parameters = full_task(task).parameters
        except Exception:
            pass
        self._names = [name for name, _, _ in self._parameters]
        self._kinds = [kind for _, kind, _ in self._parameters]
        self._is_positional = _POSITIONAL.issuperset(self._kinds)

    def bound(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield the name, the kind and the value of each argument of a call.

        Args:
            args: The positional arguments.
            kwargs: The keyword arguments.
        """
        if self._is_positional and not kwargs and len(args) == len(self._names):
            return zip(self._names, self._kinds, args)
        return bound(self._parameters, args, kwargs)


class SessionRecords:
    """The records of one session, those at its beginning and those at its end.

    Args:
        session: The session, at its beginning.
        ids: Its ids.
        facts: What is known of its task.

    Attributes:
        ids: The ids of the session.
        archive: Its distribution archive, `None` until it was asked for.
    """

    archive: DistributionArchive | None = None

    def __init__(self, session: Session, ids: Ids, facts: TaskFacts) -> None:
        self.ids = ids
        parameters = session.full_task.advice_parameters
        self._eraser: Eraser | None = None
        # The parts of the records, made once for all of them.
        self._task = {
            "id": ids.task_id,
            "definition": facts.definition,
            "advice_parameters": parameters,
        }
        self._execution = {
            "id": ids.execution_id,
            "arguments": self._describe_arguments(
                session.execution, facts, names_to_hide(parameters)
            ),
        }
        self._run = {"id": ids.run_id}
        self._session = {"id": ids.session_id}
        self._archive: dict[str, Any] = {}
        self._context: dict[str, Any] = {}

    def run(self, session: Session) -> dict[str, Any]:
        """Return the record of the run.

        Args:
            session: The session as it is now.
        """
        return session.run.to_json()

    def task(self, session: Session) -> dict[str, Any]:
        """Return the record of the task.

        Args:
            session: The session as it is now.
        """
        return {"task": self._task}

    def execution(self, session: Session) -> dict[str, Any]:
        """Return the record of the execution.

        Args:
            session: The session as it is now.
        """
        return {"task": self._task, "execution": self._execution}

    def session(self, session: Session) -> dict[str, Any]:
        """Return the record of the session.

        Args:
            session: The session as it is now.
        """
        archive = self.archive
        # One that was not built yet stays the same; a built one may be out of date.
        if archive is None or archive.archive_id is not None:
            archive = self.archive = get_distribution_archive(session.configuration)
            self._archive = {"modules": archive.modules, "id": archive.archive_id}
        context = self._erased(session.describe_context())
        if context or self._context:
            self._context = context
        return {
            "task": self._task,
            "execution": self._execution,
            "run": self._run,
            "configuration": getattr(session.configuration, "module_name", None),
            "distribution_archive": self._archive,
            "session": self._session,
            "context": self._context,
        }

    def result(self, session: Session) -> dict[str, Any]:
        """Return the record of the result.

        Args:
            session: The session at its end.
        """
        record = self.session(session)
        result: Any = session.result
        exception = getattr(result, "exception", None)
        if exception is not None:
            record["result"] = {
                "exception": type(exception).__name__,
                "message": self._erased(_text(exception))[:_LONGEST_MESSAGE],
            }
        else:
            # A task object of the user's own may give anything as its result.
            value = getattr(result, "value", result)
            try:
                record["result"] = self._describe_result(value)
            except Exception:
                # A container of the user's own may refuse to show its items.
                record["result"] = {"value": self._describe(value)}
        environments = session.environments
        if environments:
            facts = [environment.facts for environment in environments]
            record["environments"] = self._erased(facts)
        return record

    def _describe_arguments(
        self, execution: Any, facts: TaskFacts, names: Container[str] | None
    ) -> list[dict[str, Any]]:
        args = getattr(execution, "args", ())
        kwargs = getattr(execution, "kwargs", {})
        if names is None:
            return [
                {**value_info(value), "name": name}
                for name, _, value in facts.bound(args, kwargs)
            ]
        arguments = list(facts.bound(args, kwargs))
        secrets = [value for name, _, value in arguments if name in names]
        for name, kind, value in arguments:
            if kind == VAR_KEYWORD and name not in names:
                secrets += [item for key, item in value.items() if key in names]
        self._eraser = Eraser(secrets)
        return [
            self._describe_guarded(name, kind, value, names)
            for name, kind, value in arguments
        ]

    def _describe_guarded(
        self, name: str, kind: Any, value: Any, names: Container[str]
    ) -> dict[str, Any]:
        # Which of the arguments without a known name is a hidden one is unknown.
        if name in names or name.startswith("["):
            return {"type": type(value).__qualname__, "value": HIDDEN, "name": name}
        if kind == VAR_KEYWORD:
            value = without_hidden_members(value, names)
        return {**self._describe(value), "name": name}

    def _describe_result(self, value: Any) -> dict[str, Any]:
        items: Iterator[tuple[Any, Any]]
        # What a value says of itself, by its `__class__`, may be wrong or an error.
        kind = type(value)
        if issubclass(kind, dict):
            label, items = "key", ((self._key(key), value[key]) for key in value)
        elif issubclass(kind, (list, tuple)):
            label, items = "index", enumerate(value)
        else:
            return {"value": self._describe(value)}
        infos = []
        for key, item in islice(items, _MOST_ITEMS):
            info = self._describe(item)
            info[label] = key
            infos.append(info)
        if len(value) > _MOST_ITEMS:
            return {"value": infos, "size": str(len(value))}
        return {"value": infos}

    def _key(self, key: Any) -> Any:
        if key is None or type(key) in (bool, int, float):
            return self._erased(key)
        return self._describe(key)["value"]

    def _describe(self, value: Any) -> dict[str, Any]:
        eraser = self._eraser
        if eraser is None:
            return value_info(value)
        info = described(value, eraser.text_of(value))
        if info["value"] == HIDDEN:
            info.pop("size", None)
        for name in info:
            if name not in ("type", "size"):
                info[name] = eraser.erase_all(info[name])
        return info

    def _erased(self, info: Any) -> Any:
        return info if self._eraser is None else self._eraser.erase_all(info)


def bound(
    parameters: Parameters, args: Sequence[Any], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the kind and the value of each argument of a call.

    Args:
        parameters: What the function takes. A call that it does not accept is described
            as far as it can be: it was made, and its failure is of interest.
        args: The positional arguments.
        kwargs: The keyword arguments.
    """
    position = 0
    rest = dict(kwargs)
    for name, kind, default in parameters:
        if kind == VAR_POSITIONAL:
            yield name, kind, tuple(args[position:])
            position = len(args)
        elif kind == VAR_KEYWORD:
            yield name, kind, rest
            rest = {}
        elif kind != KEYWORD_ONLY and position < len(args):
            yield name, kind, args[position]
            position += 1
        elif kind != POSITIONAL_ONLY and name in rest:
            yield name, kind, rest.pop(name)
        elif default is not NO_DEFAULT:
            yield name, kind, default
    for place in range(position, len(args)):
        yield f"[{place}]", POSITIONAL_ONLY, args[place]
    for name, value in rest.items():
        yield name, KEYWORD_ONLY, value


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__qualname__} that has no text: {type(error).__name__}>"
