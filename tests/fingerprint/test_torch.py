"""The identity of torch's tensors."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.exceptions import UnstableValueError
from bandsaw.fingerprint import fingerprint

torch = pytest.importorskip("torch", reason="needs torch")


def test_tensors_differ_by_dtype_shape_and_values() -> None:
    base = torch.arange(6)
    names = "bool uint8 int32 int64 float16 bfloat16 float32 float64 complex64"
    values = [
        *(base.to(getattr(torch, name)) for name in names.split()),
        base.reshape(2, 3),
        base.reshape(3, 2),
        base.float().requires_grad_(),
        torch.nn.Parameter(base.float()),
        base.float().to_sparse(),
        base.numpy(),
        torch.tensor([0, 1, 2, 3, 4, 6]),
        torch.float32,
        torch.float64,
        torch.device("cpu"),
    ]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_how_a_tensor_lies_in_memory_does_not_count() -> None:
    tensor = torch.arange(12.0).reshape(3, 4)
    moved = tensor.T.contiguous().T
    conjugate = torch.tensor([1 + 2j]).conj()

    assert fingerprint(moved) == fingerprint(tensor)
    assert fingerprint(conjugate) == fingerprint(torch.tensor([1 - 2j]))


def test_a_model_counts_by_its_weights() -> None:
    def make(seed: int) -> Any:
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())

    assert fingerprint(make(1)) == fingerprint(make(1))
    assert fingerprint(make(1)) != fingerprint(make(2))


def test_a_tensor_without_numbers_is_refused() -> None:
    with pytest.raises(UnstableValueError, match="meta"):
        fingerprint(torch.empty(3, device="meta"))
