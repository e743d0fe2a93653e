"""Values whose class is installed on one side only, and those of other versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..workflows import Workflow, read_script

# A library, as it is installed: with its metadata, and not the user's own.
FOREST = """
class Tree:
    def __init__(self, height):
        self.height = height

class Forest(dict):
    def __init__(self, *heights):
        self.trees = [Tree(height) for height in heights]

    def __repr__(self):
        return f"Forest of {len(self.trees)}"

    def total(self):
        return sum(tree.height for tree in self.trees)

def measure(tree):
    return tree.height
"""

# Another version, which does not understand what the one above has written.
GROWN_FOREST = FOREST.replace(
    "self.height = height",
    """self.height = height

    def __setstate__(self, state):
        self.rings = state["rings"]""",
)

CONFIG = read_script("forest_config.py")

TASKS = """
import sys
import bandsaw
from bandsaw.exceptions import OpaqueValueError, SerializationError

@bandsaw.task(chain="with_forest")
def plant(*heights):
    from forest import Forest
    forest = Forest(*heights)
    return {"forest": forest, "same": forest, "count": len(heights)}

@bandsaw.task(chain="with_forest")
def total(forest):
    return forest.total()

def identity(value):
    return type(value).__name__, value

there = bandsaw.task(identity, chain="with_forest")
elsewhere = bandsaw.task(identity, chain="without")
"""


def installed(text: str, version: str) -> dict[str, str]:
    """The files of the library, in a directory of installed packages."""
    return {
        "site-packages/forest/__init__.py": text,
        f"site-packages/forest-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: Forest\nVersion: {version}\n"
        ),
        f"site-packages/forest-{version}.dist-info/RECORD": "forest/__init__.py,,\n",
    }


FILES = {
    **{f"with_forest/{name}": text for name, text in installed(FOREST, "1.0").items()},
    **{
        f"with_other_forest/{name}": text
        for name, text in installed(GROWN_FOREST, "2.0").items()
    },
}


@pytest.fixture(name="workflow")
def _workflow(workflow: Workflow) -> Workflow:
    """Tasks with the library, with another version of it, and without it."""
    workflow.write(FILES)
    workflow.config = CONFIG
    return workflow


def test_only_what_the_caller_lacks_is_opaque_and_arrives_as_the_value(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    found = plant(1, 2)
    opaque = found["forest"]
    print(found["count"], type(opaque) is bandsaw.Opaque, found["same"] is opaque)
    print(opaque.type_name, opaque.module, opaque.text, opaque.size > 50)
    print("Python" in opaque.origin, sys.executable in opaque.origin)
    print(total(opaque), there(opaque)[0], elsewhere(opaque)[0])
    print(total(elsewhere(elsewhere(opaque)[1])[1]))
    print("forest" in sys.modules)
""",
    )

    assert output == (
        "2 True True\n"
        "forest.Forest forest Forest of 2 True\n"
        "True True\n"
        "3 Forest Opaque\n"
        "3\n"
        "False\n"
    )


def test_what_belongs_to_such_a_value_or_needs_its_module_is_opaque_too(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "project/__init__.py": "",
            "project/reports.py": (
                "import forest\nfrom project import texts\nclass Report:\n    pass\n"
            ),
            "project/texts.py": "import project.reports\nclass Text(str):\n    pass\n",
            "project/careful.py": (
                "try:\n    import forest\nexcept ImportError:\n    pass\n"
                "class Careful:\n    pass\n"
            ),
        }
    )
    output = workflow.output(
        TASKS
        + """
@bandsaw.task(chain="with_forest")
def report():
    from project.careful import Careful
    from project.reports import Report
    from project.texts import Text
    from forest import Forest
    return Report(), Text("a"), Careful(), Forest(1, 2).total

@bandsaw.task(chain="with_forest")
def names(*values):
    return [type(value).__name__ for value in values], values[-1]()

if __name__ == "__main__":
    values = report()
    print([type(value).__name__ for value in values])
    print(names(*values))
""",
        config=CONFIG + 'configuration.add_modules_for_distribution("project")\n',
    )

    assert output == (
        "['Opaque', 'Opaque', 'Careful', 'Opaque']\n"
        "(['Report', 'Text', 'Careful', 'method'], 3)\n"
    )


