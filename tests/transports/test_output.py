"""Output, log records and progress of tasks, which arrive where they were called."""

from __future__ import annotations

import io
import os
import re
import time

import pytest

from bandsaw.transports.output import ChildStream
from tests.workflows import FAR, HEAD, Workflow, read_script

CONFIG = f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
{FAR}
class Keep(bandsaw.Advice):
    kept = {{}}

    def before(self, session):
        session.proceed()

    def after(self, session):
        for name, attachment in session.attachments.items():
            with attachment.open() as file:
                self.kept[name] = file.read().decode("utf-8")
        session.proceed()

lines = []
configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=2), name="pool")
configuration.add_advice_chain(far(workers=2), name="far")
configuration.add_advice_chain(
    Keep(), SubprocessAdvice(output="capture"), name="captured"
)
configuration.add_advice_chain(
    SubprocessAdvice(workers=1, output=lambda *told: lines.append(told)),
    name="taken",
)
"""

CHAINS = pytest.mark.parametrize("chain", ["fresh", "pool", "far"])


def test_what_is_captured_is_attached_and_not_shown(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
from bandsaw_config import Keep

@bandsaw.task(chain="captured")
def talk(fails):
    print("ä line")
    os.system("echo of a program")
    print("an error", file=sys.stderr)
    if fails:
        os._exit(3)

if __name__ == "__main__":
    talk(False)
    print(Keep.kept)
    Keep.kept.clear()
    print(text_of(talk, True).partition(":")[0], sorted(Keep.kept))
""",
        config=CONFIG,
    )
    assert output == (
        "{'stdout.txt': 'ä line\\nof a program\\n', 'stderr.txt': 'an error\\n'}\n"
        "InterpreterDiedError ['stderr.txt', 'stdout.txt']\n"
    )


def test_a_function_takes_what_is_written(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
from bandsaw_config import lines

@bandsaw.task(chain="taken")
def talk(text):
    print(text, end="")
    print("complaint", file=sys.stderr)

if __name__ == "__main__":
    for text in "one\\n", "two without an end":
        talk(text)
    for stream in "stdout", "stderr":
        print("".join(text for name, text in lines if name == stream))
""",
        config=CONFIG,
    )
    assert output == "one\ntwo without an end\ncomplaint\ncomplaint\n\n"


@CHAINS
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_line_arrives_when_it_is_printed(
    workflow: Workflow, chain: str, stream: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import io

@bandsaw.task(chain="{chain}")
def talk():
    print("a line", file=sys.{stream})
    return open("gate").read()

class OpensGate(io.StringIO):
    def write(self, text):
        super().write(text)
        if self.getvalue() == "a line\\n":
            with open("gate", "w") as gate:
                gate.write("opened")

if __name__ == "__main__":
    os.mkfifo("gate")
    original, sys.{stream} = sys.{stream}, OpensGate()
    answer = talk()
    sys.{stream} = original
    print(answer)
""",
        config=CONFIG,
    )
    assert output == "opened\n"


@CHAINS
def test_what_a_dying_child_has_printed_arrives_where_it_is_inherited(
    workflow: Workflow, chain: str
) -> None:
    completed = workflow.run(
        f"""
        import os
        import sys
        import bandsaw

        @bandsaw.task(chain="{chain}")
        def die():
            print("last words")
            print("and a complaint", file=sys.stderr)
            os._exit(3)

        if __name__ == "__main__":
            try:
                die()
            except bandsaw.exceptions.InterpreterDiedError:
                print("died")
        """,
        config=CONFIG,
    )
    assert completed.stdout == "last words\ndied\n"
    assert completed.stderr == "and a complaint\n"


