"""Credentials in URLs: removed for showing, put back, and written for pip."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Match

# Up to the last @, as a password may have others.
_CREDENTIALS = re.compile(
    r"(?P<begin>(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)(?P<who>[^/\s?#]*)@"
)

# A word that every release of Python reads alike from a netrc file.
_PLAIN_WORD = re.compile(r"[^\s\"'#\\\x00-\x20\x7f-\U0010ffff]+$")


def without_credentials(text: str) -> str:
    """Return a text whose URLs have no credentials.

    Args:
        text: A URL, or a text with URLs in it.
    """
    return _CREDENTIALS.sub(_stripped, text)


def _stripped(match: Match[str]) -> str:
    # The user of ssh is a part of the address, and its key is elsewhere.
    if match["scheme"].endswith("ssh") and ":" not in match["who"]:
        return match.group()
    return match["begin"]


def with_credentials(url: str, given: Iterable[str]) -> str:
    """Return a URL with the credentials with which its place was given.

    The URL may have more than the given one, for example the commit that was chosen.

    Args:
        url: The URL.
        given: Texts with URLs in them.
    """
    for text in given:
        match = _CREDENTIALS.search(text)
        if match is not None and _place_of(text[match.start() :]) == _place_of(url):
            begin, _, rest = without_credentials(url).partition("://")
            return f"{begin}://{match['who']}@{rest}"
    return url


def _place_of(url: str) -> str:
    """Return a URL without its credentials, its fragment and its revision."""
    words = _CREDENTIALS.sub(r"\g<begin>", url).split()
    place = words[0].partition("#")[0] if words else ""
    scheme, separator, rest = place.partition("://")
    if "+" in scheme:
        host, slash, path = rest.partition("/")
        rest = host + slash + path.partition("@")[0]
    return scheme + separator + rest


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
    if not all(word and _PLAIN_WORD.match(word) for word in words):
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
