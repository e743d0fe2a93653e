"""File names for ids, which can hold any text."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~@+,=:-"
_LONGEST_PLAIN = 120
_NO_NAMES = frozenset(("", ".", ".."))

# What may not be in a file name, or would make its decoding ambiguous.
_SPECIAL = r"[\x00-\x1f\x7f-\x9f/\\%\ud800-\udfff]|^\.(?=\.?\Z)"

# The limit of the usual file systems, in bytes.
_LONGEST_NAME = 255


def file_name(identifier: str, reserved: str = "") -> str:
    """Return the file name that stands for an id.

    A name that is a plain file name stays as it is. What could leave the directory,
    control characters and `%` are written like in a URL, so that
    ``urllib.parse.unquote(name, errors="surrogatepass")`` gives the id. A name that is
    too long for a file ends with `%-` and the SHA-256 of the id; the id itself is in
    the record. The empty id is `%`.

    Args:
        identifier: Any text.
        reserved: A name that has another meaning in the same directory.

    Returns:
        A name without a slash that is neither empty nor `.` nor `..`; different ids
        have different names.
    """
    # The module `re` takes longer to import than most sessions to be tracked.
    is_plain = len(identifier) <= _LONGEST_PLAIN and not identifier.encode(
        "ascii", "replace"
    ).translate(None, _PLAIN)
    if is_plain and identifier != reserved and identifier not in _NO_NAMES:
        return identifier
    if not identifier:
        return "%"
    return _made_plain(identifier, reserved)


def _made_plain(identifier: str, reserved: str) -> str:
    import re
    from hashlib import sha256
    from urllib.parse import quote

    if identifier == reserved:
        name = f"%{ord(identifier[0]):02X}{identifier[1:]}"
    else:
        name = re.sub(_SPECIAL, _quoted, identifier)
    if not name.isascii() and sys.getfilesystemencoding().lower() != "utf-8":
        name = quote(identifier, safe=" ~@+,=:()[]{}'!#$&;", errors="surrogatepass")
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()
    head = name.encode()[: _LONGEST_NAME - len(digest) - 2].decode(errors="ignore")
    return f"{head}%-{digest}"


def _quoted(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
