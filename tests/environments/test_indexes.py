"""Environments whose packages come from several indexes."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any, Iterator

import pytest

from bandsaw.environments import Environment
from bandsaw.environments.requirements import Requirements
from bandsaw.environments.settings import uv_settings
from bandsaw.environments.specification import index_of
from bandsaw.exceptions import (
    ConfigurationError,
    EnvironmentBuildError,
    EnvironmentLockError,
)
from tests.environments.conftest import python_in, without_uv
from tests.environments.wheels import PackageIndex, make_wheel, package_index


@pytest.fixture
def other(tmp_path: Path) -> Iterator[PackageIndex]:
    """An index that has builds of its own, and some that must not be taken from it."""
    make_wheel(tmp_path / "other", "alpha", "0.9+cpu")
    make_wheel(tmp_path / "other", "gamma", "3.0")
    with package_index(tmp_path / "other") as served:
        yield served


def test_a_package_comes_from_the_index_that_sources_names_and_no_other_one_does(
    every_maker: str, make: Any, other: PackageIndex, project: Path
) -> None:
    requirements = ["beta", "gamma"]
    environment = make(requirements, sources={"Alpha": other.url()})
    packages = environment.resolution().section.packages

    assert [str(package) for _, package in sorted(packages.items())] == [
        "alpha==0.9+cpu",
        "beta==1.0",
        "gamma==1.0",
    ]
    assert "127.0.0.1" not in (project / "bandsaw.lock").read_text()
    with pytest.raises(EnvironmentLockError, match=r"alpha==0\.9\+cpu is locked, but"):
        make(requirements).interpreter()
    code = "import alpha, gamma; print(alpha.version, gamma.version)"
    assert python_in(environment, code) == "0.9+cpu 1.0"


def test_a_source_of_no_package_is_warned_of(
    maker: str, make: Any, other: PackageIndex, caplog: pytest.LogCaptureFixture
) -> None:
    sources = {"alfa": other.url(), "alpha": other.url()}

    make(["alpha"], sources=sources, name="mine").resolution()

    expected = "Environment 'mine': sources= names alfa, which it has no package of."
    warnings = [r.getMessage() for r in caplog.records if "sources=" in r.getMessage()]
    assert warnings == [expected]


def test_what_is_required_itself_keeps_its_extras_and_its_limits(
    maker: str, make: Any, packages: Path, other: PackageIndex
) -> None:
    make_wheel(other.directory, "alpha", "2.0+cpu", extras={"more": "gamma"})
    make_wheel(other.directory, "alpha", "3.0+cpu")
    environment = make(["alpha[more] <3", "beta"], sources={"alpha": other.url()})

    chosen = environment.resolution().section.packages.values()

    assert sorted(map(str, chosen)) == ["alpha==2.0+cpu", "beta==1.0", "gamma==1.0"]


def test_indexes_are_searched_in_their_order_by_uv(
    make: Any, other: PackageIndex, tmp_path: Path
) -> None:
    pytest.importorskip("uv")
    make_wheel(tmp_path / "first", "alpha", "0.5")
    with package_index(tmp_path / "first") as first:
        urls = [first.url(), other.url()]
        environment = make(["beta", "gamma"], extra_index_urls=urls)

        code = "import alpha, gamma; print(alpha.version, gamma.version)"
        assert python_in(environment, code) == "0.5 3.0"


def test_pip_refuses_to_choose_between_indexes(
    make: Any, other: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(monkeypatch)
    environment = make(
        ["alpha", "beta"],
        extra_index_urls=[other.url()],
        sources={"alpha": other.url()},
    )

    with pytest.raises(EnvironmentBuildError, match=r"merges indexes.* of beta; or"):
        environment.interpreter()
    assert other.asked_for == []


def test_a_file_with_requirements_may_name_indexes(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("--extra-index-url=https://two\nsix\n")
    (tmp_path / "all.txt").write_text(
        "-i https://old\n--index-url https://one  # the one\n"
        "--extra-index-url 'https://three'\n-r more.txt\n"
    )
    environment = Environment(
        requirements_file="all.txt", extra_index_urls=["https://first"]
    )
    requirements = Requirements([], "all.txt", [], str(tmp_path))

    index = index_of(environment, requirements, str(tmp_path))

    assert requirements.lines == ["six"]
    assert index.url == "https://one"
    assert index.extra_urls == ["https://first", "https://three", "https://two"]
    given = Environment(index_url="https://given")
    assert index_of(given, requirements, str(tmp_path)).url == "https://given"


def test_uv_takes_places_from_the_settings_of_pip_unless_it_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name in "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "HOME":
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one\nextra_index_url =\n  https://two\n"
        "  https://three\ntarget = elsewhere\n[install]\nno-index = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_FIND_LINKS", "https://links")

    lines = uv_settings().configuration.splitlines()
    monkeypatch.setenv("UV_INDEX_URL", "https://own")
    monkeypatch.setenv("UV_FIND_LINKS", "https://own")
    left = uv_settings().configuration.splitlines()

    assert sorted(lines) == [
        'extra-index-url = ["https://two", "https://three"]',
        'find-links = ["https://links"]',
        'index-strategy = "unsafe-best-match"',
        'index-url = "https://one"',
        "no-index = true",
    ]
    assert sorted(left) == sorted(lines)[::2]
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert uv_settings().configuration == ""


def test_sources_are_part_of_an_environment_and_their_credentials_are_not_shown() -> (
    None
):
    url = "https://ada:secret@host/simple"
    environment = Environment(sources={"torch": url}, extra_index_urls=[url])

    assert pickle.loads(pickle.dumps(environment)) == environment
    assert Environment.deserialize(environment.serialized()) == environment
    assert environment != Environment(extra_index_urls=[url])
    assert "secret" not in repr(environment)
    assert "torch" in repr(environment)
    assert json.dumps(environment.serialized())


@pytest.mark.parametrize("sources", ["torch", {"torch": ""}, {"torch": None}, ["a"]])
def test_sources_that_name_no_index_are_refused(sources: Any) -> None:
    with pytest.raises(ConfigurationError, match="sources="):
        Environment(sources=sources)
