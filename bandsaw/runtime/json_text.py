"""JSON by what the module `json` has in C; to import the rest of it takes 4 ms."""

from __future__ import annotations

from _json import (
    encode_basestring_ascii,
    make_encoder,
    make_scanner,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def make_dumps(
    default: Callable[[Any], Any] | None = None,
    allow_nan: bool = True,
    sort_keys: bool = False,
) -> Callable[[Any], str]:
    """Make a function like `json.dumps` that does not look for circles.

    In a circle it ends with a `RecursionError`.

    Args:
        default: Gives something that JSON knows for what it does not know.
        allow_nan: Whether floats that JSON does not know are written.
        sort_keys: Whether the keys of dicts are sorted.
    """
    encode = make_encoder(
        None,
        _refuse if default is None else default,
        encode_basestring_ascii,
        None,
        ": ",
        ", ",
        sort_keys,
        False,
        allow_nan,
    )
    return lambda value: "".join(encode(value, 0))


def _refuse(value: Any) -> Any:
    raise TypeError(f"A {type(value).__name__} is not known to JSON.")


class _Decoder:
    """The attributes of a `json.JSONDecoder` that the scanner reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {
        name: float(name) for name in ("NaN", "Infinity", "-Infinity")
    }.__getitem__


_scan = make_scanner(_Decoder)  # type: ignore[arg-type]


def loads(text: str) -> Any:
    """Return what a JSON text represents, like `json.loads`.

    Args:
        text: The text.

    Raises:
        ValueError: If it is no JSON; it says where it ceases to be.
    """
    text = text.rstrip(" \t\r\n")
    try:
        value, end = _scan(text, len(text) - len(text.lstrip(" \t\r\n")))
        if end == len(text):
            return value
    except StopIteration as error:
        end = error.value
    line = text.count("\n", 0, end) + 1
    raise ValueError(f"this is no JSON from line {line} on")
