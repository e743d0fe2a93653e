"""The user's settings of pip and uv, as far as they apply to environments.

An environment holds what its lock file names, in a directory of its own. So the tools
get only those settings that name the sources of packages, the way to these, and the
files that the user's site allows. Every other setting, such as a target directory or
the omission of dependencies, would make an environment empty or incomplete. They are
left out by not being listed here, so those of future releases are left out, too.
"""

from __future__ import annotations

import ast
import json
import os
import pathlib
import re
import sys
from collections import namedtuple

from ..exceptions import EnvironmentBuildError
from .requirements import toml_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, NamedTuple

    class UvSettings(NamedTuple):
        """Settings for uv.

        Attributes:
            variables: Environment variables.
            configuration: The content of a file `uv.toml`.
            constraints: The lines of a file with constraints on the choice of packages.
                The others lack them, since uv refuses them where hashes are required.
        """

        variables: dict[str, str]
        configuration: str
        constraints: list[str]

else:
    UvSettings = namedtuple("UvSettings", "variables configuration constraints")

# In pip, an option, a variable and a key of a file have the same name.
_PIP_PLACES = frozenset(
    (
        "build-constraint",
        "constraint",
        "extra-index-url",
        "find-links",
        "index-url",
        "pypi-url",
    )
)
_PIP_PATHS = frozenset(("cache-dir", "cert", "client-cert"))
_PIP_OTHERS = frozenset(
    (
        "default-timeout",
        "keyring-provider",
        "no-cache-dir",
        "no-index",
        "only-binary",
        "proxy",
        "resume-retries",
        "retries",
        "timeout",
        "trusted-host",
        "uploaded-prior-to",
    )
)

# Of these, some values change how certificates are checked, others what is installed.
_PIP_FEATURES = {"use-deprecated": "legacy-certs", "use-feature": "truststore"}

_UV_VARIABLES = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX(_.+)?|.+_(URL|TOKEN)|TORCH_BACKEND|KEYRING_PROVIDER"
    r"|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|OFFLINE|NO_CACHE|HTTP_.+|REQUEST_TIMEOUT"
    r"|CONCURRENT_.+|GIT_LFS|NO_GITHUB_FAST_PATH|NO_BUILD(_PACKAGE)?|EXCLUDE_NEWER)$"
)
_UV_PLACES = ("UV_BUILD_CONSTRAINT", "UV_FIND_LINKS")
_UV_PATHS = ("UV_CACHE_DIR", "UV_CREDENTIALS_DIR")

# In a file, relative to its directory
_UV_KEYS_OF_PLACES = frozenset(("extra-index-url", "find-links", "index-url"))
_UV_KEYS = _UV_KEYS_OF_PLACES | frozenset(
    (
        "allow-insecure-host",
        "build-constraint-dependencies",
        "cache-dir",
        "concurrent-builds",
        "concurrent-downloads",
        "concurrent-installs",
        "exclude-newer",
        "exclude-newer-package",
        "http-proxy",
        "https-proxy",
        "index",
        "index-strategy",
        "keyring-provider",
        "native-tls",
        "no-build",
        "no-build-package",
        "no-cache",
        "no-index",
        "no-proxy",
        "offline",
        "only-binary",
        "system-certs",
        "torch-backend",
    )
)

# What pip says of places, and what of uv's own settings takes precedence over it.
_INDEXES = frozenset(("index", "index-url", "UV_DEFAULT_INDEX", "UV_INDEX_URL"))
_EXTRA_INDEXES = frozenset(
    ("index", "extra-index-url", "UV_INDEX", "UV_EXTRA_INDEX_URL")
)
_UV_NAMES_OF_PLACES = {
    "index-url": _INDEXES,
    "extra-index-url": _EXTRA_INDEXES,
    "find-links": frozenset(("find-links", "UV_FIND_LINKS")),
    "no-index": frozenset(("no-index", "UV_NO_INDEX")),
}

_FALSE = ("", "0", "f", "false", "n", "no", "off")


def listing_variables(executable: str) -> dict[str, str]:
    """Return the environment variables with which pip lists all settings.

    Args:
        executable: The interpreter of the environment. The settings may name another
            one, which need not exist, and may silence the list.
    """
    found = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
    return {**found, "PIP_QUIET": "0", "PIP_PYTHON": executable}


def pip_settings(listing: str, command: str) -> dict[str, str]:
    """Return the settings for a command of pip, as environment variables.

    Args:
        listing: The output of `pip config list`.
        command: The command, as its options may have a section of their own.
    """
    found = {}
    for section in ("global", command, ":env:"):  # The last one takes precedence.
        for name, literal in re.findall(
            rf"^{re.escape(section)}\.([\w-]+)=(['\"].+['\"])$", listing, re.MULTILINE
        ):
            value = ast.literal_eval(literal)
            if name in _PIP_PLACES:
                found[name] = _absolute(value, os.curdir)
            elif name in _PIP_PATHS:
                found[name] = os.path.abspath(os.path.expanduser(value))
            elif name in _PIP_OTHERS:
                found[name] = value
            elif _PIP_FEATURES.get(name) in value.split():
                found[name] = _PIP_FEATURES[name]
    return {
        # So that no file is read.
        "PIP_CONFIG_FILE": os.devnull,
        **{
            f"PIP_{name.upper().replace('-', '_')}": text
            for name, text in found.items()
        },
    }


