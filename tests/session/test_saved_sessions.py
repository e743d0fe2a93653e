"""Sessions that are saved and restored; what is no session is refused."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import json
import os
import random
import struct
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from hypothesis import given, strategies as st

import bandsaw
from bandsaw import Advice, JsonSerializer
from bandsaw.exceptions import (
    InvalidSessionError,
    NotMovableError,
    SerializationError,
)
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.runtime import fork
from bandsaw.serialization.buffers import FileContent
from bandsaw.session import Session, advise
from bandsaw.session.frame_format import SessionFrames
from bandsaw.session.saved_format import unreadable
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration

MEMBERS = [
    "session.json",
    "run.json",
    "task.dat",
    "execution.dat",
    "context.dat",
    "result.dat",
    "moderator.dat",
]


def double(value: Any) -> Any:
    return value * 2


def fail(value: Any) -> Any:
    raise LookupError(value)


@pytest.fixture(name="configuration")
def _configuration(tmp_path: Path) -> Iterator[bandsaw.Configuration]:
    directory = tmp_path / "temporary"
    directory.mkdir()
    with loadable_configuration() as configuration:
        yield configuration.set_temp_directory(directory)
    if any(directory.iterdir()):
        gc.collect()
    assert not list(directory.iterdir())


def session_of(
    configuration: bandsaw.Configuration, function: Any = double, value: Any = 21
) -> Session:
    task = Task.create_task(function, {"version": "1"})
    return Session(task, Execution.of_call(task, (value,), {}), configuration)


def saved(session: Session) -> bytes:
    stream = io.BytesIO()
    session.save(stream)
    return stream.getvalue()


def restored(content: bytes) -> Session:
    return Session().restore(io.BytesIO(content))


# Moving at any step


class Hop(Advice):
    """Moves the session to another object, in another thread, and back again."""

    def before(self, session: Session) -> None:
        answers: list[bytes] = []

        def far_end() -> None:
            far = restored(content)
            far.proceed()
            stream = io.BytesIO()
            far.save_changes_to(SessionFile(stream))
            answers.append(stream.getvalue())
            far.remove_temp_dir()

        content = saved(session)
        thread = threading.Thread(target=far_end)
        thread.start()
        thread.join()
        session.restore(io.BytesIO(answers[0]))
        session.proceed()

    def after(self, session: Session) -> None:
        pass


class Noting(Advice):
    """Leaves traces in context, attachments and result, and may cut the walk short."""

    def __init__(self, number: int, kind: str) -> None:
        self.number = number
        self.kind = kind

    def before(self, session: Session) -> None:
        session.context[f"before {self.number}"] = session.ids.execution_id
        self.attach(session, "before")
        if self.kind == "conclude before":
            session.conclude(Result(f"early {self.number}"))
        else:
            session.proceed()

    def after(self, session: Session) -> None:
        session.context["after"][str(self.number)] = repr(session.result)
        self.attach(session, "after")
        if self.kind == "conclude after":
            session.conclude(Result([session.result.value, self.number]))
        else:
            session.proceed()

    def attach(self, session: Session, when: str) -> None:
        name = f"{when}-{self.number}.txt"
        path = session.temp_dir / name
        path.write_text(f"{when} {sorted(session.attachments)}")
        session.attachments[name] = path


def traces(session: Session) -> tuple[Any, ...]:
    attachments: dict[str, bytes] = {}
    for name, attachment in session.attachments.items():
        with attachment.open() as stream:
            attachments[name] = stream.read()
        assert attachment.size == len(attachments[name])
    session.remove_temp_dir()
    return session.result, session.context, attachments, str(session.ids)


@given(
    kinds=st.lists(
        st.sampled_from(["proceed", "conclude before", "conclude after"]), max_size=4
    ),
    hops=st.sets(st.integers(0, 4), min_size=1),
    function=st.sampled_from([double, fail]),
    use_json=st.booleans(),
)
def test_a_session_that_was_moved_behaves_as_one_that_was_not(
    kinds: list[str], hops: Any, function: Any, use_json: bool
) -> None:
    with loadable_configuration() as configuration:
        if use_json:
            configuration.set_serializer(JsonSerializer())
        advices: list[Advice] = [Noting(n, kind) for n, kind in enumerate(kinds)]
        moving = list(advices)
        for place in sorted(hops, reverse=True):
            moving.insert(min(place, len(moving)), Hop())
        configuration.add_advice_chain(*advices, name="here")
        configuration.add_advice_chain(*moving, name="moving")
        here, moved = (session_of(configuration, function) for _ in range(2))
        here.advice_chain, moved.advice_chain = "here", "moving"

        here.initiate()
        moved.initiate()

        assert traces(moved) == traces(here)


def test_a_session_can_be_saved_before_it_starts(
    configuration: bandsaw.Configuration,
) -> None:
    session = restored(saved(session_of(configuration)))

    assert advise(session) == Result(42)


def test_a_restored_session_keeps_its_ids_and_run(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    session.run.meta["purpose"] = "test"
    content, ids, run = saved(session), session.ids, session.run
    fork.reset()

    again = restored(content)

    assert again.ids == ids
    assert again.run_id == again.run.run_id == run.run_id
    assert again.run.meta == {"purpose": "test"}
    assert again.run.to_json() == run.to_json()
    assert again.run is not run


def test_the_stream_needs_not_be_seekable(configuration: bandsaw.Configuration) -> None:
    pieces: list[bytes] = []

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            pieces.append(bytes(data))
            return len(data)

    session_of(configuration).save(Pipe())  # type: ignore[arg-type]
    stream = bandsaw.io.BytearrayGeneratorToStream(iter(pieces))

    session = Session().restore(stream)

    assert advise(session) == Result(42)


def test_the_members_are_those_that_were_published(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    path = session.temp_dir / "note.txt"
    path.write_text("content")
    session.attachments["note.txt"] = path

    with zipfile.ZipFile(io.BytesIO(saved(session))) as archive:
        assert archive.namelist() == [*MEMBERS, "attachments/note.txt"]
        header = json.loads(archive.read("session.json").decode())
        assert archive.testzip() is None

    assert header == {
        "configuration": configuration.module_name,
        "advice_chain": "default",
        "ids": str(session.ids),
    }
    session.remove_temp_dir()


def test_notes_are_saved_with_the_context(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    without_notes = saved(session)
    session.note("path", 1)

    assert restored(saved(session)).context.attributes == {"path": 1}
    assert session.restore(io.BytesIO(without_notes)).context.attributes == {}


def test_an_answer_leaves_out_what_is_known(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    path = session.temp_dir / "big.bin"
    path.write_bytes(bytes(10_000))
    session.attachments["big.bin"] = path
    far = restored(saved(session))
    stream = io.BytesIO()
    far.save_changes_to(SessionFile(stream))

    with zipfile.ZipFile(stream) as archive:
        assert archive.namelist() == [
            "session.json",
            "context.dat",
            "result.dat",
            "moderator.dat",
        ]
    stream.seek(0)
    execution = session.execution
    session.restore(stream)
    assert session.execution is execution
    assert session.attachments["big.bin"].size == 10_000
    far.remove_temp_dir()
    session.remove_temp_dir()


def test_a_whole_session_can_be_restored_over_another(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    path = session.temp_dir / "note.txt"
    path.write_text("old")
    session.attachments["note.txt"] = path
    content = saved(session)
    path.write_text("new")

    session.restore(io.BytesIO(content))

    with session.attachments["note.txt"].open() as stream:
        assert stream.read() == b"old"
    session.remove_temp_dir()


# What cannot be saved


def test_an_argument_that_can_not_be_written_is_named(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration, value={"a": [threading.Lock()]})

    with pytest.raises(SerializationError, match=r"Argument .value. of ") as caught:
        saved(session)

    said = "be written by PickleSerializer: dict cannot be pickled: "
    assert said in str(caught.value)
    # The path begins at the argument itself.
    assert str(caught.value).endswith("object (at ['a'][0])")


def _holding(lock: Any, how: str) -> Any:
    if how == "closure":
        return lambda: lock
    return (lambda x, y=lock: x) if how == "default" else lambda x, *, y=lock: x


@pytest.mark.parametrize(
    ("how", "place"),
    [
        ("closure", "captured variable 'lock'"),
        ("default", "default value of 'y'"),
        ("keyword", "default value of 'y'"),
    ],
)
def test_what_a_function_holds_that_can_not_be_written_is_named(
    configuration: bandsaw.Configuration, how: str, place: str
) -> None:
    function = _holding({"a": threading.Lock()}, how)
    session = session_of(configuration, value=[function])

    with pytest.raises(SerializationError) as caught:
        saved(session)

    assert str(caught.value).endswith(f"(at [0], {place}['a'])")


def test_a_variable_that_a_local_task_captures_is_named(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    session.task = Task.create_task(_holding(threading.Lock(), "closure"))

    with pytest.raises(NotMovableError) as caught:
        saved(session)

    assert str(caught.value).endswith("object (at captured variable 'lock').")


def test_a_result_that_can_not_be_written_is_told_as_an_argument_is(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    session.result = Result({"a": [threading.Lock()]})

    with pytest.raises(
        SerializationError, match=f"result of {session.task} "
    ) as caught:
        saved(session)

    assert "written by PickleSerializer: dict cannot be pickled: " in str(caught.value)
    assert str(caught.value).endswith("object (at ['a'][0])")
    assert caught.value.part == "result"


def test_an_error_says_which_part_can_not_be_written(
    configuration: bandsaw.Configuration,
) -> None:
    session = session_of(configuration)
    session.context["lock"] = threading.Lock()

    with pytest.raises(SerializationError) as caught:
        saved(session)

    assert caught.value.part == "context"
    assert caught.value.reason.startswith("be written by PickleSerializer: ")
    assert str(caught.value).endswith(f" cannot {caught.value.reason}")


def test_a_lambda_without_a_text_says_why_it_can_not_be_moved(
    configuration: bandsaw.Configuration,
) -> None:
    without_text = eval("lambda value: value")

    with pytest.raises(NotMovableError, match="no text compiles to what is loaded"):
        saved(session_of(configuration, without_text))


def test_a_local_function_is_restored_with_what_it_holds(
    configuration: bandsaw.Configuration,
) -> None:
    held = [1]

    def local(value: Any) -> Any:
        return value, held, json

    session = Session(configuration=configuration)
    session.restore(io.BytesIO(saved(session_of(configuration, local))))
    found = session.task.callable("value")
    assert found == ("value", held, json)
    assert found[1] is not held


def test_a_generator_function_says_why_it_can_not_be_moved(
    configuration: bandsaw.Configuration,
) -> None:
    with pytest.raises(NotMovableError, match="generator function"):
        saved(session_of(configuration, count))


def count(value: int) -> Iterator[int]:
    yield from range(value)


def test_an_incomplete_session_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="it has no configuration"):
        saved(Session())


# What is not a session


@pytest.fixture(name="content")
def _content(configuration: bandsaw.Configuration) -> bytes:
    session = session_of(configuration, value=list(range(200)))
    path = session.temp_dir / "note.txt"
    path.write_bytes(b"content" * 20)
    session.attachments["note.txt"] = path
    content = saved(session)
    session.remove_temp_dir()
    return content


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return stream.getvalue()


def test_a_truncated_stream_is_refused_wherever_it_ends(content: bytes) -> None:
    for size in range(0, len(content) - 1, 7):
        with pytest.raises(InvalidSessionError):
            restored(content[:size])


@pytest.mark.parametrize("foreign", [b"", b"hello", b"PK\x03\x04", bytes(100)])
def test_what_is_no_zip_is_refused(foreign: bytes) -> None:
    with pytest.raises(InvalidSessionError, match="does not hold a whole session"):
        restored(foreign)


class OnABrokenDisk(io.BytesIO):
    """A file whose directory, which is at its end, can be read."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < 30:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


