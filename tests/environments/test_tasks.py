"""Tasks that ask for an environment, whatever else happens to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw.advices.environment import EnvironmentAdvice
from bandsaw.environments import Environment
from bandsaw.exceptions import ConfigurationError
from tests.configurations import loadable_configuration
from tests.environments.wheels import make_project
from tests.workflows import Workflow, read_script

HEAD = """
import os, sys
import bandsaw
from bandsaw.environments import Environment

INDEX = os.environ["INDEX_OF_THE_TEST"]

def holding(*requirements, **options):
    return Environment(None, requirements, index_url=INDEX, **options)
"""

CONFIG = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(start_ahead=False), name="moving")
configuration.add_advice_chain(CachingAdvice("cache"), name="cached")
configuration.add_advice_chain(
    LoggingAdvice(),
    CachingAdvice("cache of all"),
    SubprocessAdvice(start_ahead=False),
    SubprocessAdvice(start_ahead=False),
    name="all",
)
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="resident")
"""


@pytest.fixture(name="workflow")
def _workflow(workflow: Workflow) -> Workflow:
    workflow.config = CONFIG
    return workflow


def test_two_versions_of_a_package_in_one_script(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(environment=holding("alpha<2"))
def old():
    import alpha
    return alpha.version

@bandsaw.task(environment=holding("alpha>=2"))
def new(before):
    import alpha
    return before, alpha.version, os.getpid()

if __name__ == "__main__":
    *versions, process = new(old())
    print(versions, process != os.getpid(), "alpha" in sys.modules)
""",
    )
    assert output == "['1.0', '2.0'] True False\n"


def test_the_step_is_the_innermost_one_of_any_chain(
    workflow: Workflow, project: Path
) -> None:
    output = workflow.output(read_script("environment_in_any_chain.py"))
    assert output == "1.0 True\n" * 7 + "True True\n"
    locked = json.loads((project / "bandsaw.lock").read_text())
    assert list(locked["environments"]) == ["alpha"]


def test_methods_and_coroutines_run_in_environments(workflow: Workflow) -> None:
    output = workflow.output(read_script("environment_of_methods.py"))
    assert output == "('mine', '1.0') 1.0 [(1, '1.0'), (2, '1.0')]\n"


def test_a_task_in_a_child_asks_for_another_environment(
    workflow: Workflow, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    workflow.write_script(
        HEAD
        + """
@bandsaw.task(environment=holding("alpha<2", name="inner"))
def inner():
    import alpha
    return alpha.version

@bandsaw.task(environment=holding("gamma", name="outer"), chain="moving")
def outer():
    import gamma
    os.chdir("/")
    return gamma.version, inner()

if __name__ == "__main__":
    print(outer())
""",
    )
    elsewhere = Workflow(tmp_path / "elsewhere")
    output = elsewhere.python(project / "workflow.py").stdout
    assert output == "('1.0', '1.0')\n"
    # Both processes have locked it beside the user's configuration.
    locked = json.loads((project / "bandsaw.lock").read_text())
    assert sorted(locked["environments"]) == ["inner", "outer"]
    assert [p.name for p in tmp_path.rglob("bandsaw.lock")] == ["bandsaw.lock"]


def test_a_configuration_in_a_package_has_its_lock_and_its_projects_beside_it(
    workflow: Workflow, project: Path
) -> None:
    make_project(project / "mine" / "lib", "lib")
    workflow.write(
        {
            "mine/__init__.py": "",
            "mine/config.py": "import bandsaw\n"
            "configuration = bandsaw.Configuration()\n",
            "workflow.py": HEAD
            + """
@bandsaw.task(config="mine.config", environment=holding("./lib", "alpha<2"))
def versions():
    import lib, alpha
    return lib.version, alpha.version

if __name__ == "__main__":
    print(versions())
""",
        },
    )
    answer = Workflow(Path("/")).python(project / "workflow.py")
    assert answer.stdout == "('1.0', '1.0')\n"
    assert (project / "mine" / "bandsaw.lock").is_file()


def test_a_resident_worker_does_not_grow_with_each_session(workflow: Workflow) -> None:
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(chain="resident", environment=holding("alpha<2", name="alpha"))
def first(x):
    return x

@bandsaw.task(chain="resident")
def size():
    chains = bandsaw.get_configuration().chains
    return len(chains["resident"]._longer), os.getpid()

if __name__ == "__main__":
    sizes = set()
    for number in range(3):
        assert first(number) == number
        sizes.add(size())
    print(len(sizes), sizes.pop()[0])
""",
    )
    assert output == "1 1\n"


