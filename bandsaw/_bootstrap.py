"""The main module of a distribution archive: puts its code in place, starts it.

It is stored in the archive as ``__main__.py`` and runs before anything of bandsaw can
be imported, so it knows the standard library only. An archive that is a zip file is
unpacked once into a private directory that is named by its content, so that its modules
have files and their bytecode is kept.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# How long an archive is kept that nobody uses, in seconds.
_KEPT = 30 * 24 * 60 * 60


def home_directory() -> str:
    """Return the directory in which bandsaw keeps what outlives a process.

    It is named by the environment variable `BANDSAW_HOME`, else it is in the user's
    directory for caches.
    """
    home = os.environ.get("BANDSAW_HOME")
    if home:
        return os.path.abspath(home)
    if sys.platform == "darwin":
        caches = os.path.expanduser("~/Library/Caches")
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(caches, "bandsaw")


def unpack(archive: str, digest: Optional[str] = None) -> str:
    """Unpack an archive, unless that was done before.

    Args:
        archive: The path of the zip file.
        digest: The SHA-256 of the file, as hex digits; computed when left out.

    Returns:
        The directory that holds the content of the archive.
    """
    if digest is None:
        import hashlib

        with open(archive, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
    parent = _make_archives_directory()
    directory = os.path.join(parent, digest)
    if _is_trusted(parent) and _is_trusted(directory):
        _note_use(directory)
        return directory
    import shutil
    import tempfile
    import zipfile

    beside = tempfile.mkdtemp(prefix=".unpacking-", dir=parent)
    try:
        with zipfile.ZipFile(archive) as zip_file:
            zip_file.extractall(beside)
        os.rename(beside, directory)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        # Somebody else may have been faster.
        if not isinstance(error, OSError) or not _is_trusted(directory):
            raise
    _remove_unused(parent)
    return directory


def _make_archives_directory() -> str:
    directory = os.path.join(home_directory(), "archives")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError:
        if os.environ.get("BANDSAW_HOME"):
            raise
        # The user of a container, for example, often has no home.
        import tempfile

        name = f"bandsaw-archives-{os.getuid()}"
        directory = os.path.join(tempfile.gettempdir(), name)
        os.makedirs(directory, mode=0o700, exist_ok=True)
    return directory


def _note_use(directory: str) -> None:
    try:
        os.utime(directory)
    except OSError:
        pass  # A home that can only be read is never cleaned up either.


def _remove_unused(parent: str) -> None:
    """Remove what nobody has used for long; every change of the code adds to it."""
    import shutil
    import time

    for entry in list(os.scandir(parent)):
        try:
            last_use = entry.stat(follow_symlinks=False).st_mtime
        except OSError:
            continue  # Somebody else has removed it.
        if last_use < time.time() - _KEPT:
            shutil.rmtree(entry.path, ignore_errors=True)


def _is_trusted(directory: str) -> bool:
    """Tell if a directory is there and only the user could have written into it."""
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return False
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(
            f"{directory} could have been written by somebody else. Remove it, or let "
            "the environment variable BANDSAW_HOME name another directory."
        )
    return True


def main() -> None:
    """Continue sessions with the code of the archive that this module belongs to."""
    archive = os.path.dirname(os.path.abspath(__file__))
    if getattr(sys.flags, "safe_path", False):
        # Python has not put the archive there; what is there has to stay.
        sys.path.insert(0, archive)
    if not os.path.isdir(archive):
        archive = unpack(archive)
    sys.path[0] = archive
    from bandsaw.runner import main as run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
