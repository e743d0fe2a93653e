"""Forms of values of the standard library's types, the same on every Python.

The classes are known by name, so that none of their modules is imported for it.
"""

from __future__ import annotations

import os
import sys

from .definitions import name_token
from .form import Form
from .leaves import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    Expander = Callable[[Any], Union[bytes, Form]]


def _date(value: Any) -> object:
    return (value.year, value.month, value.day)


def _time(value: Any) -> object:
    fields = (value.hour, value.minute, value.second, value.microsecond)
    return (fields, value.fold, value.tzinfo)


def _datetime(value: Any) -> object:
    return (_date(value), _time(value))


def _timedelta(value: Any) -> object:
    return (value.days, value.seconds, value.microseconds)


def _timezone(value: Any) -> object:
    return value.__getinitargs__()


def _zone_info(value: Any) -> object:
    if value.key is None:
        raise TypeError("a time zone that was read from a file has no key")
    return value.key


def _decimal(value: Any) -> object:
    # Its text depends on the context.
    sign, digits, exponent = value.as_tuple()
    return (sign, bytes(digits), exponent)


def _fraction(value: Any) -> object:
    return (value.numerator, value.denominator)


def _uuid(value: Any) -> object:
    return value.int


def _path(value: Any) -> object:
    return os.fspath(value)


def _pattern(value: Any) -> object:
    return (value.pattern, value.flags)


def _partial(value: Any) -> object:
    return (value.func, value.args, value.keywords, value.__dict__)


def _cached_property(value: Any) -> object:
    return (value.func, value.attrname)


def _cached_function(value: Any) -> object:
    return value.__wrapped__


def _deque(value: Any) -> object:
    return (value.maxlen, list(value))


def _ordered_dict(value: Any) -> object:
    # Two of them are equal only when their orders are.
    return (list(value), list(value.values()))


def _array(value: Any) -> object:
    code = value.typecode
    if code in "fduw":
        return (code, value.tolist())
    if sys.byteorder == "big":
        value = value[:]
        value.byteswap()
    return (code, value.itemsize, memoryview(value).cast("B"))


def _exception(value: Any) -> object:
    args = value.args
    if isinstance(value, OSError):
        return (args, value.filename, value.filename2)
    if isinstance(value, ImportError):
        return (args, value.name, value.path)
    return args


def _set(value: Any) -> object:
    return set(value)


def _frozenset(value: Any) -> object:
    return frozenset(value)


def _mock(value: Any) -> object:
    # Each attribute that is read makes another mock, so that the walk would never end.
    raise TypeError("a mock is changed by each look at it")


# By module and name of a class: the name that represents it, and the function that
# returns what represents a value.
CONTENTS: dict[tuple[str, str], tuple[str, Callable[[Any], object]]] = {
    ("datetime", "date"): ("date", _date),
    ("datetime", "time"): ("time", _time),
    ("datetime", "datetime"): ("datetime", _datetime),
    ("datetime", "timedelta"): ("timedelta", _timedelta),
    ("datetime", "timezone"): ("timezone", _timezone),
    ("zoneinfo", "ZoneInfo"): ("ZoneInfo", _zone_info),
    ("decimal", "Decimal"): ("Decimal", _decimal),
    ("fractions", "Fraction"): ("Fraction", _fraction),
    ("uuid", "UUID"): ("UUID", _uuid),
    ("re", "Pattern"): ("Pattern", _pattern),
    ("functools", "partial"): ("partial", _partial),
    ("functools", "cached_property"): ("cached_property", _cached_property),
    ("functools", "_lru_cache_wrapper"): ("lru_cache", _cached_function),
    ("collections", "deque"): ("deque", _deque),
    ("collections", "OrderedDict"): ("OrderedDict", _ordered_dict),
    ("array", "array"): ("array", _array),
    ("unittest.mock", "NonCallableMock"): ("mock", _mock),
    ("unittest.mock", "_Call"): ("call", _mock),
    ("builtins", "BaseException"): ("BaseException", _exception),
    ("builtins", "set"): ("set", _set),
    ("builtins", "frozenset"): ("frozenset", _frozenset),
}
for _module in ("pathlib", "pathlib._local"):
    for _name in (
        "PurePath",
        "PurePosixPath",
        "PureWindowsPath",
        "Path",
        "PosixPath",
        "WindowsPath",
    ):
        CONTENTS[_module, _name] = (_name, _path)
for _name in ("Address", "Network", "Interface"):
    for _version in ("IPv4", "IPv6"):
        CONTENTS["ipaddress", _version + _name] = (_version + _name, str)


def expand_enum(value: Any) -> Form:
    """Take a member of an enumeration apart.

    Args:
        value: The member, or the combination of flags.

    Returns:
        Its form: the class and the name, for flags the class and the value.
    """
    kind = type(value)
    enum = sys.modules["enum"]
    if not issubclass(kind, enum.Flag):
        return Form(b"enum " + text(value._name_), (kind,), "%s", (None,))
    number = value._value_
    if number < 0:
        # Before 3.11 the inversion of flags was a negative number.
        known = 0
        for member in kind.__members__.values():
            known |= member._value_
        number += max(1 << known.bit_length(), 1 << number.bit_length())
    return Form(b"flag ", (kind, number), "%s", (None, "._value_"))


def _expand_special(value: Any) -> bytes:
    return name_token("typing", value._name)


def _expand_alias(value: Any) -> bytes | Form:
    if getattr(value, "_special", False):  # `List` itself, before Python 3.9
        return _expand_special(value)
    arguments = value.__args__
    if value.__origin__ is tuple and arguments == ((),):  # Before Python 3.11
        arguments = ()
    parts = (value.__origin__, arguments, getattr(value, "__metadata__", ()))
    return Form(
        b"annotation ", parts, ".%s", ("__origin__", "__args__", "__metadata__")
    )


def _expand_reference(value: Any) -> bytes:
    return b"annotation of name " + text(value.__forward_arg__)


ANNOTATIONS: dict[str, Expander] = {
    "_SpecialForm": _expand_special,
    "_SpecialGenericAlias": _expand_special,
    "_GenericAlias": _expand_alias,
    "_AnnotatedAlias": _expand_alias,
    "_CallableGenericAlias": _expand_alias,
    "_UnionGenericAlias": _expand_alias,
    "ForwardRef": _expand_reference,
}
