"""Environments as values: compared, written, read and shown."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest

import bandsaw
from bandsaw.environments import Environment
from bandsaw.exceptions import ConfigurationError

EVERYTHING = Environment(
    "3.8",
    ["six", "attrs"],
    requirements_file="requirements.txt",
    constraints=["six<2"],
    lock="my.lock",
    index_url="https://ada:secret@host/simple",
    find_links=["./wheels"],
    name="everything",
)


@pytest.mark.parametrize("environment", [Environment(), EVERYTHING])
def test_an_environment_arrives_as_it_was(environment: Environment) -> None:
    for one in (environment, environment.at("/project")):
        assert pickle.loads(pickle.dumps(one)) == one
        stream = io.BytesIO()
        bandsaw.JsonSerializer().serialize(one, stream)
        stream.seek(0)
        read = bandsaw.JsonSerializer().deserialize(stream)
        assert read == one
        assert hash(read) == hash(one)
        assert read.label == one.label
        assert read.place == one.place


def test_equal_environments_say_the_same() -> None:
    first = Environment(Path("/usr/bin/python3"), ("six",), constraints="six<2")
    second = Environment("/usr/bin/python3", ["six"], constraints=["six<2"])
    assert first == second
    assert hash(first) == hash(second)
    assert first != Environment("/usr/bin/python3", ["six"])
    assert first != first.at("/project")
    assert first != "python"
    assert Environment(None, {"b", "a"}).requirements == ("a", "b")  # type: ignore[arg-type]
    assert first.at("/project") == second.at("/project").at("/elsewhere")


def test_an_environment_cannot_be_changed() -> None:
    environment = Environment()
    with pytest.raises(AttributeError, match="not even its name"):
        environment.name = "other"
    with pytest.raises(AttributeError, match="its name"):
        del environment.name


def test_the_label_is_the_name_or_tells_what_is_held() -> None:
    assert EVERYTHING.label == "everything"
    assert Environment("3.8", ["b", "a"], constraints="c<1").label == (
        "python 3.8, b, a, c<1 (constraint)"
    )
    names = [f"package{number}" for number in range(50)]
    long, other = Environment(None, names), Environment(None, [*names, "more"])
    assert len(long.label) < 120
    assert long.label != other.label


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"requirements": "six"},
            r"requirements='six' is not a sequence.*Give \[...\]",
        ),
        ({"requirements": [7]}, "requirements=7 is not a text"),
        ({"requirements": 7}, "requirements=7 is not a sequence"),
        ({"requirements": [""]}, "requirements='' is not a text"),
        ({"python": 3.8}, "python=3.8 is not a text"),
        ({"find_links": "./wheels"}, "find_links='./wheels' is not a sequence"),
        ({"name": ""}, "name='' is not a text"),
    ],
)
def test_an_argument_that_makes_no_sense_is_named(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Environment(**arguments)


def test_a_path_of_constraints_is_never_taken_for_one() -> None:
    assert Environment(constraints=Path("limits")).constraints == ("./limits",)
