"""Environments as they are made: with uv, and with venv and pip."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment, installations, specification, tools
from bandsaw.environments.pythons import find_python
from bandsaw.exceptions import EnvironmentBuildError, EnvironmentLockError
from tests.environments.conftest import left_over, python_in, without_uv
from tests.environments.terminals import pseudo_terminal
from tests.environments.wheels import (
    PackageIndex,
    make_project,
    make_source_archive,
    make_wheel,
)
from tests.interpreters import python, with_the_newest_python_only

HASH_OF_SIX = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
VERSION = "import alpha; print(alpha.version)"


def home() -> Path:
    return Path(os.environ["BANDSAW_HOME"])


def test_an_environment_holds_what_was_asked_for_and_what_that_needs(
    maker: str, make: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_HOME", str(home() / "a home"))
    environment = make(["beta", "alpha <2", 'gamma ; python_version < "3"'])

    code = "import alpha, beta; print(alpha.version, beta.version)"
    with pseudo_terminal() as terminal:
        assert python_in(environment, code) == "1.0 1.0"
        last = terminal.read().splitlines()[-1]
    assert re.search(r" is there \(2 packages done, 0 left, \d+ MB, \d+ s\)$", last)
    locked = json.loads((project / "bandsaw.lock").read_text())
    (sections,) = locked["environments"].values()
    (section,) = sections.values()
    assert {n: p["version"] for n, p in section["packages"].items()} == {
        "alpha": "1.0",
        "beta": "1.0",
    }
    assert all(package["hashes"] for package in section["packages"].values())
    (kept,) = installations.kept()
    assert kept.facts["tool"] == maker
    assert kept.facts["packages"] == {"alpha": "1.0", "beta": "1.0"}
    assert left_over(home()) == []


def test_what_is_locked_is_installed_although_there_is_something_newer(
    maker: str, make: Any, packages: Path
) -> None:
    (packages / "alpha-2.0-py3-none-any.whl").unlink()
    environment = make(["alpha"])
    assert environment.resolution().section.packages["alpha"].version == "1.0"
    make_wheel(packages, "alpha", "3.0")

    assert python_in(environment, VERSION) == "1.0"


def test_a_file_that_is_another_one_than_that_which_was_locked_is_refused(
    maker: str, make: Any, packages: Path
) -> None:
    environment = make(["gamma"])
    environment.resolution()
    make_wheel(packages, "gamma", code="version = 'another one'")

    with pytest.raises(
        EnvironmentBuildError, match=r"installing packages(?s:.)*(?i:hash)"
    ):
        environment.interpreter()
    assert left_over(home()) == []


def test_extras_constraints_and_directories_of_wheels_count(
    maker: str, make: Any, packages: Path, tmp_path: Path, project: Path
) -> None:
    make_wheel(project / "more wheels", "delta", requires=["alpha"])
    (project / "limits.txt").write_text("# Not yet\ngamma <2\n")
    environment = make(
        ["alpha[more]", "delta"],
        find_links=["./more wheels"],
        constraints=Path("limits.txt"),
    )
    make_wheel(packages, "gamma", "2.0")

    code = "import gamma, delta; print(gamma.version, delta.version)"
    assert python_in(environment, code) == "1.0 1.0"


def test_projects_of_this_machine_are_built(
    maker: str, make: Any, project: Path
) -> None:
    make_project(
        project / "my lib", "mylib", requires=["beta"], extras={"plot": "gamma"}
    )
    environment = make(["./my lib[plot]", "alpha<2"])

    code = (
        "import alpha, beta, gamma, mylib; "
        "print(alpha.version, beta.version, gamma.version, mylib.version)"
    )
    assert python_in(environment, code) == "1.0 1.0 1.0 1.0"


def test_a_project_that_has_changed_is_another_environment(
    make: Any, project: Path
) -> None:
    library = make_project(project / "mylib", "mylib", code="version = 'first'")
    environment = make(["./mylib"])
    code = "import mylib; print(mylib.version)"
    assert python_in(environment, code) == "first"
    first = environment.resolution()

    (library / "mylib.py").write_text("version = 'changed'")

    assert python_in(environment, code) == "changed"
    assert environment.resolution().identity != first.identity
    assert len(installations.kept()) == 2


def test_a_project_that_wants_more_than_is_locked_is_an_error_that_shows_it(
    make: Any, project: Path
) -> None:
    make_project(project / "mylib", "mylib", requires=["alpha<2"])
    environment = make(["./mylib"])
    environment.interpreter()

    make_project(project / "mylib", "mylib", requires=["alpha>=2", "gamma"])

    with pytest.raises(EnvironmentLockError) as caught:
        environment.interpreter()
    assert "./mylib: alpha>=2 (locked is alpha==1.0)" in str(caught.value)
    assert "./mylib: gamma (not locked)" in str(caught.value)
    assert "env lock --upgrade" in str(caught.value)
    assert left_over(home()) == []


def test_a_wheel_and_a_source_archive_of_this_machine_are_projects(
    make: Any, project: Path
) -> None:
    wheel = make_wheel(project, "epsilon", "3.0")
    archive = make_source_archive(project, "zeta", "4.0")
    environment = make([f"./{wheel.name}", f"./{archive.name}"])

    code = "import epsilon, zeta; print(epsilon.version, zeta.version)"
    assert python_in(environment, code) == "3.0 4.0"


def test_a_requirement_may_name_an_address(
    maker: str, make: Any, index: PackageIndex
) -> None:
    url = index.url().replace("simple/", "files/alpha-1.0-py3-none-any.whl")
    environment = make([f"alpha @ {url}"])

    assert python_in(environment, VERSION) == "1.0"
    assert environment.resolution().section.packages["alpha"].url == url
    assert environment.resolution().section.packages["alpha"].hashes


def test_an_environment_without_requirements_is_just_a_python(
    make: Any, maker: str
) -> None:
    code = "import sys; print(sys.prefix != sys.base_prefix)"
    assert python_in(make([]), code) == "True"


def test_an_environment_that_was_removed_by_hand_is_made_again(make: Any) -> None:
    environment = make(["alpha"])
    environment.interpreter()
    (kept,) = installations.kept()
    assert kept.remove()
    assert not kept.remove()

    assert python_in(environment, VERSION) == "2.0"


def test_an_environment_of_which_only_the_link_is_left_is_made_again(make: Any) -> None:
    environment = make(["alpha"])
    executable = Path(environment.interpreter().executable)
    directory = executable.parent.parent.resolve()
    directory.rename(directory.parent.parent / "gone")

    assert python_in(environment, VERSION) == "2.0"
    assert left_over(home()) == []


def test_an_environment_whose_python_was_removed_is_made_again(make: Any) -> None:
    environment = make(["alpha"])
    executable = Path(environment.interpreter().executable)
    executable.unlink()
    executable.symlink_to("/nonexistent/python")

    assert python_in(environment, VERSION) == "2.0"
    assert left_over(home()) == []


@with_the_newest_python_only
def test_another_python_has_the_same_packages(maker: str, make: Any) -> None:
    old = python("3.8")
    code = "import sys, alpha; print(sys.version_info[:2], alpha.version)"
    assert python_in(make(["alpha"], "3.8"), code) == "(3, 8) 2.0"
    assert python_in(make(["alpha<2"], old), code) == "(3, 8) 1.0"


def test_an_environment_is_locked_and_made_without_the_extra(
    make: Any, project: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(monkeypatch)
    monkeypatch.setitem(sys.modules, "packaging", None)
    make_project(project / "My.Lib", "mylib", requires=["Alpha<2"])
    make_wheel(packages, "setuptools", "99.0")  # In place of what venv brings

    environment = make(["BETA", "./My.Lib", "setuptools"], ">=3.8")

    code = "import alpha, beta; print(alpha.version, beta.version)"
    with pseudo_terminal() as terminal:
        assert python_in(environment, code) == "1.0 1.0"
        last = terminal.read().splitlines()[-1]
    assert re.search(r" is there \(\d packages done, 0 left, \d+ MB, \d+ s\)$", last)
    locked = json.loads((project / "bandsaw.lock").read_text())
    (sections,) = locked["environments"].values()
    (section,) = sections.values()
    assert section["packages"].keys() == {"alpha", "beta", "setuptools"}
    assert all(package["hashes"] for package in section["packages"].values())
    (kept,) = installations.kept()
    assert kept.facts["tool"] == "pip"
    assert left_over(home()) == []


def test_a_uv_that_does_not_answer_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(monkeypatch)
    launcher = tmp_path / "uv"
    launcher.write_text("#!/bin/sh\nexit 127\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert tools.find_uv() is None

    launcher.write_text("#!/bin/sh\necho uv 1.0\n")
    assert tools.find_uv() == str(launcher)


def test_a_python_that_cannot_make_environments_says_what_to_install(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(monkeypatch)
    bare = find_python(None, "")._replace(has_pip=False)
    monkeypatch.setattr(specification, "find_python", lambda *_: bare)

    with pytest.raises(EnvironmentBuildError, match=r"python3-venv.*\[environments\]"):
        make(["alpha"]).interpreter()
    assert left_over(home()) == []


# These ask the usual index of packages.


@pytest.mark.usefixtures("registry")
def test_two_versions_of_a_package_live_side_by_side(maker: str, project: Path) -> None:
    code = "import six; print(six.__version__)"
    for version in ("1.15.0", "1.16.0"):
        environment = Environment(None, [f"six=={version}"]).at(str(project))
        assert python_in(environment, code) == version


@pytest.mark.usefixtures("registry")
def test_hashes_in_a_file_of_requirements_are_left_to_the_lock(
    maker: str, project: Path
) -> None:
    (project / "requirements.txt").write_text(
        "# Written by another tool\n-r more.txt\n"
        "six==1.16.0 \\\n"
        f"    --hash=sha256:{HASH_OF_SIX}\n"
    )
    (project / "more.txt").write_text("-c limits.txt\n")
    (project / "limits.txt").write_text("six<1.17\nnumpy<2\n")
    environment = Environment(requirements_file="requirements.txt").at(str(project))

    assert sorted(environment.resolution().section.packages) == ["six"]
    assert python_in(environment, "import six; print(six.__version__)") == "1.16.0"
    assert sys.executable != environment.interpreter().executable


@with_the_newest_python_only
@pytest.mark.parametrize("first", ["uv", "pip"])
def test_what_one_tool_has_locked_the_other_one_installs(
    make: Any, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uv")
    environment = make(["beta", "alpha[more]"])
    with monkeypatch.context() as patch:
        if first == "pip":
            without_uv(patch)
        locked = environment.resolution()
    if first == "uv":
        without_uv(monkeypatch)

    code = "import alpha, beta, gamma; print(alpha.version, gamma.version)"
    assert python_in(environment, code) == "2.0 1.0"
    (kept,) = installations.kept()
    assert (kept.digest, kept.facts["tool"]) == (
        locked.digest,
        "pip" if first == "uv" else "uv",
    )
