"""Unpack distribution archives, once each, and remove unused ones.

A copy of it lies beside the main module of an archive and runs before anything of
bandsaw can be imported, so it knows the standard library only. An archive that is a zip
file is unpacked into a private directory that is named by its content, so that its
modules have files and their bytecode is kept. Most of it is bandsaw itself, which all
archives share, so that an edit of a script does not unpack and compile it again.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import zipfile
    from typing import Callable

    from ..runtime.home import is_held, make_directory
    from ..runtime.path_trust import check_home, check_path
elif __package__:
    from ..runtime.home import is_held, make_directory
    from ..runtime.path_trust import check_home, check_path
else:
    # Beside an archive's main module
    from _bandsaw_home import is_held, make_directory
    from _bandsaw_path_trust import check_home, check_path

# How long an unused archive is kept, in seconds, and how many bytes all of them may
# have.
_KEPT = 30 * 24 * 60 * 60
_LARGEST = 1 << 30

# How long a process may run from an archive without another one being started, in
# seconds.
_IN_USE = 24 * 60 * 60

# The package that all archives share.
_SHARED = "bandsaw"

_REMOVING = ".removing-"


def unpack(archive: str, digest: str | None = None) -> str:
    """Unpack an archive, unless that was done before.

    Args:
        archive: The path of the zip file.
        digest: The SHA-256 of the file, as hex digits; computed when left out.

    Returns:
        The directory that holds the content of the archive.

    Raises:
        zipfile.BadZipFile: If the archive is damaged.
        PermissionError: If another user could have written it, or where it is unpacked.
    """
    archive = os.path.abspath(archive)
    check_path(archive, f"the archive {archive}", "keep the archive elsewhere")
    if digest is None:
        import hashlib

        with open(archive, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
    parent = archives_directory()
    directory = os.path.join(parent, digest)
    if is_unpacked(directory):
        note_use(directory)
        _refusing_damage(_restore, archive, directory)
        return directory
    _refusing_damage(_extract_all, archive, directory)
    prune_archives(parent=parent)
    return directory


# The errors that a damaged name causes
_NAMES = {"EEXIST", "EINVAL", "EISDIR", "ENAMETOOLONG", "ENOTDIR"}


def _refusing_damage(
    function: Callable[[str, str], None], archive: str, directory: str
) -> None:
    """Call a function that reads an archive, and name the archive if it is damaged."""
    try:
        function(archive, directory)
    except Exception as error:
        import errno
        import zipfile

        if isinstance(error, MemoryError):
            raise
        number = error.errno if isinstance(error, OSError) else errno.EINVAL
        if errno.errorcode.get(number or 0) not in _NAMES:
            raise
        raise zipfile.BadZipFile(
            f"The archive {archive} is damaged: {error!r}"
        ) from error


def _extract_all(archive: str, directory: str) -> None:
    import zipfile

    parent = os.path.dirname(directory)
    with zipfile.ZipFile(archive) as zip_file:
        shared: list[zipfile.ZipInfo] = []
        others: list[zipfile.ZipInfo] = []
        for entry in zip_file.infolist():
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # A few bytes of the others unpack to gigabytes of memory.
                raise NotImplementedError(f"compression method {entry.compress_type}")
            is_shared = entry.filename.startswith(f"{_SHARED}/")
            (shared if is_shared else others).append(entry)
        link = None
        if shared:
            link = _name_of_entries(shared)
            _extract(zip_file, shared, os.path.join(parent, link))
        _extract(zip_file, others, directory, link)


def _name_of_entries(entries: list[zipfile.ZipInfo]) -> str:
    import hashlib

    content = [(entry.filename, entry.file_size, entry.CRC) for entry in entries]
    return hashlib.sha256(repr(sorted(content)).encode()).hexdigest()


def _extract(
    zip_file: zipfile.ZipFile,
    entries: list[zipfile.ZipInfo],
    directory: str,
    link: str | None = None,
) -> None:
    """Extract some entries into a directory, unless it is there.

    Args:
        zip_file: The archive.
        entries: The entries.
        directory: The directory.
        link: The name of the directory beside it that holds what archives share.
    """
    if _is_trusted(directory):
        note_use(directory)
        return
    import shutil
    import tempfile

    beside = tempfile.mkdtemp(prefix=".unpacking-", dir=os.path.dirname(directory))
    try:
        zip_file.extractall(beside, entries)
        if link is not None:
            os.symlink(os.path.join("..", link, _SHARED), os.path.join(beside, _SHARED))
        os.rename(beside, directory)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        # Another process may have been faster.
        if not isinstance(error, OSError) or not _is_trusted(directory):
            raise


def _restore(archive: str, directory: str) -> None:
    """Put files back that were lost from an unpacked archive.

    Programs that clean up remove old files and leave directories.

    Args:
        archive: The path of the zip file.
        directory: The directory that holds its content.
    """
    import zipfile

    with zipfile.ZipFile(archive) as zip_file:
        lost = [
            entry
            for entry in zip_file.infolist()
            if not os.path.isfile(os.path.join(directory, entry.filename))
        ]
        if not lost:
            return
        import shutil
        import tempfile

        parent = os.path.dirname(directory)
        beside = tempfile.mkdtemp(prefix=".unpacking-", dir=parent)
        try:
            zip_file.extractall(beside, lost)
            for entry in lost:
                target = os.path.join(directory, entry.filename)
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                os.replace(os.path.join(beside, entry.filename), target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def is_unpacked(directory: str) -> bool:
    """Tell if an archive was unpacked, with what it shares with others.

    Args:
        directory: The directory that holds its content.

    Raises:
        PermissionError: If another user could have written there.
    """
    parent = os.path.dirname(directory)
    if not _is_trusted(parent):
        return False
    check_home(os.path.dirname(parent), parent)
    return _is_trusted(directory) and _is_trusted(_shared_by(directory) or directory)


def _shared_by(directory: str) -> str | None:
    """Return the directory with what an unpacked archive shares with others."""
    try:
        link = os.readlink(os.path.join(directory, _SHARED))
    except OSError:
        return None
    return os.path.normpath(os.path.join(directory, os.path.dirname(link)))


def archives_directory() -> str:
    """Return the directory of the unpacked archives, which is made if needed."""
    is_chosen = bool(os.environ.get("BANDSAW_HOME"))
    try:
        directory = make_directory("archives")
        if is_chosen or os.access(directory, os.W_OK):
            return directory
    except OSError:
        if is_chosen:
            raise
    # The user of a container, for example, often has no home, or may only read it.
    import tempfile

    name = f"bandsaw-archives-{os.getuid()}"
    directory = os.path.join(tempfile.gettempdir(), name)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    return directory


def note_use(directory: str) -> None:
    """Note that an archive is used, so that it is not removed.

    Args:
        directory: The directory that holds its content.
    """
    try:
        os.utime(directory)
        os.utime(_shared_by(directory) or directory)
    except OSError:
        pass  # A home that can only be read is never cleaned up either.


class UnpackedArchive:
    """An archive that is unpacked in the home directory.

    Args:
        path: Its directory.

    Attributes:
        path: Its directory.
        shares: The path of the directory that holds what it shares with others, `None`
            if it shares nothing.
        last_use: When it was used last, in seconds since the epoch.
        size: The bytes of its files.
        count: How many files there are.

    Raises:
        OSError: If it is not there any more.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.shares = _shared_by(path)
        self.last_use = os.lstat(path).st_mtime
        self.size = self.count = 0
        for parent, _, names in os.walk(path):
            for name in names:
                self.size += os.lstat(os.path.join(parent, name)).st_size
                self.count += 1

    def remove(self) -> bool:
        """Remove it, and tell if it was still there."""
        import shutil

        # Another process must not find half of it.
        parent, name = os.path.split(self.path)
        beside = os.path.join(parent, f"{_REMOVING}{os.urandom(8).hex()}-{name}")
        try:
            os.rename(self.path, beside)
        except OSError:
            return False
        shutil.rmtree(beside, ignore_errors=True)
        return True


