"""A chain for each engine."""

from __future__ import annotations

import bandsaw
from bandsaw.advices.dask import DaskAdvice
from bandsaw.advices.ray import RayAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(DaskAdvice(), name="dask")
configuration.add_advice_chain(RayAdvice(), name="ray")
