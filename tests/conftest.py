"""Gives every test a state of its own, and asserts that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from bandsaw.runtime import fork
from tests.interpreters import is_one_of
from tests.workflows import Workflow

# A slow machine is no failure; `timeout` in pyproject.toml bounds each test as a whole.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=50,
    # What lands must not depend on chance; here, and with `stress`, it finds the rest.
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("stress", settings.get_profile("default"), max_examples=2000)
settings.load_profile("default")

# A suite that a shell has started in the background ignores it, and so would all
# processes that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# One that outlives its terminal ignores this one, as `nohup` sees to.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long something that is about to end, a child that is told to go for example, may
# take for it. Only a failing test waits that long.
SECONDS_TO_END = 10.0

# What hardly depends on the Python, or needs many processes: tox leaves these to the
# oldest and to the newest. Of what touches syntax, pickles, imports or a child's
# protocol, the tests that show the most run with all of them.
WITH_TWO_PYTHONS = (
    "tests/advices/test_cache.py",
    "tests/advices/test_cached_calls.py",
    "tests/advices/test_cancelled_waits.py",
    "tests/advices/test_executor.py",
    "tests/advices/test_log.py",
    "tests/advices/test_log_ownership.py",
    "tests/advices/test_opaque_values.py",
    "tests/advices/test_subprocess_failures.py",
    "tests/advices/test_subprocess_processes.py",
    "tests/environments/",
    "tests/fingerprint/test_arrays.py",
    "tests/fingerprint/test_laws.py",
    "tests/futures/test_programs.py",
    "tests/futures/test_streams.py",
    "tests/runtime/test_parent_watch.py",
    "tests/runtime/test_temporary.py",
    "tests/session/test_answers.py",
    "tests/stores/",
    "tests/test_chain.py",
    "tests/test_connections.py",
    "tests/test_distribution.py",
    "tests/test_documentation.py",
    "tests/test_finding.py",
    "tests/transports/test_ahead.py",
    "tests/transports/test_buffers.py",
    "tests/transports/test_cancelling.py",
    "tests/transports/test_descriptors.py",
    "tests/transports/test_devices.py",
    "tests/transports/test_exceptions.py::test_a_task_that_exits",
    "tests/transports/test_far.py",
    "tests/transports/test_keeping.py",
    "tests/transports/test_leftovers.py",
    "tests/transports/test_limits.py",
    "tests/transports/test_output.py",
    "tests/transports/test_pool.py",
    "tests/transports/test_process.py",
    "tests/transports/test_routes.py",
    "tests/transports/test_shared_directory.py",
    "tests/transports/test_streams.py",
)

# What is the same with every Python, or reaches all of them itself.
WITH_THE_NEWEST_PYTHON = (
    "tests/advices/test_combinations.py",
    "tests/advices/test_metrics.py",
    "tests/advices/test_retry.py",
    "tests/attack/",
    "tests/cli/",
    "tests/environments/test_credentials.py",
    "tests/environments/test_far.py",
    "tests/environments/test_making.py",
    "tests/environments/test_settings.py",
    "tests/environments/test_tasks.py::test_a_task_in_a_child",
    "tests/fingerprint/code/test_changes.py::test_the_code_is_the_same_on_every",
    "tests/fingerprint/code/test_syntax.py::test_a_form_is_the_same_on_every",
    "tests/test_architecture.py",
    "tests/test_connections.py::test_a_shell_takes_a_line_of_any_words_apart",
    "tests/test_docstrings.py",
    "tests/test_packaging.py",
    "tests/test_trust.py",
    "tests/tracking/",
)

# What a run of the suite itself may have been given.
VARIABLES_OF_BANDSAW = ("BANDSAW_CONFIG_MODULE", "BANDSAW_CONFIG", "BANDSAW_RUN_ID")

# What Python tries a temporary directory with: a process that is ended at that moment,
# one that was started ahead for example, leaves it.
_TRIAL = re.compile(r"[a-z0-9_]{8}")

# Marks every process that a test starts, however far down, with the test's directory.
MARK = "BANDSAW_TEST_DIRECTORY"


def _beginnings_of_what_is_left_out() -> tuple[str, ...]:
    if "TOX_ENV_NAME" not in os.environ or is_one_of(max):
        return ()
    return WITH_THE_NEWEST_PYTHON + (() if is_one_of(min) else WITH_TWO_PYTHONS)


LEFT_OUT = _beginnings_of_what_is_left_out()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files and directories that tox runs with other Pythons."""
    name = collection_path.relative_to(config.rootpath).as_posix()
    return True if f"{name}/".startswith(LEFT_OUT) else None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out single tests that tox runs with other Pythons."""
    if LEFT_OUT:
        left_out = [item for item in items if item.nodeid.startswith(LEFT_OUT)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.nodeid.startswith(LEFT_OUT)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import some of the tests before all others.

    Each worker imports all tests, and to rewrite their assertions takes most of that.
    So each begins with a part of its own, and finds what the others have kept.
    """
    config = session.config
    worker = getattr(config, "workerinput", None)
    here = Path(__file__).parent
    if worker is None or [config.rootpath / a for a in config.args] != [here]:
        return
    files = sorted(here.rglob("test_*.py"))
    files = [file for file in files if not pytest_ignore_collect(file, config)]
    for file in files[int(worker["workerid"][2:]) :: worker["workercount"]]:
        name = file.relative_to(config.rootpath).with_suffix("")
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(name.parts))


