from __future__ import annotations

import collections
import concurrent.futures
import datetime
import io
import json
import sys
import threading
import types
from typing import Any

import pytest
from hypothesis import given

from bandsaw.exceptions import SerializationError
from bandsaw.serialization import JsonSerializer
from bandsaw.serialization.values import ValueSerializer
from tests.serialization import samples
from tests.serialization.samples import (
    CodeError,
    Color,
    Place,
    Point,
    Table,
    description,
    nested,
    with_attributes,
)
from tests.strategies import SERIALIZED_VALUES


def written(value: Any) -> bytes:
    stream = io.BytesIO()
    JsonSerializer().serialize(value, stream)
    return stream.getvalue()


def read(data: bytes) -> Any:
    return JsonSerializer().deserialize(io.BytesIO(data))


def refusal(value: Any) -> str:
    stream = io.BytesIO()
    with pytest.raises(SerializationError) as caught:
        JsonSerializer().serialize(value, stream)
    assert stream.getvalue() == b"", "Nothing of a refused value is written."
    return str(caught.value)


class SetSerializer(ValueSerializer):
    def can_serialize_value(self, value: Any) -> bool:
        return isinstance(value, set)

    def serialize_value(self, value: Any) -> Any:
        return sorted(value)

    def deserialize_value(self, representation: Any) -> Any:
        return set(representation)


class DateSerializer(ValueSerializer):
    def can_serialize_value(self, value: Any) -> bool:
        return isinstance(value, datetime.date)

    def serialize_value(self, value: Any) -> Any:
        return {"parts": {value.year}, "text": value.isoformat()}

    def deserialize_value(self, representation: Any) -> Any:
        return datetime.date.fromisoformat(representation["text"])


# --- Every value comes back ----------------------------------------------------------


@given(SERIALIZED_VALUES)
def test_every_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    assert description(read(written(value))) == description(value)


@given(SERIALIZED_VALUES)
def test_what_is_written_is_json_in_ascii(value: Any) -> None:
    assert json.loads(written(value).decode("ascii")) is not NotImplemented


