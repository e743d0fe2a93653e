"""Exceptions of tasks, which arrive with all that led to them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.interpreters import installed_pythons, with_the_newest_python_only
from tests.workflows import FAR, HEAD, Workflow, read_script

CONFIG = f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
{FAR}

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="pool")
configuration.add_advice_chain(far(), name="far")
configuration.add_advice_chain(name="here")
"""

CHAINS = pytest.mark.parametrize(
    "chain",
    ["fresh", pytest.param("pool", marks=with_the_newest_python_only), "far"],
)


# Groups and notes are new in Python 3.11.
OF_GROUPS = {
    "a group": (
        "ExceptionGroup('several', "
        "[ValueError('one'), ExceptionGroup('more', [KeyError(2)])])"
    ),
    "its notes": ["a note"],
    "causes and contexts of members": [
        "ValueError(1) KeyError(1) KeyError(1)",
        "LookupError() None None",
        "ValueError(2) KeyError(2) KeyError(2)",
    ],
    "the cause of a group": "OSError('why')",
}


@CHAINS
def test_an_exception_arrives_with_all_that_led_to_it(
    workflow: Workflow, chain: str
) -> None:
    script = read_script("raised_elsewhere.py").replace("CHAIN", chain)

    told = json.loads(workflow.output(script, config=CONFIG))

    assert told == {
        "hides its context": True,
        "its cause": "RemoteTraceback",
        "its contexts": [
            "ValueError third",
            "BandsawError workflow.UnwritableError: second",
            "KeyError 'first'",
        ],
        "shows the place": True,
        "the cause behind": "KeyError('why')",
        **(OF_GROUPS if sys.version_info >= (3, 11) else {}),
        "arguments": [
            "SerializationError: Argument 'more' of workflow.work",
            "SerializationError: Argument 'lock' of workflow.work",
            "SerializationError: Argument 'options' of workflow.work",
        ],
        "afterwards": 1,
    }


@CHAINS
def test_an_uncaught_exception_shows_where_it_was_raised(
    workflow: Workflow, chain: str
) -> None:
    completed = workflow.run(
        f"""
        import bandsaw

        @bandsaw.task(chain="{chain}")
        def fail():
            raise ValueError("far away")

        if __name__ == "__main__":
            fail()
        """,
        config=CONFIG,
        status=1,
    )
    assert completed.stderr.count('raise ValueError("far away")') == 1
    # What follows on some Pythons names the call.
    assert completed.stderr.count("\nValueError: far away\n") == 2


# As a function does that is no task
@pytest.mark.parametrize(
    ("value", "status", "said"),
    [("None", 0, ""), ("0", 0, ""), ("3", 3, ""), ("'a text'", 1, "a text\n")],
)
@CHAINS
def test_a_task_that_exits_does_what_it_does_here(
    workflow: Workflow, chain: str, value: str, status: int, said: str
) -> None:
    completed = workflow.run(
        f"""
        import sys
        import bandsaw

        @bandsaw.task(chain="{chain}")
        def leave():
            sys.exit({value})

        if __name__ == "__main__":
            leave()
            print("still there")
        """,
        config=CONFIG,
        status=status,
    )
    assert completed.stdout == ""
    assert completed.stderr.endswith(said)


EXTENSION = """
#include <Python.h>

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "fast", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&definition); }
"""


def test_a_module_that_is_compiled_for_another_python_is_named(
    workflow: Workflow, tmp_path: Path
) -> None:
    compiler = shutil.which("cc")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if compiler is None or not header.exists():
        pytest.skip("there is no compiler of C, or no header of Python")
    others = {
        version: path
        for version, path in installed_pythons().items()
        if version != "{}.{}".format(*sys.version_info[:2])
    }
    if not others:
        pytest.skip("there is no other Python")
    version, other = sorted(others.items())[0]
    (tmp_path / "fast.c").write_text(EXTENSION)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    undefined = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    subprocess.run(
        [
            *(compiler, "-shared", "-fPIC", f"-I{header.parent}", *undefined),
            *("-o", f"fast{suffix}", "fast.c"),
        ],
        cwd=str(tmp_path),
        check=True,
    )
    output = workflow.output(
        HEAD
        + """
import fast

@bandsaw.task
def work():
    return 1

if __name__ == "__main__":
    print(text_of(work))
""",
        config=f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(interpreter=bandsaw.Interpreter(executable={str(other)!r}))
)
""",
    )
    assert "No module named 'fast'" in output
    assert f"The module fast is compiled for another Python (fast{suffix})" in output
    assert f"this is Python {version}." in output


CONFIG_OF_FRESH = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(start_ahead=False)
)
"""

LACKING = """
import bandsaw

if __name__ != "__main__":
    # As if only the child lacked it.
    import absent

@bandsaw.task
def work():
    pass

if __name__ == "__main__":
    work()
"""


def test_a_module_that_a_script_imports_and_a_child_lacks_is_told_in_a_sentence(
    workflow: Workflow,
) -> None:
    told = workflow.run(LACKING, config=CONFIG_OF_FRESH, status=1).stderr

    place = f"{workflow.directory / 'workflow.py'}, line 6, imports it, and Python "
    assert f"SerializationError: No module named 'absent': {place}" in told
    assert f"({sys.executable}) does not have it. Add it there, or import it " in told
    assert len(told.splitlines()) < 10


def test_a_python_that_is_too_old_says_so(workflow: Workflow, tmp_path: Path) -> None:
    old = tmp_path / "python3.6"
    old.write_text(
        f"""#!{sys.executable}
import sys

sys.version_info = (3, 6, 15, "final", 0)
exec(sys.argv[sys.argv.index("-c") + 1])
"""
    )
    old.chmod(0o755)
    interpreter = f"interpreter=bandsaw.Interpreter(executable={str(old)!r})"
    config = CONFIG_OF_FRESH.replace("start_ahead", f"{interpreter}, start_ahead")

    told = workflow.run(LACKING, config=config, status=1).stderr

    assert "bandsaw needs Python 3.8, and this is 3.6.15\n" in told
