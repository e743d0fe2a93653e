"""Tensors of torch on their way to other interpreters and out of caches."""

from __future__ import annotations

import io
import mmap
import sys
import tempfile
import warnings
from typing import Any, Callable, Iterable

import pytest

from bandsaw.exceptions import SerializationError
from bandsaw.serialization import Opaque, PickleSerializer
from bandsaw.serialization.recipients import Recipient, writing_for

from ..workflows import Workflow

torch = pytest.importorskip("torch", reason="needs torch")

# Enough for a buffer of its own, and of whole numbers of every type
LARGE = 1 << 18

# What torch has only begun, or gives up, says so whenever it is used.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def written(value: Any) -> tuple[bytes, list[memoryview]]:
    stream = io.BytesIO()
    buffers = PickleSerializer().serialize_with_buffers(value, stream)
    return stream.getvalue(), list(buffers)


def read(content: bytes, buffers: Iterable[memoryview]) -> Any:
    copies = [memoryview(bytearray(buffer)) for buffer in buffers]
    return PickleSerializer().deserialize_with_buffers(content, copies)


def in_one_stream(value: Any) -> Any:
    stream = io.BytesIO()
    PickleSerializer().serialize(value, stream)
    stream.seek(0)
    return PickleSerializer().deserialize(stream)


def beside_the_stream(value: Any) -> Any:
    return read(*written(value))


WAYS = pytest.mark.parametrize("travel", [in_one_stream, beside_the_stream])


def memory_of(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        value = value.untyped_storage()
    storage = getattr(value, "_untyped_storage", value)
    return bytes(torch.tensor([], dtype=torch.uint8).set_(storage).numpy())


DTYPES = {value for value in vars(torch).values() if isinstance(value, torch.dtype)}


@WAYS
@pytest.mark.parametrize("size", [16, LARGE])
def test_numbers_of_every_type_arrive(size: int, travel: Callable[[Any], Any]) -> None:
    assert {torch.bool, torch.bfloat16, torch.float8_e4m3fn, torch.uint16} < DTYPES
    # Each is a valid truth value.
    numbers = torch.randint(0, 2, (size,), dtype=torch.uint8)
    for dtype in DTYPES:
        tensor = numbers.clone().view(dtype)

        arrived = travel(tensor)

        assert (arrived.dtype, arrived.shape) == (dtype, tensor.shape)
        assert memory_of(arrived) == memory_of(tensor), dtype


def odd_tensors() -> dict[str, Any]:
    numbers = torch.arange(120_000.0).reshape(300, 400)
    parts = [torch.ones(30_000), torch.ones(2)]
    found = {
        "transposed": numbers.T,
        "every other": numbers[::2, ::3],
        "of requests": numbers.clone().requires_grad_(),
        "parameter": torch.nn.Parameter(numbers),
        "conjugate": torch.complex(numbers, numbers).conj(),
        "number": torch.tensor(2.5),
        "empty": torch.empty(0, 5),
        "sparse": numbers.to_sparse(),
        "compressed": numbers.to_sparse_csr(),
        "nested": torch.nested.nested_tensor(parts),
        "jagged": torch.nested.nested_tensor(parts, layout=torch.jagged),
    }
    found["quantised"] = torch.quantize_per_tensor(numbers, 0.5, 3, torch.qint8)
    found["quantised by rows"] = torch.quantize_per_channel(
        numbers, torch.rand(300) + 0.1, torch.zeros(300), 0, torch.quint8
    )
    return found


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ODD = odd_tensors()


def numbers_of(tensor: Any) -> Any:
    if tensor.is_quantized:
        return tensor.dequantize()
    if tensor.is_nested:
        return torch.cat(tensor.unbind())
    return tensor.to_dense().detach()


@WAYS
@pytest.mark.parametrize("name", ODD)
def test_tensors_of_every_kind_arrive(name: str, travel: Callable[[Any], Any]) -> None:
    tensor = ODD[name]

    arrived = travel(tensor)

    assert type(arrived) is type(tensor)
    assert (arrived.layout, arrived.is_nested) == (tensor.layout, tensor.is_nested)
    assert arrived.requires_grad == tensor.requires_grad
    assert torch.equal(numbers_of(arrived), numbers_of(tensor))


def test_large_memory_is_handed_over_and_small_memory_is_not() -> None:
    large, small = torch.ones(LARGE), torch.ones(10)
    content, (buffer,) = written([large, small])

    assert len(content) < 1000
    assert buffer.nbytes == 4 * LARGE
    assert buffer.obj.storage.data_ptr() == large.data_ptr()


def test_memory_that_is_handed_over_outlives_its_tensor() -> None:
    _, (buffer,) = written(torch.full((LARGE,), 7, dtype=torch.uint8))

    assert bytes(buffer) == b"\7" * LARGE


@pytest.mark.parametrize("size", [10, LARGE])
def test_views_share_their_memory_where_they_arrive(size: int) -> None:
    tensor = torch.zeros(size)
    content, buffers = written(
        {"all": tensor, "part": tensor[2:5], "bits": tensor.view(torch.int32)}
    )
    assert len(buffers) == (size == LARGE)

    arrived = read(content, buffers)
    arrived["all"][3] = 1

    assert arrived["part"].tolist() == [0, 1, 0]
    assert arrived["bits"][3] != 0


def test_what_is_written_later_shares_nothing_with_what_was_written_before() -> None:
    serializer = PickleSerializer()
    contents = [
        serializer.dumps_without_buffers(torch.tensor([float(number)]))
        for number in range(3)
    ]

    assert [in_bytes and read(in_bytes, []).item() for in_bytes in contents] == [
        0,
        1,
        2,
    ]
    assert serializer.dumps_without_buffers(torch.ones(LARGE)) is None


@WAYS
def test_a_model_and_its_optimizer_go_on_together(
    travel: Callable[[Any], Any],
) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 300))
    model[1].weight = model[0].weight
    optimizer = torch.optim.Adam(model.parameters())
    step(model, optimizer)

    arrived, optimizer_there, weights = travel((model, optimizer, model.state_dict()))
    step(model, optimizer)
    step(arrived, optimizer_there)

    assert arrived[1].weight is arrived[0].weight
    assert torch.equal(arrived[0].weight, model[0].weight)
    # What a state dict holds are views of the weights.
    assert torch.equal(weights["0.weight"], arrived[0].weight)


