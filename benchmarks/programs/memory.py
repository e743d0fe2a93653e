"""Counts the bytes that calls leave behind: ``python memory.py CHAIN CALLS``.

The chain is `empty` or `tracked`. Every call has an argument of its own.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc

import bandsaw

# What has a limit has reached it after so many calls.
WARM_UP = 10_000


def main():
    chain, calls = sys.argv[1], int(sys.argv[2])
    config = {"empty": "bandsaw_config", "tracked": "tracked_config"}[chain]

    @bandsaw.task(config=config)
    def function(argument):
        return argument

    # Counted from the beginning: what replaces something remembered is no growth.
    tracemalloc.start()
    for number in range(min(WARM_UP, calls)):
        function(number)
    before = allocated()
    for number in range(WARM_UP, WARM_UP + calls):
        function(number)
    print(json.dumps({"growth": allocated() - before, "calls": calls}))


def allocated():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    main()