def uv_settings() -> UvSettings:
    """Return the settings for uv.

    Raises:
        EnvironmentBuildError: If a file with settings cannot be read.
        MissingExtraError: If no package is installed that can read it.
    """
    variables = {
        name: text for name, text in os.environ.items() if _UV_VARIABLES.match(name)
    }
    for name in _UV_PLACES:
        if name in os.environ:
            variables[name] = _absolute(os.environ[name], os.curdir)
    for name in _UV_PATHS:
        if os.environ.get(name):
            variables[name] = os.path.abspath(os.environ[name])
    files = _absolute(os.environ.get("UV_CONSTRAINT", ""), os.curdir).split()
    constraints = [f"-c {file}" for file in files]
    kept: dict[str, Any] = {}
    for path in _uv_files():
        content = _read_toml(path)
        constraints += content.get("constraint-dependencies", ())
        _merge(kept, _kept_of_uv(content, os.path.dirname(os.path.abspath(path))))
    for key, value in _places_of_pip().items():
        taken = _UV_NAMES_OF_PLACES[key]
        if taken.isdisjoint((*kept, *kept.get("pip", ()), *variables)):
            kept[key] = value
            if key == "extra-index-url":
                # pip takes the best version of all indexes, which may have parts only.
                kept.setdefault("index-strategy", "unsafe-best-match")
    return UvSettings(
        variables,
        "".join(f"{key} = {_toml_of(value)}\n" for key, value in kept.items()),
        constraints,
    )


def _places_of_pip() -> dict[str, Any]:
    """Return where packages come from by the settings of pip, as keys of uv."""
    from configparser import Error, RawConfigParser

    found: dict[str, str] = {}
    for path in _pip_files():
        parser = RawConfigParser()
        try:
            with open(path, encoding="utf-8") as file:
                parser.read_file(file)
        except (Error, OSError, UnicodeDecodeError):
            continue  # They are those of another tool, which would complain.
        for section in "global", "install":
            if parser.has_section(section):
                found.update(
                    (name.replace("_", "-"), text)
                    for name, text in parser.items(section)
                )
    for name in _UV_NAMES_OF_PLACES:
        variable = f"PIP_{name.upper().replace('-', '_')}"
        if os.environ.get(variable):
            found[name] = os.environ[variable]
    places: dict[str, Any] = {}
    for name in _UV_NAMES_OF_PLACES:
        words = _absolute(found.get(name, ""), os.curdir).split()
        if not words:
            continue
        if name == "no-index":
            places[name] = words[0].lower() not in _FALSE
        else:
            places[name] = words[0] if name == "index-url" else words
    return places


def _pip_files() -> Iterator[str]:
    """Yield the files with settings of pip, that with the highest precedence last."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = os.path.expanduser("~")
    user = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    system = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    if sys.platform == "darwin":
        support = "Library/Application Support/pip"
        yield os.path.join("/", support, "pip.conf")
        yield os.path.join(home, support, "pip.conf")
    for directory in system:
        yield os.path.join(directory, "pip", "pip.conf")
    yield "/etc/pip.conf"
    yield os.path.join(home, ".pip", "pip.conf")
    yield os.path.join(user, "pip", "pip.conf")
    if named:
        yield named


def _uv_files() -> Iterator[str]:
    """Yield the files with settings of uv, without those of projects."""
    named = os.environ.get("UV_CONFIG_FILE")
    if named:
        yield named
        return
    if _is_set("UV_NO_CONFIG"):
        return
    user = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    system = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    places = [[user], [] if _is_set("UV_NO_SYSTEM_CONFIG") else [*system, "/etc"]]
    for directories in places:
        for directory in directories:
            path = os.path.join(directory, "uv", "uv.toml")
            if os.path.isfile(path):
                yield path
                break


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() not in _FALSE


def _read_toml(path: str) -> dict[str, Any]:
    reader = toml_reader(f"The file {path} with settings of uv")
    try:
        with open(path, encoding="utf-8") as file:
            content: dict[str, Any] = reader.loads(file.read())
    except (OSError, ValueError) as error:
        raise EnvironmentBuildError(
            f"The file {path} with settings of uv cannot be read: {error}"
        ) from error
    return content


def _kept_of_uv(table: dict[str, Any], directory: str) -> dict[str, Any]:
    kept = {key: value for key, value in table.items() if key in _UV_KEYS}
    for key in _UV_KEYS_OF_PLACES.intersection(kept):
        kept[key] = _absolute_value(kept[key], directory)
    if "index" in kept:
        kept["index"] = [
            {**index, "url": _absolute_value(index.get("url"), directory)}
            for index in kept["index"]
        ]
    if "pip" in table:
        kept["pip"] = _kept_of_uv(table["pip"], directory)
    return kept


def _merge(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Add settings of less precedence, as uv does."""
    for key, value in second.items():
        if key not in first:
            first[key] = value
        elif isinstance(value, list):
            first[key] = [*first[key], *value]
        elif isinstance(value, dict):
            _merge(first[key], value)


def _absolute_value(value: Any, directory: str) -> Any:
    if isinstance(value, list):
        return [_absolute_value(one, directory) for one in value]
    return _absolute(value, directory) if isinstance(value, str) else value


def _absolute(text: str, directory: str) -> str:
    """Return words, with URLs in place of relative paths in a directory."""

    def absolute(match: re.Match[str]) -> str:
        path = os.path.abspath(os.path.join(directory, match.group()))
        # A path could have spaces, which separate words.
        return pathlib.Path(path).as_uri() if os.path.exists(path) else match.group()

    return re.sub(r"[^\s,]+", absolute, text)


def _toml_of(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{json.dumps(key)} = {_toml_of(one)}" for key, one in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_of, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)
