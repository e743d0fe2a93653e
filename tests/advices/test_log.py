"""Logs that `LoggingAdvice` keeps of a session."""

from __future__ import annotations

import io
import json
import logging
import pickle
from typing import Any

import pytest

from bandsaw.advice import Advice
from bandsaw.advices.log import JsonFormatter, LoggingAdvice
from bandsaw.config import Configuration
from bandsaw.exceptions import AdviceError, ConfigurationError
from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.session.zip_format import SessionFile
from bandsaw.tasks import Task
from tests.advices.calls import PLAIN, Call, Recorder, run_thread

pytestmark = pytest.mark.usefixtures("logging_is_as_before")


def test_the_first_and_the_last_line_are_the_advices_own(
    logger: logging.Logger,
) -> None:
    call = Call(lambda: logger.warning("a %s", 1), LoggingAdvice())

    task_id = call.session.ids.task_id
    first, middle, last = call.json()
    assert first["message"] == f"BEFORE {task_id}:e with context {{}}"
    assert first["function"] == "before"
    assert middle["message"] == "a 1"
    assert last["message"] == f"AFTER {task_id}:e with context {{}}"
    assert last["function"] == "after"
    for line in first, last:
        assert line["logger"] == "bandsaw.advices.log"
        assert line["level"] == "INFO"
        assert line["module"] == "log"


def test_every_line_has_the_ids_of_the_session(logger: logging.Logger) -> None:
    call = Call(lambda: logger.warning("text"), LoggingAdvice())

    ids = call.session.ids
    for line in call.json():
        assert line["sessionId"] == str(ids)
        assert line["taskId"] == ids.task_id
        assert line["executionId"] == ids.execution_id
        assert line["runId"] == ids.run_id


def test_the_context_is_told_as_it_is_at_that_time() -> None:
    class Note(Advice):
        def before(self, session: Session) -> None:
            session.context["outer"]["inner"] = 1
            session.proceed()

    call = Call(lambda: None, LoggingAdvice(formatter=PLAIN), Note())

    first, last = call.attachments["session.log"].splitlines()
    assert first.endswith(" with context {}")
    assert last.endswith(" with context {'outer': {'inner': 1}}")


def test_a_context_that_has_no_text_does_not_fail() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise LookupError("no text")

    class Note(Advice):
        def before(self, session: Session) -> None:
            session.context["value"] = Unprintable()
            session.proceed()

    call = Call(lambda: None, LoggingAdvice(formatter=PLAIN), Note())

    last = call.attachments["session.log"].splitlines()[-1]
    assert last.endswith(" with context <context whose text fails with LookupError>")


def test_what_the_loggers_are_enabled_for_is_kept_by_default(
    logger: logging.Logger,
) -> None:
    def work() -> None:
        logger.info("too low")
        logger.warning("enough")

    assert Call(work, LoggingAdvice(formatter=PLAIN)).lines() == ["enough"]


@pytest.mark.parametrize("level", [logging.ERROR, "ERROR"])
def test_a_level_leaves_out_what_is_below(logger: logging.Logger, level: Any) -> None:
    def work() -> None:
        logger.warning("too low")
        logger.error("enough")

    advice = LoggingAdvice(level=level, formatter=PLAIN)

    assert Call(work, advice).lines() == ["enough"]


def test_a_level_is_kept_that_the_loggers_are_not_enabled_for(
    logger: logging.Logger,
) -> None:
    recorder = Recorder()
    logger.addHandler(recorder)

    def work() -> None:
        logger.debug("low")
        logger.warning("high")
        logging.LoggerAdapter(logger, {}).info("adapted")

    call = Call(work, LoggingAdvice(level=logging.DEBUG, formatter=PLAIN))

    assert call.lines() == ["low", "high", "adapted"]
    assert recorder.messages == ["high"]


def test_the_user_sees_no_more_when_asking_before_logging(
    logger: logging.Logger,
) -> None:
    recorder = Recorder()
    logger.addHandler(recorder)

    def work() -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.warning("asked")
            logger.debug("low")

    call = Call(work, LoggingAdvice(level=logging.DEBUG, formatter=PLAIN))

    assert call.lines() == ["asked", "low"]
    assert recorder.messages == ["asked"]


def test_a_record_that_is_handed_to_a_logger_reaches_its_handlers_at_any_level(
    logger: logging.Logger,
) -> None:
    recorder = Recorder()
    logger.addHandler(recorder)
    record = logging.makeLogRecord({"msg": "received", "levelno": logging.DEBUG})

    call = Call(lambda: logger.handle(record), LoggingAdvice("DEBUG", PLAIN))

    assert call.lines() == ["received"]
    assert recorder.messages == ["received"]


def test_the_caller_of_a_logger_is_who_it_was(logger: logging.Logger) -> None:
    def work() -> None:
        logger.debug("text", stacklevel=1)

    line = Call(work, LoggingAdvice(level=logging.DEBUG)).json()[1]

    assert line["function"] == "work"
    assert line["path"] == __file__
    assert line["line_no"] == work.__code__.co_firstlineno + 1


def test_loggers_that_do_not_propagate_are_heard(logger: logging.Logger) -> None:
    logger.propagate = False

    call = Call(lambda: logger.warning("text"), LoggingAdvice(formatter=PLAIN))

    assert call.lines() == ["text"]


