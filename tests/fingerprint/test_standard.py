"""The identity of values of the standard library's types."""

from __future__ import annotations

import array
import collections
import functools
import ipaddress
import re
import sys
import types
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from enum import Enum, IntFlag
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from bandsaw.exceptions import UnstableValueError
from bandsaw.fingerprint import fingerprint


class Mode(IntFlag):
    READ = 1
    WRITE = 4


class Texts(Enum):
    A = "a"


class Dates(date):
    pass


class Names(set):  # type: ignore[type-arg]
    pass


class FrozenNames(frozenset):  # type: ignore[type-arg]
    pass


def named_date(name: str) -> Dates:
    value = Dates(2020, 1, 1)
    value.name = name  # type: ignore[attr-defined]
    return value


@functools.lru_cache(maxsize=None)
def cached(a: int) -> int:
    return a


def locally_cached(number: int) -> Any:
    @functools.lru_cache(maxsize=None)
    def function() -> int:
        return number

    return function


HOUR = timezone(timedelta(hours=1))
ALL_DIFFERENT: list[Any] = [
    *(date(2020, 1, 1), date(2020, 1, 2), Dates(2020, 1, 1), datetime(2020, 1, 1)),
    *(named_date("a"), named_date("b"), (2020, 1, 1), "2020-01-01"),
    *(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2020, 1, 1, tzinfo=HOUR)),
    *(time(1), time(1, 1), time(1, fold=1), timedelta(1), timedelta(0, 1), HOUR),
    *(Decimal("1"), Decimal("1.0"), Decimal("-0"), Decimal("0"), Decimal("NaN")),
    *(Decimal("Infinity"), Decimal("1E+10"), Fraction(1), Fraction(1, 2)),
    *(uuid.UUID(int=1), uuid.UUID(int=2), ipaddress.ip_address("1.1.1.1")),
    *(ipaddress.ip_network("1.1.1.1"), ipaddress.ip_interface("1.1.1.1")),
    *(PurePosixPath("a"), PureWindowsPath("a"), Path("a"), Path("b"), "a"),
    *(re.compile("a"), re.compile("a", re.I), re.compile(b"a")),
    *(collections.deque(), collections.deque(maxlen=1), collections.deque([1])),
    *(collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
    *(collections.defaultdict(list), collections.defaultdict(set)),
    *(collections.Counter("a"), collections.Counter("ab"), {"a": 1}, {"a": 1, "b": 2}),
    *(array.array("d", [1]), array.array("f", [1]), array.array("i", [1]), [1], [1.0]),
    *(types.SimpleNamespace(a=1), types.MappingProxyType({"a": 1})),
    *(Names({1}), FrozenNames({1}), {1}, frozenset({1}), Names(), Names({1, 2})),
    *(Mode.READ, Mode.WRITE, Mode.READ | Mode.WRITE, Mode(0), Texts.A, 5),
    *(cached, locally_cached(1), locally_cached(2)),
    *(OSError(1, "a"), OSError(1, "a", "b"), OSError(1, "a", "c")),
    *(ImportError("a"), ImportError("a", name="b")),
    *(functools.partial(cached), functools.cached_property(cached)),
    *(staticmethod(cached), classmethod(repr), property(cached)),
    *(str.upper, str.lower, int.real, int.__add__, (1).__add__, (2).__add__),
    *(dict.__dict__["fromkeys"], dict.fromkeys, Path, PurePath, type, type(None)),
    *(cached.__wrapped__.__code__, locally_cached.__code__),
]


def test_values_of_the_standard_library_are_told_apart() -> None:
    found = [fingerprint(value) for value in ALL_DIFFERENT]
    alike = [ALL_DIFFERENT[i] for i, each in enumerate(found) if found.count(each) > 1]

    assert alike == []


def test_the_context_of_a_decimal_does_not_count() -> None:
    before = fingerprint(Decimal("1E+10"))
    with localcontext() as context:
        context.capitals = 0
        assert fingerprint(Decimal("1E+10")) == before


@pytest.mark.parametrize("code", list("bBhHiIlLqQ"))
def test_arrays_of_numbers_differ_by_type_and_content(code: str) -> None:
    value = array.array(code, [1, 2])

    assert fingerprint(value) == fingerprint(array.array(code, [1, 2]))
    assert fingerprint(value) != fingerprint(array.array(code, [1, 3]))
    assert fingerprint(value) != fingerprint(array.array("d", [1, 2]))


def test_a_path_counts_by_its_text_however_it_was_used() -> None:
    used = Path("a") / "b"
    assert str(used) == "a/b"
    assert used.parts == ("a", "b")
    assert hash(used) == hash(Path("a/b"))

    assert fingerprint(used) == fingerprint(Path("a/b"))


@pytest.mark.skipif(sys.version_info < (3, 9), reason="zoneinfo came with Python 3.9")
def test_a_time_zone_counts_by_its_key(tmp_path: Path) -> None:
    import zoneinfo

    try:
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("this machine knows no time zones")
    own = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")

    assert fingerprint(own) == fingerprint(zone)
    assert fingerprint(zone) != fingerprint(zoneinfo.ZoneInfo("Europe/Paris"))


class Awkward:
    __module__ = 5  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError if name == "__qualname__" else AttributeError(name)

    def __call__(self) -> None:
        pass


def test_a_class_that_answers_strangely_is_no_trouble() -> None:
    assert fingerprint(Awkward()) == fingerprint(Awkward())


def test_what_a_value_says_of_its_class_does_not_count() -> None:
    class Unsure:
        @property
        def __class__(self) -> Any:
            raise RuntimeError

    assert fingerprint(Unsure()) == fingerprint(Unsure())


def test_a_range_may_be_longer_than_a_length_can_be() -> None:
    long = range(-(10**40), 10**40, 7)

    assert fingerprint(long) == fingerprint(range(long[0], long[-1] + 1, 7))
    assert fingerprint(long) != fingerprint(long[1:])
    assert fingerprint(range(0, -(10**40), -1)) != fingerprint(range(0))


@pytest.mark.parametrize("reduced", [5, (list, (), None, 5), (dict, (), 0, None, [1])])
def test_a_pickling_that_makes_no_sense_is_refused(reduced: Any) -> None:
    class Senseless:
        def __reduce__(self) -> Any:
            return reduced

    with pytest.raises(UnstableValueError, match="Senseless"):
        fingerprint(Senseless())
