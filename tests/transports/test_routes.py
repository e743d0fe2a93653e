"""A session that differs from an earlier one in its arguments only takes its route."""

from __future__ import annotations

import pytest

from bandsaw import Advice
from bandsaw.exceptions import ProtocolError
from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.session.frame_format import SessionFrames
from bandsaw.session.route import RememberedSession, Routes
from bandsaw.tasks import Task
from tests.configurations import loadable_configuration
from tests.transports.test_pool import config
from tests.workflows import HEAD, Workflow

# Counts the frames that this process sends, by their kind.
COUNTING = """
from collections import Counter
from bandsaw.transports import frames, lane

sent = Counter()
send_all = frames.Channel._send_all

def count(channel, waiting, *others):
    sent[waiting[0][4]] += 1
    send_all(channel, waiting, *others)

frames.Channel._send_all = count

def kinds():
    counted = sent[frames.JOB], sent[frames.CALL]
    sent.clear()
    return counted

@bandsaw.task
def same(value, *, more=None):
    return value if more is None else (value, more)
"""


@pytest.mark.parametrize(
    ("advice", "expected"), [("SubprocessAdvice", (0, 5)), ("Asked", (5, 0))]
)
def test_a_known_task_takes_the_short_route_unless_an_advice_is_asked(
    workflow: Workflow, advice: str, expected: tuple[int, int]
) -> None:
    output = workflow.output(
        HEAD
        + COUNTING
        + """
if __name__ == "__main__":
    same(0), same(1)
    kinds()
    print([same(number) for number in range(4)], same([1], more={"a": None}))
    print(kinds())
""",
        config=config(advice=advice),
    )
    assert output == f"[0, 1, 2, 3] ([1], {{'a': None}})\n{expected}\n"


@pytest.mark.parametrize(
    "change",
    [
        "advice.timeout = 60",
        "advice.memory_limit = 1 << 40",
        "advice.timeout_for = lambda session: None",
        "configuration.add_extension(bandsaw.Extension())",
        "sys.stdout = Other(sys.stdout)",
    ],
)
def test_what_changes_more_than_arguments_ends_the_short_route(
    workflow: Workflow, change: str
) -> None:
    output = workflow.output(
        HEAD
        + COUNTING
        + f"""
class Other:
    def __init__(self, stream):
        self.write = stream.write
        self.flush = stream.flush

if __name__ == "__main__":
    configuration = bandsaw.get_configuration()
    advice, = configuration.get_advice_chain("default")
    print(same(0), same(1), same(2), kinds(), flush=True)
    {change}
    print(same(3), same(4), same(5), kinds())
""",
        config=config(),
    )
    assert output == "0 1 2 (2, 1)\n3 4 5 (3, 0)\n"


CHAINS = """
class Passing(bandsaw.Advice):
    def before(self, session):
        session.proceed()

    def after(self, session):
        session.proceed()

class Noting(Passing):
    def before(self, session):
        session.context["noted"] = True
        session.proceed()

for name, around in (
    ("behind", (Passing(), SubprocessAdvice(workers=1))),
    ("before", (SubprocessAdvice(workers=1), Passing())),
    ("noted", (Noting(), SubprocessAdvice(workers=1))),
    ("captured", (SubprocessAdvice(workers=1, output="capture"),)),
):
    configuration.add_advice_chain(*around, name=name)
"""


@pytest.mark.parametrize(
    ("chain", "more", "expected"),
    [
        ("behind", "", (2, 2)),
        ("before", "", (4, 0)),
        ("noted", "", (4, 0)),
        ("captured", "", (4, 0)),
        ("behind", "configuration.set_serializer(bandsaw.JsonSerializer())", (4, 0)),
    ],
)
def test_only_the_task_may_lie_behind_a_short_route(
    workflow: Workflow, chain: str, more: str, expected: tuple[int, int]
) -> None:
    output = workflow.output(
        HEAD
        + COUNTING.replace("@bandsaw.task", f'@bandsaw.task(chain="{chain}")')
        + """
if __name__ == "__main__":
    print(same(0), same(1), same(2), same(3), kinds())
""",
        config=config() + CHAINS + more,
    )
    assert output == f"0 1 2 3 {expected}\n"


def test_a_change_that_a_process_can_be_told_opens_another_route(
    workflow: Workflow,
) -> None:
    output = workflow.output(
        HEAD
        + COUNTING
        + """
import logging

if __name__ == "__main__":
    same(0), same(0)
    kinds()
    logging.getLogger("project").setLevel(logging.DEBUG)
    print(same(2), same(3), kinds())
    os.environ["NEW"] = "value"
    print(same(4), same(5), kinds())
""",
        config=config(),
    )
    assert output == "2 3 (1, 1)\n4 5 (1, 1)\n"


