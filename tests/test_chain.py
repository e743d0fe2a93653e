"""The walk along a chain: every place and kind of step, for chains of up to five."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterator, Tuple

import pytest

from bandsaw import Advice, Configuration
from bandsaw.advices.log import LoggingAdvice
from bandsaw.chain import AdviceChain, Walk
from bandsaw.exceptions import AdviceError
from bandsaw.execution import Execution
from bandsaw.result import Result
from bandsaw.session import Session
from bandsaw.tasks import Task

# What an advice does in one of its methods.
KINDS = (
    "proceed",
    "conclude",
    "fail",
    "fail afterwards",
    "forget",
    "proceed twice",
    "conclude twice",
    "proceed and conclude",
    "conclude and proceed",
    "proceed again after a failure",
)

Chain = Tuple[Tuple[str, str], ...]


class Boom(Exception):
    """The error of a failing advice."""


class Scripted(Advice):
    """An advice that does as it is told and notes what it has done."""

    def __init__(self, index: int, before: str, after: str, trace: list[str]) -> None:
        self.index = index
        self.kinds = {"before": before, "after": after}
        self.trace = trace

    def before(self, session: Session) -> None:
        self.act("before", session)

    def after(self, session: Session) -> None:
        self.act("after", session)

    def act(self, method: str, session: Session) -> None:
        place = f"{method} {self.index}"
        self.trace.append(place)
        kind = self.kinds[method]
        if kind == "fail":
            raise Boom(place)
        steps: dict[str, Callable[[], None]] = {
            "proceed": session.proceed,
            "conclude": lambda: session.conclude(Result(place)),
        }
        if kind == "fail afterwards":
            session.proceed()
            raise Boom(place)
        if kind == "proceed again after a failure":
            try:
                session.proceed()
            except Boom:
                session.proceed()
        elif kind.endswith(" twice"):
            steps[kind.split()[0]]()
            steps[kind.split()[0]]()
        elif kind != "forget":
            for step in kind.split(" and "):
                steps[step]()


class Model:
    """The rules in their plainest form: who is called, and how it ends."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.trace: list[str] = []
        self.value: Any = None
        self.error: str | None = None
        self.stalled: str | None = None
        self.ended = False
        try:
            self.go_before(0)
        except Boom as error:
            self.error = str(error)
        except AdviceError as error:
            self.error = str(error)
        if self.error is None and not self.ended:
            self.error = f"forgotten {self.stalled}"

    def go_before(self, index: int) -> None:
        if index == len(self.chain):
            self.trace.append("task")
            self.value = "task"
            self.go_after(index - 1)
            return
        self.act("before", index, self.chain[index][0])

    def go_after(self, index: int) -> None:
        if index < 0:
            self.ended = True
            return
        self.act("after", index, self.chain[index][1])

    def act(self, method: str, index: int, kind: str) -> None:
        place = f"{method} {index}"
        self.trace.append(place)

        def proceed() -> None:
            if method == "before":
                self.go_before(index + 1)
            else:
                self.go_after(index - 1)

        def conclude() -> None:
            self.value = place
            self.go_after(index - 1)

        if kind == "fail":
            raise Boom(place)
        if kind == "forget":
            self.stalled = place
            return
        first = conclude if kind.startswith("conclude") else proceed
        if kind == "proceed again after a failure":
            try:
                first()
            except Boom:
                raise AdviceError("finished" if self.ended else "twice") from None
            return
        first()
        if kind == "fail afterwards":
            raise Boom(place)
        if kind not in ("proceed", "conclude"):
            raise AdviceError("finished" if self.ended else "twice")


def chains() -> Iterator[Chain]:
    """Every combination for up to two advices, every pair of deviations for up to 5."""
    for length in (0, 1, 2):
        for kinds in itertools.product(KINDS, repeat=2 * length):
            yield tuple(zip(kinds[::2], kinds[1::2]))
    for length in (3, 4, 5):
        for places in itertools.combinations(range(2 * length), 2):
            for deviations in itertools.product(KINDS, repeat=2):
                kinds = ["proceed"] * (2 * length)
                for place, kind in zip(places, deviations):
                    kinds[place] = kind
                yield tuple(zip(kinds[::2], kinds[1::2]))


