"""The base of the advices that hand sessions to an engine, which has many at a time."""

from __future__ import annotations

from functools import partial

from ..runtime.fork import Lock
from ..runtime.lazy import LateModule, late_attribute
from .remote import RemoteAdvice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..interpreter import Interpreter
    from ..session import Session
    from . import _engines
    from ._engine_calls import EngineTransport, Move

    engines = _engines
else:
    # A process that only continues sessions, or loads its configuration, does without.
    engines = LateModule("bandsaw.advices._engines")

# What a subclass may have overridden, so that each session is moved step by step.
_STEPS = ("before", "_move")


class EngineAdvice(RemoteAdvice):
    """Continue sessions in the processes of an engine."""

    def __init__(self) -> None:
        super().__init__()

    def _begin_anew(self) -> None:
        self._transport: EngineTransport | None = None
        self._lock = Lock()

    @late_attribute
    def _interpreter(self) -> Interpreter:
        return engines.interpreter_elsewhere()

    def interpreter_for(self, session: Session) -> Interpreter:
        """Return the interpreter of the engine's processes."""
        return self._interpreter

    def transport_for(self, session: Session) -> EngineTransport:
        """Return the transport to the engine."""
        return self._engine_transport()

    @property
    def slots(self) -> int | None:
        """The number of sessions that the engine runs at a time, if it is known."""
        return self._engine_transport().slots

    def _engine_transport(self) -> EngineTransport:
        transport = self._transport
        if transport is None:
            with self._lock:
                transport = self._transport
                if transport is None:
                    transport = self._transport = self._make_transport()
        return transport

    def _make_transport(self) -> EngineTransport:
        raise NotImplementedError

    @property
    def begin_move(self) -> Callable[[Session], Move] | None:
        """The function that moves a session without waiting for its answer.

        It is called in the place of `before`, and returns what carries on with the
        session then. `None` where a subclass moves its sessions otherwise.
        """
        own = type(self)
        if any(getattr(own, n) is not getattr(RemoteAdvice, n) for n in _STEPS):
            return None
        return partial(engines.Move, self)
