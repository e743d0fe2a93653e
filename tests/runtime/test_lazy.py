"""Modules that are loaded when something of them is asked for."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import bandsaw.serialization
import bandsaw.stores
from bandsaw.runtime.lazy import LateModule


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


@pytest.mark.parametrize("package", [bandsaw.serialization, bandsaw.stores, bandsaw])
def test_packages_list_and_have_what_they_load_late(package: object) -> None:
    names = dir(package)

    assert set(package.__all__) <= set(names)  # type: ignore[attr-defined]
    for name in names:
        if name != "fsspec":  # an extra
            getattr(package, name)
    with pytest.raises(AttributeError, match="'nothing'"):
        package.nothing  # type: ignore[attr-defined] # noqa: B018
