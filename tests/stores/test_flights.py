"""One at a time across processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bandsaw.stores import LocalStore, flights
from tests.waiting import wait_until
from tests.workflows import environment_of

HOLDER = """
import sys
from bandsaw.stores import LocalStore

with LocalStore(sys.argv[1]).alone("task/a", 0) as is_alone:
    print(is_alone, flush=True)
    sys.stdin.read()
"""


def start_holder(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment_of(),
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def can_be_held(store: LocalStore) -> bool:
    with store.alone("task/a", 0) as is_alone:
        return is_alone


def test_a_name_is_held_by_one_process(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with start_holder(tmp_path) as holder:
        assert not can_be_held(store)
        with store.alone("task/b", 0) as is_alone:
            assert is_alone
        assert holder.stdin is not None
        holder.stdin.close()
        with store.alone("task/a", 60) as is_alone:
            assert is_alone


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_dies_with_its_holder(tmp_path: Path, number: signal.Signals) -> None:
    store = LocalStore(tmp_path)
    with start_holder(tmp_path) as holder:
        os.kill(holder.pid, number)
        wait_until(lambda: can_be_held(store))


def test_two_stores_of_one_directory_in_one_process_share_what_they_hold(
    tmp_path: Path,
) -> None:
    with LocalStore(tmp_path).alone("task/a", 0) as first:
        assert first
        assert not can_be_held(LocalStore(tmp_path))


def test_nobody_is_waited_for_where_no_lock_file_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    # Whoever runs the tests as root may write everywhere.
    monkeypatch.setattr(flights, "_open", refuse)

    assert can_be_held(LocalStore(tmp_path))
