"""The archive with the code that another interpreter needs."""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
import signal
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import bandsaw
import bandsaw.distribution
from bandsaw.distribution import (
    DistributionArchive,
    bootstrap as _bootstrap,
    get_distribution_archive,
)
from bandsaw.exceptions import ConfigurationError
from bandsaw.runtime import fork
from tests.interpreters import python
from tests.workflows import MOVING, MOVING_WITHOUT_SPARE, Workflow, write_files

pytestmark = pytest.mark.usefixtures("own_home")


def names_of(archive: DistributionArchive) -> set[str]:
    with zipfile.ZipFile(archive.path) as zip_file:
        return set(zip_file.namelist())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which modules are found."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    return directory


def build(directory: Path, *modules: str) -> DistributionArchive:
    return DistributionArchive(directory / "archive.pyz", *modules)


def unpacked() -> list[Path]:
    archives = Path(os.environ["BANDSAW_HOME"], "archives").glob("*")
    return [path for path in archives if path.is_dir()]


def test_an_archive_holds_the_modules_that_were_asked_for_and_can_be_started(
    project: Path, tmp_path: Path
) -> None:
    write_files(
        project,
        {
            "single_of_archive.py": "",
            "package_of_archive/__init__.py": "raise RuntimeError('imported')",
            "package_of_archive/sub/__init__.py": "",
            "package_of_archive/sub/module.py": "",
            "package_of_archive/data.csv": "1,2",
            "unrelated_to_archive.py": "",
        },
    )
    names = names_of(build(tmp_path, "single_of_archive", "package_of_archive.sub"))

    assert "__main__.py" in names
    assert {name for name in names if "_of_archive" in name} == {
        "single_of_archive.py",
        "package_of_archive/__init__.py",
        "package_of_archive/sub/__init__.py",
        "package_of_archive/sub/module.py",
        "package_of_archive/data.csv",
    }
    assert "unrelated_to_archive.py" not in names


def test_an_archive_of_bandsaw_holds_python_files_only(tmp_path: Path) -> None:
    names = {n for n in names_of(build(tmp_path, "bandsaw")) if n.startswith("bandsaw")}

    assert {"bandsaw/__init__.py", "bandsaw/runner/__init__.py"} <= names
    assert "bandsaw/py.typed" in names
    assert {Path(name).suffix for name in names} == {".py", ".typed"}


def test_archives_of_one_path_and_the_same_modules_are_equal(tmp_path: Path) -> None:
    one = DistributionArchive(tmp_path / "a.pyz", "bandsaw", "json")
    same = DistributionArchive(str(tmp_path / "a.pyz"), "bandsaw", "json")

    assert one == same
    assert hash(one) == hash(same)
    assert one != DistributionArchive(tmp_path / "b.pyz", "bandsaw", "json")
    assert one != DistributionArchive(tmp_path / "a.pyz", "bandsaw")
    assert one != "a.pyz"


def test_imported_modules_of_the_users_own_travel_by_themselves(
    project: Path, tmp_path: Path
) -> None:
    write_files(
        project,
        {
            "imported_by_test.py": "",
            "outer_by_test/inner/__init__.py": "",
            "outer_by_test/inner/module.py": "",
            "outer_by_test/alone.py": "",
        },
    )
    __import__("imported_by_test")
    __import__("outer_by_test.inner.module")
    __import__("outer_by_test.alone")

    names = names_of(build(tmp_path))

    assert {name for name in names if "_by_test" in name} == {
        "imported_by_test.py",
        "outer_by_test/inner/__init__.py",
        "outer_by_test/inner/module.py",
        "outer_by_test/alone.py",
    }


def test_nothing_of_the_standard_library_or_of_installed_packages_travels(
    tmp_path: Path,
) -> None:
    tops = {name.split("/")[0] for name in names_of(build(tmp_path, "bandsaw"))}

    assert not tops & {"json", "json.py", "pytest", "pytest.py", "_pytest", "os.py"}


def test_hidden_compiled_and_installed_files_never_travel(
    project: Path, tmp_path: Path
) -> None:
    write_files(
        project,
        {
            "visible/__init__.py": "",
            "visible/data.txt": "",
            "visible/.env": "secret",
            "visible/.git/config": "",
            "visible/__pycache__/x.py": "",
            "visible/old.pyc": "",
            "visible/node_modules/x.py": "",
            "visible/environment/pyvenv.cfg": "",
            "visible/environment/lib/x.py": "",
        },
    )
    names = {n for n in names_of(build(tmp_path, "visible")) if n.startswith("visible")}

    assert names == {"visible/__init__.py", "visible/data.txt"}


