"""Exceptions of tasks, which arrive with all that led to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.interpreters import installed_pythons, with_the_newest_python_only
from tests.workflows import FAR, HEAD, Workflow

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


@CHAINS
def test_causes_and_contexts_are_kept(workflow: Workflow, chain: str) -> None:
    output = workflow.output(
        HEAD
        + f"""
import threading

class Unwritable(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()

@bandsaw.task(chain="{chain}")
def fail():
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise Unwritable("second")
    except Unwritable as error:
        try:
            raise ValueError("third") from error
        except ValueError:
            raise RuntimeError("last") from None

def chain_of(error):
    while error is not None:
        text = str(error).splitlines()
        yield f"{{type(error).__name__}} {{text[-1] if text else text}}"
        error = error.__cause__ or error.__context__

if __name__ == "__main__":
    try:
        fail()
    except RuntimeError as error:
        print(type(error.__cause__).__name__, error.__suppress_context__)
        print(*chain_of(error.__context__), sep="\\n")
""",
        config=CONFIG,
    )
    assert output == (
        "RemoteTraceback True\n"
        "ValueError third\n"
        "BandsawError Unwritable: second\n"
        "KeyError 'first'\n"
    ) or output == (
        "RemoteTraceback True\n"
        "ValueError third\n"
        "BandsawError workflow.Unwritable: second\n"
        "KeyError 'first'\n"
    )


@CHAINS
def test_the_cause_of_an_exception_is_behind_its_traceback(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
@bandsaw.task(chain="{chain}")
def fail():
    raise ValueError("it") from KeyError("why")

if __name__ == "__main__":
    try:
        fail()
    except ValueError as error:
        print("in fail" in str(error.__cause__), repr(error.__cause__.__cause__))
""",
        config=CONFIG,
    )
    assert output == "True KeyError('why')\n"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are new in Python 3.11")
@CHAINS
def test_notes_and_groups_are_kept(workflow: Workflow, chain: str) -> None:
    output = workflow.output(
        HEAD
        + f"""
@bandsaw.task(chain="{chain}")
def fail():
    error = ValueError("one")
    error.add_note("a note")
    raise ExceptionGroup("several", [error, ExceptionGroup("more", [KeyError(2)])])

if __name__ == "__main__":
    try:
        fail()
    except* ValueError as group:
        print(group.exceptions, group.exceptions[0].__notes__)
    except* KeyError as group:
        print(group.exceptions)
""",
        config=CONFIG,
    )
    assert output == (
        "(ValueError('one'),) ['a note']\n(ExceptionGroup('more', [KeyError(2)]),)\n"
    )


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are new in Python 3.11")
@CHAINS
def test_what_led_to_the_members_of_a_group_is_kept(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
def raised(number):
    try:
        try:
            raise KeyError(number)
        except KeyError as error:
            raise ValueError(number) from error
    except ValueError as error:
        return error

@bandsaw.task(chain="{chain}")
def fail():
    inner = ExceptionGroup("inner", [raised(1), LookupError()])
    raise ExceptionGroup("outer", [inner, raised(2)]) from OSError("why")

if __name__ == "__main__":
    try:
        fail()
    except ExceptionGroup as group:
        inner, second = group.exceptions
        for error in inner.exceptions + (second,):
            print(repr(error), repr(error.__cause__), repr(error.__context__))
        print(repr(group.__cause__.__cause__))
""",
        config=CONFIG,
    )
    assert output == (
        "ValueError(1) KeyError(1) KeyError(1)\n"
        "LookupError() None None\n"
        "ValueError(2) KeyError(2) KeyError(2)\n"
        "OSError('why')\n"
    )


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


@pytest.mark.parametrize("value", ["None", "0", "3", "'a text'"])
@CHAINS
def test_a_task_that_exits_does_what_it_does_here(
    tmp_path: Path, chain: str, value: str
) -> None:
    ends = []
    for name in chain, "here":
        completed = Workflow(tmp_path / name).run(
            f"""
            import sys
            import bandsaw

            @bandsaw.task(chain="{name}")
            def leave():
                sys.exit({value})

            if __name__ == "__main__":
                leave()
                print("still there")
            """,
            config=CONFIG,
            status=None,
        )
        ends.append((completed.returncode, completed.stdout))
        assert completed.stderr.endswith("a text\n" if value == "'a text'" else "")
    assert ends[0] == ends[1]


@CHAINS
def test_the_argument_that_can_not_be_written_is_named(
    workflow: Workflow, chain: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import threading

@bandsaw.task(chain="{chain}")
def work(data, *more, lock=None, **options):
    return 1

if __name__ == "__main__":
    lock = threading.Lock()
    print(text_of(work, 1, lock))
    print(text_of(lambda: work(1, lock=lock)))
    print(text_of(lambda: work(1, other=lock)))
    print(work(1))
""",
        config=CONFIG,
    )
    lines = output.splitlines()
    assert [line.split(" cannot")[0] for line in lines[:3]] == [
        "SerializationError: Argument 'more' of workflow.work",
        "SerializationError: Argument 'lock' of workflow.work",
        "SerializationError: Argument 'options' of workflow.work",
    ]
    assert lines[3] == "1"


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
