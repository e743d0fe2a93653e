"""Arguments that advices for clusters refuse before they reach one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw.advices.dask import DaskAdvice
from bandsaw.advices.ray import RayAdvice
from bandsaw.exceptions import ConfigurationError, MissingExtraError

MODULES = {"dask": "distributed", "ray": "ray"}


def double(number: int) -> int:
    return 2 * number


@pytest.fixture(name="advise", params=[DaskAdvice, RayAdvice])
def _advise(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Make tasks whose sessions are moved to a cluster that is not there."""
    text = "import bandsaw\nconfiguration = bandsaw.Configuration()\n"
    (tmp_path / "cluster_config.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    configuration = bandsaw.get_configuration("cluster_config")
    configuration.set_temp_directory(str(tmp_path))
    advice = request.param("127.0.0.1:1")
    configuration.add_advice_chain(advice)

    def advise(parameters: Any = None) -> Any:
        name = advice.environment_for(None).partition(":")[0]
        monkeypatch.setitem(sys.modules, MODULES[name], None)
        more = {} if parameters is None else {name: parameters}
        return bandsaw.task(double, config="cluster_config", **more)

    return advise


@pytest.mark.parametrize("is_submitted", [True, False])
def test_an_engine_that_is_not_installed_is_named_with_its_extra(
    advise: Any, is_submitted: bool
) -> None:
    task = advise()
    with pytest.raises(MissingExtraError, match=r"bandsaw\[(dask|ray)\]"):
        task.submit(1).result(60) if is_submitted else task(1)


def test_what_a_task_cannot_choose_is_refused(advise: Any) -> None:
    task = advise("much")
    with pytest.raises(ConfigurationError, match="has to be a dict with keys like"):
        task(1)
    with pytest.raises(ConfigurationError, match="unknown key 'colour'"):
        advise({"colour": 1})
