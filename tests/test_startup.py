"""The modules that a process from an archive begins with are kept for the next ones."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from bandsaw.distribution import DistributionArchive
from tests.workflows import Workflow

CONFIG = """
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice())
"""

SCRIPT = """
import bandsaw

@bandsaw.task
def places():
    from bandsaw.runner import resident

    return type(resident.__loader__).__module__, resident.serve.__code__.co_filename

if __name__ == "__main__":
    print(*places())
"""

# Imports a module from an archive, keeps what is imported, and tells where it was.
PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from _bandsaw_startup import find_modules, keep_modules
is_kept = find_modules(sys.argv[1])
from bandsaw import result
print(is_kept, type(result.__loader__).__module__ == "_bandsaw_startup")
print(result.__file__ == result.Result.__init__.__code__.co_filename)
sys.modules["bandsaw.by_another_name"] = result
keep_modules(sys.argv[1])
"""


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "shortened": lambda content: content[:-1000],
    "of another Python": lambda content: b"?" * 100,
    "of something else": lambda content: content[:4] + marshal.dumps([]),
}

pytestmark = pytest.mark.usefixtures("own_home")


def tell(directory: str) -> tuple[bool, bool]:
    """Return if modules were kept together, and if one was loaded from there."""
    command = [sys.executable, "-c", PROCESS, directory]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    is_kept, is_from_there, is_at_its_place = done.stdout.split()
    assert is_at_its_place == "True"
    return is_kept == "True", is_from_there == "True"


def kept_file(directory: str) -> Path:
    """Return the file that holds modules together."""
    (path,) = Path(directory, "bandsaw", "__pycache__").glob("startup.cpython*")
    return path


def test_the_next_process_begins_with_what_the_first_one_has_kept(
    workflow: Workflow,
) -> None:
    outcomes = [
        workflow.run(text, config=CONFIG).stdout.split()
        for text in (SCRIPT, SCRIPT, f"{SCRIPT}\n# More")
    ]

    are_kept = [loader == "_bandsaw_startup" for loader, _ in outcomes]
    assert are_kept == [False, True, True]
    places = [Path(place) for _, place in outcomes]
    assert places[0] == places[1] != places[2]
    assert all(place.is_file() for place in places)


def test_a_module_whose_file_has_changed_is_loaded_from_that(tmp_path: Path) -> None:
    directory = DistributionArchive(tmp_path / "a.pyz", "bandsaw").directory
    assert [tell(directory), tell(directory)] == [(False, False), (True, True)]
    assert kept_file(directory).stat().st_mode & 0o077 == 0

    os.utime(f"{directory}/bandsaw/result.py", (0, 0))

    assert tell(directory) == (True, False)


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_file_of_modules_is_replaced(tmp_path: Path, damage: str) -> None:
    directory = DistributionArchive(tmp_path / "a.pyz", "bandsaw").directory
    tell(directory)
    path = kept_file(directory)
    content = path.read_bytes()
    path.write_bytes(DAMAGES[damage](content))

    assert [tell(directory), tell(directory)] == [(False, False), (True, True)]
    assert path.read_bytes() == content


def test_a_full_disk_keeps_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    directory = DistributionArchive(tmp_path / "a.pyz", "bandsaw").directory
    limited = f"import resource\nlimit = (1000, 1000)\n{PROCESS}".replace(
        "keep_modules(sys.argv[1])",
        "import signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, limit)\n"
        "keep_modules(sys.argv[1])",
    )
    subprocess.run([sys.executable, "-c", limited, directory], check=True)

    assert not list(Path(directory, "bandsaw", "__pycache__").glob("startup.*"))
