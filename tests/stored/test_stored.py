"""Reads what earlier forms of bandsaw have stored; `write` says how that was made."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from base64 import b64decode
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Iterable

import pytest

import bandsaw
from bandsaw.config import get_configuration
from bandsaw.execution import Execution
from bandsaw.modules import allow_imports
from bandsaw.serialization import PickleSerializer
from bandsaw.session import Session
from bandsaw.stores.entries import Entry
from tests.workflows import Workflow

from . import tasks, values
from .calls import Refusing, session_of_call
from .values import described

ROOT = Path(__file__).parent.parent.parent

# How numpy 2 comments on what numpy 1 has pickled
pytestmark = pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")

with_numpy = pytest.mark.skipif(find_spec("numpy") is None, reason="needs numpy")


def parameters(found: Iterable[tuple[str, ...]]) -> Any:
    """Parametrize a test; the last of each tuple tells if that needs numpy."""
    return [
        pytest.param(
            *names,
            id="-".join(names),
            marks=with_numpy if names[-1] in values.NEEDING_NUMPY else (),
        )
        for names in found
    ]


FORMS = Path(__file__).parent / ".forms"
# The form, the way, and the kind of the values
VALUES = [
    (file.parent.name, way, kind)
    for file in sorted(FORMS.glob("*/values.json"))
    for way in values.BY_WAY
    for kind in ("values", "arrays")
    if (way, kind) != ("JsonSerializer", "arrays")
]
# The form, the serializer, the moment and the name of the call
SESSIONS = [
    (file.parent.parent.name, serializer, moment, name)
    for file in sorted(FORMS.glob("*/sessions/*.zip"))
    for serializer, name, moment in [file.stem.split("-")]
]
# The form, the serializer and the name of the call
KEPT = [
    (cache.parent.parent.parent.name, cache.parent.name, cache.name)
    for cache in sorted(FORMS.glob("*/caches/*/*"))
]
# Their signatures do not cover the time of writing.
REFUSED = [case for case in KEPT if case[0] == "1" and case[1].startswith("signed")]
CACHES = [case for case in KEPT if case not in REFUSED]


# Values


def read(way: str, name: str, content: Any) -> Any:
    """Give a value back in the way in which it was written."""
    if way == "JsonSerializer":
        # Whether a class is missing turns out only where modules may be imported. All
        # others have to be where they are without that.
        with allow_imports() if "nowhere" in name else nullcontext():
            return bandsaw.JsonSerializer().deserialize(io.BytesIO(content.encode()))
    if way == "pickle with buffers":
        pickled, *buffers = [bytearray(b64decode(part)) for part in content]
        views = [memoryview(buffer) for buffer in buffers]
        return PickleSerializer().deserialize_with_buffers(bytes(pickled), views)
    if way == "PickleSerializer":
        return PickleSerializer().deserialize(io.BytesIO(b64decode(content)))
    return pickle.loads(b64decode(content))


@pytest.mark.parametrize(("form", "way", "kind"), parameters(VALUES))
def test_stored_values_are_read(form: str, way: str, kind: str) -> None:
    wrong = {}
    stored = json.loads((FORMS / form / "values.json").read_text())[way]
    for name, content in stored.items():
        if (name in values.ARRAYS) != (kind == "arrays"):
            continue
        expected = values.BY_WAY[way][name]()
        if isinstance(expected, values.Pair):
            expected = expected.read
        try:
            found = described(read(way, name, content))
        except Exception as error:
            found = error
        if found != described(expected):
            wrong[name] = found, described(expected)

    assert wrong == {}


# Sessions


def restored(form: str, serializer: str, moment: str, name: str) -> Session:
    file_name = f"{serializer}-{name}-{moment}.zip"
    with open(FORMS / form / "sessions" / file_name, "rb") as file:
        return Session().restore(file)


@pytest.mark.parametrize(("form", "serializer", "moment", "name"), parameters(SESSIONS))
def test_a_stored_session_is_restored(
    form: str, serializer: str, moment: str, name: str, tmp_path: Path
) -> None:
    module_name = f"tests.stored.with_{serializer}"
    configuration = get_configuration(module_name).set_temp_directory(tmp_path)
    call = values.SESSIONS[name]
    task = call.task()

    session = restored(form, serializer, moment, name)

    assert session.configuration is configuration
    assert session.advice_chain == "default"
    assert described(session.task) == described(task)
    assert session.walk.advices == (
        *configuration.get_advice_chain("default"),
        *task.steps,
    )
    assert described(session.execution.args) == described(call.args())
    assert described(session.execution.kwargs) == described(call.kwargs())
    execution_id = Execution.of_call(task, call.args(), call.kwargs()).execution_id
    assert session.execution.execution_id == execution_id
    assert session.session_id == f"{task.task_id}_{execution_id}_run 1"
    assert session.run.to_json() == values.RUN
    with session.attachments["note.txt"].open() as attachment:
        assert attachment.read() == values.ATTACHMENT
    assert session.context.value_info() == {**values.CONTEXT, **NOTED[moment]}
    assert (session.result is None) == (moment in ("created", "before"))
    assert session.is_finished == (moment == "finished")
    session.remove_temp_dir()


# What the first advice has left in the context
NOTED: dict[str, Any] = {
    "created": {},
    "before": {"noting": {"before": True}},
    "after": {"noting": {"before": True}},
    "finished": {"noting": {"before": True, "after": True}},
}


@pytest.mark.parametrize(
    ("form", "serializer", "moment", "name"),
    # An environment would have to be made.
    parameters(case for case in SESSIONS if case[-1] != "environment"),
)
def test_a_stored_session_is_carried_on_from_where_it_stood(
    form: str, serializer: str, moment: str, name: str, tmp_path: Path
) -> None:
    configuration = get_configuration(f"tests.stored.with_{serializer}")
    configuration.set_temp_directory(tmp_path)
    session = restored(form, serializer, moment, name)

    if moment == "created":
        session.initiate()
    elif moment != "finished":
        session.proceed()

    call = values.SESSIONS[name]
    result = call.task().execute(Execution(None, call.args(), call.kwargs()))
    assert session.is_finished
    assert described(session.result) == described(result)
    noted = {**values.CONTEXT, **NOTED["finished"]}
    assert session.context.value_info() == noted
    session.remove_temp_dir()


# Caches


def copy_of_cache(form: str, serializer: str, name: str, directory: Path) -> Path:
    """Make a private directory of a cache, which one of a checkout need not be."""
    source = FORMS / form / "caches" / serializer / name
    copy = directory / "cache"
    for file in source.glob("*/*"):
        target = copy / file.relative_to(source)
        target.parent.mkdir(0o700, parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    copy.chmod(0o700)
    return copy


@pytest.mark.parametrize(("form", "serializer", "name"), parameters(CACHES))
def test_a_call_is_answered_from_a_stored_entry(
    form: str, serializer: str, name: str, tmp_path: Path
) -> None:
    kept = values.KEPT[name]
    # Also loads what JSON names and does not import.
    expected = kept.function(kept.value())
    cache = copy_of_cache(form, serializer, name, tmp_path)
    session = session_of_call(
        cache, serializer, kept.function, kept.value(), kept.cache, Refusing()
    )

    result = session.initiate()

    assert described(result.value) == described(expected)


@pytest.mark.parametrize(("form", "serializer", "name"), parameters(REFUSED))
def test_an_entry_with_a_signature_of_an_earlier_kind_is_a_miss_with_a_warning(
    form: str, serializer: str, name: str, tmp_path: Path
) -> None:
    kept = values.KEPT[name]
    expected = kept.function(kept.value())
    cache = copy_of_cache(form, serializer, name, tmp_path)
    session = session_of_call(
        cache, serializer, kept.function, kept.value(), kept.cache
    )

    with pytest.warns(RuntimeWarning, match="is not signed"):
        result = session.initiate()

    assert described(result.value) == described(expected)


@pytest.mark.parametrize(
    ("form", "serializer"),
    parameters(case[:2] for case in CACHES if case[-1] == "small"),
)
def test_a_stored_entry_is_read_where_nothing_else_was_imported(
    form: str, serializer: str, workflow: Workflow, tmp_path: Path
) -> None:
    # JSON imports no modules, so those that it names have to be there.
    cache = copy_of_cache(form, serializer, "small", tmp_path)
    script = (
        "from tests.stored import calls, tasks\n"
        f"arguments = {str(cache)!r}, {serializer!r}, tasks.small, 3, True\n"
        "session = calls.session_of_call(*arguments, calls.Refusing())\n"
        "assert session.initiate().value == tasks.small(3)\n"
    )

    workflow.python("-c", script)


@pytest.mark.parametrize(
    ("form", "serializer"),
    parameters(case[:2] for case in CACHES if case[-1] == "small"),
)
def test_a_stored_entry_explains_in_what_another_call_differs(
    form: str, serializer: str, tmp_path: Path
) -> None:
    cache = copy_of_cache(form, serializer, "small", tmp_path)
    session = session_of_call(cache, serializer, tasks.small, 4, True)
    advice: Any = session.configuration.get_advice_chain("default")

    explanation = advice[0].explain(session)

    assert [str(difference) for difference in explanation.differences] == [
        "argument x has changed from 3 to 4"
    ]


def test_stored_entries_are_whole() -> None:
    for file in FORMS.glob("*/caches/*/*/*/[!.]*"):
        Entry(file.read_bytes()).verify()


# All of that


def test_all_that_is_expected_is_stored_in_some_form() -> None:
    stored: dict[str, set[str]] = {way: set() for way in values.BY_WAY}
    for file in FORMS.glob("*/values.json"):
        for way, content in json.loads(file.read_text()).items():
            stored[way].update(content)

    assert stored == {way: set(makers) for way, makers in values.BY_WAY.items()}
    assert {(name, moment) for _, _, moment, name in SESSIONS} == {
        (name, moment)
        for name, call in values.SESSIONS.items()
        for moment in call.moments
    }
    assert {(name, serializer) for _, serializer, name in KEPT} == {
        (name, serializer)
        for name, kept in values.KEPT.items()
        for serializer in kept.serializers
    }
