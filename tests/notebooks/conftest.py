"""Chooses the kernels in which cells are executed."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

#: Names a Python 3.8 that has IPython 8.
OLD_KERNEL = "PYTHON_OF_OLD_KERNEL"


@pytest.fixture(params=["current", "old"])
def kernel(request: pytest.FixtureRequest) -> Path:
    """The Python of a kernel, of a current IPython or of IPython 8."""
    if request.param == "current":
        if importlib.util.find_spec("ipykernel") is None:
            pytest.skip("ipykernel is not installed")
        return Path(sys.executable)
    path = os.environ.get(OLD_KERNEL)
    if path is None or not Path(path).exists():
        pytest.skip("There is no Python with IPython 8.")
    return Path(path)
