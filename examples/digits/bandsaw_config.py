"""The advices around the tasks of the workflow: bandsaw finds this by its name."""

from pathlib import Path

from bandsaw import Configuration, Interpreter, identifier_from_string
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension
from second_python import find_second_python

OUTPUT = Path(__file__).parent / "output"

log = LoggingAdvice(level="INFO")
cache = CachingAdvice(OUTPUT / "cache")
own_process = SubprocessAdvice()

python = find_second_python()
second_python = SubprocessAdvice(interpreter=Interpreter(executable=python))
# What one Python has computed is not the answer of another one.
second_cache = CachingAdvice(OUTPUT / "cache" / identifier_from_string(python))

configuration = (
    Configuration()
    # Extensions are told about all sessions, in this order: what the first one notes
    # is there when the second one keeps it.
    .add_extension(TimestampsExtension())
    .add_extension(TrackerExtension(FileSystemBackend(OUTPUT / "tracking")))
    # A task that names no chain has this one. An answer from the cache ends the way
    # along a chain, so the later advices see only the calls that need them.
    .add_advice_chain(cache, log)
    # What comes after the advice that starts a process acts in that process.
    .add_advice_chain(cache, own_process, log, name="own-process")
    .add_advice_chain(second_cache, second_python, log, name="second-python")
)
