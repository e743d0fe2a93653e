"""Credentials, which an index gets to know and nothing else does."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Iterator

import pytest

from bandsaw.environments import Environment
from bandsaw.environments.commands import Commands
from bandsaw.environments.credentials import (
    netrc_line,
    with_credentials,
    without_credentials,
)
from bandsaw.environments.git import GitCredentials
from bandsaw.environments.lock_file import LockFile, Package, Section
from bandsaw.environments.pythons import find_python
from bandsaw.exceptions import ConfigurationError, EnvironmentBuildError
from tests.environments.conftest import python_in
from tests.environments.wheels import (
    PackageIndex,
    command_lines_with,
    make_project,
    make_source_archive,
    package_index,
)
from tests.workflows import Workflow

SECRET = "tell-nobody-123"


@pytest.fixture
def guarded(packages: Path) -> Iterator[PackageIndex]:
    """An index that lets in only who knows the password.

    What it serves has to be built, with the help of another package that it has.
    """
    make_source_archive(packages, "omega", build_requires=["alpha"])
    with package_index(packages, SECRET) as served:
        yield served


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ada:secret@host/simple", "https://host/simple"),
        ("a @ https://token@host/a.whl, b", "a @ https://host/a.whl, b"),
        ("https://ada:sec@ret@host/simple", "https://host/simple"),
        ("git+https://ada:secret@host/a.git@v1", "git+https://host/a.git@v1"),
        ("git+ssh://git@host/a.git@v1", "git+ssh://git@host/a.git@v1"),
        ("git+ssh://git:secret@host/a.git", "git+ssh://host/a.git"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host?who=a@b", "https://host?who=..."),
        (
            "https://host/a.whl?token=secret#sha256=0",
            "https://host/a.whl?token=...#sha256=0",
        ),
        (
            "https://host/a?file=b.whl&sig=c==&ref=d",
            "https://host/a?file=b.whl&sig=...&ref=d",
        ),
        ("https://host/a?secret;secret==", "https://host/a?...;..."),
        ("https://host/a?url=https://host/b?token=c", "https://host/a?url=..."),
        ("https://host/a?", "https://host/a?"),
        ("/home/what?/a=b", "/home/what?/a=b"),
        ("https://ada:sec/ret@host/a.whl", "https://host/a.whl"),
        ("https://ada:sec?ret#@host/a.whl", "https://host/a.whl"),
        ("https://ada:sec\\ret@host/a.whl", "https://host/a.whl"),
        ("//ada:secret@host/a.whl", "//host/a.whl"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("https://[::1]:8080/a@b", "https://[::1]:8080/a@b"),
        ("https://host/a//b@c", "https://host/a//b@c"),
        ("file:///home/a//b@c", "file:///home/a//b@c"),
        ("ada@host", "ada@host"),
        ("two: https://a:b@c/ https://d:e@f/", "two: https://c/ https://f/"),
    ],
)
def test_addresses_are_shown_without_credentials(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://host/a.whl", "https://ada:secret@host/a.whl"),
        ("https://host/a.whl#sha256=0", "https://ada:secret@host/a.whl#sha256=0"),
        ("https://host/b.whl", "https://host/b.whl"),
        ("git+https://host/a.git@1234", "git+https://token@host/a.git@1234"),
        ("git+https://host/a.git", "git+https://token@host/a.git"),
        ("https://host/q?file=1&t=...#s", "https://host/q?file=1&t=one#s"),
        ("https://host/q?file=2&t=...", "https://host/q?file=2&t=two"),
        ("https://host/q?file=3&t=...", "https://host/q?file=3&t=..."),
    ],
)
def test_what_was_chosen_is_fetched_with_the_credentials_of_its_place(
    url: str, found: str
) -> None:
    given = [
        "six",
        "a @ https://ada:secret@host/a.whl ; python_version > '3'",
        "g @ git+https://token@host/a.git@branch/b",
        "one @ https://host/q?file=1&t=one",
        "two @ https://host/q?file=2&t=two",
    ]
    assert with_credentials(url, given) == found


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("https://ada:s%40c@host:80/a", "machine host login ada password s@c"),
        ("https://token@host/a", None),
        ("https://ada:a%20b@host/a", None),
        ("https://ada:%5C@host/a", None),
        ("https://host/a", None),
    ],
)
def test_a_netrc_file_says_only_what_every_python_reads_alike(
    url: str, line: Any
) -> None:
    assert netrc_line(url) == line


def test_an_environment_does_not_show_them() -> None:
    environment = Environment(
        None,
        [f"a @ https://ada:{SECRET}@host/a.whl"],
        constraints=[f"b @ https://{SECRET}@host/b.whl"],
        index_url=f"https://ada:{SECRET}@host/simple",
        find_links=[
            f"https://ada:{SECRET}@host/links",
            f"https://h/?{SECRET}'{SECRET}",
        ],
    )
    assert SECRET not in repr(environment)
    assert SECRET not in environment.label
    assert SECRET not in str(environment)


def test_only_the_index_gets_to_know_them(
    every_maker: str,
    guarded: PackageIndex,
    project: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    url = guarded.url(f"ada:{SECRET}@")
    wheel = url.replace("simple/", f"files/alpha-1.0-py3-none-any.whl?token={SECRET}")
    environment = Environment(
        None, ["omega", f"alpha @ {wheel}", "beta"], index_url=url
    ).at(str(project))

    code = "import alpha, omega; print(alpha.version, omega.version)"
    assert python_in(environment, code) == "1.0 1.0"
    # What builds the distribution was fetched from there, too.
    assert any("alpha-2.0" in path for path in guarded.asked_for)
    assert any(path.endswith(f"?token={SECRET}") for path in guarded.asked_for)
    assert guarded.exposed == set()
    assert caplog.records
    assert SECRET not in "".join(record.getMessage() for record in caplog.records)
    assert SECRET not in (project / "bandsaw.lock").read_text()
    home = Path(os.environ["BANDSAW_HOME"])
    for path in home.rglob("*.json"):
        assert SECRET not in path.read_text(), path
    assert SECRET not in json.dumps(environment.resolution().facts)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[PackageIndex]:
    """A server of a git repository with a project, for a user `ada`."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    project = make_project(tmp_path / "repository", "gitted")
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "Begin"],
        ["update-server-info"],
    ):
        subprocess.run(["git", *words], cwd=str(project), check=True)
    with package_index(project, SECRET) as served:
        served.answer_to = partial(answer_of_git, served)  # type: ignore[method-assign]
        yield served


