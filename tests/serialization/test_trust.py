"""Actions that reading JSON may cause, and those that it must not."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw.advices.environment import EnvironmentAdvice
from bandsaw.context import Context
from bandsaw.environments import Environment
from bandsaw.exceptions import NotMovableError, SerializationError
from bandsaw.execution import Execution
from bandsaw.modules import allow_imports
from bandsaw.result import Result
from bandsaw.serialization import JsonSerializer
from tests.modules import MODULES
from tests.serialization import samples
from tests.workflows import Workflow

ROOT = Path(__file__).parents[2]

HERE = "tests.serialization.samples"


def read(serializer: str, representation: Any) -> Any:
    data = json.dumps({"_serializer": serializer, "value": representation})
    return JsonSerializer().deserialize(io.BytesIO(data.encode()))


def written(value: Any) -> bytes:
    stream = io.BytesIO()
    JsonSerializer().serialize(value, stream)
    return stream.getvalue()


REPRESENTATIONS: dict[str, Any] = {
    "ExceptionSerializer": {"args": ["x"]},
    "SerializableValueSerializer": {"serialized": {}},
    "bandsaw.enum": {"name": "A", "value": 1},
    "bandsaw.subclass": {"base": "str", "value": "x"},
}


@pytest.mark.parametrize("serializer", REPRESENTATIONS)
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "object"),
        ("subprocess", "Popen"),
        ("sys", "modules"),
        (HERE, "nested"),
        (HERE, "Outer"),
    ],
)
def test_only_classes_of_the_right_kind_are_made(
    serializer: str, module: str, name: str
) -> None:
    with pytest.raises(SerializationError, match="is not a subclass of"):
        read(
            serializer, {**REPRESENTATIONS[serializer], "module": module, "type": name}
        )


@pytest.mark.parametrize("serializer", REPRESENTATIONS)
def test_no_module_is_imported(
    serializer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text("class X(Exception): pass")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(SerializationError, match="planted, which is not loaded"):
        read(
            serializer,
            {**REPRESENTATIONS[serializer], "module": "planted", "type": "X"},
        )

    assert "planted" not in sys.modules


OWN_VALUES = (
    bandsaw.File("/data"),
    bandsaw.Interpreter(path=("/path",), executable="/python"),
    Context({"note": (1, 2)}),
    Environment("3.8", ["numpy"]),
    Execution("id", (1,), {}),
    Result(1),
)


def test_only_values_of_bandsaw_are_read_where_their_modules_are_not_loaded(
    workflow: Workflow,
) -> None:
    program = """
import io, sys
from bandsaw import JsonSerializer
from bandsaw.exceptions import SerializationError

for line in sys.stdin.buffer.read().splitlines():
    try:
        value = JsonSerializer().deserialize(io.BytesIO(line))
    except SerializationError as error:
        assert "is not loaded" in str(error), error
    else:
        print(type(value).__name__)
