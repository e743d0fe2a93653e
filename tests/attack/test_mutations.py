"""Mutations of what is read: each is a named error, or a right value."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import struct
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any, Iterator

import pytest

from bandsaw.distribution.bootstrap import unpack
from bandsaw.environments.lock_file import LockFile, Package, Section
from bandsaw.exceptions import (
    BandsawError,
    DamagedEntryError,
    EnvironmentLockError,
    InvalidSessionError,
    ProtocolError,
    SerializationError,
)
from bandsaw.serialization import JsonSerializer
from bandsaw.session import Ids, Session
from bandsaw.session.zip_format import SessionFile
from bandsaw.stores.entries import Entry, has_footer, pack
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.transports import frames
from tests.stored import with_json, with_pickle
from tests.transports.test_frames import make_ends

STORED = Path(__file__).parent.parent / "stored" / ".forms" / "1" / "sessions"

# What length fields are wrong with most
ODD = (b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x01\0\0\0")


# How often as many are tried
TIMES = pytest.mark.parametrize(
    "times", [1, pytest.param(25, marks=pytest.mark.stress)]
)


def mutations(content: bytes, count: int) -> Iterator[bytes]:
    """Damage bytes here and there, the same way each time."""
    chance = random.Random(len(content))
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            place = chance.randrange(len(damaged))
            kind = chance.randrange(5)
            if kind == 0:
                damaged[place] = chance.randrange(256)
            elif kind == 1:
                damaged[place] ^= 1 << chance.randrange(8)
            elif kind == 2 and len(damaged) > 32:
                del damaged[place : place + chance.randrange(1, 16)]
            elif kind == 3:
                damaged[place : place + 4] = chance.choice(ODD)
            else:
                damaged[place:place] = content[:place][-chance.randrange(1, 9) :]
        yield bytes(damaged)


def restore(content: bytes, name: str, path: Path) -> None:
    module = with_json if name.startswith("json") else with_pickle
    module.configuration.set_temp_directory(path.parent)
    session = Session(None, None, module.configuration)
    # What cannot be sought in memory is another error than in a file.
    path.write_bytes(content)
    with path.open("rb") as file:
        for stream in file, io.BytesIO(content):
            with contextlib.suppress(BandsawError):
                session.restore(stream)
                session.remove_temp_dir()


@pytest.fixture(name="_limited_memory")
def _limit_memory() -> Iterator[None]:
    """Let no more than a gigabyte be added.

    A few damaged bytes of a pickle make the unpickler of C ask for tens of them.
    """
    if sys.platform != "linux":
        yield  # Nothing else has such a limit for memory that is only asked for.
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("_limited_memory")
@pytest.mark.parametrize("name", sorted(path.name for path in STORED.glob("*.zip")))
@TIMES
def test_a_saved_session(name: str, times: int, tmp_path: Path) -> None:
    content = (STORED / name).read_bytes()
    for damaged in mutations(content, 40 * times):
        restore(damaged, name, tmp_path / "session.zip")

    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {member: file.read(member) for member in file.namelist()}
    for member, whole in members.items():
        # The checksums of the zip file fit.
        for damaged in mutations(whole, 4 * times) if whole else ():
            restore(
                zipped({**members, member: damaged}), name, tmp_path / "session.zip"
            )


@pytest.mark.parametrize("name", sorted(path.name for path in STORED.glob("*.zip")))
@TIMES
def test_no_damaged_member_of_a_saved_session_is_read(name: str, times: int) -> None:
    content = (STORED / name).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {member: file.read(member) for member in file.namelist()}
    refused = 0
    for damaged in mutations(content, 100 * times):
        try:
            reader = SessionFile(io.BytesIO(damaged)).read()
        except InvalidSessionError:
            refused += 1
            continue
        for member in reader.members:
            try:
                assert reader._read(member) == members[member]
            except InvalidSessionError:
                refused += 1
    assert refused


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_member_that_claims_to_be_small_takes_no_memory(method: int) -> None:
    large = bytes(1 << 25)
    lying = zipped({"session.json": large}, method).replace(
        struct.pack("<L", len(large)), struct.pack("<L", 10)
    )
    session = Session(None, None, with_pickle.configuration)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSessionError, match=r"session\.json"):
            session.restore(io.BytesIO(lying))
        assert tracemalloc.get_traced_memory()[1] < len(large) / 4
    finally:
        tracemalloc.stop()


@TIMES
def test_frames(times: int) -> None:
    here, there = make_ends()
    seen = bytearray()
    here.send(frames.JOB, {"form": {"ids": ["a", 1], "x": None}}, [b"content" * 9])
    seen += there._socket.recv(1 << 16)
    here.close()
    there.close()
    for damaged in mutations(bytes(seen), 500 * times):
        here, there = make_ends()
        there._socket.sendall(damaged)
        there.close()
        with contextlib.suppress(ProtocolError, EOFError):
            _, head, _, _ = here.receive(time.monotonic() + 30)
            assert isinstance(head, dict)
        here.close()


VALUES = {
    "plain": [None, True, 1, -2.5, "text", {"a": [1, 2]}],
    "tuples": [(1, (2, "x")), {(1, 2): {3: 4}}],
    "exception": [ValueError("a", 1), KeyError("b")],
}


@pytest.mark.parametrize("name", VALUES)
@TIMES
def test_json(name: str, times: int) -> None:
    serializer = JsonSerializer()
    stream = io.BytesIO()
    serializer.serialize(VALUES[name], stream)
    for damaged in mutations(stream.getvalue(), 1000 * times):
        with contextlib.suppress(SerializationError):
            serializer.deserialize(io.BytesIO(damaged))


@pytest.mark.parametrize("buffers", [(), (b"\1" * 70_000, b"\2" * 9)])
@TIMES
def test_an_entry_of_a_cache(buffers: tuple[bytes, ...], times: int) -> None:
    views = [memoryview(buffer) for buffer in buffers]
    record: dict[str, Any] = {"task": "a.b", "arguments": {"x": ["01", "1"]}}
    content = b"".join(pack(b"value", views, record, "a" * 64, "b" * 64, 1234.5))
    for damaged in mutations(content, 500 * times):
        with contextlib.suppress(DamagedEntryError):
            if not has_footer(damaged):
                continue
            entry = Entry(damaged)
            entry.verify()
            assert entry.value == b"value"
            assert [bytes(buffer) for buffer in entry.buffers] == list(buffers)


@TIMES
def test_a_lock_file(tmp_path: Path, times: int) -> None:
    file = LockFile(str(tmp_path / "bandsaw.lock"))
    packages = [
        Package("six", "1.16", ["sha256:0"]),
        Package("x", None, (), "git+https://example.org/x@0"),
    ]
    section = Section.of(["six", "x @ git"], packages, {"./own": ["six"]})
    file.put("name", "linux", section)
    content = Path(file.path).read_bytes()
    parts = [*mutations(content, 1000 * times), b"[" * 100_000]
    parts += [json.dumps(changed).encode() for changed in changes(json.loads(content))]
    for damaged in parts:
        Path(file.path).write_bytes(damaged)
        with contextlib.suppress(EnvironmentLockError):
            found = file.section("name", "linux")
            assert found is None or has_right_types(found)


def has_right_types(section: Section) -> bool:
    texts = [*section.requirements, *section.projects]
    for requirements in section.projects.values():
        texts += requirements
    for package in section.packages.values():
        texts += [package.name, package.version or "", package.url or ""]
        texts += package.hashes
    return all(isinstance(text, str) for text in texts)


def changes(value: Any) -> Iterator[Any]:
    """Replace each part of JSON by values of other types."""
    yield from (None, 1, "text", [], {}, [1], {"a": 1})
    if isinstance(value, dict):
        for key in value:
            for changed in changes(value[key]):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for place in range(len(value)):
            for changed in changes(value[place]):
                yield [*value[:place], changed, *value[place + 1 :]]


@TIMES
def test_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setenv("BANDSAW_HOME", str(tmp_path / "home"))
    modules = {f"bandsaw/{name}.py": b"x = 1\n" * 20 for name in "abc"}
    members = {"__main__.py": b"import bandsaw\n", **modules}
    content = zipped(members, zipfile.ZIP_DEFLATED)
    path = tmp_path / "archive.pyz"
    others = [zipped(members, zipfile.ZIP_BZIP2), zipped(members, zipfile.ZIP_LZMA)]
    said = []
    for damaged in [*mutations(content, 300 * times), *others]:
        path.write_bytes(damaged)
        try:
            directory = unpack(str(path))
        except zipfile.BadZipFile as error:
            said.append(str(error))
            continue
        for name in modules:
            found = Path(directory, name)
            assert not found.exists() or found.read_bytes() == modules[name]
    assert [text for text in said if str(path) not in text] == []
    assert said[-1].endswith("method 14')")
    left = os.listdir(tmp_path / "home" / "archives")
    assert [name for name in left if name.startswith(".unpacking-")] == []
    assert sorted(os.listdir(tmp_path)) == ["archive.pyz", "home"]


@pytest.fixture(name="tracked")
def _tracked(tmp_path: Path) -> Path:
    """The file of a tracked result, which the next execution reads."""
    backend = FileSystemBackend(tmp_path)
    backend.track_session(IDS, {})
    failure = {"exception": "ValueError", "message": "no", "traceback": ["a", "b"]}
    backend.track_result(IDS, {"result": failure})
    (path,) = tmp_path.glob("tasks/*/*/*/result-info.json")
    return path


IDS = Ids("task", "execution", "run")


@TIMES
def test_a_tracked_result(tracked: Path, times: int) -> None:
    content = tracked.read_bytes()
    whole = json.loads(content)
    parts = [*mutations(content, 300 * times), b"", b"[" * 100_000]
    parts += [json.dumps(changed).encode() for changed in changes(whole)]
    for damaged in parts:
        tracked.write_bytes(damaged)
        # A failure looks if it comes after a success.
        FileSystemBackend(tracked.parents[4]).track_result(IDS, whole)
        assert json.loads(tracked.read_bytes())["result"] == whole["result"]


def test_a_tracked_result_of_any_size_takes_no_memory(tracked: Path) -> None:
    whole = json.loads(tracked.read_bytes())
    os.truncate(tracked, 1 << 27)
    tracemalloc.start()
    try:
        FileSystemBackend(tracked.parents[4]).track_result(IDS, whole)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
