"""The bounded memory of what was met lately."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bandsaw.tracking.recent import Recent


def test_what_is_remembered_first_stays():
    recent = Recent(10)
    assert recent.setdefault("a", 1) == 1
    assert recent.setdefault("a", 2) == 1
    assert recent.get("a") == 1
    assert recent.get("b") is None


def test_what_is_popped_is_forgotten():
    recent = Recent(1)
    recent.setdefault("a", 1)
    assert recent.pop("a") == 1
    assert recent.pop("a") is None
    assert len(recent) == 0


def test_it_is_bounded_and_keeps_what_is_used():
    recent = Recent(100)
    for number in range(10_000):
        recent.setdefault(number, str(number))
        assert recent.setdefault("used", "first" if number == 0 else "new") == "first"
        assert len(recent) <= 200
        if number > 50:
            assert recent.get(number - 50) is not None


def test_only_one_of_several_threads_is_the_first():
    recent = Recent(100_000)

    def claim(mark):
        return sum(recent.setdefault(key, mark) is mark for key in range(5_000))

    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(claim, [object() for _ in range(8)]))
    assert sum(claimed) == 5_000


def test_a_key_is_new_once():
    recent = Recent(2)
    assert recent.add("a")
    assert not recent.add("a")
    assert recent.add("b")
    assert not recent.add("a"), "It was forgotten too early."
    assert recent.add("c")
    recent.pop("a")
    assert recent.add("a")


def test_a_key_is_new_for_one_of_several_threads():
    recent = Recent(100_000)
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(recent.add, list(range(1_000)) * 8))
    assert sum(added) == 1_000
