"""The same tasks on executors, on a Dask cluster and on a Ray cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.advices.test_executor import CONFIG as EXECUTORS, EXPECTED
from tests.engines.conftest import Clusters, need, started
from tests.environments.wheels import make_wheel, package_index
from tests.workflows import HEAD, ROOT, Workflow, read_script

CONFIG = (
    EXECUTORS
    + """
import os
from bandsaw.advices.dask import DaskAdvice
from bandsaw.advices.ray import RayAdvice

# Of this machine's clusters, which the workers find, too
dask, ray = os.environ.get("DASK_OF_TESTS"), os.environ.get("RAY_OF_TESTS")
configuration.add_advice_chain(DaskAdvice(dask), name="dask")
configuration.add_advice_chain(RayAdvice(ray), name="ray")
configuration.add_advice_chain(
    DaskAdvice(dask, copy_arguments=True, priority=1), name="dask-copies"
)
configuration.add_advice_chain(RayAdvice(ray, copy_arguments=True), name="ray-copies")
configuration.add_advice_chain(DaskAdvice(), name="dask-of-process")
for name, advice in ("dask", DaskAdvice(dask)), ("ray", RayAdvice(ray)):
    configuration.add_advice_chain(advice, name=f"{name}-singly")
    configuration.set_concurrency(1, chain=f"{name}-singly")
"""
)


def test_tasks_do_the_same_on_each_engine(workflow: Workflow, engine: str) -> None:
    output = workflow.output(read_script("on_an_engine.py"), engine, config=CONFIG)

    # A cluster shares them between tasks.
    shared = EXPECTED.replace("array True", "array False")
    assert output == (EXPECTED if engine == "loky" else shared)


MORE = (
    HEAD
    + """
import signal
import sys
import time
from pathlib import Path

at = bandsaw.task(chain=sys.argv[1] if len(sys.argv) > 1 else "process-pool")

@at
def where():
    return bandsaw.__file__

@at
def process(seconds=0):
    time.sleep(seconds)
    return os.getpid()

@at
def version():
    return VERSION

@at
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@at
def wait_for(path):
    path.with_suffix(".begun").touch()
    while not path.exists():
        time.sleep(0.01)
    return "waited"

@at
def hold(path, gate, array):
    path.touch()
    while not gate.exists():
        time.sleep(0.01)

@at
def descend(depth):
    return depth and 1 + descend.submit(depth - 1).result()

@at
def of_length(array):
    return len(array)

@at
def last_of(array):
    return array[-1]

@at
def linger(array):
    time.sleep(600)

def wait_until(condition):
    while not condition():
        time.sleep(0.01)

VERSION = 1
"""
)


def more(workflow: Workflow, engine: str, text: str, version: int = 1) -> str:
    """Run a script whose main part calls these tasks, and return its output."""
    head = MORE.replace("VERSION = 1", f"VERSION = {version}")
    script = f'{head}\nif __name__ == "__main__":\n{text}\n'
    printed = workflow.run(script, engine, config=CONFIG).stdout
    # Ray prints there which of its processes have died.
    lines = [line for line in printed.splitlines(True) if "(raylet)" not in line]
    return "".join(lines)


def test_workers_get_the_code_by_its_content(
    workflow: Workflow, engine: str, clusters: Clusters
) -> None:
    text = "    print(where(), version())"
    first = more(workflow, engine, text).split()
    second = more(workflow, engine, f"# More\n{text}", version=2).split()

    assert (first[1], second[1]) == ("1", "2")
    if engine != "loky":
        assert first[0].startswith(str(clusters.home))


def test_a_worker_that_dies_is_a_result_and_the_next_call_finds_another(
    workflow: Workflow, engine: str
) -> None:
    output = more(
        workflow,
        engine,
        """
    for make in lambda: die(), lambda: die.submit().result():
        print(text_of(make).split(":")[0])
        if sys.argv[1] != "loky":
            print(version())
""",
    )
    answer = "" if engine == "loky" else "1\n"
    assert output == f"InterpreterDiedError\n{answer}" * 2


def test_cancelled_calls_end_in_each_phase(workflow: Workflow, engine: str) -> None:
    output = more(
        workflow,
        engine,
        """
    paths = [Path(str(number)).absolute() for number in range(3)]
    futures = {path: wait_for.submit(path) for path in paths}
    has_begun = lambda path: path.with_suffix(".begun").exists()
    # The engine has them in any order, and two places.
    wait_until(lambda: any(map(has_begun, paths)))
    waiting = [path for path in paths if not has_begun(path)][0]
    begun = [path for path in paths if has_begun(path) and path != waiting][0]
    [left] = {*paths} - {waiting, begun}
    for path in begun, waiting:
        print(futures[path].cancel(), futures[path].cancelled())
    for path in paths:
        path.touch()
    print(futures[left].result(), futures[left].cancel())
    print(version())
