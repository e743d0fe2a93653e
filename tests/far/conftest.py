"""Starts what leads to other places, all of them on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator, Sequence, TypeVar

import pytest

from bandsaw.connections import Command, Connection, Slurm, Ssh
from tests.far.relay import Relay, relay_to
from tests.far.slurm import Cluster, start_slurm
from tests.sshd import Sshd, find, start_sshd
from tests.waiting import SECONDS, wait_until

T = TypeVar("T")

DIRECTORY = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of this directory to `tox -e far`."""
    for item in items:
        if DIRECTORY in Path(item.path).parents:
            item.add_marker(pytest.mark.far)


class Servers:
    """Servers that are started before the first test looks at what it leaves behind."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._reasons: dict[str, str] = {}
        self._started: dict[str, object] = {}

    def start(self, name: str, start: Callable[[], Iterator[object]]) -> None:
        """Start a server, or keeps the reason why it cannot be."""
        started = contextlib.contextmanager(start)()
        try:
            self._started[name] = self._stack.enter_context(started)
        except pytest.skip.Exception as skipped:
            self._reasons[name] = str(skipped)

    def get(self, kind: type[T]) -> T:
        """Return a server, or skips the test where there is none."""
        name = kind.__name__
        if name in self._reasons:
            pytest.skip(self._reasons[name])
        started = self._started[name]
        assert isinstance(started, kind)
        return started


@pytest.fixture(scope="session", autouse=True)
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        made = Servers(stack)
        directory = tmp_path_factory.mktemp("sshd")
        home = directory / "home"
        home.mkdir()
        # The home keeps shells from reading, and from writing, what is the user's. The
        # commands lead from the machine that is reached to the next one.
        variables = {
            "HOME": str(home),
            "PATH": os.pathsep.join((str(directory / "commands"), os.environ["PATH"])),
        }
        made.start("Sshd", lambda: start_sshd(directory, variables))
        made.start("Cluster", lambda: start_slurm(tmp_path_factory.mktemp("slurm")))
        yield made


@pytest.fixture
def sshd(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """A server, which the command `ssh` knows."""
    server = servers.get(Sshd)
    path = os.pathsep.join((str(server.commands), os.environ["PATH"]))
    monkeypatch.setenv("PATH", path)
    return server


@pytest.fixture
def cluster(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A Slurm, which its commands know, and which has no job afterwards."""
    made = servers.get(Cluster)
    monkeypatch.setenv("SLURM_CONF", str(made.configuration))
    yield made
    wait_until(lambda: not made.jobs())


@pytest.fixture
def here() -> Connection:
    return Command(["env"])


@pytest.fixture
def container() -> Connection:
    """A container without network, in which no file can be written."""
    words = [find("bwrap"), "--unshare-all", "--die-with-parent"]
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    tried = subprocess.run(
        [*words, "true"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
    )
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").split("\n")[0]
        pytest.skip(f"The kernel allows no container here: {said}")
    return Command(words)


@pytest.fixture
def ssh(sshd: Sshd) -> Connection:
    return ssh_to(sshd)


@pytest.fixture
def slurm(cluster: Cluster) -> Connection:
    return Slurm()


@pytest.fixture
def slurm_by_ssh(cluster: Cluster, ssh: Connection) -> Connection:
    return Slurm(via=ssh)


@pytest.fixture
def container_in_a_job(container: Connection, slurm_by_ssh: Connection) -> Connection:
    """A container, inside of a job, on another machine."""
    assert isinstance(container, Command)
    return Command(container.words, via=slurm_by_ssh)


PLACES = [
    *("here", "container", "ssh", "slurm", "slurm_by_ssh", "container_in_a_job"),
]


@pytest.fixture(params=PLACES)
def connection(request: pytest.FixtureRequest) -> Connection:
    """A connection to each of the places."""
    made = request.getfixturevalue(request.param)
    assert isinstance(made, Connection)
    return made


def ssh_to(sshd: Sshd, shell: str | None = None, via: Connection | None = None) -> Ssh:
    """Return the connection to a server, on which the user has a login shell."""
    key = sshd.key_file if shell is None else sshd.key_for_shell(shell)
    return Ssh("127.0.0.1", user=sshd.user, port=sshd.port, key_file=key, via=via)


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture
def relay(sshd: Sshd) -> Iterator[Relay]:
    """A port in front of the server."""
    with relay_to(sshd.port) as made:
        yield made
