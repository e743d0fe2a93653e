"""State that a forked child renews, and that tests reset."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any, Callable

import pytest

from bandsaw.runtime import fork
from tests.modules import MODULES
from tests.workflows import Workflow

# A child that hangs fails its test soon.
SECONDS = 5


def in_child(function: Callable[[], object]) -> bool:
    """Tell if a function returns something true in a forked child."""
    pid = os.fork()
    if pid == 0:
        try:
            threading.Timer(SECONDS, os._exit, (3,)).start()
            os._exit(0 if function() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


class Elsewhere(threading.Thread):
    """A thread that does something and stays in the middle of it."""

    def __init__(self, function: Callable[[Callable[[], object]], object]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._reached = threading.Event()
        self._leave = threading.Event()

    def run(self) -> None:
        self._function(self._stay)

    def _stay(self) -> None:
        self._reached.set()
        self._leave.wait()

    def __enter__(self) -> Elsewhere:
        self.start()
        self._reached.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._leave.set()
        self.join()


def test_a_lock_that_another_thread_holds_is_free_in_a_forked_child() -> None:
    lock = fork.Lock()

    def hold(stay: Callable[[], object]) -> None:
        with lock:
            stay()

    with Elsewhere(hold):
        assert in_child(lambda: lock.acquire(timeout=SECONDS))
        assert not lock.acquire(False)


def test_a_lock_that_the_forking_thread_holds_is_still_its_own_in_the_child() -> None:
    lock = fork.Lock()
    with lock:
        pid = os.fork()
        if pid == 0:
            taken: list[bool] = []
            other = threading.Thread(target=lambda: taken.append(lock.acquire(False)))
            other.start()
            other.join()
    if pid == 0:
        os._exit(0 if taken == [False] and lock.acquire(False) else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_calls_what_is_registered_and_its_parent_does_not() -> None:
    state = ["parent"]
    fork.call_in_child(state.clear)

    assert in_child(lambda: state == [])
    assert state == ["parent"]


class Keeper:
    def __init__(self, kept: list[int]) -> None:
        self.kept = kept
        fork.call_in_child(self.forget)
        fork.call_at_reset(self.forget)

    def forget(self) -> None:
        self.kept.clear()


def test_a_registered_method_does_not_keep_its_object() -> None:
    kept = [1]
    keeper = Keeper(kept)
    assert in_child(lambda: kept == [])
    fork.reset()
    assert kept == []
    kept.append(2)

    del keeper
    gc.collect()

    fork.reset()
    assert kept == [2]
    assert in_child(lambda: kept == [2])


def test_an_error_in_one_renewal_keeps_no_other_from_happening() -> None:
    state = [1]

    class Failing:
        def fail(self) -> None:
            raise OSError("for a test")

    failing = Failing()
    fork.call_in_child(failing.fail)
    fork.call_in_child(state.clear)

    assert in_child(lambda: state == [])


IMPORTS = """
import faulthandler, os, sys, threading
parent = os.getpid()
sys.path.insert(0, {directory!r})
import bandsaw
from bandsaw.runtime import fork

def import_package(name):
    try:
        __import__(name)
    except ImportError:
        pass

def child(pid):
    status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1

arrived, leave = threading.Event(), threading.Event()
thread = threading.Thread(target=import_package, args=("slow",), daemon=True)
thread.start()
"""

SLOW = {
    "slow/__init__.py": "from . import part\nvalue = part.value\n",
    "slow/part.py": """
import os
value = os.getpid()
main = __import__("__main__")
main.arrived.set()
if os.getpid() == main.parent:
    main.leave.wait()
""",
}


@pytest.fixture(name="slow")
def _slow(tmp_path: Path) -> Path:
    (tmp_path / "slow").mkdir()
    for name, text in SLOW.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run_in(directory: Path, program: str) -> str:
    text = "import os\nparent = os.getpid()\n" + IMPORTS.format(
        directory=str(directory)
    )
    done = Workflow(directory).python("-W", "ignore", "-c", text + program, status=None)
    return done.stdout + done.stderr


def test_a_fork_waits_until_another_thread_has_imported(slow: Path) -> None:
    assert (
        run_in(
            slow,
            """
arrived.wait()
threading.Timer(0.2, leave.set).start()
pid = os.fork()
if pid == 0:
    faulthandler.dump_traceback_later(10, exit=True)
    import slow
    # It is the one that the parent has imported.
    os._exit(0 if slow.value == parent else 1)
print(child(pid))
""",
        )
        == "0\n"
    )


def test_a_child_imports_itself_what_its_parent_never_finishes(slow: Path) -> None:
    # Only the first fork waits for it.
    assert (
        run_in(
            slow,
            """
import time
fork._PATIENCE = 0.2
arrived.wait()
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(10, exit=True)
        import slow, slow.part
        os._exit(0 if slow.value == slow.part.value == os.getpid() else 1)
    print(child(pid))
fork._PATIENCE = 60
pid = os.fork()
if pid == 0:
    os._exit(0)
print(child(pid))
leave.set()
thread.join()
import slow
print(slow.value == parent)
""",
        )
        == "0\n0\n0\nTrue\n"
    )


def test_a_module_that_forks_while_it_is_imported_goes_on_in_the_child(
    tmp_path: Path,
) -> None:
    (tmp_path / "slow.py").write_text(
        "import os\nimport bandsaw\npid = os.fork()\nfrom bandsaw import stores\n"
        "if not pid:\n    import slow\n    os._exit(0 if slow.pid == 0 else 1)\n"
    )

    assert run_in(tmp_path, "thread.join()\nimport slow\nprint(child(slow.pid))") == (
        "0\n"
    )


def test_the_library_has_one_hook_for_forks_and_locks_of_one_kind() -> None:
    plain: dict[str, Any] = {}
    for module, file in MODULES.items():
        text = file.read_text(encoding="utf-8")
        words = ("register_at_fork", "allocate_lock(", "threading.Lock(", "RLock(")
        found = [word for word in words if word in text]
        if found:
            plain[module] = found

    # The other one is sent ahead to where nothing of the library is.
    assert set(plain) == {"bandsaw.runtime.fork", "bandsaw.runner.host"}