def test_the_failure_of_a_disk_is_no_damage(content: bytes) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        Session().restore(OnABrokenDisk(content))


def test_a_foreign_zip_is_refused() -> None:
    with pytest.raises(InvalidSessionError, match=r"'main\.py'"):
        restored(zipped({"main.py": b"", "session.json": b"{}"}))
    with pytest.raises(InvalidSessionError, match=r"session\.json is missing"):
        restored(zipped({}))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_session_without_one_of_its_parts_is_refused(
    content: bytes, member: str
) -> None:
    members = members_of(content)
    del members[member]

    missing = f"{member} .*is missing"
    with pytest.raises(InvalidSessionError, match=missing):
        restored(zipped(members))


@pytest.mark.parametrize("member", ["task.dat", "execution.dat"])
def test_frames_without_one_of_its_parts_are_refused(
    configuration: bandsaw.Configuration, member: str
) -> None:
    form = SessionFrames()
    session_of(configuration).save_to(form)
    del form.members[member]
    head, pieces, _ = form.pack()

    with pytest.raises(InvalidSessionError, match=f"{member} .*is missing"):
        Session().restore_from(SessionFrames.unpack(head, b"".join(pieces), []))


def test_what_is_empty_is_not_sent(configuration: bandsaw.Configuration) -> None:
    form = SessionFrames()
    session_of(configuration).save_to(form)

    assert list(form.members) == ["task.dat", "execution.dat"]


