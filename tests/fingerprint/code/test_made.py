"""Values made by calls, as far as they are significant in code."""

from __future__ import annotations

import ast
import json
import linecache
import sqlite3
import sys
import textwrap
import types
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Iterator

import pytest

from bandsaw.fingerprint import code
from bandsaw.fingerprint.code.source import scopes, syntax
from bandsaw.runtime import code_objects
from tests.workflows import Workflow

PREFIX = """
import collections, dataclasses, datetime, functools, io, json, logging, os, random
import sqlite3, tempfile, threading, time, types
from argparse import Namespace

GIVEN = json.loads(os.environ["GIVEN"])

class Settings:
    def __init__(self, **given):
        self.lock = threading.Lock()
        self.started = time.time()
        self._seen = {}
        self.last = None
        vars(self).update(given)

    @property
    def doubled(self):
        return 2 * self.a

    def both(self):
        return self.a + self.b

    def remember(self, x):
        self.last = x
        return self._seen.setdefault(x, self.a)

@dataclasses.dataclass
class Fields:
    a: int
    b: int

def use(value):
    return value

"""
_numbers = count()


_made: list[types.ModuleType] = []


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Close connections here, not by the garbage collection of a later test."""
    yield
    for module in _made:
        value = vars(module).get("value")
        if isinstance(value, sqlite3.Connection):
            value.close()
    _made.clear()


def define(
    monkeypatch: pytest.MonkeyPatch, text: str, given: Any = None
) -> dict[str, Any]:
    """Return the names of a module that is run with a value from outside."""
    text = PREFIX + textwrap.dedent(text)
    filename = f"<made {next(_numbers)}>"
    module = types.ModuleType("made_by_calls")
    _made.append(module)
    vars(module)["__file__"] = filename
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    monkeypatch.setitem(sys.modules, "made_by_calls", module)
    monkeypatch.setenv("GIVEN", json.dumps(given))
    exec(compile(text, filename, "exec", dont_inherit=True), vars(module))
    return vars(module)


def found(monkeypatch: pytest.MonkeyPatch, text: str, given: Any = None) -> code.Code:
    return code.reachable_code(define(monkeypatch, text, given)["task"])


NAMESPACE = "value = Namespace(**GIVEN)\n"
READ = "value = Namespace(**json.loads(os.environ['GIVEN']))\n"
SETTINGS = "value = Settings(**GIVEN)\n"
FIELDS = "value = Fields(**GIVEN)\n"
NAMED = "def task(x): return value.a"
WHOLE = "def task(x): return use(value)"
A, B = {"a": 2, "b": 1}, {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "significant"),
    [
        (NAMESPACE + NAMED, [A]),
        (NAMESPACE + WHOLE, [A, B]),
        (NAMESPACE + "def task(x): return vars(value)['a']", [A, B]),
        (NAMESPACE + "def task(x): return getattr(value, 'b')", [B]),
        (NAMESPACE + "def task(x): return lambda: value.a", [A]),
        (NAMESPACE + "class C:\n  args = value\ndef task(x): return C.args.a", [A, B]),
        ("class C:\n  one = Settings(**GIVEN)\ndef task(x): return C.one.a", [A, B]),
        ("class C:\n  one = Settings(**GIVEN)\ndef task(x): return C()", [A, B]),
        (SETTINGS + NAMED, [A]),
        (SETTINGS + WHOLE, [A, B]),
        (SETTINGS + "def task(x): return value.doubled", [A, B]),
        (SETTINGS + "def task(x): return value.both()", [A, B]),
        (SETTINGS + "def task(x): return value.remember(x)", [A, B]),
        (FIELDS + NAMED, [A]),
        (FIELDS + WHOLE, [A, B]),
        ("value = types.SimpleNamespace(**GIVEN)\n" + NAMED, [A]),
        ("value = Namespace(c=Namespace(**GIVEN))\ndef task(x): return value.c.a", [A]),
        ("value = Namespace(c=Settings(**GIVEN))\ndef task(x): return value.c.a", [A]),
        ("value = Namespace(c=Settings(**GIVEN))\n" + WHOLE, [A, B]),
        ("value = {1: [Settings(**GIVEN)]}\n" + WHOLE, [A, B]),
        ("value = collections.Counter(GIVEN)\n" + WHOLE, [A, B]),
        ("value = collections.defaultdict(int, GIVEN)\n" + WHOLE, [A, B]),
        ("value = slice(GIVEN['a'], GIVEN['b'])\n" + WHOLE, [A, B]),
        ("value = functools.partial(use, GIVEN['a'])\n" + WHOLE, [A]),
        (
            READ + "value.c = 1\n"
            "def task(x):\n  value.c = x\n  return value.a + value.c",
            [A],
        ),
        (
            READ + "def inner():\n  value.b = 3\n"
            "def task(x):\n  inner()\n  return use(value)",
            [A],
        ),
        (
            NAMESPACE + "LOG = print(value.a)\ndef task(x):\n  return x",
            [],
        ),
    ],
)
def test_what_code_names_of_a_value_is_significant(
    text: str, significant: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {"a": 1, "b": 1}
    before, again = (found(monkeypatch, text, first).digest for _ in range(2))
    changed = [one for one in (A, B) if found(monkeypatch, text, one).digest != before]

    assert before == again
    assert changed == significant


def test_numbers_of_numpy_count_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("numpy") is None:
        pytest.skip("needs numpy")
    text = "import numpy\nvalue = numpy.float64(GIVEN)\n" + WHOLE
    one, other, same = (found(monkeypatch, text, given) for given in (1, 2, 1))

    assert one.digest == same.digest != other.digest
    assert not one.unseen


# What gives no values is not listed.
OF_THIS_PROCESS_ONLY = (
    "time.time()",
    "int(time.time())",
    "time.strftime('%Y %H:%M:%S') + str(time.perf_counter())",
    "datetime.datetime.now()",
    "datetime.datetime.now().isoformat()",
    "Namespace(a=time.time_ns(), b=datetime.datetime.now())",
    "tempfile.mkdtemp()",
    "os.path.join(OUT, 'results')",
    "Namespace(a=OUT)",
    "logging.getLogger(__name__)",
    "logging.LoggerAdapter(logging.getLogger(__name__), {})",
    "threading.Lock()",
)


@pytest.mark.parametrize(
    ("text", "unseen"),
    [
        *((text, []) for text in OF_THIS_PROCESS_ONLY),
        ("io.StringIO()", ["value"]),
        ("random.Random()", ["value"]),
        ("sqlite3.connect(':memory:')", ["value"]),
        ("(number for number in [1, 2])", ["value"]),
        ("Settings(a=io.StringIO(), b=(x for x in [1]))", ["value.a", "value.b"]),
    ],
)
def test_what_is_of_this_process_only_counts_by_its_assignment(
    text: str, unseen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    whole = f"OUT = tempfile.mkdtemp()\nvalue = {text}\n{WHOLE}"
    one, same = (found(monkeypatch, whole) for _ in range(2))
    other = found(monkeypatch, whole.replace(text, f"use({text})"))

    assert one.digest == same.digest
    assert one.digest != other.digest or "Settings" in text or "Namespace" in text
    assert sorted(one.unseen) == [f"made_by_calls.{name}" for name in unseen]


def test_an_environment_beside_a_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "value = GIVEN or time.strftime('%Y')\n" + WHOLE

    assert found(monkeypatch, text, "a").digest != found(monkeypatch, text, "b").digest


REGISTRY = """
class Registry:
    def __init__(self):
        self.items = {}
        self.order = []
        self.called = {}

    def register(self, function):
        self.items[function.__name__] = function
        self.order.append(function)
        return function

    def __call__(self, function):
        self.called[function.__name__] = function
        return function

    def find(self, name):
        return self.items[name]

