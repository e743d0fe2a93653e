"""The lock file: what is written, what still holds, and what is an error."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment
from bandsaw.environments.lock_file import LockFile, Package, Section
from bandsaw.environments.pythons import find_python
from bandsaw.exceptions import (
    ConfigurationError,
    EnvironmentLockError,
    MissingExtraError,
)

NAME = "of a test"


def platform() -> str:
    return find_python(None, "").platform


def lock(
    project: Path,
    requirements: list[str],
    packages: dict[str, str],
    projects: dict[str, list[str]] | None = None,
) -> LockFile:
    """Lock packages by hand; nothing is asked and nothing installed then."""
    file = LockFile(str(project / "bandsaw.lock"))
    chosen = [Package(*item, ["sha256:0"]) for item in packages.items()]
    file.put(NAME, platform(), Section.of(requirements, chosen, projects or {}))
    return file


def labels(path: Path) -> list[str]:
    """The labels of the environments in a lock file."""
    return sorted(json.loads(path.read_text())["environments"])


def resolve(project: Path, requirements: list[str], **options: Any) -> Section:
    options.setdefault("name", NAME)
    environment = Environment(None, requirements, **options)
    return environment.at(str(project)).resolution().section


# Drift


@pytest.mark.parametrize(
    "requirements",
    [
        ["six==1.15", "attrs>=20"],
        ["attrs >=19", "six"],
        ["attrs>=20"],
        ["Six>=1", "attrs; python_version >= '3'", "absent; python_version < '3'"],
    ],
)
def test_requirements_that_are_still_satisfied_are_no_error(
    project: Path, requirements: list[str]
) -> None:
    pytest.importorskip("packaging")
    lock(project, ["attrs>=20", "six==1.15"], {"six": "1.15.0", "attrs": "21.1"})

    assert resolve(project, requirements).packages["six"].version == "1.15.0"


@pytest.mark.parametrize(
    ("requirements", "options", "lines"),
    [
        (
            ["six>=1.16"],
            {},
            [
                "- six",
                "+ six>=1.16",
                "not satisfied: six>=1.16 (locked is six==1.15.0)",
            ],
        ),
        (["six", "attrs"], {}, ["+ attrs", "not satisfied: attrs (not locked)"]),
        (["six[fast]"], {}, ["not satisfied: six[fast] (fast is not locked)"]),
        (["six", "./lib"], {}, ["+ ./lib", "not satisfied: ./lib (not locked)"]),
        (["six @ https://host/six.whl"], {}, ["(locked is six==1.15.0)"]),
        (
            ["six"],
            {"constraints": "six<1"},
            ["+ six<1 (constraint)", "six<1 (locked is six==1.15.0)"],
        ),
    ],
)
def test_requirements_that_are_not_satisfied_any_more_show_the_difference(
    project: Path, requirements: list[str], options: Any, lines: list[str]
) -> None:
    pytest.importorskip("packaging")
    (project / "lib").mkdir()
    lock(project, ["six"], {"six": "1.15.0"})

    with pytest.raises(EnvironmentLockError) as caught:
        resolve(project, requirements, **options)
    for line in lines:
        assert line in str(caught.value)
    assert NAME in str(caught.value)
    assert "env lock --upgrade" in str(caught.value)


def test_a_constraint_for_what_is_not_there_is_satisfied(project: Path) -> None:
    pytest.importorskip("packaging")
    lock(project, ["six"], {"six": "1.15.0"})

    assert resolve(project, ["six"], constraints=["attrs<1", "six<2"])


def test_changed_requirements_cannot_be_compared_without_the_extra(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "packaging", None)
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    lock(project, ["six"], {"six": "1.15.0"})

    assert resolve(project, ["six"])
    with pytest.raises(MissingExtraError, match=r"bandsaw\[environments\]"):
        resolve(project, ["six>=1"])


def test_what_is_no_requirement_is_named(project: Path) -> None:
    pytest.importorskip("packaging")
    lock(project, ["six"], {"six": "1.15.0"})

    with pytest.raises(ConfigurationError, match="'six>>1' is no requirement"):
        resolve(project, ["six>>1"])


def test_without_a_name_other_requirements_are_another_environment(
    make: Any, project: Path
) -> None:
    make(["alpha"]).resolution()
    make(["alpha <2"]).resolution()

    assert labels(project / "bandsaw.lock") == ["python, alpha", "python, alpha <2"]


# The file


def test_a_platform_without_a_section_gets_one_and_the_others_stay(
    make: Any, project: Path
) -> None:
    file = LockFile(str(project / "bandsaw.lock"))
    other = Section.of(["alpha"], [Package("alpha", "0.9", ["sha256:1"])], {})
    file.put(NAME, "cpython-2.7-amiga", other)
    file.put("another", platform(), other)

    environment = make(["alpha"], name=NAME)

    assert environment.resolution().section.packages["alpha"].version == "2.0"
    for label, where in ((NAME, "cpython-2.7-amiga"), ("another", platform())):
        kept = file.section(label, where)
        assert kept is not None
        assert kept.to_json() == other.to_json()
    assert file.section(NAME, platform()) is not None


@pytest.mark.parametrize("package", [{"version": "1"}, {"hashes": ["sha256:0"]}, {}])
def test_a_package_without_a_hash_is_refused(
    project: Path, package: dict[str, Any]
) -> None:
    facts = {"requirements": ["six"], "projects": {}, "packages": {"six": package}}
    content = {"version": 1, "environments": {NAME: {platform(): facts}}}
    (project / "bandsaw.lock").write_text(json.dumps(content))

    with pytest.raises(EnvironmentLockError, match=r"six==\S+ has no hash"):
        resolve(project, ["six"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read: Expecting"),
        ("<<<<<<< HEAD\n{}\n=======\n", "cannot be read"),
        ("[]", "it has version None, not 1"),
        ('{"version": 2, "environments": {}}', "it has version 2, not 1"),
        ('{"version": 1}', "does not list environments"),
        ('{"version": 1, "environments": {"a": []}}', "does not list environments"),
        ('{"version": 1, "environments": {"of a test": {"PLATFORM": 7}}}', "cannot be"),
        (
            '{"version": 1, "environments": {"of a test": {"PLATFORM": {"a": 7}}}}',
            "cannot be",
        ),
    ],
)
def test_a_damaged_lock_file_is_named_and_kept(
    project: Path, content: str, message: str
) -> None:
    path = project / "bandsaw.lock"
    path.write_text(content.replace("PLATFORM", platform()))

    with pytest.raises(EnvironmentLockError, match=message) as caught:
        resolve(project, ["six"])
    assert str(path) in str(caught.value)
    assert path.read_text() == content.replace("PLATFORM", platform())


def test_a_lock_file_that_cannot_be_written_is_named(make: Any, project: Path) -> None:
    environment = make(["alpha"], lock="absent/bandsaw.lock")

    with pytest.raises(
        EnvironmentLockError, match=r"absent/bandsaw.lock cannot be wri"
    ):
        environment.resolution()
    assert list(project.iterdir()) == []


def test_a_lock_file_may_be_elsewhere_and_a_link(
    make: Any, project: Path, tmp_path: Path
) -> None:
    target = tmp_path / "kept.lock"
    lock(tmp_path, [], {})
    os.replace(tmp_path / "bandsaw.lock", target)
    (project / "my.lock").symlink_to(target)

    make(["alpha"], lock="my.lock", name="alpha").resolution()

    assert (project / "my.lock").is_symlink()
    assert labels(target) == ["alpha", NAME]
    assert json.loads(target.read_text())["version"] == 1


def test_a_changed_lock_file_is_read_again(project: Path) -> None:
    lock(project, ["six"], {"six": "1.15.0"})
    before = resolve(project, ["six"])
    lock(project, ["six"], {"six": "1.16.0", "new": "1"})
    now = resolve(project, ["six"])

    assert before.packages["six"].version == "1.15.0"
    assert now.packages["six"].version == "1.16.0"


def test_an_unchanged_lock_file_is_read_once(project: Path) -> None:
    lock(project, ["six"], {"six": "1.15.0"})
    assert resolve(project, ["six"]) is resolve(project, ["six"])
