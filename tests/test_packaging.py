"""The files of a release: a wheel, and an sdist that can test itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import bandsaw
from tests.interpreters import with_the_newest_python_only

ROOT = Path(__file__).parent.parent
# What a release is made from; the tests may themselves run from an unpacked sdist.
SOURCES = ["bandsaw", "tests", "docs", "examples", "benchmarks", ".ci"]
FILES = [
    ".gitignore",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "mkdocs.yml",
    "pyproject.toml",
    "tox.ini",
]
READING_OTHER_DIRECTORIES = [
    "tests/examples",
    "tests/stored",
    "tests/test_benchmarks.py",
    "tests/test_documentation.py",
]
NOT_RELEASED = shutil.ignore_patterns("__pycache__", "*.pyc", "output", "results")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel and an sdist by their kind, built from a copy of the project."""
    pytest.importorskip("flit", reason="flit builds the packages")
    project = tmp_path_factory.mktemp("project")
    for name in SOURCES:
        shutil.copytree(str(ROOT / name), str(project / name), ignore=NOT_RELEASED)
    for name in FILES:
        shutil.copy(str(ROOT / name), str(project / name))
    subprocess.run(
        [sys.executable, "-m", "flit", "build"],
        cwd=str(project),
        # Otherwise it asks PyPI for the list of classifiers.
        env={**os.environ, "FLIT_NO_NETWORK": "1"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    (wheel,) = (project / "dist").glob("*.whl")
    (sdist,) = (project / "dist").glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def files_below(directory: Path, *names: str) -> set[str]:
    return {
        str(file.relative_to(directory))
        for name in names
        for file in (directory / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def metadata_of(wheel: Path) -> str:
    with zipfile.ZipFile(str(wheel)) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def test_the_wheel_holds_the_package_and_nothing_else(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(str(built["wheel"])) as archive:
        names = set(archive.namelist())

    package = {name for name in names if ".dist-info/" not in name}
    assert package == files_below(ROOT, "bandsaw")
    assert "bandsaw/py.typed" in package
    assert any(name.endswith("LICENSE") for name in names)


def test_the_metadata_names_version_python_and_extras(built: dict[str, Path]) -> None:
    lines = metadata_of(built["wheel"]).splitlines()

    assert f"Version: {bandsaw.__version__}" in lines
    assert "Requires-Python: >=3.8" in lines
    extras = {line.split(": ")[1] for line in lines if line.startswith("Provides-E")}
    assert extras == {
        "cli",
        "dask",
        "docs",
        "environments",
        "examples",
        "fsspec",
        "metrics",
        "multimeter",
        "ray",
        "release",
        "test",
    }
    required = [line for line in lines if line.startswith("Requires-Dist:")]
    assert [line for line in required if "extra ==" not in line] == []


def test_an_installed_wheel_works_without_anything_else(
    built: dict[str, Path], tmp_path: Path
) -> None:
    # Unpacked is installed, for a wheel without scripts.
    installed = tmp_path / "installed"
    with zipfile.ZipFile(str(built["wheel"])) as archive:
        archive.extractall(str(installed))
    (tmp_path / "bandsaw_config.py").write_text(
        "import bandsaw\nconfiguration = bandsaw.Configuration()\n"
    )
    script = (
        f"import sys; sys.path[:0] = [{str(installed)!r}, {str(tmp_path)!r}]\n"
        "import bandsaw\n"
        "assert bandsaw.task(lambda x: x + 1)(1) == 2\n"
        "print(bandsaw.__file__)"
    )

    # Neither the project's own directory nor site-packages is on this path.
    output = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout

    assert output.strip() == str(installed / "bandsaw" / "__init__.py")


@with_the_newest_python_only
def test_the_tests_run_from_the_sdist(built: dict[str, Path], tmp_path: Path) -> None:
    with tarfile.open(str(built["sdist"])) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(str(tmp_path), filter="data")
        else:
            archive.extractall(str(tmp_path))
    unpacked = tmp_path / f"bandsaw-{bandsaw.__version__}"

    released = files_below(ROOT, "bandsaw", "tests", "docs")
    assert released - files_below(unpacked, *SOURCES) == set()
    assert [name for name in FILES if not (unpacked / name).exists()] == []

    # Those that read the other directories are found there, and some are run, with the
    # package of the sdist.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    pytest_there = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    for arguments in (
        ["--collect-only", "--assert=plain", *READING_OTHER_DIRECTORIES],
        ["tests/test_exports.py", "-k", "dir"],
    ):
        done = subprocess.run(
            [*pytest_there, f"--basetemp={tmp_path / 'pytest'}", *arguments],
            cwd=str(unpacked),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