def find_archives(parent: str | None = None) -> list[UnpackedArchive]:
    """Return the archives that are unpacked, the least recently used ones first.

    Args:
        parent: Their directory; by default the one in the home directory.
    """
    archives = []
    parent = parent or archives_directory()
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        if not os.path.isdir(path):
            continue  # It says which archive is of which files.
        try:
            archives.append(UnpackedArchive(path))
        except OSError:
            continue  # Another process has removed it.
    return sorted(archives, key=lambda archive: archive.last_use)


def prune_archives(
    largest: int | None = None,
    kept: float = _KEPT,
    in_use: float = _IN_USE,
    parent: str | None = None,
) -> list[UnpackedArchive]:
    """Remove archives that were not used for long; every change of code adds one.

    Args:
        largest: How many bytes all of them may have; by default a gibibyte. What is
            beyond that goes, the least recently used ones first.
        kept: How long an unused one may stay, in seconds.
        in_use: How long one stays after its last use in any case, in seconds, because
            a process may still run from it. One that is locked stays longer.
        parent: Their directory; by default the one in the home directory.

    Returns:
        Those that were removed.
    """
    return sort_archives(largest, kept, in_use, parent)[0]


def sort_archives(
    largest: int | None = None,
    kept: float = _KEPT,
    in_use: float = _IN_USE,
    parent: str | None = None,
) -> tuple[list[UnpackedArchive], list[tuple[UnpackedArchive, str]]]:
    """Remove archives as `prune_archives` does, and say why others stay.

    Returns:
        Those that were removed, and those that were kept, each with the reason.
    """
    import time

    left = find_archives(parent)
    size = sum(archive.size for archive in left)
    sharing = {archive.shares for archive in left}
    removed: list[UnpackedArchive] = []
    reasons: list[tuple[UnpackedArchive, str]] = []
    # What is shared goes after all that share it.
    for archive in sorted(left, key=lambda archive: archive.path in sharing):
        age = time.time() - archive.last_use
        is_left_over = os.path.basename(archive.path).startswith(".")
        is_too_much = size > (_LARGEST if largest is None else largest)
        if any(other.shares == archive.path for other in left):
            reasons.append((archive, "kept archives share it"))
        elif age <= in_use:
            reasons.append((archive, "it was used within a day"))
        elif is_held(archive.path):
            reasons.append((archive, "a process runs from it"))
        elif age > kept or is_too_much or is_left_over:
            size -= archive.size
            left.remove(archive)
            if archive.remove():
                removed.append(archive)
        else:
            reasons.append((archive, "it is within the bounds"))
    return removed, reasons


def _is_trusted(directory: str) -> bool:
    """Tell if a directory is there and only the user could have written into it."""
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return False
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(
            f"{directory} could have been written by another user. Remove it, or let "
            "the environment variable BANDSAW_HOME name another directory."
        )
    return True
