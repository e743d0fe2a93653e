from __future__ import annotations

import os
import pwd

import pytest

from bandsaw.user import get_current_username


def test_the_name_is_the_one_that_the_system_has_for_the_user_id() -> None:
    assert get_current_username() == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_id_without_a_name_is_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {entry.pw_uid for entry in pwd.getpwall()}
    nameless = next(number for number in range(54321, 64321) if number not in names)
    monkeypatch.setattr(os, "getuid", lambda: nameless)

    assert get_current_username() == str(nameless)


def test_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")

    assert get_current_username() != "somebody-else"
