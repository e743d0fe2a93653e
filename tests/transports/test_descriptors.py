"""Calls where descriptors are many, run out, or were closed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bandsaw.serialization import shared_memory
from bandsaw.serialization.shared_memory import map_buffers, write_buffers
from bandsaw.transports.output import ChildStream
from tests.workflows import HEAD, MOVING, MOVING_WITHOUT_SPARE, Workflow


def test_output_is_pumped_whatever_the_number_of_its_descriptor() -> None:
    fcntl = pytest.importorskip("fcntl")
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 2000:
        pytest.skip("No process may have so many descriptors here.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, limits[1]))
    taken: list[str] = []
    stream = ChildStream("stdout")
    try:
        low, stream._source = (
            stream._source,
            fcntl.fcntl(stream._source, fcntl.F_DUPFD_CLOEXEC, 1500),
        )
        os.close(low)
        stream.redirect(None, lambda name, text: taken.append(text))
        os.write(stream.target, b"said")
        stream.wait(60)
    finally:
        stream.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert taken == ["said"]


def test_a_file_of_large_buffers_is_closed_when_none_is_used_any_more() -> None:
    descriptor = write_buffers([memoryview(b"content")])
    before = len(os.listdir("/dev/fd"))
    buffers = map_buffers(descriptor, [7], 0)
    used = len(os.listdir("/dev/fd"))
    del buffers
    after = len(os.listdir("/dev/fd"))
    os.close(descriptor)

    assert (used, after) == (before + 1, before)


@pytest.mark.skipif(sys.platform != "linux", reason="needs files without a name")
def test_large_buffers_never_have_a_name_that_a_killed_process_would_leave() -> None:
    descriptor = write_buffers([memoryview(b"content")])
    name = os.readlink(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)

    assert "bandsaw" not in name


def test_large_buffers_lose_their_name_where_each_file_needs_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shared_memory, "_WITHOUT_NAME", 0)
    descriptor = write_buffers([memoryview(b"content")], str(tmp_path))
    buffers = map_buffers(descriptor, [7], 1)
    os.close(descriptor)

    assert [bytes(buffer) for buffer in buffers] == [b"content"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_cannot_be_started_takes_no_descriptor(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
import gc
import resource
import threading
from bandsaw.transports import background

@bandsaw.task
def identity(x):
    return x

def descriptors():
    background.wait_for_background(60)
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

if __name__ == "__main__":
    # As the first thread of Python 3.8 ends, the C library opens another library.
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    identity(0)
    before = descriptors()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 50, limit[1]))
    said = set()
    for room in range(20):
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        while len(held) and room:
            os.close(held.pop())
            room -= 1
        said.add(text_of(identity, 7)[:22])
        for descriptor in held:
            os.close(descriptor)
    print(descriptors() == before, "7" in said, identity(8))
""",
        config=MOVING_WITHOUT_SPARE.replace(
            "start_ahead=False", "start_ahead=False, output=lambda name, text: None"
        ),
    )
    assert output == "True True 8\n"


@pytest.mark.parametrize("config", [MOVING, MOVING.replace("e()", "e(workers=1)")])
def test_a_closed_standard_input_ends_no_child(workflow: Workflow, config: str) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def read():
    return sys.stdin.read()

if __name__ == "__main__":
    os.close(0)
    print(text_of(read), text_of(read))
""",
        config=config,
    )
    assert output == "'' ''\n"
