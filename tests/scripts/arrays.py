import sys

import numpy as np

import bandsaw

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


@bandsaw.task(chain=sys.argv[1])
def there_and_back(arrays):
    for name, array in arrays.items():
        if not np.ma.isMaskedArray(array):
            assert array.flags.writeable, name
            if array.size and array.dtype.kind in "fi":
                array.flat[0] = 0
                array.flat[0] = 1
    return {name: (array, str(array.dtype)) for name, array in arrays.items()}


if __name__ == "__main__":
    before = {name: array.copy() for name, array in arrays.items()}
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
