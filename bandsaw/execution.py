"""One set of arguments for a task."""

from __future__ import annotations

from time import perf_counter

from .exceptions import UnstableValueError
from .identifier import ID_LENGTH, unique_identifier
from .runtime.lazy import LateModule
from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, Sequence

    from .fingerprint.mutation import FirstLook
    from .fingerprint.tokens import Token
    from .tasks import OwnTask, Task

# What nearly all arguments are; nothing has to be imported to know that no task can
# change one.
_SCALARS = frozenset((bool, bytes, complex, float, int, str, type(None)))

# Imported for the first id. An import statement for each of them would take as long as
# the fingerprint of short arguments.
if TYPE_CHECKING:
    from . import fingerprint
    from .fingerprint import mutation
else:
    fingerprint = LateModule("bandsaw.fingerprint")
    mutation = LateModule("bandsaw.fingerprint.mutation")


class Execution(SerializableValue):
    """The arguments of one call, and the id that stands for them.

    Args:
        execution_id: The id of these arguments.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Attributes:
        args: The positional arguments.
        kwargs: The keyword arguments.
        instability: Why the arguments have no stable identity, `None` when they have
            one or when it was not computed yet. Their id is unique to the call then.
    """

    __slots__ = (
        "_arguments",
        "_fingerprint",
        "_first_look",
        "_id",
        "_seconds",
        "_task",
        "_tokens",
        "args",
        "instability",
        "kwargs",
    )

    instability: UnstableValueError | None

    def __init__(
        self,
        execution_id: str | None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self._id = execution_id
        self._task: Task | OwnTask | None = None
        self._tokens: dict[str, Token] | None = None
        self._fingerprint: str | None = None
        self._first_look: FirstLook | None = None
        self.instability = None
        self.args: tuple[Any, ...] = () if args is None else tuple(args)
        self.kwargs: dict[str, Any] = {} if kwargs is None else dict(kwargs)

    @classmethod
    def of_call(
        cls, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Execution:
        """Make the execution of a call, whose id is computed on first use.

        Args:
            task: The task that was called. It knows what its parameters are called.
            args: The positional arguments.
            kwargs: The keyword arguments.
        """
        execution = cls.__new__(cls)
        execution._id = None
        execution._task = task
        execution._tokens = execution._fingerprint = execution._first_look = None
        execution.instability = None
        execution.args = args
        execution.kwargs = kwargs
        return execution

    @property
    def execution_id(self) -> str:
        """The id, the same for equal arguments; computed at the first question."""
        if self._id is None:
            self._id = self._compute_id()
        return self._id

    @execution_id.setter
    def execution_id(self, execution_id: str) -> None:
        self._id = execution_id

    @property
    def has_id(self) -> bool:
        """Whether the id is known already."""
        return self._id is not None

    def pin_id(self) -> None:
        """Compute the id now, if a task could change what it is computed from."""
        if self._id is None:
            for value in self.args:
                if type(value) not in _SCALARS and not fingerprint.is_immutable(value):
                    break
            else:
                for value in self.kwargs.values():
                    if type(value) not in _SCALARS and not fingerprint.is_immutable(
                        value
                    ):
                        break
                else:
                    return
            self._id = self._compute_id()

    def argument_tokens(self, task: Task | OwnTask | None = None) -> dict[str, Token]:
        """Return what stands for each argument, the same for equal ones.

        Args:
            task: The task that was called, for an execution that does not know it.

        Returns:
            The tokens by the names of the parameters, those with default values
            included; computed at the first question. See `bandsaw.fingerprint`.
        """
        if self._tokens is None:
            arguments = self.named_arguments(task)
            compute = fingerprint.argument_tokens  # Not to measure the import
            start = perf_counter()
            self._tokens = compute(arguments)
            self._seconds = perf_counter() - start
            self._arguments = arguments
        return self._tokens

    def named_arguments(self, task: Task | OwnTask | None) -> Mapping[str, Any]:
        """Return the arguments by the names of their parameters.

        Args:
            task: The task that was called, for an execution that does not know it.

        Returns:
            The values, defaults included; `args` and `kwargs` as they are if the task
            does not take them.
        """
        if self._tokens is not None:
            return self._arguments
        task = self._task or task
        named = None if task is None else task.bind(self.args, self.kwargs)
        return named or {"args": self.args, "kwargs": self.kwargs}

    def first_look(self) -> FirstLook | None:
        """Return what tells later whether the arguments have changed.

        Returns:
            `None` if no id was computed, here or where the session comes from, or if
            no argument can be changed.
        """
        tokens = self._tokens
        if tokens is not None and self._first_look is None:
            changeable = {
                name: tokens[name]
                for name, value in self._arguments.items()
                if type(value) not in _SCALARS
                and not fingerprint.is_immutable(value)
                and (value is not self.kwargs or self.kwargs)
            }
            if changeable:
                self._first_look = mutation.FirstLook(self._seconds, changeable)
        return self._first_look

    def first_look_to_move(self) -> dict[str, Any] | None:
        """Return the first look as plain data, `None` if there is none."""
        look = self.first_look()
        return None if look is None else look.to_move()

    def take_first_look(self, values: dict[str, Any] | None) -> None:
        """Compare the arguments with a first look that another interpreter has had.

        Args:
            values: What `first_look_to_move` gave there.

        Raises:
            ValueError: If it was something else.
        """
        if values is not None:
            self._first_look = mutation.FirstLook.of_moved(values)

    def confirm_first_look(self, task: Task | OwnTask) -> None:
        """Keep of the first look of another interpreter what is the same in this one.

        Args:
            task: The task that was called.
        """
        if self._first_look is not None:
            arguments = self.named_arguments(task)
            self._first_look = self._first_look.confirmed_by(arguments)

    def changed_arguments(self, task: Task | OwnTask, seconds: float) -> list[str]:
        """Return the names of the arguments that have changed since the first look.

        Args:
            task: The task that was called.
            seconds: How long the call took. Large arguments are looked at only if that
                takes no more than a tenth of it.
        """
        look = self._first_look
        if look is None:
            return []
        return look.names_of_changed(self.named_arguments(task), seconds)

    def fingerprint(self, task: Task | OwnTask | None = None) -> str:
        """Return the whole fingerprint of the arguments, of which the id is a part.

        Args:
            task: The task that was called, for an execution that does not know it.

        Returns:
            Hex digits; computed at the first question.

        Raises:
            UnstableValueError: If an argument has no stable identity.
        """
        if self._fingerprint is None:
            tokens = self.argument_tokens(task)
            found = fingerprint.fingerprint_of_tokens(tokens)
            if not isinstance(found, bytes):
                raise found.error()
            self._fingerprint = found.hex()
            if self._id is None:
                self._id = self._fingerprint[:ID_LENGTH]
        return self._fingerprint

    def _compute_id(self) -> str:
        if self._fingerprint is None:
            tokens = self.argument_tokens()
            found = fingerprint.fingerprint_of_tokens(tokens)
            if not isinstance(found, bytes):
                self.instability = found.error()
                return unique_identifier()
            self._fingerprint = found.hex()
        return self._fingerprint[:ID_LENGTH]

    def serialized(self) -> dict[str, Any]:
        """Return what a serializer writes of the execution."""
        values: dict[str, Any] = {
            "execution_id": self.execution_id,
            "args": self.args,
            "kwargs": self.kwargs,
        }
        if self.instability is not None:
            values["instability"] = str(self.instability)
        return values

    @classmethod
    def deserialize(cls, values: dict[str, Any]) -> Execution:
        """Make an execution of what a serializer has read."""
        execution = cls(values["execution_id"], values["args"], values["kwargs"])
        if "instability" in values:
            execution.instability = UnstableValueError(values["instability"])
        return execution

    def to_move(self) -> dict[str, Any]:
        """Return what another interpreter needs; the id only when it is known.

        The task there cannot change the arguments here, so it can be computed later.
        """
        values = {"id": self._id, "args": self.args, "kwargs": self.kwargs}
        look = self.first_look_to_move()
        if look is not None:
            values["first_look"] = look
        return values

    @classmethod
    def of_moved(cls, task: Any, values: dict[str, Any]) -> Execution:
        """Make an execution of what `to_move` gave.

        Args:
            task: The task that was called.
            values: What was given.
        """
        execution = cls.of_call(task, values["args"], values["kwargs"])
        execution._id = values["id"]
        execution.take_first_look(values.get("first_look"))
        return execution

    def __reduce__(self) -> tuple[Any, ...]:
        return Execution.deserialize, (self.serialized(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Execution):
            return NotImplemented
        return self.execution_id == other.execution_id

    def __hash__(self) -> int:
        return hash(self.execution_id)

    def __repr__(self) -> str:
        return f"Execution({self._id!r}, {self.args!r}, {self.kwargs!r})"