def walk(chain: Chain) -> tuple[list[str], Any, str | None]:
    """Walk with a real session: who was called, the value, and the error."""
    trace: list[str] = []

    def task() -> str:
        trace.append("task")
        return "task"

    advices = [
        Scripted(index, before, after, trace)
        for index, (before, after) in enumerate(chain)
    ]
    configuration = Configuration().add_advice_chain(*advices)
    session = Session(Task.create_task(task), Execution("e"), configuration)
    try:
        result = session.initiate()
    except Boom as error:
        return trace, None, str(error)
    except AdviceError as error:
        return trace, None, kind_of(error, chain)
    assert session.is_finished
    return trace, result.value, None


def kind_of(error: AdviceError, chain: Chain) -> str:
    message = str(error)
    if message.startswith("Session already finished advising."):
        return "finished"
    if message.startswith("Session cannot go on twice"):
        return "twice"
    assert message.startswith("Not all advice has been applied.")
    for index in range(len(chain)):
        for method in ("before", "after"):
            step = f"Scripted.{method}() ({index + 1} of {len(chain)})"
            if f"{__name__}.{step} of chain 'default' returned" in message:
                return f"forgotten {method} {index}"
    raise AssertionError(message)


def test_every_walk_goes_as_the_rules_say() -> None:
    for chain in chains():
        model = Model(chain)
        trace, value, error = walk(chain)
        assert (trace, error) == (model.trace, model.error), chain
        if error is None:
            assert value == model.value, chain


@pytest.mark.parametrize("length", range(6))
def test_the_table_leads_from_each_step_to_the_right_one(length: int) -> None:
    walk = Walk([Advice() for _ in range(length)])

    assert walk.end == 2 * length + 1
    assert len(walk.actions) == walk.end + 1
    for index in range(length):
        before, after = index, walk.after(index)
        assert walk.advice_index(before) == walk.advice_index(after) == index
        assert before < walk.task < after < walk.end
        # One step further than where the advice before this one is called.
        earlier = walk.after(index - 1) if index else walk.end
        assert walk.concluded[before] == walk.concluded[after] == earlier == after + 1


@pytest.mark.parametrize("step", [-1, 1, 3, 4])
def test_no_advice_acts_in_the_other_steps(step: int) -> None:
    with pytest.raises(ValueError, match="no advice acts"):
        Walk([Advice()]).advice_index(step)


def test_steps_are_described_by_the_class_and_the_place_of_their_advice() -> None:
    walk = Walk([Advice(), Scripted(1, "", "", [])])

    assert walk.describe(1) == f"{__name__}.Scripted.before() (2 of 2)"
    assert walk.describe(4) == "bandsaw.advice.Advice.after() (1 of 2)"
    assert walk.describe(2) == "the task"
    assert walk.describe(5) == "the end"
    assert walk.describe(-1) == "the start"


def test_the_steps_of_a_task_come_last_also_when_the_chain_changes() -> None:
    first, second, own = (
        Scripted(index, "proceed", "proceed", []) for index in range(3)
    )
    chain = AdviceChain("default", ())
    task = Task(test_every_walk_goes_as_the_rules_say)
    assert chain.for_task(task) is chain
    task.steps = (own,)

    longer = chain.for_task(task)
    chain.replace((first, second), ())

    assert chain.for_task(task) is longer
    assert longer.walk.advices == (first, second, own)
    assert chain.walk.advices == (first, second)
    task.steps = (own, own)
    assert chain.for_task(task).walk.advices == (first, second, own, own)


class Expecting(Advice):
    """An advice that wants to know of each session that will come to it."""

    def expect_session(self, session: Session) -> None:
        """Prepare for a session."""


class Overriding(LoggingAdvice):
    """An advice whose behaviour may depend on the session."""

    def before(self, session: Session) -> None:
        """Proceed."""
        session.proceed()


@pytest.mark.parametrize(
    ("earlier", "is_told"),
    [
        ([], True),
        ([Advice(), LoggingAdvice()], True),
        ([Overriding()], False),
        ([Advice(), Scripted(1, "", "", [])], False),
        ([Expecting()], False),
    ],
)
def test_an_advice_is_told_of_a_session_that_no_earlier_one_keeps_from_it(
    earlier: list[Advice], is_told: bool
) -> None:
    advice = Expecting()

    assert (advice.expect_session in Walk([*earlier, advice]).expecting) is is_told
