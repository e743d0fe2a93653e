"""The store of files: what is private, what is mapped, and who is trusted."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest

from bandsaw.exceptions import UntrustedDirectoryError
from bandsaw.stores import LocalStore
from tests.waiting import wait_until
from tests.workflows import SCRIPTS, Workflow

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="Only root gives files away")

LARGE = bytes(range(256)) * 4096


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_directories_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = LocalStore(tmp_path / "cache")
        with store.alone("task/a", 0):
            store.write("task/a", [b"x"])
    finally:
        os.umask(before)

    assert mode_of(tmp_path / "cache") == mode_of(tmp_path / "cache" / "task") == 0o700
    for path in (tmp_path / "cache").rglob("*"):
        assert mode_of(path) == (0o700 if path.is_dir() else 0o600), path


def test_a_directory_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    store = LocalStore(tmp_path)

    for _ in range(2):
        with pytest.raises(UntrustedDirectoryError, match=r"chmod go-w .*Signed"):
            store.read("task/a")
        with pytest.raises(PermissionError, match="Everybody may write"):
            store.write("task/a", [b"x"])
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_a_task_that_everybody_may_write_is_refused(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "task").mkdir()
    (tmp_path / "task").chmod(0o777)
    store = LocalStore(tmp_path)

    for _ in range(2):
        with pytest.raises(UntrustedDirectoryError, match=r"chmod go-w .*/task'"):
            store.read("task/a")
        with pytest.raises(UntrustedDirectoryError, match="Everybody may write"):
            store.write("task/a", [b"x"])
    store.write("other/a", [b"x"])
    assert store.read("other/a") == b"x"


def test_a_directory_that_a_group_may_write_warns_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    store = LocalStore(tmp_path)

    with pytest.warns(RuntimeWarning, match=r"A group may write .*chmod g-w"):
        store.write("task/a", [b"x"])
    # Warnings are errors here.
    assert store.read("task/a") == b"x"


# Above the directory


def test_a_directory_above_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "a" / "cache").mkdir(parents=True)
    above.chmod(0o777)
    store = LocalStore(above / "a" / "cache")

    for _ in range(2):
        with pytest.raises(
            UntrustedDirectoryError, match=r"above the cache.*chmod o-w"
        ):
            store.read("task/a")
        with pytest.raises(UntrustedDirectoryError, match="Everybody may write"):
            store.write("task/a", [b"x"])
    # There only the owner of a directory may replace it.
    above.chmod(0o1777)
    store.write("task/a", [b"x"])
    assert store.read("task/a") == b"x"


def test_where_a_link_leads_is_checked(tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "cache").mkdir(parents=True)
    above.chmod(0o777)
    (tmp_path / "absolute").symlink_to(above / "cache")
    (tmp_path / "relative").symlink_to("absolute/../cache")

    for name in ("absolute", "relative"):
        with pytest.raises(UntrustedDirectoryError, match=re.escape(str(above))):
            LocalStore(tmp_path / name).read("task/a")


@needs_root
def test_a_link_of_another_user_where_everybody_may_write_is_refused(
    tmp_path: Path,
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(0o1777)
    (tmp_path / "cache").mkdir()
    (above / "link").symlink_to(tmp_path / "cache")
    os.chown(above / "link", 12345, -1, follow_symlinks=False)

    with pytest.raises(UntrustedDirectoryError, match="put a link into"):
        LocalStore(above / "link").read("task/a")
    # Its owner can change all that is below anyway.
    os.chown(above, 12345, -1)
    with pytest.warns(RuntimeWarning, match="Another user .* owns"):
        LocalStore(above / "link").read("task/a")


@needs_root
@pytest.mark.parametrize(
    ("mode", "owner", "group", "message"),
    [
        (0o775, 0, 12345, r"A group may write .* above the cache .*chmod g-w"),
        (0o755, 12345, 0, r"Another user \(with the id 12345\) owns .* above"),
    ],
)
def test_what_others_may_change_above_warns_once(
    tmp_path: Path, mode: int, owner: int, group: int, message: str
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    os.chown(above, owner, group)
    above.chmod(mode)
    with pytest.warns(RuntimeWarning, match=message):
        LocalStore(above / "cache").write("task/a", [b"x"])

    # Warnings are errors here.
    assert LocalStore(above / "cache").read("task/a") == b"x"


def test_a_later_change_above_has_no_effect_on_what_is_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "cache")
    store.write("task/a", [b"x"])
    (tmp_path / "cache").rename(tmp_path / "moved")
    (tmp_path / "cache" / "task").mkdir(parents=True)
    (tmp_path / "cache" / "task" / "a").write_bytes(b"planted")

    assert store.read("task/a") == b"x"


def test_what_was_put_in_the_place_of_a_directory_is_checked(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "cache")
    store.write("task/a", [b"x"])
    (tmp_path / "cache").rename(tmp_path / "moved")
    (tmp_path / "cache" / "task").mkdir(parents=True)
    (tmp_path / "cache").chmod(0o777)

    with pytest.raises(UntrustedDirectoryError, match="Everybody may write"):
        store.read("task/b")
    with pytest.raises(UntrustedDirectoryError, match="Everybody may write"):
        store.write("task/a", [b"new"])


@pytest.mark.parametrize("is_first_written", [False, True])
def test_a_directory_that_was_removed_is_made_anew(
    tmp_path: Path, is_first_written: bool
) -> None:
    store = LocalStore(tmp_path / "cache")
    store.write("task/a", [b"x"])
    shutil.rmtree(tmp_path / "cache")

    if not is_first_written:
        assert store.read("task/a") is None
    store.write("task/a", [b"new"])
    assert (tmp_path / "cache" / "task" / "a").read_bytes() == b"new"
    assert store.read("task/a") == b"new"


def test_what_was_missed_is_found_once_another_process_has_written_it(
    tmp_path: Path,
) -> None:
    store, other = LocalStore(tmp_path / "cache"), LocalStore(tmp_path / "cache")
    store.write("task/a", [b"x"])
    for _ in range(3):
        assert store.read("task/b") is None
    other.write("task/b", [b"y"])
    assert store.read("task/b") == b"y"

    shutil.rmtree(tmp_path / "cache")
    other.write("task/c", [b"z"])
    # It is seen at the next comparison.
    wait_until(lambda: store.read("task/c") == b"z")


DAEMON = """
import os, sys
from bandsaw.stores import LocalStore

