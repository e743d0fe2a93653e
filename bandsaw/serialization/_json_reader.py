"""Reads one JSON value from a stream without recursion, and not a byte more."""

from __future__ import annotations

import json
import re
from typing import IO, Any, Callable, Dict, NoReturn

from ..exceptions import SerializationError

_Hook = Callable[[Dict[str, Any]], Any]

# The parser of the standard library is fast and recursive.
_MOST_LEVELS_FOR_RECURSION = 100

_FIRST_CHUNK = 4096
_LARGEST_CHUNK = 1 << 20

_WHITESPACE = b" \t\n\r"
_BRACKET_OR_QUOTE = re.compile(rb'["\[\]{}]')
_REST_OF_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NUMBER_BYTES = re.compile(rb"[-+.eE0-9]*")
_LITERALS = {b"t": 4, b"f": 5, b"n": 4}

_skip_whitespace = re.compile(r"[ \t\n\r]*").match


class _Extent:
    """Finds where a value ends, chunk by chunk.

    Attributes:
        data: The bytes of the value, as far as they were fed.
        deepest: How deep brackets are nested in it.
        ended: If the end was found.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.deepest = 0
        self.ended = False
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._literal_length = 0
        self.is_number = False

    def feed(self, chunk: bytes) -> int:
        """Take the next bytes.

        Args:
            chunk: The bytes that follow those that were fed before.

        Returns:
            How many of them belong to the value. Negative when bytes of an earlier
            chunk turned out not to.
        """
        start = 0
        if not self.data:
            start = len(chunk) - len(chunk.lstrip(_WHITESPACE))
            if start == len(chunk):
                return start
            self._begin(chunk[start : start + 1])
        if self.is_number:
            end = self._end_of_number(chunk, start)
        elif self._literal_length:
            end = min(len(chunk), start + self._literal_length - len(self.data))
            self.data += chunk[start:end]
            self.ended = len(self.data) == self._literal_length
        else:
            end = self._end_of_structure(chunk, start)
            self.data += chunk[start:end]
        return end

    def _begin(self, first: bytes) -> None:
        if first in _LITERALS:
            self._literal_length = _LITERALS[first]
        elif first not in (b'"', b"[", b"{"):
            self.is_number = True
            if not _NUMBER_BYTES.fullmatch(first):
                raise SerializationError(f"No JSON value begins with {first!r}.")

    def _end_of_number(self, chunk: bytes, start: int) -> int:
        match = _NUMBER_BYTES.match(chunk, start)
        end = match.end() if match else start
        self.data += chunk[start:end]
        self.ended = end < len(chunk)
        if self.ended:
            end -= self.cut_number()
        return end

    def cut_number(self) -> int:
        """Cut off what only looked like a part of the number; return how much."""
        match = _NUMBER.match(self.data)
        surplus = len(self.data) - match.end() if match else 0
        if surplus:
            del self.data[-surplus:]
        return surplus

    def _end_of_structure(self, chunk: bytes, position: int) -> int:
        while position < len(chunk):
            if self._in_string:
                position = self._end_of_string(chunk, position)
            else:
                match = _BRACKET_OR_QUOTE.search(chunk, position)
                if match is None:
                    return len(chunk)
                position = match.end()
                character = match.group()
                if character == b'"':
                    self._in_string = True
                    continue
                if character in b"[{":
                    self._depth += 1
                    self.deepest = max(self.deepest, self._depth)
                else:
                    self._depth -= 1
            if self._depth <= 0 and not self._in_string:
                self.ended = True
                break
        return position

    def _end_of_string(self, chunk: bytes, position: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            position += 1
        match = _REST_OF_STRING.match(chunk, position)
        position = match.end() if match else position
        if position < len(chunk):
            # Either the closing quote, or a backslash that is the chunk's last byte.
            self._in_string = self._is_escaped = chunk[position : position + 1] == b"\\"
            position += 1
        return position


def read_json(stream: IO[bytes], hook: _Hook) -> Any:
    """Read the next JSON value of a stream, and leave the rest of the stream alone.

    Args:
        stream: A stream that can peek, or seek, or is read byte by byte.
        hook: Called with every object (a dict) once all in it was read; what it
            returns takes the place of the object.

    Returns:
        The value.

    Raises:
        SerializationError: If there is no whole JSON value.
    """
    extent = _Extent()
    if hasattr(stream, "peek"):
        _feed_by_peeking(stream, extent)
    elif _is_seekable(stream):
        _feed_by_seeking(stream, extent)
    else:
        _feed_by_byte(stream, extent)
    try:
        text = extent.data.decode("utf-8")
        if extent.deepest <= _MOST_LEVELS_FOR_RECURSION:
            decoder = json.JSONDecoder(object_hook=hook, parse_constant=_refuse)
            return decoder.decode(text)
        return _parse(text, hook)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SerializationError(f"This is not JSON: {error}") from error


def _is_seekable(stream: Any) -> bool:
    try:
        return bool(stream.seekable())
    except AttributeError:
        # The temporary files of older Pythons can seek and do not say so.
        return hasattr(stream, "seek") and hasattr(stream, "tell")


def _feed_by_peeking(stream: Any, extent: _Extent) -> None:
    while not extent.ended:
        chunk = stream.peek(1)
        if not chunk:
            surplus = _end_of_stream(extent)
            break
        end = extent.feed(chunk)
        surplus = min(0, end)
        stream.read(max(0, end))
    if surplus:
        _refuse_surplus()


def _feed_by_seeking(stream: Any, extent: _Extent) -> None:
    end = stream.tell()
    size = _FIRST_CHUNK
    while not extent.ended:
        chunk = stream.read(size)
        if not chunk:
            end -= _end_of_stream(extent)
            break
        end += extent.feed(chunk)
        size = min(2 * size, _LARGEST_CHUNK)
    stream.seek(end)


def _feed_by_byte(stream: Any, extent: _Extent) -> None:
    while not extent.ended:
        chunk = stream.read(1)
        if not chunk:
            if _end_of_stream(extent):
                _refuse_surplus()
            break
        if extent.feed(chunk) < 1 and chunk not in _WHITESPACE:
            _refuse_surplus()


def _end_of_stream(extent: _Extent) -> int:
    """Accept the end of the stream as the end of a number; return its surplus."""
    if extent.is_number:
        extent.ended = True
        return extent.cut_number()
    raise SerializationError(
        "The stream ends inside of a JSON value."
        if extent.data
        else "The stream ends where a JSON value was expected."
    )


def _refuse_surplus() -> NoReturn:
    raise SerializationError(
        "A number is followed by other data without a separator, and this stream can "
        "neither peek nor seek to leave that alone."
    )


def _refuse(constant: str) -> NoReturn:
    raise SerializationError(f"{constant} is no number, and nothing that JSON has.")


def _parse(text: str, hook: _Hook) -> Any:
    """Parse a text with a stack of its own, however deep it is nested."""
    scan = json.JSONDecoder(parse_constant=_refuse).raw_decode
    containers: list[Any] = []
    keys: list[str | None] = []
    position = _skip(text, 0)
    while True:
        # Here a value begins.
        opening = text[position : position + 1]
        if opening and opening in "[{":
            container: Any = [] if opening == "[" else {}
            containers.append(container)
            keys.append(None)
            position = _skip(text, position + 1)
            if text[position : position + 1] != "]}"["[{".index(opening)]:
                if opening == "{":
                    keys[-1], position = _parse_key(text, position, scan)
                continue
        else:
            value, position = scan(text, position)
            position = _skip(text, position)
            if not containers:
                return _ended(text, position, value)
            _add(containers[-1], keys[-1], value)
        # Here something was added to a container, or it has nothing in it.
        while text[position : position + 1] != ",":
            value = containers.pop()
            keys.pop()
            closing = "]" if isinstance(value, list) else "}"
            if text[position : position + 1] != closing:
                raise json.JSONDecodeError(f"Expecting {closing!r}", text, position)
            if isinstance(value, dict):
                value = hook(value)
            position = _skip(text, position + 1)
            if not containers:
                return _ended(text, position, value)
            _add(containers[-1], keys[-1], value)
        position = _skip(text, position + 1)
        if isinstance(containers[-1], dict):
            keys[-1], position = _parse_key(text, position, scan)


def _skip(text: str, position: int) -> int:
    match = _skip_whitespace(text, position)
    return match.end() if match else position


def _add(container: Any, key: str | None, value: Any) -> None:
    if isinstance(container, list):
        container.append(value)
    else:
        container[key] = value


def _parse_key(text: str, position: int, scan: Any) -> Any:
    if text[position : position + 1] != '"':
        raise json.JSONDecodeError("Expecting a key in quotes", text, position)
    key, position = scan(text, position)
    position = _skip(text, position)
    if text[position : position + 1] != ":":
        raise json.JSONDecodeError("Expecting ':'", text, position)
    return key, _skip(text, position + 1)


def _ended(text: str, position: int, value: Any) -> Any:
    if position != len(text):
        raise json.JSONDecodeError("Extra data", text, position)
    return value
