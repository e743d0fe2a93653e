from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.interpreters import installed_pythons, with_the_newest_python_only
from tests.workflows import Workflow

SCRIPT = Path(__file__).with_name("standard_library.py")

# What another Python makes of something else, by the text of the error
REFUSED = {
    "enum.auto()": "enum.auto",
    "int | str": "types.UnionType",
    'list(dis.get_instructions(compile("a", "f", "eval")))[0]': "dis.Instruction|Pos",
    "list(tokenize.tokenize(io.BytesIO(b'a=1').readline))": "tokenize.TokenInfo",
    "member_of_archive()": "zipfile.ZipInfo",
    "pathlib.PurePosixPath('/a/b').parents": "_PathParents",
    "platform.uname()": "platform.uname_result",
    "sched.Event(*range(len(sched.Event._fields)))": "sched.Event",
    "traceback.FrameSummary('f', 1, 'n', line='x')": "traceback.FrameSummary",
    "traceback.StackSummary.from_list([('f', 1, 'n', 'x')])": "traceback.FrameSummary",
}

# What newer Pythons have given up for something else, which older ones do not know
GIVEN_UP = {
    "asyncio.TimeoutError.*": "another (type|TimeoutError)",
    "calendar.MONDAY": "another int|Can't get attribute 'Day'",
    "concurrent.futures.TimeoutError.*": "another (type|TimeoutError)",
    "enum.EnumMeta": "Can't get attribute 'EnumType'",
    "re.error": "Can't get attribute 'PatternError'",
    "socket.timeout.*": "another (type|TimeoutError)",
}


def outcomes(workflow: Workflow) -> dict[tuple[str, str, str], str]:
    """Let each Python read what all Pythons write.

    Returns:
        By the versions of the writer and the reader and the name of the value, how one
        that is not the same was read.
    """
    pythons = installed_pythons()

    def run_all(*arguments: str, own: bool = False) -> dict[str, str]:
        running = {
            version: workflow.start(
                *(SCRIPT, *arguments, *([version] if own else [])),
                python=python,
                environment={"TZ": "UTC"},
            )
            for version, python in pythons.items()
        }
        printed = {version: run.communicate()[0] for version, run in running.items()}
        assert {run.returncode for run in running.values()} == {0}
        return printed

    run_all("write", own=True)
    return {
        (writer, reader, name): outcome
        for reader, printed in run_all("read", *pythons).items()
        for writer, found in json.loads(printed).items()
        for name, outcome in found.items()
    }


@with_the_newest_python_only
def test_values_of_the_standard_library_cross_between_all_pythons(
    workflow: Workflow,
) -> None:
    wrong: dict[str, Any] = {}
    met = set()
    for (writer, reader, name), outcome in outcomes(workflow).items():
        for pattern, text in {**REFUSED, **GIVEN_UP}.items():
            if pattern == name or (pattern in GIVEN_UP and re.fullmatch(pattern, name)):
                met.add(pattern)
                if writer != reader and re.search(text, outcome):
                    break
        else:
            wrong[f"{writer} to {reader}: {name}"] = outcome

    assert wrong == {}
    assert met == {*REFUSED, *GIVEN_UP}
