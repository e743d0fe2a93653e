"""Chains that lead over ssh to this machine, through a delay, and to a local pool."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bandsaw
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.connections import Command, Ssh

_DELAYED = str(Path(__file__).parent / "delayed.py")

# Over ssh, in a place that shares no directory for large buffers with the caller
_APART = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/dev/shm", "--die-with-parent"]
_APART += ["--tmpfs", os.path.join(os.environ["BENCHMARK_DIRECTORY"], "temporary")]

there = bandsaw.Interpreter(path=(), executable=sys.executable)


def _far(connection, workers=1):
    return ConnectionAdvice(connection, interpreter=there, workers=workers)


configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
configuration.add_advice_chain(_far(Command(["env"])), name="command")
configuration.add_advice_chain(_far(Ssh("far")), name="ssh")
configuration.add_advice_chain(_far(Command(_APART, via=Ssh("far"))), name="apart")
configuration.add_advice_chain(
    _far(Command([sys.executable, _DELAYED, "0.05"]), workers=4), name="delayed"
)