def test_a_resident_process_answers_the_same(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
plant = bandsaw.task(plant.__wrapped__, chain="resident")
total = bandsaw.task(total.__wrapped__, chain="resident")

if __name__ == "__main__":
    for number in range(3):
        found = plant(number, 2)
        print(type(found["forest"]).__name__, total(found["forest"]))
""",
    )

    assert output == "Opaque 2\nOpaque 3\nOpaque 4\n"


def test_an_opaque_value_refuses_only_what_needs_its_class(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
import copy
import pickle

if __name__ == "__main__":
    opaque, other = plant(1)["forest"], plant(2)["forest"]
    assert opaque == plant(1)["forest"] and opaque != other and opaque != 1
    assert len({opaque, other, plant(2)["forest"]}) == 2
    assert pickle.loads(pickle.dumps(opaque)) == opaque
    assert copy.deepcopy([opaque])[0] is opaque and copy.copy(opaque) is opaque
    assert "forest.Forest" in repr(opaque) and "forest.Forest" in f"{opaque!s}"
    assert not hasattr(opaque, "__array__") and not hasattr(opaque, "_repr_html_")
    for use in (
        lambda: opaque.total, lambda: opaque(), lambda: len(opaque),
        lambda: bool(opaque), lambda: list(opaque), lambda: opaque["a"],
        lambda: opaque + 1, lambda: 1 + opaque, lambda: opaque < other,
        lambda: "a" in opaque, lambda: float(opaque),
    ):
        try:
            print("It can be used:", use())
        except OpaqueValueError as error:
            assert isinstance(error, ImportError) and error.name == "forest"
            assert "'forest' is not installed" in str(error), error
""",
    )

    assert output == ""


# Hands its memory over to pickle as a buffer.
HEAVY = """
import pickle

class Heavy:
    def __init__(self, content):
        self.content = content

    def __reduce_ex__(self, protocol):
        return Heavy, (pickle.PickleBuffer(self.content),)
"""


def test_large_buffers_of_an_opaque_value_go_on_in_the_file_in_which_they_came(
    workflow: Workflow,
) -> None:
    workflow.write({"with_forest/site-packages/forest/heavy.py": HEAVY})
    output = workflow.output(
        TASKS
        + """
import os
import pickle
import re

SIZE = 100_000_000

@bandsaw.task(chain="with_forest")
def make(size):
    from forest.heavy import Heavy
    return Heavy(bytearray(b"1" * size))

@bandsaw.task(chain="resident")
def change(heavy):
    content = heavy.content
    found = bytes([content[0], content[-1]]), len(content)
    content[:1] = b"2"
    return found

@bandsaw.task(chain="without")
def same(heavy, more):
    return heavy, len(more)

def most_memory():
    if sys.platform != "linux":
        return 0
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s*(\\d+)", file.read()).group(1)) * 1024

def files():
    here, count = "/proc/self/fd", 0
    for name in os.listdir(here) if sys.platform == "linux" else ():
        try:
            count += "(deleted)" in os.readlink(os.path.join(here, name))
        except OSError:
            pass  # Another thread has just closed it.
    return count

if __name__ == "__main__":
    small = make(100_000)
    change(small), same(small, b"")
    memory, before = most_memory(), files()
    opaque = make(SIZE)
    print(type(opaque).__name__, SIZE < opaque.size < SIZE + 1000)
    print(change(opaque), change(opaque), change(same(opaque, b"more")[0]))
    print(most_memory() - memory < 16e6, files() - before in (0, 1))
    del opaque
    print(files() <= before)
    assert small == make(100_000) == pickle.loads(pickle.dumps(small, 4))
    assert small != make(100_001) and pickle.loads(pickle.dumps(small)) == small
    print(change(pickle.loads(pickle.dumps(small))))
""",
    )

    assert output == (
        "Opaque True\n"
        "(b'11', 100000000) (b'11', 100000000) (b'11', 100000000)\n"
        "True True\n"
        "True\n"
        "(b'11', 100000)\n"
    )


