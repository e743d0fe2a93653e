"""The user's settings of pip and uv: which apply to environments, and which do not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment, installations
from bandsaw.environments.settings import pip_settings, uv_settings
from bandsaw.exceptions import EnvironmentBuildError, MissingExtraError
from tests.environments.conftest import left_over, python_in, without_uv
from tests.environments.wheels import PackageIndex, make_project, make_wheel
from tests.interpreters import with_the_newest_python_only

VERSIONS = "import alpha, beta; print(alpha.version, beta.version)"

# Each of these would make an environment empty, incomplete, or impossible.
PIP_CONF = """
[global]
python = /nonexistent/python
quiet = 3
require-virtualenv = true
require-hashes = true
[install]
dry-run = true
editable = {place}/absent
no-deps = true
prefix = {place}/prefix
report = {place}/report.json
requirement = {place}/absent.txt
root = {place}/root
target = {place}/target
user = true
[wheel]
no-binary = :all:
wheel-dir = {place}/wheels
"""

UV_TOML = """
exclude-dependencies = ["alpha"]
link-mode = "symlink"
no-binary = true
override-dependencies = ["alpha <0.5"]
resolution = "lowest"
[pip]
generate-hashes = false
no-deps = true
no-emit-package = ["alpha"]
output-file = "{place}/requirements.txt"
python = "/nonexistent/python"
require-hashes = true
system = true
target = "{place}/target"
"""

VARIABLES = {
    "PIP_DRY_RUN": "1",
    "PIP_NO_DEPS": "1",
    "PIP_PREFIX": "{place}/prefix",
    "PIP_PYTHON": "/nonexistent/python",
    "PIP_REQUIRE_HASHES": "1",
    "PIP_TARGET": "{place}/target",
    "PIP_USER": "1",
    "PYTHONPATH": "{place}/modules",
    "PYTHONUSERBASE": "{place}/base",
    "UV_CONSTRAINT": "",
    "UV_LINK_MODE": "symlink",
    "UV_NO_BINARY": "1",
    "UV_NO_DEPS": "1",
    "UV_OVERRIDE": "{place}/absent.txt",
    "UV_PYTHON": "/nonexistent/python",
    "UV_REQUIRE_HASHES": "1",
    "UV_RESOLUTION": "lowest",
    "UV_SYSTEM_PYTHON": "1",
    "UV_WORKING_DIR": "{place}/absent",
}


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the settings of this machine out."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and not name.endswith("_CACHE_DIR"):
            monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        directory = tmp_path / name
        directory.mkdir()
        monkeypatch.setenv(name, str(directory))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory to which settings redirect everything."""
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    return directory


