"""Small packages that tests write themselves, so that they need no registry."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Sequence


def write_wheel(
    directory: Path,
    name: str,
    version: str,
    requires: Sequence[str] = (),
    text: str = "",
) -> Path:
    """Writes the wheel of a package that has one module.

    Args:
        directory: Where to write it.
        name: The name of the distribution, and of its module.
        version: Its version, which is `__version__` of the module, too.
        requires: What it wants to have.
        text: The text of the module.

    Returns:
        The path of the wheel.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    metadata = f"{name}-{version}.dist-info"
    wanted = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}.py": f"__version__ = {version!r}\n{text}",
        f"{metadata}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wanted}"
        ),
        f"{metadata}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        ),
    }
    files[f"{metadata}/RECORD"] = "".join(
        f"{file},,\n" for file in (*files, f"{metadata}/RECORD")
    )
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path