def test_linked_directories_of_a_package_travel_once(
    project: Path, tmp_path: Path
) -> None:
    write_files(project, {"linking/__init__.py": "", "elsewhere/part/__init__.py": ""})
    (project / "linking" / "part").symlink_to(project / "elsewhere" / "part")
    (project / "linking" / "part" / "circle").symlink_to(project / "linking")

    names = {n for n in names_of(build(tmp_path, "linking")) if n.startswith("linking")}

    assert names == {"linking/__init__.py", "linking/part/__init__.py"}


def test_data_that_is_too_large_is_named_and_does_not_travel(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bandsaw.distribution.archive, "LARGEST_DATA_FILE", 100)
    monkeypatch.setattr(bandsaw.distribution.archive, "LARGEST_PACKAGE_DATA", 250)
    write_files(
        project,
        {
            "heavy/__init__.py": "#" * 1000,
            "heavy/a.bin": "a" * 101,
            **{f"heavy/{letter}.bin": letter * 100 for letter in "bcdefg"},
            "heavy/z.bin": "z" * 50,
        },
    )
    with pytest.warns(
        UserWarning, match="of the package heavy does not travel"
    ) as said:
        names = {n for n in names_of(build(tmp_path, "heavy")) if n.startswith("heavy")}

    assert names == {f"heavy/{n}" for n in ("__init__.py", "b.bin", "c.bin", "z.bin")}
    (warning,) = said
    assert f"{project / 'heavy' / 'a.bin'}, " in str(warning.message)
    assert "and 2 more" in str(warning.message)


def test_a_module_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for name in ("there_is_no_such_module", "bandsaw.there_is_none", "sys"):
        with pytest.raises(ConfigurationError, match=f"no module '{name}'"):
            build(tmp_path, name).build()
    assert list(tmp_path.glob("archive*")) == []


def test_an_archive_is_named_by_its_content(tmp_path: Path) -> None:
    archive = build(tmp_path, "bandsaw")
    assert archive.archive_id is None

    content = archive.path.read_bytes()

    assert archive.archive_id == hashlib.sha256(content).hexdigest()
    assert Path(archive.directory).name == archive.archive_id
    assert Path(archive.directory).parent == Path(
        os.environ["BANDSAW_HOME"], "archives"
    )


def test_an_archive_is_the_same_byte_for_byte_in_another_process_at_another_time(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write(
        {
            "bandsaw_config.py": MOVING,
            "package/__init__.py": "",
            **{f"package/data{i}.txt": str(i) for i in range(20)},
        },
    )
    code = """
import sys
import package, bandsaw_config
from bandsaw.distribution import DistributionArchive
DistributionArchive(sys.argv[1], "__main__", "bandsaw", "bandsaw_config").build()
"""
    contents = []
    for seed in "1", "2":
        for path in tmp_path.rglob("*.*"):
            os.utime(path, (int(seed) * 1e8, int(seed) * 1e8))
        environment = {"PYTHONHASHSEED": seed}
        workflow.python("-c", code, f"{seed}.pyz", environment=environment)
        contents.append((tmp_path / f"{seed}.pyz").read_bytes())
    assert contents[0] == contents[1]


def test_an_archive_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        archive = build(tmp_path, "bandsaw")
        paths = [archive.path, Path(archive.directory), Path(archive.directory).parent]
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o077 for path in paths] == [0, 0, 0]


def test_an_archive_is_a_snapshot(project: Path, tmp_path: Path) -> None:
    write_files(project, {"changing.py": "before"})
    archive = build(tmp_path, "changing")
    archive.build()
    write_files(project, {"changing.py": "after"})

    archive.build()

    with zipfile.ZipFile(archive.path) as zip_file:
        assert zip_file.read("changing.py") == b"before"


