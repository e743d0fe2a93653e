"""Exceptions, classified by what the caller can do next.

Every class also inherits the built-in exception that the published releases raised
in its place, so that existing ``except`` clauses keep working.

    BandsawError
    ├── ConfigurationError (ValueError)
    │   │       mend the configuration or the call
    │   ├── MissingExtraError (ImportError)
    │   │       install the extra that the message names
    │   ├── PythonNotFoundError
    │   │       install the Python, or name another one
    │   └── EnvironmentLockError
    │           lock the environment anew, or take the change back
    ├── AdviceError (RuntimeError)
    │       mend the advice: a step forgotten or done twice
    ├── SerializationError (TypeError, ValueError)
    │   │       this value cannot be written or read: replace it
    │   └── SignatureError
    │           another user may have written it: do not use it
    ├── OpaqueValueError (ImportError)
    │       this value's class is not installed here: pass it on
    ├── UnstableValueError (TypeError)
    │   │       give the value an identity, or leave it out
    │   └── UnreadableFileError (OSError)
    │           this file has no content that could be identified
    ├── InvalidSessionError (ValueError)
    │       what was read is not a whole session
    ├── DamagedEntryError (ValueError)
    │       what was read is not the result that was kept
    ├── UntrustedDirectoryError (PermissionError)
    │       another user can write there: take the right away
    ├── NotMovableError (TypeError)
    │       run this task here, define it in a module, or reload the module
    ├── MainGuardError (RuntimeError)
    │       guard the script's top level
    ├── DependencyError (RuntimeError)
    │       look at its cause: a call that this one needs has failed
    ├── InterpreterError (RuntimeError)
    │   │       the other interpreter failed: look, or try again
    │   ├── InterpreterDiedError
    │   │       it ended without an answer
    │   ├── InterpreterStartError
    │   │   │   it could not be started, or not restore the session
    │   │   └── EnvironmentBuildError
    │   │           a package could not be found, built or installed: look why
    │   ├── TaskTimeoutError (TimeoutError)
    │   │       the call took too long and was ended: give it more time
    │   ├── TaskMemoryError (MemoryError)
    │   │       the task wanted more memory than its limit: give it more
    │   ├── ProtocolError
    │   │       the two interpreters do not understand each other
    │   └── UnreachableError (ConnectionError)
    │           the other machine does not answer
    └── RemoteTraceback
            never raised: the cause of an exception that comes from elsewhere

    RuntimeWarning
    └── MutatedArgumentWarning
            a task changes an argument in place: return a changed copy
"""

from __future__ import annotations

from .runtime.caller_warnings import give_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TypeVar

    AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class BandsawError(Exception):
    """Base of every exception that bandsaw itself raises."""


class ConfigurationError(BandsawError, ValueError):
    """A name, a chain or an option that the configuration does not know."""


class MissingExtraError(ConfigurationError, ImportError):
    """A part of bandsaw needs a package that is not installed.

    The message names the extra that brings it, e.g. ``bandsaw[multimeter]``.
    """


class PythonNotFoundError(ConfigurationError):
    """No Python on this machine is the one that an environment asks for."""


class EnvironmentLockError(ConfigurationError):
    """The lock of an environment does not match its request, or cannot be read."""


class AdviceError(BandsawError, RuntimeError):
    """An advice took a step twice, too late, or not at all."""


class SerializationError(BandsawError, TypeError, ValueError):
    """A value that a serializer cannot write, or cannot give back.

    Attributes:
        part: The part of a session that the value is, `execution` for the arguments;
            `None` if it belongs to no session.
        reason: What is impossible, by which serializer, and why, as it ends the
            sentence "The arguments cannot ...".
    """

    part: str | None = None
    reason: str = ""

    @classmethod
    def of_part(cls, part: str, reason: str) -> SerializationError:
        """Make the error about a part of a session.

        Args:
            part: The part.
            reason: What is impossible, by which serializer, and why.
        """
        error = cls(f"The {part} of the session cannot {reason}")
        error.part, error.reason = part, reason
        return error


class SignatureError(SerializationError):
    """A value whose signature is missing, or does not fit."""


class OpaqueValueError(BandsawError, ImportError):
    """An `Opaque` was used whose class is not installed here.

    Its attribute `name` is the module that is missing.
    """


class UnstableValueError(BandsawError, TypeError):
    """A value without a stable identity: give it one, or leave the argument out.

    The message names the path to the value.
    """


class UnreadableFileError(UnstableValueError, OSError):
    """A `File` that is not there, cannot be read, or is being changed."""


