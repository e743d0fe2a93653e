"""The Python that a version stands for, and the error when there is none."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bandsaw.environments import pythons
from bandsaw.environments.pythons import Python, find_python, installed_pythons
from bandsaw.exceptions import ConfigurationError, PythonNotFoundError

MINE = ".".join(map(str, sys.version_info[:3]))


def offer(monkeypatch: pytest.MonkeyPatch, *versions: str) -> None:
    """Let the machine have these versions."""
    found = [
        Python(f"/python{version}", version, "cpython", "linux", True)
        for version in versions
    ]
    monkeypatch.setattr(pythons, "installed_pythons", lambda: iter(found))


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("3.8", "3.8.18"),
        ("3.8.10", "3.8.10"),
        ("3", "3.12.1"),
        (">=3.8,<3.10", "3.9.2"),
        (">=3.8, <3.9", "3.8.18"),
        ("<3.9", "3.8.18"),
        ("<=3.9", "3.9.2"),
        ("~=3.8", "3.12.1"),
        ("~=3.8.0", "3.8.18"),
        (">3.8,!=3.12,!=3.11.*", "3.9.2"),
        ("==3.9.*", "3.9.2"),
        (" 3.9 ", "3.9.2"),
    ],
)
def test_the_newest_one_that_fits_is_taken(
    monkeypatch: pytest.MonkeyPatch, wanted: str, version: str
) -> None:
    offer(monkeypatch, "3.8.10", "3.12.1", "3.8.18", "3.9.2", "3.11.7")
    assert find_python(wanted, "").version == version


def test_an_absent_version_lists_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(monkeypatch, "3.8.10", "3.12.1")
    with pytest.raises(PythonNotFoundError) as caught:
        find_python("3.7", "")
    assert "There is no Python 3.7 on this machine" in str(caught.value)
    assert "3.8.10   /python3.8.10" in str(caught.value)
    assert "3.12.1   /python3.12.1" in str(caught.value)


@pytest.mark.parametrize("wanted", ["3.x", ">=", ">=3.8;<4", "=3.8", "3.8 3.9"])
def test_what_is_no_version_is_named(wanted: str) -> None:
    with pytest.raises(ConfigurationError, match="is no version of Python"):
        find_python(wanted, "")


def test_this_python_is_found_by_default_and_by_its_version() -> None:
    assert find_python(None, "").version == MINE
    assert find_python(MINE, "").version == MINE
    assert any(python.version == MINE for python in installed_pythons())


def test_an_executable_may_be_relative_and_is_that_below_a_virtual_environment(
    tmp_path: Path,
) -> None:
    (tmp_path / "my bin").mkdir()
    (tmp_path / "my bin" / "python").symlink_to(sys.executable)

    found = find_python("./my bin/python", str(tmp_path))

    assert found.version == MINE
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    assert os.path.realpath(found.executable) == base


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("silent", "#!/bin/sh\n"),
        ("failing", "#!/bin/sh\nexit 3\n"),
        ("talking", "#!/bin/sh\necho hello\n"),
        ("strange", "#!/bin/sh\necho '{\"version\": 7}'\n"),
        ("list", "#!/bin/sh\necho '[]'\n"),
        ("none", None),
    ],
)
def test_an_executable_that_is_no_python_is_named(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
        path.chmod(0o755)
    with pytest.raises(PythonNotFoundError, match=f"{name}.*does not answer"):
        find_python(f"./{name}", str(tmp_path))


def test_an_executable_that_is_too_old_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old"
    facts = {
        "version": "3.7.16",
        "implementation": "cpython",
        "platform": "linux",
        "base": "/nowhere",
        "has_pip": True,
    }
    path.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
    path.chmod(0o755)
    with pytest.raises(PythonNotFoundError, match=r"is Python 3.7.16.*needs 3.8 or"):
        find_python("./old", str(tmp_path))


def test_a_name_that_is_nowhere_is_no_python() -> None:
    with pytest.raises(PythonNotFoundError, match="nor an executable on the PATH"):
        find_python("no-such-python", "")


def test_a_script_is_asked_each_time_as_it_may_start_another_python(
    tmp_path: Path,
) -> None:
    script = tmp_path / "python"
    target = tmp_path / "target"
    script.write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
    script.chmod(0o755)
    os.utime(script, (0, 0))
    target.symlink_to(sys.executable)
    assert find_python(str(script), "").version == MINE

    target.unlink()

    with pytest.raises(PythonNotFoundError):
        find_python(str(script), "")


def test_what_is_on_the_path_and_in_pyenv_and_uv_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        "PATH": "search",
        "PYENV_ROOT": "pyenv/versions/9.9.9/bin",
        "UV_PYTHON_INSTALL_DIR": "uv/cpython-9.9/bin",
    }
    for name, place in places.items():
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "python").symlink_to(sys.executable)
        monkeypatch.setenv(name, str(tmp_path / place.split("/")[0]))

    candidates = list(pythons._candidates())

    for place in places.values():
        assert str(tmp_path / place / "python") in candidates


def test_other_implementations_are_taken_only_by_their_path() -> None:
    pypy = Python("/pypy", "3.10.1", "pypy", "linux", True)
    assert not pypy.can_run_bandsaw
    assert pypy._replace(implementation="cpython").can_run_bandsaw
