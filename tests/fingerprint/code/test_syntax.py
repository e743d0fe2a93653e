"""The normal form of syntax, and the names that it reads."""

from __future__ import annotations

import ast
import json
import sys

import pytest

from bandsaw.fingerprint.code.source import outline_of_text
from bandsaw.fingerprint.code.source.syntax import form_of_nodes
from tests.interpreters import SUPPORTED, python
from tests.workflows import Workflow

SAME = [
    ("x = 1", "x: int = 1"),
    ("x = 'a' 'b'", 'x = "ab"'),
    ("x = f'{y}' 'b'", "x = f'{y}b'"),
    ("x = f'ab'", "x = 'ab'"),
    ("x = f'{y:}'", "x = f'{y}'"),
    ("x = u'a'", "x = 'a'"),
    ("x = 0x10", "x = 16"),
    ("x = 1_000", "x = 1000"),
    ("x = (1)", "x = 1"),
    ("x[1]", "x[(1)]"),
    ("x[1, 2]", "x[(1, 2)]"),
    ("if x:\n  pass\nelse:\n  pass", "if x: pass"),
    ("def f(): 'doc'", "def f(): pass"),
    ("def f(a: int, *b: str, c: int = 1) -> None: return", "def f(a, *b, c=1): return"),
    ("class A:\n  'doc'\n  x: int = 1", "class A:\n  x = 1"),
    ("@d\nclass A:\n  x: int", "@d\nclass A:\n  x: str"),
    ("global a, b", "global b, a"),
    ("f(\n a,\n b,\n)", "f(a, b)"),
    ("x = lambda a: (a)", "x = lambda a: a"),
    ("for x in (a): pass", "for x in a: pass"),
    ("x  # type: int", "x"),
]

OTHER = [
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 0.0", "x = -0.0"),
    ("x = b'a'", "x = 'a'"),
    ("x = [1]", "x = (1,)"),
    ("x = [[1], [2]]", "x = [[1, 2]]"),
    ("x = f'{y}'", "x = f'{y!r}'"),
    ("x = f'{y:>3}'", "x = f'{y:<3}'"),
    ("x = f'{y}{z}'", "x = f'{z}{y}'"),
    ("x[1:2]", "x[1::2]"),
    ("x[1:2, 3]", "x[1:2][3]"),
    ("a + b * c", "(a + b) * c"),
    ("a < b < c", "a < b and b < c"),
    ("f(*a)", "f(**a)"),
    ("f(a=1)", "f(b=1)"),
    ("def f(a, /): return", "def f(a): return"),
    ("def f(*, a): return", "def f(a): return"),
    ("def f(): return", "async def f(): return"),
    ("def f():\n  yield", "def f():\n  yield None, 1"),
    ("try: a()\nexcept A: b()", "try: a()\nexcept B: b()"),
    ("try: a()\nfinally: b()", "try: a()\nexcept: b()"),
    ("with a as b: c()", "with a: c()"),
    ("x = y", "x += y"),
    ("(x := 1)", "(y := 1)"),
    ("[x for x in y]", "{x for x in y}"),
    ("[x for x in y if z]", "[x for x in y]"),
    ("import a", "import a as b"),
    ("from . import a", "from .. import a"),
    ("@d\nclass A:\n  x: int", "@d\nclass A:\n  x: ClassVar[int]"),
    ("@d\nclass A:\n  x: int = 1", "@d\nclass A:\n  x = 1"),
    ("class A:\n  x: int", "class A:\n  y: int"),
    ("class A(B): pass", "class A(C): pass"),
    ("class A(metaclass=B): pass", "class A(B): pass"),
]


def form(source: str) -> str:
    return form_of_nodes(ast.parse(source).body)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_written_otherwise_is_the_same(one: str, other: str) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_says_something_else_is_different(one: str, other: str) -> None:
    assert form(one) != form(other)


READER = """
import ast, json, sys
from bandsaw.fingerprint.code.source.syntax import form_of_nodes
trees = map(ast.parse, json.load(sys.stdin))
print(json.dumps([form_of_nodes(tree.body) for tree in trees]))
"""


def test_a_form_is_the_same_on_every_python(workflow: Workflow) -> None:
    sources = sorted({text for pair in SAME + OTHER for text in pair})
    found: set[str] = set()
    for version in SUPPORTED:
        try:
            executable = python(version)
        except pytest.skip.Exception:
            continue
        found.add(
            workflow.python(
                "-c", READER, python=executable, input=json.dumps(sources)
            ).stdout
        )

    assert len(found) == 1
    assert json.loads(found.pop()) == [form(source) for source in sources]