@CHAINS
def test_lines_of_several_children_do_not_mix(workflow: Workflow, chain: str) -> None:
    output = workflow.output(
        HEAD
        + f"""
import io
from concurrent.futures import ThreadPoolExecutor

@bandsaw.task(chain="{chain}")
def talk(letter):
    for _ in range(50):
        for _ in range(20):
            os.write(1, letter.encode())
        os.write(1, b"\\n")

if __name__ == "__main__":
    stdout, sys.stdout = sys.stdout, io.StringIO()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(talk, "ab"))
    text, sys.stdout = sys.stdout.getvalue(), stdout
    print(sorted({{*text.splitlines()}}), len(text.splitlines()))
""",
        config=CONFIG,
    )
    assert output == f"['{'a' * 20}', '{'b' * 20}'] 100\n"


@CHAINS
def test_what_a_dying_child_has_written_last_is_in_the_error(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import io

@bandsaw.task(chain="{chain}")
def die():
    print("first words", file=sys.stderr)
    print("last words", file=sys.stderr)
    os.kill(os.getpid(), 11)

if __name__ == "__main__":
    stderr, sys.stderr = sys.stderr, io.StringIO()
    text = text_of(die)
    sys.stderr = stderr
    print(text)
""",
        config=CONFIG,
    )
    _, _, told = output.partition("killed by SIGSEGV without an answer. It wrote last:")
    words, _, stack = told.partition("Fatal Python error: Segmentation fault\n")
    assert words == "\nfirst words\nlast words\n"
    assert re.findall("line .*", stack) == ["line 13 in die"]


@CHAINS
def test_a_grandchild_that_keeps_the_streams_open_delays_nothing(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import io
import subprocess
import re
import time

@bandsaw.task(chain="{chain}")
def leave_a_child():
    print("said")
    return subprocess.Popen(["sleep", "60"]).pid

if __name__ == "__main__":
    stdout, sys.stdout = sys.stdout, io.StringIO()
    start = time.monotonic()
    pid = leave_a_child()
    text, sys.stdout = sys.stdout.getvalue(), stdout
    os.kill(pid, 9)
    print(repr(text), time.monotonic() - start < 50)
""",
        config=CONFIG,
    )
    assert output == "'said\\n' True\n"


LOGGED = """\
project.work INFO one of 2 work
True True
project.work ERROR it failed work
True True
LookupError: lost
"""


@CHAINS
@pytest.mark.parametrize("depth", [0, 1])
def test_records_are_handled_where_the_task_was_called(
    workflow: Workflow, chain: str, depth: int
) -> None:
    script = read_script("logging_far_away.py")
    output = workflow.output(script, chain, str(depth), config=CONFIG)
    assert output == LOGGED * (depth + 1)


@CHAINS
def test_a_level_that_changes_counts_for_the_next_call(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import logging

@bandsaw.task(chain="{chain}")
def work():
    logging.getLogger("project").info("said")

class Print(logging.Handler):
    def emit(self, record):
        print(record.getMessage(), record.levelname)

if __name__ == "__main__":
    logging.getLogger().addHandler(Print())
    work()
    logging.getLogger().setLevel(logging.INFO)
    work()
    logging.disable(logging.INFO)
    work()
    logging.disable(logging.NOTSET)
    work()
""",
        config=CONFIG,
    )
    assert output == "said INFO\nsaid INFO\n"


def test_records_that_are_unwanted_here_go_to_the_handlers_there(
    workflow: Workflow,
) -> None:
    completed = workflow.run(
        """
        import bandsaw

        @bandsaw.task(chain="fresh")
        def work():
            import logging

            logging.getLogger("project").setLevel(logging.DEBUG)
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("there: %(message)s"))
            logging.getLogger("project").addHandler(handler)
            logging.getLogger("project").debug("a detail")

        if __name__ == "__main__":
            work()
        """,
        config=CONFIG,
    )
    assert completed.stderr == "there: a detail\n"


TOLD = """\
work 1 3 step 0
work 2 3 step 1
work 3 3 step 2
work 0.5 None None
True
"""


@pytest.mark.parametrize("chain", ["fresh", "pool", "here"])
@pytest.mark.parametrize("depth", [0, 1])
def test_progress_is_told_where_the_task_was_called(
    workflow: Workflow, chain: str, depth: int
) -> None:
    output = workflow.output(
        read_script("telling_progress.py"),
        *(chain, str(depth)),
        config=CONFIG
        + """
