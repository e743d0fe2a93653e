import collections
import dataclasses
import enum

import bandsaw


@dataclasses.dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = 1


Pair = collections.namedtuple("Pair", "a b")


class Problem(ValueError):
    def __init__(self, code, *, reason):
        super().__init__(f"{reason} ({code})")
        self.code = code


class Outer:
    class Inner:
        def __init__(self, value):
            self.value = value


@bandsaw.task
def change(point, colour, pair, inner):
    import __main__

    same = (type(point) is Point is __main__.Point, colour is Colour.RED)
    same += (type(pair) is Pair, type(inner) is Outer.Inner)
    return same, Point(point.x + 1), colour, Pair(pair.b, pair.a), inner


@bandsaw.task
def fail():
    raise Problem(7, reason="broken")


if __name__ == "__main__":
    same, point, colour, pair, inner = change(
        Point(1), Colour.RED, Pair(1, 2), Outer.Inner(3)
    )
    print(same)
    print(point == Point(2), colour is Colour.RED, pair == Pair(2, 1))
    print(type(pair) is Pair, type(inner) is Outer.Inner)
    try:
        fail()
    except Problem as error:
        print(error, error.code)
