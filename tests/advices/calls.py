"""Calls of functions along a chain, and what they leave."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any, Callable

from bandsaw.advice import Advice
from bandsaw.config import Configuration
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.tasks import Task

# Formats records as nothing but their message.
PLAIN = logging.Formatter("%(message)s")


class Recorder(logging.Handler):
    """A handler of the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


class Call:
    """A call of a function along a chain: its result and its attachments."""

    def __init__(
        self, function: Callable[..., Any], *advices: Advice, name: str = "e"
    ) -> None:
        configuration = Configuration().add_advice_chain(*advices)
        self.session = Session(
            Task.create_task(function), Execution(name), configuration
        )
        self.result: Result | None = None
        self.attachments: dict[str, str] = {}
        try:
            self.result = self.session.initiate()
        finally:
            for attached, attachment in self.session.attachments.items():
                with attachment.open() as stream:
                    text = stream.read().decode()
                    assert attachment.size == len(text.encode())
                    self.attachments[attached] = text
            self.session.remove_temp_dir()

    def lines(self, name: str = "session.log") -> list[str]:
        """The lines of an attachment without the advice's own."""
        lines = self.attachments[name].splitlines()
        assert lines[0].startswith("BEFORE ")
        assert lines[-1].startswith("AFTER ")
        return lines[1:-1]

    def json(self, name: str = "session.log") -> list[dict[str, Any]]:
        """The lines of an attachment as what they say in JSON."""
        return [json.loads(line) for line in self.attachments[name].splitlines()]


def run_thread(target: Callable[[], Any]) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


class Failing(Advice):
    """Fails before or after."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        self.where = where
        self.error = error

    def before(self, session: Session) -> None:
        if self.where == "before":
            raise self.error
        session.proceed()

    def after(self, session: Session) -> None:
        if self.where == "after":
            raise self.error
        session.proceed()
