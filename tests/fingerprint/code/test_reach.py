"""Changes of code that are seen while a process runs."""

from __future__ import annotations

import collections
import functools
import gc
import importlib
import linecache
import sys
import textwrap
import threading
import types
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, Dict

import pytest

import bandsaw
from bandsaw.fingerprint import code
from bandsaw.runtime import fork
from tests.interpreters import with_the_newest_python_only
from tests.workflows import Workflow, write_files

configuration = bandsaw.Configuration()

LIMIT = 3
TABLE: dict[str, list[int]] = {"a": [1]}
SEEN: list[int] = []
FIXED = (1, 2)


def helped(x: int) -> int:
    return x + LIMIT


def task(x: int) -> int:
    SEEN.append(x)
    return helped(x) + TABLE["a"][0] + FIXED[0]


class Model:
    rate = 1

    def fit(self) -> int:
        return self.rate


def takes(model: Any) -> Any:
    return model


def digest(function: Any = task, *others: Any) -> bytes:
    return code.reachable_code(function, others).digest


def test_parts_are_named_and_have_texts() -> None:
    parts = code.reachable_code(task).parts
    names = sorted(name.rpartition(".")[2] for name in parts)

    assert names == ["FIXED", "LIMIT", "SEEN", "TABLE", "helped", "task"]
    assert "return x + LIMIT" in parts[f"{__name__}.helped"].text
    assert parts[f"{__name__}.LIMIT"].text == "LIMIT = 3"


def test_the_same_code_is_the_same_object() -> None:
    assert code.reachable_code(task) is code.reachable_code(task)


@pytest.mark.parametrize(
    ("name", "value"),
    [("LIMIT", 4), ("FIXED", (1, 3)), ("helped", lambda x: x), ("TABLE", {"a": [2]})],
)
def test_a_name_that_is_bound_anew_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    before = digest()
    monkeypatch.setitem(globals(), name, value)
    assert digest() != before
    monkeypatch.undo()
    assert digest() == before


def test_a_table_that_is_changed_is_seen() -> None:
    before = digest()
    TABLE["a"].append(5)
    try:
        assert digest() != before
    finally:
        TABLE["a"].pop()
    assert digest() == before


def test_a_function_for_another_type_is_seen_when_it_is_registered() -> None:
    @functools.singledispatch
    def dispatched(x: object) -> int:
        return 1

    def caller(x: object) -> int:
        return dispatched(x)

    before = digest(caller)
    assert digest(caller) == before
    dispatched.register(int, helped)
    after = digest(caller)
    assert after != before
    dispatched.register(int, lambda x: 2)
    assert digest(caller) not in (before, after)


def test_what_code_changes_itself_is_its_state() -> None:
    before = digest()
    task(1)
    task(2)

    assert digest() == before


def test_the_classes_of_arguments_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(takes, Model)
    assert before != digest(takes)
    assert digest(takes, Model, int, dict) == before
    monkeypatch.setattr(Model, "rate", 2)

    assert digest(takes, Model) != before


class Around:
    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, x: int) -> Any:
        return self.function(x)


@Around
def around_it(x: int) -> int:
    return x + 1


def calls_an_object(x: int) -> Any:
    return around_it(x)


def test_an_object_that_a_decorator_made_anew_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest(calls_an_object)

    def other(x: int) -> int:
        return x + 2

    other.__qualname__ = "around_it"
    monkeypatch.setitem(globals(), "around_it", Around(other))
    assert digest(calls_an_object) != before
    monkeypatch.undo()
    assert digest(calls_an_object) == before


def test_values_of_a_prompt_count_by_themselves() -> None:
    space: dict[str, Any] = {"__name__": "__main__", "Holder": Holder}
    exec("value = Holder(1)\ndef use():\n    return value.held", space)
    before = digest(space["use"])
    exec("value = Holder(2)", space)
    assert digest(space["use"]) != before
    exec("value = Holder(1)", space)
    assert digest(space["use"]) == before


def test_values_of_a_prompt_may_have_no_identity() -> None:
    space: dict[str, Any] = {"__name__": "__main__", "Holder": Holder}
    exec("value = Holder(object())\ndef use():\n    return value.held", space)

    assert digest(space["use"]) == digest(space["use"])


class Holder:
    def __init__(self, *held: Any) -> None:
        self.held = held

    def method(self) -> None:
        """Do nothing."""


class Slotted:
    __slots__ = ("held",)


class Names(Dict[str, Any]):
    """A class of the user's own that is a container."""


