"""Configurations: what they hold, how they are loaded, and their directories."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable
from zipfile import ZipFile

import pytest

import bandsaw
from bandsaw import (
    Advice,
    Configuration,
    Extension,
    PickleSerializer,
    get_configuration,
)
from bandsaw.config import (
    CONFIGURATION_MODULE_DEFAULT,
    CONFIGURATION_MODULE_ENV_VARIABLE,
    configuration_for,
)
from bandsaw.exceptions import ConfigurationError
from bandsaw.run import Run
from tests.workflows import MOVING, Workflow, read_script, write_files

PLAIN = "import bandsaw\nconfiguration = bandsaw.Configuration()\n"

Write = Callable[..., None]


@pytest.fixture(name="write")
def _write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write modules that can be imported."""
    directory = tmp_path / "modules"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))

    def write(**modules: str) -> None:
        write_files(directory, {f"{name}.py": text for name, text in modules.items()})

    return write


def at_once(count: int, function: Callable[[], Any]) -> list[Any]:
    """Call a function in several threads at the same time."""
    start = threading.Barrier(count)

    def call() -> Any:
        start.wait()
        return function()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(call) for _ in range(count)]
        return [future.result() for future in futures]


# What it holds


def test_a_new_configuration_has_an_empty_default_chain() -> None:
    configuration = Configuration()

    assert configuration.get_advice_chain("default") == ()
    assert configuration.get_advice_chain("other") is None
    assert configuration.extensions == []
    assert configuration.distribution_modules == []
    assert isinstance(configuration.serializer, PickleSerializer)
    assert configuration.serializer is configuration.serializer


def test_chains_have_names_and_keep_their_order() -> None:
    one, other = Advice(), Advice()
    configuration = Configuration()
    configuration.add_advice_chain(one, other, name="mine")

    assert configuration.get_advice_chain("mine") == (one, other)
    assert configuration.get_advice_chain("default") == ()


def test_a_chain_of_the_same_name_is_replaced() -> None:
    one, other = Advice(), Advice()
    configuration = Configuration().add_advice_chain(one).add_advice_chain(other)

    assert configuration.get_advice_chain("default") == (other,)


def test_all_methods_can_be_chained(tmp_path: Path) -> None:
    configuration = Configuration()

    assert (
        configuration.add_advice_chain()
        .add_extension(Extension())
        .set_serializer(PickleSerializer())
        .add_modules_for_distribution("a", "b")
        .add_modules_for_distribution("c")
        .add_environment_variables("A")
        .set_temp_directory(tmp_path)
    ) is configuration
    assert configuration.distribution_modules == ["a", "b", "c"]


@pytest.mark.parametrize("wrong", [Advice, object(), None])
def test_what_is_no_advice_is_refused_when_it_is_added(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"chain 'mine' needs advices"):
        Configuration().add_advice_chain(wrong, name="mine")


@pytest.mark.parametrize("wrong", [PickleSerializer, "pickle", None])
def test_what_is_no_serializer_is_refused_when_it_is_set(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="set_serializer needs a serializer"):
        Configuration().set_serializer(wrong)


@pytest.mark.parametrize("wrong", [Extension, 3])
def test_what_is_no_extension_is_refused_when_it_is_added(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="add_extension needs an Extension"):
        Configuration().add_extension(wrong)


def test_what_is_no_name_is_refused() -> None:
    wrong: Any = Configuration()

    with pytest.raises(ConfigurationError, match="the name of a module as config"):
        get_configuration(wrong)
    with pytest.raises(ConfigurationError, match="a text as the name of a chain"):
        Configuration().add_advice_chain(name=wrong)
    with pytest.raises(ConfigurationError, match="needs names of modules"):
        Configuration().add_modules_for_distribution(wrong)


def test_an_advice_needs_no_base_class() -> None:
    class Own:
        def before(self, session: Any) -> None:
            session.proceed()

        after = before

    own: Any = Own()

    assert Configuration().add_advice_chain(own).get_advice_chain("default") == (own,)


def test_the_lists_that_it_gives_are_copies() -> None:
    configuration = Configuration()
    configuration.extensions.append(Extension())
    configuration.distribution_modules.append("a")

    assert configuration.extensions == []
    assert configuration.distribution_modules == []


def test_it_keeps_extensions_in_their_order() -> None:
    one, other = Extension(), Extension()

    assert Configuration().add_extension(one).add_extension(other).extensions == [
        one,
        other,
    ]


def test_it_keeps_the_serializer_that_was_set() -> None:
    serializer = bandsaw.JsonSerializer()

    assert Configuration().set_serializer(serializer).serializer is serializer