READS = [
    ("def f(x): return x + y", ["y"]),
    ("def f(x): return a.b.c(x.d)", ["a.b.c"]),
    ("def f():\n  y = 1\n  return y", []),
    ("def f():\n  global y\n  y = 1", []),
    ("def f():\n  return [y for y in z if y > w]", ["w", "z"]),
    ("def f():\n  return [y := z for z in w] + [y]", ["w"]),
    ("def f():\n  def g(): return h\n  return g", ["h"]),
    ("def f(h):\n  def g(): return h\n  return g", []),
    ("def f(x=y): return x", ["y"]),
    ("def f(x: y) -> z: return x", []),
    ("def f():\n  try: a()\n  except B as e: return e", ["B", "a"]),
    ("def f():\n  with a as b: return b", ["a"]),
    ("def f():\n  for x, (y, *z) in a: b[x] = y", ["a", "b"]),
    ("def f():\n  import os\n  return os.path", []),
    ("def f():\n  del x\n  return x", []),
    ("def f():\n  x: int = y\n  return x", ["y"]),
    ("def f():\n  x += y", ["y"]),
    ("def f():\n  class A(B):\n    c = d\n    def m(self): return c", ["B", "c", "d"]),
    ("f = lambda x: x + y", ["y"]),
    ("async def f():\n  async with a as b: await b.c(d)", ["a", "d"]),
]


@pytest.mark.parametrize(("source", "names"), READS)
def test_a_function_reads_names_of_its_module(source: str, names: list[str]) -> None:
    definitions = outline_of_text(source).definitions
    ((definition,),) = [
        found for name, found in definitions.items() if name in ("f", "<lambda>")
    ]

    assert definition.names == names


CHANGES = [
    ("x[1] = 2", "x"),
    ("x.a = 1", "x.a"),
    ("del x[1]", "x"),
    ("x.append(1)", "x"),
    ("x[1].update(a)", "x"),
    ("x.a.b = 1", "x.a.b"),
    ("x.a[1].b = 1", "x.a"),
    ("x[1] += 1", "x"),
    ("x.y += 1", "x.y"),
]


@pytest.mark.parametrize(("statement", "name"), CHANGES)
def test_a_function_tells_what_it_changes(statement: str, name: str) -> None:
    ((definition,),) = outline_of_text(f"def f(): {statement}").definitions.values()

    assert [name for name in definition.changed if name[0] not in ".="] == [name]


@pytest.mark.parametrize(
    ("statement", "attributes"),
    [
        ("self.a[1] = 2", [".a", "=a"]),
        ("self.a.append(1)", [".a", "=a"]),
        ("self.a += [1]", [".a", "=a"]),
        ("cls.a = 1", [".a", "=a"]),
        ("x.a[1].b.update(c)", [".a", ".b", "=a", "=b"]),
        ("self.a = 1", ["=a"]),
        ("x[1] = self.a", []),
    ],
)
def test_a_method_tells_which_attributes_it_changes(
    statement: str, attributes: list[str]
) -> None:
    source = f"class C:\n def f(self, cls, x): {statement}"
    (definition,) = outline_of_text(source).definitions["C.f"]

    assert definition.changed == attributes


def test_a_constructor_changes_no_object_that_was_there_before() -> None:
    source = "class C:\n def __init__(self, x):\n  self.a = {}; self.a[1] = x; x.b = 1"
    (definition,) = outline_of_text(source).definitions["C.__init__"]

    assert definition.changed == [".a", ".b", "=b"]


def test_names_that_are_given_as_texts_are_read() -> None:
    source = (
        "def f(m):\n"
        " getattr(a, 'b'); getattr(getattr(c.d, 'e'), 'f', None).g\n"
        " globals()['h']; getattr(k, m); globals()[m]"
    )
    (definition,) = outline_of_text(source).definitions["f"]

    assert {"a.b", "c.d.e.f.g", "h"} <= set(definition.names)


def test_a_name_that_is_rebound_is_changed() -> None:
    source = "def f():\n  global x\n  x = 1\n  y = 2"
    ((definition,),) = outline_of_text(source).definitions.values()

    assert definition.changed == ["x"]


def test_lambdas_of_one_line_are_not_taken_for_each_other() -> None:
    outline = outline_of_text("f, g = lambda: 1, lambda: 2")

    assert [item.code for item in outline.definitions["<lambda>"]] == ["", ""]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Statements of Python 3.10")
def test_patterns_bind_names() -> None:
    source = (
        "def f(x):\n  match x:\n    case [a, *b] | {'k': a, **b}: return a, b\n"
        "    case C(d=e) as g: return e, g, h"
    )
    ((definition,),) = outline_of_text(source).definitions.values()

    assert definition.names == ["C", "h"]
