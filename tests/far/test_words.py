"""Words as they arrive where connections lead to, by way of real shells."""

from __future__ import annotations

import itertools
import json
import shlex
from typing import Sequence

import pytest
from hypothesis import given

from bandsaw.connections import Connection, shell_line
from tests.far.conftest import run, ssh_to
from tests.sshd import Sshd, find
from tests.words import NASTY_WORDS, TELLS_ITS_WORDS, any_words

SHELLS = ["bash", "dash", "tcsh", "fish"]


class Shell(Connection):
    """Executes words by a shell, as a server does that is given one line."""

    def __init__(self, shell: str, via: Connection | None = None) -> None:
        self.shell = shell
        self.via = via

    def wrap(self, words: Sequence[str]) -> list[str]:
        # Without a home, it reads and writes nothing that is the user's.
        shell = ["env", "HOME=/nonexistent", find(self.shell)]
        command = [*shell, "-c", f"exec {shell_line(words)}"]
        return command if self.via is None else self.via.wrap(command)


def words_at(connection: Connection, words: list[str]) -> list[str]:
    done = run(connection.wrap([*TELLS_ITS_WORDS, *words]))
    assert done.returncode == 0, done.stderr
    told: list[str] = json.loads(done.stdout)
    return told


def test_words_arrive_at_every_place(connection: Connection) -> None:
    assert words_at(connection, NASTY_WORDS) == NASTY_WORDS


@pytest.mark.parametrize("shell", SHELLS)
def test_words_pass_the_login_shell_of_another_machine(sshd: Sshd, shell: str) -> None:
    assert words_at(ssh_to(sshd, shell), NASTY_WORDS) == NASTY_WORDS


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product(SHELLS, repeat=2)))
def test_words_pass_two_login_shells(sshd: Sshd, outer: str, inner: str) -> None:
    connection = ssh_to(sshd, inner, via=ssh_to(sshd, outer))

    assert words_at(connection, NASTY_WORDS) == NASTY_WORDS


@pytest.mark.parametrize("shells", list(itertools.permutations(SHELLS, 3)))
def test_words_pass_three_login_shells(sshd: Sshd, shells: Sequence[str]) -> None:
    first, second, third = shells
    connection = ssh_to(sshd, third, via=ssh_to(sshd, second, via=ssh_to(sshd, first)))

    assert words_at(connection, NASTY_WORDS) == NASTY_WORDS


@pytest.mark.parametrize("shells", list(itertools.product(SHELLS, repeat=3)))
def test_words_pass_three_shells(
    shells: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = None
    for shell in shells:
        connection = Shell(shell, connection)
    assert connection is not None

    assert words_at(connection, NASTY_WORDS) == NASTY_WORDS


@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_some_login_shells_do_not_understand_quotes_for_others(
    sshd: Sshd, shell: str
) -> None:
    line = shlex.join([*TELLS_ITS_WORDS, *NASTY_WORDS])
    command = ssh_to(sshd, shell).wrap(["python3"])[:-1]

    done = run([*command, f"exec {line}"])

    assert done.stdout.strip() != json.dumps(NASTY_WORDS)


@pytest.mark.parametrize("shell", SHELLS)
@given(words=any_words)
def test_any_words_pass_a_shell(shell: str, words: list[str]) -> None:
    assert words_at(Shell(shell), words) == words
