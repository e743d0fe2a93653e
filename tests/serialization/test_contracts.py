from __future__ import annotations

import pytest

import bandsaw.serialization
from bandsaw.serialization import SerializableValue, Serializer
from bandsaw.serialization.values import (
    ExceptionSerializer,
    SerializableValueSerializer,
    TupleSerializer,
    ValueSerializer,
)
from tests.serialization.samples import Place, Point
from tests.workflows import Workflow


@pytest.mark.parametrize("contract", [Serializer, SerializableValue, ValueSerializer])
def test_a_contract_must_be_fulfilled(contract: type) -> None:
    incomplete = type("Incomplete", (contract,), {})

    with pytest.raises(TypeError, match="abstract"):
        incomplete()


def test_value_serializers_work_on_their_own() -> None:
    for serializer, value in (
        (TupleSerializer(), (1, 2)),
        (TupleSerializer(), Point(1, 2)),
    ):
        assert serializer.can_serialize_value(value)
        representation = serializer.serialize_value(value)
        assert serializer.deserialize_value(representation) == value

    error = ExceptionSerializer().deserialize_value(
        ExceptionSerializer().serialize_value(ValueError(1))
    )
    assert type(error) is ValueError
    assert error.args == (1,)

    place = SerializableValueSerializer().deserialize_value(
        SerializableValueSerializer().serialize_value(Place(a=1))
    )
    assert place.values == {"a": 1}


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        bandsaw.serialization.no_such_name  # noqa: B018


def test_dir_shows_what_is_loaded_later() -> None:
    assert {"JsonSerializer", "json", "values"} <= set(dir(bandsaw.serialization))


@pytest.mark.parametrize("name", ["JsonSerializer", "json.JsonSerializer", "values"])
def test_what_is_loaded_later_can_be_reached(workflow: Workflow, name: str) -> None:
    workflow.python("-c", f"import bandsaw.serialization as s; s.{name}")


def test_pickle_and_json_are_loaded_on_first_use(workflow: Workflow) -> None:
    program = (
        "import sys; before = set(sys.modules);"
        "from bandsaw.serialization import PickleSerializer; PickleSerializer();"
        "loaded = set(sys.modules) - before;"
        "print(sorted(loaded & {'pickle', 'json', 'typing', 'inspect', 'hashlib'}))"
    )

    assert workflow.python("-c", program).stdout == "[]\n"
