"""`LoggingAdvice` in programs that do not log, or begin to in the task."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workflows import Workflow

CONFIG = """
import sys
import bandsaw
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

class Print(bandsaw.Extension):
    def on_session_finished(self, session):
        print(session.attachments["session.log"].open().read().decode(), end="")

configuration = bandsaw.Configuration().add_extension(Print())
configuration.add_advice_chain(LoggingAdvice())
configuration.add_advice_chain(
    LoggingAdvice(), SubprocessAdvice(start_ahead=False), name="moved"
)
"""

SILENT = """
import sys
{imports}
import bandsaw

@bandsaw.task
def work():
    pass

if __name__ == "__main__":
    work()
    assert ("logging" in sys.modules) == {is_imported}
"""

BEGINNING = """
import bandsaw
import sys

@bandsaw.task(chain="{chain}")
def work():
    from concurrent.futures import ThreadPoolExecutor
    import logging
    import threading

    logging.warning("here")
    thread = threading.Thread(target=logging.warning, args=["in a thread"])
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(logging.error, "in a pool").result()
    logging.info("too low")

if __name__ == "__main__":
    assert "logging" not in sys.modules
    work()
"""


def lines(workflow: Workflow, script: str) -> list[dict[str, Any]]:
    output = workflow.run(script, config=CONFIG).stdout
    return [json.loads(line) for line in output.splitlines()]


def test_the_own_lines_are_the_same_as_of_a_program_that_logs(
    workflow: Workflow,
) -> None:
    plain = lines(workflow, SILENT.format(imports="", is_imported=False))
    logged = lines(workflow, SILENT.format(imports="import logging", is_imported=True))

    assert [line["message"].split()[0] for line in plain] == ["BEFORE", "AFTER"]
    for line in plain + logged:
        for varying in "timestamp", "processId", "threadId", "runId", "sessionId":
            assert line.pop(varying)
    assert plain == logged


@pytest.mark.parametrize("chain", ["default", "moved"])
def test_what_a_task_logs_is_kept_if_it_is_the_first_to_log(
    workflow: Workflow, chain: str
) -> None:
    messages = [
        line["message"] for line in lines(workflow, BEGINNING.format(chain=chain))
    ]

    assert messages[1:-1] == ["here", "in a thread", "in a pool"]
