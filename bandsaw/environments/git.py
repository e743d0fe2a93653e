"""Credentials for git, which uv and pip would write into the words of commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

from ..runtime.temporary import open_private

_GIT_URL = re.compile(
    r"git\+(?P<scheme>https?)://(?P<user>[^/\s?#:]*:[^/\s?#]*)@(?P<host>[^/\s?#]+)"
)


class GitCredentials:
    """Credentials that git reads from a private file, not from the words of a command.

    Other users can read these words.

    Args:
        path: The path of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._entries: dict[str, str] = {}

    def take_from(self, requirement: str) -> str:
        """Return a requirement without its credentials, which are put into the file.

        They stay where git could not find them: without a password, beside others of
        the same server, and with a git that is too old.

        Args:
            requirement: The requirement.
        """
        match = _GIT_URL.search(requirement)
        if match is None:
            return requirement
        server = f"{match['scheme']}://{match['host']}"
        user = match["user"].replace("@", "%40")  # For git, the first @ is the last.
        entry = f"{match['scheme']}://{user}@{match['host']}"
        if self._entries.get(server, entry) != entry or not _git_reads_variables():
            return requirement
        self._entries[server] = entry
        with open(self._path, "w", encoding="utf-8", opener=open_private) as file:
            file.writelines(f"{line}\n" for line in self._entries.values())
        return requirement[: match.start("user")] + requirement[match.end("user") + 1 :]

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which git finds them."""
        if not self._entries:
            return {}
        settings = []
        for server in self._entries:
            name = f"credential.{server}.helper"
            # The first one takes back those that the user has for this server.
            settings += [(name, ""), (name, f"store --file={shlex.quote(self._path)}")]
        begin = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        found = {"GIT_CONFIG_COUNT": str(begin + len(settings))}
        for number, (name, value) in enumerate(settings, begin):
            found[f"GIT_CONFIG_KEY_{number}"] = name
            found[f"GIT_CONFIG_VALUE_{number}"] = value
        return found


def _git_reads_variables() -> bool:
    """Tell if git has settings in environment variables, as since release 2.31."""
    try:
        answer = subprocess.check_output(["git", "--version"], text=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return tuple(map(int, re.findall(r"\d+", answer)[:2])) >= (2, 31)
