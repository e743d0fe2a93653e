"""Children of children, of threads and of pools, and what they leave."""

from __future__ import annotations

import pytest

from tests.workflows import (
    HEAD,
    MOVING,
    MOVING_WITHOUT_SPARE,
    Workflow,
    read_script,
)

NESTED = """
@bandsaw.task
def depth(n):
    return [os.getpid()] + (depth(n - 1) if n else [])

@bandsaw.task
def fail(n):
    if n:
        return fail(n - 1)
    raise LookupError("at the bottom")

if __name__ == "__main__":
    print(len({os.getpid(), *depth(2)}))
    print(text_of(fail, 2))
"""


def test_a_task_in_a_child_has_children_of_its_own(workflow: Workflow) -> None:
    assert workflow.output(HEAD + NESTED) == "4\nLookupError: at the bottom\n"


def test_a_task_of_a_module_has_children_when_nothing_is_a_script(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "tasks.py": """
            import bandsaw

            @bandsaw.task
            def depth(n):
                return [n] + (depth(n - 1) if n else [])
            """,
        }
    )
    completed = workflow.python("-c", "import tasks; print(tasks.depth(2))")
    assert completed.stdout == "[2, 1, 0]\n"
    assert completed.stderr == ""


TWO_MOVES = read_script("two_moves_config.py")


def test_two_advices_of_one_chain_move_the_session_in_turn(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task
def add(a, b):
    return a + b

if __name__ == "__main__":
    print(add(1, 2))
""",
        config=TWO_MOVES,
    )
    assert output.splitlines() == [
        "True",
        "before first 0",
        "before second 1",
        "before third 2",
        "after third 2",
        "after second 1",
        "after first 0",
        "3",
    ]


def test_eight_threads_call_at_once_with_the_same_arguments(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
from concurrent.futures import ThreadPoolExecutor

@bandsaw.task
def process(x):
    return os.getpid(), x

if __name__ == "__main__":
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(process, [1] * 8))
    print(len(dict(results)), {x for _, x in results})
"""
    )
    assert output == "8 {1}\n"


def test_calls_leave_no_file_and_no_descriptor(workflow: Workflow) -> None:
    output = workflow.output(read_script("files_and_descriptors.py"))
    assert output == "True\n"


@pytest.mark.parametrize("config", [MOVING, MOVING_WITHOUT_SPARE])
def test_a_process_ends_when_it_has_answered(workflow: Workflow, config: str) -> None:
    output = workflow.output(
        HEAD
        + """
import time

@bandsaw.task
def pid():
    return os.getpid()

if __name__ == "__main__":
    number = pid()
    try:
        while True:
            os.kill(number, 0)
            time.sleep(0.01)
    except ProcessLookupError:
        print("ended")
""",
        config=config,
    )
    assert output == "ended\n"


def test_temporary_files_lie_in_the_directory_and_are_removed(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + """
from pathlib import Path
from bandsaw.transports import worker

@bandsaw.task
def temporary_directory():
    directory = bandsaw.get_configuration().temporary_directory
    (directory / "left behind").touch()
    return directory, directory.parent.stat().st_mode & 0o077

if __name__ == "__main__":
    directory, mode = temporary_directory()
    print(Path("exchange").resolve() in directory.resolve().parents, mode)
    worker.end_all()
    print(os.listdir("exchange"))
""",
        config="""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(directory="exchange")
)
""",
    )
    assert output == "True 0\n[]\n"


FORKING = """
class Value:
    def __init__(self, x):
        self.x = x

@bandsaw.task
def process(value):
    return os.getpid(), Value(value.x + 1)

def work(x):
    pid, value = process(Value(x))
    assert type(value) is Value and pid != os.getpid()
    return os.getpid(), pid, value.x
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_a_pool_call_tasks_and_leave_nothing(
    workflow: Workflow, method: str
) -> None:
    output = workflow.output(
        HEAD
        + FORKING
        + f"""
if __name__ == "__main__":
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    work(0)
    context = multiprocessing.get_context({method!r})
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(work, range(3)))
    print([x for _, _, x in results], len({{pid for _, pid, _ in results}}))
    with context.Pool(2) as pool:
        print(len({{pid for pid, _ in pool.map(process, [Value(1)] * 3)}}))
    worker = context.Process(target=work, args=(1,))
    worker.start()
    worker.join()
    print(worker.exitcode, work(1)[2])
"""
    )
    assert output == "[1, 2, 3] 3\n3\n0 2\n"


def test_a_forked_child_calls_tasks_and_does_not_touch_its_parents_files(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + FORKING
        + """
if __name__ == "__main__":
    work(0)
    directory = bandsaw.get_configuration().temporary_directory
    (directory / "of the parent").mkdir()
    pid = os.fork()
    if not pid:
        status = 3
        try:
            work(1)
            status = 0
        finally:
            if "--exit" in sys.argv:
                os._exit(status)
            sys.exit(status)
    print(os.waitpid(pid, 0)[1])
    print((directory / "of the parent").is_dir())
    print(work(1)[2])
""",
        environment={"PYTHONWARNINGS": "ignore::DeprecationWarning"},
    )
    assert output == "0\nTrue\n2\n"


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit(5)", 5),
        ("raise ZeroDivisionError", 1),
        ("return 0", 0),
    ],
)
def test_what_a_task_has_forked_does_not_answer_in_its_place(
    workflow: Workflow, ending: str, status: int
) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "tasks.py": f"""
            import os, sys
            import bandsaw

            @bandsaw.task
            def fork():
                pid = os.fork()
                if not pid:
                    {ending}
                return os.WEXITSTATUS(os.waitpid(pid, 0)[1])
            """,
        }
    )
    completed = workflow.python(
        "-W", "ignore", "-c", "import tasks; print(tasks.fork())"
    )
    assert completed.stdout == f"{status}\n"
    assert ("ZeroDivisionError" in completed.stderr) == (status == 1)


def test_the_run_is_the_same_in_every_process(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
from bandsaw.run import get_run

@bandsaw.task
def run_of(n):
    run = get_run()
    mine = [(run.run_id, run.user, run.start_date, os.environ["BANDSAW_RUN_ID"])]
    return mine + (run_of(n - 1) if n else [])

if __name__ == "__main__":
    bandsaw.set_run_id("a run/of $(mine)_1")
    found = run_of.__wrapped__(2)
    print(len(found), len(set(found)), found[0][0])
"""
    )
    assert output == "3 1 a run/of $(mine)_1\n"
