"""Tasks of cells in kernels of IPython 8 and 9, into the oldest and newest Python."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests import notebook_cells
from tests.interpreters import python
from tests.waiting import wait_until
from tests.workflows import SCRIPTS, Workflow

pytestmark = pytest.mark.notebook

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(
        interpreter=bandsaw.Interpreter(path=(), executable={executable!r}),
        workers=1,
        start_ahead=False,
    )
)
"""

# What only a kernel executes
OF_KERNELS = """
import logging, sys
@bandsaw.task
def version():
    return sys.version_info[:2]
print(version() == {version})
# %%
%%time
def timed_helper(x):
    return 2 * x
unit = 1
# %%
%%capture captured
import json as captured_json
def captured_helper(x):
    return captured_json.dumps(x)
# %%
files = !echo a
%matplotlib --list
!echo shell
# %%
@bandsaw.task
def magical(x):
    return captured_helper(timed_helper(x) + unit)
print(magical(1) == "3")
# %%
@bandsaw.task
async def awaited(x):
    return x + unit
print(await awaited(1) == 2)
# %%
@bandsaw.task
def failing(x):
    return 1 / x
try:
    failing(0)
except ZeroDivisionError as error:
    text = str(error.__cause__)
    cell = f"Cell In[{{len(In) - 1}}]"
    print(f'File "{{cell}}", line 3, in failing' in text, "return 1 / x" in text)
# %%
logging.basicConfig(stream=sys.stdout, format="%(message)s")
@bandsaw.task
def logged():
    print("printed")
    logging.getLogger("of.task").warning("logged")
logged()
# %%
import pathlib, signal, threading, time
pid_file = pathlib.Path("pid")
@bandsaw.task
def sleeping():
    pid_file.with_name("new").write_text(str(os.getpid()))
    pid_file.with_name("new").replace(pid_file)
    time.sleep(100)
def interrupt():
    while not pid_file.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
sleeping()
# %%
def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
while is_running(int(pid_file.read_text())):
    time.sleep(0.01)
print(magical(1) == "3")
"""

BARS = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.reporting import ProgressBars
configuration = bandsaw.Configuration().add_extension(ProgressBars())
configuration.add_advice_chain(SubprocessAdvice(workers=1))
@bandsaw.task
def work(n):
    bandsaw.progress(1, 2, "half")
    print("task", n)
    return n
# %%
print(sum(work.map(range(5))), sum(work.map(iter(range(3)))))
# %%
for n in range(3):
    print("before", n)
    work(n)
    print("after", n)
# %%
import os, pathlib, tempfile
@bandsaw.task
def places():
    return os.getpid(), tempfile.gettempdir()
print(*places(), tempfile.gettempdir())
# %%
from bandsaw.environments import Environment
@bandsaw.task(environment=Environment(requirements=[]))
def in_environment():
    return sys.prefix
import sys
print(in_environment() != sys.prefix, os.path.exists("bandsaw.lock"))
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_bars_of_tqdm_are_drawn_in_order_and_nothing_stays_of_a_closed_notebook(
    workflow: Workflow, kernel: Path
) -> None:
    temporary = workflow.directory / "temporary"
    temporary.mkdir()

    completed = workflow.python(
        SCRIPTS / "notebook.py",
        python=kernel,
        input=json.dumps(BARS.strip("\n").split("# %%\n")),
        environment={"TMPDIR": str(temporary)},
    )

    widgets, said = map(json.loads, completed.stdout.splitlines()[-2:])
    bars = [w["state"] for w in widgets if w["model_name"] == "FloatProgressModel"]
    # Those of single calls have gone, not failed.
    styles = [(b["bar_style"], b["value"], b["max"]) for b in bars if b["bar_style"]]
    assert styles == [("success", 5, 5), ("success", 3, 3)]
    *_, ordered, places, locked = said
    assert locked.splitlines()[-1] == "True True"
    lines = [line for line in ordered.splitlines() if line and "%|" not in line]
    words = ("before", "task", "after")
    assert lines == [f"{word} {n}" for n in range(3) for word in words]
    pid, *directories = places.split()
    wait_until(lambda: not is_running(int(pid)))
    assert directories == [str(temporary)] * 2
    assert os.listdir(str(temporary)) == []


SYNTAX = """\
@bandsaw.task
def matching(x):
    match x:
        case 1:
            return True
matching(1)
"""


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_a_task_of_a_cell_finds_in_any_python_what_it_finds_here(
    workflow: Workflow, kernel: Path, version: str
) -> None:
    config = CONFIG.format(executable=str(python(version)))
    workflow.write({"bandsaw_config.py": config})
    numbers = tuple(map(int, version.split(".")))
    of_kernels = OF_KERNELS.format(version=numbers).strip("\n").split("# %%\n")
    cells = [*notebook_cells.all_cells(), *of_kernels, SYNTAX]

    completed = workflow.python(
        SCRIPTS / "notebook.py", python=kernel, input=json.dumps(cells)
    )

    said: list[str] = json.loads(completed.stdout.splitlines()[-1])
    count = len(notebook_cells.all_cells())
    assert notebook_cells.check(said[:count]) == {}
    moved, _, _, shell, magical, awaited, failing, logged, *rest = said[count:]
    interrupted, alive, syntax = rest
    assert (moved, magical, awaited) == ("True\n",) * 3
    assert failing == "True True\n"
    assert sorted(logged.split()) == ["logged", "printed"]
    assert (interrupted, alive) == ("KeyboardInterrupt: \n", "True\n")
    assert "shell" in shell.split()
    if kernel == Path(sys.executable):
        expected = "line 3 is no Python 3.8" if version == "3.8" else "True"
        assert expected in syntax
