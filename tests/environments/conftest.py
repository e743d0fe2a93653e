"""Fixtures for the tests of environments: makers, packages, and an index of these."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from bandsaw.environments import Environment
from tests.environments.wheels import PackageIndex, make_wheel, package_index
from tests.interpreters import is_one_of, with_the_newest_python_only
from tests.workflows import Workflow


@pytest.fixture(autouse=True)
def _only_with_some_pythons() -> None:
    """Real builds take long, and hardly depend on the Python that asks for them."""
    if not is_one_of(min, max):
        pytest.skip("runs with the oldest and the newest Python only")


@pytest.fixture(autouse=True)
def _own_caches(
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Packages of the same name are others in the next test."""
    cache = tmp_path_factory.getbasetemp() / "caches"
    monkeypatch.setenv("UV_CACHE_DIR", str(cache / "uv"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(cache / "pip"))


def without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide uv from this process and from the search path."""
    monkeypatch.setitem(sys.modules, "uv", None)
    directories = os.environ["PATH"].split(os.pathsep)
    kept = [place for place in directories if shutil.which("uv", path=place) is None]
    monkeypatch.setenv("PATH", os.pathsep.join(kept))


def _use(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    if name == "uv":
        pytest.importorskip("uv")
    else:
        without_uv(monkeypatch)
    return name


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.stress)])
def maker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the tools that make environments; pip, which takes long, if asked for."""
    return _use(request.param, monkeypatch)


@pytest.fixture(params=["uv", pytest.param("pip", marks=with_the_newest_python_only)])
def every_maker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, for what is essential; pip with one Python, as each takes so long."""
    return _use(request.param, monkeypatch)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A directory of wheels: `alpha` 1.0 and 2.0, `beta`, which wants `alpha`."""
    directory = tmp_path / "wheel house"
    make_wheel(directory, "alpha", "1.0")
    make_wheel(directory, "alpha", "2.0", extras={"more": "gamma"})
    make_wheel(directory, "beta", "1.0", requires=["alpha"])
    make_wheel(directory, "gamma", "1.0")
    return directory


@pytest.fixture
def index(packages: Path) -> Iterator[PackageIndex]:
    """An index of these wheels; the only one, so that no registry is asked."""
    with package_index(packages) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The directory of a configuration. There is a space in its name."""
    directory = tmp_path / "my project"
    directory.mkdir()
    return directory


@pytest.fixture
def make(index: PackageIndex, project: Path) -> Callable[..., Environment]:
    """Describe environments of the project, with packages of the index."""

    def make(requirements: list[str], python: Any = None, **options: Any) -> Any:
        options.setdefault("index_url", index.url())
        return Environment(python, requirements, **options).at(str(project))

    return make


@pytest.fixture(name="workflow")
def _workflow(
    project: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workflow]:
    """Scripts of the project, which find the index in their environment."""
    monkeypatch.setenv("INDEX_OF_THE_TEST", index.url())
    made = Workflow(project)
    yield made
    made.close()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip what needs the usual index of packages where it cannot be reached."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "six==1.16"],
        cwd=str(tmp_path_factory.mktemp("registry")),
        env={**os.environ, "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "15"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if answer.returncode:
        pytest.skip("No registry can be reached, from which packages are installed.")


def python_in(environment: Environment, code: str) -> str:
    """Return the output of a piece of code in an environment."""
    executable = environment.interpreter().executable
    return subprocess.run(
        [executable, "-I", "-c", code],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.strip()


def left_over(home: Path) -> list[str]:
    """Return the entries among the environments that are none: there should be none."""
    directory = home / "environments"
    if not directory.is_dir():
        return []
    links = [
        path
        for path in directory.iterdir()
        if path.is_symlink() and "-" not in path.name
    ]
    known = {path.name for path in links} | {os.readlink(str(path)) for path in links}
    return sorted({path.name for path in directory.iterdir()} - known - {".locks"})
