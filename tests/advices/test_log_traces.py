"""State of logging and of the process, which `LoggingAdvice` leaves as it was."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from bandsaw.advices.log import LoggingAdvice
from bandsaw.result import Result
from tests.advices.calls import PLAIN, Call, Failing, Recorder
from tests.workflows import Workflow

pytestmark = pytest.mark.usefixtures("logging_is_as_before")


def test_the_records_that_the_users_handlers_get_are_as_they_were(
    logger: logging.Logger,
) -> None:
    class Picky(logging.Formatter):
        def formatException(self, ei: Any) -> str:
            return "[exception]"

    recorder = Recorder()
    logger.addHandler(recorder)
    # Else pytest keeps the traceback, and with it the session.
    logger.propagate = False

    def work() -> None:
        try:
            raise ValueError("wrong")
        except ValueError:
            logger.exception("caught")

    call = Call(work, LoggingAdvice(formatter=Picky("%(message)s %(session)s")))

    assert call.attachments["session.log"].splitlines()[2] == "[exception]"
    record = recorder.records[0].__dict__
    assert "session" not in record
    assert record["exc_text"] is None
    recorder.records.clear()


def test_a_session_that_a_record_has_already_is_left(logger: logging.Logger) -> None:
    call = Call(
        lambda: logger.warning("text", extra={"session": "of the web"}),
        LoggingAdvice(formatter=logging.Formatter("%(session)s")),
    )

    assert call.attachments["session.log"].splitlines()[1] == "of the web"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("is_later", [True, False])
def test_nothing_is_left_when_an_advice_fails(
    where: str, is_later: bool, error: type[BaseException]
) -> None:
    advices = [LoggingAdvice(), Failing(where, error)]
    descriptors = open_descriptors()

    for _ in range(3):
        with pytest.raises(error):
            Call(lambda: None, *(advices if is_later else reversed(advices)))

    assert open_descriptors() == descriptors


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_the_task_is_interrupted(
    error: type[BaseException],
) -> None:
    descriptors = open_descriptors()

    def interrupted() -> None:
        raise error

    with pytest.raises(error):
        Call(interrupted, LoggingAdvice())

    assert open_descriptors() == descriptors


def test_descriptors_and_handlers_do_not_pile_up(logger: logging.Logger) -> None:
    def work() -> None:
        logger.warning("text")
        raise ValueError

    Call(work, LoggingAdvice())
    descriptors = open_descriptors()
    handlers: Any = vars(logging)["_handlerList"]
    handlers_before = list(handlers)

    for _ in range(20):
        Call(work, LoggingAdvice(), LoggingAdvice())

    assert open_descriptors() == descriptors
    assert handlers == handlers_before


def open_descriptors() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(entry))
    return sorted(name for name in found if name.endswith(".log"))


def test_a_formatter_that_fails_breaks_nothing(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise LookupError("broken formatter")

    def work() -> int:
        logger.warning("one")
        logger.warning("two")
        return 1

    call = Call(work, LoggingAdvice(formatter=Broken()))

    assert call.result == Result(value=1)
    assert [line["message"] for line in call.json()][1:-1] == ["one", "two"]
    assert capsys.readouterr().err.count("LookupError: broken formatter") == 1


def test_a_formatter_that_gives_no_text_breaks_nothing(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    class Mute(logging.Formatter):
        def format(self, record: logging.LogRecord) -> Any:
            return None

    call = Call(lambda: logger.warning("text"), LoggingAdvice(formatter=Mute()))

    assert call.attachments == {"session.log": ""}
    assert "AttributeError" in capsys.readouterr().err


def test_a_formatter_may_log_itself(logger: logging.Logger) -> None:
    class Talkative(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            if record.msg == "text":
                logger.warning("formatting")
            return super().format(record)

    call = Call(lambda: logger.warning("text"), LoggingAdvice(formatter=Talkative()))

    assert call.lines() == ["formatting", "text"]


def test_text_that_is_no_unicode_is_kept(logger: logging.Logger) -> None:
    # A parallel run could not send it in a report.
    logger.propagate = False
    logger.addHandler(logging.NullHandler())

    call = Call(lambda: logger.warning("ü \udcff"), LoggingAdvice(formatter=PLAIN))

    assert call.lines() == ["ü \\udcff"]


def test_who_replaced_a_method_in_the_meantime_keeps_it(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Undone at the end, whatever is replaced in between.
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
    heard = []

    def replace() -> None:
        original = logging.Logger.callHandlers

        def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())
            original(self, record)

        setattr(logging.Logger, "callHandlers", call_handlers)  # noqa: B010

    Call(replace, LoggingAdvice())
    call = Call(lambda: logger.warning("text"), LoggingAdvice(formatter=PLAIN))
    logger.warning("afterwards")

    assert call.lines() == ["text"]
    assert [m for m in heard if "with context" not in m] == ["text", "afterwards"]


# Run by interpreters that nothing else uses.
SCRIPT = """
import logging, sys
from bandsaw.advices.log import LoggingAdvice
from bandsaw.config import Configuration
from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.tasks import Task