def write(path: Path, content: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


# What is left out


def test_variables_neither_redirect_packages_nor_leave_any_out(
    maker: str, make: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value.format(place=place))

    assert python_in(make(["beta"]), VERSIONS) == "2.0 1.0"
    assert list(place.iterdir()) == []


@with_the_newest_python_only
def test_files_of_pip_neither_redirect_packages_nor_leave_any_out(
    make: Any, project: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(monkeypatch)
    make_project(project / "lib", "lib", requires=["beta"])
    content = PIP_CONF.format(place=place)
    monkeypatch.setenv("PIP_CONFIG_FILE", write(project / "pip.conf", content))

    assert python_in(make(["./lib"]), VERSIONS + "; import lib") == "2.0 1.0"
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "where", ["UV_CONFIG_FILE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "uv", "pyproject"]
)
def test_files_of_uv_neither_redirect_packages_nor_leave_any_out(
    make: Any,
    project: Path,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    pytest.importorskip("uv")
    make_project(project / "lib", "lib", requires=["beta"])
    content = UV_TOML.format(place=place)
    if where == "UV_CONFIG_FILE":
        monkeypatch.setenv(where, write(tmp_path / "my.toml", content))
    elif where.startswith("XDG"):
        write(tmp_path / where / "uv" / "uv.toml", content)
    else:
        # Above the directory in which the tools run
        home = tmp_path / "above" / "home"
        monkeypatch.setenv("BANDSAW_HOME", str(home))
        if where == "pyproject":
            content = "[tool.uv]" + content.replace("[pip]", "[tool.uv.pip]")
        write(home.parent / f"{where}.toml", content)

    assert python_in(make(["./lib"]), VERSIONS + "; import lib") == "2.0 1.0"
    assert list(place.iterdir()) == []


def test_packages_are_copied_although_a_setting_wants_links_into_a_cache(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uv")
    monkeypatch.setenv("UV_LINK_MODE", "symlink")

    code = "import os, alpha; print(os.path.islink(alpha.__file__))"
    assert python_in(make(["alpha"]), code) == "False"


# What is kept


@pytest.mark.stress
def test_files_of_pip_say_where_packages_come_from(
    index: PackageIndex, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_uv(monkeypatch)
    monkeypatch.chdir(project)
    make_wheel(project / "wheels", "delta")
    write(project / "limits.txt", "alpha <2\n")
    content = (
        f"[global]\nindex-url = {index.url()}\nfind-links = wheels\n"
        "[install]\nconstraint = limits.txt\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", write(project / "pip.conf", content))

    environment = Environment(None, ["beta", "delta"]).at(str(project))

    assert python_in(environment, VERSIONS + "; import delta") == "1.0 1.0"


def test_files_of_uv_say_where_packages_come_from(
    index: PackageIndex, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uv")
    user = tmp_path / "XDG_CONFIG_HOME" / "uv"
    make_wheel(user / "wheels", "delta")
    write(
        user / "uv.toml",
        f'constraint-dependencies = ["alpha <2"]\nfind-links = ["wheels"]\n'
        f'[[index]]\nname = "mine"\nurl = "{index.url()}"\ndefault = true\n',
    )
    monkeypatch.setenv("UV_CONSTRAINT", write(tmp_path / "more.txt", "delta <2\n"))

    environment = Environment(None, ["beta", "delta"]).at(str(project))

    assert python_in(environment, VERSIONS + "; import delta") == "1.0 1.0"


def test_sections_and_variables_of_pip_take_precedence_in_its_order() -> None:
    listing = (
        ":env:.timeout='4'\n"
        "global.timeout='1'\n"
        "global.retries='1'\n"
        "WARNING: something else\n"
        "install.retries='2'\n"
        "install.target='elsewhere'\n"
        "wheel.retries='3'\n"
        "global.extra-index-url='\\nhttps://a/\\nhttps://b/'\n"
        "global.cert=''\n"
        "global.use-feature='fast-deps truststore'\n"
        "global.use-deprecated='legacy-resolver'\n"
    )
    common = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "\nhttps://a/\nhttps://b/",
        "PIP_TIMEOUT": "4",
        "PIP_USE_FEATURE": "truststore",
    }
    assert pip_settings(listing, "install") == {**common, "PIP_RETRIES": "2"}
    assert pip_settings(listing, "wheel") == {**common, "PIP_RETRIES": "3"}


def test_files_of_uv_are_merged_in_its_order(tmp_path: Path) -> None:
    write(
        tmp_path / "XDG_CONFIG_HOME" / "uv" / "uv.toml",
        'offline = true\nextra-index-url = ["https://a/"]\nlink-mode = "copy"\n'
        'index = [{name = "\\u00fc \\"x\\"", url = "https://c/", explicit = true}]\n'
        "[pip]\nno-deps = true\nno-index = true\n",
    )
    write(
        tmp_path / "XDG_CONFIG_DIRS" / "uv" / "uv.toml",
        'offline = false\nextra-index-url = ["https://b/"]\n'
        "[pip]\nno-index = false\nfind-links = ['https://d/']\n",
    )

    assert sorted(uv_settings().configuration.splitlines()) == [
        'extra-index-url = ["https://a/", "https://b/"]',
        'index = [{"name" = "ü \\"x\\"", "url" = "https://c/", "explicit" = true}]',
        "offline = true",
        'pip = {"no-index" = true, "find-links" = ["https://d/"]}',
    ]


@pytest.mark.parametrize("name", ["UV_NO_CONFIG", "UV_NO_SYSTEM_CONFIG"])
def test_files_of_uv_can_be_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write(tmp_path / "XDG_CONFIG_DIRS" / "uv" / "uv.toml", "offline = true\n")
    assert uv_settings().configuration == "offline = true\n"

    monkeypatch.setenv(name, "1")

    assert uv_settings().configuration == ""


def test_a_file_of_uv_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "my.toml", "offline =")
    monkeypatch.setenv("UV_CONFIG_FILE", path)

    with pytest.raises(EnvironmentBuildError, match=path):
        uv_settings()
    monkeypatch.setenv("UV_CONFIG_FILE", f"{path}.absent")
    with pytest.raises(EnvironmentBuildError, match=f"{path}.absent"):
        uv_settings()


def test_a_file_of_uv_that_nothing_reads_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("UV_CONFIG_FILE", write(tmp_path / "my.toml", ""))

    with pytest.raises(MissingExtraError, match=r"my\.toml.*bandsaw\[environments\]"):
        uv_settings()


# What is there in the end


def test_an_environment_without_its_packages_is_not_published(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = pytest.importorskip("uv").find_uv_bin()
    without_uv(monkeypatch)
    launcher = tmp_path / "bin" / "uv"
    write(
        launcher,
        f'#!/bin/sh\ncase "$*" in "pip install"*) exit 0; esac\nexec "{uv}" "$@"\n',
    )
    launcher.chmod(0o755)
    path = f"{launcher.parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    environment = make(["beta"], name="mine")

    with pytest.raises(EnvironmentBuildError) as caught:
        environment.interpreter()

    assert "'mine' does not hold the packages" in str(caught.value)
    assert "alpha 2.0 (found none)\n  beta 1.0 (found none)" in str(caught.value)
    assert installations.kept() == []
    assert left_over(Path(os.environ["BANDSAW_HOME"])) == []


def test_a_version_may_be_written_in_several_ways(
    maker: str, make: Any, packages: Path
) -> None:
    make_wheel(packages, "dated", "2022.01.07")

    code = "import dated; print(dated.version)"
    assert python_in(make(["dated"]), code) == "2022.01.07"
