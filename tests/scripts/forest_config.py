import os

import bandsaw
from bandsaw import Interpreter
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

here = os.path.dirname(os.path.abspath(__file__))


def place(name, **options):
    path = [here, os.path.join(here, name, "site-packages")]
    return SubprocessAdvice(interpreter=Interpreter(path=path), **options)


configuration = bandsaw.Configuration()
for name in "with_forest", "with_other_forest", "without":
    configuration.add_advice_chain(place(name, start_ahead=False), name=name)
configuration.add_advice_chain(place("with_forest", workers=1), name="resident")
configuration.add_advice_chain(
    CachingAdvice(os.path.join(here, "cache")),
    place("with_forest", start_ahead=False),
    name="cached",
)
configuration.add_extension(
    TrackerExtension(FileSystemBackend(os.path.join(here, "tracked")))
)
