"""Files as arguments of tasks."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw import File, JsonSerializer
from bandsaw.exceptions import UnreadableFileError, UnstableValueError
from bandsaw.fingerprint import fingerprint
from tests.configurations import loadable_configuration


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return write(tmp_path / "data.csv", b"1,2\n")


def write(path: Path, content: bytes, time: int = 1_000_000) -> Path:
    """Write a file that was not changed just now."""
    path.write_bytes(content)
    os.utime(path, (time, time))
    return path


def test_a_file_is_used_like_a_path(path: Path) -> None:
    file = File(path)

    assert os.fspath(file) == file.path == str(path)
    assert Path(file).read_text() == file.read_text() == "1,2\n"
    assert file.read_bytes() == b"1,2\n"
    with file.open() as stream:
        assert stream.read() == "1,2\n"


def test_a_relative_path_is_made_absolute(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)

    assert File("data.csv") == File(path)
    assert repr(File("data.csv")) == f"File({str(path)!r})"
    assert len({File("data.csv"), File(path), File("other")}) == 2


def test_a_file_is_identified_by_its_content(path: Path, tmp_path: Path) -> None:
    same = write(tmp_path / "of another name", b"1,2\n", time=2_000_000)
    other = write(tmp_path / "other", b"1,3\n")

    assert fingerprint(File(path)) == fingerprint(File(same))
    assert fingerprint(File(path)) != fingerprint(File(other))
    assert fingerprint(File(path)) != fingerprint(path)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_every_byte_counts(tmp_path: Path, size: int) -> None:
    content = bytearray(os.urandom(size))
    before = File(write(tmp_path / "a", bytes(content))).digest()
    assert File(write(tmp_path / "b", bytes(content) + b"\0")).digest() != before
    if size:
        content[size - 1] ^= 1
        assert File(write(tmp_path / "c", bytes(content))).digest() != before


def test_a_change_is_seen(path: Path) -> None:
    before = File(path).digest()
    write(path, b"1,9\n", time=1_000_001)

    assert File(path).digest() != before


def test_a_change_right_after_reading_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_bytes(b"1")
    status = path.stat()
    before = File(path).digest()
    # As quick as the clock of the file system.
    path.write_bytes(b"2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert File(path).digest() != before


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    before = File(path).digest()
    status = path.stat()
    with open(path, "r+b") as file:
        file.write(b"9")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    # What was done here can be seen by nothing but reading.
    assert File(path).digest() == before


@pytest.mark.parametrize("kind", ["missing", "directory", "broken link"])
def test_what_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "directory":
        path.mkdir()
    elif kind == "broken link":
        path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(UnreadableFileError, match=f"{kind} cannot be identified"):
        File(path).digest()
    assert issubclass(UnreadableFileError, OSError)


def test_a_file_travels_as_its_path(path: Path) -> None:
    file = File(path)
    stream = io.BytesIO()
    JsonSerializer().serialize(file, stream)
    stream.seek(0)

    assert pickle.loads(pickle.dumps(file)) == file
    assert JsonSerializer().deserialize(stream) == file


def test_a_task_is_computed_again_when_a_file_has_changed(
    path: Path, tmp_path: Path
) -> None:
    from bandsaw.advices.cache import CachingAdvice

    calls: list[Any] = []

    def count(file: File) -> int:
        calls.append(file)
        return len(file.read_bytes())

    with loadable_configuration() as configuration:
        configuration.add_advice_chain(CachingAdvice(tmp_path / "cache"))
        task = bandsaw.task(count, config=configuration.module_name)

        assert [task(File(path)), task(File(path))] == [4, 4]
        write(path, b"1,2,3\n")
        assert task(File(path)) == 6
        assert len(calls) == 2
        with pytest.raises(UnstableValueError, match="No such file"):
            task(File(tmp_path / "nowhere"))


def test_without_a_cache_a_missing_file_is_the_affair_of_the_task(
    tmp_path: Path,
) -> None:
    class Asking(bandsaw.Advice):
        def before(self, session: Any) -> None:
            ids.append(session.ids.execution_id)
            session.proceed()

    ids: list[str] = []

    def exists(file: File) -> bool:
        return os.path.exists(file)

    with loadable_configuration() as configuration:
        configuration.add_advice_chain(Asking())
        task = bandsaw.task(exists, config=configuration.module_name)

        assert [task(File(tmp_path / "a")), task(File(tmp_path / "a"))] == [False] * 2
    assert len(set(ids)) == 2