class InvalidSessionError(BandsawError, ValueError):
    """A stream that does not hold a whole session, or one that was tampered with."""


class DamagedEntryError(BandsawError, ValueError):
    """An entry of a cache that is not what was written; it counts as absent."""


class UntrustedDirectoryError(BandsawError, PermissionError):
    """A directory from which code is read, and to which another user can write."""


class NotMovableError(BandsawError, TypeError):
    """A task that another interpreter would not find, or not as it is loaded here."""


class MainGuardError(BandsawError, RuntimeError):
    """A script calls a task while another interpreter imports it."""


class DependencyError(BandsawError, RuntimeError):
    """A submitted call was not made, because one that it depends on has failed.

    Its cause is the exception of the call that has failed first, or the
    `concurrent.futures.CancelledError` of one that was cancelled.

    Attributes:
        reason: Which call that is, and why it failed.
    """

    reason: str = ""


class InterpreterError(BandsawError, RuntimeError):
    """Another interpreter that should have continued a session did not."""


class InterpreterDiedError(InterpreterError):
    """The other interpreter ended without an answer."""


class InterpreterStartError(InterpreterError):
    """The other interpreter could not be started or could not restore the session."""


class EnvironmentBuildError(InterpreterStartError):
    """An environment that could not be made; the message quotes what has failed.

    Nothing is left of it, and the next use tries again.
    """


class TaskTimeoutError(InterpreterError, TimeoutError):
    """A task that took longer than its timeout; its process was ended."""


class TaskMemoryError(InterpreterError, MemoryError):
    """A task that wanted more memory than its limit allows."""


class ProtocolError(InterpreterError):
    """Two interpreters that do not understand each other.

    Their versions of bandsaw differ, or something has written into the channel between
    them.
    """


class UnreachableError(InterpreterError, ConnectionError):
    """The other machine refuses, or does not answer in time."""


class RemoteTraceback(BandsawError):
    """The traceback of an exception that was raised in another interpreter.

    It is the cause (``__cause__``) of that exception here.
    """

    def add_head(self, note: str) -> None:
        """Tell a note before everything else, unless that was done before.

        Args:
            note: The note.
        """
        text = str(self)
        if note not in text:
            self.args = (text.replace('"""', f'"""\n{note}', 1),)


class MutatedArgumentWarning(RuntimeWarning):
    """A task that changes an argument in place, where its caller can lose the change.

    A cache gives later calls the result only, and another interpreter has a copy of the
    arguments. The message names the arguments.
    """


def check_methods(owner: str, needed: str, value: object, *names: str) -> None:
    """Refuse an object that does not have the methods of what is needed.

    A user's own object need not inherit from the class of what is needed, which would
    have to be imported.

    Args:
        owner: The class or method that needs it.
        needed: What it needs.
        value: What it was given.
        *names: The names of the methods.

    Raises:
        ConfigurationError: If one of them is missing, or if the object is a class.
    """
    for name in names:
        if isinstance(value, type) or not callable(getattr(value, name, None)):
            raise ConfigurationError(
                f"{owner} needs {needed}, and not {value!r}: it must be an object with "
                f"the method {name}."
            )


def check_type(owner: str, needed: str, value: object, *types: type) -> None:
    """Refuse an object of another type, at once instead of at its first use.

    Args:
        owner: The class or method that needs it.
        needed: What it needs.
        value: What it was given.
        *types: The types that it may have.

    Raises:
        ConfigurationError: If it has none of them.
    """
    if not isinstance(value, types):
        raise ConfigurationError(f"{owner} needs {needed}, and not {value!r}.")


def keyword_only(*names: str) -> Callable[[AnyFunction], AnyFunction]:
    """Accept keyword-only arguments by position, with a warning, as they once were.

    Args:
        *names: The names of these arguments, in the order of their positions.

    Returns:
        A decorator of the function, which declares them as keyword-only.
    """

    def decorate(function: Any) -> Any:
        most = function.__code__.co_argcount

        def call(*args: Any, **kwargs: Any) -> Any:
            if len(args) > most:
                args = give_names(function, names, args, kwargs)
            return function(*args, **kwargs)

        # `update_wrapper` would have to be imported for most configurations.
        call.__module__, call.__doc__ = function.__module__, function.__doc__
        call.__name__, call.__qualname__ = function.__name__, function.__qualname__
        call.__annotations__ = function.__annotations__
        call.__wrapped__ = function  # type: ignore[attr-defined]
        return call

    return decorate