@pytest.fixture(scope="session", autouse=True)
def base_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which pytest keeps the `tmp_path` of each test.

    Asked for before the first test, as it depends on the temporary directory.
    """
    return tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def shared_home() -> Iterator[Path]:
    """Make the home directory of the tests, in which bandsaw is unpacked once."""
    home = Path(tempfile.mkdtemp(prefix="bandsaw-home-")).resolve()
    yield home
    shutil.rmtree(home)


@pytest.fixture(name="own_home")
def _own_home(nothing_is_left: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for a test that looks at what is kept there."""
    home = Path(os.environ[MARK]) / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("BANDSAW_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def nothing_is_left(base_directory: Path, shared_home: Path) -> Iterator[None]:
    """Run each test in a clean state, and fails those that leave something behind."""
    fork.reset()
    before = _State()
    clean = before.environment.copy()
    # Not below `tmp_path`: the names of sockets in it must stay short.
    directory = Path(tempfile.mkdtemp(prefix="bandsaw-")).resolve()
    temporary = directory / "tmp"
    temporary.mkdir(mode=0o700)
    for name in VARIABLES_OF_BANDSAW:
        clean.pop(name, None)
    clean["TMPDIR"] = str(temporary)
    clean["BANDSAW_HOME"] = str(shared_home)
    clean[MARK] = str(directory)
    _set_environment(clean)
    before_tempdir, tempfile.tempdir = tempfile.tempdir, str(temporary)

    yield

    fork.reset()
    problems: list[str] = []
    try:
        processes = _remaining(lambda: before.new_processes(str(directory)))
        problems += [f"process {pid}: {_command(pid)}" for pid in processes]
        threads = _remaining(lambda: _threads() - before.threads)
        problems += [f"thread {thread!r}" for thread in threads]
        if os.listdir(temporary):
            gc.collect()
            found = (p for p in temporary.rglob("*") if not _TRIAL.fullmatch(p.name))
            problems += [f"file {path.relative_to(temporary)}" for path in found]
        if _open_files_below(directory):
            gc.collect()
            problems += [f"open file {name}" for name in _open_files_below(directory)]
        problems += before.differences(clean)
    finally:
        tempfile.tempdir = before_tempdir
        before.restore()
        before.forget_modules_below(directory, base_directory)
        shutil.rmtree(directory, ignore_errors=True)
    if problems:
        pytest.fail("It left behind: " + "; ".join(sorted(problems)), pytrace=False)


@pytest.fixture(name="workflow")
def _workflow(tmp_path: Path) -> Iterator[Workflow]:
    """A directory of the test's own, and what runs there."""
    made = Workflow(tmp_path)
    yield made
    made.close()


class _State:
    """State that a test shares with all others."""

    def __init__(self) -> None:
        self.children = _children()
        self.threads = _threads()
        self.environment = dict(os.environ)
        self.path = list(sys.path)
        self.directory = os.getcwd()
        self.handlers = _handlers()
        self.level = logging.getLogger().level
        self.modules = dict(sys.modules)

    def new_processes(self, directory: str) -> set[int]:
        """Children, and what inherited the mark also from a parent that is gone."""
        processes = _processes()
        new = processes - _of_others
        started = {p for p in new if is_marked(p, directory)}
        _of_others.intersection_update(processes)
        _of_others.update(new - started)
        children = _children() - self.children
        return (started | children) - _processes_that_stay()

    def differences(self, environment: dict[str, str]) -> Iterator[str]:
        now = dict(os.environ)
        for name in sorted(now.keys() | environment.keys()):
            # Changed by pytest itself between the phases of a test
            if name != "PYTEST_CURRENT_TEST" and now.get(name) != environment.get(name):
                yield f"environment variable {name}"
        if sys.path != self.path:
            yield "another sys.path"
        if os.getcwd() != self.directory:
            yield "another working directory"
        for handler in _handlers() - self.handlers:
            yield f"handler {handler!r} of a logger"
        if logging.getLogger().level != self.level:
            yield "another level of the root logger"

    def restore(self) -> None:
        _set_environment(self.environment)
        sys.path[:] = self.path
        os.chdir(self.directory)
        for name in (None, "bandsaw"):
            logger = logging.getLogger(name)
            for handler in set(logger.handlers) & (_handlers() - self.handlers):
                logger.removeHandler(handler)
        logging.getLogger().setLevel(self.level)

    def forget_modules_below(self, *directories: Path) -> None:
        """Let the next test import another module of the same name."""
        beginnings = tuple(f"{directory}{os.sep}" for directory in directories)
        for name, module in sys.modules.items() - self.modules.items():
            if str(getattr(module, "__file__", None)).startswith(beginnings):
                del sys.modules[name]
                importlib.invalidate_caches()


# Seen without the mark, which nothing but a child of this process gets later.
_of_others: set[int] = set()


def _set_environment(wanted: dict[str, str]) -> None:
    # Not `clear()`: it would remove, for a moment, what other threads read.
    now = dict(os.environ)
    for name in now.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if now.get(name) != value:
            os.environ[name] = value


def _remaining(what: Callable[[], set[Any]]) -> set[Any]:
    """Return the processes that are left, also after they had the time to end."""
    deadline = time.monotonic() + SECONDS_TO_END
    while True:
        left = what()
        if not left or time.monotonic() > deadline:
            return left
        # Reaps children that multiprocessing knows, and lets threads run.
        multiprocessing.active_children()
        threading.Event().wait(0.01)


def _threads() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if not thread.name.startswith("pytest_timeout")
    }


