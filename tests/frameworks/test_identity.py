"""The identity of torch's tensors."""

from __future__ import annotations

from typing import Any

import pytest

from bandsaw.exceptions import UnstableValueError
from bandsaw.execution import Execution
from bandsaw.fingerprint import fingerprint
from bandsaw.tasks import Task

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


def odd_tensors() -> dict[str, Any]:
    """Tensors of which numpy knows nothing; which there are depends on the version."""
    odd = {"nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])}
    for name in ("uint4", "float4_e2m1fn_x2"):
        if hasattr(torch, name):
            odd[name] = torch.empty(2, dtype=getattr(torch, name))
    return odd


# The warnings are about what the tests are about.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["nested", "uint4", "float4_e2m1fn_x2"])
def test_an_odd_tensor_is_refused_with_its_place(name: str) -> None:
    tensor = odd_tensors().get(name)
    if tensor is None:
        pytest.skip("not in this version")

    with pytest.raises(UnstableValueError, match=r"value\['a'\]\[1\]: torch\.Tensor"):
        fingerprint({"a": [0, tensor]})


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_call_with_an_odd_tensor_needs_no_id() -> None:
    for tensor in odd_tensors().values():
        tensors = [tensor]
        execution = Execution.of_call(Task.create_task(count), (tensors,), {})
        execution.pin_id()

        assert execution.instability is not None
        assert count(tensors) == 1


def count(tensors: Any) -> int:
    return len(tensors)