def test_it_knows_the_module_in_which_it_was_made() -> None:
    assert Configuration().module_name == __name__


def test_it_is_equal_to_others_of_its_module() -> None:
    one, other = Configuration(), Configuration()
    assert one == other
    assert hash(one) == hash(other)

    other.module_name = "other"

    assert one != other
    assert one != __name__
    assert repr(other) == "<Configuration other>"


def test_it_adds_to_the_environment_variables_that_runs_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OF_THIS_TEST", "value")
    assert "OF_THIS_TEST" not in Run().env

    Configuration().add_environment_variables("OF_THIS_TEST", "NOT_SET")

    assert Run().env["OF_THIS_TEST"] == "value"
    assert "NOT_SET" not in Run().env


# Loading


def test_it_is_loaded_once_and_knows_its_name(write: Write) -> None:
    write(mine=PLAIN)

    configuration = get_configuration("mine")

    assert configuration.module_name == "mine"
    assert get_configuration("mine") is configuration
    assert configuration is sys.modules["mine"].configuration


def test_the_names_of_the_default_are_public() -> None:
    assert CONFIGURATION_MODULE_ENV_VARIABLE == "BANDSAW_CONFIG_MODULE"
    assert CONFIGURATION_MODULE_DEFAULT == "bandsaw_config"


def test_the_environment_names_the_default(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bandsaw_config=PLAIN, guide=PLAIN, mine=PLAIN)

    assert get_configuration().module_name == "bandsaw_config"
    with monkeypatch.context() as patch:
        patch.setenv("BANDSAW_CONFIG", "guide")
        assert get_configuration().module_name == "guide"
        patch.setenv("BANDSAW_CONFIG_MODULE", "mine")
        assert get_configuration().module_name == "mine"
        assert get_configuration("guide").module_name == "guide"


def test_a_configuration_may_be_in_a_package(tmp_path: Path, write: Write) -> None:
    write(**{"project/__init__": "", "project/config": "from .own import *\n"})
    write(**{"project/own": PLAIN})

    assert get_configuration("project.config").module_name == "project.config"


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere'"):
        get_configuration("nowhere")


def test_the_name_of_a_file_is_told_to_be_no_module(write: Write) -> None:
    write(own=PLAIN)

    with pytest.raises(ModuleNotFoundError, match="not like a file: 'own'"):
        get_configuration("own.py")


def test_the_default_module_has_to_be_there() -> None:
    with pytest.raises(ModuleNotFoundError) as raised:
        get_configuration()

    message = str(raised.value)
    assert message.startswith("No module named 'bandsaw_config', which has to hold")
    assert f"It was looked for in {os.path.abspath(sys.path[0])}" in message
    assert " and the other directories of sys.path. Write " in message
    assert (
        "\n\n    import bandsaw\n    configuration = bandsaw.Configuration()\n\n"
    ) in message


