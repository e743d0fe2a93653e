"""One at a time across processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

from bandsaw.runtime.fork import reset
from bandsaw.session.cancellation import waiting_until
from bandsaw.stores import LocalStore, locks
from tests.waiting import wait_until
from tests.workflows import Workflow

HOLDER = """
import sys
from bandsaw.stores import LocalStore

directory, name, *wanted = sys.argv[1:]
store = LocalStore(directory)
with store.alone(name, 0) as is_alone:
    print(is_alone, flush=True)
    for name in wanted:
        if name == "later":
            sys.stdin.readline()
            continue
        with store.alone(name, 60) as is_alone:
            print(is_alone, flush=True)
    sys.stdin.read()
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(name="start_holder")
def _start_holder(workflow: Workflow) -> Start:
    """Start processes that hold a name, and wait for others."""

    def start(name: str = "task/a", *wanted: str) -> subprocess.Popen[str]:
        process = workflow.start("-c", HOLDER, workflow.directory, name, *wanted)
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        return process

    return start


def locks_of(store: LocalStore) -> locks.Locks:
    return locks.locks_of(str(store.directory / ".locks"))


def can_be_held(store: LocalStore) -> bool:
    with store.alone("task/a", 0) as is_alone:
        return is_alone


def test_a_name_is_held_by_one_process(start_holder: Start, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    holder = start_holder()
    assert not can_be_held(store)
    with store.alone("task/b", 0) as is_alone:
        assert is_alone
    assert holder.stdin is not None
    holder.stdin.close()
    with store.alone("task/a", 60) as is_alone:
        assert is_alone


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_dies_with_its_holder(
    start_holder: Start, tmp_path: Path, number: signal.Signals
) -> None:
    store = LocalStore(tmp_path)
    holder = start_holder()
    holder.send_signal(number)
    wait_until(lambda: can_be_held(store))


def test_two_stores_of_one_directory_in_one_process_share_what_they_hold(
    tmp_path: Path,
) -> None:
    with LocalStore(tmp_path).alone("task/a", 0) as first:
        assert first
        assert not can_be_held(LocalStore(tmp_path))


# A holder of one lock waits for another


def test_against_the_order_a_holder_waits_that_blocks_no_other(
    start_holder: Start, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    holder = start_holder()
    with store.alone("task/b", 0):
        end = threading.Timer(0.2, holder.communicate)
        end.start()
        with store.alone("task/a", 60) as is_alone:
            assert is_alone
        end.join()


def test_no_process_waits_for_one_that_waits_for_it(
    start_holder: Start, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/b", 0):
        holder = start_holder("task/a", "task/b")
        with store.alone("task/a", 60) as is_alone:
            assert not is_alone
    assert holder.communicate(timeout=60)[0] == "True\n"


def test_a_process_that_waits_sees_who_comes_to_wait_for_it_later(
    start_holder: Start, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/b", 0):
        holder = start_holder("task/a", "later", "task/b")
        assert holder.stdin is not None
        holder.stdin.write("\n")
        begin = threading.Timer(0.2, holder.stdin.flush)
        begin.start()
        started = time.monotonic()
        with store.alone("task/a", 60) as is_alone:
            assert not is_alone
        assert time.monotonic() - started < 50
        begin.join()
    assert holder.communicate(timeout=60)[0] == "True\n"


PROBE = """
import sys
from bandsaw.stores import LocalStore, locks
from tests.waiting import wait_until

mark = locks._position("task/a") + locks._WANTED
with LocalStore(sys.argv[1]).alone("task/a", 0):
    own = locks.locks_of(sys.argv[1] + "/.locks")
    print(own._lock(mark, locks._EXCLUSIVE), flush=True)
    sys.stdin.readline()
    own._lock(mark, locks._UNLOCK)
    wait_until(lambda: own._is_wanted("task/a"))
"""


def test_a_thread_marks_again_what_it_wants_after_a_process_was_in_its_way(
    workflow: Workflow, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)

    def has_tried_to_mark() -> bool:
        own = locks_of(store)
        with own._guard:
            return "task/a" in own._wanted

    probe = workflow.start("-c", PROBE, tmp_path)
    assert probe.stdout is not None
    assert probe.stdout.readline() == "True\n"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(can_get, store, "task/a")
        wait_until(has_tried_to_mark)
        probe.communicate("\n", timeout=90)
    assert probe.returncode == 0
    assert waiting.result()


def test_of_those_who_wait_in_a_circle_one_gives_up(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    names = "task/a", "task/b", "task/c"
    meet = threading.Barrier(3)

    def hold_and_want(number: int) -> bool:
        with store.alone(names[number], 0):
            meet.wait(60)
            with store.alone(names[(number + 1) % 3], 60) as is_alone:
                return is_alone

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(hold_and_want, range(3))) == [True, True, False]


def test_a_wait_ends_when_its_call_is_cancelled(
    start_holder: Start, tmp_path: Path
) -> None:
    start_holder()
    asked: list[bool] = []

    def is_cancelled() -> bool:
        asked.append(len(asked) == 3)
        return asked[-1]

    with waiting_until(is_cancelled), LocalStore(tmp_path).alone("task/a", 60) as alone:
        assert not alone
    assert asked == [False, False, False, True]


def test_no_process_waits_for_itself(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/a", 0), store.alone("task/a", 60) as is_alone:
        assert not is_alone


def in_thread(call: Callable[[], bool]) -> bool:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    thread.join()
    return answers[0]


def in_new_pool(call: Callable[[], bool]) -> bool:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.fixture(name="through", params=["thread", "new pool", "pool"])
def _through(request: pytest.FixtureRequest) -> Iterator[Callable[..., bool]]:
    """Call something in another thread, and waits for it."""
    if request.param == "thread":
        yield in_thread
    elif request.param == "new pool":
        yield in_new_pool
    else:
        with ThreadPoolExecutor(4) as pool:
            # Its threads are started by a context that holds nothing.
            ready = threading.Barrier(4)
            list(pool.map(lambda _: ready.wait(60), range(4)))
            yield lambda call: pool.submit(call).result()


def can_get(store: LocalStore, name: str) -> bool:
    with store.alone(name, 60) as is_alone:
        return is_alone


def test_a_thread_does_not_wait_for_what_its_starter_holds(
    tmp_path: Path, through: Callable[..., bool]
) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/a", 0):
        assert not through(lambda: through(lambda: can_get(store, "task/a")))
    assert through(lambda: can_get(store, "task/a"))


def test_of_those_who_wait_in_a_circle_by_way_of_threads_one_gives_up(
    tmp_path: Path, through: Callable[..., bool]
) -> None:
    store = LocalStore(tmp_path)
    meet = threading.Barrier(2)

    def hold_and_want(names: tuple[str, str]) -> bool:
        with store.alone(names[0], 0):
            meet.wait(60)
            return through(lambda: can_get(store, names[1]))

    both = ("task/a", "task/b"), ("task/b", "task/a")
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(hold_and_want, both)) == [True, False]


def test_a_thread_that_goes_on_holds_nothing_any_more(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    is_released, answers = threading.Event(), []

    def ask() -> None:
        is_released.wait(60)
        answers.append(can_get(store, "task/a"))

    with store.alone("task/a", 0):
        thread = threading.Thread(target=ask)
        thread.start()
    with store.alone("task/a", 0):
        is_released.set()
        # It waits, and does not give up, as it is no part of a circle.
        wait_until(lambda: "task/a" in locks_of(store)._wanted or bool(answers))
    thread.join()

    assert answers == [True]


def test_the_standard_library_is_as_before_after_a_reset(tmp_path: Path) -> None:
    methods = threading.Thread.start, ThreadPoolExecutor.submit
    with LocalStore(tmp_path).alone("task/b", 0):
        assert threading.Thread.start is not methods[0]

    reset()

    assert (threading.Thread.start, ThreadPoolExecutor.submit) == methods


SENT = """
import sys
from bandsaw.stores import LocalStore
from bandsaw.stores.locks import holding

with holding([(sys.argv[2], "task/b")]):
    with LocalStore(sys.argv[1]).alone("task/a", 60) as is_alone:
        print(is_alone)
"""


def test_a_process_knows_what_is_held_by_the_one_that_has_sent_it(
    workflow: Workflow,
    start_holder: Start,
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/a", 0), store.alone("task/b", 0):
        path = locks.held()[0][0]
        waiting = start_holder("task/c", "task/b")
        completed = workflow.python("-c", SENT, tmp_path, path)
        assert completed.stdout == "False\n"
    assert waiting.communicate(timeout=60)[0] == "True\n"


def test_a_forked_process_waits_for_its_parent_no_longer_than_others(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/a", 0):
        child = os.fork()
        if not child:
            status = 2
            try:
                with store.alone("task/a", 60) as is_alone:
                    status = int(is_alone)
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert locks.held()[0][1] == "task/a"


def test_a_forked_process_gets_what_its_parent_has_released(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    source, target = os.pipe()
    with store.alone("task/a", 0):
        child = os.fork()
        if not child:
            status = 2
            try:
                os.read(source, 1)
                with store.alone("task/a", 60) as is_alone:
                    status = int(is_alone)
            finally:
                os._exit(status)
    os.write(target, b".")
    assert os.waitpid(child, 0)[1] == 1 << 8
    os.close(source)
    os.close(target)


def test_no_wait_where_no_lock_file_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    # Tests that root runs may write everywhere.
    monkeypatch.setattr(locks, "_open", refuse)

    assert can_be_held(LocalStore(tmp_path))
