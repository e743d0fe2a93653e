"""Modules that are loaded when something of them is asked for."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

import bandsaw.serialization
import bandsaw.stores
from bandsaw.runtime.lazy import LateModule, late_attribute


def test_a_late_module_is_imported_at_the_first_access_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_of_test.py").write_text("value = object()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = LateModule("late_of_test")
    assert "late_of_test" not in sys.modules

    value = module.value

    assert value is importlib.import_module("late_of_test").value
    del sys.modules["late_of_test"]
    assert module.value is value
    assert "late_of_test" not in sys.modules


def test_a_member_that_a_late_module_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        LateModule("json").nothing  # noqa: B018


class Late:
    def __init__(self, together: int = 1) -> None:
        self._barrier = Barrier(together, timeout=60)

    @late_attribute
    def value(self) -> object:
        """A value that is made late."""
        self._barrier.wait()
        return object()


def test_a_late_attribute_is_the_same_object_for_threads_that_make_it_together() -> (
    None
):
    late = Late(together=2)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: late.value, range(2))

    assert first is second
    assert late.value is first


def test_a_late_attribute_that_was_set_is_not_made() -> None:
    late = Late(together=2)

    late.value = "set"

    assert late.value == "set"


def test_the_class_has_the_description_of_a_late_attribute() -> None:
    assert Late.value.__doc__ == "A value that is made late."


@pytest.mark.parametrize("package", [bandsaw.serialization, bandsaw.stores, bandsaw])
def test_packages_list_and_have_what_they_load_late(package: object) -> None:
    names = dir(package)

    assert set(package.__all__) <= set(names)  # type: ignore[attr-defined]
    for name in names:
        if name != "fsspec":  # an extra
            getattr(package, name)
    with pytest.raises(AttributeError, match="'nothing'"):
        package.nothing  # type: ignore[attr-defined] # noqa: B018
