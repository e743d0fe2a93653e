"""The environment of a script, described in a comment as PEP 723 defines it."""

from __future__ import annotations

import os
import re

from ..exceptions import ConfigurationError, keyword_only
from ..modules import importable_module_name
from ..runtime.own_files import copy_of
from .credentials import without_credentials
from .environment import Environment
from .requirements import toml_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

# The regular expression of the specification
_BLOCK = re.compile(
    r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
)


class InlineEnvironment:
    """The environment in the metadata of a script, read on first use.

    Late, since a child that only continues a session often has no reader of TOML.

    Args:
        path: The path of the script, or of another module.
        name: The name of the environment.
        directory: The directory in which relative paths begin.
    """

    @keyword_only("name", "directory")
    def __init__(self, path: str, *, name: str, directory: str) -> None:
        self._key = (path, name, directory)
        self._environment: Environment | None = None

    @classmethod
    def of(cls, function: FunctionType, directory: str) -> InlineEnvironment:
        """Return the environment in the metadata of a function's module.

        Args:
            function: The function.
            directory: The directory in which relative paths begin.
        """
        path = os.path.abspath(copy_of(function.__code__.co_filename))
        name = importable_module_name(function.__module__ or "__main__")
        if name == "__main__":
            name = os.path.basename(path)
        return cls(path, name=name, directory=directory)

    @property
    def environment(self) -> Environment:
        """The environment.

        Raises:
            ConfigurationError: If there is no such metadata, or it is invalid.
        """
        if self._environment is None:
            path, name, directory = self._key
            self._environment = read_environment(path, name=name).at(directory)
        return self._environment

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InlineEnvironment):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"<InlineEnvironment of {self._key[0]}>"


@keyword_only("name")
def read_environment(path: str, *, name: str) -> Environment:
    """Return the environment in the metadata of a script.

    The table `tool.bandsaw` may have `constraints`, `index-url`, `find-links`, `lock`.

    Args:
        path: The path of the script, or of another module.
        name: The name of the environment.

    Raises:
        ConfigurationError: If there is no such metadata, or it is invalid.

    References:
        PEP 723, https://packaging.python.org/specifications/inline-script-metadata/
    """
    metadata = _metadata_of(path)
    tables = metadata.get("tool", {})
    tools = tables.get("bandsaw", {}) if isinstance(tables, dict) else tables
    known = {"constraints", "find-links", "index-url", "lock"}
    if not isinstance(tools, dict) or not known.issuperset(tools):
        raise ConfigurationError(
            f"{path}: the table tool.bandsaw of the script's metadata knows "
            f"{', '.join(sorted(known))}, and not {without_credentials(repr(tools))}."
        )
    more: dict[str, Any] = {key.replace("-", "_"): tools[key] for key in tools}
    try:
        return Environment(
            metadata.get("requires-python"),
            metadata.get("dependencies", []),
            name=name,
            **more,
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"The metadata of {path}: {error}") from error


def _metadata_of(path: str) -> dict[str, Any]:
    try:
        # The file may declare an encoding other than UTF-8.
        import tokenize

        with tokenize.open(path) as file:
            text = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The metadata of {path} cannot be read: {error}"
        ) from error
    blocks = [
        match.group("content")
        for match in _BLOCK.finditer(text)
        if match.group("type") == "script"
    ]
    if len(blocks) != 1:
        found = "more than one block" if blocks else "no block"
        raise ConfigurationError(
            f"A task of {path} asks for its inline environment, but there is {found} "
            "of metadata like:\n# /// script\n# requires-python = '>=3.8'\n"
            "# dependencies = ['numpy <2']\n# ///"
        )
    lines = [
        line[2:] if line.startswith("# ") else line[1:]
        for line in blocks[0].splitlines()
    ]
    toml = toml_reader("The inline environment of a script")
    try:
        metadata: dict[str, Any] = toml.loads("\n".join(lines))
    except toml.TOMLDecodeError as error:
        raise ConfigurationError(
            f"The metadata of {path} is not TOML: {error}"
        ) from error
    return metadata
