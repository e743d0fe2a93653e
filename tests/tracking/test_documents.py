"""Records as JSON."""

from __future__ import annotations

import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from bandsaw.tracking.documents import Documents

TASK = {"task": {"id": "t", "advice_parameters": {"name": ["ü", "\ud800", None]}}}


@pytest.fixture
def documents():
    return Documents()


def test_a_document_is_the_same_whatever_was_made_before(documents):
    execution = {**TASK, "execution": {"arguments": [1, 2.5, True]}}
    session = {**execution, "run": {"id": "r"}, "context": {}}
    result = {**session, "result": {"value": "x"}}
    other = {**execution, "context": {"a": 1}, "result": {"value": "x"}}
    renamed = {"other": execution["task"], "execution": execution["execution"], "a": 1}
    records = [TASK, execution, session, result, other, renamed, {}, execution, result]
    for record in [*records, *reversed(records)]:
        assert documents.document_of(record) == json.dumps(record).encode()


def test_a_part_that_is_equal_but_not_the_same_is_written_as_it_is(documents):
    documents.document_of({"a": 1, "b": [True]})
    assert documents.document_of({"a": 1, "b": [1], "c": 2}) == (
        b'{"a": 1, "b": [1], "c": 2}'
    )


def test_no_part_is_asked_whether_it_is_equal_to_another(documents):
    class Broken(dict):
        def __eq__(self, other):
            raise OSError

    documents.document_of({"a": Broken()})
    assert documents.document_of({"a": Broken(), "b": 1}) == b'{"a": {}, "b": 1}'


def test_what_json_does_not_know_is_its_text_in_every_document(documents):
    cycle: list = []
    cycle.append(cycle)
    record = {"a": {1, 2}}
    longer = {**record, "b": cycle}
    for _ in range(3):
        assert json.loads(documents.document_of(record)) == {"a": "[1, 2]"}
        assert json.loads(documents.document_of(longer)) == {
            "a": "[1, 2]",
            "b": ["..."],
        }
        assert documents.document_of({"c": [[], []]}) == b'{"c": [[], []]}'


def test_values_live_no_longer_than_they_are_needed(documents):
    class Value:
        pass

    value = Value()
    reference = weakref.ref(value)
    documents.document_of({"a": value})
    documents.forget()
    del value
    gc.collect()
    assert reference() is None


def test_eight_threads_may_make_documents(documents):
    shared = [{"items": list(range(50))}] * 3

    def make(number):
        for i in range(200):
            record = {"shared": shared, "number": [number]}
            assert json.loads(documents.document_of(record)) == record
            longer = {**record, "i": i}
            assert json.loads(documents.document_of(longer)) == longer

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
