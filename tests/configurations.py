"""Configurations that tests make, in modules that can be loaded by name."""

from __future__ import annotations

import itertools
import sys
import types
from contextlib import contextmanager
from typing import Iterator

import bandsaw

_numbers = itertools.count()


@contextmanager
def loadable_configuration() -> Iterator[bandsaw.Configuration]:
    """Give a new configuration that `get_configuration` finds by its module's name."""
    module = types.ModuleType(f"configuration_of_a_test_{next(_numbers)}")
    configuration = bandsaw.Configuration()
    configuration.module_name = module.__name__
    module.configuration = configuration  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        yield configuration
    finally:
        del sys.modules[module.__name__]
