"""Measures calls of a task of a cell, and of a task of a module: ``SECONDS``."""

from __future__ import annotations

# IPython has imported these.
import ast  # noqa: F401
import dis  # noqa: F401
import json
import sys
import time
import types

from timing import compare
from transports_tasks import same_resident, same_resident_too

CELLS = """
import bandsaw
unit = 1
# %%
def helper(x):
    return x * unit

def other(x):
    return helper(x)
# %%
@bandsaw.task(config="transports_config", chain="resident")
def of_cell(x):
    return other(x)
"""


def execute_cells() -> types.ModuleType:
    """Execute cells as IPython does, which puts them where they are found."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.In = [""]  # type: ignore[attr-defined]
    for cell in CELLS.split("# %%\n"):
        main.In.append(cell)  # type: ignore[attr-defined]
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), vars(main))
    return main


def seconds(function, argument) -> float:
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


if __name__ == "__main__":
    this = sys.modules["__main__"]  # It is not to be thrown away.
    main = execute_cells()
    same_resident(1)  # The process has started.
    answer = {
        "first of module": seconds(same_resident_too, 1),
        "first of cell": seconds(main.of_cell, 1),
    }
    measured = compare(
        {"module": same_resident, "cell": main.of_cell},
        1,
        float(sys.argv[1]),
    )
    for name in "module", "cell":
        answer[f"later of {name}"] = measured[name]["minimum"]
    print(json.dumps(answer))