def test_a_member_that_is_a_file_is_refused(
    configuration: bandsaw.Configuration,
) -> None:
    form = SessionFrames()
    session_of(configuration).save_to(form)
    content, _ = form.members["execution.dat"]
    form.members["execution.dat"] = content, [FileContent(io.BytesIO, 0)]

    with pytest.raises(InvalidSessionError, match=r"execution\.dat .*is a file"):
        Session(None, None, configuration).restore_from(form)


def test_sessions_that_are_sent_share_their_task(
    configuration: bandsaw.Configuration,
) -> None:
    sent = session_of(configuration)
    restored = [Session(None, None, configuration) for _ in range(2)]
    for session in restored:
        form = SessionFrames()
        sent.save_to(form)
        head, pieces, _ = form.pack()
        session.restore_from(SessionFrames.unpack(head, b"".join(pieces), []))

    assert restored[0].task is restored[1].task


@pytest.mark.parametrize(
    ("member", "path", "place"),
    [
        ("result.dat", "", ""),
        ("result.dat", ".value", ""),
        ("result.dat", ".value['x']", " (at result['x'])"),
        ("result.dat", ".exception.args[0]", " (at result.exception.args[0])"),
        ("execution.dat", "['args'][0]", " (at args[0])"),
        ("execution.dat", ".kwargs['x']", " (at kwargs['x'])"),
        ("moderator.dat", "['step']", " (at step['step'])"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    member: str, path: str, place: str
) -> None:
    serializer = JsonSerializer()
    for error, text in [
        (SerializationError("It is broken."), "It is broken."),
        (LookupError("It is gone."), "LookupError: It is gone."),
    ]:
        said = str(unreadable(member, path, serializer, error))
        assert said.endswith(f"be read by JsonSerializer: {text}{place}")


@pytest.mark.parametrize(
    "name",
    [
        "attachments/../evil",
        "attachments/a/b",
        "attachments//etc/passwd",
        "attachments/..",
        "attachments/a\\b",
        "../evil",
        "/etc/passwd",
    ],
)
def test_names_that_leave_their_place_are_refused(content: bytes, name: str) -> None:
    with pytest.raises(InvalidSessionError):
        restored(zipped({**members_of(content), name: b"evil"}))


def test_directory_entries_are_skipped(content: bytes) -> None:
    session = restored(zipped({**members_of(content), "attachments/": b""}))

    assert list(session.attachments) == ["note.txt"]
    session.remove_temp_dir()


@pytest.mark.parametrize(
    "header",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"configuration": 1}',
        b'{"configuration": 1, "advice_chain": "default", "ids": null}',
        b'{"configuration": "x", "advice_chain": ["default"], "ids": null}',
        b'{"configuration": "x", "advice_chain": "default", "ids": 1}',
        b"[" * 100_000,
    ],
    ids=lambda header: header[:60].decode(),
)
def test_a_header_that_makes_no_sense_is_refused(content: bytes, header: bytes) -> None:
    with pytest.raises(InvalidSessionError, match=r"session\.json"):
        restored(zipped({**members_of(content), "session.json": header}))