def test_what_is_imported_later_makes_a_new_archive(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(
        project,
        {
            "config_of_archive.py": MOVING,
            "first_of_archive.py": "",
            "later_of_archive.py": "",
        },
    )
    configuration = bandsaw.get_configuration("config_of_archive")
    configuration.set_temp_directory(project / "temporary")
    __import__("first_of_archive")
    first = get_distribution_archive(configuration)
    assert get_distribution_archive(configuration) is first
    assert "config_of_archive.py" in names_of(first)
    __import__("decimal")
    assert get_distribution_archive(configuration) is first

    __import__("later_of_archive")

    second = get_distribution_archive(configuration)
    assert names_of(second) - names_of(first) == {"later_of_archive.py"}
    assert first.path.exists()


def test_what_is_reloaded_makes_a_new_archive(project: Path) -> None:
    write_files(
        project, {"config_of_reload.py": MOVING, "edited_of_archive.py": "before = 1"}
    )
    configuration = bandsaw.get_configuration("config_of_reload")
    configuration.set_temp_directory(project / "temporary")
    module = importlib.import_module("edited_of_archive")
    first = get_distribution_archive(configuration)
    first.build()
    write_files(project, {"edited_of_archive.py": "after = 'another size'"})
    assert get_distribution_archive(configuration) is first

    importlib.reload(module)

    second = get_distribution_archive(configuration)
    with zipfile.ZipFile(second.path) as zip_file:
        assert zip_file.read("edited_of_archive.py") == b"after = 'another size'"
    fork.reset()


def test_an_archive_shows_its_help(workflow: Workflow, tmp_path: Path) -> None:
    help_text = workflow.python(build(tmp_path, "bandsaw").path, "-h").stdout

    assert all(word in help_text for word in ("--input", "--output", "--run-id"))


def test_eight_processes_that_start_at_once_unpack_an_archive_once(
    workflow: Workflow, tmp_path: Path
) -> None:
    path = build(tmp_path, "bandsaw").path
    processes = [workflow.start(path, "-h") for _ in range(8)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 8
    # One is bandsaw itself, which other archives would share.
    assert [len(directory.name) for directory in unpacked()] == [64, 64]


def bytecode_of_python(directory: Path) -> dict[str, int]:
    """The inodes of the files with bytecode below a directory, by their paths."""
    return {str(path): path.stat().st_ino for path in directory.rglob("*.pyc")}


@pytest.mark.parametrize(
    "environment", [{"PYTHONDONTWRITEBYTECODE": "1"}, {}], ids=["no bytecode", "any"]
)
def test_a_child_finds_the_bytecode_of_what_was_unpacked(
    workflow: Workflow, environment: dict[str, str]
) -> None:
    workflow.write({"package/__init__.py": "", "package/module.py": ""})
    script = """
        import bandsaw
        import package.module

        @bandsaw.task
        def double(x):
            return 2 * x

        if __name__ == "__main__":
            print(double(21))
    """
    home = Path(os.environ["BANDSAW_HOME"])
    workflow.output(script, config=MOVING_WITHOUT_SPARE, environment=environment)
    kept = bytecode_of_python(home)

    workflow.output(script, config=MOVING_WITHOUT_SPARE, environment=environment)

    names = {os.path.basename(path).split(".")[0] for path in kept}
    assert {"resident", "subprocess", "bandsaw_config", "workflow", "module"} <= names
    assert bytecode_of_python(home) == kept


def test_bytecode_is_kept_of_what_was_unpacked_only(workflow: Workflow) -> None:
    workflow.write({"beside.py": "NUMBER = 42", "package/__init__.py": ""})

    output = workflow.output(
        """
        import bandsaw

        @bandsaw.task
        def work():
            import beside, package
            return beside.NUMBER

        if __name__ == "__main__":
            print(work())
        """,
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert output == "42\n"
    assert bytecode_of_python(Path(os.environ["BANDSAW_HOME"]))
    assert bytecode_of_python(workflow.directory) == {}


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_each_python_has_bytecode_of_its_own(
    workflow: Workflow, tmp_path: Path, version: str
) -> None:
    path = build(tmp_path, "bandsaw").path
    other = python(version)
    for executable in None, other, other:
        workflow.python(
            path, "-h", python=executable, environment={"PYTHONDONTWRITEBYTECODE": "1"}
        )

    tag = f"cpython-{version.replace('.', '')}"
    kept = bytecode_of_python(Path(os.environ["BANDSAW_HOME"]))
    assert any(path.endswith(f"one_shot.{tag}.pyc") for path in kept)
    assert any(
        path.endswith(f"one_shot.{sys.implementation.cache_tag}.pyc") for path in kept
    )


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    archive = build(tmp_path, "bandsaw")
    inode = os.stat(archive.directory).st_ino

    again = DistributionArchive(tmp_path / "again.pyz", "bandsaw")

    assert again.directory == archive.directory
    assert os.stat(again.directory).st_ino == inode


def test_a_directory_that_was_removed_is_unpacked_again(tmp_path: Path) -> None:
    import shutil

    archive = build(tmp_path, "bandsaw")
    shutil.rmtree(archive.directory)
    assert os.path.isfile(os.path.join(archive.directory, "__main__.py"))


@pytest.mark.parametrize("lost", ["__main__.py", "bandsaw/runner/__init__.py", "all"])
def test_files_that_were_lost_from_an_unpacked_archive_are_put_back(
    tmp_path: Path, lost: str
) -> None:
    archive = build(tmp_path, "bandsaw")
    directory = Path(archive.directory)
    files = names_of(archive)
    for name in [lost] if lost != "all" else files:
        (directory / name).unlink()

    assert build(tmp_path, "bandsaw").directory == str(directory)

    assert [name for name in files if not (directory / name).is_file()] == []


def test_an_archive_that_a_process_uses_is_not_removed(
    tmp_path: Path, workflow: Workflow
) -> None:
    directory = build(tmp_path, "bandsaw").directory
    holder = workflow.start(
        "-c",
        "import sys\n"
        "from bandsaw.runtime.home import Hold\n"
        "hold = Hold(sys.argv[1])\n"
        "print('held', flush=True)\n"
        "input()\n",
        directory,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    assert directory not in pruned()
    holder.communicate("\n")

    assert directory in pruned()


def pruned() -> list[str]:
    """Remove all archives that no process uses, and returns their paths."""
    gc.collect()
    return [removed.path for removed in _bootstrap.prune_archives(kept=-1, in_use=-1)]


def test_what_was_not_used_for_long_is_removed(tmp_path: Path) -> None:
    old = Path(build(tmp_path, "bandsaw").directory)
    used = Path(DistributionArchive(tmp_path / "b.pyz", "bandsaw", "tests").directory)
    for directory in old, used:
        os.utime(directory, (0, 0))
    _bootstrap.unpack(str(tmp_path / "b.pyz"), used.name)

    new = Path(DistributionArchive(tmp_path / "c.pyz", "tests").directory)

    shared = (used / "bandsaw").resolve().parent
    assert set(unpacked()) == {used, new, shared}


def test_archives_share_bandsaw_and_its_bytecode(tmp_path: Path) -> None:
    first = Path(build(tmp_path, "bandsaw").directory)
    archive = DistributionArchive(tmp_path / "b.pyz", "bandsaw", "colorsys")
    second = Path(archive.directory)

    assert first != second
    assert (first / "bandsaw").resolve() == (second / "bandsaw").resolve()
    assert (first / "bandsaw" / "runner" / "__init__.py").is_file()


def test_a_user_without_a_home_keeps_archives_in_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    archive = build(tmp_path, "bandsaw")
    home = str(tmp_path / "file" / "home")
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    monkeypatch.setenv("BANDSAW_HOME", home)
    with pytest.raises(NotADirectoryError):
        _bootstrap.unpack(str(archive.path))

    monkeypatch.setenv("BANDSAW_HOME", "")
    directory = Path(_bootstrap.unpack(str(archive.path)))
    assert directory.parent == tmp_path / f"bandsaw-archives-{os.getuid()}"
    assert directory.parent.stat().st_mode & 0o077 == 0


def test_a_user_who_may_only_read_the_home_keeps_them_in_the_temporary_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = os.getuid() or 65534
    source, target = os.pipe()
    # Another user reaches it there.
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        archives = Path(directory, "bandsaw", "archives")
        archives.mkdir(parents=True)
        for path in archives, archives.parent:
            path.chmod(0o555)
        Path(directory).chmod(0o777)
        monkeypatch.setenv("BANDSAW_HOME", "")
        monkeypatch.setenv("XDG_CACHE_HOME", directory)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(tempfile, "tempdir", directory)
        child = os.fork()
        if not child:
            try:
                # Root may write everywhere.
                os.setuid(user)
                os.write(target, os.fsencode(_bootstrap.archives_directory()))
            finally:
                os._exit(0)
        os.close(target)
        os.waitpid(child, 0)
        archives.parent.chmod(0o755)
        assert os.read(source, 4096) == os.fsencode(
            f"{directory}/bandsaw-archives-{user}"
        )
    os.close(source)


def make_writable_for_others(archive: DistributionArchive) -> None:
    os.chmod(archive.directory, 0o770)


def make_what_it_shares_writable_for_others(archive: DistributionArchive) -> None:
    os.chmod(os.path.realpath(os.path.join(archive.directory, "bandsaw", "..")), 0o770)


def make_its_parent_writable_for_others(archive: DistributionArchive) -> None:
    os.chmod(os.path.dirname(archive.directory), 0o707)


def make_a_link(archive: DistributionArchive) -> None:
    directory = archive.directory
    os.rename(directory, directory + "-moved")
    os.symlink(directory + "-moved", directory)


def give_it_to_another_user(archive: DistributionArchive) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory to another user")
    os.chown(archive.directory, 12345, -1)


@pytest.mark.parametrize(
    "spoil",
    [
        make_writable_for_others,
        make_what_it_shares_writable_for_others,
        make_its_parent_writable_for_others,
        make_a_link,
        give_it_to_another_user,
    ],
)
def test_a_directory_that_another_user_could_have_written_is_refused(
    tmp_path: Path, spoil: Any
) -> None:
    archive = build(tmp_path, "bandsaw")
    spoil(archive)
    with pytest.raises(PermissionError, match="by another user"):
        _bootstrap.unpack(str(archive.path), archive.archive_id)


@pytest.mark.parametrize("keep", [100, -1], ids=["the beginning", "all but a byte"])
def test_a_damaged_archive_leaves_nothing_when_it_is_unpacked(
    tmp_path: Path, keep: int
) -> None:
    whole = build(tmp_path, "bandsaw").path.read_bytes()
    damaged = tmp_path / "damaged.pyz"
    damaged.write_bytes(whole[:keep] if keep > 0 else spoil_last_member(whole))

    with pytest.raises(zipfile.BadZipFile):
        _bootstrap.unpack(str(damaged))
    # What archives share is whole, or is not there.
    assert not any((directory / "__main__.py").exists() for directory in unpacked())
    assert not any(directory.name.startswith(".") for directory in unpacked())


def spoil_last_member(content: bytes) -> bytes:
    # The checksum of the last member is wrong; all others are unpacked before.
    directory = content.rindex(b"PK\x01\x02")
    return content[: directory + 16] + b"\0\0\0\0" + content[directory + 20 :]


def test_a_killed_unpacking_leaves_nothing_that_is_used(
    workflow: Workflow, tmp_path: Path
) -> None:
    archive = build(tmp_path, "bandsaw")
    code = """
import os, signal, sys, zipfile
from bandsaw.distribution import bootstrap as _bootstrap

class Killed(zipfile.ZipFile):
    def extract(self, *args):
        os.kill(os.getpid(), signal.SIGKILL)

    def extractall(self, path, members):
        super().extractall(path, members[:3])
        self.extract()

zipfile.ZipFile = Killed
_bootstrap.unpack(sys.argv[1])
"""
    workflow.python("-c", code, archive.path, status=-signal.SIGKILL)
    assert [path.name[:11] for path in unpacked()] == [".unpacking-"]

    assert os.path.isfile(
        os.path.join(archive.directory, "bandsaw", "runner", "__init__.py")
    )


def test_a_package_with_relative_imports_and_data_works_in_a_child(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "package/__init__.py": "",
            "package/config.py": MOVING.replace(
                "SubprocessAdvice()",
                'SubprocessAdvice(interpreter=bandsaw.Interpreter(path=["/nowhere"]))',
            )
            + '\nconfiguration.add_modules_for_distribution("other.sub.lazy")\n',
            "package/deep/__init__.py": "from ..constants import FACTOR",
            "package/deep/tasks.py": """
            import pkgutil
            from pathlib import Path
            import bandsaw
            from . import FACTOR

            @bandsaw.task(config="package.config")
            def read():
                import other.sub.lazy
                data = pkgutil.get_data("package", "data/numbers.txt")
                same = Path(__file__).parents[1] / "data" / "numbers.txt"
                assert same.read_bytes() == data
                return int(data) * FACTOR + other.sub.lazy.ONE
            """,
            "package/constants.py": "FACTOR = 3",
            "package/data/numbers.txt": "14",
            "other/__init__.py": "",
            "other/sub/__init__.py": "",
            "other/sub/lazy.py": "from ..one import ONE",
            "other/one.py": "ONE = 1",
        }
    )
    completed = workflow.run(
        """
        import os
        import package.deep.tasks

        if __name__ == "__main__":
            os.environ["PYTHONPATH"] = ""
            print(package.deep.tasks.read())
        """,
    )
    assert completed.stdout == "43\n"


def test_an_editable_install_counts_as_the_users_own(
    tmp_path: Path,
) -> None:
    # Such a module lies in a directory that a .pth file has added to the path.
    write_files(tmp_path / "source", {"editable/__init__.py": ""})
    completed = Workflow(tmp_path / "project").run(
        """
        import bandsaw
        import editable
        from bandsaw.distribution import get_distribution_archive

        print(*get_distribution_archive(bandsaw.get_configuration())._files())
        """,
        environment={"PYTHONPATH": str(tmp_path / "source")},
    )
    assert "editable/__init__.py" in completed.stdout.split()


MOVING_BY_HAND = """
import shutil
import bandsaw
from bandsaw.result import Result

class ByHand(bandsaw.Advice):
    def before(self, session):
        with open("session.zip", "wb") as stream:
            session.save(stream)
        shutil.copy(session.distribution_archive.path, "archive.pyz")
        print("saved", flush=True)
        input()
        with open("answer.zip", "rb") as stream:
            session.restore(stream)
        session.proceed()

    def after(self, session):
        pass

configuration = bandsaw.Configuration().add_advice_chain(ByHand())
"""


def test_an_archive_continues_a_session_in_an_interpreter_that_has_nothing(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "project/bandsaw_config.py": MOVING_BY_HAND,
            "project/workflow.py": """
            import os
            import bandsaw

            @bandsaw.task
            def add(a, b):
                return a + b, os.getpid()

            if __name__ == "__main__":
                value, pid = add(1, 2)
                print(value, pid != os.getpid())
            """,
        },
    )
    parent = workflow.start("project/workflow.py")
    assert parent.stdout is not None
    assert parent.stdout.readline() == "saved\n"
    options = ["--input", "session.zip", "--output", "answer.zip", "--run-id", "a run"]
    workflow.python("-I", "-S", "archive.pyz", *options)
    assert parent.communicate("\n")[0] == "3 True\n"


CONFIGURES_AN_ADVICE_THAT_SAVES = """
    import bandsaw

    class Saving(bandsaw.Advice):
        def before(self, session):
            with open("session.zip", "wb") as stream:
                session.save(stream)
            session.conclude(bandsaw.result.Result(None))

        def after(self, session):
            pass

    configuration = bandsaw.Configuration()
    configuration.add_advice_chain(Saving())
"""

SAVES_A_SESSION = """
    import shutil
    import sys
    import bandsaw
    from bandsaw.distribution import DistributionArchive, get_distribution_archive
    from bandsaw.execution import Execution
    from bandsaw.session import Session
    from bandsaw.tasks import Task

    def double(x):
        return 2 * x

    if __name__ == "__main__":
        kind, name = sys.argv[1:]
        if kind == "of-first":
            archive = get_distribution_archive(bandsaw.get_configuration("first"))
        else:
            archive = DistributionArchive("by_hand.pyz", "bandsaw", *kind.split("+"))
        shutil.copy(archive.path, "archive.pyz")
        configuration = bandsaw.get_configuration(name)
        task = Task.create_task(double)
        Session(task, Execution("e", (21,)), configuration).initiate()
"""


@pytest.mark.parametrize(
    ("archive", "configuration", "accepted"),
    [
        ("of-first", "first", True),
        ("of-first", "second", False),
        ("first+second", "second", True),
        ("first", "second", False),
    ],
)
def test_an_archive_continues_sessions_of_its_own_configuration_only(
    workflow: Workflow, archive: str, configuration: str, accepted: bool
) -> None:
    workflow.write(
        {
            "project/first.py": CONFIGURES_AN_ADVICE_THAT_SAVES,
            "project/second.py": CONFIGURES_AN_ADVICE_THAT_SAVES,
            "project/workflow.py": SAVES_A_SESSION,
        },
    )
    workflow.python("project/workflow.py", archive, configuration)

    options = ["--input", "session.zip", "--output", "answer.zip", "--run-id", "a run"]
    workflow.python("-I", "archive.pyz", *options)

    with zipfile.ZipFile(workflow.directory / "answer.zip") as answer:
        names = answer.namelist()
        report = b"" if accepted else answer.read("failure.json")
    assert ("result.dat" in names) is accepted
    assert accepted or b"InvalidSessionError" in report
    assert accepted or b"get_configuration('second')" in report