from bandsaw.reporting import ProgressExtension

told = []
configuration.add_extension(ProgressExtension(told.append))
configuration.add_advice_chain(name="here")
""",
    )
    assert output == TOLD


def test_progress_that_is_not_shown_is_no_error(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(chain="pool")
def work():
    bandsaw.progress(1, 2)
    return "done"

if __name__ == "__main__":
    bandsaw.progress(1)
    print(work(), work.__wrapped__())
""",
        config=CONFIG,
    )
    assert output == "done done\n"


@CHAINS
def test_a_log_call_that_fails_is_reported_and_the_task_goes_on(
    workflow: Workflow, chain: str
) -> None:
    completed = workflow.run(
        f"""
        import logging

        import bandsaw

        class Unshowable:
            def __repr__(self):
                raise ValueError("no text")

        @bandsaw.task(chain="{chain}")
        def work():
            log = logging.getLogger("project")
            log.error("two %s %s", 1)
            log.error("a value %r", Unshowable())
            log.error("shown", extra={{"value": Unshowable()}})
            return "result"

        class Print(logging.Handler):
            def emit(self, record):
                print(record.getMessage(), record.value)

        if __name__ == "__main__":
            logging.getLogger().addHandler(Print())
            print(work())
        """,
        config=CONFIG,
    )

    assert completed.stdout == (
        "shown <Unshowable whose text fails with ValueError>\nresult\n"
    )
    assert completed.stderr.count("--- Logging error ---") == 2
    assert "not enough arguments for format string" in completed.stderr
    assert "ValueError: no text" in completed.stderr


def test_what_a_process_of_a_pool_logs_after_its_calls_it_handles_itself(
    workflow: Workflow,
) -> None:
    completed = workflow.run(
        """
        import atexit
        import logging
        import sys

        import bandsaw

        def say(text):
            logging.getLogger("project").warning(text)

        @bandsaw.task(chain="pool")
        def work():
            say("in the task")
            atexit.register(say, "at its end")

        if __name__ == "__main__":
            logging.basicConfig(format="here: %(message)s", stream=sys.stdout)
            work()
        """,
        config=CONFIG,
    )

    assert completed.stdout == "here: in the task\n"
    assert completed.stderr == "at its end\n"


def pumped_beside_another(size: int) -> float:
    """The seconds that a line of a size takes while another child runs."""
    taken: list[str] = []
    stream, other = ChildStream("stdout"), ChildStream("stdout")
    try:
        for one in stream, other:
            one.redirect(None, lambda name, text: taken.append(text))
        start = time.process_time()
        for _ in range(size):
            os.write(stream.target, b"x" * (1 << 16))
            stream._pump()
        stream.drain()
        seconds = time.process_time() - start
    finally:
        stream.close()
        other.close()
    assert sum(map(len, taken)) == size << 16
    return seconds


def test_a_line_without_end_beside_another_child_takes_linear_time() -> None:
    short = min(pumped_beside_another(50) for _ in range(3))
    long = min(pumped_beside_another(800) for _ in range(2))

    # Sixteen times as much takes 256 times as long when each piece looks at all before.
    assert long < 120 * short


def test_what_arrives_is_flushed_at_once() -> None:
    shown = io.TextIOWrapper(io.BytesIO())
    stream = ChildStream("stdout")
    stream.redirect(shown, None)
    os.write(stream.target, b"a line\n")
    stream.close_target()
    stream.drain()

    assert shown.buffer.getvalue() == b"a line\n"  # type: ignore[attr-defined]


def test_the_error_of_a_call_has_nothing_of_what_another_one_has_written(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(chain="taken")
def write(text):
    print(text, file=sys.stderr, flush=True)

@bandsaw.task(chain="taken")
def die():
    print("own", file=sys.stderr, flush=True)
    os._exit(1)

if __name__ == "__main__":
    write("of another call")
    print(text_of(die).partition("It wrote last:")[2].split())
""",
        config=CONFIG,
    )
    assert output == "['own']\n"
