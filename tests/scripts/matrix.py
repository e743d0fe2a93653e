import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import logging
import os
import sys
import sysconfig
import uuid

import bandsaw
from bandsaw_config import Check, pythons


@dataclasses.dataclass
class Point:
    x: int
    label: str = "ä"


class Colour(enum.Enum):
    RED = "red"


class Flags(enum.IntFlag):
    A = 1
    B = 2


Pair = collections.namedtuple("Pair", "a b")


class Problem(LookupError):
    def __init__(self, code, *, reason):
        super().__init__(reason)
        self.code = code
        self.point = Point(code)


VALUES = [
    None,
    True,
    1,
    -1,
    2**100,
    1.5,
    float("inf"),
    1 + 2j,
    "ä \U0001f600",
    b"\0bytes",
    bytearray(b"array"),
    [1, [2]],
    (1, (2,)),
    {"a": {1: None}},
    {1, 2},
    frozenset("ab"),
    range(3),
    Ellipsis,
    slice(1, 2),
    len,
    int,
    Colour.RED,
    Flags.A | Flags.B,
    Point(1),
    Pair(1, 2),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc),
    datetime.timedelta(1),
    decimal.Decimal("1.10"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=1),
    collections.OrderedDict(a=1),
    collections.deque([1], 3),
    collections.Counter("aab"),
]


def exchange(values, *, add):
    assert values == VALUES, values
    logging.getLogger("user").warning("from the task")
    return sys.version_info[:2], [*values, add], list(sys.path), os.getpid()


def fail(code):
    raise Problem(code, reason="on purpose")


def check(kind, version):
    chain = f"{kind} {version}"
    moved = bandsaw.task(exchange, chain=chain)
    there, values, path, pid = moved(VALUES, add=Point(2))
    assert there == tuple(map(int, version.split("."))), there
    assert values == [*VALUES, Point(2)], values
    assert type(values[-1]) is Point
    assert pid != os.getpid()
    if there != sys.version_info[:2]:
        paths = sysconfig.get_paths()
        for entry in path:
            for mine in paths["stdlib"], paths["platstdlib"], paths["purelib"]:
                assert not os.path.realpath(entry).startswith(os.path.realpath(mine))

    texts, ids = Check.seen.pop()
    log = [json.loads(line) for line in texts.pop("session.log").splitlines()]
    assert texts == {"here": "attached here", "there": "attached there"}, texts
    assert [line["message"].split()[0] for line in log] == ["BEFORE", "from", "AFTER"]
    assert {line["processId"] for line in log} == {pid}
    assert ids["here"] == ids["there"], ids

    try:
        bandsaw.task(fail, chain=chain)(7)
    except Problem as error:
        assert error.args == ("on purpose",)
        assert (error.code, error.point) == (7, Point(7))
        assert "in fail" in str(error.__cause__)
    else:
        raise AssertionError("nothing was raised")
    assert "here" in Check.seen.pop()[0]


if __name__ == "__main__":
    for version in pythons:
        for kind in "fresh", "resident":
            check(kind, version)
        print(version)
