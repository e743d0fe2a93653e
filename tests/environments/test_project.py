"""Environments that a project describes in its `pyproject.toml`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment
from bandsaw.exceptions import ConfigurationError
from tests.environments.conftest import python_in

PROJECT = """
[project]
name = "My.Project"
version = "1"
requires-python = ">=3.8"
dependencies = ["alpha <2"]

[project.optional-dependencies]
plot = ["gamma"]
all = ["my-project[plot]", "beta"]

[dependency-groups]
test = ["six", {include-group = "Base_Group"}]
base-group = ["attrs"]
circle = [{include-group = "circle"}]
"""


@pytest.fixture(autouse=True)
def _reader_of_toml() -> None:
    if sys.version_info < (3, 11):
        pytest.importorskip("tomli")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "name", "more"),
    [
        ({}, "My.Project", []),
        ({"extra": "all"}, "My.Project[all]", ["gamma", "beta"]),
        ({"group": ["test"]}, "My.Project:test", ["six", "attrs"]),
        (
            {"group": "base.group", "extra": ["Plot"], "requirements": ["mine"]},
            "My.Project[Plot]:base.group",
            ["gamma", "attrs", "mine"],
        ),
    ],
)
def test_the_dependencies_of_groups_and_extras_come_along(
    written: Path, options: dict[str, Any], name: str, more: list[str]
) -> None:
    environment = Environment.from_pyproject(**options).at(str(written))

    assert environment.requirements == ("alpha <2", *more)
    assert (environment.name, environment.label) == (name, name)
    assert environment.python == ">=3.8"
    copy = pickle.loads(pickle.dumps(environment))
    assert copy == environment
    assert copy.directory == environment.directory == str(written)


def test_what_is_given_takes_precedence(written: Path) -> None:
    environment = Environment.from_pyproject(
        written / "pyproject.toml", python="3.12", name="mine", lock="other.lock"
    )

    assert (environment.python, environment.name) == ("3.12", "mine")
    assert environment.lock == "other.lock"


def test_it_is_made(make: Any, written: Path) -> None:
    index_url = make([]).index_url
    environment = Environment.from_pyproject(
        python=sys.executable, extra="plot", index_url=index_url
    ).at(str(written))

    code = "import alpha, gamma; print(alpha.version, gamma.version)"
    assert python_in(environment, code) == "1.0 1.0"


def test_the_file_is_read_when_the_environment_is_needed(tmp_path: Path) -> None:
    environment = Environment.from_pyproject().at(str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"pyproject\.toml cannot be read"):
        _ = environment.requirements
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert environment.requirements == ("alpha <2",)
    assert not hasattr(environment, "no_such_attribute")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"group": "absent"}, "no group 'absent'; there is base-group, circle, test"),
        ({"extra": "absent"}, "no extra 'absent'; there is all, plot"),
        ({"group": "circle"}, "includes itself"),
    ],
)
def test_what_it_does_not_have_is_named(
    written: Path, options: dict[str, Any], reason: str
) -> None:
    environment = Environment.from_pyproject(**options).at(str(written))

    with pytest.raises(ConfigurationError, match=reason):
        _ = environment.label


@pytest.mark.parametrize(
    "text",
    ["[project", "project = 1", '[project]\ndynamic = ["dependencies"]\n'],
)
def test_a_file_that_says_nothing_of_use_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(ConfigurationError, match="cannot be read"):
        _ = Environment.from_pyproject().at(str(tmp_path)).python


def test_what_is_wrong_with_other_arguments_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError, match="find_links"):
        Environment.from_pyproject(find_links="text")
    with pytest.raises(ConfigurationError, match="group"):
        Environment.from_pyproject(group=[1])  # type: ignore[list-item]