""",
    )
    assert output == "True True\nTrue True\nwaited False\n1\n"


def test_nothing_of_cancelled_calls_stays_on_a_cluster(
    workflow: Workflow, engine: str
) -> None:
    if engine == "loky":
        pytest.skip("Executors keep nothing")
    output = more(
        workflow,
        engine,
        """
    import numpy

    def is_idle():
        if sys.argv[1] == "ray":
            import ray

            return ray.available_resources().get("CPU") == 2
        from distributed import Client

        with Client(os.environ["DASK_OF_TESTS"], set_as_default=False) as client:
            keys = lambda dask_scheduler: list(dask_scheduler.tasks)
            return not any([client.run_on_scheduler(keys), *client.has_what().values()])

    gate = Path("gate").absolute()
    paths = [Path(str(number)).absolute() for number in range(4)]
    # Large arguments are kept there. The futures live on, as those of scripts do.
    futures = [hold.submit(path, gate, numpy.random.rand(200_000)) for path in paths]
    wait_until(lambda: sum(path.exists() for path in paths) == 2)
    print([future.cancel() for future in futures])
    # Dask lets a task go on that has begun.
    gate.touch()
    wait_until(is_idle)
    ended = hold.submit(paths[0], gate, numpy.random.rand(200_000))
    ended.result()
    print(ended.cancel())
    wait_until(is_idle)
""",
    )
    assert output == "[True, True, True, True]\nFalse\n"


def test_tasks_that_wait_for_what_they_submitted_never_deadlock(
    workflow: Workflow, engine: str
) -> None:
    if engine == "loky":
        pytest.skip("Executors have no way to lend a process")
    # There are two places in the cluster, and one in each process.
    text = "    print(descend.submit(5).result())"
    assert more(workflow, f"{engine}-singly", text) == "5\n"


def test_copied_arguments_can_be_changed(workflow: Workflow, engine: str) -> None:
    if engine == "loky":
        pytest.skip("Its processes have arrays of their own")
    script = read_script("on_an_engine.py").replace("\nmain()", "")
    script = (
        script[: script.index("def main()")]
        + """
if __name__ == "__main__":
    import numpy
    array = numpy.zeros(200_000)
    # What several calls are given travels once, and what has changed again.
    print([of_array(array)[0], *(made[0] for made in of_array.map([array] * 3))])
    array[0] = 1
    print(of_array(array)[1][0])
"""
    )
    output = workflow.run(script, f"{engine}-copies", config=CONFIG).stdout
    assert output == "[True, True, True, True]\n2.0\n"


def test_answers_of_ray_come_while_others_take_long_and_end_with_the_connection(
    workflow: Workflow, engine: str
) -> None:
    if engine != "ray":
        pytest.skip("Other engines call a function for each answer")
    output = more(
        workflow,
        engine,
        """
    import ray
    from bandsaw.advices import _ray_answers

    path = Path("done").absolute()
    long = wait_for.submit(path)
    wait_until(path.with_suffix(".begun").exists)
    print(len([future.result() for future in [version.submit() for _ in range(300)]]))
    print(long.done(), len(_ray_answers.references_to_come()))
    path.touch()
    print(long.result(), _ray_answers.references_to_come())

    lost = wait_for.submit(Path("never").absolute())
    wait_until(lambda: bool(_ray_answers._others.references))
    ray.shutdown()
    print(text_of(lost.result).split(":")[0])
""",
    )
    assert output == "300\nFalse 1\nwaited []\nUnreachableError\n"


def test_a_scheduler_that_dies_is_a_result(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("distributed")
    # What is killed leaves its files.
    with started("dask_cluster.py", TMPDIR=str(workflow.directory)) as cluster:
        monkeypatch.setenv("DASK_OF_TESTS", cluster.address)
        output = more(
            workflow,
            "dask",
            f"""
    path = Path("never").absolute()
    future = wait_for.submit(path)
    wait_until(path.with_suffix(".begun").exists)
    os.killpg({cluster.process.pid}, signal.SIGKILL)
    print(text_of(future.result).split(".")[0])
    print(text_of(version).split(":")[0])
""",
        )
    assert output == (
        "UnreachableError: The scheduler of Dask is gone\nUnreachableError\n"
    )


def test_a_store_without_room_is_a_result(workflow: Workflow, engine: str) -> None:
    if engine != "ray":
        pytest.skip("Only Ray has a store of a fixed size")
    text = """
    import numpy
    for length in 40_000_000, 100_000:
        print(text_of(lambda: of_length(numpy.zeros(length))).split(".")[0])