@pytest.mark.parametrize("run", [b"{}", b"[]", b"3"])
def test_a_run_that_makes_no_sense_is_refused(content: bytes, run: bytes) -> None:
    with pytest.raises(InvalidSessionError, match=r"run\.json"):
        restored(zipped({**members_of(content), "run.json": run}))


@pytest.mark.parametrize(
    "step", [{"step": 99}, {"step": -2}, {"step": 0.5}, {"step": "x"}, {}, 7]
)
def test_a_step_that_the_chain_does_not_have_is_refused(
    content: bytes, step: Any
) -> None:
    stream = io.BytesIO()
    bandsaw.PickleSerializer().serialize(step, stream)
    changed = {**members_of(content), "moderator.dat": stream.getvalue()}

    with pytest.raises(InvalidSessionError, match=r"moderator\.dat"):
        restored(zipped(changed))


@pytest.mark.parametrize("context", [None, 7, {}])
def test_a_context_that_is_none_is_refused(content: bytes, context: Any) -> None:
    stream = io.BytesIO()
    bandsaw.PickleSerializer().serialize(context, stream)
    changed = {**members_of(content), "context.dat": stream.getvalue()}

    with pytest.raises(InvalidSessionError, match=r"context\.dat"):
        restored(zipped(changed))


def test_a_member_that_is_there_twice_is_refused(content: bytes) -> None:
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(
        UserWarning, match="Duplicate name"
    ):
        archive.writestr("task.dat", b"another")

    with pytest.raises(InvalidSessionError, match="twice"):
        restored(stream.getvalue())


