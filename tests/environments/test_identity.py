"""Environments in what a cache compares, and in what tracking writes down."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.environments.test_tasks import HEAD
from tests.environments.wheels import PackageIndex, make_project
from tests.interpreters import with_the_newest_python_only
from tests.workflows import Workflow

pytestmark = with_the_newest_python_only

CONFIG = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

configuration = bandsaw.Configuration()
configuration.add_extension(TrackerExtension(FileSystemBackend("tracking")))
configuration.add_advice_chain(CachingAdvice("cache"))
configuration.add_advice_chain(name="here")
configuration.add_advice_chain(
    CachingAdvice("cache"), SubprocessAdvice(start_ahead=False), name="moving"
)
"""

SCRIPT = (
    HEAD
    + """
@bandsaw.task(environment=holding("alpha", "./lib", name="mine"))
def version():
    import alpha
    print("computed", flush=True)
    return alpha.version

if __name__ == "__main__":
    print(version())
    print(version.explain())
"""
)


@pytest.fixture(name="workflow")
def _workflow(workflow: Workflow) -> Workflow:
    workflow.config = CONFIG
    return workflow


def run(workflow: Workflow, script: str = SCRIPT) -> list[str]:
    return workflow.output(script).splitlines()


@pytest.fixture
def library(project: Path) -> Path:
    return make_project(project / "lib", "lib")


def downgrade(project: Path, packages: Path) -> None:
    """Lock the older release by hand."""
    path = project / "bandsaw.lock"
    content = json.loads(path.read_text())
    (section,) = content["environments"]["mine"].values()
    wheel = packages / "alpha-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    section["packages"]["alpha"] = {"version": "1.0", "hashes": [f"sha256:{digest}"]}
    path.write_text(json.dumps(content))


def test_a_changed_lock_computes_anew_and_says_so(
    workflow: Workflow, project: Path, packages: Path, library: Path
) -> None:
    assert run(workflow)[:2] == ["computed", "2.0"]
    assert run(workflow)[0] == "2.0"

    downgrade(project, packages)

    lines = run(workflow, SCRIPT.replace("    print(version())\n", ""))
    assert lines[-1].endswith("the task runs has changed from alpha==2.0 to alpha==1.0")
    assert run(workflow)[:2] == ["computed", "1.0"]


def test_a_changed_project_computes_anew(workflow: Workflow, library: Path) -> None:
    assert run(workflow)[0] == "computed"
    assert run(workflow)[0] == "2.0"
    (library / "lib.py").write_text("version = 'changed'")
    assert run(workflow)[0] == "computed"


def test_what_is_locked_counts_also_behind_another_interpreter(
    workflow: Workflow, project: Path, packages: Path, library: Path
) -> None:
    script = SCRIPT.replace("@bandsaw.task(", '@bandsaw.task(chain="moving", ')
    assert run(workflow, script)[0] == "computed"
    assert run(workflow, script)[0] == "2.0"
    downgrade(project, packages)
    assert run(workflow, script)[:2] == ["computed", "1.0"]


def test_a_lock_that_changes_while_a_process_runs_counts(
    workflow: Workflow, packages: Path, library: Path
) -> None:
    output = run(
        workflow,
        SCRIPT
        + f"""
    import pathlib
    sys.path.insert(0, {str(Path(__file__).parents[2])!r})
    from tests.environments.test_identity import downgrade
    here = pathlib.Path(__file__).parent
    downgrade(here, pathlib.Path({str(packages)!r}))
    print(version.is_cached())
    print(version())
""",
    )
    assert output[:2] == ["computed", "2.0"]
    assert output[-3:] == ["False", "computed", "1.0"]


def results(project: Path) -> dict[str, Any]:
    """Return what tracking has written of results, by the names of the tasks."""
    found = {}
    for path in project.glob("tracking/tasks/*/*/*/result-info.json"):
        record = json.loads(path.read_text())
        found[record["task"]["definition"].rpartition(".")[2]] = record
    return found


def test_tracking_names_the_environments_that_a_session_has_gone_through(
    workflow: Workflow, project: Path, library: Path
) -> None:
    script = (
        HEAD
        + """
@bandsaw.task(environment=holding("beta", "./lib", name="mine"))
def inside():
    pass

@bandsaw.task(chain="here", environment=holding("no-such-package"))
def broken():
    pass

@bandsaw.task
def outside():
    pass

if __name__ == "__main__":
    inside()
    outside()
    try:
        broken()
    except bandsaw.exceptions.EnvironmentBuildError:
        pass
"""
    )
    run(workflow, script)
    records = results(project)
    (facts,) = records["inside"]["environments"]
    assert facts["name"] == "mine"
    assert facts["packages"] == {"alpha": "2.0", "beta": "1.0"}
    assert list(facts["projects"]) == ["./lib"]
    assert facts["platform"].startswith("cpython-3.")
    for name in ("outside", "broken"):
        assert "environments" not in records[name]

    shutil.rmtree(project / "tracking")
    run(workflow, script)
    # This time, the result came from the cache.
    assert "environments" not in results(project)["inside"]


def test_neither_the_cache_nor_tracking_writes_credentials(
    workflow: Workflow, index: PackageIndex, project: Path, library: Path
) -> None:
    secret = "tell-nobody-123"
    url = index.url(f"ada:{secret}@")
    wheel = url.replace("simple/", f"files/alpha-1.0-py3-none-any.whl?t={secret}")
    script = SCRIPT.replace('"alpha"', 'os.environ["WHEEL_OF_THE_TEST"]')
    environment = {"INDEX_OF_THE_TEST": url, "WHEEL_OF_THE_TEST": f"alpha @ {wheel}"}
    completed = workflow.run(script, environment=environment)
    assert "1.0" in completed.stdout
    assert secret not in completed.stdout + completed.stderr

    places = [project, Path(os.environ["BANDSAW_HOME"])]
    files = [p for place in places for p in place.rglob("*") if p.is_file()]
    assert any(path.name == "result-info.json" for path in files)
    assert [path for path in files if secret.encode() in path.read_bytes()] == []
