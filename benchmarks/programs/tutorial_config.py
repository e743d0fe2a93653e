"""The configuration of the tutorial, and chains with the log of each session."""

from __future__ import annotations

import os

import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

directory = os.environ.get("BENCHMARK_DIRECTORY", ".")
cache = CachingAdvice(f"{directory}/cache")

configuration = bandsaw.Configuration()
configuration.add_extension(TimestampsExtension())
configuration.add_extension(
    TrackerExtension(FileSystemBackend(f"{directory}/tracking"))
)
configuration.add_advice_chain(cache)
configuration.add_advice_chain(cache, SubprocessAdvice(), name="elsewhere")
configuration.add_advice_chain(LoggingAdvice(), SubprocessAdvice(), name="logged")
configuration.add_advice_chain(
    LoggingAdvice(), SubprocessAdvice(start_ahead=False), name="fresh"
)
