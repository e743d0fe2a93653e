"""Lock files of other tools, `pylock.toml`, which are read and never written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment
from bandsaw.environments.far import FarEnvironment
from bandsaw.environments.lock_file import Package, Section
from bandsaw.environments.pylock import PylockFile, is_pylock
from bandsaw.environments.pythons import Python
from bandsaw.environments.resolution import lock_anew
from bandsaw.environments.specification import Specification
from bandsaw.exceptions import (
    EnvironmentBuildError,
    EnvironmentLockError,
    MissingExtraError,
)
from tests.environments.conftest import python_in
from tests.environments.wheels import (
    PackageIndex,
    make_project,
    make_source_archive,
    make_wheel,
)

pytest.importorskip("packaging.pylock")
from packaging.tags import platform_tags

SHA = "hashes = {sha256 = '0'}"
HEAD = "lock-version = '1.0'\ncreated-by = 'a test'\n"


def entry(name: str, *lines: str) -> str:
    return "\n".join(["[[packages]]", f"name = '{name}'", *lines, ""])


def wheel(name: str, tags: str, version: str = "1.0") -> str:
    return f"{{url = 'https://host/{name}-{version}-{tags}.whl', {SHA}}}"


def listed(name: str, *more: str, version: str = "1.0") -> str:
    wheels = f"wheels = [{wheel(name, 'py3-none-any', version)}]"
    return entry(name, f"version = '{version}'", wheels, *more)


def section_of(project: Path, *parts: str, **options: Any) -> Section:
    (project / "pylock.toml").write_text("".join([HEAD, *parts]))
    environment = Environment(lock="pylock.toml", name="locked", **options)
    section = Specification(environment.at(str(project))).locked()
    assert section is not None
    return section


def hashed(path: Path) -> str:
    return f"hashes = {{sha256 = '{hashlib.sha256(path.read_bytes()).hexdigest()}'}}"


def test_an_environment_is_made_of_what_the_file_lists(
    every_maker: str, index: PackageIndex, packages: Path, project: Path
) -> None:
    alpha = packages / "alpha-1.0-py3-none-any.whl"
    delta = make_source_archive(project, "delta", "0.5")
    epsilon = make_wheel(project / "wheels", "epsilon", "3.0")
    make_project(project / "own", "own", requires=["alpha"])
    url = f"{index.url().replace('simple', 'files')}{alpha.name}"
    file = project / "pylock.tests.toml"
    file.write_text(
        HEAD
        + "default-groups = ['run']\ndependency-groups = ['run', 'test']\n"
        + "extras = ['more']\n"
        + entry(
            "alpha",
            "version = '1.0'",
            f"wheels = [{{url = '{url}', {hashed(alpha)}}}]",
        )
        + entry("delta", f"archive = {{path = '{delta.name}', {hashed(delta)}}}")
        + entry(
            "epsilon",
            "version = '3.0'",
            "marker = \"'run' in dependency_groups\"",
            f"wheels = [{{path = 'wheels/{epsilon.name}', {hashed(epsilon)}}}]",
        )
        + listed("zeta", "marker = \"'test' in dependency_groups\"")
        + listed("zeta", "marker = \"'more' in extras\"", version="2.0")
        + entry("own", "directory = {path = 'own', editable = true}")
    )
    before = file.read_bytes()
    environment = Environment(
        None, ["./own", "alpha <2"], lock=file.name, index_url=index.url()
    ).at(str(project))

    code = "import alpha, delta, epsilon, own; print(alpha.version, delta.version)"
    assert python_in(environment, code) == "1.0 0.5"
    assert sorted(environment.resolution().section.packages) == [
        "alpha",
        "delta",
        "epsilon",
    ]
    assert file.read_bytes() == before
    assert not (project / "bandsaw.lock").exists()


def test_a_file_that_does_not_have_the_locked_hash_is_refused(project: Path) -> None:
    made = make_wheel(project, "alpha")
    environment = Environment(lock="pylock.toml").at(str(project))
    lines = f"wheels = [{{path = '{made.name}', {SHA.replace('0', '0' * 64)}}}]"
    (project / "pylock.toml").write_text(HEAD + entry("alpha", lines))

    with pytest.raises(EnvironmentBuildError, match=r"(?i)hash"):
        environment.interpreter()


def test_a_lock_that_uv_exports_is_installed(
    make: Any, project: Path, index: PackageIndex
) -> None:
    uv = pytest.importorskip("uv").find_uv_bin()
    (project / "in.txt").write_text("beta\n")
    words = ["pip", "compile", "in.txt", "--format", "pylock.toml", "-o", "pylock.toml"]
    subprocess.run(
        [uv, *words, "--python", sys.executable, "--index-url", index.url()],
        cwd=str(project),
        check=True,
        stderr=subprocess.PIPE,
    )

    environment = make(["beta"], lock="pylock.toml")

    code = "import alpha, beta; print(alpha.version, beta.version)"
    assert python_in(environment, code) == "2.0 1.0"


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (["six"], r"not satisfied: six \(not locked\)"),
        (["alpha >=2"], r"not satisfied: alpha >=2 \(locked is alpha @ "),
    ],
)
def test_requirements_that_it_does_not_satisfy_are_named(
    project: Path, requirements: list[str], reason: str
) -> None:
    with pytest.raises(EnvironmentLockError, match=reason) as caught:
        section_of(project, listed("alpha"), requirements=requirements)

    assert "the tool that has written it" in str(caught.value)
    assert "env lock" not in str(caught.value)
    with pytest.raises(EnvironmentLockError, match=r"alpha<1 \(locked is"):
        section_of(project, listed("alpha"), constraints=["alpha<1", "six<1"])
    assert section_of(project, listed("alpha"), requirements=["alpha[more]"])


@pytest.mark.parametrize(
    "parts",
    [
        ["requires-python = '>=4'\n", "packages = []\n"],
        ["environments = [\"python_version > '4'\"]\n", "packages = []\n"],
        [listed("alpha", "requires-python = '>=4'")],
    ],
)
def test_a_python_that_it_does_not_support_is_named(
    project: Path, parts: list[str]
) -> None:
    with pytest.raises(EnvironmentLockError, match=r"does not support the Python 3\."):
        section_of(project, *parts)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([entry("a", "directory = {path = 'own'}")], "a as the directory own.*export"),
        ([listed("a"), listed("a")], "lists a twice"),
        ([entry("a", f"wheels = [{wheel('a', 'cp30-none-any')}]")], "no file of a"),
        ([entry("a", "wheels = []")], "cannot be read.*another tool's"),
        (["packages = [\n"], "cannot be read"),
        (["packages = 1\n"], "cannot be read.*packages"),
        (
            [entry("a", "archive = {url = 'https://host/', hashes = {md5 = '0'}}")],
            "a has no hash of sha256",
        ),
    ],
)
def test_what_cannot_be_installed_is_named(
    project: Path, parts: list[str], reason: str
) -> None:
    with pytest.raises(EnvironmentLockError, match=f"(?s){reason}"):
        section_of(project, *parts)


def test_a_file_that_is_not_there_is_named(project: Path) -> None:
    environment = Environment(lock="pylock.toml").at(str(project))

    with pytest.raises(EnvironmentLockError, match=r"pylock\.toml cannot be read"):
        environment.resolution()


def test_packages_of_a_version_control_system_have_their_commit(project: Path) -> None:
    secret = "type = 'git', url = 'https://me:secret@host/a', commit-id = 'abc'"
    lines = f"vcs = {{{secret}, subdirectory = 'lib'}}"

    packages = section_of(project, entry("a", lines)).packages

    url = "git+https://host/a@abc#subdirectory=lib"
    assert packages == {"a": Package("a", None, [], url)}


def test_the_wheel_that_fits_a_python_best_is_taken(tmp_path: Path) -> None:
    here = next(platform_tags())
    names = ["py3-none-any", f"cp39-cp39-{here}", f"cp38-cp38-{here}"]
    wheels = ", ".join(wheel("alpha", name) for name in names)
    sdist = f"sdist = {{url = 'https://host/beta-1.0.tar.gz', {SHA}}}"
    old = f"wheels = [{wheel('beta', f'cp39-abi3-{here}')}]"
    text = entry("alpha", f"wheels = [{wheels}]") + entry("beta", old, sdist)
    text += listed("gamma", "marker = \"python_full_version < '3.9'\"")
    path = tmp_path / "pylock.toml"
    path.write_text(HEAD + text)
    chosen = []

    for version in "3.8.1", "3.9.0", "3.12.0":
        python = Python("", version, "cpython", "linux-x86_64", True)
        section = PylockFile(str(path), python).section("a label", python.platform)
        chosen.append([str(one.url)[13:] for one in section.packages.values()])

    assert chosen == [
        [
            f"alpha-1.0-cp38-cp38-{here}.whl",
            "beta-1.0.tar.gz",
            "gamma-1.0-py3-none-any.whl",
        ],
        [f"alpha-1.0-cp39-cp39-{here}.whl", f"beta-1.0-cp39-abi3-{here}.whl"],
        ["alpha-1.0-py3-none-any.whl", f"beta-1.0-cp39-abi3-{here}.whl"],
    ]


def test_the_file_is_known_by_its_name() -> None:
    assert is_pylock("/a/pylock.toml")
    assert is_pylock("pylock.tests.toml")
    assert not is_pylock("pylock.a.b.toml")
    assert not is_pylock("bandsaw.lock")


def test_it_is_never_written_and_never_sent(project: Path) -> None:
    section_of(project, "packages = []\n")
    environment = Environment(lock="pylock.toml", name="locked").at(str(project))
    specification = Specification(environment)

    with pytest.raises(EnvironmentLockError, match="is another tool's"):
        lock_anew(specification)
    with pytest.raises(EnvironmentLockError, match="this machine only"):
        FarEnvironment(environment, "far end", lambda description: {})


def test_a_packaging_that_cannot_read_it_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "packaging.pylock", None)

    with pytest.raises(MissingExtraError, match=r"bandsaw\[environments\]"):
        section_of(project, "packages = []\n")


def test_the_command_line_leaves_it_to_its_tool(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("click")
    from tests.cli.commands import bandsaw

    (project / "script.py").write_text(
        "# /// script\n# [tool.bandsaw]\n# lock = 'pylock.toml'\n# ///\n"
    )
    (project / "pylock.toml").write_text(HEAD + "packages = []\n")
    monkeypatch.chdir(project)

    answer = bandsaw("env", "lock", "--upgrade", "--script", "script.py")

    assert "pylock.toml is another tool's" in answer