def test_a_member_that_inflates_beyond_what_its_entry_says_is_refused(
    content: bytes,
) -> None:
    members = members_of(content)
    bomb = bytes(10_000_000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, bomb if name == "context.dat" else member)
    lying = bytearray(stream.getvalue())
    # Both the member's own header and the directory say that it has ten bytes.
    for position in _positions(bytes(lying), struct.pack("<L", len(bomb))):
        lying[position : position + 4] = struct.pack("<L", 10)

    with pytest.raises(InvalidSessionError, match=r"context\.dat"):
        restored(bytes(lying))


def _positions(content: bytes, pattern: bytes) -> Iterator[int]:
    position = content.find(pattern)
    while position >= 0:
        yield position
        position = content.find(pattern, position + 1)


def test_damaged_bytes_are_refused_or_do_not_matter(content: bytes) -> None:
    whole = members_of(content)
    chance = random.Random(7)
    for _ in range(300):
        damaged = bytearray(content)
        place = chance.randrange(len(damaged))
        damaged[place] ^= 1 << chance.randrange(8)
        with contextlib.suppress(InvalidSessionError):
            session = restored(bytes(damaged))
            assert members_of(bytes(damaged)) == whole
            session.remove_temp_dir()


def test_a_refused_stream_leaves_the_session_as_it_was(
    configuration: bandsaw.Configuration, content: bytes
) -> None:
    session = session_of(configuration)
    task, execution, step = session.task, session.execution, session.step
    members = members_of(content)
    members["moderator.dat"] = b"damaged"

    with pytest.raises(SerializationError) as caught:
        session.restore(io.BytesIO(zipped(members)))

    assert caught.value.part == "step"
    assert (session.task, session.execution, session.step) == (task, execution, step)
    assert session.task is task
    assert not session.attachments
    assert advise(session) == Result(42)


def naming(content: bytes, configuration: str) -> bytes:
    members = members_of(content)
    header = json.loads(members["session.json"].decode())
    header["configuration"] = configuration
    return zipped({**members, "session.json": json.dumps(header).encode()})


@pytest.fixture(name="planted")
def _planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a configuration that could be imported, but was not."""
    name = "planted_configuration"
    path = tmp_path / f"{name}.py"
    path.write_text(
        "import bandsaw\nconfiguration = bandsaw.Configuration()\n"
        f"configuration.set_temp_directory({str(tmp_path)!r})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_a_session_does_not_choose_a_configuration_that_is_not_loaded(
    content: bytes, planted: str
) -> None:
    call = f"call get_configuration\\('{planted}'\\) first"
    with pytest.raises(InvalidSessionError, match=call):
        restored(naming(content, planted))

    assert planted not in sys.modules


def test_a_session_may_have_a_configuration_that_was_loaded_before(
    content: bytes, planted: str
) -> None:
    configuration = bandsaw.get_configuration(planted)

    session = restored(naming(content, planted))

    assert session.configuration is configuration
    session.remove_temp_dir()


def test_a_session_may_have_the_default_configuration(
    content: bytes, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDSAW_CONFIG_MODULE", planted)

    session = restored(naming(content, planted))

    assert session.configuration.module_name == planted
    session.remove_temp_dir()


def test_a_session_of_a_configuration_reads_no_other_one(
    configuration: bandsaw.Configuration, content: bytes, planted: str
) -> None:
    bandsaw.get_configuration(planted)
    session = session_of(configuration)

    with pytest.raises(InvalidSessionError, match=planted):
        session.restore(io.BytesIO(naming(content, planted)))

    assert session.configuration is configuration


def test_a_large_attachment_is_copied_piece_by_piece(
    configuration: bandsaw.Configuration, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="needs the module resource")
    size = 300 * 1024 * 1024
    session = session_of(configuration)
    path = tmp_path / "large.bin"
    with open(path, "wb") as file:
        file.truncate(size)
    session.attachments["large.bin"] = path
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with open(tmp_path / "session.zip", "w+b") as stream:
        session.save(stream)
        stream.seek(0)
        again = Session().restore(stream)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert again.attachments["large.bin"].size == size
    again.remove_temp_dir()
    unit = 1 if sys.platform == "darwin" else 1024
    assert (peak - before) * unit < size / 3
