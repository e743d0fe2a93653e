"""Behaviour of every store."""

from __future__ import annotations

import threading
import time

import pytest

from bandsaw.stores import Store

LARGE = bytes(range(256)) * 4096


def content_of(store: Store, name: str) -> bytes | None:
    content = store.read(name)
    return None if content is None else bytes(content)


def names(store: Store, prefix: str = "") -> list[str]:
    return sorted(item.name for item in store.items(prefix))


def test_what_was_never_written_is_absent(store: Store) -> None:
    assert store.read("task/a") is None
    assert names(store) == []
    assert not store.remove("task/a")


def test_what_was_missed_is_found_once_it_is_written(store: Store) -> None:
    for _ in range(3):
        assert content_of(store, "task/a") is None
    store.write("task/a", [b"x"])
    assert content_of(store, "task/b") is None

    assert store.may_have("task/a")
    assert content_of(store, "task/a") == b"x"


@pytest.mark.parametrize("content", [b"", b"\0", b"some text", LARGE])
def test_what_was_written_is_read(store: Store, content: bytes) -> None:
    half = len(content) // 2
    store.write("task/a", [content[:half], memoryview(content)[half:]])

    assert content_of(store, "task/a") == content


def test_what_is_written_with_its_time_is_read(store: Store) -> None:
    store.write_dated("task/a", [b"con", b"tent"], 1234.5)

    assert bytes(store.read("task/a") or b"") == b"content"


def test_what_is_written_again_replaces_what_was_there(store: Store) -> None:
    store.write("task/a", [LARGE])
    store.write("task/a", [b"short"])

    assert content_of(store, "task/a") == b"short"
    assert names(store) == ["task/a"]


def test_what_was_removed_is_absent(store: Store) -> None:
    store.write("task/a", [b"a"])
    store.write("task/b", [b"b"])

    assert store.remove("task/a")
    assert not store.remove("task/a")
    assert content_of(store, "task/a") is None
    assert names(store) == ["task/b"]


def test_a_reader_keeps_what_is_removed_or_replaced_meanwhile(store: Store) -> None:
    store.write("task/a", [LARGE])
    content = store.read("task/a")
    assert content is not None
    store.write("task/a", [b"other"])
    store.remove("task/a")

    assert bytes(content) == LARGE


def test_writing_into_what_was_read_does_not_change_what_is_kept(
    store: Store,
) -> None:
    store.write("task/a", [LARGE])
    content = store.read("task/a")
    if isinstance(content, memoryview):
        content[0] = 77

    assert content_of(store, "task/a") == LARGE


def test_items_tell_size_and_age(store: Store) -> None:
    before = time.time() - 2
    store.write("task/a", [b"12345"])
    (item,) = store.items()

    assert (item.name, item.size, item.hits) == ("task/a", 5, 0)
    assert before <= item.written <= item.used <= time.time() + 2


def test_items_are_chosen_by_the_beginning_of_their_names(store: Store) -> None:
    for name in ("one/a", "one/ab", "one/.code-1", "two/a"):
        store.write(name, [b"x"])

    assert names(store, "one/a") == ["one/a", "one/ab"]
    assert names(store, "one/") == ["one/.code-1", "one/a", "one/ab"]
    assert names(store, "three/") == []
    assert len(names(store)) == 4


def test_uses_are_counted(store: Store) -> None:
    store.write("task/a", [b"x"])
    for _ in range(3):
        store.note_use("task/a")
    (item,) = store.items()

    assert item.hits == 3
    assert item.used >= item.written


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../a", "task/../../a", "task//a", "./a", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        store.write(name, [b"x"])
    with pytest.raises(ValueError, match="cannot be the name"):
        store.remove(name)


def test_a_store_describes_itself(store: Store) -> None:
    assert repr(store).startswith(type(store).__name__)
    assert "task/a" in store.location("task/a")


# One at a time


def test_a_name_is_held_by_one_thread(store: Store) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with store.alone("task/a", 60) as is_alone:
            assert is_alone
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 8


def test_names_are_held_independently(store: Store) -> None:
    with store.alone("task/a", 0) as first, store.alone("task/b", 0) as second:
        assert first
        assert second


def test_a_wait_has_an_end(store: Store) -> None:
    answers: list[bool] = []

    def ask() -> None:
        with store.alone("task/a", 0.01) as is_alone:
            answers.append(is_alone)

    with store.alone("task/a", 0):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    ask()

    assert answers == [False, True]


def test_who_holds_a_name_does_not_wait_for_it(store: Store) -> None:
    with store.alone("task/a", 60), store.alone("task/a", 60) as again:
        assert not again
    with store.alone("task/a", 0) as is_alone:
        assert is_alone


def test_two_who_want_each_others_names_do_not_wait_for_ever(store: Store) -> None:
    meet = threading.Barrier(2)
    answers = {}

    def work(first: str, second: str) -> None:
        with store.alone(first, 60):
            meet.wait(60)
            with store.alone(second, 60) as is_alone:
                answers[first] = is_alone

    threads = [
        threading.Thread(target=work, args=names)
        for names in (("task/a", "task/b"), ("task/b", "task/a"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # The one that may wait got what the other had, which did not wait.
    assert answers == {"task/a": True, "task/b": False}


def test_a_failure_gives_a_name_back(store: Store) -> None:
    with pytest.raises(LookupError), store.alone("task/a", 0):
        raise LookupError
    with store.alone("task/a", 0) as is_alone:
        assert is_alone
