"""Hands tensors to another version of torch, and back; writes what does not arrive."""

import copy
import warnings

import bandsaw

warnings.simplefilter("ignore")

# What torch 1.12 lacks
NEW = {
    "number of 8 bits": "The type torch.float8_e4m3fn that torch {here} has written is "
    "unknown to torch {there}, which reads it.",
    "type": "The type torch.uint16 that torch {here} has written is "
    "unknown to torch {there}, which reads it.",
    "blocks": "torch {there}, which reads the value, lacks torch.sparse_bsr of the "
    "version that has written it.",
    "nested": "torch {there}, which reads the value, lacks "
    "torch._utils._rebuild_nested_tensor of the version that has written it.",
}


def make(name):
    import torch

    numbers = torch.arange(120_000.0).reshape(300, 400)
    if name in TYPES:
        parity = torch.arange(262_144) % 2
        return parity.to(torch.uint8).view(getattr(torch, name))
    if name == "model":
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 9))
        model[0].bias.data.fill_(0.5)
        model.tied = model[0].weight
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.ones(2, 300)).sum().backward()
        optimizer.step()
        return model, optimizer, model.state_dict()
    if name == "views":
        return numbers, numbers[5:], numbers.view(torch.int32)
    if name == "small views":
        few = torch.arange(6.0)
        return few, few[2:], few.view(torch.int32)
    if name == "attribute":
        parameter = torch.nn.Parameter(numbers)
        parameter.note = "mine"
        return parameter
    return {
        "every other": lambda: numbers[::2, ::3],
        "transposed": lambda: numbers.t(),
        "of requests": lambda: numbers.clone().requires_grad_(),
        "parameter": lambda: torch.nn.Parameter(numbers),
        "conjugate": lambda: torch.complex(numbers, numbers).conj(),
        "negative": lambda: torch.complex(numbers, numbers).conj().imag,
        "single": lambda: torch.tensor(2.5),
        "empty": lambda: torch.empty(0, 5),
        "sparse": lambda: numbers.to_sparse(),
        "compressed": lambda: numbers.to_sparse_csr(),
        "quantised": lambda: torch.quantize_per_tensor(numbers, 0.5, 3, torch.qint8),
        "quantised by rows": lambda: torch.quantize_per_channel(
            numbers, torch.full((300,), 0.25), torch.zeros(300), 0, torch.quint8
        ),
        "number of 8 bits": lambda: numbers.to(torch.float8_e4m3fn),
        "type": lambda: [torch.uint16],
        "blocks": lambda: numbers.to_sparse_bsr((10, 10)),
        "nested": lambda: torch.nested.nested_tensor([numbers[0], numbers[1, :9]]),
    }[name]()


TYPES = [
    *["bool", "uint8", "int8", "int16", "int32", "int64", "bfloat16", "float16"],
    *["float32", "float64", "complex32", "complex64", "complex128"],
]
OF_BOTH = [
    *TYPES,
    *["model", "views", "small views", "every other", "transposed"],
    *["of requests", "parameter", "conjugate", "negative", "single", "empty"],
    *["sparse", "compressed", "quantised", "quantised by rows"],
]


def told(name, value):
    """Return what a value is, in words that are the same in every version."""
    import torch

    if name == "model":
        model, optimizer, weights = value
        assert model.tied is model[0].weight
        assert optimizer.param_groups[0]["params"][0] is model.tied
        assert memory(weights["0.weight"]) == memory(model.tied)
        found = [told("", tensor) for tensor in weights.values()]
        model, optimizer = copy.deepcopy((model, optimizer))
        model(torch.ones(2, 300)).sum().backward()
        optimizer.step()
        assert told("", model.tied) != found[0], "the optimizer has other weights"
        return found
    if isinstance(value, tuple):
        assert len({memory(tensor) for tensor in value}) == 1, "they share no memory"
        return [told("", tensor) for tensor in value]
    if value.is_quantized:
        numbers = value.dequantize()
    elif value.layout == torch.strided:
        numbers = value.detach().resolve_conj().resolve_neg()
    else:
        numbers = value.to_dense()
    numbers = numbers.contiguous()
    words = [value.dtype, value.layout, tuple(value.shape), value.requires_grad]
    words += [type(value).__name__, getattr(value, "note", "")]
    return [*map(str, words), digest(numbers)]


def memory(tensor):
    find = getattr(tensor, "untyped_storage", tensor.storage)
    return find().data_ptr()


def digest(numbers):
    import ctypes
    import hashlib

    size = numbers.numel() * numbers.element_size()
    content = ctypes.string_at(numbers.data_ptr(), size) if size else b""
    return hashlib.sha256(content).hexdigest()


@bandsaw.task(chain="there")
def there_and_back(name, value):
    return told(name, value), value


@bandsaw.task(chain="there")
def made_there(name):
    value = make(name)
    return value, told(name, value)


@bandsaw.task(chain="cached")
def kept(name):
    return make(name)


@bandsaw.task(chain="there")
def version_there():
    import torch

    return str(torch.__version__)


def main():
    import torch

    versions = {"here": torch.__version__, "there": version_there()}
    assert versions["there"].startswith("1.12."), versions
    for name in OF_BOTH:
        value = make(name)
        expected = told(name, make(name))
        found, back = there_and_back(name, value)
        assert found == expected, (name, found, expected)
        assert told(name, back) == expected, (name, "back", expected)
        value, found = made_there(name)
        assert told(name, value) == found, (name, "made there", found)
        for _ in range(2):
            assert told(name, kept(name)) == found, (name, "kept", found)
    # torch 1 itself writes no attributes of parameters.
    parameter = make("attribute")
    assert there_and_back("attribute", parameter)[0] == told("attribute", parameter)
    for name, message in NEW.items():
        try:
            there_and_back(name, make(name))
        except bandsaw.exceptions.SerializationError as error:
            assert message.format(**versions) in str(error), error
        else:
            raise AssertionError(name)
    print("done")


if __name__ == "__main__":
    main()
