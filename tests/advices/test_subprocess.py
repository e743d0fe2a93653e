"""Sessions that a child interpreter continues, as the script sees them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from bandsaw import Interpreter
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.environments import Environment
from bandsaw.exceptions import ConfigurationError
from tests.workflows import (
    HEAD,
    MOVING,
    MOVING_WITHOUT_SPARE,
    Workflow,
    read_script,
)


def test_a_task_runs_in_another_process(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def process():
    return os.getpid()

if __name__ == "__main__":
    print(process() != os.getpid(), process() != process())
"""
    )
    assert output == "True True\n"


def test_the_body_of_the_script_runs_once_here_and_once_in_each_child(
    workflow: Workflow,
    tmp_path: Path,
) -> None:
    output = workflow.output(
        HEAD
        + """
with open("loaded.txt", "a") as file:
    file.write(__name__ + "\\n")

class Value:
    pass

@bandsaw.task
def make():
    return Value()

if __name__ == "__main__":
    print(type(make()) is Value)
    import workflow
    print(workflow.make is make, workflow is sys.modules["__main__"])
""",
        config=MOVING_WITHOUT_SPARE,
    )
    assert output == "True\nTrue True\n"
    assert (tmp_path / "loaded.txt").read_text() == "__main__\nworkflow\n"


def test_a_script_may_set_its_run_id_at_its_top_level(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
bandsaw.set_run_id("mine")

@bandsaw.task
def run_id():
    return bandsaw.get_run_id()

if __name__ == "__main__":
    print(run_id())
"""
    )
    assert output == "mine\n"


def test_classes_of_the_script_are_the_same_on_both_ends(workflow: Workflow) -> None:
    output = workflow.output(read_script("classes_of_a_script.py"))
    assert output == (
        "(True, True, True, True)\nTrue True True\nTrue True\nbroken (7) 7\n"
    )


def test_classes_of_a_script_without_decorated_functions_are_the_same(
    workflow: Workflow,
    tmp_path: Path,
) -> None:
    output = workflow.output(read_script("undecorated.py"), config=MOVING_WITHOUT_SPARE)
    assert output == "True\n"
    assert (tmp_path / "loaded.txt").read_text() == "__main__\nworkflow\n"


def test_a_task_sees_the_globals_that_the_script_makes_when_it_is_imported(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
FACTOR = 2

def helper(x):
    return x * FACTOR

@bandsaw.task
def double(x):
    return helper(x)

if __name__ == "__main__":
    FACTOR = 3
    print(double(21), double.__wrapped__(21))
"""
    )
    assert output == "42 63\n"


def test_a_task_keeps_calling_its_function_when_its_name_is_bound_to_it_again(
    workflow: Workflow,
) -> None:
    output = workflow.output(read_script("names_bound_again.py"))
    assert output == 4 * "True 5\n"


def test_a_coroutine_function_runs_in_the_child(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
import asyncio

@bandsaw.task
async def process(x):
    await asyncio.sleep(0)
    return os.getpid(), x

async def main():
    return await asyncio.gather(*(process(i) for i in range(3)))

if __name__ == "__main__":
    results = asyncio.run(main())
    print(len({pid for pid, _ in results} - {os.getpid()}), [x for _, x in results])
"""
    )
    assert output == "3 [0, 1, 2]\n"


def test_a_script_without_a_main_guard_is_told_so_and_runs_once(
    workflow: Workflow,
) -> None:
    completed = workflow.run(
        HEAD
        + """
@bandsaw.task
def task():
    return 1

print("top level")
task()
""",
        status=1,
        config=MOVING_WITHOUT_SPARE,
    )
    # The child has come as far as the call, too.
    assert completed.stdout == "top level\ntop level\n"
    assert "MainGuardError: The script workflow.py calls a task" in completed.stderr
    assert "if __name__ == '__main__':" in completed.stderr


def test_a_script_in_a_package_is_named_by_its_path(workflow: Workflow) -> None:
    script = "import bandsaw\n@bandsaw.task\ndef task():\n    return 1\ntask()\n"
    files = {"package/__init__.py": "", "package/script.py": script}
    workflow.write({"bandsaw_config.py": MOVING, **files})
    completed = workflow.python("-m", "package.script", status=1)

    assert "MainGuardError: The script package/script.py calls" in completed.stderr


def test_a_script_without_a_main_guard_may_call_the_tasks_of_modules(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "tasks.py": """
            import bandsaw

            @bandsaw.task
            def add(a, b):
                return a + b
            """
        }
    )
    output = workflow.output(
        HEAD
        + """
import tasks
print("top level", tasks.add(1, 2))
"""
    )
    assert output == "top level 3\n"


def test_every_serializer_moves_sessions(workflow: Workflow) -> None:
    output = workflow.output(
        read_script("plain_values.py"),
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(SubprocessAdvice())
configuration.set_serializer(bandsaw.JsonSerializer())
""",
    )
    assert output.splitlines() == [
        "{'sum': 3, 'both': (1, 2)}",
        "ValueError: ('wrong', 1)",
        "SerializationError",
        "{'sum': 'ab', 'both': ('a', 'b')}",
    ]


def test_the_script_may_be_the_module_of_the_configuration(workflow: Workflow) -> None:
    output = workflow.output(read_script("script_and_configuration.py"))
    assert output == "True\n6\nTrue\nabab\n"


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("path", ["/opt/venv/bin/python", "venv/bin/python"])
def test_an_interpreter_may_be_given_by_its_path(
    kind: Callable[[str], Any], path: str
) -> None:
    interpreter = Interpreter(executable=path)

    advice = SubprocessAdvice(interpreter=kind(path))
    assert advice.interpreter == interpreter
    advice = SubprocessAdvice().add_interpreter(kind(path), name="old")
    assert advice.interpreters["old"] == interpreter
    connecting = ConnectionAdvice(interpreter=kind(path))
    assert connecting.interpreters["default"] == interpreter


@pytest.mark.parametrize("interpreter", ["python3", "", 3, Environment])
def test_what_is_no_interpreter_is_refused(interpreter: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs an Interpreter or an Environm"):
        SubprocessAdvice(interpreter=interpreter)
    with pytest.raises(ConfigurationError, match="needs an Interpreter or an Environm"):
        SubprocessAdvice().add_interpreter(interpreter)


@pytest.mark.parametrize("directory", [3, ["a"]])
def test_what_is_no_path_is_refused_as_directory(directory: Any) -> None:
    with pytest.raises(ConfigurationError, match="SubprocessAdvice needs a path"):
        SubprocessAdvice(directory=directory)


def test_a_python_in_the_place_of_the_directory_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="given as interpreter='"):
        SubprocessAdvice(directory=sys.executable)
