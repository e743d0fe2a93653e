"""The words of a connection, on their way through ssh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bandsaw.connections import Ssh
from tests.far.conftest import run, ssh_to
from tests.far.relay import Relay
from tests.far.test_words import SHELLS
from tests.sshd import Sshd
from tests.waiting import SECONDS, wait_until


@pytest.mark.parametrize("shell", SHELLS)
def test_a_setup_is_for_sh_whatever_the_login_shell_is(sshd: Sshd, shell: str) -> None:
    key = sshd.key_for_shell(shell)
    setup = "A='b $HOME'; export A; echo said # why"
    connection = Ssh(
        "127.0.0.1", user=sshd.user, port=sshd.port, key_file=key, setup=setup
    )

    done = run(connection.wrap(["sh", "-c", 'echo "$A"']))

    assert done.stdout == "b $HOME\n"
    assert "said" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_status_of_the_program_arrives(sshd: Sshd, shell: str) -> None:
    assert run(ssh_to(sshd, shell).wrap(["sh", "-c", "exit 7"])).returncode == 7


@pytest.mark.parametrize("setup", ["", "cd /"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_may_be_below_the_home_directory(
    sshd: Sshd, shell: str, setup: str
) -> None:
    program = sshd.directory / "home" / "a 'program'"
    program.write_text("#!/bin/sh\nexec echo $1\n")
    program.chmod(0o755)
    key = sshd.key_for_shell(shell)
    connection = Ssh(
        "127.0.0.1", user=sshd.user, port=sshd.port, key_file=key, setup=setup
    )

    assert run(connection.wrap(["~/a 'program'", "~"])).stdout == "~\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_standard_input_is_that_of_the_program(sshd: Sshd, shell: str) -> None:
    data = bytes(range(256)) * 1000

    done = subprocess.run(
        ssh_to(sshd, shell).wrap(["cat"]),
        input=data,
        stdout=subprocess.PIPE,
        timeout=SECONDS,
    )

    assert done.stdout == data


def test_the_program_has_no_terminal(sshd: Sshd) -> None:
    connection = Ssh(
        "127.0.0.1", user=sshd.user, port=sshd.port, key_file=sshd.key_file
    )

    assert run(connection.wrap(["tty"])).returncode == 1


def test_a_key_that_is_not_let_in_is_no_question(sshd: Sshd) -> None:
    key = sshd.directory / "unknown_key"

    done = run(
        Ssh("127.0.0.1", user=sshd.user, port=sshd.port, key_file=key).wrap(["true"])
    )

    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_a_shared_connection_of_the_user_is_used(
    sshd: Sshd, relay: Relay, tmp_path: Path
) -> None:
    path = tmp_path / "shared"
    options = {**relay.options, "ControlPath": str(path)}
    connection = Ssh(
        "127.0.0.1",
        user=sshd.user,
        port=relay.port,
        key_file=sshd.key_file,
        options=options,
    )
    words = connection.wrap(["true"])
    words[words.index("ControlMaster=no")] = "ControlMaster=yes"
    with subprocess.Popen([*words[:-1], "-N"], stdin=subprocess.DEVNULL) as master:
        wait_until(path.exists)

        done = run(connection.wrap(["echo", "done"]))

        master.terminate()
    assert done.stdout == "done\n"
    assert len(relay.connections) == 1