@pytest.mark.parametrize(
    "value",
    [
        10**4299,
        -(10**20000),
        [10**20000, {"a": 10**5000}],
        -0.0,
        5e-324,
        "\ud83d\ude00",
        "\ud83d",
        {"\ud83d\ude00": ["\ud83d\ude00"]},
        {"_serializer": "TupleSerializer", "value": {"type": "tuple", "items": []}},
        {"_serializer": None},
        {0: "a", "0": "b", (0,): "c", None: "d", True: "e", 0.5: "f"},
        {(1, (2, Point(3, "4"))): 1},
        {Color.RED: Color.CRIMSON},
        collections.Counter("hello"),
        samples.Outer.Inner(),
        samples.Outer.InnerError("nested"),
        samples.Access(0),
        samples.Access.READ | samples.Access.WRITE,
        ImportError("no", name="module", path="path"),
        OSError(2, "not found", "one", None, "two"),
        BlockingIOError(11, "busy", 5),
        StopIteration(5),
        SystemExit(3),
        KeyboardInterrupt(),
        SyntaxError("bad", ("file", 1, 2, "text")),
        CodeError((1, (2,)), {"reason": Point(1, 2)}),
        with_attributes(OSError(2, "x", "file"), args=("more", 2, "x")),
        with_attributes(CodeError(1, 2), args=[]),
        with_attributes(ValueError("with notes"), __notes__=["a", "b"]),
        with_attributes(samples.Name("a"), origin={"x": (1,)}),
        with_attributes(samples.Stack([1, 2]), limit=(3,)),
        with_attributes(Table("title"), rows=[Table("inner")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_special_values_come_back(value: Any) -> None:
    assert description(read(written(value))) == description(value)


def test_an_ordered_dict_keeps_an_order_that_was_changed() -> None:
    value = collections.OrderedDict([(1, 2), ("a", 3)])
    value.move_to_end(1)

    back = read(written(value))

    assert type(back) is collections.OrderedDict
    assert list(back.items()) == [("a", 3), (1, 2)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups before Python 3.11")
def test_an_exception_group_comes_back() -> None:
    group = ExceptionGroup("both", [CodeError(1, 2), ValueError("a")])  # noqa: F821

    back = read(written(group))

    assert type(back) is type(group)
    assert description(list(back.exceptions)) == description(list(group.exceptions))


def test_an_exception_of_a_class_that_can_not_be_imported_has_its_nearest_base() -> (
    None
):
    original = with_attributes(samples.local_error("gone", 1), code=5)

    back = read(written(original))

    assert isinstance(back, LookupError)
    assert type(back).__name__ == "LocalError"
    assert back.args == ("gone", 1)
    assert back.code == 5
    assert type(back) is type(read(written(original)))


def test_bases_that_can_not_be_imported_are_passed_over() -> None:
    class Further(type(samples.local_error())):  # type: ignore[misc]
        pass

    back = read(written(Further("x")))

    assert isinstance(back, LookupError)
    assert type(back).__name__ == "Further"


def test_a_named_tuple_that_can_not_be_imported_is_made_anew() -> None:
    vanished = collections.namedtuple("Vanished", "a b")

    back = read(written([vanished(1, (2,))]))[0]

    assert back == (1, (2,))
    assert type(back).__name__ == "Vanished"
    assert back._fields == ("a", "b")
    assert back.b == (2,)


def test_a_named_tuple_whose_class_has_other_fields_today_is_made_anew() -> None:
    data = written(Point(1, 2)).replace(b'["x","y"]', b'["x","z"]')

    back = read(data)

    assert type(back) is not Point
    assert back.z == 2


def test_an_instance_is_made_without_calling_its_class() -> None:
    table = with_attributes(Table("title"), title="changed")
    table["a"] = 1

    back = read(written(table))

    assert type(back) is Table
    assert back == {"a": 1}
    assert back.title == "changed"


# --- The form ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1}, b'{"a":1}'),
        ({"b": 1, "a": [1, 2.5, None, True]}, b'{"b":1,"a":[1,2.5,null,true]}'),
        ([], b"[]"),
        ({}, b"{}"),
        ({"a": {"b": []}}, b'{"a":{"b":[]}}'),
        ("\u00e4\U0001f600", b'"\\u00e4\\ud83d\\ude00"'),
        (["\u00e4"], b'["\\u00e4"]'),
        (1, b"1"),
        (-1.5, b"-1.5"),
        (None, b"null"),
        (
            (1,),
            b'{"_serializer":"TupleSerializer","value":{"items":[1],"type":"tuple"}}',
        ),
        (
            KeyError("x"),
            (
                b'{"_serializer":"ExceptionSerializer",'
                b'"value":{"args":["x"],"module":"builtins","type":"KeyError"}}'
            ),
        ),
        (
            Point(1, 2),
            (
                b'{"_serializer":"TupleSerializer","value":{"fields":["x","y"],'
                b'"items":[1,2],"module":"tests.serialization.samples","name":"Point",'
                b'"type":"namedtuple"}}'
            ),
        ),
        (
            Place(a=1),
            (
                b'{"_serializer":"SerializableValueSerializer","value":{'
                b'"module":"tests.serialization.samples","serialized":{"a":1},'
                b'"type":"Place"}}'
            ),
        ),
    ],
)
def test_values_are_written_as_the_published_releases_wrote_them(
    value: Any, text: bytes
) -> None:
    assert written(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"1": 2, "null": 3}', {"1": 2, "null": 3}),
        (
            (
                b'{"_serializer":"TupleSerializer","value":{"items":[1,["a"]],'
                b'"type":"tuple"}}'
            ),
            (1, ["a"]),
        ),
        (
            (
                b'{"_serializer":"ExceptionSerializer","value":{"args":["a",1],'
                b'"module":"tests.serialization.samples","type":"PlainError"}}'
            ),
            samples.PlainError("a", 1),
        ),
        (
            (
                b'{"_serializer":"ExceptionSerializer","value":{"args":[3,4],'
                b'"module":"tests.serialization.samples","type":"CodeError"}}'
            ),
            CodeError(3, 4),
        ),
        (
            (
                b'{"_serializer":"TupleSerializer","value":{"fields":["x","y"],'
                b'"items":[1,2],"module":"tests.serialization.samples","name":"Point",'
                b'"type":"namedtuple"}}'
            ),
            Point(1, 2),
        ),
        (
            (
                b'{"_serializer":"TupleSerializer","value":{"fields":["x"],"items":[1],'
                b'"module":"not.there","name":"X","type":"namedtuple"}}'
            ),
            (1,),
        ),
    ],
)
def test_what_the_published_releases_wrote_is_read(text: bytes, value: Any) -> None:
    back = read(text)

    if isinstance(value, Exception):
        assert description(back) == description(value)
    else:
        assert back == value


def test_an_old_exception_that_wants_other_arguments_comes_without_attributes() -> None:
    back = read(
        b'{"_serializer":"ExceptionSerializer","value":{"args":["failed"],'
        b'"module":"tests.serialization.samples","type":"CodeError"}}'
    )

    assert type(back) is CodeError
    assert back.args == ("failed",)


# --- What cannot come back is refused -----------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1}, "value: set"),
        (b"a", "value: bytes"),
        ([{"a": [0, 0, 0, {1}]}], "value[0]['a'][3]: set"),
        (Place(args=[{"a": [0, 0, 0, {1}]}]), "args[0]['a'][3]: set"),
        ([Place(args=(1, {1}))], "value[0].args[1]: set"),
        (ValueError("a", b"b"), "args[1]: bytes"),
        (CodeError(b"b", 1), "code: bytes"),
        (Point(1, {"k": b"b"}), "value[1]['k']: bytes"),
        ({(1, b"x"): 1}, "value(key 0)[1]: bytes"),
        ({1: [b"x"]}, "value[1][0]: bytes"),
        (with_attributes(Table(1), lock=threading.Lock()), "lock: lock"),
        ([float("nan")], "value[0]: float nan"),
        ([1, [float("inf")]], "value[1][0]: float inf"),
        ({float("nan"): 1}, "value(key 0): float nan"),
        (samples.Ratio("nan"), "value: Ratio"),
        (collections.defaultdict(list), "defaultdict"),
        (collections.deque(), "value: deque"),
        (1j, "value: complex"),
        (range(3), "value: range"),
        (ValueError, "value: type"),
        (len, "value: builtin_function_or_method"),
        (types.SimpleNamespace(), "value: SimpleNamespace"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_value_that_would_not_come_back_is_refused_with_its_place(
    value: Any, message: str
) -> None:
    assert message in refusal(value)


def test_instances_of_classes_that_can_not_be_imported_are_refused() -> None:
    class Local(str):
        pass

    class LocalValue(Place):
        pass

    assert "Local cannot be found again" in refusal(Local("a"))
    assert "LocalValue cannot be found again" in refusal(LocalValue())


def test_instances_of_a_class_whose_name_leads_to_another_object_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = samples.Name("a")
    monkeypatch.setattr(samples, "Name", str)

    assert "another object has the name" in refusal(value)


def test_values_that_contain_themselves_are_refused() -> None:
    circle: list[Any] = [1]
    circle.append({"back": circle})
    table: Any = {}
    table[1] = table
    place = Place()
    place.values["self"] = place

    assert refusal(circle) == "value[1]['back']: list contains itself"
    assert refusal(table) == "value[1]: dict contains itself"
    assert refusal(place) == "self: Place contains itself"


def test_a_place_is_short_and_survives_keys_that_can_not_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> str:
        raise ValueError("not shown")

    monkeypatch.setattr(samples.Name, "__repr__", fail)

    assert refusal({samples.Name("a"): {1}}).startswith("value[<Name>]: set")
    assert len(refusal({"x" * 1000: {1}})) < 250


def test_the_same_object_twice_is_no_circle() -> None:
    shared = [1, (2,)]

    assert read(written([shared, shared])) == [shared, shared]


@pytest.mark.skipif(
    not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no such limit"
)
def test_a_number_with_more_digits_than_this_process_allows_comes_back() -> None:
    allowed = sys.get_int_max_str_digits()
    value = [10**639, 10**640, -(10**4000)]
    sys.set_int_max_str_digits(640)
    try:
        assert read(written(value)) == value
    finally:
        sys.set_int_max_str_digits(allowed)


def test_a_refused_number_is_a_value_error_as_in_the_published_releases() -> None:
    with pytest.raises(ValueError, match="nan"):
        written(float("nan"))


# --- Deep nesting --------------------------------------------------------------------


WRAPPERS: dict[str, Any] = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "dict": lambda inner: {"a": inner},
    "keys": lambda inner: {1: inner, 2: []},
    "named tuple": lambda inner: Point(inner, 1),
    "value": lambda inner: Place(inner=inner),
    "subclass": lambda inner: samples.Stack([inner]),
    "error": lambda inner: ValueError(inner),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_hundred_levels_come_back(wrap: Any) -> None:
    data = written(nested(100, wrap))

    # The values themselves are compared by Python with recursion.
    assert written(read(data)) == data


def test_a_level_of_a_list_costs_no_more_than_a_level_of_the_stack() -> None:
    data = written(nested(sys.getrecursionlimit() * 3 // 4, lambda inner: [inner]))

    assert written(read(data)) == data


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_value_that_is_nested_too_deep_is_refused_with_a_short_message(
    wrap: Any,
) -> None:
    message = refusal(nested(100_000, wrap))

    assert "nested too deep" in message
    assert len(message) < 500


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"_serializer":'])
@pytest.mark.parametrize("closing", [b"", b"]" * 100_000])
def test_json_that_is_nested_too_deep_is_a_named_error(
    opening: bytes, closing: bytes
) -> None:
    with pytest.raises(SerializationError, match="nested too deep"):
        read(opening * 100_000 + closing)


def test_too_deep_a_nesting_is_a_named_error_in_a_thread_too() -> None:
    def work() -> None:
        assert "nested too deep" in refusal(nested(100_000, lambda inner: [inner]))
        with pytest.raises(SerializationError, match="nested too deep"):
            read(b"[" * 100_000)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(work).result()


def test_a_value_serializer_that_never_ends_is_refused_with_a_short_message() -> None:
    class Endless(SetSerializer):
        def serialize_value(self, value: Any) -> Any:
            return [set(value)]

    serializer = JsonSerializer()
    serializer.value_serializers.append(Endless())

    with pytest.raises(SerializationError, match="nested too deep") as caught:
        serializer.serialize({1}, io.BytesIO())

    assert len(str(caught.value)) < 500


# --- Value serializers of users ------------------------------------------------------


def test_appended_value_serializers_are_offered_what_json_lacks() -> None:
    serializer = JsonSerializer()
    serializer.value_serializers.append(SetSerializer())
    stream = io.BytesIO()

    serializer.serialize([{"a": {(1, 2)}}], stream)

    assert b'{"_serializer":"SetSerializer","value":[' in stream.getvalue()
    stream.seek(0)
    assert serializer.deserialize(stream) == [{"a": {(1, 2)}}]


def test_a_representation_may_hold_values_for_other_serializers() -> None:
    serializer = JsonSerializer()
    serializer.value_serializers += [SetSerializer(), DateSerializer()]
    stream = io.BytesIO()

    serializer.serialize(datetime.date(2021, 9, 30), stream)

    stream.seek(0)
    assert serializer.deserialize(stream) == datetime.date(2021, 9, 30)


def test_value_serializers_of_users_come_before_what_is_built_in() -> None:
    class ColorSerializer(ValueSerializer):
        def can_serialize_value(self, value: Any) -> bool:
            return isinstance(value, Color)

        def serialize_value(self, value: Any) -> Any:
            return value.name

        def deserialize_value(self, representation: Any) -> Any:
            return Color[representation]

    serializer = JsonSerializer()
    serializer.value_serializers.append(ColorSerializer())
    stream = io.BytesIO()

    serializer.serialize(Color.RED, stream)

    assert stream.getvalue() == b'{"_serializer":"ColorSerializer","value":"RED"}'
    stream.seek(0)
    assert serializer.deserialize(stream) is Color.RED


def test_a_value_serializer_that_represents_a_value_by_itself_is_refused() -> None:
    class Itself(SetSerializer):
        def serialize_value(self, value: Any) -> Any:
            return value

    serializer = JsonSerializer()
    serializer.value_serializers.append(Itself())

    with pytest.raises(SerializationError, match="set contains itself"):
        serializer.serialize({1}, io.BytesIO())


def test_a_value_serializer_that_a_reader_would_mistake_for_another_is_refused() -> (
    None
):
    first, second = SetSerializer(), type("SetSerializer", (DateSerializer,), {})()
    serializer = JsonSerializer()
    serializer.value_serializers += [first, second]

    with pytest.raises(SerializationError, match="two value serializers named Set"):
        serializer.serialize(datetime.date(2021, 9, 30), io.BytesIO())


@pytest.mark.parametrize("name", [b'"Foo"', b"1", b"null", b'["a"]', b'"bandsaw.x"'])
def test_an_unknown_serializer_is_a_type_error(name: bytes) -> None:
    with pytest.raises(TypeError, match="Unknown serializer"):
        read(b'[{"_serializer":' + name + b',"value":1}]')
