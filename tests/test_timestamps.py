"""The times at which a session came to its turning points."""

from __future__ import annotations

from bandsaw.advice import Advice, advise_task_with_chain
from bandsaw.config import Configuration
from bandsaw.datetime import datetime_from_timestamp
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.tasks import Task
from bandsaw.timestamps import TimestampsExtension

EVENTS = ["session_created", "before_task", "after_task", "session_finished"]


class Keep(Advice):
    """Keeps the session, so that its context can be read."""

    def before(self, session):
        self.session = session
        session.proceed()


class Conclude(Advice):
    def before(self, session):
        session.conclude(Result(1))


def nothing():
    return None


def timestamps_of(*advices, extensions=1):
    keep = Keep()
    configuration = Configuration().add_advice_chain(keep, *advices)
    for _ in range(extensions):
        configuration.add_extension(TimestampsExtension())
    advise_task_with_chain(Task.create_task(nothing), Execution("e"), configuration)
    return keep.session.context["timestamps"]


def test_all_four_times_are_noted_in_their_order():
    timestamps = timestamps_of()
    assert list(timestamps) == EVENTS
    times = [datetime_from_timestamp(timestamps[event]) for event in EVENTS]
    assert times == sorted(times)


def test_there_are_no_times_for_a_task_that_was_not_executed():
    assert list(timestamps_of(Conclude())) == [EVENTS[0], EVENTS[3]]


def test_a_second_extension_changes_nothing():
    assert list(timestamps_of(extensions=2)) == EVENTS


def test_what_the_user_keeps_under_that_name_is_left_alone():
    class Own(TimestampsExtension):
        def on_session_created(self, session):
            session.context["timestamps"] = "mine"
            super().on_session_created(session)

    keep = Keep()
    configuration = Configuration().add_advice_chain(keep).add_extension(Own())
    advise_task_with_chain(Task.create_task(nothing), Execution("e"), configuration)
    assert keep.session.context["timestamps"] == "mine"