"""
    # It starts processes, so it is for sessions only.
    values = (EnvironmentAdvice(Environment("3.8")), *OWN_VALUES)

    sent = b"\n".join(map(written, values)).decode()
    read_there = workflow.python("-c", program, input=sent).stdout

    assert read_there.split() == [type(value).__name__ for value in OWN_VALUES]


def test_it_is_decided_of_every_class_of_bandsaw_if_it_is_only_a_value() -> None:
    classes = {
        name
        for file in MODULES.values()
        for name in re.findall(
            r"^class (\w+)\(.*\bSerializableValue\)", file.read_text("utf-8"), re.M
        )
    }

    # These are for sessions.
    assert classes - {"EnvironmentAdvice", "Task"} == {
        type(value).__name__ for value in OWN_VALUES
    }


def read_task(module: str, name: str) -> Any:
    values = {"name": name, "module": module, "advice_parameters": {}, "task_id": "t"}
    return read(
        "SerializableValueSerializer",
        {"module": "bandsaw.tasks", "type": "Task", "serialized": values},
    )


def test_a_task_does_not_import_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text("def function(): pass")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(SerializationError, match="planted, which is not loaded"):
        read_task("planted", "function")
    assert "planted" not in sys.modules

    with allow_imports():
        assert str(read_task("planted", "function")) == "planted.function"


def test_a_task_of_a_loaded_module_is_found_without_calling_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []
    monkeypatch.setattr(samples, "__getattr__", called.append, raising=False)

    assert str(read_task(__name__, "read_task")) == f"{__name__}.read_task"
    with pytest.raises(NotMovableError):
        read_task(HERE, "missing")
    assert called == []


def test_a_named_tuple_of_a_module_that_is_not_loaded_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    value = read(
        "TupleSerializer",
        {
            "type": "namedtuple",
            "fields": ["a"],
            "items": [1],
            "name": "X",
            "module": "planted",
        },
    )

    assert value.a == 1
    assert "planted" not in sys.modules


def test_modules_are_imported_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("class MineError(Exception): pass")
    monkeypatch.syspath_prepend(str(tmp_path))

    with allow_imports():
        value = read(
            "ExceptionSerializer", {"args": [1], "module": "mine", "type": "MineError"}
        )

    assert type(value) is sys.modules["mine"].MineError


@pytest.mark.parametrize("module", ["no_such_module", "no.such.module"])
def test_an_exception_of_a_missing_module_has_its_nearest_base_when_restoring(
    module: str,
) -> None:
    bases = [
        {"module": "no_such_module", "type": "BaseError"},
        {"module": "builtins", "type": "len"},
        {"module": "builtins", "type": "KeyError"},
    ]
    with allow_imports():
        value = read(
            "ExceptionSerializer",
            {"args": ["x"], "module": module, "type": "GoneError", "bases": bases},
        )

    assert isinstance(value, KeyError)
    assert type(value).__name__ == "GoneError"
    assert value.args == ("x",)


def test_a_module_that_fails_when_it_is_imported_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))

    with allow_imports(), pytest.raises(SerializationError, match=r"broken\.X"):
        read("ExceptionSerializer", {"args": [], "module": "broken", "type": "X"})


def test_the_getattr_of_a_module_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(samples, "__getattr__", called.append, raising=False)

    with pytest.raises(SerializationError, match="There is no class"):
        read(
            "SerializableValueSerializer",
            {"module": HERE, "type": "missing", "serialized": {}},
        )

    assert called == []


def test_neither_a_property_nor_a_setter_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("Data has called code.")

    monkeypatch.setattr(
        samples.Name, "danger", property(fail, fail, fail), raising=False
    )
    monkeypatch.setattr(samples.Name, "__setattr__", fail)

    value = read(
        "bandsaw.subclass",
        {
            "base": "str",
            "value": "x",
            "module": HERE,
            "type": "Name",
            "attributes": {"danger": 1},
        },
    )

    assert vars(value) == {"danger": 1}


@pytest.mark.parametrize(
    ("serializer", "representation"),
    [
        ("TupleSerializer", 1),
        ("TupleSerializer", {"type": "tuple"}),
        ("TupleSerializer", {"type": "tuple", "items": 5}),
        ("TupleSerializer", {"type": "other", "items": []}),
        (
            "TupleSerializer",
            {
                "type": "namedtuple",
                "items": [],
                "fields": ["a"],
                "name": "X",
                "module": "m",
            },
        ),
        (
            "TupleSerializer",
            {
                "type": "namedtuple",
                "items": [1],
                "fields": ["a b"],
                "name": "X",
                "module": "m",
            },
        ),
        (
            "TupleSerializer",
            {
                "type": "namedtuple",
                "items": [1],
                "fields": [["a"]],
                "name": "X",
                "module": "m",
            },
        ),
        (
            "TupleSerializer",
            {
                "type": "namedtuple",
                "items": [1],
                "fields": ["a"],
                "name": "print()",
                "module": "m",
            },
        ),
        ("ExceptionSerializer", []),
        (
            "ExceptionSerializer",
            {
                "args": [1],
                "module": "builtins",
                "type": "UnicodeDecodeError",
                "attributes": {},
            },
        ),
        ("ExceptionSerializer", {"args": [], "module": 1, "type": "X"}),
        ("ExceptionSerializer", {"args": [], "module": "builtins"}),
        ("SerializableValueSerializer", {"module": HERE, "type": "Place"}),
        ("bandsaw.dict", 5),
        ("bandsaw.dict", [[1]]),
        ("bandsaw.dict", [[[], 1]]),
        ("bandsaw.int", "x"),
        ("bandsaw.int", None),
        ("bandsaw.str", 1),
        ("bandsaw.str", [1]),
        ("bandsaw.enum", {"module": HERE, "type": "Color", "name": "BLUE"}),
        ("bandsaw.enum", {"module": HERE, "type": "Access", "value": "x"}),
        ("bandsaw.subclass", {"base": "set", "value": []}),
        ("bandsaw.subclass", {"base": "str", "value": 1}),
        (
            "bandsaw.subclass",
            {"base": "int", "value": 1, "module": HERE, "type": "Level"},
        ),
        (
            "bandsaw.subclass",
            {
                "base": "dict",
                "value": {},
                "module": "collections",
                "type": "OrderedDict",
            },
        ),
        (
            "bandsaw.subclass",
            {
                "base": "list",
                "value": [],
                "module": HERE,
                "type": "Stack",
                "attributes": 1,
            },
        ),
        (
            "bandsaw.subclass",
            {"base": "str", "value": "", "attributes": {"a": 1}},
        ),
    ],
)
def test_damaged_data_is_a_named_error(serializer: str, representation: Any) -> None:
    with pytest.raises(SerializationError):
        read(serializer, representation)


def test_a_value_that_is_missing_is_a_named_error() -> None:
    with pytest.raises(SerializationError, match="no value for the serializer"):
        JsonSerializer().deserialize(io.BytesIO(b'{"_serializer":"TupleSerializer"}'))


def test_classes_of_the_running_script_come_from_the_script(workflow: Workflow) -> None:
    script = """
    import io
    print("body")
    from bandsaw import JsonSerializer, SerializableValue

    class Value(SerializableValue):
        def serialized(self):
            return 1

        @classmethod
        def deserialize(cls, values):
            return cls()

    stream = io.BytesIO()
    JsonSerializer().serialize(Value(), stream)
    assert b'"module":"workflow"' in stream.getvalue(), stream.getvalue()
    stream.seek(0)
    assert type(JsonSerializer().deserialize(stream)) is Value
    """

    assert workflow.output(script) == "body\n"


def test_a_class_of_a_script_is_the_same_class_for_another_script(
    workflow: Workflow,
) -> None:
    workflow.write(
        {
            "workflow.py": """
                from bandsaw import PickleSerializer

                class Point:
                    class Part:
                        pass

                def helper():
                    pass

                if __name__ == "__main__":
                    values = [Point(), Point, helper, Point.Part()]
                    with open("values", "wb") as stream:
                        PickleSerializer().serialize(values, stream)
                    with open("values", "rb") as stream:
                        back = PickleSerializer().deserialize(stream)
                    assert type(back[0]) is Point and back[1:3] == values[1:3]
            """,
            "other.py": """
                import workflow
                from bandsaw import PickleSerializer

                class Point:
                    pass

                with open("values", "rb") as stream:
                    values = PickleSerializer().deserialize(stream)
                assert type(values[0]) is values[1] is workflow.Point
                assert values[2] is workflow.helper
                assert type(values[3]) is workflow.Point.Part
            """,
        }
    )

    workflow.python("workflow.py")
    workflow.python("other.py")
