"""Resident processes, two of them with a library that the caller lacks, and a cache."""

from __future__ import annotations

import os

import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

directory = os.environ["BENCHMARK_DIRECTORY"]
library = os.path.join(directory, "site-packages")
interpreter = bandsaw.Interpreter(path=[os.path.dirname(__file__), library])

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="resident")
for name in "maker", "reader":
    advice = SubprocessAdvice(interpreter=interpreter, workers=1)
    configuration.add_advice_chain(advice, name=name)
configuration.add_advice_chain(
    CachingAdvice(os.path.join(directory, "cache")), name="cached"
)