def step(model: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    model(torch.ones(2, 300)).sum().backward()
    optimizer.step()


def test_memory_that_can_be_written_to_is_used_and_other_memory_is_copied() -> None:
    content, (buffer,) = written(torch.ones(LARGE))
    with tempfile.TemporaryFile() as file:
        file.write(buffer)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapping:
            view = memoryview(mapping)
            used = PickleSerializer().deserialize_with_buffers(content, [view])
            copied = PickleSerializer().deserialize_with_buffers(
                content, [view.toreadonly()]
            )
            used[0] = 2
            copied[0] = 3

            assert view[:4].cast("f")[0] == 2
            del used, view


def test_small_memory_can_be_resized_where_it_arrives() -> None:
    assert beside_the_stream(torch.ones(2)).resize_(100_000).shape == (100_000,)


def test_a_tensor_without_memory_is_left_to_torch() -> None:
    assert beside_the_stream(torch.empty(3, device="meta")).device.type == "meta"


def test_storages_arrive() -> None:
    storage = torch.arange(4.0).untyped_storage()

    assert memory_of(beside_the_stream(storage)) == memory_of(storage)


def test_tensors_and_storages_are_closed_for_a_reader_without_torch() -> None:
    tensor = torch.arange(3.0)
    modules = {name.partition(".")[0] for name in sys.modules} - {"torch"}
    with writing_for(Recipient(modules)):
        for value in tensor, tensor.untyped_storage():
            content, _ = written([value])
            assert Opaque.__module__.encode() in content


def test_a_type_of_numbers_that_torch_lacks_is_named_with_both_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, buffers = written([torch.zeros(3, dtype=torch.float8_e5m2)])
    version = str(torch.__version__)
    monkeypatch.delattr(torch, "float8_e5m2")
    monkeypatch.setattr(torch, "__version__", "1.0")

    with pytest.raises(SerializationError) as caught:
        read(content, buffers)

    for named in f"torch {version}", "torch 1.0", "torch.float8_e5m2":
        assert named in str(caught.value)


def test_tensors_are_read_where_torch_lacks_the_functions_that_made_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = torch.arange(3).to(torch.uint16), torch.nn.Parameter(torch.ones(2))
    values[1].note = "mine"
    content, buffers = written(values)
    for name in "_rebuild_tensor_v3", "_rebuild_parameter_with_state":
        monkeypatch.delattr(torch._utils, name)

    numbers, parameter = read(content, buffers)

    assert (numbers.dtype, numbers.tolist()) == (torch.uint16, [0, 1, 2])
    assert (type(parameter), parameter.note) == (torch.nn.Parameter, "mine")


WORKFLOW = """
import bandsaw
import torch

@bandsaw.task(chain="resident")
def doubled(weights, again):
    same = weights.untyped_storage().data_ptr() == again.untyped_storage().data_ptr()
    weights *= 2
    return weights, same

@bandsaw.task(chain="cached")
def made():
    return {"weights": torch.ones(300_000), "names": torch.zeros(3, dtype=torch.uint16)}

if __name__ == "__main__":
    weights = torch.ones(300_000)
    result, same = doubled(weights, weights[5:])
    assert same and weights[0] == 1 and result[0] == 2, (same, weights, result)
    result += 1
    first, second = made(), made()
    second["weights"] += 1
    assert made()["weights"].sum() == 300_000
    assert made()["names"].dtype == torch.uint16
    print("done")
"""

CONFIG = """
import os
import bandsaw
from bandsaw.advices.cache import CachingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice

here = os.path.dirname(os.path.abspath(__file__))
configuration = bandsaw.Configuration()
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="resident")
caching = CachingAdvice(os.path.join(here, "cache"))
configuration.add_advice_chain(caching, name="cached")
"""


def test_tensors_are_arguments_results_and_cached(workflow: Workflow) -> None:
    assert workflow.output(WORKFLOW, config=CONFIG) == "done\n"
