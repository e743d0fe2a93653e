"""Work in the background of calls."""

from __future__ import annotations

import threading

import pytest

from bandsaw.transports import background


def test_what_no_thread_can_be_started_for_is_done_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(background, "start_new_thread", refuse)
    done: list[int] = []

    background.run_in_background(lambda: done.append(threading.get_ident()))

    assert done == [threading.get_ident()]
    background.wait_for_background(0)
