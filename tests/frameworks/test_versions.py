"""Tensors on their way to another version of torch, and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..workflows import Workflow, read_script

pytest.importorskip("torch", reason="needs torch")

OLD_TORCH = "PYTHON_OF_OLD_TORCH"

CONFIG = """
import os
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

there = bandsaw.Interpreter(path=[], executable=os.environ["PYTHON_OF_OLD_TORCH"])
advice = SubprocessAdvice(interpreter=there, workers=1)
caching = CachingAdvice(os.path.join(os.path.dirname(os.path.abspath(__file__)), "c"))
configuration = bandsaw.Configuration()
configuration.add_advice_chain(advice, name="there")
configuration.add_advice_chain(caching, advice, name="cached")
"""


@pytest.mark.timeout(600)
def test_what_another_version_of_torch_has_too_arrives_and_the_rest_is_refused(
    workflow: Workflow,
) -> None:
    if not Path(os.environ.get(OLD_TORCH, "")).is_file():
        pytest.skip("There is no Python with torch 1.12.")
    script = read_script("torch_versions.py")
    # Optimizers make a directory for what is compiled, whether or not something is.
    variables = {"TORCHINDUCTOR_CACHE_DIR": str(workflow.directory / "compiled")}

    completed = workflow.run(script, config=CONFIG, environment=variables, timeout=600)

    assert completed.stdout == "done\n"
