"""Requirements of an environment: texts, files and projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandsaw.environments.requirements import Requirements, files_of
from bandsaw.exceptions import ConfigurationError


def in_file(directory: Path, content: str) -> Requirements:
    (directory / "requirements.txt").write_bytes(content.encode("utf-8"))
    return Requirements([], "requirements.txt", [], str(directory))


def test_a_file_has_one_requirement_a_line(tmp_path: Path) -> None:
    found = in_file(
        tmp_path,
        "\ufeff# All of them\r\n\r\nsix==1.16 # the newest\n"
        "attrs>=20, \\\n    <22 --hash=sha256:0 \\\n --hash=sha256:1\n"
        "name @ https://host/name.whl#egg=name\n",
    )
    assert found.lines == [
        "six==1.16",
        "attrs>=20,      <22",
        "name @ https://host/name.whl#egg=name",
    ]


def test_files_name_others_beside_themselves(tmp_path: Path) -> None:
    below = tmp_path / "more files"
    below.mkdir()
    (below / "more.txt").write_text("--requirement=../requirements.txt\nb\n./lib\n")
    (below / "lib").mkdir()
    (below / "limits.txt").write_text("c<1\n-r other.txt\n")
    (below / "other.txt").write_text("d<1\n")

    found = in_file(tmp_path, 'a\n-r "more files/more.txt"\n-c more files/limits.txt\n')

    assert found.lines == ["a", "b"]
    assert found.constraints == ["c<1", "d<1"]
    assert [project.path for project in found.projects] == [str(below / "lib")]
    names = [
        Path(path).name for path in files_of("requirements.txt", [], str(tmp_path))
    ]
    assert names == ["requirements.txt", "more.txt", "limits.txt", "other.txt"]


@pytest.mark.parametrize(
    "text", ["limits.txt", "./limits", "in/limits", "~/limits", "../a=b@c", "limits.in"]
)
def test_constraints_may_be_in_a_file(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    path = project / text.replace("~", "../home")
    (project / "in").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    path.write_text("six<2\n")

    assert Requirements([], None, [text], str(project)).constraints == ["six<2"]


@pytest.mark.parametrize("text", ["six<2", "six", "a @ https://host/a/b.whl", "a~=1.0"])
def test_constraints_may_be_texts(tmp_path: Path, text: str) -> None:
    assert Requirements([], None, [text], str(tmp_path)).constraints == [text]


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://host",
        "-e ./lib",
        "six --config-settings=a=b",
        "six\n--index-url https://host",
    ],
)
def test_options_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="index_url"):
        Requirements([text], None, [], str(tmp_path))
    if "index-url" not in text:
        with pytest.raises(ConfigurationError, match="index_url"):
            in_file(tmp_path, text)


@pytest.mark.parametrize("content", ["-r absent.txt", "./absent", "-r ."])
def test_what_is_not_there_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigurationError, match=content.split()[-1]):
        in_file(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "path", "extras"),
    [
        ("./lib", "lib", ""),
        ("./my lib[a, b]", "my lib", "[a, b]"),
        (".", "", ""),
        (".[a]", "", "[a]"),
        ("file:LIB[a]", "my lib", "[a]"),
        ("mylib [a] @ file:LIB", "my lib", "[a]"),
        ("mylib@file:LIB", "my lib", ""),
    ],
)
def test_projects_are_paths(tmp_path: Path, text: str, path: str, extras: str) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "my lib").mkdir()
    text = text.replace("file:LIB", (tmp_path / "my lib").as_uri())

    (found,) = Requirements([text], None, [], str(tmp_path)).projects

    assert found.path == str(tmp_path / path)
    assert found.extras == extras


def digest_of(directory: Path) -> str:
    (project,) = Requirements([str(directory)], None, [], "/").projects
    return project.digest()


def test_the_content_of_a_project_is_what_is_released(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "code.py").write_text("a = 1")
    before = digest_of(tmp_path)

    ignored: list[str] = [
        ".git/HEAD",
        "build/lib/code.py",
        "lib/__pycache__/code.pyc",
        "lib.egg-info/PKG-INFO",
        "venv/pyvenv.cfg",
        ".hidden",
    ]
    for name in ignored:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    assert digest_of(tmp_path) == before

    (tmp_path / "lib" / "data.txt").write_text("text")
    assert digest_of(tmp_path) != before
