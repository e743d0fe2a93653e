"""One bar tells how far a map has come, on a real terminal; or a log record does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from contextlib import redirect_stderr
from importlib.util import find_spec
from io import StringIO
from threading import Barrier, Event
from typing import Iterator

import pytest

import bandsaw
from bandsaw.reporting import ProgressBars
from tests.waiting import SECONDS, wait_until
from tests.workflows import Workflow

CONFIG = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.reporting import ProgressBars

configuration = bandsaw.Configuration().set_concurrency(1)
configuration.add_advice_chain(CachingAdvice(directory="cache"))
configuration.add_extension(ProgressBars())
"""

SCRIPT = """
import logging, sys
import bandsaw

@bandsaw.task
def work(number):
    bandsaw.progress(1, 3, f"step of {number}")
    if number == 4:
        raise ValueError
    return number

@bandsaw.task
def alone():
    bandsaw.progress(1, 2, "by itself")

if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(sys.argv[1:]))  # They are not installed.
    if "tqdm" in sys.argv:
        from bandsaw import reporting

        reporting._LOG_INTERVAL = 0
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    for number in work.map(range(3)):
        print("result", number)
        if number == 0 and not sys.argv[1:]:
            print("a-long-path/" * 12, file=sys.stderr)
    try:
        list(work.map_unordered(range(5)))
    except ValueError:
        pass
    print(sum(work.map(iter(range(2)))), file=sys.stderr)
    alone()
"""

_PIECES = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """A terminal that knows how lines are erased, and keeps what it has shown."""

    def __init__(self) -> None:
        self.lines = [""]
        self.shown: list[str] = []
        self._line = self._column = 0

    def write(self, text: str) -> None:
        for match in _PIECES.finditer(text):
            number, code, control, words = match.groups()
            if control == "\r":
                self._column = 0
            elif control == "\n" or code == "B":
                self._line += 1
                self.lines += [""] * (self._line + 1 - len(self.lines))
            elif code == "A":
                self._line -= int(number or 1)
            elif code == "K":
                line = self.lines[self._line]
                self.lines[self._line] = "" if number == "2" else line[: self._column]
            elif words:
                line = self.lines[self._line].ljust(self._column)
                end = self._column + len(words)
                self.lines[self._line] = line[: self._column] + words + line[end:]
                self._column = end
            self.shown.append("\n".join(self.lines))

    @property
    def left(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


def read(descriptor: int) -> Iterator[bytes]:
    """Yield what comes over a terminal until its other end is closed."""
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except OSError:
            return
        if not piece:
            return
        yield piece


def run_on_terminal(workflow: Workflow, *arguments: str) -> Screen:
    workflow.write_script(SCRIPT, CONFIG)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
    process = workflow.start(
        "workflow.py",
        *arguments,
        environment={"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    content = b"".join(read(ours))
    os.close(ours)
    screen = Screen()
    screen.write(content.decode().replace("\r\n", "\n\r"))
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, screen.left
    # What goes to a file stays out of the terminal.
    assert printed == "result 0\nresult 1\nresult 2\n"
    return screen


@pytest.mark.parametrize("drawn_by", ["rich", "tqdm"])
def test_a_map_has_one_bar_and_those_of_its_calls_go(
    workflow: Workflow, drawn_by: str
) -> None:
    if find_spec(drawn_by) is None:
        pytest.skip(f"needs {drawn_by}")
    screen = run_on_terminal(workflow, *(["rich"] if drawn_by == "tqdm" else []))

    *above, first, failed, without_length, said = screen.left
    assert above == (["a-long-path/" * 12] if drawn_by == "rich" else [])
    assert "work" in first
    assert "3/3" in first
    assert "from the cache" not in first
    assert "5/5" in failed
    assert "3 from the cache, 1 failed" in failed
    assert "2/2" in without_length
    assert "/s" in without_length
    assert said == "1"
    assert any("step of 4" in shown for shown in screen.shown)
    assert any("by itself" in shown for shown in screen.shown)
    assert not any(left for left in screen.left if "running" in left)


def test_log_records_say_it_where_there_is_no_terminal(workflow: Workflow) -> None:
    workflow.write_script(SCRIPT, CONFIG)

    completed = workflow.python("workflow.py", "rich", "tqdm")

    lines = completed.stderr.splitlines()
    assert any(re.match(r"work: \d of 3 calls done .*running", one) for one in lines)
    failed = [one for one in lines if one.startswith("work: 5 of 5 calls done")]
    assert "(3 from the cache, 1 failed, " in failed[-1]
    assert "per second)" in failed[-1]


class Holding(bandsaw.Advice):
    """Let all calls begin, and only the first come to its task."""

    def __init__(self, count: int) -> None:
        self._begun = Barrier(count)
        self.gate = Event()

    def before(self, session: bandsaw.Session) -> None:
        (number,) = session.execution.args
        if number < self._begun.parties:
            self._begun.wait(SECONDS)
        assert number == 0 or self.gate.wait(SECONDS)
        session.proceed()


def test_calls_that_are_cancelled_have_not_failed_and_the_total_stays(
    configuration: bandsaw.Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bandsaw.reporting")
    holding = Holding(4)
    configuration.set_concurrency(4).add_extension(ProgressBars())
    configuration.add_advice_chain(holding, name="held")

    @bandsaw.task(config=configuration.module_name, chain="held")
    def fail(number: int) -> None:
        raise ValueError

    with redirect_stderr(StringIO()):
        with pytest.raises(ValueError):
            list(fail.map(range(20)))
        holding.gate.set()
        wait_until(lambda: any("running" not in said for said in caplog.messages))

    said = caplog.messages[-1]
    assert re.search(r": 1 of 20 calls done \(1 failed, [^,]* per second\)$", said)