class Quiet:
    """Says itself what counts."""

    def __init__(self) -> None:
        self.left_out = helped

    def __fingerprint__(self) -> int:
        return 1


def slotted(held: Any) -> Slotted:
    value = Slotted()
    value.held = held
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (helped, {helped}),
        (Model, {Model}),
        (Model(), {Model}),
        (Model().fit, {Model, Model.fit, type(Model().fit)}),
        (functools.partial(helped, 1), {helped, functools.partial}),
        ([{"a": (helped,)}, {Model}], {helped, Model}),
        ({Model(): frozenset({helped})}, {helped, Model}),
        (Holder(Holder(helped)), {Holder, helped}),
        (slotted([helped]), {Slotted, helped}),
        (Names(a=helped), {Names, helped}),
        (Quiet(), {Quiet}),
        (functools.lru_cache()(helped), {type(functools.lru_cache()(len)), helped}),
        (bandsaw.task(helped, config=__name__), {helped}),
        ([bandsaw.task(helped, config=__name__)], {helped}),
        (collections.deque([helped]), {helped}),
        ({1: collections.deque([helped])}, {helped}),
        (types.SimpleNamespace(a=helped), {helped, types.SimpleNamespace}),
        ([types.MappingProxyType({"a": helped})], {helped}),
        ([collections.defaultdict(helped)], {helped}),
        ([collections.ChainMap({"a": helped})], {helped}),
        ([1, "a", (2.5, None), range(3)], set()),
        ([functools.partial, Path("."), len], set()),
    ],
    ids=lambda value: None if isinstance(value, set) else type(value).__name__,
)
def test_code_that_arguments_hold_is_found(value: Any, expected: set[Any]) -> None:
    assert {inner(found) for found in code.code_in([value])} == expected


def test_code_in_arrays_and_series_is_found() -> None:
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    pairs = numpy.array([(1, helped)], dtype=[("a", int), ("b", object)])
    values = [numpy.array([[helped]]), numpy.array(helped), pairs]
    values.append(numpy.vectorize(helped))
    if find_spec("pandas") is not None:
        pandas = importlib.import_module("pandas")
        frame = pandas.DataFrame({"a": [1], "b": [helped]})
        values += [frame, frame["b"]]

    for value in values:
        assert set(code.code_in([[value]])) == {helped}


def test_code_below_an_installed_class_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = tmp_path / "site-packages"
    write_files(
        library,
        {
            "installed_library.py": """
class Estimator:
    def __init__(self, step):
        self.step = step
    def __getstate__(self):
        return {"step": self.step}
def wrap(function):
    return lambda x: function(x)
"""
        },
    )
    monkeypatch.syspath_prepend(str(library))
    installed_library = importlib.import_module("installed_library")

    class Own(installed_library.Estimator):  # type: ignore[misc,name-defined]
        pass

    assert code.code_in([[installed_library.Estimator(helped)]]) == (helped,)
    assert set(code.code_in([[Own(Model())]])) == {Own, Model}
    assert code.code_in([[installed_library.wrap(helped)]]) == (helped,)


def test_a_class_attribute_that_is_bound_anew_to_a_list_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest(takes, Listing)
    monkeypatch.setattr(Listing, "layers", [9])
    after = digest(takes, Listing)
    Listing.layers.append(1)

    assert len({before, after, digest(takes, Listing)}) == 3


class Listing:
    layers = [8]

    def __init__(self) -> None:
        self.layers = [1]


def test_an_object_in_a_closure_counts_by_what_it_holds() -> None:
    def make(held: Any) -> Any:
        def function() -> Any:
            return held

        return function

    lock = threading.Lock()
    values = [Holder(1), Holder(2), Holder(1, lock), Holder(2, lock), Holder(helped)]
    values += [Holder(1).method, Holder(2).method, {1: 2}.get, {1: 3}.get]

    assert len({digest(make(value)) for value in values}) == len(values)
    assert digest(make(Holder(1))) == digest(make(values[0]))


def test_the_code_of_a_module_that_is_handed_over_is_found() -> None:
    module = types.ModuleType("handed_over")
    exec("def one(): pass", vars(module))

    def make(held: Any) -> Any:
        def function() -> Any:
            return held.one()

        return function

    assert vars(module)["one"] in code.code_in([module])
    assert "handed_over.one" in code.reachable_code(make(module)).parts


