"""Cells of notebooks, and what they print: each case is a sentence about tasks."""

from __future__ import annotations

# What all of them begin with
FIRST = """
import os
import bandsaw

def is_elsewhere(pid):
    return pid != os.getpid()
"""

# What separates the cells of a case
_NEXT = "# %%\n"

#: The cells of each case. They print `True` for everything that holds.
CASES: dict[str, str] = {
    "results are instances of the classes and enums of the cells": """
import enum
from dataclasses import dataclass, field

class Colour(enum.Enum):
    RED = 1

@dataclass
class Point:
    x: int
    colours: list = field(default_factory=list)
# %%
@bandsaw.task
def moved(point):
    return os.getpid(), Point(point.x + 1, [Colour.RED, *point.colours])
# %%
pid, point = moved(Point(1, [Colour(1)]))
print(is_elsewhere(pid), type(point) is Point, point == Point(2, [Colour.RED] * 2))
print(point.colours[0] is Colour.RED)
""",
    "the latest binding of a name counts": """
factor = 2
def helper(x):
    return factor * x
# %%
@bandsaw.task
def scaled(x):
    return helper(x)
# %%
print(scaled(1) == 2, scaled(2) == 4)
# %%
def helper(x):
    return -factor * x
# %%
print(scaled(1) == -2)
factor = 3
print(scaled(1) == -3)
""",
    "captured data is that of the moment of the call, and fresh in each": """
rows = [1, 2]
@bandsaw.task
def grow():
    rows.append(0)
    return rows
# %%
rows.append(3)
print(grow() == [1, 2, 3, 0], grow() == [1, 2, 3, 0])
# %%
rows.append(4)
print(grow() == [1, 2, 3, 4, 0], rows == [1, 2, 3, 4])
""",
    "attributes of a class are those of the moment of the call": """
from dataclasses import dataclass
class Limit:
    pass
class Model:
    limit, unit = 4, "g"
    names = ["first"]
    count = 0
    made = max(1, 2)
    def __init__(self):
        Model.count += 1
@dataclass
class Row:
    width: int = 1
def sources():
    return Row.width
# %%
@bandsaw.task
def attributes():
    Model.names.append("lost")
    return Model.limit, Model.names, Model.count, Model.made, sources()
# %%
print(attributes() == (4, ["first", "lost"], 0, 2, 1))
# %%
Model.limit, Row.width = 5, 2
Model.names.append("second")
Model()
print(attributes() == (5, ["first", "second", "lost"], 1, 2, 2))
# %%
Model.names.append("third")
setattr(Model, "made", Limit)
expected = (5, ["first", "second", "third", "lost"], 1, Limit, 2)
print(attributes() == expected, attributes() == expected)
""",
    "attributes are those of the call in classes inside of classes, by any name": """
class Outer:
    class Inner:
        limit = 1
        made = max(1, 2)
        class Innermost:
            names = []
    class Slotted:
        __slots__ = ("a",)
        def __init__(self):
            self.a = 1
    @classmethod
    def change(cls):
        cls.Inner.made = 3
    total = sum([1])
# %%
import threading
class Base:
    def __init_subclass__(cls):
        cls.label = cls.__name__
class Derived(Base):
    lock = threading.Lock()
    def __init__(self):
        self.lock = 1
@bandsaw.task
def outer():
    Outer.Inner.Innermost.names.append("lost")
    inner = Outer.Inner
    found = inner.limit, inner.made, inner.Innermost.names, Outer.total
    return found, Outer.Slotted().a, Derived.label, Outer._hidden
# %%
alias = Outer
alias._hidden = 5
alias.total = 4
print(outer() == ((1, 2, ["lost"], 4), 1, "Derived", 5))
# %%
Outer.Inner.limit = 2
Outer.change()
Outer.Inner.Innermost.names.append("kept")
expected = (2, 3, ["kept", "lost"], 4), 1, "Derived", 5
print(outer() == expected, outer() == expected)
""",
    "what tasks set anew is fresh in each call": """
count = 1
def counted():
    global count
    count += 1
    return count
class Counting:
    n = 0
    @classmethod
    def count(cls):
        cls.n += 1
        return cls.n
# %%
@bandsaw.task
def counts():
    return counted(), Counting.count()
print(counts() == (2, 1), counts() == (2, 1), counts() == (2, 1), count == 1)
Counting.count(), counted()
print(counts() == (3, 2), counts() == (3, 2))
""",
    "containers of classes and attributes of functions are those of the call": """
from dataclasses import dataclass
class Meta(type):
    pass
class Metaclassed(metaclass=Meta):
    registry = {}
class Plain:
    registry = dict(a=1)
@dataclass
class Decorated:
    x: int = 1
    registry = []
def tagged():
    return tagged.tag
tagged.tag = 1
# %%
@bandsaw.task
def registries():
    found = dict(Metaclassed.registry), Plain.registry.copy(), Decorated.registry[:]
    Plain.registry["lost"] = 1
    return found, tagged(), Decorated().x
print(registries() == (({}, {"a": 1}, []), 1, 1))
# %%
Metaclassed.registry["k"] = Metaclassed()
Plain.registry["b"] = 2
Decorated.registry.append(1)
tagged.tag = 2
for _ in range(2):
    (first, *rest), tag, x = registries()
    print(type(first["k"]) is Metaclassed, rest == [{"a": 1, "b": 2}, [1]])
    print(tag == 2, x == 1)
""",
    "functions are defined inside of other statements": """
if True:
    def inside(n, unit=[1]):
        unit.append(0)
        return 0 if not n else inside(n - 1) + len(unit)
# %%
@bandsaw.task
def calls_inside():
    return inside(2)
print(calls_inside() == 8, calls_inside() == 8)
""",
    "tasks are defined inside of other statements": """
import functools
def wrapped(function):
    @functools.wraps(function)
    def call(*args):
        return [function(*args), offset]
    return call
offset = 1
try:
    missing
except NameError:
    if offset:
        @bandsaw.task(version="1")
        def branch(n, step=offset):
            '''Keeps
its lines.'''
            return [n, *(branch(n - step) if n else [])]
    else:
        def branch(n):
            return n
    @bandsaw.task
    @wrapped
    def twofold(n):
        return branch(n), branch.bandsaw_task.function.__doc__
    @wrapped
    def decorated(n):
        return -n
# %%
@bandsaw.task
def calls_branch():
    return branch(1), decorated(1)
for _ in range(2):
    print(branch(2) == [2, 1, 0], calls_branch() == ([1, 0], [-1, 1]))
    print(twofold(1) == [([1, 0], "Keeps\\nits lines."), 1])
""",
    "what the shell has names for can be the user's": """
Out = [1]
@bandsaw.task
def last():
    return Out[-1]
# %%
print(last() == 1)
""",
    "what a name in a function means locally is not captured": """
import threading
lock = threading.Lock()
# %%
@bandsaw.task
def local(lock):
    return lock + 1
# %%
print(local(1) == 2)
""",
    "classes inherit over cells, with metaclasses and named tuples": """
class Meta(type):
    def __new__(cls, name, bases, members):
        return super().__new__(cls, name, bases, {**members, 'made': name})
# %%
class Base(metaclass=Meta):
    def value(self):
        return offset()
# %%
from collections import namedtuple
Pair = namedtuple('Pair', 'a b')
class Model(Base):
    pass
def offset():
    return 5
# %%
@bandsaw.task
def fit(model):
    return Pair(model.value(), Model.made)
# %%
pair = fit(Model())
print(type(pair) is Pair, pair == (5, 'Model'))
""",
    "decorators run where the task runs": """
import functools
def twice(function):
    @functools.wraps(function)
    def call(*args):
        return 2 * function(*args)
    return call
# %%
@twice
def doubled(x):
    return x + 1
@functools.lru_cache(maxsize=None)
def kept(x):
    return x
# %%
@bandsaw.task
@twice
def decorated(x):
    return doubled(x) + kept(1)
# %%
print(decorated(1) == 10)
""",
    "closures, lambdas and partials are arguments and constants": """
def adder(n):
    def add(x):
        return x + n + step
    return add
step = 1
add_two = adder(2)
table = {'neg': lambda x: -x}
# %%
from functools import partial
@bandsaw.task
def apply(function, x):
    return add_two(table['neg'](function(x)))
# %%
print(apply(lambda x: x * step, 4) == -1, apply(adder(1), 1) == 0)
print(apply(partial(pow, 2), 3) == -5, apply(partial(adder(1)), 1) == 0)
""",
    "tasks are local functions and lambdas": """
def make_task(n):
    @bandsaw.task
    def local_task(x):
        return x + n + unit
    return local_task
unit = 10
# %%
plus_one, plus_two = make_task(1), make_task(2)
square = bandsaw.task(lambda x: x * x)
print(plus_one(1) == 12, plus_two(1) == 13, plus_one(2) == 13, square(3) == 9)
# %%
unit = 20
print(plus_one(1) == 22, plus_two(1) == 23, square(4) == 16)
""",
    "a function that calls itself is captured": """
def make():
    def fact(n):
        return 1 if n < 2 else n * fact(n - 1)
    return fact
fact = make()
# %%
@bandsaw.task
def recursive(n):
    return fact(n)
# %%
print(recursive(4) == 24)
""",
    "imports have their names, come with a star, and may fail elsewhere": """
import xml.dom.minidom
import json as js
from math import *
try:
    import no_such_module as optional
except ImportError:
    optional = None
# %%
@bandsaw.task
def imported():
    node = xml.dom.minidom.parseString('<a/>').documentElement
    return node.tagName, js.dumps(floor(1.5)), optional
# %%
print(imported() == ('a', '1', None))
""",
    "a future statement of one cell is in force in later ones": """
from __future__ import annotations
# %%
@bandsaw.task
def annotated(x: no_such_name) -> int | None:
    return x
class Annotated:
    x: no_such_name = 1
# %%
print(annotated(1) == 1)
""",
    "tasks call tasks, also elsewhere, and are methods": """
class Worker:
    base = 10
    @bandsaw.task
    def work(self, x):
        return os.getpid(), inner(x) + self.base
# %%
@bandsaw.task
def inner(x):
    return x + 1
@bandsaw.task
def pids():
    return os.getpid(), Worker().work(0)[0]
# %%
pid, value = Worker().work(1)
print(is_elsewhere(pid), value == 12)
print(len({os.getpid(), *pids()}) == 3)
""",
    "tasks are coroutine functions": """
import asyncio
async def one():
    await asyncio.sleep(0)
    return 1
# %%
@bandsaw.task
async def awaited(x):
    return x + await one()
# %%
async def main():
    return await awaited(1)
def run(coroutine):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
# %%
import threading
results = []
thread = threading.Thread(target=lambda: results.append(run(main())))
thread.start(); thread.join()
print(results == [2])
""",
    "many calls are submitted": """
unit = 3
@bandsaw.task
def times(x):
    return unit * x
# %%
print(list(times.map(range(5))) == [0, 3, 6, 9, 12])
unit = 4
print(list(times.map(range(5))) == [0, 4, 8, 12, 16])
""",
}

