"""Entries that are removed when a store is beyond its bounds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bandsaw.exceptions import ConfigurationError
from bandsaw.stores import LocalStore
from bandsaw.stores.pruning import Bounds, parse_age, parse_size, prune


def names(store: LocalStore) -> list[str]:
    return sorted(item.name for item in store.items())


def write(store: LocalStore, name: str, age: float, size: int = 100) -> None:
    store.write(name, [bytes(size)])
    then = time.time() - age
    os.utime(store.location(name), (then, then))


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "cache")


def test_what_was_not_used_for_the_longest_time_goes_first(store: LocalStore) -> None:
    for number in range(5):
        write(store, f"task/{number}", age=1000 - number)
    store.note_use("task/0")
    pruned = prune(store, max_size=300)

    assert names(store) == ["task/0", "task/3", "task/4"]
    assert (pruned.count, pruned.size) == (2, 200)


def test_what_is_too_old_goes(store: LocalStore) -> None:
    write(store, "task/old", age=1000)
    write(store, "task/new", age=10)
    store.note_use("task/old")
    prune(store, max_age=100)

    assert names(store) == ["task/new"]


def test_without_bounds_nothing_goes(store: LocalStore) -> None:
    write(store, "task/a", age=10**9)
    pruned = prune(store)

    assert pruned.count == 0
    assert names(store) == ["task/a"]


def test_a_document_goes_with_the_last_entry_of_its_task(store: LocalStore) -> None:
    for task in ("one", "two"):
        write(store, f"{task}/a", age=1000 if task == "one" else 1)
        write(store, f"{task}/.code-1", age=1000)
    prune(store, max_age=100)

    assert names(store) == ["two/.code-1", "two/a"]
    assert sorted(path.name for path in store.directory.iterdir()) == ["two"]


def test_a_document_that_was_just_written_waits_for_its_entry(
    store: LocalStore,
) -> None:
    write(store, "task/.code-1", age=1)
    prune(store, max_age=100)
    assert names(store) == ["task/.code-1"]

    write(store, "task/.code-1", age=10_000)
    prune(store, max_age=100)
    assert names(store) == []


def test_a_cache_keeps_to_its_size_while_it_writes(store: LocalStore) -> None:
    bounds = Bounds(store, max_size="2 kB", max_age=None)
    for number in range(100):
        write(store, f"task/{number}", age=1000 - number)
        bounds.added(100)
        assert sum(item.size for item in store.items()) <= 2000

    assert "task/99" in names(store)
    assert "task/0" not in names(store)


def test_what_was_there_before_counts_too(store: LocalStore) -> None:
    write(store, "task/before", age=1000, size=5000)
    bounds = Bounds(store, max_size=2000, max_age=None)
    write(store, "task/a", age=0)
    bounds.added(100)

    assert names(store) == ["task/a"]


def test_a_store_may_hold_exactly_its_bound(store: LocalStore) -> None:
    bounds = Bounds(store, max_size=200, max_age=None)
    counts = []
    for number in range(5):
        write(store, f"task/{number}", age=100 - number)
        bounds.added(100)
        counts.append(len(names(store)))

    assert counts == [1, 2, 1, 2, 1]


def test_an_entry_is_over_when_it_is_too_old() -> None:
    bounds = Bounds(LocalStore("unused"), max_size=None, max_age="1 h")

    assert not bounds.is_over(time.time() - 3500)
    assert bounds.is_over(time.time() - 3700)
    assert not Bounds(LocalStore("unused"), max_size=None, max_age=None).is_over(0)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (10, 10),
        ("10", 10),
        ("10 B", 10),
        ("1.5kB", 1500),
        ("10 GB", 10**10),
        ("512 MiB", 512 * 2**20),
        ("2T", 2 * 10**12),
        ("1 GiB", 2**30),
    ],
)
def test_a_size_may_be_a_text(text: object, size: float) -> None:
    assert parse_size(text) == size  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        (10.5, 10.5),
        ("90", 90),
        ("90s", 90),
        ("3 seconds", 3),
        ("3m", 180),
        ("15 min", 900),
        ("1 minute", 60),
        ("12h", 43200),
        ("2 hours", 7200),
        ("2d", 2 * 86400),
        ("1 day", 86400),
        ("30 days", 30 * 86400),
        ("1w", 7 * 86400),
        ("2 weeks", 14 * 86400),
    ],
)
def test_an_age_may_be_a_text(text: object, age: float) -> None:
    assert parse_age(text) == age  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "many", "10 XB", "1.2.3 GB", -1, True, None])
def test_what_is_no_size_is_named(text: object) -> None:
    with pytest.raises(ConfigurationError, match="is no size"):
        parse_size(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "long", "3 fortnights", "1.2.3 d", -1, True])
def test_what_is_no_age_is_named(text: object) -> None:
    with pytest.raises(ConfigurationError, match="is no age"):
        parse_age(text)  # type: ignore[arg-type]