def test_an_argument_that_is_not_installed_there_is_opaque_there(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
import os

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.join(here, "with_forest", "site-packages"))
    import forest

    value = forest.Forest(1, 2)
    for _ in range(2):
        name, back = elsewhere([value, 1][0])
        print(name, back.total())
    name, back = elsewhere(forest.measure)
    print(name, back is forest.measure)
    # Without a class that is missing, nothing is closed.
    tree = value.trees[0]
    print(there([tree, tree])[1][0].height)
""",
    )

    assert output == "Opaque 3\nOpaque 3\nOpaque True\n1\n"


def test_threads_that_learn_at_once_what_is_lacking_all_get_their_values(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
import os
from concurrent.futures import ThreadPoolExecutor

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.join(here, "with_forest", "site-packages"))
    import forest

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(elsewhere, [forest.Forest(n) for n in range(4)]))
    print([(name, value.total()) for name, value in answers])
""",
    )

    assert output == "[('Opaque', 0), ('Opaque', 1), ('Opaque', 2), ('Opaque', 3)]\n"


def test_what_is_missing_for_the_task_itself_is_said_once(workflow: Workflow) -> None:
    output = workflow.output(
        TASKS
        + """
@bandsaw.task(chain="without")
def fail():
    import forest

if __name__ == "__main__":
    try:
        fail()
    except ModuleNotFoundError as error:
        print(error.name)
    import os
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.join(here, "with_forest", "site-packages"))
    import forest
    class Own(forest.Tree):
        pass
    Own.__module__, Own.__qualname__ = "forest.hidden", "Own"
    try:
        elsewhere(Own(1))
    except SerializationError as error:
        print("cannot be written" in str(error) or str(error))
""",
    )

    assert output == "forest\nTrue\n"


def test_a_cache_keeps_opaque_values_and_takes_them_as_arguments(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        TASKS
        + """
import os

@bandsaw.task(chain="cached")
def grow(forest, by):
    from forest import Forest
    return Forest(*(tree.height + by for tree in forest.trees)), os.getpid()

if __name__ == "__main__":
    opaque = plant(1, 2)["forest"]
    first, second = grow(opaque, 1), grow(opaque, 1)
    print(first == second, total(first[0]), grow.is_cached(plant(1, 2)["forest"], 1))
    print(grow.is_cached(plant(1)["forest"], 1))
""",
    )

    assert output == "True 5 True\nFalse\n"


def test_an_opaque_value_is_tracked_as_what_it_is(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.output(
        TASKS
        + """
if __name__ == "__main__":
    print(total(plant(1, 2)["forest"]))
""",
    )

    (info,) = [
        json.loads(path.read_text())["execution"]["arguments"]
        for path in (tmp_path / "tracked").rglob("execution-info.json")
        if "total" in json.loads(path.read_text())["task"]["definition"]
    ]
    assert (info[0]["type"], info[0]["value"]) == ("Forest", "Forest of 2")
    assert info[0]["opaque"]["type"] == "forest.Forest"


@pytest.mark.parametrize("direction", ["result", "argument"])
def test_other_versions_are_named_with_the_place_in_the_value(
    workflow: Workflow, direction: str
) -> None:
    output = workflow.output(
        TASKS
        + f"""
import os

@bandsaw.task(chain="with_other_forest")
def keep(value):
    return None

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    name = "with_other_forest" if {direction == "result"} else "with_forest"
    sys.path.append(os.path.join(here, name, "site-packages"))
    try:
        if {direction == "result"}:
            plant(1, 2)
        else:
            import forest
            keep({{"a": [forest.Forest(1)]}})
    except SerializationError as error:
        print(error)
""",
    )

    place = (
        "result['forest'].trees[0]"
        if direction == "result"
        else "args[0]['a'][0].trees[0]"
    )
    assert "KeyError: 'rings'" in output
    assert f"(at {place})" in output
    theirs, ours = ("1.0", "2.0") if direction == "result" else ("2.0", "1.0")
    assert f"Forest is {theirs} there and {ours} here" in output


def test_names_of_numpy_2_are_read_by_every_numpy() -> None:
    pytest.importorskip("numpy", reason="numpy is not installed")
    from bandsaw import PickleSerializer

    written = b"cnumpy._core.multiarray\n_reconstruct\n."

    read = PickleSerializer().deserialize_with_buffers(written, ())

    assert read.__name__ == "_reconstruct"
