"""Attachments that travel to a child and back."""

from __future__ import annotations

from pathlib import Path

from tests.interpreters import with_the_newest_python_only
from tests.workflows import HEAD, Workflow, read_script

ATTACHING = read_script("attaching_config.py")


def test_attachments_survive_every_combination(
    workflow: Workflow, tmp_path: Path
) -> None:
    workflow.output(
        HEAD
        + """
@bandsaw.task
def add(a, b):
    return a + b

if __name__ == "__main__":
    add(1, 2)
""",
        config=ATTACHING,
    )
    tracked = {
        path.name: path.read_text()
        for path in (tmp_path / "tracked").rglob("attachments/*")
    }
    assert tracked == {
        f"{when} {where}.txt": f"content of {when} {where}.txt"
        for when in ("before", "after")
        for where in ("here", "there", "farther")
    }


@with_the_newest_python_only
def test_an_attachment_needs_no_memory(tmp_path: Path) -> None:
    # In a child, attached to what comes back as well as to what is sent.
    peaks = {}
    for size in (1, 300 * 1024 * 1024):
        output = Workflow(tmp_path / str(size)).output(
            HEAD
            + """
import resource
from bandsaw.transports import worker

@bandsaw.task
def nothing():
    pass

if __name__ == "__main__":
    nothing()
    # A child counts once it has ended.
    worker.end_all()
    for who in resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN:
        print(resource.getrusage(who).ru_maxrss)
""",
            config=f"""
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

class Attach(bandsaw.Advice):
    def before(self, session):
        self.attach(session, "before")

    def after(self, session):
        self.attach(session, "after")

    def attach(self, session, name):
        path = session.temp_dir / name
        with path.open("wb") as file:
            file.truncate({size})
        session.attachments[name] = path
        session.proceed()

class Check(bandsaw.Advice):
    def after(self, session):
        assert session.attachments["after"].size == {size}
        session.proceed()

configuration = bandsaw.Configuration().add_advice_chain(
    Check(), SubprocessAdvice(), Attach()
)
""",
        )
        peaks[size] = [int(line) for line in output.splitlines()]
    small, large = peaks.values()
    # In kilobytes; on macOS in bytes, which makes it only easier to pass.
    assert large[0] - small[0] < 30_000
    assert large[1] - small[1] < 30_000
