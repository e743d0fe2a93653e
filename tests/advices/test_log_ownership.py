"""Log records, and the sessions to which they belong."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bandsaw.advices.log import LoggingAdvice
from bandsaw.config import Configuration
from bandsaw.decorator import task
from bandsaw.extensions import Extension
from bandsaw.session import Session
from tests.advices.calls import PLAIN, Call, Recorder, run_thread

pytestmark = pytest.mark.usefixtures("logging_is_as_before")


def test_eight_threads_keep_their_own_records_each(logger: logging.Logger) -> None:
    together = threading.Barrier(8)
    advice = LoggingAdvice(level=logging.DEBUG, formatter=PLAIN)

    def one_of_eight(number: int) -> None:
        def work() -> None:
            together.wait()
            for line in range(50):
                logger.debug("%s from %s", line, number)
            run_thread(lambda: logger.warning("thread of %s", number))
            together.wait()

        for _ in range(5):
            call = Call(work, advice)
            assert call.lines() == [
                *(f"{line} from {number}" for line in range(50)),
                f"thread of {number}",
            ]

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(one_of_eight, n) for n in range(8)]:
            future.result()


def test_the_same_call_at_the_same_time_does_not_share_a_log(
    logger: logging.Logger,
) -> None:
    together = threading.Barrier(8)
    advice = LoggingAdvice(formatter=PLAIN)

    def work() -> None:
        logger.warning("in %s", threading.current_thread().name)
        together.wait()

    def call() -> None:
        own = threading.current_thread().name
        assert Call(work, advice).lines() == [f"in {own}"]

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(call) for _ in range(8)]:
            future.result()


def test_the_records_of_a_nested_session_belong_to_it_and_to_the_outer_one(
    logger: logging.Logger,
) -> None:
    inner_calls = []

    def inner() -> None:
        logger.warning("inner")

    def outer() -> None:
        logger.warning("first")
        inner_calls.append(Call(inner, LoggingAdvice(), name="inner"))
        logger.warning("last")

    call = Call(outer, LoggingAdvice(), name="outer")

    lines = call.json()
    assert [line["message"] for line in lines[1:-1]] == ["first", "inner", "last"]
    assert [line["executionId"] for line in lines[1:-1]] == ["outer", "inner", "outer"]
    assert [line["message"] for line in inner_calls[0].json()[1:-1]] == ["inner"]


def test_the_own_lines_of_a_nested_session_are_records_of_the_outer_one() -> None:
    advice = LoggingAdvice(level=logging.INFO, formatter=PLAIN)

    before, after = Call(lambda: Call(lambda: None, advice), advice).lines()

    assert before.startswith("BEFORE ")
    assert after.startswith("AFTER ")


def test_two_of_them_in_one_chain_have_a_log_each(logger: logging.Logger) -> None:
    call = Call(
        lambda: logger.info("text"),
        LoggingAdvice(formatter=logging.Formatter("%(levelname)s")),
        LoggingAdvice(level=logging.DEBUG, formatter=PLAIN),
    )

    assert sorted(call.attachments) == ["session-2.log", "session.log"]
    assert call.lines("session.log") == ["text"]
    assert call.attachments["session-2.log"] == "INFO\nINFO\n"


def test_one_that_is_in_a_chain_twice_keeps_two_logs(logger: logging.Logger) -> None:
    advice = LoggingAdvice(formatter=PLAIN)

    call = Call(lambda: logger.warning("text"), advice, advice)

    assert call.lines("session.log") == ["text"]
    assert call.lines("session-2.log") == ["text"]


def test_threads_that_the_task_starts_belong_to_it(logger: logging.Logger) -> None:
    def work() -> None:
        run_thread(lambda: run_thread(lambda: logger.debug("of a thread's thread")))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(logger.debug, "of a %s", "pool").result()

    call = Call(work, LoggingAdvice(level=logging.DEBUG, formatter=PLAIN))

    assert call.lines() == ["of a thread's thread", "of a pool"]


def test_a_session_in_a_thread_that_the_task_started_is_nested(
    logger: logging.Logger,
) -> None:
    advice = LoggingAdvice(formatter=PLAIN)
    inner = []

    def work() -> None:
        run_thread(lambda: inner.append(Call(lambda: logger.warning("a"), advice)))
        logger.warning("b")

    assert Call(work, advice).lines() == ["a", "b"]
    assert inner[0].lines() == ["a"]


def test_other_threads_do_not_belong_to_the_session(logger: logging.Logger) -> None:
    logging_now, logged = threading.Event(), threading.Event()

    def bystander() -> None:
        logging_now.wait()
        logger.error("of another thread")
        logged.set()

    def work() -> None:
        logging_now.set()
        logged.wait()

    thread = threading.Thread(target=bystander)
    thread.start()
    try:
        call = Call(work, LoggingAdvice(level=logging.DEBUG, formatter=PLAIN))
    finally:
        logging_now.set()
        thread.join()

    assert call.lines() == []


def test_the_threads_of_a_pool_work_for_who_asked_them_to(
    logger: logging.Logger,
) -> None:
    advice = LoggingAdvice(formatter=PLAIN)

    def first() -> None:
        pool.submit(logger.warning, "of the first").result()
        # Another session asks the same thread while this one lasts.
        context = contextvars.Context()
        second = context.run(Call, lambda: in_pool("of the second"), advice)
        assert second.lines() == ["of the second"]
        context.run(in_pool, "of nobody")

    def in_pool(message: str) -> None:
        pool.submit(logger.warning, message).result()

    with ThreadPoolExecutor(1) as pool:
        assert Call(first, advice).lines() == ["of the first"]


def test_a_thread_that_outlives_its_session_is_heard_no_more(
    logger: logging.Logger,
) -> None:
    recorder = Recorder()
    logger.addHandler(recorder)
    finish = threading.Event()
    threads = []

    def late() -> None:
        finish.wait()
        logger.warning("too late")

    def work() -> None:
        threads.append(threading.Thread(target=late))
        threads[0].start()

    call = Call(work, LoggingAdvice(formatter=PLAIN))
    finish.set()
    threads[0].join()

    assert call.lines() == []
    assert recorder.messages == ["too late"]


def test_a_context_that_outlives_its_session_is_heard_no_more(
    logger: logging.Logger,
) -> None:
    contexts = []

    Call(lambda: contexts.append(contextvars.copy_context()), LoggingAdvice())

    other = Call(
        lambda: contexts[0].run(logger.warning, "of the first session"),
        LoggingAdvice(formatter=PLAIN),
    )
    assert other.lines() == []


def test_eight_coroutines_on_one_loop_keep_their_own_records_each(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs: dict[int, list[str]] = {}

    class Keep(Extension):
        def on_session_finished(self, session: Session) -> None:
            assert session.execution is not None
            with session.attachments["session.log"].open() as stream:
                lines = stream.read().decode().splitlines()
            logs[session.execution.args[0]] = lines[1:-1]

    module: Any = types.ModuleType("config_of_coroutines")
    module.configuration = (
        Configuration()
        .add_advice_chain(LoggingAdvice(level=logging.DEBUG, formatter=PLAIN))
        .add_extension(Keep())
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)

    @task(config=module.__name__)
    async def work(number: int) -> None:
        loop = asyncio.get_running_loop()
        logger.debug("%s begins", number)
        await asyncio.gather(*(part(number) for _ in range(3)))
        await loop.run_in_executor(None, logger.debug, "%s in an executor", number)
        run_thread(lambda: logger.debug("%s in a thread", number))
        logger.debug("%s ends", number)

    async def part(number: int) -> None:
        logger.debug("%s in a part", number)
        await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(8)))

    asyncio.run(main())

    assert logs == {
        number: [
            f"{number} begins",
            *[f"{number} in a part"] * 3,
            f"{number} in an executor",
            f"{number} in a thread",
            f"{number} ends",
        ]
        for number in range(8)
    }
