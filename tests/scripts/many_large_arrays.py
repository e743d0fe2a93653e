import os

import numpy as np

import bandsaw


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