"""
    assert more(workflow, engine, text) == (
        "InterpreterError: Ray has not continued the session\n100000\n"
    )


def test_a_worker_spills_to_disk_and_one_without_room_is_a_result(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("distributed")
    # What is killed leaves its files.
    variables = {
        "TMPDIR": str(workflow.directory),
        "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "0.3",
    }
    with started("dask_cluster.py", "1", "400 MiB", **variables) as cluster:
        monkeypatch.setenv("DASK_OF_TESTS", cluster.address)
        output = more(
            workflow,
            "dask",
            """
    import numpy
    from distributed import Client

    with Client(os.environ["DASK_OF_TESTS"]) as client:
        path = Path("gate").absolute()
        wait = wait_for.submit(path)
        # They are kept there while their calls are queued, and three have no room.
        futures = [last_of.submit(numpy.full(10_000_000, i)) for i in range(3)]
        held = lambda: [key for keys in client.has_what().values() for key in keys]
        wait_until(lambda: len(held()) == 3)
        [worker] = client.scheduler_info()["workers"].values()
        print(worker["metrics"]["spilled_bytes"]["disk"] > 0)
        path.touch()
        print([int(future.result()) for future in futures])
        print(text_of(lambda: linger(numpy.zeros(100_000_000))))
        print(version())
""",
        )
    has_spilled, values, failure, answer = output.splitlines()
    assert (has_spilled, values, answer) == ("True", "[0, 1, 2]", "1")
    assert re.match(
        "InterpreterDiedError: .*Dask.* workflow.linger.* memory_limit", failure
    )


def test_a_cluster_without_workers_is_told_of(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("distributed")
    # Dask leaves empty files there.
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", str(workflow.directory))
    output = more(
        workflow,
        "dask-of-process",
        """
    import logging
    import numpy
    from bandsaw.advices import _dask
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=0, processes=False, dashboard_address=None)
    client = Client(cluster, timeout=2)

    class Told(logging.Handler):
        def emit(self, record):
            print(record.getMessage().split(": ")[1])
            cluster.scale(1)

    _dask._LOOKS = 1
    logging.getLogger("bandsaw").addHandler(Told())
    with cluster, client:
        failure = text_of(lambda: of_length(numpy.zeros(200_000)))
        print(failure.replace(cluster.scheduler_address, "x"))
        print(version.submit().result())
""",
    )
    assert output == (
        "UnreachableError: The Dask cluster at x has not taken large arguments of "
        "workflow.of_length: it has no workers. Start some.\n"
        "it has no workers. Start some.\n"
        "1\n"
    )


def test_an_environment_is_made_once_on_a_node(
    workflow: Workflow, engine: str, clusters: Clusters, tmp_path: Path
) -> None:
    if engine == "loky":
        pytest.skip("A process pool has no nodes")
    make_wheel(tmp_path / "wheels", "alpha", "1.0")
    with package_index(tmp_path / "wheels") as index:
        script = f"""{HEAD}
import time
from bandsaw.environments import Environment

environment = Environment(
    None, ["alpha"], index_url={index.url()!r}, name="of-{engine}"
)

@bandsaw.task(chain={engine!r}, environment=environment)
def prefix(number):
    import alpha
    time.sleep(0.1)
    return sys.prefix

if __name__ == "__main__":
    print(len(set(prefix.map(range(4)))), prefix(0).startswith({str(clusters.home)!r}))
"""
        assert workflow.run(script, config=CONFIG).stdout == "1 True\n"


PAGE = ROOT / "docs" / "explanation" / "which_one.md"


def test_a_script_moves_to_a_cluster_by_one_line_of_its_configuration(
    workflow: Workflow, engine: str, clusters: Clusters
) -> None:
    if engine == "loky":
        pytest.skip("The page tells of clusters")
    text = PAGE.read_text(encoding="utf-8")
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL))
    [output] = re.findall(r"```text\n(best.*?)```", text, re.DOTALL)
    lines = re.findall(r"^configuration\.add_advice_chain\(.*\)$", text, re.MULTILINE)
    kind = f"{engine.capitalize()}Advice"
    [line] = [line for line in lines if kind in line]
    line = re.sub(r'"[^"]*"', repr(clusters.addresses[engine]), line)

    config = files["bandsaw_config.py"].replace(lines[0], line)
    config = config.replace(
        "bandsaw.advices.subprocess import SubprocessAdvice",
        f"bandsaw.advices.{engine} import {kind}",
    )
    assert workflow.output(files["workflow.py"], config=config) == output


def test_a_child_of_a_worker_calls_tasks_on_the_cluster_of_the_worker(
    workflow: Workflow, engine: str
) -> None:
    if engine != "ray":
        pytest.skip("Only Ray starts a cluster for a process that has none")
    printed = workflow.output(
        HEAD
        + """
import ray

def own_nothing():
    import sys
    sys._bandsaw_code = ""

def address():
    return ray.get_runtime_context().gcs_address

@bandsaw.task(chain="connected")
def inner():
    return address(), "default_worker" in "".join(sys.orig_argv)

@bandsaw.task(chain="connected")
def outer():
    return inner(), "default_worker" in "".join(sys.orig_argv)

if __name__ == "__main__":
    hook = {"worker_process_setup_hook": own_nothing}
    ray.init(
        os.environ["RAY_OF_TESTS"],
        runtime_env=hook,
        log_to_driver=False,
        logging_level="WARNING",
    )
    (found, _), is_worker = outer()
    print(found == address(), is_worker)
""",
        config=CONFIG + 'configuration.add_advice_chain(RayAdvice(), name="connected")',
    )
    assert printed == "True False\n"
