"""Questions to a task about its caches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest

import bandsaw
from bandsaw import Configuration
from bandsaw.advices.cache import CachingAdvice
from bandsaw.exceptions import ConfigurationError
from tests.configurations import loadable_configuration

FACTOR = 2


def helped(x: Any) -> Any:
    return x * FACTOR


def work(x: Any, verbose: bool = False) -> Any:
    return helped(x)


class Model:
    def fit(self, x: int = 1) -> int:
        return x

    def make(cls: Any, x: int) -> int:
        return x


@pytest.fixture(name="configuration")
def _configuration(tmp_path: Path) -> Iterator[Configuration]:
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(CachingAdvice(tmp_path / "cache"))
        yield configuration


def task(configuration: Configuration, function: Any = work, **parameters: Any) -> Any:
    return bandsaw.task(function, config=configuration.module_name, **parameters)


def test_a_task_tells_if_a_call_is_cached(configuration: Configuration) -> None:
    asked = task(configuration)
    assert not asked.is_cached(1)
    asked(1)

    assert asked.is_cached(1)
    assert asked.is_cached(x=1, verbose=False)
    assert not asked.is_cached(2)


def test_results_of_a_call_are_forgotten(configuration: Configuration) -> None:
    asked = task(configuration)
    asked(1)
    asked(2)

    assert asked.forget(1) == 1
    assert asked.forget(1) == 0
    assert not asked.is_cached(1)
    assert asked.is_cached(2)


def test_asking_does_not_count_as_a_use(
    configuration: Configuration, tmp_path: Path
) -> None:
    asked = task(configuration)
    asked(1)
    for _ in range(3):
        asked.is_cached(1)
        asked.explain(1)
    (cache,) = configuration.get_advice_chain("default")
    hits = {item.hits for item in cache.store.items()}

    assert hits == {0}


def test_a_hit_is_explained(configuration: Configuration, tmp_path: Path) -> None:
    asked = task(configuration)
    asked(1)
    explanation = asked.explain(1)

    assert explanation.is_hit
    assert explanation.place.startswith(str(tmp_path))
    assert "is answered from" in str(explanation)


def test_a_miss_names_the_arguments_that_differ_from_the_nearest_call(
    configuration: Configuration,
) -> None:
    asked = task(configuration)
    assert "Nothing is kept for this task" in str(asked.explain(1))
    asked(1)
    asked([1, 2], verbose=True)
    (difference,) = asked.explain([1, 3], verbose=True).differences

    assert (difference.kind, difference.name) == ("argument", "x")
    assert (difference.old, difference.new) == ("[1, 2]", "[1, 3]")


def test_a_miss_names_the_constant_that_has_changed(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = task(configuration)
    asked(1)
    monkeypatch.setitem(globals(), "FACTOR", 3)
    explanation = asked.explain(1)
    (difference,) = explanation.differences

    assert difference.name == f"{__name__}.FACTOR"
    assert "from FACTOR = 2 to FACTOR = 3" in str(explanation)


def test_a_miss_shows_how_code_has_changed(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = task(configuration)
    asked(1)

    def other(x: Any) -> Any:
        return x + FACTOR

    monkeypatch.setitem(globals(), "helped", other)
    differences = asked.explain(1).differences

    assert any(item.kind == "code" and item.new is None for item in differences)
    assert any("x + FACTOR" in (item.new or "") for item in differences)


def test_a_damaged_entry_is_a_reason(
    configuration: Configuration, tmp_path: Path
) -> None:
    asked = task(configuration)
    asked(1)
    (entry,) = tmp_path.glob("cache/*/[!.]*")
    entry.write_bytes(entry.read_bytes()[:-5])

    with pytest.warns(RuntimeWarning, match="cannot be read"):
        assert asked.explain(1).reason == "its entry is damaged"


def test_an_old_entry_is_a_reason(configuration: Configuration, tmp_path: Path) -> None:
    configuration.add_advice_chain(CachingAdvice(tmp_path / "cache", max_age=0.0))
    asked = task(configuration)
    asked(1)

    assert asked.explain(1).reason == "its entry is too old"
    assert asked.explain(2).reason is None


def test_another_version_is_a_reason(configuration: Configuration) -> None:
    task(configuration, version="1")(1)

    assert "another id" in str(task(configuration, version="2").explain(1))


def test_a_value_without_identity_is_a_reason(configuration: Configuration) -> None:
    explanation = task(configuration).explain(x for x in "ab")

    assert "x: generator has no stable identity" in explanation.reason
    # The path as it is written in the code
    assert "It cannot be cached: x: generator" in str(explanation)


def test_a_cache_that_is_switched_off_is_a_reason(
    configuration: Configuration,
) -> None:
    asked = task(configuration, cache=False)

    assert "cache=False" in str(asked.explain(1))
    assert not asked.is_cached(1)
    assert asked.forget(1) == 0


def test_several_caches_are_asked(configuration: Configuration, tmp_path: Path) -> None:
    near, far = CachingAdvice(tmp_path / "near"), CachingAdvice(tmp_path / "far")
    configuration.add_advice_chain(near, far)
    asked = task(configuration)
    asked(1)
    for path in tmp_path.glob("near/*/[!.]*"):
        path.unlink()

    assert asked.is_cached(1)
    assert str(tmp_path / "far") in str(asked.explain(1))
    assert asked.forget(1) == 1


def test_a_task_without_a_cache_says_so(configuration: Configuration) -> None:
    configuration.add_advice_chain(name="empty")
    asked = task(configuration, chain="empty")

    for question in (asked.is_cached, asked.explain, asked.forget):
        with pytest.raises(ConfigurationError, match=r"no CachingAdvice in .*empty"):
            question(1)


def test_arguments_that_do_not_fit_are_named(configuration: Configuration) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        task(configuration).is_cached()


def test_a_method_is_asked_on_its_instance_or_by_way_of_its_class(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "fit", task(configuration, Model.fit))
    model: Any = Model()
    kind: Any = Model
    model.fit(2)

    assert model.fit.is_cached(2)
    assert kind.fit.is_cached(model, 2)
    assert model.fit.explain(2).is_hit
    assert not model.fit.is_cached(3)
    assert "x" in str(model.fit.explain(3).differences[0])
    with pytest.raises(TypeError, match=r"Model\.fit\.is_cached\(instance"):
        kind.fit.is_cached(2)
    assert model.fit.forget(2) == 1
    assert not model.fit.is_cached(2)


def test_a_class_method_below_is_asked_on_its_class(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = task(configuration, classmethod(Model.make))
    monkeypatch.setattr(Model, "make", made)
    kind: Any = Model
    kind.make(3)

    assert kind.make.is_cached(3)
    assert kind().make.is_cached(3)


def test_a_class_method_above_is_asked_with_its_class(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "make", classmethod(task(configuration, Model.make)))
    kind: Any = Model
    kind.make(3)

    assert kind.make.is_cached(Model, 3)
    with pytest.raises(TypeError, match=r"Model\.make\.is_cached\(class.*@task above"):
        kind.make.is_cached(3)


def test_coroutine_functions_are_asked_without_awaiting(
    configuration: Configuration,
) -> None:
    import asyncio

    calls: list[int] = []

    async def later(x: int) -> int:
        calls.append(x)
        return x

    asked = task(configuration, later)
    assert not asked.is_cached(1)
    assert asyncio.run(asked(1)) == 1
    assert asked.is_cached(1)
    assert asyncio.run(asked(1)) == 1
    assert calls == [1]
