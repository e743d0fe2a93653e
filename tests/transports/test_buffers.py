"""Large arrays go to another interpreter by one copy, and take no memory here."""

from __future__ import annotations

import sys

import pytest

from tests.workflows import FAR, HEAD, Workflow, read_script

pytest.importorskip("numpy")

CONFIG = f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
{FAR}

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
configuration.add_advice_chain(far(), name="far")
"""


@pytest.mark.parametrize("chain", ["fresh", "pool", "far"])
def test_every_array_arrives_as_it_was_and_can_be_changed(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        read_script("arrays.py"),
        chain,
        config=CONFIG,
    )
    assert output == "all True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize(
    "array",
    ["base", "base[::2]", 'base.view("M8[s]")', "base.reshape(2, -1)[:, ::2]"],
)
def test_what_is_sent_takes_no_memory_of_the_caller(
    workflow: Workflow, array: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import re
import numpy as np

@bandsaw.task(chain="pool")
def size(array):
    return array.nbytes

def peak():
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\\\s*(\\\\d+)", status).group(1)) >> 10

if __name__ == "__main__":
    base = np.ones(200 << 17, dtype="i8")
    array = {array}
    small = array[:1000] if array.ndim == 1 else array[:, :1000]
    size(small)
    before = peak()
    assert size(array) == array.nbytes
    print(peak() - before < 32)
""".replace("\\\\", "\\"),
        config=CONFIG,
    )
    assert output == "True\n"


def test_an_array_comes_back_to_be_changed_and_outlives_its_process(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
import numpy as np
from bandsaw.transports import worker

@bandsaw.task(chain="pool")
def ones(n):
    return np.ones(n)

if __name__ == "__main__":
    arrays = [ones(100_000) for _ in range(3)]
    worker.end_all()
    arrays[0] += 1
    part = arrays[0][10:20]
    del arrays[0]
    print(part.sum(), [array.sum() for array in arrays])
""",
        config=CONFIG,
    )
    assert output.replace("np.float64(", "").replace(")", "") == (
        "20.0 [100000.0, 100000.0]\n"
    )


def test_many_large_arrays_leave_no_descriptor_and_no_memory(
    workflow: Workflow,
) -> None:
    output = workflow.output(read_script("many_large_arrays.py"), config=CONFIG)
    assert output == "0\nTrue 800000.0\n"