def test_a_variable_comes_before_the_configuration_of_a_package(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    write(**{"own/__init__": "", "own/bandsaw_config": PLAIN, "mine": PLAIN})

    assert configuration_for("own.below") == "own.bandsaw_config"
    monkeypatch.setenv("BANDSAW_CONFIG_MODULE", "mine")
    assert configuration_for("own.below") is None


def test_a_package_that_is_not_there_has_no_configuration() -> None:
    # What is executed by hand may say to be in any package.
    assert configuration_for("absent.package") is None


def test_an_error_inside_of_a_packages_configuration_is_told(write: Write) -> None:
    write(**{"own/__init__": "", "own/bandsaw_config": "import absent"})

    with pytest.raises(ModuleNotFoundError, match="No module named 'absent'"):
        configuration_for("own")


TASKS = """
import bandsaw

@bandsaw.task
def name():
    return name.bandsaw_configuration.module_name
"""


def test_a_package_brings_its_own_configuration_also_in_a_child(
    workflow: Workflow,
) -> None:
    package = {"__init__.py": "", "bandsaw_config.py": MOVING}
    package.update({"below/__init__.py": "", "below/tasks.py": TASKS})
    workflow.write({f"own/{file}": text for file, text in package.items()})
    workflow.write({"lib/__init__.py": "", "lib/tasks.py": TASKS})
    with ZipFile(str(workflow.directory / "zipped.zip"), "w") as archive:
        for file, text in package.items():
            archive.writestr(f"zipped/{file}", text)

    output = workflow.output(
        """
        import sys

        sys.path.append("zipped.zip")

        import lib.tasks
        import own.below.tasks
        import zipped.below.tasks

        if __name__ == "__main__":
            for module in lib.tasks, own.below.tasks, zipped.below.tasks:
                here = module.name.bandsaw_configuration.module_name
                print(here, module.name())
        """
    )

    names = ["bandsaw_config", "own.bandsaw_config", "zipped.bandsaw_config"]
    assert output.splitlines() == [f"{name} {name}" for name in names]


def test_a_module_without_a_configuration_is_a_lookup_error(write: Write) -> None:
    write(mine="")

    with pytest.raises(LookupError, match="Module mine has no attribute"):
        get_configuration("mine")


def test_a_configuration_of_another_type_is_a_type_error(write: Write) -> None:
    write(mine="configuration = {}")

    with pytest.raises(TypeError, match=r"of module mine is of type <class 'dict'>"):
        get_configuration("mine")


def test_an_error_of_the_module_goes_straight_up(write: Write) -> None:
    write(mine="1 / 0")

    with pytest.raises(ZeroDivisionError):
        get_configuration("mine")


def test_it_can_be_loaded_after_its_module_was_mended(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(mine="")
    with pytest.raises(LookupError):
        get_configuration("mine")
    del sys.modules["mine"]
    write(mine=PLAIN)

    assert get_configuration("mine").module_name == "mine"


OBSERVED = """
import bandsaw

class Observer(bandsaw.Extension):
    told = []

    def on_init(self, configuration):
        self.told.append((configuration, configuration.module_name))
        if len(self.told) == 1 and FAIL:
            raise LookupError("not yet")

configuration = bandsaw.Configuration()
configuration.add_extension(Observer()).add_extension(Observer())
"""


def test_extensions_are_told_once_of_a_configuration_however_many_load_it(
    write: Write,
) -> None:
    write(mine="FAIL = False\n" + OBSERVED)

    loaded = at_once(8, lambda: get_configuration("mine"))

    assert all(configuration is loaded[0] for configuration in loaded)
    assert sys.modules["mine"].Observer.told == [(loaded[0], "mine")] * 2


def test_a_configuration_whose_extension_fails_is_loaded_again(write: Write) -> None:
    write(mine="FAIL = True\n" + OBSERVED)

    with pytest.raises(LookupError, match="not yet"):
        get_configuration("mine")
    configuration = get_configuration("mine")

    assert sys.modules["mine"].Observer.told == [(configuration, "mine")] * 3


def test_an_extension_may_ask_for_its_configuration(write: Write) -> None:
    write(
        mine="""
import bandsaw

class Asking(bandsaw.Extension):
    def on_init(self, configuration):
        assert bandsaw.get_configuration("mine") is configuration
        import tasks_of_extension

configuration = bandsaw.Configuration().add_extension(Asking())
""",
        tasks_of_extension="""
import bandsaw

@bandsaw.task(config="mine")
def double(x):
    return 2 * x
""",
    )

    get_configuration("mine")

    assert sys.modules["tasks_of_extension"].double(2) == 4


MEETING = """
import threading

import bandsaw

imports_tasks, imports_configuration = threading.Event(), threading.Event()
"""


def test_threads_that_import_tasks_and_their_configuration_do_not_wait_for_each_other(
    write: Write,
) -> None:
    # One thread imports the tasks first, the other one the configuration, which
    # imports the tasks as well: each holds what the other one needs.
    write(
        meeting=MEETING,
        tasks_that_meet="""
import bandsaw
import meeting

meeting.imports_tasks.set()
meeting.imports_configuration.wait(60)

@bandsaw.task(config="configuration_that_meets")
def double(x):
    return 2 * x
""",
        configuration_that_meets="""
import bandsaw
import meeting

configuration = bandsaw.Configuration()
meeting.imports_configuration.set()
meeting.imports_tasks.wait(60)
import tasks_that_meet
""",
    )

    # Some Pythons give two threads that import it at once a module each.
    __import__("meeting")
    with ThreadPoolExecutor(2) as pool:
        tasks = pool.submit(__import__, "tasks_that_meet")
        loaded = pool.submit(get_configuration, "configuration_that_meets")
        double = tasks.result().double
        assert double.bandsaw_configuration is loaded.result()
        assert double(2) == 4


def test_threads_that_load_configurations_while_an_extension_imports_do_not_wait(
    write: Write,
) -> None:
    write(
        meeting=MEETING,
        tasks_that_meet="""
import bandsaw
import meeting

meeting.imports_tasks.set()
meeting.imports_configuration.wait(60)

@bandsaw.task(config="other_configuration")
def double(x):
    return 2 * x
""",
        configuration_that_meets="""
import bandsaw
import meeting

class Importing(bandsaw.Extension):
    def on_init(self, configuration):
        meeting.imports_tasks.wait(60)
        meeting.imports_configuration.set()
        import tasks_that_meet

configuration = bandsaw.Configuration().add_extension(Importing())
""",
        other_configuration=PLAIN,
    )

    # Some Pythons give two threads that import it at once a module each.
    __import__("meeting")
    with ThreadPoolExecutor(2) as pool:
        tasks = pool.submit(__import__, "tasks_that_meet")
        loaded = pool.submit(get_configuration, "configuration_that_meets")
        assert loaded.result().module_name == "configuration_that_meets"
        assert tasks.result().double(2) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Needs os.fork")
def test_a_forked_child_can_load_what_another_thread_was_about_to(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "slow_config.py": """
import bandsaw, os, threading

started, forked = threading.Event(), threading.Event()
parent = os.getpid()

class Slow(bandsaw.Extension):
    def on_init(self, configuration):
        if os.getpid() == parent:
            started.set()
            forked.wait()

configuration = bandsaw.Configuration().add_extension(Slow())
""",
            "other_config.py": PLAIN,
        },
    )

    output = workflow.run("""
import bandsaw, os, threading, warnings
import slow_config

warnings.simplefilter("ignore")  # Python 3.12 does not like threads and forks.
loading = threading.Thread(target=bandsaw.get_configuration, args=["slow_config"])
loading.start()
slow_config.started.wait()
pid = os.fork()
if not pid:
    bandsaw.get_configuration("slow_config")
    bandsaw.get_configuration("other_config")
    os._exit(7)
print(os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
slow_config.forked.set()
loading.join()
""").stdout

    assert output == "7\n"


# Directories


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_temporary_directory_exists_and_is_private() -> None:
    configuration = Configuration()
    directory = configuration.temporary_directory

    assert directory.is_dir()
    assert mode_of(directory) == 0o700
    assert configuration.temporary_directory == directory


def test_two_configurations_have_two_temporary_directories() -> None:
    one, other = Configuration(), Configuration()

    assert one.temporary_directory != other.temporary_directory


def test_the_temporary_directory_goes_with_its_configuration() -> None:
    configuration = Configuration()
    directory = configuration.temporary_directory

    del configuration
    gc.collect()

    assert not directory.exists()


def test_it_is_made_again_when_it_was_removed() -> None:
    configuration = Configuration()
    shutil.rmtree(configuration.temporary_directory)

    assert configuration.temporary_directory.is_dir()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_temporary_directory_can_be_chosen(tmp_path: Path, kind: Any) -> None:
    configuration = Configuration().set_temp_directory(kind(tmp_path))

    assert configuration.temporary_directory == tmp_path


def test_a_relative_temporary_directory_stays_where_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = Configuration().set_temp_directory("temporary")
    monkeypatch.chdir("/")

    assert configuration.temporary_directory == tmp_path / "temporary"
    assert mode_of(configuration.temporary_directory) == 0o700


def test_choosing_a_directory_makes_none(tmp_path: Path) -> None:
    Configuration().set_temp_directory(tmp_path / "temporary")

    assert not list(tmp_path.iterdir())


ENDING = """
import bandsaw, sys
from pathlib import Path

configuration = bandsaw.Configuration().set_temp_directory(sys.argv[1])
directory = configuration.temporary_directory
assert directory == Path(sys.argv[1]).resolve() and directory.is_dir()
if "--leave" in sys.argv:
    (directory / "left").touch()
"""


def test_a_directory_that_was_made_is_removed_at_the_end(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.run(ENDING, "made/deeper")

    assert not (tmp_path / "made").exists()


def test_a_directory_that_was_made_stays_with_what_the_user_has_put_there(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.run(ENDING, "made/deeper", "--leave")

    assert (tmp_path / "made/deeper/left").exists()


def test_a_directory_that_was_there_stays_with_its_files(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.write({"mine/file": ""})
    (tmp_path / "empty").mkdir()

    workflow.run(ENDING, "mine")
    workflow.run(ENDING, "empty")

    assert (tmp_path / "mine/file").exists()
    assert (tmp_path / "empty").is_dir()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_leave_no_directory(
    workflow: Workflow, method: str
) -> None:
    script = read_script("children_of_multiprocessing.py")

    # Each child has a directory of its own, and conftest looks for what is left.
    output = workflow.run(script, method).stdout

    assert output == "2 False\n"


@pytest.mark.parametrize("who", [[], ["--first"]])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_leave_nothing_in_a_chosen_directory(
    workflow: Workflow, method: str, who: list[str]
) -> None:
    script = read_script("children_of_multiprocessing.py")

    workflow.run(script, method, "made/deeper", *who)

    assert not (workflow.directory / "made").exists()


def test_eight_threads_have_one_temporary_directory() -> None:
    configuration = Configuration()

    assert len(set(at_once(8, lambda: configuration.temporary_directory))) == 1
