"""The places where the tasks of the sweep can be executed, one chain for each."""

import os
from pathlib import Path

from bandsaw import Configuration
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.dask import DaskAdvice
from bandsaw.advices.ray import RayAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

OUTPUT = Path(__file__).parent / "output"

cache = CachingAdvice(OUTPUT / "cache")

configuration = (
    Configuration()
    # An answer from the cache ends the way along a chain, so the later advice sees only
    # the calls that have to be made.
    .add_advice_chain(cache, name="here")
    .add_advice_chain(cache, SubprocessAdvice(workers=2), name="workers")
    # Without an address, these start a cluster on this machine.
    .add_advice_chain(cache, DaskAdvice(os.environ.get("SWEEP_DASK")), name="dask")
    .add_advice_chain(cache, RayAdvice(os.environ.get("SWEEP_RAY")), name="ray")
)