def test_large_arrays_are_moved_beside_a_session(workflow: Workflow) -> None:
    pytest.importorskip("numpy")
    output = workflow.output(
        HEAD
        + COUNTING
        + """
import numpy

@bandsaw.task
def zeros(size):
    return numpy.zeros(size, "u1")

if __name__ == "__main__":
    same(0), same(0), zeros(1)
    kinds()
    print(same(numpy.ones(100_000)).sum(), kinds())
    # Not each time are arguments written twice.
    print(same(1), kinds())
    print(same(numpy.ones(10)).sum(), kinds())
    print(len(zeros(100_000)), kinds())
""",
        config=config(),
    )
    assert output == ("100000.0 (1, 0)\n1 (1, 0)\n10.0 (0, 1)\n100000 (0, 1)\n")


OUTCOMES = """
import logging

@bandsaw.task
def work(what):
    print("printed by", what, flush=True)
    if what == "raising":
        try:
            raise KeyError(what)
        except KeyError as error:
            raise LookupError("for", what) from error
    if what == "exiting":
        sys.exit(3)
    if what == "unwritable":
        return lambda: None
    if what == "unreadable":
        return Unreadable()
    if what == "logging":
        logging.getLogger("project").warning("logged by %s", what)
    if what == "telling":
        bandsaw.progress(1, 2)
    if isinstance(what, Unreadable):
        raise AssertionError
    return what

def fail(text):
    raise ValueError(text)

class Unreadable:
    def __reduce__(self):
        return fail, ("cannot be made",)

    def __str__(self):
        return "unreadable"

def describe(what):
    try:
        print(work(what))
    except BaseException as error:
        print(type(error).__name__, *error.args)
        cause = error.__cause__
        print(type(cause).__name__, "work(" in str(cause))
        print(repr(getattr(cause, "__cause__", None)))

if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    for what in (
        "raising", "exiting", "unwritable", "unreadable", "logging", "telling", "last"
    ):
        print("calling", what)
        describe(what)
    describe(Unreadable())
    print(kinds()[1] > 0)
"""


def test_a_call_ends_the_same_either_way(workflow: Workflow) -> None:
    outputs = [
        workflow.output(HEAD + COUNTING + OUTCOMES, config=config(advice=advice))
        for advice in ("SubprocessAdvice", "Asked")
    ]
    short, whole = ([*output.splitlines()] for output in outputs)

    assert (short.pop(), whole.pop()) == ("True", "False")
    assert short == whole
    assert "LookupError for raising" in short


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (before, kind)
        for before in (0, 2)
        for kind in ("HANDSHAKE", "JOB", "CALL", "VALUE")
        if (before, kind) != (2, "VALUE")
    ],
)
def test_a_frame_that_is_no_answer_is_refused(
    workflow: Workflow, before: int, kind: str
) -> None:
    output = workflow.output(
        HEAD
        + COUNTING
        + f"""
import gc

@bandsaw.task
def forge(is_meant):
    if is_meant:
        channel, = (o for o in gc.get_objects() if type(o) is frames.Channel)
        channel.send(frames.{kind})
    return "answered"

if __name__ == "__main__":
    for _ in range({before}):
        forge(False)
    kinds()
    print("no answer" in text_of(forge, True), kinds()[{int(before > 0)}])
    print(forge(False))
""",
        config=config(),
    )
    assert output == "True 1\nanswered\n"


@pytest.mark.parametrize("kind", ["PROGRESS", "RECORD"])
def test_what_a_call_tells_without_sense_is_refused(
    workflow: Workflow, kind: str
) -> None:
    output = workflow.output(
        HEAD
        + f"""
import gc
from bandsaw.transports import frames

@bandsaw.task
def forge():
    channel, = (o for o in gc.get_objects() if type(o) is frames.Channel)
    channel.send(frames.{kind}, {{"done": "far", "msg": 5}})

if __name__ == "__main__":
    print(text_of(forge))
""",
        config=config(),
    )
    assert output.startswith("ProtocolError: The message ")


@pytest.mark.parametrize("content", [b"", b"x", bytes(100)])
def test_a_call_on_a_route_that_no_one_has_told_is_refused(content: bytes) -> None:
    with pytest.raises(ProtocolError, match="was not told"):
        Routes().open(memoryview(content))


def do_nothing() -> None:
    pass


class Saves(Advice):
    """Saves sessions as they are before their task."""

    def __init__(self, form: SessionFrames) -> None:
        self.form = form

    def before(self, session: Session) -> None:
        session.save_to(self.form)
        session.proceed()


def test_what_changes_in_the_configuration_ends_a_short_route_at_its_far_end() -> None:
    form = SessionFrames()
    with loadable_configuration() as configuration:
        configuration.add_advice_chain(Saves(form))
        task = Task.create_task(do_nothing)
        Session(task, Execution("e", ()), configuration).initiate()
        restored = Session(None, None, configuration)
        restored.restore_from(form)
        remembered = RememberedSession(form)
        assert remembered.calls is None

        remembered.remember(restored)
        assert remembered.calls is not None
        configuration.add_advice_chain(Saves(form), Advice())

        assert remembered.calls is None
