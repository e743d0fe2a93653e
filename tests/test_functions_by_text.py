"""Closures, lambdas, and functions and classes of doctests move by their text."""

from __future__ import annotations

import sys

import pytest

from tests.interpreters import python
from tests.workflows import Workflow

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

class Whole(bandsaw.Extension):
    pass

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(
        interpreter=bandsaw.Interpreter(executable={executable!r}),
        workers=1,
        start_ahead=False,
    )
)
"""

# The modules of the user's
MODULES = {
    "library.py": """
        from __future__ import annotations
        import functools
        unit = 10
        def adder(n):
            import xml.dom.minidom
            def add(x, *, scale=[1]):
                scale.append(0)
                text = xml.dom.minidom.parseString("<a/>").documentElement.tagName
                return (x + n[0]) * unit * len(scale) // 2, text
            return add
        def twice(function):
            @functools.wraps(function)
            def call(*args):
                return 2 * function(*args)
            return call
        table = {"neg": lambda x: -x, "half": lambda x: x / 2}
    """,
    "workflow.py": '''
        import os
        from functools import partial
        import bandsaw
        import library
        from library import adder, table, twice

        step = 1

        @bandsaw.task
        def apply(function, *args):
            return os.getpid(), function(*args)

        def make(n):
            @bandsaw.task
            def local(x):
                n.append(x)
                return os.getpid(), n, step
            return local

        def make_two():
            factor = 3
            @bandsaw.task
            def inner(x):
                return factor * x
            @bandsaw.task
            def outer(x):
                """Calls another task, and itself."""
                return [inner(x), *(outer(x - 1) if x else [])]
            @bandsaw.task(version="1")
            @twice
            def decorated(x):
                return x + factor
            @bandsaw.task
            async def awaited(x):
                return x + factor
            return outer, decorated, awaited

        square = bandsaw.task(lambda x: x * x); other = bandsaw.task(lambda x: x)

        def fact():
            def fact(n):
                return 1 if n < 2 else n * fact(n - 1)
            return fact

        class Model:
            def method(self):
                return bandsaw.task(lambda x: (type(self).__name__, x))

        def is_elsewhere(pid):
            return pid != os.getpid()

        if __name__ == "__main__":
            n = [1]
            local = make(n)
            first, second = local(5), local(6)
            print(is_elsewhere(first[0]), first[0] == second[0])
            print(first[1:] == ([1, 5], 1), second[1:] == ([1, 6], 1), n == [1])
            n.append(2)
            print(local(7)[1] == [1, 2, 7])
            outer, decorated, awaited = make_two()
            print(outer(1) == [3, 0], decorated(1) == 8, square(4) == 16)
            import asyncio
            print(other(4) == 4, asyncio.run(awaited(1)) == 4)
            pid, value = apply(lambda x: x + step, 1)
            print(is_elsewhere(pid), value == 2)
            print(apply(adder([1]), 1)[1] == (20, "a"))
            print(apply(adder([1]), 1)[1] == (20, "a"))
            print(apply(partial(table["neg"], 1))[1] == -1)
            print(apply(table["half"], 1)[1] == 0.5, apply(fact(), 4)[1] == 24)
            print(Model().method()(1) == ("Model", 1))
            print(apply(twice(fact()), 3)[1] == 12, apply(len, "ab")[1] == 2)
            print(list(square.map(range(3))) == [0, 1, 4])
    ''',
}


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_closures_and_lambdas_of_scripts_and_modules_run_in_any_python(
    workflow: Workflow, version: str
) -> None:
    config = CONFIG.format(executable=str(python(version)))
    workflow.write({**MODULES, "bandsaw_config.py": config})
    output = workflow.python("workflow.py").stdout
    assert set(output.split()) == {"True"}, output


DOCTESTS = '''
"""Doctests of a module.

>>> import os, json as js
>>> step = [1]
>>> def helper(x):
...     return js.dumps(x + step[0] + unit)
>>> @bandsaw.task
... def work(x):
...     step[0] += 1
...     return os.getpid() == {pid}, helper(x), public(x)
>>> work(1), work(1)
((False, '13', -1), (False, '13', -1))
>>> step[0] = 2
>>> @bandsaw.task
... def both(function, x):
...     return function(x), work(x), bandsaw.task(lambda: helper(x))()
>>> both(lambda x: -x + step[0], 1)
(1, (False, '14', -1), '13')
>>> make = lambda n: bandsaw.task(lambda x: x + n)
>>> make(2)(1)
3
>>> bandsaw.task(lambda: 1 / 0)()
Traceback (most recent call last):
    ...