ANNOTATED = """
import dataclasses
import typing
import installed_models

def check(value):
    return value

class Inner(installed_models.Model):
    x: int

@dataclasses.dataclass
class Settings:
    rate: float = 0.0

class Row(installed_models.Model):
    price: typing.List["Inner"]
    def method(self, value: check): pass

class Plain:
    price: int = 0
    def method(self, value: int) -> int: return 1

@installed_models.validate
def checked(value: int): return value

def parse(): return [field.type for field in dataclasses.fields(Settings)]
def cast(): return Settings()
def rows(): return Row()
def plain(): return Plain()
"""

ANNOTATION_EDITS = [
    ("rows", "price: typing", "cost: typing", True),
    ("rows", "x: int", "x: float", True),
    ("rows", "return value", "return -value", True),
    ("rows", "value: check", "value: int", True),
    ("checked", "checked(value: int)", "checked(value: float)", True),
    ("parse", "rate: float", "rate: int", True),
    ("cast", "rate: float", "rate: int", False),
    ("plain", "price: int", "price: float", False),
    ("plain", ") -> int", ") -> float", False),
    ("plain", "value: int) ->", "value: float) ->", False),
]


@pytest.mark.parametrize(("name", "old", "new", "is_significant"), ANNOTATION_EDITS)
def test_annotations_count_where_something_reads_them(
    name: str,
    old: str,
    new: str,
    is_significant: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "installed_models.py").write_text(
        "class Model: pass\ndef validate(function): return lambda x: function(x)\n"
    )
    monkeypatch.syspath_prepend(str(library))
    monkeypatch.delitem(sys.modules, "installed_models", raising=False)
    found = []
    for number, text in enumerate((ANNOTATED, ANNOTATED.replace(old, new))):
        filename = f"<{tmp_path} {number}>"
        namespace: dict[str, Any] = {"__name__": "annotated", "__file__": filename}
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        monkeypatch.setitem(sys.modules, "annotated", types.ModuleType("annotated"))
        vars(sys.modules["annotated"]).update(namespace)
        namespace = vars(sys.modules["annotated"])
        exec(compile(text, filename, "exec", dont_inherit=True), namespace)
        found.append(digest(namespace[name]))

    assert (found[0] != found[1]) == is_significant


def inner(found: Any) -> Any:
    task = getattr(found, "bandsaw_task", None)
    return found if task is None else task.callable


def test_the_order_of_what_arguments_hold_does_not_count() -> None:
    one, other = {"a": helped, "b": Model}, {"b": Model, "a": helped}

    assert code.code_in([one]) == code.code_in([other])


def test_arguments_that_hold_themselves_do_no_harm() -> None:
    circle: list[Any] = [Model()]
    circle.append(circle)

    assert code.code_in([circle]) == (Model,)


def test_code_of_arguments_that_are_made_anew_each_time_is_forgotten() -> None:
    references = []
    for _ in range(300):
        function = FunctionType(helped.__code__, globals(), "made")
        code.reachable_code(takes, code.code_in([function]))
        references.append(weakref.ref(function))
    del function
    gc.collect()

    assert sum(reference() is not None for reference in references) <= 100


def test_what_python_itself_defines_does_not_count() -> None:
    assert digest(takes, Path, functools.partial) == digest(takes)


def test_packages_count_by_their_versions() -> None:
    import hypothesis

    def uses() -> Any:
        return hypothesis.given

    packages = code.reachable_code(uses).packages
    assert packages == {"hypothesis": hypothesis.__version__}


CELL = "def cell(x):\n    return x + {}\n"