def test_an_environment_is_given_to_an_advice_in_place_of_an_interpreter(
    workflow: Workflow,
) -> None:
    config = (
        HEAD
        + """
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
for name, options in (("default", {}), ("pool", {"workers": 1})):
    advice = SubprocessAdvice(interpreter=holding("alpha<2", name="old"), **options)
    advice.add_interpreter(holding("alpha>=2", name="new"), name="new")
    configuration.add_advice_chain(CachingAdvice("cache"), advice, name=name)
"""
    )
    output = workflow.output(
        read_script("environment_of_an_advice.py"),
        config=config,
    )
    assert output.startswith("1.0 2.0 1.0 2.0 1.0\n")
    assert output.endswith("True\n")


def test_sessions_in_environments_travel_as_json(workflow: Workflow) -> None:
    config = CONFIG + "configuration.set_serializer(bandsaw.JsonSerializer())\n"
    output = workflow.output(
        HEAD
        + """
@bandsaw.task(chain="moving", environment=holding("alpha<2"))
def version(x):
    import alpha
    return [x, alpha.version]

if __name__ == "__main__":
    print(version(1))
""",
        config=config,
    )
    assert output == "[1, '1.0']\n"


def test_a_failed_build_is_the_result_of_the_session(workflow: Workflow) -> None:
    config = """
import bandsaw
from bandsaw.advices.cache import CachingAdvice

told = []

class Watching(bandsaw.Advice):
    def before(self, session):
        told.append("before")
        session.proceed()

    def after(self, session):
        told.append(type(session.result.exception).__name__)
        session.proceed()

class Told(bandsaw.Extension):
    def on_session_finished(self, session):
        told.append("finished")

configuration = bandsaw.Configuration().add_extension(Told())
configuration.add_advice_chain(Watching())
configuration.add_advice_chain(Watching(), CachingAdvice("cache"), name="cached")
"""
    output = workflow.output(
        read_script("failed_builds.py"),
        config=config,
    )
    line = "True ['before', 'EnvironmentBuildError', 'finished']\n"
    assert output == line * 2


# Without a process


def noop() -> None:
    pass


def test_a_chain_that_is_replaced_keeps_the_step_of_the_task() -> None:
    class Step(bandsaw.Advice):
        pass

    class Told(bandsaw.Extension):
        pass

    step, told = Step(), Told()
    with loadable_configuration() as configuration:
        name = configuration.module_name
        task = bandsaw.task(noop, config=name, environment=Environment())
        chain = configuration.chains["default"].for_task(task.bandsaw_task)
        assert [type(advice) for advice in chain.walk.advices] == [EnvironmentAdvice]

        configuration.add_advice_chain(step)
        configuration.add_extension(told)

        assert chain is configuration.chains["default"].for_task(task.bandsaw_task)
        assert [type(advice) for advice in chain.walk.advices] == [
            Step,
            EnvironmentAdvice,
        ]
        assert chain.extensions == (told,)
        assert configuration.get_advice_chain("default") == (step,)
        configuration.add_advice_chain()
        assert not chain.idle


@pytest.mark.parametrize("wanted", ["Inline", 7, ["six"], "3.8", False])
def test_what_is_no_environment_is_named(wanted: Any) -> None:
    with loadable_configuration() as configuration, pytest.raises(
        ConfigurationError, match=r"tests.environments.test_tasks.noop: environment="
    ):
        bandsaw.task(noop, config=configuration.module_name, environment=wanted)


def test_steps_of_equal_environments_are_equal() -> None:
    first = EnvironmentAdvice(Environment(None, ["six"]))
    assert first == EnvironmentAdvice(Environment(None, ["six"]))
    assert first != EnvironmentAdvice(Environment(None, ["six<2"]))
    assert first != "six"
    assert "six" in repr(first)
