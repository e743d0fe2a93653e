"""Large arrays go to another interpreter by one copy, and take no memory here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.advices.scripts import run

pytest.importorskip("numpy")

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
"""

ARRAYS = """
import datetime
import numpy as np

base = np.arange(600_000, dtype="f8")
arrays = {
    "C order": base.reshape(600, 1000),
    "Fortran order": np.asfortranarray(base.reshape(600, 1000)),
    "every other": base[::2],
    "backwards": base[::-1],
    "every other column": base.reshape(600, 1000)[:, ::2],
    "transposed": base.reshape(60, 100, 100).transpose(1, 2, 0),
    "broadcast": np.broadcast_to(base[:100_000], (3, 100_000)),
    "wide rows": base.reshape(2, 300_000)[:, ::2],
    "dates": base.astype("i8").view("M8[s]"),
    "every other date": base.astype("i8").view("M8[us]")[::2],
    "spans": base.astype("i8").view("m8[ms]"),
    "big-endian": base.astype(">f8"),
    "every other big-endian": base.astype(">i4")[::2],
    "text": np.array(["ä", "bc"] * 50_000),
    "every other text": np.array(["ä", "bc"] * 50_000)[::2],
    "records": np.zeros(50_000, dtype=[("a", "i4"), ("b", "f8", (2,))]),
    "every other record": np.ones(50_000, dtype=[("a", "i4"), ("b", "f8")])[::2],
    "records with dates": np.zeros(50_000, dtype=[("a", "M8[s]"), ("b", "f8")])[::2],
    "complex": base.astype("c16")[::3],
    "bool": np.resize(np.array([True, False]), 200_000)[::2],
    "half": (base % 1000).astype("f2")[::2],
    "bytes": np.array([b"abc", b"de"] * 50_000)[::2],
    "objects": np.array([{"a": 1}, None, "text"] * 1000, dtype=object),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 100_000)),
    "masked": np.ma.masked_array(base, base > 3),
    "small": np.arange(10)[::2],
}
"""


@pytest.mark.parametrize("chain", ["fresh", "pool"])
def test_every_array_arrives_as_it_was_and_can_be_changed(
    tmp_path: Path, chain: str
) -> None:
    output = run(
        tmp_path,
        ARRAYS
        + f"""
@bandsaw.task(chain="{chain}")
def there_and_back(arrays):
    for name, array in arrays.items():
        if not np.ma.isMaskedArray(array):
            assert array.flags.writeable, name
            if array.size and array.dtype.kind in "fi":
                array.flat[0] = 0
                array.flat[0] = 1
    return {{name: (array, str(array.dtype)) for name, array in arrays.items()}}

if __name__ == "__main__":
    before = {{name: array.copy() for name, array in arrays.items()}}
    back = there_and_back(arrays)
    for name, array in arrays.items():
        there, kind = back[name]
        if not np.ma.isMaskedArray(array) and array.size and array.dtype.kind in "fi":
            expected = array.copy()
            expected.flat[0] = 1
        else:
            expected = array
        assert kind == str(array.dtype) == str(there.dtype), name
        assert there.shape == array.shape, name
        np.testing.assert_array_equal(there, expected, err_msg=name)
        np.testing.assert_array_equal(array, before[name], err_msg=name)
        if not np.ma.isMaskedArray(there):
            assert there.flags.writeable, name
    print("all", len(back) == len(arrays))
""",
        config=CONFIG,
    )
    assert output == "all True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize(
    "array",
    ["base", "base[::2]", 'base.view("M8[s]")', "base.reshape(2, -1)[:, ::2]"],
)
def test_what_is_sent_takes_no_memory_of_the_caller(tmp_path: Path, array: str) -> None:
    output = run(
        tmp_path,
        f"""
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
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
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


def test_many_large_arrays_leave_no_descriptor_and_no_memory(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
import numpy as np

@bandsaw.task(chain="pool")
def double(arrays):
    return [2 * array for array in arrays]

def descriptors():
    return len(os.listdir("/dev/fd"))

if __name__ == "__main__":
    arrays = [np.ones(20_000) for _ in range(20)]
    double(arrays)
    before = descriptors()
    for _ in range(50):
        double(arrays)
    print(descriptors() - before)
    kept = double(arrays)
    # All of an answer are one mapping, so they are one descriptor at most.
    print(descriptors() - before <= 1, sum(map(np.sum, kept)))
""",
        config=CONFIG,
    )
    assert output == "0\nTrue 800000.0\n"
