"""Large arguments that a cluster keeps, and for how long."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest

from bandsaw.advices._engine_calls import Kept, KeptBuffers
from bandsaw.serialization.buffers import contiguous

numpy = pytest.importorskip("numpy")


class Store(KeptBuffers):
    """One that keeps copies, like that of a node."""

    content_is_here = True

    def __init__(self) -> None:
        super().__init__()
        self.put_so_far: list[bytes] = []
        self.read_so_far = 0

    def put(self, view: memoryview) -> Any:
        self.put_so_far.append(bytes(view))
        return self.put_so_far[-1]

    def content_of(self, reference: Any) -> memoryview:
        self.read_so_far += 1
        return memoryview(reference)


class Map:
    """The arguments that calls of one map share."""


def keep(store: Store, array: Any, of_map: Map | None = None) -> Kept:
    """Return what a store keeps of an array that is the argument of a call."""
    call: Any = SimpleNamespace(sharing=of_map)
    buffer = memoryview(array)
    [kept] = store.find_or_put(call, [(buffer, contiguous(buffer))])
    return kept


def test_items_of_a_map_that_are_the_same_array_are_read_once() -> None:
    store, of_map = Store(), Map()
    array = numpy.zeros(1000)

    first = keep(store, array, of_map).reference
    gc.collect()  # The first call has ended.
    array[0] = 1
    second = keep(store, array, of_map).reference

    assert first is second
    assert len(store.put_so_far) == 1
    assert not store.read_so_far


def test_what_a_map_needs_is_given_up_with_it() -> None:
    store, of_map = Store(), Map()
    array = numpy.zeros(1000)

    keep(store, array, of_map)
    del of_map
    gc.collect()
    keep(store, array, Map())

    assert len(store.put_so_far) == 2


def test_other_calls_share_what_has_the_same_content_while_they_need_it() -> None:
    store = Store()

    first = keep(store, numpy.zeros(1000))
    assert keep(store, numpy.zeros(1000), Map()) is first
    assert keep(store, numpy.ones(1000)) is not first
    assert keep(store, numpy.zeros(999)) is not first
    del first
    gc.collect()
    keep(store, numpy.zeros(1000))

    assert len(store.put_so_far) == 4
