"""Sessions that a child interpreter continues, as the script sees them."""

from __future__ import annotations

from pathlib import Path

from tests.advices.scripts import HEAD, run
from tests.workflows import (
    MOVING,
    MOVING_WITHOUT_SPARE,
    run_python,
    run_workflow,
    write_files,
)


def test_a_task_runs_in_another_process(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
@bandsaw.task
def process():
    return os.getpid()

if __name__ == "__main__":
    print(process() != os.getpid(), process() != process())
""",
    )
    assert output == "True True\n"


def test_the_body_of_the_script_runs_once_here_and_once_in_each_child(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
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


def test_a_script_may_set_its_run_id_at_its_top_level(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
bandsaw.set_run_id("mine")

@bandsaw.task
def run_id():
    return bandsaw.get_run_id()

if __name__ == "__main__":
    print(run_id())
""",
    )
    assert output == "mine\n"


def test_classes_of_the_script_are_the_same_on_both_ends(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
import collections
import dataclasses
import enum

@dataclasses.dataclass
class Point:
    x: int

class Colour(enum.Enum):
    RED = 1

Pair = collections.namedtuple("Pair", "a b")

class Problem(ValueError):
    def __init__(self, code, *, reason):
        super().__init__(f"{reason} ({code})")
        self.code = code

class Outer:
    class Inner:
        def __init__(self, value):
            self.value = value

@bandsaw.task
def change(point, colour, pair, inner):
    import __main__
    same = (type(point) is Point is __main__.Point, colour is Colour.RED)
    same += (type(pair) is Pair, type(inner) is Outer.Inner)
    return same, Point(point.x + 1), colour, Pair(pair.b, pair.a), inner

@bandsaw.task
def fail():
    raise Problem(7, reason="broken")

if __name__ == "__main__":
    same, point, colour, pair, inner = change(
        Point(1), Colour.RED, Pair(1, 2), Outer.Inner(3)
    )
    print(same)
    print(point == Point(2), colour is Colour.RED, pair == Pair(2, 1))
    print(type(pair) is Pair, type(inner) is Outer.Inner)
    try:
        fail()
    except Problem as error:
        print(error, error.code)
""",
    )
    assert output == (
        "(True, True, True, True)\nTrue True True\nTrue True\nbroken (7) 7\n"
    )


def test_classes_of_a_script_without_decorated_functions_are_the_same(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.tasks import Task

with open("loaded.txt", "a") as file:
    file.write(__name__ + "\\n")

class Value:
    pass

def make():
    return Value()

if __name__ == "__main__":
    from bandsaw_config import configuration

    session = Session(Task.create_task(make), Execution("e"), configuration)
    print(type(session.initiate().value) is Value)
""",
        config=MOVING_WITHOUT_SPARE,
    )
    assert output == "True\n"
    assert (tmp_path / "loaded.txt").read_text() == "__main__\nworkflow\n"


def test_a_task_sees_the_globals_that_the_script_makes_when_it_is_imported(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
FACTOR = 2

def helper(x):
    return x * FACTOR

@bandsaw.task
def double(x):
    return helper(x)

if __name__ == "__main__":
    FACTOR = 3
    print(double(21), double.__wrapped__(21))
""",
    )
    assert output == "42 63\n"


def test_a_task_keeps_calling_its_function_when_its_name_is_bound_to_it_again(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
def plain(x):
    return os.getpid(), x

plain = bandsaw.task(plain)

class Tasks:
    @staticmethod
    @bandsaw.task
    def static(x):
        return os.getpid(), x

    @bandsaw.task
    def method(self, x):
        return os.getpid(), x

    @classmethod
    @bandsaw.task
    def of_class(cls, x):
        return os.getpid(), cls is Tasks and x

if __name__ == "__main__":
    for task in plain, Tasks.static, Tasks().method, Tasks.of_class:
        pid, value = task(5)
        print(pid != os.getpid(), value)
""",
    )
    assert output == 4 * "True 5\n"


def test_a_coroutine_function_runs_in_the_child(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
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
""",
    )
    assert output == "3 [0, 1, 2]\n"


def test_a_script_without_a_main_guard_is_told_so_and_runs_once(
    tmp_path: Path,
) -> None:
    completed = run_workflow(
        tmp_path,
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


def test_a_script_in_a_package_is_named_by_its_path(tmp_path: Path) -> None:
    script = HEAD + "@bandsaw.task\ndef task():\n    return 1\ntask()\n"
    files = {"package/__init__.py": "", "package/script.py": script}
    write_files(tmp_path, {"bandsaw_config.py": MOVING, **files})
    completed = run_python("-m", "package.script", directory=tmp_path, status=1)

    assert "MainGuardError: The script package/script.py calls" in completed.stderr


def test_a_script_without_a_main_guard_may_call_the_tasks_of_modules(
    tmp_path: Path,
) -> None:
    output = run(
        tmp_path,
        """
import tasks
print("top level", tasks.add(1, 2))
""",
        files={
            "tasks.py": """
            import bandsaw

            @bandsaw.task
            def add(a, b):
                return a + b
            """
        },
    )
    assert output == "top level 3\n"


def test_every_serializer_moves_sessions(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
@bandsaw.task
def add(a, b):
    return {"sum": a + b, "both": (a, b)}

@bandsaw.task
def fail():
    raise ValueError("wrong", 1)

@bandsaw.task
def unwritable():
    return object()

if __name__ == "__main__":
    print(add(1, 2))
    print(text_of(fail))
    print(text_of(unwritable).split(":")[0])
    print(add("a", "b"))
""",
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


def test_the_script_may_be_the_module_of_the_configuration(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
from bandsaw.advices.subprocess import SubprocessAdvice

class Doubles(bandsaw.Advice):
    def after(self, session):
        session.context["doubled in"] = os.getpid()
        session.conclude(bandsaw.result.Result(session.result.value * 2))

class Compares(bandsaw.Advice):
    def after(self, session):
        print(session.context["doubled in"] != os.getpid())
        session.proceed()

configuration = bandsaw.Configuration()
configuration.add_advice_chain(Compares(), SubprocessAdvice(), Doubles())

@bandsaw.task(config="workflow")
def add(a, b):
    return a + b

if __name__ == "__main__":
    print(add(1, 2))
    print(add("a", "b"))
""",
    )
    assert output == "True\n6\nTrue\nabab\n"
