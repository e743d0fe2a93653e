"""Tasks of a notebook's cells are moved by their source."""

from __future__ import annotations

import json
import resource
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from bandsaw import PickleSerializer
from bandsaw.distribution.cells.captured import CapturedData, CapturedValue
from bandsaw.distribution.cells.mains import STATEMENT, Main, packed
from bandsaw.exceptions import InvalidSessionError, NotMovableError
from bandsaw.serialization.buffers import HeldContent
from bandsaw.session.zip_format import SessionFile
from tests import notebook_cells
from tests.workflows import SCRIPTS, Workflow

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(workers=1, start_ahead=False)
)
"""


def execute(workflow: Workflow, *cells: str) -> list[str]:
    """Execute cells, and return what each prints."""
    workflow.write({"bandsaw_config.py": CONFIG})
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    printed: list[str] = json.loads(completed.stdout)
    return printed


def test_a_task_of_a_cell_finds_elsewhere_what_it_finds_here(
    workflow: Workflow,
) -> None:
    printed = execute(workflow, *notebook_cells.all_cells())
    assert notebook_cells.check(printed) == {}


CONFIGURED = """
import os, bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
class Marking(bandsaw.Advice):
    def __init__(self, mark):
        self.mark = mark
    def before(self, session):
        session.context["mark"] = mark = self.mark
        session.proceed()
    def after(self, session):
        session.result.value.append(session.context["mark"])
        session.proceed()
configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=1, start_ahead=False))
# %%
configuration.add_advice_chain(name="here")
@bandsaw.task
def pids(depth=1):
    return [os.getpid(), *(pids(depth - 1) if depth else [])]
@bandsaw.task(chain="here")
def stays():
    return [os.getpid()]
# %%
print(len({os.getpid(), *pids()}), stays() == [os.getpid()])
# %%
configuration = bandsaw.Configuration().add_advice_chain(
    Marking("marked"), SubprocessAdvice(workers=1, start_ahead=False)
)
print(pids(0)[1:], os.getpid() in pids(0))
try:
    stays()
except ValueError as error:
    print(error)
"""


def test_the_latest_configuration_of_a_cell_is_that_of_all_tasks(
    workflow: Workflow,
) -> None:
    cells = CONFIGURED.strip().split("# %%\n")
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    assert completed.stderr == ""
    refused = "Unknown advice chain 'here'. The configuration __main__ has 'default'."
    printed = "".join(json.loads(completed.stdout)).splitlines()
    assert printed == ["3 True", "['marked'] False", refused]


UNRELATED = """
import os, bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.distribution.cells import gathering
made, definitions = [], gathering._Graph.definitions
def noting(self, roots):
    made.append(roots)
    return definitions(self, roots)
gathering._Graph.definitions = noting
configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=1, start_ahead=False))
@bandsaw.task
def work(x):
    return x
# %%
work(1), work(2), made.clear()
# %%
configurations = 1
print(work(3), len(made))
# %%
configuration.add_advice_chain(name="other")
print(work(4), len(made) > 0)
work(5), made.clear()
# %%
configuration = bandsaw.Configuration().add_advice_chain()
configuration.add_advice_chain(SubprocessAdvice(workers=1, start_ahead=False))
print(work(6), len(made) > 0)
"""


def test_only_cells_that_change_the_configuration_have_it_sent_again(
    workflow: Workflow,
) -> None:
    cells = UNRELATED.strip().split("# %%\n")
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    printed = "".join(json.loads(completed.stdout)).splitlines()
    assert printed == ["3 0", "4 True", "6 True"]


CACHED = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice

configuration = bandsaw.Configuration().add_advice_chain(CachingAdvice("cache"))
# %%
from dataclasses import dataclass
@dataclass
class Row:
    x: int
scale = {scale}
def helper(row):
    {comment}
    return scale * row.x
# %%
@bandsaw.task
def compute(row):
    print("computed")
    return Row(helper(row))
# %%
print(compute(Row(2)))
"""


def test_results_are_found_again_after_a_restart_and_not_after_a_change(
    workflow: Workflow,
) -> None:
    def run(scale: int = 3, comment: str = "") -> str:
        text = CACHED.format(scale=scale, comment=comment)
        cells = text.strip().split("# %%\n")
        completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
        return "".join(json.loads(completed.stdout))

    assert run() == "computed\nRow(x=6)\n"
    assert run() == "Row(x=6)\n"
    assert run(comment="# What it says is the same.") == "Row(x=6)\n"
    assert run(scale=4) == "computed\nRow(x=8)\n"


def test_a_task_of_a_cell_needs_a_serializer_that_may_run_code(
    workflow: Workflow,
) -> None:
    cells = CONFIGURED.strip().split("# %%\n")[:2]
    refused = """
configuration.set_serializer(bandsaw.JsonSerializer())
try:
    pids()
except bandsaw.exceptions.NotMovableError as error:
    print(str(error).partition(": ")[2])
"""
    printed = workflow.python(
        SCRIPTS / "cells.py", input=json.dumps([*cells, refused])
    ).stdout
    assert json.loads(printed)[2].startswith("the cells of a notebook travel as code")


