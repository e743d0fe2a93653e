"""The identity of models of pydantic and of objects of xarray."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from bandsaw.fingerprint import fingerprint


def test_equal_models_are_equal_however_they_were_made_and_used() -> None:
    pydantic = pytest.importorskip("pydantic", reason="needs pydantic")

    class Config(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        a: int = 1
        b: Any = None

        @functools.cached_property
        def double(self) -> int:
            return 2 * self.a

    used = Config()
    assert used.double == 2
    others = [Config(a=2), Config(b=1), Config(b=Config())]

    assert fingerprint(Config(a=1)) == fingerprint(Config())
    assert fingerprint(used) == fingerprint(Config())
    assert len({fingerprint(value) for value in [used, *others]}) == 1 + len(others)


def test_private_attributes_of_a_model_count() -> None:
    pydantic = pytest.importorskip("pydantic", reason="needs pydantic")

    class Config(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        _payload: int = pydantic.PrivateAttr(1)

    changed = Config()
    changed._payload = 2

    assert fingerprint(changed) != fingerprint(Config())


def test_to_look_at_an_object_of_xarray_does_not_change_its_identity() -> None:
    xarray = pytest.importorskip("xarray", reason="needs xarray")

    def make(number: int, **attributes: Any) -> list[Any]:
        array = xarray.DataArray(
            [1, number], dims="x", coords={"x": [3, 4]}, attrs=attributes
        )
        return [array, array.variable, xarray.Dataset({"a": array}, attrs=attributes)]

    for one, other, changed, described in zip(
        make(1), make(1), make(2), make(1, unit="m")
    ):
        before = fingerprint(one)
        repr(one)
        assert one.attrs == {}
        assert one.encoding == {}

        assert fingerprint(one) == before == fingerprint(other)
        assert len({before, fingerprint(changed), fingerprint(described)}) == 3