#: What is refused: the cells, and what the error of the last one says.
REFUSED: dict[str, tuple[str, str]] = {
    "an open file": (
        """
log = open(os.devnull)
def write():
    return log.name
# %%
@bandsaw.task
def logged():
    return write()
# %%
logged()
""",
        "'logged' uses 'write', which uses 'log', and that is an object of _io.",
    ),
    "a function that exec has made": (
        """
exec('def executed():\\n    return 1')
# %%
@bandsaw.task
def calling():
    return executed()
# %%
calling()
""",
        "'calling' uses 'executed', and that is nowhere in the source",
    ),
    "an attribute that a class was given later": (
        """
class Patched:
    def value(self):
        return 1
# %%
def new_value(self):
    return 2
Patched.value = new_value
# %%
@bandsaw.task
def patched():
    return Patched().value()
# %%
patched()
""",
        "'Patched', and that is a class whose attribute 'value' was set later",
    ),
    "an attribute that was deleted": (
        """
class Deleted:
    class Inner:
        def value(self):
            return 1
# %%
@bandsaw.task
def deleted():
    return hasattr(Deleted.Inner, "value")
print(deleted())
# %%
del Deleted.Inner.value
deleted()
""",
        "'Deleted', and that is a class whose attribute 'Inner.value' was deleted",
    ),
    "an attribute of a dataclass that was deleted": (
        """
from dataclasses import dataclass, field
@dataclass
class Thin:
    sizes: list = field(default_factory=list)
    def size(self):
        return 1
# %%
delattr(Thin, "size")
@bandsaw.task
def thin():
    return Thin().size()
# %%
thin()
""",
        "'Thin', and that is a class whose attribute 'size' was deleted later",
    ),
    "methods that have changed their places": (
        """
class Swapped:
    def first(self):
        return 1
    def second(self):
        return 2
# %%
Swapped.first, Swapped.second = Swapped.second, Swapped.first
@bandsaw.task
def swapped():
    return Swapped().first()
# %%
swapped()
""",
        "'Swapped', and that is a class whose attribute 'first' was set later",
    ),
    "a method of a class inside of another one": (
        """
class Around:
    class Inner:
        def value(self):
            return 1
# %%
Around.Inner.other = lambda self: 2
@bandsaw.task
def around():
    return Around.Inner().other()
# %%
around()
""",
        "'Around', and that is a class whose attribute 'Inner.other' was set later",
    ),
    "an instance of a class that was defined anew": (
        """
class Old:
    pass
old = Old()
# %%
class Old:
    size = 1
# %%
@bandsaw.task
def sized(value):
    return value.size
# %%
sized(old)
""",
        "a value of the class 'Old' was made before that was defined anew",
    ),
    "the shell": (
        """
@bandsaw.task
def shelled():
    return get_ipython()
# %%
shelled()
""",
        "'shelled' uses 'get_ipython', and that is the shell of the notebook",
    ),
    "what shows things": (
        """
import builtins
builtins.display = print  # IPython has one.
@bandsaw.task
def showing():
    display(1)
# %%
showing()
""",
        "'showing' uses 'display', and that shows things on the page of the notebook",
    ),
    "a name of the shell": (
        """
@bandsaw.task
def first_cell():
    return In[1]
# %%
first_cell()
""",
        "'first_cell' uses 'In', and that belongs to the shell of the notebook",
    ),
    "an attribute that was set to what cannot be pickled": (
        """
class Locked:
    lock = None
@bandsaw.task
def locked():
    return Locked.lock
# %%
import threading
Locked.lock = threading.Lock()
# %%
locked()
""",
        "is a class whose attribute 'lock' was set later, and cannot be pickled",
    ),
}


def _cells_of(case: str) -> list[str]:
    return case.strip("\n").split(_NEXT)


def all_cells() -> list[str]:
    """Return the cells of all cases, to be executed in one kernel."""
    cells = [FIRST.strip()]
    for case in CASES.values():
        cells += _cells_of(case)
    for case, _ in REFUSED.values():
        cells += _cells_of(case)
    return cells


def check(printed: list[str]) -> dict[str, str]:
    """Return what does not hold, by the sentence.

    Args:
        printed: What each of `all_cells()` has printed.
    """
    wrong: dict[str, str] = {}
    rest = iter(printed)
    if next(rest):
        wrong["first"] = printed[0]
    for sentence, case in CASES.items():
        words = " ".join(next(rest) for _ in _cells_of(case)).split()
        if not words or set(words) != {"True"}:
            wrong[sentence] = " ".join(words)
    for sentence, (case, message) in REFUSED.items():
        text = "".join(next(rest) for _ in _cells_of(case))
        if message not in text or "NotMovableError" not in text:
            wrong[sentence] = text
    return wrong