def test_loggers_of_another_class_are_heard() -> None:
    class Louder(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            record.msg = record.msg.upper()
            super().handle(record)

    logger = Louder("louder")

    call = Call(lambda: logger.warning("text"), LoggingAdvice(formatter=PLAIN))

    assert call.lines() == ["TEXT"]


def test_what_is_switched_off_stays_off(logger: logging.Logger) -> None:
    def work() -> None:
        logger.disabled = True
        logger.error("of a disabled logger")
        logger.disabled = False
        logging.disable(logging.WARNING)
        try:
            logger.warning("of a disabled level")
            logger.error("above it")
        finally:
            logging.disable(logging.NOTSET)

    call = Call(work, LoggingAdvice(level=logging.DEBUG, formatter=PLAIN))

    assert call.lines() == ["above it"]


def test_the_own_lines_are_kept_whatever_is_switched_off() -> None:
    own = logging.getLogger("bandsaw.advices.log")
    own.disabled = True
    try:
        call = Call(lambda: None, LoggingAdvice("CRITICAL", PLAIN))
    finally:
        own.disabled = False

    assert call.lines() == []


def test_the_filters_of_a_logger_are_asked_once(logger: logging.Logger) -> None:
    asked = []

    class Filter(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            asked.append(record.msg)
            return record.msg != "secret"

    logger.addFilter(Filter())

    def work() -> None:
        logger.warning("secret")
        logger.warning("known")

    assert Call(work, LoggingAdvice(formatter=PLAIN)).lines() == ["known"]
    assert asked == ["secret", "known"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'LOUD'"):
        LoggingAdvice(level="LOUD")


def test_the_own_lines_are_logged_as_any_other() -> None:
    recorder = Recorder()
    own = logging.getLogger("bandsaw.advices.log")
    own.addHandler(recorder)
    level = own.level
    own.setLevel(logging.INFO)
    try:
        call = Call(lambda: None, LoggingAdvice())
    finally:
        own.removeHandler(recorder)
        own.setLevel(level)

    before, after = recorder.records
    assert before.getMessage().startswith("BEFORE ")
    assert after.getMessage().startswith("AFTER ")
    for record in recorder.records:
        fields = json.loads(JsonFormatter().format(record))
        assert fields["sessionId"] == call.session.session_id
        # As `SocketHandler` does.
        pickle.dumps(record.__dict__, 1)


def test_what_later_advices_log_is_kept_and_what_earlier_ones_log_is_not(
    logger: logging.Logger,
) -> None:
    class Telling(Advice):
        def __init__(self, name: str) -> None:
            self.name = name

        def before(self, session: Session) -> None:
            logger.warning("before of %s", self.name)
            session.proceed()

        def after(self, session: Session) -> None:
            logger.warning("after of %s", self.name)
            session.proceed()

    call = Call(
        lambda: logger.warning("task"),
        Telling("earlier"),
        LoggingAdvice(formatter=PLAIN),
        Telling("later"),
    )

    assert call.lines() == ["before of later", "task", "after of later"]


def test_an_exception_of_the_task_is_a_result_like_any_other(
    logger: logging.Logger,
) -> None:
    def fail() -> None:
        logger.warning("about to fail")
        raise ValueError("failed")

    call = Call(fail, LoggingAdvice(formatter=PLAIN))

    assert call.lines() == ["about to fail"]
    assert call.result is not None
    assert isinstance(call.result.exception, ValueError)


def test_a_logged_exception_is_kept_with_its_traceback(
    logger: logging.Logger,
) -> None:
    # Else pytest keeps the traceback, and with it the session.
    logger.propagate = False

    def work() -> None:
        try:
            raise ValueError("wrong")
        except ValueError:
            logger.exception("caught")

    line = Call(work, LoggingAdvice()).json()[1]

    assert line["exception"] == "ValueError: wrong"
    assert 'raise ValueError("wrong")' in line["traceback"]


class Freeze(Advice):
    """Saves the session, and forgets to go on."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stream = io.BytesIO()

    def before(self, session: Session) -> None:
        if self.where == "before":
            session.save(self.stream)
        else:
            session.proceed()

    def after(self, session: Session) -> None:
        if self.where == "after":
            session.save(self.stream)
        else:
            session.proceed()


def logs_once() -> None:
    logging.getLogger("tests.advices.frozen").warning("text")


@pytest.mark.parametrize("where", ["before", "after"])
def test_an_end_without_a_beginning_is_kept(where: str) -> None:
    freeze = Freeze(where)
    configuration = Configuration().add_advice_chain(LoggingAdvice(None, PLAIN), freeze)
    first = Session(Task.create_task(logs_once), Execution("e"), configuration)
    with pytest.raises(AdviceError):
        first.initiate()
    first.remove_temp_dir()

    freeze.stream.seek(0)
    session = Session(configuration=configuration).restore(freeze.stream)
    session.proceed()
    with session.attachments["session.log"].open() as stream:
        lines = stream.read().decode().splitlines()
    session.remove_temp_dir()

    assert [line.split()[0] for line in lines] == ["AFTER"]


def test_a_session_that_comes_back_is_logged_to_its_end(
    logger: logging.Logger,
) -> None:
    class There(Advice):
        """Has the task executed by another session object in another thread."""

        def before(self, session: Session) -> None:
            stream = io.BytesIO()
            session.save(stream)
            stream.seek(0)
            answer = io.BytesIO()

            def far_end() -> None:
                far = Session(configuration=session.configuration).restore(stream)
                far.proceed()
                far.save_changes_to(SessionFile(answer))
                far.remove_temp_dir()

            run_thread(far_end)
            answer.seek(0)
            session.restore(answer)
            session.proceed()

        def after(self, session: Session) -> None:
            """The far end stops here."""

    call = Call(
        logs_once, LoggingAdvice(None, PLAIN), There(), LoggingAdvice(None, PLAIN)
    )

    assert call.lines("session.log") == ["text"]
    assert call.lines("session-2.log") == ["text"]


@pytest.mark.parametrize("formatter", ["%(message)s", 3])
def test_what_is_no_formatter_is_refused(formatter: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"needs a logging\.Formatter.* not "):
        LoggingAdvice(formatter=formatter)
