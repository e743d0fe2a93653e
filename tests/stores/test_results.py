"""Results by key: what is found, and why something is not."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from bandsaw import PickleSerializer
from bandsaw.exceptions import DamagedEntryError
from bandsaw.fingerprint.code import Code, Part
from bandsaw.result import Result
from bandsaw.stores import MemoryStore
from bandsaw.stores.entries import Entry
from bandsaw.stores.results import (
    ABSENT,
    DAMAGED,
    TOO_OLD,
    CacheKey,
    Description,
    Hit,
    Miss,
    ResultStore,
    document_of,
)

SERIALIZER = PickleSerializer()
CODE = Code({"module.task": Part("module.task", "function", "1", "text")}, {})
RECORD = {"task": "module.task", "document": document_of("task", CODE)}
DESCRIPTION = Description(RECORD, CODE)


@pytest.fixture(name="store")
def _store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(name="results")
def _results(store: MemoryStore) -> ResultStore:
    return ResultStore(store)


def key(code: str = "0", arguments: str = "a") -> CacheKey:
    return CacheKey("task/execution", arguments * 64, code * 64)


KEY = key()


def put(results: ResultStore, key: CacheKey, value: object) -> Miss:
    miss = results.get(key, SERIALIZER)
    assert isinstance(miss, Miss)
    results.put(key, Result(value), SERIALIZER, DESCRIPTION, miss)
    return miss


def found(
    results: ResultStore, key: CacheKey = KEY, serializer: Any = SERIALIZER
) -> Result:
    hit = results.get(key, serializer)
    assert isinstance(hit, Hit)
    return hit.result


def test_a_result_that_is_too_old_is_replaced_at_its_place(store: MemoryStore) -> None:
    put(ResultStore(store), KEY, 7)

    miss = put(ResultStore(store, max_age=0.0), KEY, 8)

    assert miss == Miss("task/execution", TOO_OLD)
    assert found(ResultStore(store)) == Result(8)


def test_a_key_cannot_be_changed_and_equals_its_like() -> None:
    with pytest.raises(AttributeError):
        key().code = "1"  # type: ignore[misc]

    assert key() == key()
    assert len({key(), key(), key("1")}) == 2


def test_a_result_is_found_by_its_key(results: ResultStore) -> None:
    assert put(results, key(), 7) == Miss("task/execution", ABSENT)

    assert results.get(key(), SERIALIZER) == Hit("task/execution", Result(7))
    assert results.find(key(), SERIALIZER) == Hit("task/execution", Result(7))


class Doubling(PickleSerializer):
    """Reads what another one has written, and gives another value for it."""

    def deserialize_with_buffers(self, content: Any, buffers: Any) -> Any:
        return Result(2 * super().deserialize_with_buffers(content, buffers).value)


@pytest.mark.parametrize("value", [7, [7], (7, "text"), ([7],), None])
def test_a_result_is_what_its_serializer_reads(
    results: ResultStore, value: Any
) -> None:
    put(results, key(), value)

    for _ in range(3):
        assert found(results) == Result(value)
    if value is not None:
        assert found(results, serializer=Doubling()) == Result(2 * value)


def test_results_that_can_be_changed_are_not_shared(results: ResultStore) -> None:
    put(results, key(), ([7],))
    for _ in range(3):
        result = found(results)
        assert result == Result(([7],))
        result.value[0].append(8)
        result.value = 9


def test_results_of_other_code_stand_beside(results: ResultStore) -> None:
    put(results, key("0"), 7)
    miss = put(results, key("1"), 8)

    assert miss.name == key("1").variant
    assert found(results, key("0")) == Result(7)
    assert found(results, key("1")) == Result(8)
    assert results.forget(key("2")) == 2
    assert results.items() == []


def test_other_arguments_with_the_same_digits_are_a_miss(results: ResultStore) -> None:
    put(results, key(arguments="a"), 7)
    put(results, key(arguments="b"), 8)

    miss = results.get(key(arguments="c"), SERIALIZER)

    assert miss == Miss(key().variant, ABSENT)


def test_only_a_result_in_use_is_one_that_was_used(
    results: ResultStore, store: MemoryStore
) -> None:
    put(results, key(), 7)
    results.find(key(), SERIALIZER)
    assert [item.hits for item in results.items()] == [0]

    results.get(key(), SERIALIZER)

    assert [item.hits for item in results.items()] == [1]


def test_a_damaged_entry_tells_why_and_is_replaced(
    results: ResultStore, store: MemoryStore
) -> None:
    put(results, key(), 7)
    store.write(key().name, [bytes(store.read(key().name) or b"").replace(b"}", b"]")])

    miss = put(results, key(), 8)

    assert (miss.name, miss.reason) == (key().name, DAMAGED)
    assert isinstance(miss.error, DamagedEntryError)
    assert found(results) == Result(8)


def test_a_result_that_is_too_old_is_replaced_where_it_is(store: MemoryStore) -> None:
    results = ResultStore(store)
    put(results, key("0"), 7)
    put(results, key("1"), 8)
    store.remove(key().name)

    miss = put(ResultStore(store, max_age=0.0), key("1"), 9)

    assert miss == Miss(key("1").variant, TOO_OLD)
    assert found(results, key("1")) == Result(9)
    assert len(results.items()) == 1


def test_what_was_missed_is_looked_for_where_it_is_put(store: MemoryStore) -> None:
    mine, other = ResultStore(store), ResultStore(store)
    miss = mine.get(key("0"), SERIALIZER)
    assert isinstance(miss, Miss)
    assert mine.get_missed(key("0"), SERIALIZER, miss) == miss

    put(other, key("1"), 8)
    variant = Miss(key("0").variant, ABSENT)
    assert mine.get_missed(key("0"), SERIALIZER, miss) == variant

    put(other, key("0"), 7)
    hit = Hit(key("0").variant, Result(7))
    assert mine.get_missed(key("0"), SERIALIZER, miss) == hit


def test_what_was_put_since_it_was_missed_is_one_that_was_used(
    store: MemoryStore,
) -> None:
    mine, other = ResultStore(store), ResultStore(store)
    miss = mine.get(KEY, SERIALIZER)
    assert isinstance(miss, Miss)
    put(other, KEY, 7)

    assert mine.get_missed(KEY, SERIALIZER, miss) == Hit(KEY.name, Result(7))
    assert [item.hits for item in mine.items()] == [1]


class Viewing(MemoryStore):
    """Gives a view of bytes that change."""

    def __init__(self) -> None:
        super().__init__()
        self.content = bytearray()

    def read(self, name: str) -> memoryview | None:
        content = super().read(name)
        if content is None:
            return None
        self.content = self.content or bytearray(content)
        return memoryview(self.content)


def test_what_may_change_while_it_is_kept_is_checked_each_time() -> None:
    store = Viewing()
    results = ResultStore(store)
    put(results, KEY, 7)
    assert found(results) == Result(7)

    store.content[0] ^= 1

    miss = results.get(KEY, SERIALIZER)
    assert isinstance(miss, Miss)
    assert miss.reason == DAMAGED


class Data:
    """Hands its bytes over as a buffer, as an array does."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Data, (pickle.PickleBuffer(self.content),)


def test_buffers_are_compared_on_the_first_use_only_when_they_seem_unchanged(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = ResultStore(store, verify=True)
    put(results, KEY, Data(bytes(100_000)))
    compared: list[Entry] = []
    verify = Entry.verify
    monkeypatch.setattr(
        Entry, "verify", lambda entry: (compared.append(entry), verify(entry))
    )

    for _ in range(3):
        assert len(found(results).value.content) == 100_000

    assert len(compared) == 1


def test_code_is_described_once(results: ResultStore, store: MemoryStore) -> None:
    put(results, key(), 7)
    (document,) = {item.name for item in store.items()} - {key().name}

    assert results.parts(document) == {"module.task": ["function", "1", "text"]}
    store.remove(document)
    put(results, key("1"), 8)
    assert store.read(document) is None
    assert results.parts(document) is None


def test_an_entry_says_of_what_it_is_the_result(
    results: ResultStore, store: MemoryStore
) -> None:
    put(results, key(), 7)
    store.write("task/by-hand", [b"something"])

    entry = results.entry(key().name)

    assert entry is not None
    assert entry.record == RECORD
    assert (entry.arguments, entry.code) == (key().arguments, key().code)
    assert results.entry("task/by-hand") is None
    assert results.entry("task/none") is None
