"""Where packages come from, and how the tools are told."""

from __future__ import annotations

from .credentials import netrc_line, without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence


class Index:
    """Where packages come from, beside what uv or pip were told by their own settings.

    Args:
        url: The address of an index in place of the usual one, with its credentials.
        find_links: Directories, or addresses of pages, with files of packages.
    """

    def __init__(self, url: str | None, find_links: Sequence[str]) -> None:
        self.url = url
        self.find_links = find_links

    @property
    def options(self) -> list[str]:
        """The lines of a file with requirements that say so."""
        lines = [] if self.url is None else [f"--index-url {self.url}"]
        return lines + [f"--find-links {link}" for link in self.find_links]

    def anonymous(self) -> tuple[Index, list[str]]:
        """Return the same without credentials, and these as lines of a netrc file.

        Where such a line cannot say it, it is left in the address.
        """
        lines: list[str] = []

        def anonymous(url: str) -> str:
            line = netrc_line(url) if "@" in url else None
            if line is None:
                return url
            lines.append(line)
            return without_credentials(url)

        url = None if self.url is None else anonymous(self.url)
        return Index(url, [anonymous(link) for link in self.find_links]), lines