def _handlers() -> set[logging.Handler]:
    handlers = logging.getLogger().handlers + logging.getLogger("bandsaw").handlers
    # pytest's own come and go with the phases of a test.
    return {h for h in handlers if not type(h).__module__.startswith("_pytest")}


def _processes_that_stay() -> set[int]:
    """Servants that multiprocessing starts once, and keeps until its process ends."""
    tracker: Any = multiprocessing.resource_tracker
    forkserver: Any = multiprocessing.forkserver
    return {tracker._resource_tracker._pid, forkserver._forkserver._forkserver_pid}


def _processes() -> set[int]:
    """Every process of the machine; none are found where there is no /proc."""
    try:
        return {int(name) for name in os.listdir("/proc") if name.isdigit()}
    except OSError:
        return set()


def _children() -> set[int]:
    children: set[int] = set()
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return children
    for thread in threads:
        try:
            with open(f"/proc/self/task/{thread}/children") as known:
                children.update(int(pid) for pid in known.read().split())
        except OSError:
            continue  # This thread has just ended.
    return children


def is_marked(pid: int, directory: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # It has just ended, or belongs to another user.
    return f"{MARK}={directory}".encode() in environment.split(b"\0")


def _command(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "(has ended)"
    return command.replace(b"\0", b" ").decode(errors="replace").strip() or "(zombie)"


def _open_files_below(directory: Path) -> list[str]:
    names = []
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return []
    for descriptor in descriptors:
        try:
            name = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue  # The one that lists the directory
        if name.startswith(f"{directory}{os.sep}"):
            names.append(name)
    return names
