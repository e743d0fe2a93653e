"""Every shipped advice with every other one, here and in a child, and with threads."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Collection, Iterable, Iterator, Sequence

import pytest

import bandsaw
from bandsaw.transports import worker
from tests.advices import combined_tasks
from tests.interpreters import with_the_newest_python_only
from tests.sshd import Sshd, start_sshd
from tests.waiting import wait_until
from tests.workflows import write_files

CONFIGURATION = """\
import os
from pathlib import Path

import bandsaw
import multimeter
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.metrics import MetricsAdvice
from bandsaw.advices.ssh import Remote, SshAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.timestamps import TimestampsExtension
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

directory = Path({directory!r})


def cache(place):
    return CachingAdvice(directory / f"cache-{{place}}")


def log(place):
    return LoggingAdvice()


def metrics(place):
    return MetricsAdvice(multimeter.Multimeter(multimeter.ResourceProbe()))


def subprocess(place):
    return SubprocessAdvice(directory=directory / "exchange")


def ssh(place):
    # Those of the tests are found over there, too, where another ssh may follow.
    interpreter = bandsaw.Interpreter().set_environment(PATH=os.environ["PATH"])
    remote = Remote(
        "127.0.0.1",
        port={port!r},
        user={user!r},
        key_file={key!r},
        interpreter=interpreter,
        directory=directory / "far",
    )
    return SshAdvice(directory=directory / "exchange").add_remote(remote)


class Keep(bandsaw.Extension):
    def __init__(self):
        self.sessions = []

    def on_session_finished(self, session):
        content = {{}}
        for name, attachment in session.attachments.items():
            with attachment.open() as stream:
                content[name] = stream.read()
        self.sessions.append((session.context.value_info(), content))


