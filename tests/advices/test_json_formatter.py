"""Log records as lines of JSON."""

from __future__ import annotations

import datetime
import io
import json
import logging
import os
import pickle
import sys
import threading
from typing import Any

import pytest

from bandsaw.advices.log import JsonFormatter
from tests.workflows import Workflow

ALWAYS = [
    "timestamp",
    "logger",
    "level",
    "message",
    "threadId",
    "threadName",
    "processId",
    "processName",
    "module",
    "function",
    "path",
    "line_no",
]


class Unprintable:
    def __str__(self) -> str:
        raise LookupError("no text")

    __repr__ = __str__


class FakeIds:
    task_id, execution_id, run_id = "t", "e", "r"
    session_id = "t_e_r"


class FakeSession:
    ids = FakeIds()


def make_record(message: Any = "text", *args: Any, **more: Any) -> logging.LogRecord:
    exc_info = more.pop("exc_info", None)
    record = logging.LogRecord(
        "some.logger", logging.INFO, "/a/b.py", 3, message, args, exc_info, "function"
    )
    record.__dict__.update(more)
    return record


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(record)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def caught() -> Any:
    try:
        raise ValueError("wrong")
    except ValueError:
        return sys.exc_info()


def test_a_plain_record_has_these_fields_in_this_order() -> None:
    record = make_record("a %s", 1, created=86400.5)

    fields = fields_of(record)

    assert list(fields) == ALWAYS
    assert fields == {
        "timestamp": "1970-01-02T00:00:00.500000+00:00",
        "logger": "some.logger",
        "level": "INFO",
        "message": "a 1",
        "threadId": threading.get_ident(),
        "threadName": threading.current_thread().name,
        "processId": os.getpid(),
        "processName": record.processName,
        "module": "b",
        "function": "function",
        "path": "/a/b.py",
        "line_no": 3,
    }


def test_the_timestamp_is_the_time_of_the_record_in_utc() -> None:
    before = datetime.datetime.now(datetime.timezone.utc)
    record = make_record()
    after = datetime.datetime.now(datetime.timezone.utc)

    # Python 3.8 reads what `isoformat` writes, and no more.
    timestamp = datetime.datetime.fromisoformat(fields_of(record)["timestamp"])

    second = datetime.timedelta(seconds=1)
    assert before - second <= timestamp <= after + second


def test_an_exception_is_told_with_its_traceback() -> None:
    fields = fields_of(make_record(exc_info=caught()))

    assert list(fields) == [*ALWAYS, "traceback", "exception"]
    assert fields["exception"] == "ValueError: wrong"
    assert fields["traceback"].startswith('File "')
    assert 'raise ValueError("wrong")' in fields["traceback"]


def test_an_exception_itself_serves_as_exception_information() -> None:
    fields = fields_of(make_record(exc_info=caught()[1]))

    assert fields["exception"] == "ValueError: wrong"
    assert 'raise ValueError("wrong")' in fields["traceback"]


@pytest.mark.parametrize("nothing", [None, (None, None, None), True, ()])
def test_a_record_without_an_exception_has_no_fields_for_it(nothing: Any) -> None:
    record = make_record()
    record.exc_info = nothing

    assert list(fields_of(record)) == ALWAYS


def test_the_text_of_an_exception_that_came_from_another_process_is_kept() -> None:
    record = make_record(exc_info=caught())
    logging.Formatter().format(record)
    record.exc_info = None
    received = logging.makeLogRecord(pickle.loads(pickle.dumps(record.__dict__)))

    fields = fields_of(received)

    assert fields["exception"] == "ValueError: wrong"
    assert fields["traceback"].startswith("Traceback (most recent call last)")


def test_the_ids_come_from_the_session_of_the_record() -> None:
    fields = fields_of(make_record(session=FakeSession()))

    assert list(fields) == [
        *ALWAYS,
        "sessionId",
        "runId",
        "taskId",
        "executionId",
    ]
    assert fields["sessionId"] == "t_e_r"
    assert fields["runId"] == "r"
    assert fields["taskId"] == "t"
    assert fields["executionId"] == "e"


@pytest.mark.parametrize("session", [None, "a web session", 3, Unprintable()])
def test_another_idea_of_a_session_gives_no_ids(session: Any) -> None:
    assert list(fields_of(make_record(session=session))) == ALWAYS


def test_more_attributes_of_a_record_are_left_out() -> None:
    record = make_record(user=object())
    record.message = "stale"

    assert fields_of(record)["message"] == "text"
    assert list(fields_of(record)) == ALWAYS


@pytest.mark.parametrize(
    ("message", "args", "text"),
    [
        ("%s and %s", ("one",), "%s and %s ('one',)"),
        ("%d", ("one",), "%d ('one',)"),
        ({"a": 1}, (), "{'a': 1}"),
        ("%(a)s", ({"a": object},), "<class 'object'>"),
        ("%s", (b"1",), "b'1'"),
        ("two\nlines ü \ud800", (), "two\nlines ü \ud800"),
    ],
)
def test_any_message_becomes_a_text(message: Any, args: Any, text: str) -> None:
    assert fields_of(make_record(message, *args))["message"] == text


def test_a_message_that_can_not_be_put_together_does_not_fail() -> None:
    message = fields_of(make_record("%s", Unprintable()))["message"]

    assert message.startswith("%s ")
    assert "LookupError" in message


def test_a_record_made_of_next_to_nothing_is_formatted() -> None:
    fields = fields_of(logging.makeLogRecord({"msg": "text", "name": object}))

    assert fields["message"] == "text"
    assert fields["logger"] == "<class 'object'>"
    assert fields["function"] is None


def test_it_serves_a_handler_of_the_standard_library() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("%(message)s", "%Y"))
    logger = logging.Logger("alone")
    logger.addHandler(handler)

    logger.error("text %s", 1)
    logger.error("text %s", 2)

    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["text 1", "text 2"]


def test_the_name_of_the_module_in_release_0_1_leads_to_the_same_classes() -> None:
    import bandsaw.advices.logging as old
    from bandsaw.advices import log

    assert old.JsonFormatter is log.JsonFormatter
    assert old.LoggingAdvice is log.LoggingAdvice


def test_importing_the_module_changes_nothing_about_logging(workflow: Workflow) -> None:
    script = (
        "import logging, threading\n"
        "before = [vars(c).copy() for c in (logging.Logger, threading.Thread)]\n"
        "import bandsaw.advices.log\n"
        "after = [vars(c).copy() for c in (logging.Logger, threading.Thread)]\n"
        "assert before == after\n"
        "assert not logging.getLogger().handlers\n"
    )

    workflow.python("-c", script)


def test_it_is_pickled_by_the_name_that_users_import_it_by() -> None:
    pickled = pickle.dumps(JsonFormatter())

    assert b"bandsaw.advices.log" in pickled
    assert isinstance(pickle.loads(pickled), JsonFormatter)