class Base:
    known = {}
    def __init_subclass__(cls):
        Base.known[cls.__name__] = cls

class Inner(Base):
    def run(self): return 1

TABLE, LIST, REGISTRY = {}, [], Registry()

def register(function):
    TABLE[function.__name__] = function
    LIST.append(function)
    return function

@register
@REGISTRY
@REGISTRY.register
def one(x): return x * 1

@register
@REGISTRY.register
def two(x): return x * 2

def late(x):
    from tests.waiting import wait_until
    return wait_until(x)
"""


@pytest.mark.parametrize(
    ("body", "old", "new", "is_significant"),
    [
        ("TABLE['one'](x)", "x * 1", "x * 3", True),
        ("LIST[0](x)", "x * 1", "x * 3", True),
        ("REGISTRY.find('one')(x)", "x * 1", "x * 3", True),
        ("REGISTRY.items['one'](x)", "x * 1", "x * 3", True),
        ("REGISTRY.order[0](x)", "x * 1", "x * 3", True),
        ("REGISTRY.called['one'](x)", "x * 1", "x * 3", True),
        ("[REGISTRY.find('one')(x), late(x)]", "x * 1", "x * 3", True),
        ("Base.known['Inner']().run()", "return 1", "return 2", True),
        ("one(x)", "x * 2", "x * 3", False),
        ("one(x)", "@REGISTRY.register\ndef two", "def two", False),
    ],
)
def test_what_decorators_put_into_a_registry_is_followed(
    body: str,
    old: str,
    new: str,
    is_significant: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = REGISTRY + f"\ndef task(x): return {body}\n"
    before, again = (found(monkeypatch, text).digest for _ in range(2))
    after = found(monkeypatch, text.replace(old, new)).digest

    assert before == again
    assert (after != before) == is_significant


def test_what_the_code_itself_puts_into_a_registry_is_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = """
    def task(x):
        def named(): return x
        named.__name__ = str(x)
        return len(REGISTRY.items) + len(register(named).__name__)

    def other(x):
        REGISTRY.register(task)
        return REGISTRY.items, REGISTRY.order
    """
    names = define(monkeypatch, REGISTRY + textwrap.dedent(text))
    for function in (names["task"], names["other"]):
        before = code.reachable_code(function)
        function(1)
        assert code.reachable_code(function).digest == before.digest


def test_a_registry_is_the_same_in_every_order_of_imports(workflow: Workflow) -> None:
    files = {
        "registry.py": "TABLE, LIST = {}, []\ndef register(function):\n"
        "    TABLE[function.__name__] = function\n    LIST.append(function)\n"
        "    return function\n",
        "work.py": "from registry import LIST, TABLE\n"
        "def task(x): return TABLE['a'](x), [one(x) for one in LIST]\n",
    }
    for name in ("one", "two"):
        files[f"{name}.py"] = (
            "from registry import register\n"
            f"@register\ndef {name}_b(x): return x\n"
            f"@register\ndef {name}_a(x): return -x\n"
        )
    show = "print(code.reachable_code(work.task).digest.hex())\n"
    begin = "import work\nfrom bandsaw.fingerprint import code\n"
    files["forwards.py"] = f"{begin}import one, two\n{show}"
    files["backwards.py"] = f"{begin}import two, one\n{show}"
    files["fewer.py"] = f"{begin}import one\n{show}"
    workflow.write(files)
    printed = [
        workflow.python(name).stdout
        for name in ("forwards.py", "backwards.py", "fewer.py")
    ]

    assert printed[0] == printed[1] != printed[2]


def test_what_is_changed_between_calls_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "value = Settings(a=1, b=Namespace(c=1))\nother = Namespace(a=1)\n"
        "def task(x): return use(value), other.a, other"
    )
    names = define(monkeypatch, text)
    seen = {code.reachable_code(names["task"]).digest}
    assert seen == {code.reachable_code(names["task"]).digest}
    for change in (
        "value.a = 2",
        "value.b.c = 2",
        "other.a = 2",
        "other.z = 2",
        "other = Namespace(a=3)",
        "del value.a",
    ):
        exec(change, names)
        seen.add(code.reachable_code(names["task"]).digest)

    assert len(seen) == 7


def test_an_attribute_that_is_bound_anew_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = define(monkeypatch, "value = Namespace(a=1, b=2)\n" + NAMED)
    before = code.reachable_code(names["task"])
    names["value"].b = 3
    assert code.reachable_code(names["task"]) is before
    names["value"].a = 4

    assert code.reachable_code(names["task"]).digest != before.digest


def test_what_cannot_be_looked_at_is_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "installed_engine.py").write_text(
        "class Engine:\n    def __reduce__(self): raise TypeError('no way')\n"
    )
    monkeypatch.syspath_prepend(str(library))
    monkeypatch.delitem(sys.modules, "installed_engine", raising=False)
    text = """
    from installed_engine import Engine

    def make(held):
        def inner(): return held
        return inner

    engine = Engine()
    settings = Settings(a=Engine())
    many = [Namespace(a=number) for number in range(20_000)]
    holding = make(Settings(a=Engine()))

    def task(x): return engine, settings, many, holding
    """
    unseen = found(monkeypatch, text).unseen

    assert sorted(unseen) == [
        "made_by_calls.engine",
        "made_by_calls.make.<locals>.inner with held.a",
        "made_by_calls.many",
        "made_by_calls.settings.a",
    ]
    assert "no way" in unseen["made_by_calls.engine"]
    assert unseen["made_by_calls.many"] == "it holds more than 10000 values"


NEWER = """
LIMIT, SEEN = 3, []

