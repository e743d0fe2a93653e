"""A cache in the directory that the environment names."""

from __future__ import annotations

import os

import bandsaw
from bandsaw.advices.cache import CachingAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(
    CachingAdvice(os.path.join(os.environ["CACHE_DIRECTORY"], "bandsaw"))
)