def answer_of_git(served: PackageIndex, path: str) -> bytes | None:
    served.exposed |= command_lines_with(SECRET)
    file = served.directory / ".git" / path.partition("?")[0].strip("/")
    return file.read_bytes() if file.is_file() else None


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no /proc")
def test_git_gets_them_in_a_file(
    maker: str, make: Any, repository: PackageIndex, project: Path
) -> None:
    url = repository.url(f"ada:{SECRET}@").replace("simple/", "")
    environment = make([f"gitted @ git+{url}"], name="mine")

    assert python_in(environment, "import gitted; print(gitted.version)") == "1.0"
    assert repository.exposed == set()
    assert SECRET not in (project / "bandsaw.lock").read_text()


def test_git_gets_them_for_the_server_to_which_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    file = tmp_path / "the file"
    git = GitCredentials(str(file))
    assert git.variables == {}
    unchanged = [
        "six",
        "a @ git+https://token@host/a",
        "a @ git+ssh://ada:secret@host/a",
        "a @ https://ada:secret@host/a.whl",
    ]
    assert list(map(git.take_from, unchanged)) == unchanged
    assert not file.exists()

    taken = git.take_from("a @ git+https://ada:sec@ret@host:1/a@v1#egg=a ; b")
    other = "c @ git+https://bob:other@host:1/c"

    assert taken == "a @ git+https://host:1/a@v1#egg=a ; b"
    assert git.take_from(other) == other
    assert file.read_text() == "https://ada:sec%40ret@host:1\n"
    assert file.stat().st_mode & 0o077 == 0
    assert git.variables == {
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_1": "credential.https://host:1.helper",
        "GIT_CONFIG_VALUE_1": "",
        "GIT_CONFIG_KEY_2": "credential.https://host:1.helper",
        "GIT_CONFIG_VALUE_2": f"store --file='{file}'",
    }


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no /proc")
def test_the_index_sees_passwords_on_command_lines(
    guarded: PackageIndex, project: Path
) -> None:
    # Else the tests above would say nothing.
    code = f"from tests.environments.wheels import command_lines_with as f; \
print(len(f('{SECRET}')))"
    assert Workflow(project).python("-c", code).stdout.strip() != "0"
    assert command_lines_with(SECRET) == set()


@pytest.mark.parametrize(
    "text",
    [
        f"six >>1 @ https://ada:{SECRET}@host/six.whl",
        f"six @ https://host/six.whl?token={SECRET} --hash",
        f"--proxy=https://ada:{SECRET}@host",
        f"-r https://ada:{SECRET}@host/requirements.txt",
    ],
)
def test_a_requirement_that_is_refused_is_named_without_them(
    project: Path, text: str
) -> None:
    (project / "requirements.txt").write_text(text)
    environment = Environment(requirements_file="requirements.txt", name="mine")
    section = Section.of(["six"], [Package("six", "1", ["sha256:0"])], {})
    platform = find_python(None, "").platform
    LockFile(str(project / "bandsaw.lock")).put("mine", platform, section)

    with pytest.raises(ConfigurationError) as caught:
        environment.at(str(project)).resolution()
    assert SECRET not in str(caught.value)


def test_a_command_that_fails_is_quoted_without_them(tmp_path: Path) -> None:
    shown: list[str] = []
    commands = Commands("mine", str(tmp_path), lambda _, line: shown.append(line))
    url = f"https://host/a.whl?token={SECRET}"

    with pytest.raises(EnvironmentBuildError, match=r"a\.whl\?token=") as caught:
        commands.run("trying", ["/bin/sh", "-c", f"echo '{url}'; exit 1"])
    assert SECRET not in str(caught.value)
    assert shown == ["", "https://host/a.whl?token=..."]


@pytest.mark.parametrize("who", ["ada:wrong-password@", ""])
def test_an_index_that_refuses_credentials_is_named_without_them(
    maker: str, guarded: PackageIndex, project: Path, who: str
) -> None:
    environment = Environment(None, ["gamma"], index_url=guarded.url(who))

    with pytest.raises(EnvironmentBuildError, match="choosing packages") as caught:
        environment.at(str(project)).interpreter()
    assert "wrong-password" not in str(caught.value)
    assert "gamma" in str(caught.value)
    assert not (project / "bandsaw.lock").exists()


@pytest.mark.stress
def test_the_users_own_netrc_file_still_counts(
    guarded: PackageIndex,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.environments.conftest import without_uv

    without_uv(monkeypatch)
    netrc = tmp_path / "my netrc"
    netrc.write_text(f"machine 127.0.0.1 login ada password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    environment = Environment(
        None,
        ["gamma"],
        index_url=guarded.url(),
        find_links=["http://bob:other@localhost:1/"],
    )

    assert environment.at(str(project)).resolution().section.packages["gamma"]
