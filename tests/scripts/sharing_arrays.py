import itertools
import os
import sys
import time

import numpy as np

import bandsaw
from bandsaw.transports import lane, shared_directory

SIZE = 1 << 20


@bandsaw.task(chain=sys.argv[1])
def total(number, array, again=None):
    assert again is None or again is array
    found = int(array.sum())
    array[:] = number  # Each call has a value of its own.
    return found


def descriptors():
    return len(os.listdir("/dev/fd"))


def counting(post):
    def count(self, piece):
        sent.append(len(piece))
        return post(self, piece)

    return count


sent = []

if __name__ == "__main__":
    if sys.argv[2:]:  # The ends of the connection are apart.
        shared_directory.OfferedDirectories.choose = lambda *_: None
    lane.LaneChannel._post = counting(lane.LaneChannel._post)
    total(0, np.ones(SIZE, dtype="u1"))
    before = descriptors()
    sent.clear()

    # Twice in an item, and with another one that only this item has
    shared = np.full(SIZE, 2, dtype="u1")
    items = itertools.repeat({"a": shared}["a"])
    results = total.map(range(5), items, [shared] * 5, buffersize=1)
    print("first", next(results) == 2 * SIZE)
    shared[:] = 7
    print("others", set(results) == {2 * SIZE})
    print("a call", total(0, shared) == 7 * SIZE)
    del results, items
    print("own", [*total.map(range(5), ([*range(5)] for _ in ""))] == [])
    own = (np.full(SIZE, number, dtype="u1") for number in range(6))
    print("own", [*total.map(range(6), own)] == [SIZE * n for n in range(6)])
    if sys.argv[1] != "fresh":  # Another process is started ahead at any time.
        # A thread that has told a result may still be about to let go.
        end = time.monotonic() + 60
        while descriptors() > before and time.monotonic() < end:
            time.sleep(0.001)
        print("left", descriptors() - before)
    if sys.argv[2:]:
        # The shared one, what it was afterwards, and four of these six are new.
        print("sent", sum(sent) // SIZE)
