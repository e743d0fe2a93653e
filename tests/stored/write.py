"""Writes a new form, when what is stored is going to be written in another way.

``python3.8 -m tests.stored.write NAME`` in the root of the repository makes the
directory ``tests/stored/.forms/NAME``, with the code as it is. A form is never written
anew: what an earlier release has stored does not change either. The oldest Python that
is supported, with numpy, writes what all can read. The directory is hidden, as package
data would travel with every archive of the tests.

- ``values.json`` has the values of `BY_WAY`, in the four ways in which they are
  written: as JSON, or in Base64. With buffers, these stand behind the pickle.
- ``sessions/SERIALIZER-CALL-MOMENT.zip`` are the sessions of `SESSIONS`: created, and
  not initiated; inside of an advice's `before`; inside of its `after`; finished.
- ``caches/SERIALIZER/CALL`` are directories of `CachingAdvice`, each with the result
  of one of the calls of `KEPT`.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import bandsaw
from bandsaw.config import get_configuration
from bandsaw.execution import Execution
from bandsaw.run import Run, join_run
from bandsaw.serialization import PickleSerializer
from bandsaw.session import Session

from . import values
from .calls import session_of_call
from .with_pickle import Saving


def write_form(directory: Path) -> None:
    """Write everything into a directory, which must not exist."""
    directory.mkdir(parents=True)
    join_run(Run.from_json(values.RUN))
    (directory / "values.json").write_text(
        json.dumps(
            {
                way: {name: written(way, make()) for name, make in makers.items()}
                for way, makers in values.BY_WAY.items()
            },
            indent=1,
        )
        + "\n"
    )
    (directory / "sessions").mkdir()
    for name in values.SESSIONS:
        write_sessions(directory / "sessions", "pickle", name)
        if name not in values.NEEDING_NUMPY:
            write_sessions(directory / "sessions", "json", name)
    for name, kept in values.KEPT.items():
        for serializer in kept.serializers:
            session_of_call(
                directory / "caches" / serializer / name,
                serializer,
                kept.function,
                kept.value(),
                kept.cache,
            ).initiate()


def written(way: str, value: Any) -> Any:
    """Return a value as JSON has it in the file."""
    if isinstance(value, values.Pair):
        value = value.written
    if isinstance(value, bytes):
        return in_base64(value)
    if way == "plain pickle":
        return in_base64(pickle.dumps(value))
    stream = io.BytesIO()
    if way == "JsonSerializer":
        bandsaw.JsonSerializer().serialize(value, stream)
        return stream.getvalue().decode("ascii")
    if way == "PickleSerializer":
        PickleSerializer().serialize(value, stream)
        return in_base64(stream.getvalue())
    buffers = PickleSerializer().serialize_with_buffers(value, stream)
    return [in_base64(stream.getvalue()), *map(in_base64, buffers)]


def in_base64(content: Any) -> str:
    return b64encode(content).decode("ascii")


def write_sessions(directory: Path, serializer: str, name: str) -> None:
    """Save the session of a call each time that it stands where it has to."""
    call = values.SESSIONS[name]

    def save(moment: str, session: Session) -> None:
        if moment in call.moments:
            with open(directory / f"{serializer}-{name}-{moment}.zip", "xb") as file:
                session.save(file)

    configuration = get_configuration(f"tests.stored.with_{serializer}")
    session = Session(
        call.task(),
        Execution.of_call(call.task(), call.args(), call.kwargs()),
        configuration,
    )
    session.context["made"]["by"] = values.CONTEXT["made"]["by"]
    with tempfile.NamedTemporaryFile() as attachment:
        attachment.write(values.ATTACHMENT)
        attachment.flush()
        session.attachments["note.txt"] = attachment.name
        save("created", session)
        if call.moments != ("created",):
            Saving.save = save
            session.initiate()
            Saving.save = None
            save("finished", session)


if __name__ == "__main__":
    write_form(Path(__file__).parent / ".forms" / sys.argv[1])
