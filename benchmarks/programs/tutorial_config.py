"""The configuration of the tutorial, and a chain with a log and a fresh process."""

from __future__ import annotations

import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

configuration = bandsaw.Configuration()
configuration.add_extension(TimestampsExtension())
configuration.add_extension(TrackerExtension(FileSystemBackend("tracking")))
configuration.add_advice_chain(CachingAdvice("cache"))
configuration.add_advice_chain(
    CachingAdvice("cache"),
    SubprocessAdvice(),
    name="elsewhere",
)
configuration.add_advice_chain(LoggingAdvice(), SubprocessAdvice(), name="logged")
