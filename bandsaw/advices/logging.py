"""The name that release 0.1 gave to `bandsaw.advices.log`."""

from __future__ import annotations

from .log import JsonFormatter, LoggingAdvice

__all__ = ["JsonFormatter", "LoggingAdvice"]