LARGE = """
import bandsaw
large = bytes(17 << 20)
@bandsaw.task
def length(x):
    return len(large) + x
# %%
print([length(x) == x + (17 << 20) for x in range(2)])
"""


def test_the_size_of_large_captured_data_is_told_once(workflow: Workflow) -> None:
    workflow.write({"bandsaw_config.py": CONFIG})
    cells = LARGE.strip().split("# %%\n")
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    assert json.loads(completed.stdout)[-1] == "[True, True]\n"
    told = "The variable 'large' holds 17 MiB"
    assert completed.stderr.count(told) == 1
    # It names the line of the user's.
    assert "cell_2:1: RuntimeWarning" in completed.stderr


CAPTURING = """
import os, bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.session.frame_format import SessionFrames

sent = []
class Looking(bandsaw.Advice):
    def before(self, session):
        form = SessionFrames()
        session.save_to(form)
        definitions, files = form.members["definitions.dat"]
        sent.append((len(definitions) < 10000, files))
        session.proceed()
class Whole(bandsaw.Extension):
    pass
class Marking(bandsaw.PickleSerializer):
    def serialize_with_buffers(self, value, stream):
        stream.write(b"marked")
        return super().serialize_with_buffers(value, stream)
    def deserialize_with_buffers(self, content, buffers):
        assert bytes(content[:6]) == b"marked"
        return super().deserialize_with_buffers(content[6:], buffers)
# %%
limit = [3]
configuration = bandsaw.Configuration().add_extension(Whole())
configuration.add_advice_chain(SubprocessAdvice(workers=limit[0] - 2))
configuration.add_advice_chain(
    Looking(), SubprocessAdvice(workers=1), name="looking"
)
configuration.set_serializer({serializer}())
# %%
data, small = [bytearray(1 << 20)], [1]
def make():
    inner = bytearray(1 << 18)
    def count():
        inner[0] += 1
        return inner[0]
    return count
count = make()
@bandsaw.task(chain="looking")
def change(by):
    data[0][0] += by
    return os.getpid(), data[0][0], small[0], count(), limit
# %%
first, second = change(1), change(2)
print(first[0] == second[0] != os.getpid())
print(first[1:] == (1, 1, 1, [3]), second[1:] == (2, 1, 1, [3]))
small[0], data[0][-1] = 2, 1
# %%
print(change(3)[1:] == (3, 2, 1, [3]), data[0][0] == 0)
data[0][0] = 4
print(change(3)[1:] == (7, 2, 1, [3]))
# %%
print(all(is_short and len(files) == 2 for is_short, files in sent))
print([a is b for a, b in zip(sent[0][1], sent[1][1])] == [True, True])
print([a is b for a, b in zip(sent[2][1], sent[3][1])] == [False, True])
"""


@pytest.mark.parametrize("serializer", ["bandsaw.PickleSerializer", "Marking"])
def test_large_captured_data_travels_beside_the_session_and_is_fresh_in_each(
    workflow: Workflow, serializer: str
) -> None:
    text = CAPTURING.replace("{serializer}", serializer)
    cells = text.strip().split("# %%\n")
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    printed = "".join(json.loads(completed.stdout))
    assert set(printed.split()) == {"True"}, printed + completed.stderr


FAR = """
import bandsaw, sys
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command
from bandsaw.transports.keeping import Keeping
from bandsaw.transports.shared_directory import OfferedDirectories

OfferedDirectories.choose = lambda self, answers: None
sent, settle = [], Keeping.settle
def noting(self, kept, digest):
    sent.append(kept.size)
    return settle(self, kept, digest)
Keeping.settle = noting
class Whole(bandsaw.Extension):
    pass
configuration = bandsaw.Configuration().add_extension(Whole())
there = bandsaw.Interpreter(path=(), executable=sys.executable)
configuration.add_advice_chain(ConnectionAdvice(Command(["env"]), interpreter=there))
# %%
data = [bytearray(1 << 19)]
@bandsaw.task
def change(x):
    data[0][0] += x
    return data[0][0]
@bandsaw.task
def size():
    return len(data[0])
print(change(1), change(2), size() == 1 << 19, len(sent))
data[0][0] = 1
print(change(1), change(2), size() == 1 << 19, len(sent))
"""


def test_captured_data_is_sent_over_a_connection_once_as_long_as_it_is_the_same(
    workflow: Workflow,
) -> None:
    cells = FAR.strip().split("# %%\n")
    completed = workflow.python(SCRIPTS / "cells.py", input=json.dumps(cells))
    printed = "".join(json.loads(completed.stdout)).splitlines()
    assert printed == ["1 2 True 1", "2 3 True 2"]


