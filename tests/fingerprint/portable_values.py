"""Values whose fingerprints must be the same on every Python; prints them as JSON."""

from __future__ import annotations

import array
import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import json
import operator
import os.path
import pathlib
import random
import re
import types
import typing
import uuid
from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple

from bandsaw.fingerprint import argument_tokens, fingerprint, fingerprint_of_tokens


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 4


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 4


@dataclass
class Point:
    x: int
    y: float = 0.5
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    name: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


Old = collections.namedtuple("Old", "a b")


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def method(self) -> None:
        pass


class Slotted:
    __slots__ = ("__private", "a", "b")

    def __init__(self) -> None:
        self.a = 1
        self.__private = 2


class SlottedChild(Slotted):
    def __init__(self) -> None:
        super().__init__()
        self.c = [3]


class Reduced:
    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> Any:
        return Reduced, (self.text,)


class WithState:
    def __init__(self) -> None:
        self.kept = 1
        self.lock = object()

    def __getstate__(self) -> Any:
        return {"kept": self.kept}


class StandsIn:
    def __fingerprint__(self) -> Any:
        return {"this", "that"}


class Registered:
    pass


copyreg.pickle(Registered, lambda value: (Registered, (), {"z": 1, "a": 2}))


class MyInt(int):
    pass


class MyList(List[int]):
    pass


class MyDict(Dict[str, int]):
    pass


class MySet(set):  # type: ignore[type-arg]
    pass


class MyError(ValueError):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.others: Any = set()


def top(a: int, b: int = 1) -> int:
    return a + b


@functools.lru_cache(maxsize=None)
def cached(a: int) -> int:
    return a


def make_scaler(factor: int) -> Any:
    def scale(x: int, offset: int = 1) -> Any:
        """Scales."""
        return lambda y: [(x * factor + offset, z) for z in range(y)]

    return scale


def circles() -> dict[str, Any]:
    itself: list[Any] = []
    itself.append(itself)
    mapping: dict[str, Any] = {"name": "m"}
    mapping["me"] = {"inner": mapping, "list": [1, mapping]}
    nodes = [Node(name) for name in "abcde"]
    for node in nodes:
        node.others.update(nodes)
    keyed = Node("keyed")
    keyed.others = {keyed: 1, nodes[0]: 2}
    return {
        "list in itself": itself,
        "dict in itself": mapping,
        "sets of objects that know each other": nodes,
        "an object that is its own key": keyed,
    }


def values() -> dict[str, Any]:
    deep: Any = 0
    for _ in range(5000):
        deep = [deep]
    words = [f"word{number}" for number in range(100)]
    found = {
        "leaves": [
            None,
            True,
            1,
            -1,
            2**70,
            -(2**70),
            10**5000,
            1.5,
            1j,
            "ä\ud800",
            b"x",
        ],
        "numbers": [list(range(50)), [0.5] * 20, [True] * 9, [1, 2.0] * 9],
        "nan": [float("nan"), -float("nan"), complex(float("nan"), 0.0)],
        "many nans": [1.0] * 10 + [float("nan"), float("inf"), -float("inf")],
        "annotations": [
            *(typing.List, typing.Callable, typing.Tuple, typing.Any, typing.NoReturn),
            *(typing.List[int], typing.Optional[int], typing.Tuple[()]),
            *(typing.Dict[str, typing.Any], typing.Tuple[int, ...]),
            *(typing.Callable[[int], str], typing.Callable[..., str]),
            *(typing.List["Node"], typing.Literal[1, "a"], typing.Iterator[Node]),
        ],
        "functions without a name": [make_scaler(2), make_scaler(3)(1)],
        "words": words,
        "set of words": set(words),
        "frozenset": frozenset(words),
        "mixed set": {1, "a", b"b", None, 1.5, (2, "c"), frozenset([3, "d"])},
        "dict": dict.fromkeys(words, 1),
        "mixed dict": {1: "a", "b": 2, None: [3], (4,): {5: 6}, 2.5: 7, b"c": 8},
        "views": [{"a": 1, 2: 3}.keys(), {"a": 1}.values(), {"a": 1, 2: 3}.items()],
        "proxy": types.MappingProxyType({"a": 1}),
        "buffers": [bytearray(b"x" * 300), memoryview(b"abc"), array.array("d", [1.5])],
        "large": b"0123456789" * 500_000,
        "range and slice": [range(3), range(5, 1), slice(1, None, 2)],
        "constants": [Ellipsis, NotImplemented],
        "enums": [Color.RED, Level.LOW, Access.READ | Access.WRITE, ~Mode.READ],
        "inverted flags": [~Access.READ, Mode(0), Mode.READ | Mode.WRITE],
        "dataclasses": [Point(1), Point(2, 3.0, ["t"]), Frozen("f")],
        "named tuples": [Pair(1), Old(1, [2])],
        "paths": [pathlib.Path("a/b"), pathlib.PurePosixPath("c")],
        "windows path": pathlib.PureWindowsPath("c:/x"),
        "dates": [
            datetime.date(2020, 1, 2),
            datetime.time(1, 2, 3, 4, fold=1),
            datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
            datetime.timedelta(1, 2, 3),
            datetime.timezone(datetime.timedelta(hours=1), "CET"),
        ],
        "decimals": [
            decimal.Decimal("1.50"),
            decimal.Decimal("-NaN"),
            fractions.Fraction(1, 3),
        ],
        "uuid": uuid.UUID(int=5),
        "patterns": [re.compile("a+", re.I), re.compile(b"b")],
        "addresses": [ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8")],
        "collections": [
            collections.deque([1, 2], 3),
            collections.OrderedDict(b=1, a=2),
            collections.defaultdict(list, {"a": [1]}),
            collections.Counter("abca"),
            collections.ChainMap({"a": 1}),
            collections.UserDict({"a": 1}),
            types.SimpleNamespace(b=1, a=2),
        ],
        "exceptions": [
            ValueError("a", 1),
            MyError("m", 3),
            OSError(2, "no", "file"),
            KeyError("k"),
            AttributeError("a"),
            ImportError("i", name="n"),
            StopIteration(3),
            UnicodeDecodeError("utf-8", b"x", 0, 1, "why"),
        ],
        "functions": [
            top,
            len,
            os.path.join,
            str.upper,
            "a".join,
            [].append,
            dict.fromkeys,
        ],
        "methods": [Plain.method, Plain(a=1).method, cached],
        "classes": [int, Plain, Color, pathlib.PosixPath, type(None), decimal.Decimal],
        "partial": functools.partial(sum, Plain(a=1), start=2),
        "operators": [
            operator.itemgetter(1, "a"),
            operator.attrgetter("x"),
            operator.add,
        ],
        "objects": [Plain(b=1, a={"x"}), Plain(), Slotted(), SlottedChild()],
        "pickling": [Reduced("r"), WithState(), Registered(), StandsIn()],
        "subclasses": [MyInt(3), MyList([1, 2]), MyDict(a=1), MySet(words)],
        "streams": [io.BytesIO(b"abc"), io.StringIO("abc")],
        "random": random.Random(5),
        "deep": deep,
        **circles(),
    }
    return found


def main() -> None:
    result = {name: fingerprint(value).hex() for name, value in values().items()}
    arguments = fingerprint_of_tokens(argument_tokens({"b": 1, "a": values()}))
    assert isinstance(arguments, bytes)
    result["arguments"] = arguments.hex()
    print(json.dumps(result))