def define(text: str, filename: str) -> Any:
    """Define a function as notebooks do, which leave the lines behind."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, filename, "exec"), namespace)
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    return namespace["cell"]


def test_functions_of_cells_count_by_their_source() -> None:
    first = define(CELL.format(1), "<cell 1>")
    same = define("# a comment\n" + CELL.format(1), "<cell 2>")
    other = define(CELL.format(2), "<cell 3>")

    assert digest(first) == digest(same) != digest(other)


def test_code_without_source_counts_by_its_instructions() -> None:
    namespace: dict[str, Any] = {}
    functions = []
    for amount in (1, 1, 2):
        exec(CELL.format(amount), namespace)
        functions.append(namespace["cell"])

    assert digest(functions[0]) == digest(functions[1]) != digest(functions[2])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("used = [first, second]", "used = [second, first]"),
        ("used = {1: first, 2: second}", "used = {2: first, 1: second}"),
        ("used = {1: math.sin}", "used = {1: math.cos}"),
        ("used = math.sin", "used = math.cos"),
        ("from math import sin as used", "from math import cos as used"),
        ("import json as used", "import pickle as used"),
        ("import os.path as used", "import os as used"),
        ("used = partial(math.sin)", "used = partial(math.cos)"),
        ("used = lru_cache()(first)", "used = lru_cache()(second)"),
    ],
)
def test_which_function_a_name_refers_to_is_significant(one: str, other: str) -> None:
    text = textwrap.dedent(
        """
        import math
        from functools import lru_cache, partial

        def first(x):
            return x

        def second(x):
            return first(x)

        {}

        def cell(x):
            return used, first, second
        """
    )
    found = [
        digest(define(text.format(line), f"<which {line}>"))
        for line in (one, other, one)
    ]

    assert found[0] == found[2] != found[1]


def test_the_order_of_functions_in_a_set_is_ignored() -> None:
    text = "def f(): pass\ndef g(): pass\ndef h(): pass\nused = {{{}}}\n"
    text += "def cell(): return used\n"
    names = ("f, g, h", "h, g, f", "g, h, f")

    assert len({digest(define(text.format(one), f"<set {one}>")) for one in names}) == 1


def test_code_of_functions_that_was_replaced_is_seen() -> None:
    function = define(CELL.format(1), "<cell 4>")
    before = digest(function)
    function.__code__ = define(CELL.format(2), "<cell 5>").__code__

    assert digest(function) != before


def test_eight_threads_get_one_answer() -> None:
    fork.reset()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: digest(), range(64)))) == 1


def test_own_code_is_the_body_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code.own_code(task).digest
    monkeypatch.setitem(globals(), "LIMIT", 4)

    assert code.own_code(task).digest == before
    assert code.own_code(functools.wraps(task)(lambda x: x)).digest == before
    assert code.own_code(helped).digest != before


EDITED = """
import sys
from bandsaw.fingerprint import code
from bandsaw.runtime import fork
import edited

print(code.reachable_code(edited.task).digest.hex())
with open("edited.py", "w") as file:
    file.write(sys.argv[1])
fork.reset()
print(code.reachable_code(edited.task).digest.hex())
"""


def test_source_that_was_edited_is_not_believed(workflow: Workflow) -> None:
    source = "def task(x):\n    return x + {}\n"
    workflow.write({"edited.py": source.format(1), "workflow.py": EDITED})

    def digests(*arguments: str) -> list[str]:
        return workflow.python("workflow.py", *arguments).stdout.split()

    # Python itself takes a file of the same size and second for the same.
    one, edited = digests(source.format(22))
    two, _ = digests(source.format(22))

    # What is loaded is neither what the file says now, nor to be taken for it.
    assert edited not in (one, two)
    assert one != two


def test_a_script_and_its_module_have_the_same_code(workflow: Workflow) -> None:
    workflow.write(
        {
            "work.py": """
            def helped(x):
                return x

            def task(x):
                return helped(x)

            if __name__ == "__main__":
                from bandsaw.fingerprint import code
                print(code.reachable_code(task).digest.hex())
            """,
            "other.py": """
            import work
            from bandsaw.fingerprint import code
            print(code.reachable_code(work.task).digest.hex())
            """,
        },
    )
    outputs = {workflow.python(name).stdout for name in ("work.py", "other.py")}

    assert len(outputs) == 1


@with_the_newest_python_only
def test_very_long_and_circular_chains_are_followed() -> None:
    lines = [f"def f{i}(x):\n    return f{(i + 1) % 3000}(x)\n" for i in range(3000)]
    text = "".join(lines) + "cell = f0\n"
    function = define(text, "<long>")

    assert len(code.reachable_code(function).parts) == 3000


def test_an_object_that_answers_everything_does_no_harm() -> None:
    text = textwrap.dedent(
        """
        class Answering:
            def __getattr__(self, name):
                raise RuntimeError(name)

        answering = Answering()

        def cell(x):
            return answering.anything(x) + len(str(answering))
        """
    )
    function = define(text, "<answering>")

    assert len(digest(function)) == 32
    assert "anything" not in sys.modules


COUNTS: dict[int, int] = {}
total = 0


def count(x: int) -> None:
    global total
    COUNTS[x] = COUNTS.get(x, 0) + 1
    total += 1


def counting(x: int) -> int:
    count(x)
    return len(COUNTS) + total


class Remembering:
    known: dict[int, int] = {}

    def ask(self, x: int) -> int:
        return self.known.setdefault(x, x)


def remembers(x: int) -> int:
    return Remembering().ask(x)


@pytest.mark.parametrize("function", [counting, remembers])
def test_what_any_reached_code_changes_is_its_state(function: Any) -> None:
    before = code.reachable_code(function)
    for number in range(3):
        function(number)
        assert code.reachable_code(function) is before
    fork.reset()

    assert code.reachable_code(function) == before