def test_equal_captured_data_is_kept_once_and_read_anew_from_any_place() -> None:
    first, second = (
        CapturedValue([bytearray(1 << 17)], PickleSerializer()) for _ in "ab"
    )
    files: list[HeldContent] = []
    assert first.refer(files) == second.refer(files)
    assert len(files) == 1
    in_memory = memoryview(b"".join(files[0].blocks()))

    places: list[Any] = [*files, in_memory]
    for place in places:
        data = CapturedData([place], PickleSerializer())
        data.read(first.refer([*files]))[0][0] = 1
        assert data.read(first.refer([*files])) == [bytearray(1 << 17)]

    with pytest.raises(InvalidSessionError, match="lacks captured data"):
        CapturedData([in_memory[:-1]], None).read(first.refer([*files]))
    with pytest.raises(InvalidSessionError, match="lacks captured data"):
        CapturedData([], None).read(first.refer([*files]))


def test_more_large_values_than_files_go_along_are_among_the_definitions() -> None:
    values = [bytes([n]) * (1 << 16) for n in range(20)]
    files: list[HeldContent] = []
    references = [CapturedValue(value, None).refer(files) for value in values]
    data = CapturedData(files, None)
    assert len(files) < 20
    assert [data.read(reference) for reference in references] == values


@pytest.mark.parametrize("value", [bytes(range(256)) * 1000, numpy.arange(50_000)])
def test_captured_data_without_room_for_a_file_is_among_the_definitions(
    value: Any,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        captured = CapturedValue(value, PickleSerializer())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    files: list[Any] = []

    reference = captured.refer(files)

    assert files == []
    read = CapturedData((), PickleSerializer()).read(reference)
    assert numpy.array_equal(read, value)
    assert captured.is_still(value)
    assert not captured.is_still(value[:-1])


def test_a_file_of_a_session_has_the_captured_data(tmp_path: Path) -> None:
    value = bytes(range(256)) * (1 << 10)
    files: list[HeldContent] = []
    reference = CapturedValue(value, None).refer(files)
    definitions: Any = SimpleNamespace(content=b"items", buffers=files)
    with open(str(tmp_path / "session.zip"), "w+b") as stream:
        form = SessionFile(stream)
        with form.write(None) as writer:
            writer.write_header({})
            writer.write_definitions(definitions)
        content, buffers = form.read().read_definitions() or (b"", [])
    assert content == b"items"
    assert CapturedData(buffers, None).read(reference) == value


# What the cells of a test have executed
executed: list[int] = []


LACKING = """
import sys, bandsaw
sys.modules["absent"] = sys  # Only the child lacks it.
# %%

import absent
@bandsaw.task
def work():
    return absent.path
# %%
work()
"""


def test_a_module_that_a_cell_imports_and_a_child_lacks_is_told_in_a_sentence(
    workflow: Workflow,
) -> None:
    told = execute(workflow, *LACKING.split("# %%\n"))[-1]

    assert "Error: No module named 'absent': Cell In[2], line 2, imports it, " in told
    assert f"({sys.executable}) does not have it. Add it there, or import it " in told
    assert len(told.splitlines()) == 1


def main_of(text: str) -> Main:
    """Return a `__main__` in which a statement was executed."""
    main = Main.of(packed([(STATEMENT, "Cell In[1]", 3, text, 0)]))
    assert main is not None
    return main


@pytest.fixture
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process its `__main__` back."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.mark.usefixtures("own_main")
def test_two_mains_are_never_in_use_at_once() -> None:
    first, second = main_of("name = 'first'"), main_of("name = 'second'")
    names: list[str] = []

    def use_second() -> None:
        with second.in_use():
            names.append(sys.modules["__main__"].name)

    thread = threading.Thread(target=use_second)
    with first.in_use():
        thread.start()
        # It cannot come to its end now.
        thread.join(0.1)
        names.append(sys.modules["__main__"].name)
    thread.join()
    assert names == ["first", "second"]


@pytest.mark.usefixtures("own_main")
def test_a_session_that_a_task_continues_in_its_thread_has_another_main() -> None:
    first, second = main_of("name = 1"), main_of("name = 2")
    with first.in_use():
        with second.in_use():
            inner = sys.modules["__main__"].name
        outer = sys.modules["__main__"].name
    assert (inner, outer) == (2, 1)


@pytest.mark.usefixtures("own_main")
def test_the_same_definitions_are_executed_once() -> None:
    assert main_of("once = object()") is main_of("once = object()")

    made: list[Main] = []
    text = "from tests.test_cells import executed; executed.append(1)"
    threads = [
        threading.Thread(target=lambda: made.append(main_of(text))) for _ in "ab"
    ]
    executed.clear()
    with main_of("other = 1").in_use():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.1)  # It waits.
    for thread in threads:
        thread.join()
    assert made[0] is made[1]
    assert executed == [1]


@pytest.mark.usefixtures("own_main")
def test_syntax_that_this_python_does_not_have_is_refused_with_its_line() -> None:
    with pytest.raises(NotMovableError, match=r"^Cell In\[1\], line 4 is no Python 3"):
        main_of("x = 1\nmatch x with 2")
