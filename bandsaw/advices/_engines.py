"""The common parts of the advices that hand sessions to an engine."""

from __future__ import annotations

from ..interpreter import Interpreter
from ..runner.engine import COPIED, OWN, SHARED
from ._dask import DaskEngine
from ._engine_calls import EngineTransport, Move, interpreter_elsewhere
from ._executor import ExecutorEngine
from ._ray import RayEngine

__all__ = [
    "COPIED",
    "OWN",
    "SHARED",
    "DaskEngine",
    "EngineTransport",
    "ExecutorEngine",
    "Interpreter",
    "Move",
    "RayEngine",
    "interpreter_elsewhere",
]
