"""Random graphs of submitted calls that other interpreters execute."""

import sys

from hypothesis import given, settings

import bandsaw
from tests.futures import test_dependencies as graphs


@bandsaw.task(chain=sys.argv[1])
def work(*values, more=0):
    return graphs.work(*values, more=more)


@bandsaw.task(chain=sys.argv[1])
def refuse(*values):
    graphs.refuse(*values)


@settings(deadline=None, max_examples=10, database=None)
@given(graphs._graphs)
def check(graph):
    assert graphs.submitted(graph, work, refuse) == graphs.in_order(graph)


if __name__ == "__main__":
    check()
    print("all the same")