ZeroDivisionError: division by zero
>>> import dataclasses, enum
>>> from collections import namedtuple
>>> class Base:
...     count = 0
...     def scaled(self):
...         return self.x * step[0] * unit
>>> @dataclasses.dataclass
... class Row(Base):
...     x: int
...     rest: list = dataclasses.field(default_factory=list)
...     def twice(self):
...         return Row(2 * self.x, [*self.rest, Kind.LARGE])
...     class Part:
...         pass
>>> class Kind(enum.Enum):
...     SMALL = 1
...     LARGE = 2
>>> Point = namedtuple("Point", "x y")
>>> @bandsaw.task
... def inner(row):
...     return row.twice(), Row.Part(), type(row) is Row
>>> @bandsaw.task
... def outer(row, kind, point):
...     row.count += 1
...     return row.scaled(), kind is Kind.LARGE, inner(row), Point(*point), Row.count
>>> Base.count = 5
>>> for _ in range(2):
...     scaled, same, (row, part, known), point, count = outer(
...         Row(3), Kind.LARGE, Point(1, 2)
...     )
...     print(scaled, same, row, type(part) is Row.Part, known, point, count)
...     print(type(row) is Row, row.rest[0] is Kind.LARGE, type(point) is Point)
60 True Row(x=6, rest=[<Kind.LARGE: 2>]) True True Point(x=1, y=2) 5
True True True
60 True Row(x=6, rest=[<Kind.LARGE: 2>]) True True Point(x=1, y=2) 5
True True True
>>> import library
>>> type(library.same(Row(4))) is Row, library.same([Row])[0] is Row
(True, True)
>>> class Failed(Exception):
...     def __init__(self, text, code):
...         super().__init__(text)
...         self.code = code
>>> @bandsaw.task
... def fail(code):
...     raise Failed("It has failed.", code)
>>> try:
...     fail(3)
... except Failed as error:
...     error.args, error.code
(('It has failed.',), 3)
>>> old = Row(5)
>>> class Row: pass
>>> type(library.same(Row())) is Row
True
>>> library.same(old)
Traceback (most recent call last):
    ...
bandsaw.exceptions.SerializationError: Argument 'value' of ...
>>> class Twin(Base): pass
>>> class Twin: pass
>>> library.same(Twin())
Traceback (most recent call last):
    ...
bandsaw.exceptions.SerializationError: Argument 'value' of ...
>>> def make():
...     class Local: pass
...     return Local()
>>> bandsaw.task(lambda: make())()
Traceback (most recent call last):
    ...
bandsaw.exceptions.SerializationError: ...
"""
import bandsaw

unit = 10

def public(x):
    return -x
'''


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_tasks_of_doctests_run_in_any_python(workflow: Workflow, version: str) -> None:
    config = CONFIG.format(executable=str(python(version)))
    text = DOCTESTS.replace("{pid}", "int(open('pid').read())")
    main = """
        if __name__ == "__main__":
            import doctest, os, pathlib
            pathlib.Path("pid").write_text(str(os.getpid()))
            print(doctest.testmod(optionflags=doctest.ELLIPSIS)[0])
    """
    library = """
        import bandsaw
        @bandsaw.task
        def same(value):
            return value
    """
    files = {"bandsaw_config.py": config, "workflow.py": main, "library.py": library}
    workflow.write(files)
    script = text.replace("{module}", "workflow")
    path = workflow.directory / "workflow.py"
    path.write_text(script + path.read_text())
    assert workflow.python("workflow.py").stdout == "0\n"
    # There, the module is called differently.
    text = '"""\n' + script[script.index(">>> bandsaw.task(lambda: 1") :]
    short = text[: text.index(">>> class")] + '"""\nimport bandsaw\n'
    (workflow.directory / "short.py").write_text(short)
    assert workflow.python("-m", "doctest", "short.py").stdout == ""


SOURCELESS = """
import bandsaw

def make(text):
    space = {"__name__": __name__}
    exec(text, space)
    return space["make"]()

text = "def make():\\n    def local(x):\\n        return x\\n    return local"

@bandsaw.task
def apply(function):
    return function(1)

def exceptions_of(call, *args):
    try:
        call(*args)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

if __name__ == "__main__":
    function = make(text)
    exceptions_of(bandsaw.task(function), 1)
    exceptions_of(apply, function)
"""


def test_a_function_without_a_text_is_refused(workflow: Workflow) -> None:
    config = CONFIG.format(executable=str(python("3.8")))
    workflow.write({"bandsaw_config.py": config, "workflow.py": SOURCELESS})
    task, argument = workflow.python("workflow.py").stdout.splitlines()
    assert task.startswith(
        "NotMovableError: Task workflow.make.<locals>.local cannot be moved to another "
        "interpreter: it is local to a function or has no name, and no text compiles"
    )
    assert argument.startswith("SerializationError: Argument 'function' of ")


NEWER = """
import bandsaw

def make():
    @bandsaw.task
    def local(x):
        match x:
            case 1:
                return True
    return local

if __name__ == "__main__":
    try:
        make()(1)
    except bandsaw.exceptions.NotMovableError as error:
        print(str(error).rpartition("/")[2])
"""


@pytest.mark.skipif(sys.version_info < (3, 10), reason="has not that syntax either")
def test_a_syntax_that_the_other_python_lacks_is_named(workflow: Workflow) -> None:
    config = CONFIG.format(executable=str(python("3.8")))
    workflow.write({"bandsaw_config.py": config, "workflow.py": NEWER})
    output = workflow.python("workflow.py").stdout
    assert output.startswith("workflow.py, line 7 is no Python 3.8: ")
