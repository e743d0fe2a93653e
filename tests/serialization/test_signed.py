"""The serializer that signs."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest

from bandsaw import JsonSerializer, PickleSerializer
from bandsaw.exceptions import SerializationError, SignatureError
from bandsaw.serialization import Serializer, SignedSerializer

KEY = bytes(range(32))


def signing(subject: str = "", key: bytes = KEY) -> Serializer:
    return SignedSerializer(PickleSerializer(), key).bound_to(subject)


def written(serializer: Serializer, *values: Any) -> bytes:
    stream = io.BytesIO()
    for value in values:
        serializer.serialize(value, stream)
    return stream.getvalue()


def read(serializer: Serializer, content: bytes) -> Any:
    return serializer.deserialize(io.BytesIO(content))


class Trap:
    """Tells when a pickle of it is loaded."""

    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _spring, ()


def _spring() -> str:
    Trap.sprung = True
    return "sprung"


@pytest.mark.parametrize("inner", [PickleSerializer(), JsonSerializer()])
@pytest.mark.parametrize("value", [None, 0, "text", [1, {"a": (2.5, None)}]])
def test_a_value_comes_back(inner: Serializer, value: Any) -> None:
    serializer = SignedSerializer(inner, KEY)

    assert read(serializer, written(serializer, value)) == value
    content = io.BytesIO()
    assert serializer.serialize_with_buffers(value, content) == ()
    assert serializer.deserialize_with_buffers(content.getvalue(), ()) == value


def test_reading_one_value_leaves_the_rest_alone() -> None:
    serializer = signing()
    stream = io.BytesIO(written(serializer, "a", "b") + b"rest")

    assert serializer.deserialize(stream) == "a"
    assert serializer.deserialize(stream) == "b"
    assert stream.read() == b"rest"


def test_no_byte_can_be_changed() -> None:
    content = written(signing("subject"), ["a value", 12345, Trap()])
    for position in range(len(content)):
        for bit in (0, 7):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            with pytest.raises(SignatureError):
                read(signing("subject"), bytes(changed))

    assert not Trap.sprung
    assert read(signing("subject"), content)[2] == "sprung"
    Trap.sprung = False


def test_no_part_can_be_missing() -> None:
    content = written(signing(), "a value")
    for length in range(len(content)):
        with pytest.raises(SignatureError):
            read(signing(), content[:length])


def test_a_length_that_was_changed_takes_no_memory() -> None:
    content = bytearray(written(signing(), "a value"))
    content[16:24] = (1 << 60).to_bytes(8, "big")

    with pytest.raises(SignatureError, match="missing"):
        read(signing(), bytes(content))


def test_a_value_cannot_take_the_place_of_another_one() -> None:
    content = written(signing("task a"), "value")

    assert read(signing("task a"), content) == "value"
    for subject in ("task b", "", "task", "task av"):
        with pytest.raises(SignatureError, match="does not fit"):
            read(signing(subject), content)


def test_another_key_does_not_fit() -> None:
    with pytest.raises(SignatureError, match="another key"):
        read(signing(key=bytes(32)), written(signing(), "value"))


def test_what_is_not_signed_is_not_read() -> None:
    with pytest.raises(SignatureError, match="is not signed"):
        read(signing(), pickle.dumps(Trap()))
    assert not Trap.sprung


def test_a_key_has_to_be_long_enough_bytes() -> None:
    with pytest.raises(TypeError, match=r"key\.encode\(\)"):
        SignedSerializer(PickleSerializer(), "a text that is a key")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 16 bytes"):
        SignedSerializer(PickleSerializer(), b"short")


def test_a_key_is_never_written_down() -> None:
    serializer = SignedSerializer(PickleSerializer(), KEY)

    with pytest.raises(SerializationError, match="cannot be pickled"):
        pickle.dumps(serializer)
    assert repr(KEY) not in repr(serializer)
    assert KEY not in written(serializer, "value")


def test_other_serializers_make_no_difference_between_subjects() -> None:
    for serializer in (PickleSerializer(), JsonSerializer()):
        assert serializer.bound_to("anything") is serializer
