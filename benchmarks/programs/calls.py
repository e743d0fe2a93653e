"""Measures calls of a task and of a wrapper that does nothing.

``python calls.py CHAIN ARGUMENT SECONDS``: the chain is `empty` or `ten`, the argument
`small` or `array`.
"""

from __future__ import annotations

import functools
import json
import sys

from timing import compare

import bandsaw


def pass_through(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


def function(argument):
    return argument


def main():
    chain, argument, seconds = sys.argv[1:]
    if argument == "array":
        import numpy

        value = numpy.ones(100_000_000, dtype="uint8")
    else:
        value = 1
    config = {"empty": "bandsaw_config", "ten": "ten_config"}[chain]
    functions = {
        "pass-through": pass_through(function),
        "task": bandsaw.task(config=config)(function),
    }
    print(json.dumps(compare(functions, value, float(seconds))))


if __name__ == "__main__":
    main()