def call(function, *advices):
    configuration = Configuration().add_advice_chain(*advices)
    session = Session(Task.create_task(function), Execution("e"), configuration)
    session.initiate()
    logs = [a.open().read().decode() for a in session.attachments.values()]
    session.remove_temp_dir()
    return logs
"""


@pytest.mark.parametrize(
    "advice",
    ["", "LoggingAdvice()", "LoggingAdvice('DEBUG'), LoggingAdvice()"],
)
def test_python_prints_what_it_prints_without_any_handler(
    workflow: Workflow, advice: str
) -> None:
    script = f"""
def work():
    logging.getLogger("a").info("quiet")
    logging.getLogger("a").warning("shown %s", 1)
    logging.getLogger("a").warning("not formattable %s")
    logging.getLogger("b.c").error("shown 2")

call(work, {advice})
"""
    done = workflow.python("-c", SCRIPT + script)

    assert done.stdout == ""
    assert done.stderr == "shown 1\nnot formattable %s\nshown 2\n"


def test_a_later_basic_config_works(workflow: Workflow) -> None:
    script = """
logs = call(lambda: logging.getLogger("a").warning("before"), LoggingAdvice("DEBUG"))
assert logging.getLogger().handlers == []
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logging.getLogger("a").info("after")
call(lambda: logging.getLogger("a").info("within"), LoggingAdvice("DEBUG"))
"""
    lines = workflow.python("-c", SCRIPT + script).stderr.splitlines()

    assert lines[:2] == ["before", "INFO after"]
    assert lines[2].startswith("INFO BEFORE ")
    assert lines[3] == "INFO within"
    assert lines[4].startswith("INFO AFTER ")
    assert len(lines) == 5


def test_basic_config_within_the_task_works(workflow: Workflow) -> None:
    script = """
def work():
    logging.basicConfig(format="%(levelname)s %(message)s")
    logging.warning("text")
    logging.debug("kept")

log, = call(work, LoggingAdvice("DEBUG", logging.Formatter("%(message)s")))
print(*log.splitlines()[1:-1])
"""
    done = workflow.python("-c", SCRIPT + script)

    assert done.stderr == "WARNING text\n"
    assert done.stdout == "text kept\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system cannot fork.")
def test_a_forked_child_leaves_the_log_to_its_parent(workflow: Workflow) -> None:
    script = """
import os, threading
from bandsaw.runtime import temporary as _temporary

methods = [logging.Logger.isEnabledFor, threading.Thread.start]

def work():
    logging.getLogger("a").debug("one")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            logging.getLogger("a").debug("of the child")
            assert methods == [logging.Logger.isEnabledFor, threading.Thread.start]
            log, = call(lambda: logging.getLogger("a").debug("own"), advice)
            assert log.splitlines()[1:-1] == ["own"]
            status = 0
        finally:
            _temporary._remove_all()  # As at a usual end.
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    logging.getLogger("a").debug("two")

advice = LoggingAdvice("DEBUG", logging.Formatter("%(message)s"))
log, = call(work, advice)
print(*log.splitlines()[1:-1])
"""
    assert workflow.python("-c", SCRIPT + script).stdout == "one two\n"


def test_a_record_can_still_be_sent_elsewhere(workflow: Workflow) -> None:
    script = """
import logging.handlers, socketserver, threading

class Receiver(socketserver.StreamRequestHandler):
    def handle(self):
        received.append(self.rfile.read())

received = []
with socketserver.TCPServer(("127.0.0.1", 0), Receiver) as server:
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    handler = logging.handlers.SocketHandler(*server.server_address)
    logger = logging.getLogger("a")
    logger.addHandler(handler)
    log, = call(lambda: logger.warning("text"), LoggingAdvice())
    handler.close()
    thread.join()
assert b"text" in received[0], received
"""
    assert workflow.python("-c", SCRIPT + script).stderr == ""