def helped(x):
    return x + LIMIT

def task(x, *more):
    SEEN.append(x)
    return [helped(y) if (y := one) else f"{helped(one)!r}" for one in more]
"""
NODES = ["Call", "FormattedValue", "IfExp", "JoinedStr", "ListComp", "NamedExpr"]


@pytest.mark.parametrize("name", NODES)
def test_unknown_syntax_is_read_as_it_is_and_listed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = getattr(ast, name)
    monkeypatch.delitem(scopes._VISITORS, kind)
    monkeypatch.delitem(syntax._SPECIAL, kind, raising=False)
    one, same, other = (
        found(monkeypatch, NEWER.replace("= 3", f"= {number}")) for number in (3, 3, 4)
    )

    assert one.digest == same.digest != other.digest
    assert {"made_by_calls.helped", "made_by_calls.LIMIT"} <= set(one.parts)
    assert f"it has syntax that is not known: {name}" in one.unseen.values()


def test_constants_of_an_unknown_kind_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(syntax.LEAVES, str)

    assert len(set(map(forms_of_texts, ["a", "b"]))) == 2


def forms_of_texts(text: str) -> str:
    return syntax.form_of_nodes([ast.Constant(value=text)])


def test_unknown_instructions_are_no_harm_where_there_is_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = found(monkeypatch, NEWER)
    monkeypatch.setattr(code_objects, "_KNOWN", frozenset())
    monkeypatch.setattr(code_objects, "_CHANGING", frozenset())
    after = found(monkeypatch, NEWER)

    assert after == before
    assert not after.unseen


def test_unknown_instructions_without_source_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: dict[str, Any] = {"__name__": "without_source"}
    exec(NEWER, names)
    assert not code.reachable_code(names["helped"]).unseen
    monkeypatch.setattr(code_objects, "_KNOWN", frozenset())
    monkeypatch.setattr(code_objects, "_CHANGING", frozenset())
    unseen = code.reachable_code(names["task"]).unseen

    assert sorted(unseen) == ["without_source.helped", "without_source.task"]
    assert "instructions that are not known" in unseen["without_source.task"]
