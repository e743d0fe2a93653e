"""Wheels that were built of projects on this machine."""

from __future__ import annotations

import email.parser
import pathlib
import re
import zipfile

from ..exceptions import EnvironmentBuildError
from .requirements import normalized

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


class Wheel:
    """A wheel.

    Args:
        path: The path of its file.
        project: The text by which the project was asked for.
        extras: Its extras, in brackets, or nothing.

    Attributes:
        project: The text by which the project was asked for.
        name: The normalized name of its distribution.
        extras: The names of its extras.
        requirements: What it wants to have, sorted.
        requirement: What asks for this very wheel.

    Raises:
        EnvironmentBuildError: If it is not a wheel.
    """

    def __init__(self, path: str, project: str, extras: str) -> None:
        self.project = project
        try:
            with zipfile.ZipFile(path) as archive:
                (name,) = (
                    name
                    for name in archive.namelist()
                    if re.match(r"[^/]+\.dist-info/METADATA$", name)
                )
                text = archive.read(name).decode("utf-8")
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise EnvironmentBuildError(
                f"The project {project!r} was built into something that is no wheel: "
                f"{error}"
            ) from error
        metadata = email.parser.Parser().parsestr(text, headersonly=True)
        self.name = normalized(metadata["Name"])
        self.requirements: list[str] = sorted(metadata.get_all("Requires-Dist") or [])
        self.extras = [part for part in re.split(r"[\[\],\s]+", extras) if part]
        self.requirement = f"{self.name}{extras} @ {pathlib.Path(path).as_uri()}"
