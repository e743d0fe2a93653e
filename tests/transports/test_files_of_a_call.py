"""Which files of the library take part in a call that moves, at each of its ends."""

from __future__ import annotations

from tests.workflows import Workflow

# The files that call a function from the beginning of `before` to the job's way into
# the socket, and from its way out of the socket to the task.
COUNTING = """
import sys

import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

files = set()


def count(until, beginning=None):
    def note(frame, event, argument):
        if event == "call":
            files.add(frame.f_code.co_filename)
        elif event.startswith("c_") and argument.__name__ in (until, beginning):
            if argument.__name__ == until:
                sys.setprofile(None)
            else:
                files.clear()
                files.add(frame.f_code.co_filename)

    files.clear()
    sys.setprofile(note)


def of_bandsaw():
    sys.setprofile(None)
    root = bandsaw.__file__.rpartition("__init__")[0]
    found = sorted(file[len(root) :] for file in files if file.startswith(root))
    # The locks of Python 3.8 are written in Python.
    return [file for file in found if file != "runtime/fork.py"]


class Counting(SubprocessAdvice):
    def before(self, session):
        count(until="sendmsg")
        super().before(session)


configuration = bandsaw.Configuration()
configuration.add_advice_chain(Counting(workers=1))
"""


def test_few_files_take_part_in_a_warm_call_that_moves(workflow: Workflow) -> None:
    workflow.write({"counting_config.py": COUNTING})
    completed = workflow.run(
        """
        import bandsaw
        import counting_config

        @bandsaw.task(config="counting_config")
        def task(number):
            files = counting_config.of_bandsaw()
            # What follows this call is not counted: the next one begins with a read.
            counting_config.count(until="", beginning="recvmsg")
            return files

        if __name__ == "__main__":
            for number in range(4):
                there = task(number)
            here = counting_config.of_bandsaw()
            print(len(here), *here)
            print(len(there), *there)
        """,
    )
    here, there = completed.stdout.splitlines()

    assert "transports/worker.py" in here
    assert int(here.split()[0]) <= 21, here
    assert "tasks.py" in there
    assert int(there.split()[0]) <= 16, there