keep = Keep()
configuration = bandsaw.Configuration().add_advice_chain({chain})
configuration.add_extension(TimestampsExtension()).add_extension(keep)
configuration.add_extension(TrackerExtension(FileSystemBackend(directory / "tracked")))
configuration.set_temp_directory(directory / "temporary")
"""

ADVICES = ["cache", "log", "metrics", "subprocess", "ssh"]
MOVING = {"subprocess", "ssh"}
TIMES = ["session_created", "before_task", "after_task", "session_finished"]

_numbers = itertools.count()


class Server:
    """A server of ssh, or why there is none."""

    def __init__(self, sshd: Sshd | None, reason: str = "") -> None:
        self._sshd = sshd
        self._reason = reason

    @property
    def sshd(self) -> Sshd:
        if self._sshd is None:
            pytest.skip(self._reason)
        return self._sshd


# Used by all tests, so that it is there before each of them looks at what is there.
@pytest.fixture(scope="module", name="server", autouse=True)
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            # What is unpacked over there serves all tests.
            patch.setenv("BANDSAW_HOME", str(tmp_path_factory.mktemp("far-home")))
            started = contextlib.contextmanager(start_sshd)
            try:
                sshd = stack.enter_context(started(tmp_path_factory.mktemp("sshd")))
                server = Server(sshd)
            except pytest.skip.Exception as reason:
                server = Server(None, str(reason))
        yield server


class Chain:
    """Calls tasks along a chain of advices.

    Attributes:
        directory: Where the advices may leave what they keep.
    """

    def __init__(
        self, directory: Path, names: Sequence[str], sshd: Sshd | None
    ) -> None:
        self.directory = directory
        self.module = f"combined_config_{next(_numbers)}"
        advices = [f"{name}({place})" for place, name in enumerate(names)]
        configuration = CONFIGURATION.format(
            directory=str(directory),
            chain=", ".join(advices),
            port=None if sshd is None else sshd.port,
            user=None if sshd is None else sshd.user,
            key=None if sshd is None else str(sshd.key_file),
        )
        write_files(directory, {f"{self.module}.py": configuration})
        self.counted = directory / "counted"

    def call(self, function: Any) -> Any:
        task = bandsaw.task(function, config=self.module)
        return task(1, 2, str(self.counted))

    def call_failing(self) -> None:
        with pytest.raises(LookupError) as caught:
            self.call(combined_tasks.fail)
        assert caught.value.args == ("not", "here", 1, 2)

    @property
    def executions(self) -> int:
        return len(self.counted.read_text().splitlines())

    @property
    def sessions(self) -> list[tuple[dict[str, Any], dict[str, bytes]]]:
        """The context and the attachments of each session."""
        sessions: list[Any] = sys.modules[self.module].keep.sessions
        return sessions

    def tracked_files(self) -> Iterator[Path]:
        return self.directory.glob("tracked/tasks/*/*/*/attachments/*")

    def is_clean(self) -> bool:
        exchanged = [*self.directory.glob("exchange/*"), *self.directory.glob("far/*")]
        sessions = [*self.directory.glob("temporary/session-*")]
        beginnings = [*self.directory.glob("cache-*/*/.writing-*")]
        return not (exchanged + sessions + beginnings)


class Chains:
    """Makes chains."""

    def __init__(
        self, directory: Path, server: Server, patch: pytest.MonkeyPatch
    ) -> None:
        self._directory = directory
        self._server = server
        self._patch = patch
        self.made: list[Chain] = []

    def of(self, *names: str) -> Chain:
        sshd = self._server.sshd if "ssh" in names else None
        if sshd is not None:
            path = os.pathsep.join((str(sshd.commands), os.environ["PATH"]))
            self._patch.setenv("PATH", path)
        self.made.append(Chain(self._directory, names, sshd))
        return self.made[-1]


@pytest.fixture(name="chains")
def _chains(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Chains]:
    monkeypatch.syspath_prepend(str(tmp_path))
    chains = Chains(tmp_path, server, monkeypatch)
    yield chains
    for chain in chains.made:
        sys.modules.pop(chain.module, None)
        worker.end_all()
        # A process elsewhere ends beside the next call.
        wait_until(chain.is_clean)


def expected_attachments(names: Sequence[str]) -> list[str]:
    expected = []
    for name, stem, extension in (
        ("log", "session", ".log"),
        ("metrics", "metrics", ".json"),
    ):
        for number in range(1, names.count(name) + 1):
            expected.append(f"{stem}{'' if number == 1 else f'-{number}'}{extension}")
    return sorted(expected)


def check_last_session(
    chain: Chain, names: Sequence[str], tracked: Collection[Path] = ()
) -> Collection[Path]:
    """Assert that the last session has all that its advices add to it.

    Args:
        chain: The chain that it has walked.
        names: The advices of the chain.
        tracked: The files of attachments that were there before.

    Returns:
        All files of attachments that are there now.
    """
    context, attachments = chain.sessions[-1]
    assert sorted(context["timestamps"]) == sorted(TIMES)
    assert ("cache-item-path" in context) == ("cache" in names)
    assert sorted(attachments) == expected_attachments(names)
    files = set(chain.tracked_files())
    new = {path.name: path.read_bytes() for path in files.difference(tracked)}
    assert new == attachments
    logs = b"".join(text for name, text in attachments.items() if "session" in name)
    assert (b"from the task" in logs) == ("log" in names)
    return files


HERE = list(itertools.product(ADVICES, ADVICES))
# They take a second each: every advice is once the first one there, and once the last.
IN_A_CHILD = [
    ("subprocess", first, ADVICES[number - 1]) for number, first in enumerate(ADVICES)
]


def cases(chains: Iterable[tuple[str, ...]]) -> list[Any]:
    """Chains for a test; those of three, or to another machine, take long."""
    rarely = [with_the_newest_python_only]
    return [
        pytest.param(c, marks=rarely if "ssh" in c or len(c) > 2 else [])
        for c in chains
    ]


@pytest.mark.parametrize("names", cases(HERE + IN_A_CHILD), ids="-".join)
def test_a_value_and_an_exception_come_back_through_two_advices(
    chains: Chains, names: tuple[str, ...]
) -> None:
    chain = chains.of(*names)

    assert chain.call(combined_tasks.add) == 3

    tracked = check_last_session(chain, names)
    assert (len(chain.sessions), chain.executions) == (1, 1)
    if "cache" in names:
        assert chain.call(combined_tasks.add) == 3
        assert chain.executions == 1
    count = len(chain.sessions)
    # But for hidden files, which note uses
    results = "cache-*/*/[!.]*"
    cached = set(chain.directory.glob(results))

    chain.call_failing()

    check_last_session(chain, names, tracked)
    assert (len(chain.sessions), chain.executions) == (count + 1, 2)
    assert set(chain.directory.glob(results)) == cached


@pytest.mark.parametrize("name", ADVICES)
def test_an_advice_serves_eight_threads_with_the_same_arguments(
    chains: Chains, name: str
) -> None:
    chain = chains.of(name)
    # The configuration is loaded once, before there are threads.
    bandsaw.get_configuration(chain.module)
    start = threading.Barrier(8)

    def call() -> Any:
        start.wait()
        return chain.call(combined_tasks.add)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(call) for _ in range(8)]
        assert [future.result() for future in futures] == [3] * 8

    assert len(chain.sessions) == 8
    for context, attachments in chain.sessions:
        assert {"session_created", "session_finished"} <= context["timestamps"].keys()
        assert sorted(attachments) == expected_attachments([name])
        if name == "log":
            lines = attachments["session.log"].splitlines()
            assert len(lines) == 3
            assert b"from the task" in lines[1]


def test_all_advices_stand_in_one_chain(chains: Chains) -> None:
    names = ("log", "metrics", "cache", "subprocess", "log", "ssh", "metrics", "log")
    chain = chains.of(*names)

    assert chain.call(combined_tasks.add) == 3

    check_last_session(chain, names)
    assert len(chain.sessions) == 1
    assert chain.call(combined_tasks.add) == 3
    assert chain.executions == 1
