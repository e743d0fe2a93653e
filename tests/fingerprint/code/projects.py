"""A small project of several modules, and what edits do to the code of its tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence, Tuple

from tests.workflows import SCRIPTS, Workflow, write_files

Edit = Tuple[str, str, str]

PROJECT: dict[str, str] = {
    "work.py": '''
        """The tasks."""
        import functools
        import math
        import enum

        import helpers
        import package
        import holding
        import reexporting
        from helpers import clean as tidy
        from package import tools, exported
        from package.deep import inner
        from starred import *
        from decorating import kept_elsewhere, logged, Registry, Remembering

        LIMIT = 10
        UNUSED = 1
        TABLE = {"a": [1, 2], "b": (3, {4, 5})}
        COUNTS = {}
        SCALE = float("2")
        PARTIAL = functools.partial(helpers.scaled, factor=3)
        square = lambda x: x * x


        class Color(enum.Enum):
            RED = 1
            BLUE = 2


        class Unused:
            value = 1


        @logged("work")
        def decorated(x):
            return x + 1


        @functools.lru_cache(maxsize=None)
        def remembered(x):
            return x + 100


        @Remembering
        def remembered_by_an_object(x):
            return x + 200


        def given_again(x):
            return x + 300


        given_again = Remembering(given_again)


        @kept_elsewhere
        def hidden(x):
            return x + 400


        def make_adder(amount):
            def add(x):
                return x + amount
            return add


        add_three = make_adder(3)


        def nested(x):
            def inside(y):
                return tidy(y)
            return [inside(item) for item in x]


        def recursive(x):
            return other_half(x - 1) if x else 0


        def other_half(x):
            return recursive(x)


        def late(x):
            from lazy import lazily
            import lazy_package.module as module
            return lazily(x) + module.more(x)


        def task(x: int, limit: int = LIMIT) -> int:
            """Does it all."""
            # A comment
            COUNTS[x] = 1
            holding.SEEN[x] = 1
            values = [tidy(x), helpers.scaled(x), tools.tool(x), inner.deep(x)]
            values += [starred(x), package.exported(x), decorated(x), square(x)]
            values += [remembered(x), add_three(x), nested([x])[0], recursive(x)]
            values += [PARTIAL(x), late(x), SCALE, TABLE["a"][0], Color.RED.value]
            values += [helpers.Model(x).fit(), math.floor(x)]
            values += [remembered_by_an_object(x), given_again(x), hidden(x)]
            values += [helpers.dispatched(x), helpers.Logged().first()]
            values += [holding.pipeline(x), holding.scale(x), holding.find(x)]
            values += [holding.SCALES["a"](x), holding.SETTINGS.rate, holding.Net(x)]
            values += [getattr(holding, "named")(x), reexporting.shown(x)]
            if x < limit:
                return sum(values)
            raise ValueError("too much")


        def unused(x):
            return UNUSED
        ''',
    "helpers.py": '''
        import functools

        from decorating import Remembering, logged

        FACTOR = 2


        def clean(x):
            return strip(x)


        def strip(x):
            return abs(x)


        def scaled(x, factor=FACTOR):
            return x * factor


        def unreached(x):
            return [x]


        class Base:
            start = 5

            def prepare(self):
                return self.start


        class Model(Base):
            """A model."""

            size: int = 3

            def __init__(self, x):
                self.x = x

            def fit(self):
                return self.prepare() + self.rate

            @property
            def rate(self):
                return 7

            @staticmethod
            def helper():
                return FACTOR

            @functools.cached_property
            def area(self):
                return 500

            @functools.singledispatchmethod
            def any(self, x):
                return 600

            @any.register
            def _(self, x: bytes):
                return 601

            @any.register
            def _(self, x: bytearray):
                return 602

            @staticmethod
            @Remembering
            def kept(x):
                return 700


        class Other(Base):
            def prepare(self):
                return 0


        class Logged:
            @logged("method")
            def first(self):
                return self.held.function

            held = Remembering(900)


        @functools.singledispatch
        def dispatched(x):
            return 800


        @dispatched.register
        def _(x: list):
            return 801


        @dispatched.register(tuple)
        def _(x):
            return 802
        ''',
    "holding.py": """
        from dataclasses import dataclass

        from decorating import Remembering


        class Step:
            def __init__(self, factor):
                self.factor = factor

            def __call__(self, x):
                return x * self.factor


        class Scaler:
            def __init__(self, factor):
                self.factor = factor

            def scale(self, x):
                return x * self.factor


        def compose(*steps):
            def run(x):
                for step in steps:
                    x = step(x)
                return x
            return run


        @dataclass
        class Settings:
            __slots__ = ("rate",)
            rate: float


        class Net:
            layers = [8, 16]

            def __init__(self, x):
                self.x = x


        def named(x):
            return x + 1000


        pipeline = compose(Step(1))
        scale = Scaler(2).scale
        SEEN = dict(a=1)
        find = {"a": 3}.get
        SCALES = {"a": Scaler(4).scale}
        SETTINGS = Settings(0.5)
        """,
    "reexporting/__init__.py": """
        def __getattr__(name):
            if name == "shown":
                from .implementation import shown
                return shown
            raise AttributeError(name)
        """,
    "reexporting/implementation.py": """
        def shown(x):
            return x + 1001
        """,
    "package/__init__.py": """
        from .tools import original as exported
        """,
    "package/tools.py": """
        from . import settings


        def tool(x):
            return x + settings.OFFSET


        def original(x):
            return x - 1
        """,
    "package/settings.py": """
        OFFSET = 1
        OTHER = 2
        """,
    "package/deep/__init__.py": "",
    "package/deep/inner.py": """
        from ..settings import OFFSET as START


        def deep(x):
            return x + START
        """,
    "starred.py": """
        __all__ = ["starred"]


        def starred(x):
            return x ** 2
        """,
    "decorating.py": """
        import functools


        def logged(name):
            def decorate(function):
                @functools.wraps(function)
                def wrapper(*args, **kwargs):
                    notes = [name]
                    return function(*args, **kwargs)
                return wrapper
            return decorate


        class Registry(dict):
            pass


        class Remembering:
            def __init__(self, function):
                self.function = function
                self.seen = {}

            def __call__(self, x):
                self.seen[x] = [x]
                return self.function(x)


        FUNCTIONS = []


        class Kept:
            def __init__(self, number):
                self.number = number

            def __call__(self, x):
                return FUNCTIONS[self.number](x)


        def kept_elsewhere(function):
            FUNCTIONS.append(function)
            return Kept(len(FUNCTIONS) - 1)
        """,
    "lazy.py": """
        print("imported lazy")
        AMOUNT = 4


        def lazily(x):
            return below(x) + AMOUNT


        def below(x):
            return 3 * x


        def never(x):
            return {x}
        """,
    "lazy_package/__init__.py": "print('imported lazy_package')\n",
    "lazy_package/module.py": """
        def more(x):
            return x
        """,
}


def write_project(directory: Path, *edits: Edit) -> Path:
    """Write the project with some edits: the file, the old and the new text."""
    files = {
        name: "\n".join(line[8:] for line in text.split("\n"))
        if "\n " in text
        else text
        for name, text in PROJECT.items()
    }
    for name, old, new in edits:
        assert old in files[name], f"{old!r} is not in {name}"
        files[name] = files[name].replace(old, new)
    write_files(directory, files)
    return directory


def digests_of(
    workflow: Workflow, directories: Sequence[Path], **options: Any
) -> list[str]:
    """The digests of the task's code in some projects, read by a real interpreter."""
    completed = workflow.python(
        *("-B", SCRIPTS / "digests.py"),
        input=json.dumps([str(directory) for directory in directories]),
        **options,
    )
    digests: Any = json.loads(completed.stdout.splitlines()[-1])
    return list(digests)
