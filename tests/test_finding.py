"""Archives that are found by the state of their files, without being built."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import Callable

import pytest

import bandsaw
from bandsaw.distribution import (
    DistributionArchive,
    finding,
    get_distribution_archive,
)
from tests.workflows import MOVING, ROOT, Workflow, write_files

pytestmark = pytest.mark.usefixtures("own_home")

BEFORE, AFTER = "before = 1", "after  = 2"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a package that is not imported."""
    directory = tmp_path / "project"
    write_files(directory, {"found/__init__.py": BEFORE, "found/other.py": ""})
    monkeypatch.syspath_prepend(str(directory))
    return directory


@pytest.fixture
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no difference between files that were changed just now and others."""
    monkeypatch.setattr(finding, "_YOUNG_NS", 0)


settled = pytest.mark.usefixtures("_settled")


def archive_of(project: Path, *modules: str) -> DistributionArchive:
    """An archive that was never asked for anything, as in a new process."""
    path = project / f"{os.urandom(8).hex()}.pyz"
    return DistributionArchive(path, *(modules or ("found",)))


def is_built(archive: DistributionArchive) -> bool:
    return os.path.exists(archive._path)


def text_in(archive: DistributionArchive) -> str:
    return Path(archive.directory, "found", "__init__.py").read_text()


def records() -> list[Path]:
    return list(Path(os.environ["BANDSAW_HOME"], "archives").glob("*.files*"))


@settled
def test_an_archive_that_was_unpacked_is_not_built_again(project: Path) -> None:
    first, second = archive_of(project), archive_of(project)
    assert first.directory == second.directory

    assert [is_built(first), is_built(second)] == [True, False]
    assert second.archive_id == first.archive_id


def test_nothing_is_concluded_from_files_that_were_changed_just_now(
    project: Path,
) -> None:
    path = project / "found" / "__init__.py"
    assert text_in(archive_of(project)) == BEFORE
    status = path.stat()

    path.write_text(AFTER)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    # Where the clock has not gone on, not even the other time is another one.
    assert text_in(archive_of(project)) == AFTER
    assert records() == []


def edit(path: Path) -> None:
    path.write_text(AFTER)


def edit_at_the_same_time(path: Path) -> None:
    status = path.stat()
    path.write_text(AFTER)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_with_another_file(path: Path) -> None:
    status = path.stat()
    beside = path.with_name("beside")
    beside.write_text(AFTER)
    os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(beside, path)


@settled
@pytest.mark.parametrize(
    "change", [edit, edit_at_the_same_time, replace_with_another_file]
)
def test_what_was_changed_is_never_found(
    project: Path, change: Callable[[Path], None]
) -> None:
    assert text_in(archive_of(project)) == BEFORE

    change(project / "found" / "__init__.py")

    assert text_in(archive_of(project)) == AFTER


@settled
def test_files_that_come_and_go_make_other_archives(project: Path) -> None:
    one = archive_of(project).directory
    write_files(project, {"found/new.py": ""})
    more = archive_of(project).directory
    (project / "found" / "other.py").unlink()
    less = archive_of(project).directory

    assert [
        sorted(os.listdir(os.path.join(d, "found"))) for d in (one, more, less)
    ] == [
        ["__init__.py", "other.py"],
        ["__init__.py", "new.py", "other.py"],
        ["__init__.py", "new.py"],
    ]
    # They are of one project.
    assert len(records()) == 1


@settled
def test_archives_of_other_modules_are_others(project: Path) -> None:
    directory = archive_of(project).directory

    assert archive_of(project, "found", "colorsys").directory != directory


@settled
def test_an_archive_that_was_found_is_the_one_that_was_unpacked(project: Path) -> None:
    archive_of(project).build()
    directory = archive_of(project).directory
    found = archive_of(project)
    assert found.directory == directory
    (project / "found" / "__init__.py").write_text(AFTER)

    content = found.path.read_bytes()

    assert hashlib.sha256(content).hexdigest() == found.archive_id
    assert found.archive_id == os.path.basename(directory)
    with zipfile.ZipFile(found.path) as zip_file:
        assert zip_file.read("found/__init__.py").decode() == BEFORE


@settled
@pytest.mark.parametrize("lost", ["found/other.py", "_bandsaw_contents.txt", "."])
def test_an_archive_of_which_something_was_lost_is_unpacked_again(
    project: Path, lost: str
) -> None:
    directory = Path(archive_of(project).directory)
    found = archive_of(project)
    assert found.directory == str(directory)
    path = directory / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()

    for archive in (
        (found, archive_of(project)) if lost == "." else [archive_of(project)]
    ):
        assert archive.directory == str(directory)
        assert (directory / "found" / "other.py").is_file()
        assert (directory / "_bandsaw_contents.txt").is_file()


@settled
def test_a_record_that_others_could_have_written_is_ignored(project: Path) -> None:
    assert archive_of(project).directory
    (record,) = records()
    record.chmod(0o666)
    archive = archive_of(project)

    assert archive.directory

    assert is_built(archive)
    (record,) = records()
    assert record.stat().st_mode & 0o777 == 0o600


@settled
def test_records_that_were_not_renewed_for_long_are_removed(project: Path) -> None:
    assert archive_of(project).directory
    (old,) = records()
    os.utime(old, (0, 0))

    assert archive_of(project, "colorsys").directory

    assert len(records()) == 1
    assert not old.exists()


@settled
def test_what_is_imported_later_makes_a_new_archive_of_one_that_was_found(
    project: Path,
) -> None:
    write_files(
        project,
        {"config_of_finding.py": MOVING, "later_of_finding.py": ""},
    )
    configuration = bandsaw.get_configuration("config_of_finding")
    configuration.set_temp_directory(project / "temporary")
    first = get_distribution_archive(configuration).directory
    bandsaw.distribution.archive._archives.clear()
    found = get_distribution_archive(configuration)
    assert found.directory == first
    assert get_distribution_archive(configuration) is found

    __import__("later_of_finding")

    assert os.listdir(project / "temporary") == []
    later = get_distribution_archive(configuration).directory
    assert os.path.isfile(os.path.join(later, "later_of_finding.py"))


DIRECTORY = """
import bandsaw_config
from bandsaw.distribution import finding, get_distribution_archive

finding._YOUNG_NS = 0
archive = get_distribution_archive(bandsaw_config.configuration)
print(archive.directory, archive._temporary is None)
"""


def test_another_version_of_bandsaw_has_other_archives(workflow: Workflow) -> None:
    library = workflow.directory / "library"
    shutil.copytree(ROOT / "bandsaw", library / "bandsaw")
    workflow.write({"bandsaw_config.py": MOVING})

    def directory() -> list[str]:
        environment = {"PYTHONPATH": str(library)}
        return workflow.python("-c", DIRECTORY, environment=environment).stdout.split()

    first, is_found = directory()
    assert [first, "True"] == directory()
    module = library / "bandsaw" / "user.py"
    status = module.stat()
    module.write_text(module.read_text().replace("the", "The"))
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))

    second, is_found_again = directory()

    assert second != first
    assert [is_found, is_found_again] == ["False", "False"]
