"""Tracebacks of children, which name the user's own files with the text that runs."""

from __future__ import annotations

from zipfile import ZipFile

import pytest

from tests.workflows import FAR, MOVING, Workflow

HELPER = """\
import logging
import warnings


def fail(x):
    warnings.warn("beware")
    logging.getLogger().warning("hello")
    raise ValueError(x)
"""

ZIPPED = """\
import warnings


def warn():
    warnings.warn('zipped')
"""

SCRIPT = """
import logging
import sys

sys.path.append("lib.zip")

import bandsaw
import zipped
from package import helper


@bandsaw.task
def task(x):
    # The text that runs is not in this file any more.
    with open(sys.argv[1], "w") as file:
        file.write("edited\\n" * 9)
    zipped.warn()
    return helper.__file__, helper.fail(x)


@bandsaw.task
def inner(x):
    return helper.fail(x)


@bandsaw.task
def outer(x):
    return inner(x)


if __name__ == "__main__":
    logging.basicConfig(format="%(pathname)s:%(lineno)d %(message)s")
    for call in outer, task:
        try:
            call(3)
        except ValueError as error:
            print(error.__cause__)
"""

FAR_AWAY = f"""
import bandsaw
{FAR}
configuration = bandsaw.Configuration().add_advice_chain(far())
"""

# A Python that is told to keep no bytecode loads what it continues in its own way.
PLACES = [(MOVING, {}), (MOVING, {"PYTHONDONTWRITEBYTECODE": "1"}), (FAR_AWAY, {})]


@pytest.mark.parametrize(("config", "environment"), PLACES)
def test_a_child_names_the_users_own_files_with_the_text_that_runs(
    workflow: Workflow, config: str, environment: dict[str, str]
) -> None:
    helper = workflow.directory / "package" / "helper.py"
    workflow.write({"package/__init__.py": "", "package/helper.py": HELPER})
    with ZipFile(str(workflow.directory / "lib.zip"), "w") as archive:
        archive.writestr("zipped.py", ZIPPED)

    completed = workflow.run(
        SCRIPT, str(helper), config=config, environment=environment
    )

    told = completed.stdout + completed.stderr
    script = workflow.directory / "workflow.py"
    zipped = workflow.directory / "lib.zip" / "zipped.py"
    assert told.count(f'File "{script}", line ') == 3
    assert told.count(f'File "{helper}", line 8, in fail\n    raise ValueError(x)') == 2
    assert (
        told.count(f'{helper}:6: UserWarning: beware\n  warnings.warn("beware")') == 2
    )
    assert told.count(f"{helper}:7 hello\n") == 2
    assert f"{zipped}:5: UserWarning: zipped\n  warnings.warn('zipped')" in told
    assert helper.read_text(encoding="utf-8").startswith("edited")