store = LocalStore("cache")
store.write("task/a", [b"x"])
os.closerange(3, 100)
if len(sys.argv) > 1:
    for _ in range(50):
        os.open(sys.argv[1], os.O_RDONLY)
print(store.read("task/a"), store.read("task/b"))
store.write("task/b", [b"y"])
print(store.read("task/b"))
"""


@pytest.mark.parametrize("others", [(), ("/",), ("/dev/null",)])
def test_a_program_that_closes_all_descriptors_goes_on(
    workflow: Workflow, others: Any
) -> None:
    completed = workflow.python("-c", DAEMON, *others)

    assert completed.stdout == "b'x' None\nb'y'\n"


def test_a_forked_process_opens_the_directory_itself(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "cache")
    store.write("task/a", [b"x"])
    (tmp_path / "cache").rename(tmp_path / "moved")
    LocalStore(tmp_path / "cache").write("task/a", [b"new"])
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if store.read("task/a") == b"new" else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert store.read("task/a") == b"x"


def test_a_store_that_is_gone_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for number in range(5):
        store = LocalStore(tmp_path / str(number))
        store.write("task/a", [b"x"])
        store.signed().write("task/a", [b"x"])
    del store

    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize(
    ("mode", "directories", "files"),
    [(0o2770, 0o2770, 0o660), (0o755, 0o700, 0o600)],
)
def test_what_is_signed_is_for_those_who_may_write_to_the_directory(
    tmp_path: Path, mode: int, directories: int, files: int
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    before = os.umask(0o077)
    try:
        store = LocalStore(tmp_path / "cache").signed()
        with store.alone("task/a", 0):
            store.write("task/a", [b"x"])
        store.note_use("task/a")
        store._usage.write()
    finally:
        os.umask(before)

    modes = {path.name: mode_of(path) for path in (tmp_path / "cache").rglob("*")}
    assert modes == {
        "task": directories,
        "a": files,
        ".locks": files,
        ".uses-a": files,
    }


def test_what_is_not_signed_is_private_in_any_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    LocalStore(tmp_path).write("task/a", [b"x"])

    assert mode_of(tmp_path / "task") == 0o700
    assert mode_of(tmp_path / "task" / "a") == 0o600


@needs_root
def test_users_of_one_group_share_what_is_signed(workflow: Workflow) -> None:
    # The directories of a test are for one user only.
    shared = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        shared.chmod(0o755)
        (shared / "cache").mkdir()
        os.chown(shared / "cache", 0, 12345)
        (shared / "cache").chmod(0o2770)
        script = SCRIPTS / "users_of_one_group.py"
        workflow.python(script, shared / "cache", 12345)
    finally:
        shutil.rmtree(shared)


def test_who_signs_may_use_any_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    store = LocalStore(tmp_path)
    signed = store.signed()
    signed.write("task/a", [b"x"])

    assert signed.read("task/a") == b"x"
    # What is not signed is still refused there.
    with pytest.raises(UntrustedDirectoryError):
        store.read("task/a")


@needs_root
def test_the_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)

    with pytest.raises(UntrustedDirectoryError, match="belongs to another user"):
        LocalStore(tmp_path).read("task/a")


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    store = LocalStore(tmp_path / "cache")
    store.write("task/a", [b"x"])
    (tmp_path / "cache" / "task" / "b").symlink_to(secret)

    with pytest.raises(OSError, match=r"[Ss]ymbolic link"):
        store.read("task/b")
    assert [item.name for item in store.items()] == ["task/a"]
    store.write("task/b", [b"new"])
    assert secret.read_bytes() == b"secret"
    assert store.read("task/b") == b"new"


def test_a_planted_directory_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_bytes(b"planted")
    store = LocalStore(tmp_path / "cache")
    store.write("other/a", [b"x"])
    (tmp_path / "cache" / "task").symlink_to(elsewhere)

    with pytest.raises(UntrustedDirectoryError, match="symbolic link"):
        store.read("task/a")
    with pytest.raises(UntrustedDirectoryError):
        store.write("task/b", [b"x"])


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = LocalStore(tmp_path / "link")
    store.write("task/a", [b"x"])

    assert (tmp_path / "real" / "task" / "a").read_bytes() == b"x"


def test_a_large_file_is_mapped_and_has_no_other_writer(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("task/a", [LARGE])
    content = store.read("task/a")

    assert isinstance(content, memoryview)
    assert not content.readonly
    content[:3] = b"new"
    assert (tmp_path / "task" / "a").read_bytes() == LARGE


def test_a_dated_file_is_unchanged_as_long_as_it_has_its_time(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write_dated("task/a", [LARGE], 1234.567)
    content = store.read("task/a")
    assert content is not None
    assert store.is_unchanged(content, 1234.567)
    assert not store.is_unchanged(content, 1234.568)
    # What was not mapped has no file to look at.
    assert not store.is_unchanged(bytes(content), 1234.567)
    (tmp_path / "task" / "a").write_bytes(LARGE)
    content = store.read("task/a")
    assert content is not None
    assert not store.is_unchanged(content, 1234.567)

    store.note_compared("task/a", content, 1234.567)

    assert (tmp_path / "task" / "a").stat().st_mtime_ns == 1234_567_000_000
    content = store.read("task/a")
    assert content is not None
    assert store.is_unchanged(content, 1234.567)


def test_a_file_that_was_changed_while_it_was_compared_is_compared_again(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    store.write("task/a", [LARGE])
    content = store.read("task/a")
    assert content is not None
    os.utime(tmp_path / "task" / "a", (1, 1))

    store.note_compared("task/a", content, 1234.567)

    assert (tmp_path / "task" / "a").stat().st_mtime == 1


def test_a_file_that_cannot_be_dated_is_remembered_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    store = LocalStore(tmp_path)
    store.write("task/a", [LARGE])
    os.utime(tmp_path / "task" / "a", (1, 1))
    content = store.read("task/a")
    assert content is not None
    # Root may give any file another time.
    monkeypatch.setattr(os, "utime", refuse)

    store.note_compared("task/a", content, 1234.567)

    content = store.read("task/a")
    assert content is not None
    assert store.is_unchanged(content, 1234.567)
    assert not LocalStore(tmp_path).is_unchanged(content, 1234.567)
    (tmp_path / "task" / "a").write_bytes(LARGE)
    content = store.read("task/a")
    assert content is not None
    assert not store.is_unchanged(content, 1234.567)


def test_a_dated_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronized: list[list[str]] = []

    def note(descriptor: int) -> None:
        synchronized.append(os.listdir(tmp_path / "task"))

    # What a crash of the machine leaves cannot be seen otherwise.
    monkeypatch.setattr(os, "fsync", note)
    LocalStore(tmp_path).write_dated("task/a", [LARGE], 1234.567)

    assert [name.startswith(".writing-") for (name,) in synchronized] == [True]


def test_a_store_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "a").write_bytes(b"x")
    # In the way of the lock file, for root, too.
    (tmp_path / ".locks").mkdir()
    store = LocalStore(tmp_path)

    with store.alone("task/a", 0):
        assert store.read("task/a") == b"x"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("task/a", [b"old"])
    (tmp_path / "task" / "b").mkdir()

    with pytest.raises(OSError, match="b"):
        store.write("task/b", [b"new"])
    assert sorted(path.name for path in (tmp_path / "task").iterdir()) == ["a", "b"]


def test_uses_are_written_now_and_then(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("task/a", [b""])
    store._usage._written -= 3600

    for _ in range(3):
        store.note_use("task/a")

    assert (tmp_path / "task" / ".uses-a").read_bytes() == b"."
    assert store._usage.of("task/a")[1] == 3


def test_a_young_file_that_cannot_be_dated_is_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    store = LocalStore(tmp_path)
    store.write("task/a", [LARGE])
    content = store.read("task/a")
    assert content is not None
    monkeypatch.setattr(os, "utime", refuse)

    store.note_compared("task/a", content, 1234.567)

    # It could be changed within the same tick of the clock.
    assert not store.is_unchanged(content, 1234.567)


def test_uses_are_written_when_the_process_ends(
    workflow: Workflow, tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from bandsaw.stores import LocalStore\n"
        "store = LocalStore(sys.argv[1])\n"
        "store.write('task/a', [b'x'])\n"
        "for _ in range(3): store.note_use('task/a')\n"
    )
    for _ in range(2):
        workflow.python("-c", script, tmp_path)
    (item,) = LocalStore(tmp_path).items()

    assert item.hits == 6


def test_a_forked_child_does_not_write_the_uses_of_its_parent(
    workflow: Workflow, tmp_path: Path
) -> None:
    script = (
        "import os, sys\n"
        "from bandsaw.stores import LocalStore\n"
        "store = LocalStore(sys.argv[1])\n"
        "store.write('task/a', [b'x'])\n"
        "store.note_use('task/a')\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
        "else: store.note_use('task/a')\n"
    )
    workflow.python("-c", script, tmp_path)
    (item,) = LocalStore(tmp_path).items()

    assert item.hits == 2


def test_the_uses_of_what_is_gone_are_cleaned_up(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("task/a", [b"x"])
    (tmp_path / "task" / ".uses-a").write_bytes(b"...")
    (tmp_path / "task" / ".uses-b").write_bytes(b"...")
    young = tmp_path / "task" / ".writing-1"
    old = tmp_path / "task" / ".writing-2"
    young.write_bytes(b"x")
    old.write_bytes(b"x")
    os.utime(old, (1, 1))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".uses-c").write_bytes(b"...")
    store.clean()

    assert [path.name for path in tmp_path.iterdir()] == ["task"]
    left = sorted(path.name for path in (tmp_path / "task").iterdir())
    assert left == [".uses-a", ".writing-1", "a"]


@pytest.mark.parametrize("tells_open_files", [True, False])
def test_only_what_no_living_writer_writes_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tells_open_files: bool
) -> None:
    if not tells_open_files:
        monkeypatch.setattr("bandsaw.stores.local._open_files", lambda: None)
    elif not sys.platform.startswith("linux"):
        pytest.skip("Only Linux tells which files are open.")
    store = LocalStore(tmp_path)
    store.write("task/a", [b"x"])
    killed = tmp_path / "task" / ".writing-1"
    alone = tmp_path / "other" / ".writing-2"
    alone.parent.mkdir()
    for path in (killed, alone):
        path.write_bytes(b"x")
        if not tells_open_files:
            os.utime(path, (1, 1))
    with open(tmp_path / "task" / ".writing-3", "wb"):
        store.remove_unfinished()

    assert [path.name for path in tmp_path.iterdir()] == ["task"]
    left = sorted(path.name for path in (tmp_path / "task").iterdir())
    assert left == [".writing-3", "a"]


def test_no_process_is_disturbed_by_an_other_one_that_was_forked(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    with store.alone("task/a", 0):
        with warnings.catch_warnings():
            # Newer Pythons warn of forks where there are threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            status = 1
            try:
                with store.alone("task/a", 0) as held, store.alone("task/b", 0) as free:
                    status = 0 if free and not held else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
