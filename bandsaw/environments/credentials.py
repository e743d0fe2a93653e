"""Credentials in URLs: removed for showing, put back, and written for pip."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Match

# Patterns are compiled when they are needed: `re` remembers them.

# The two slashes of a URL, which need not have a scheme, and not those of a path.
_BEGIN = r"(?<![^\s'\"`=(\[<,@:])//"

# Up to the last @ before the path, as a password may have others. Some have characters
# that end the host by the standard; then it is the last @ of all. What follows a colon
# is a port when it is a number.
_USER = _BEGIN + r"(?P<user>[^/\s?#]*|[^/\s?#:@\[]+:(?!\d*(?:[/?#]|$))\S*)@"
_QUERY = _BEGIN + r"[^\s?#]*\?(?P<query>[^\s#]+)"
_URL = r"[A-Za-z][A-Za-z0-9+.-]*://\S+"

# Parameters of a query that tell one file from another. All others may be tokens.
_HARMLESS = frozenset(
    (
        "branch",
        "dl",
        "download",
        "file",
        "filename",
        "format",
        "inline",
        "name",
        "path",
        "raw",
        "ref",
        "sha",
        "tag",
        "version",
    )
)
_REDACTED = "..."

# A word that every release of Python reads alike from a netrc file. To compile this
# takes as long as to import `re`, so that is left to those that need it.
_PLAIN_WORD = r"[^\s\"'#\\\x00-\x20\x7f-\U0010ffff]+$"


def without_credentials(text: str) -> str:
    """Return a text whose URLs have no users, passwords and tokens.

    Args:
        text: A URL, or a text with URLs in it.
    """
    return re.sub(_QUERY, _with_redacted_query, without_user(text))


def without_user(text: str) -> str:
    """Return a text whose URLs have no users and passwords, but may have tokens.

    Args:
        text: A URL, or a text with URLs in it.
    """
    return re.sub(_USER, _without_user, text)


def _without_user(match: Match[str]) -> str:
    # The user of ssh is a part of the address, and its key is elsewhere.
    is_ssh = match.string.endswith("ssh:", 0, match.start())
    return match.group() if is_ssh and ":" not in match["user"] else "//"


def _with_redacted_query(match: Match[str]) -> str:
    parts = re.split("([&;])", match["query"])
    parts[::2] = map(_redacted, parts[::2])
    begin = match.string[match.start() : match.start("query")]
    return begin + "".join(parts)


def _redacted(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    if not parameter or name.lower() in _HARMLESS:
        return parameter
    # Without a value, the name is one, perhaps with the padding of its encoding.
    return f"{name}={_REDACTED}" if value.strip("=") else _REDACTED


def with_credentials(url: str, given: Iterable[str]) -> str:
    """Return a URL with the credentials with which its place was given.

    The URL may have more than the given one, for example the commit that was chosen.

    Args:
        url: The URL.
        given: Texts with URLs in them.
    """
    for text in given:
        match = re.search(_URL, text)
        if match is not None and _place_of(match.group()) == _place_of(url):
            return _joined(match.group(), url)
    return url


def _joined(given: str, url: str) -> str:
    if not _is_version_control(url):
        _, separator, fragment = url.partition("#")
        return given.partition("#")[0] + separator + fragment
    match = re.search(_USER, given)
    if match is None:
        return url
    return given[: match.end()] + re.sub(_USER, "//", url).partition("://")[2]


def _is_version_control(url: str) -> bool:
    return "+" in url.partition("://")[0]


def _place_of(url: str) -> str:
    """Return a URL without its credentials, its fragment and its revision."""
    place = without_credentials(url).partition("#")[0]
    if not _is_version_control(place):
        return place
    scheme, separator, rest = place.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + separator + host + slash + path.partition("@")[0]


def netrc_line(url: str) -> str | None:
    """Return the line of a netrc file with the credentials of a URL.

    Args:
        url: The URL.

    Returns:
        The line, `None` without credentials, or if not every Python reads them alike.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    words = [parts.hostname, parts.username, parts.password]
    words = [None if word is None else unquote(word) for word in words]
    if not all(word and re.match(_PLAIN_WORD, word) for word in words):
        return None
    host, user, password = words
    return f"machine {host} login {user} password {password}"


def netrc_of_user() -> str:
    """Return the content of the user's own netrc file, empty if there is none."""
    named = os.environ.get("NETRC")
    for path in [named] if named else ["~/.netrc", "~/_netrc"]:
        try:
            with open(os.path.expanduser(path), encoding="utf-8") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            continue
    return ""
