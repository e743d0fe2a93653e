"""Environments that are made where a connection leads, in a home of that place."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bandsaw.environments import Environment
from bandsaw.environments.far import FarEnvironment
from bandsaw.exceptions import EnvironmentLockError
from tests.environments.conftest import left_over
from tests.environments.wheels import make_project
from tests.transports.test_routes import COUNTING
from tests.workflows import HEAD, Workflow

CONFIG = """
import os
import sys
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command
from bandsaw.environments import Environment

class Tell(bandsaw.Extension):
    def on_progress(self, progress):
        print(progress.message)

there = Environment(
    {python!r},
    [{requirements}],
    find_links=["../wheel house"],
    index_url=os.environ["INDEX_OF_THE_TEST"],
    name="there",
)
# Where uv is, if it is installed for the tests
path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
place = Command(["env", "BANDSAW_HOME=" + {home!r}, "PATH=" + path])
far = ConnectionAdvice(place, interpreter=there)
configuration = bandsaw.Configuration().add_extension(Tell())
configuration.add_advice_chain(far)
configuration.add_advice_chain(CachingAdvice("cache"), far, name="cached")
"""

SCRIPT = (
    HEAD
    + """
@bandsaw.task
def found():
    import alpha
    return alpha.version, sys.executable

@bandsaw.task(chain="cached")
def build(number):
    import mine
    print("computed")
    return mine.version

if __name__ == "__main__":
    print(text_of(found))
    if len(sys.argv) > 1:
        print(build(1))
"""
)


def config(
    home: Path, requirements: str = "'alpha', './mine'", python: str | None = None
) -> str:
    return CONFIG.format(home=str(home), requirements=requirements, python=python)


def test_it_is_made_there_and_locked_here(
    workflow: Workflow, project: Path, packages: Path, tmp_path: Path
) -> None:
    make_project(project / "mine", "mine", "3.0", requires=["beta"])
    home = tmp_path / "far home"
    home.mkdir(mode=0o700)
    packages.joinpath("alpha-2.0-py3-none-any.whl").rename(tmp_path / "later.whl")
    first = workflow.output(SCRIPT, "with mine", config=config(home)).splitlines()

    locked = (project / "bandsaw.lock").read_text()
    tmp_path.joinpath("later.whl").rename(packages / "alpha-2.0-py3-none-any.whl")
    second = workflow.output(SCRIPT, "with mine", config=config(home)).splitlines()

    *progress, found, computed, built = first
    stages = {line.partition(": ")[2] for line in progress}
    assert {"building mine", "choosing packages", "making"} <= stages
    (link,) = (p for p in (home / "environments").iterdir() if p.is_symlink())
    assert found == str(("1.0", str(link / "bin" / "python")))
    assert (computed, built) == ("computed", "3.0")
    (section,) = json.loads(locked)["environments"]["there"].values()
    assert section["requirements"] == ["alpha", "./mine"]
    assert section["projects"] == {"./mine": ["beta"]}
    assert section["packages"].keys() == {"alpha", "beta"}
    assert section["packages"]["alpha"]["version"] == "1.0"
    # The second one finds the environment, and the result.
    assert second == [found, built]
    assert (project / "bandsaw.lock").read_text() == locked
    assert left_over(home) == []
    here = os.path.join(os.environ["BANDSAW_HOME"], "environments")
    assert os.listdir(here) == [".locks"]


def test_what_cannot_be_made_is_the_error_of_a_local_one_with_the_connection(
    workflow: Workflow, tmp_path: Path
) -> None:
    home = tmp_path / "far home"
    home.mkdir(mode=0o700)

    no_python = workflow.output(SCRIPT, config=config(home, "", "3.99"))
    no_package = workflow.output(SCRIPT, config=config(home, "'nothing'"))
    no_project = workflow.output(SCRIPT, config=config(home, "'./nothing'"))

    assert no_python.startswith(
        "PythonNotFoundError: Behind the connection 'default': There is no Python 3.99 "
    )
    assert (
        "EnvironmentBuildError: Behind the connection 'default': Environment 'there': "
        "choosing packages failed"
    ) in no_package
    assert no_package.splitlines().count("Environment 'there': choosing packages") == 1
    assert no_project.startswith("ConfigurationError: There is no project './nothing'")
    assert left_over(home) == []


def test_a_far_end_adds_to_the_lock_file_and_changes_nothing_in_it(
    project: Path,
) -> None:
    environment = Environment(requirements=["alpha"], name="there").at(str(project))
    lock = project / "bandsaw.lock"

    def answers(platform: str, version: str) -> dict[str, Any]:
        package = {"version": version, "hashes": ["sha256:0"]}
        section = {"requirements": ["alpha"], "packages": {"alpha": package}}
        return {
            "executable": "/there/python",
            "platform": platform,
            "section": {**section, "projects": {}},
            "identity": version,
            "facts": {},
        }

    FarEnvironment(environment, "connection", lambda _: answers("one", "1.0"))
    before = json.loads(lock.read_text())["environments"]["there"]
    FarEnvironment(environment, "connection", lambda _: answers("other", "1.0"))
    after = json.loads(lock.read_text())["environments"]["there"]
    with pytest.raises(EnvironmentLockError, match="holds other packages than"):
        FarEnvironment(environment, "connection", lambda _: answers("one", "2.0"))

    assert after == {**before, "other": before["one"]}
    assert json.loads(lock.read_text())["environments"]["there"] == after


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_is_changed_here_or_removed_there_is_made_anew(
    workflow: Workflow, project: Path, tmp_path: Path
) -> None:
    make_project(project / "mine", "mine", "3.0")
    home = tmp_path / "far home"
    home.mkdir(mode=0o700)
    script = SCRIPT.partition("if __name__")[0]
    output = workflow.output(
        script
        + """
import shutil
import signal

@bandsaw.task
def version():
    import mine
    return mine.version, os.getppid()

if __name__ == "__main__":
    print(version()[0])
    with open("mine/mine.py", "w") as file:
        file.write("version = 'changed'")
    changed, server = version()
    print(changed)
    shutil.rmtree("../far home/environments")
    os.kill(server, signal.SIGKILL)
    while os.path.exists(f"/proc/{server}"):
        pass
    print("not found" in text_of(version))
    print(version()[0])
""",
        config=config(home, "'./mine'"),
    )

    lines = [line for line in output.splitlines() if ":" not in line]
    assert lines == ["3.0", "changed", "True", "changed"]


def test_calls_take_the_short_route_until_the_environment_changes(
    workflow: Workflow, project: Path, tmp_path: Path
) -> None:
    make_project(project / "mine", "mine", "3.0")
    home = tmp_path / "far home"
    home.mkdir(mode=0o700)
    output = workflow.output(
        SCRIPT.partition("@bandsaw.task(chain")[0]
        + COUNTING.replace("frames.Channel", "lane.LaneChannel")
        + """
@bandsaw.task
def version(number):
    import mine
    return mine.version

if __name__ == "__main__":
    print(version(0), version(1))
    kinds()
    print([version(number) for number in range(3)], kinds())
    with open("mine/mine.py", "w") as file:
        file.write("version = 'changed'")
    print([version(number) for number in range(3)], kinds())
""",
        config=config(home, "'./mine'").replace(".add_extension(Tell())", ""),
    )

    lines = output.splitlines()
    assert lines[:2] == ["3.0 3.0", "['3.0', '3.0', '3.0'] (0, 3)"]
    # One of them makes the environment, another one tells the route.
    assert lines[2].startswith("['changed', 'changed', 'changed'] ")
    assert lines[2].endswith(", 2)")
