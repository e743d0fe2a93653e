"""This very process, through a full save and restore of the session."""

from __future__ import annotations

from ..serialization.buffers import blocks_of
from ..session.exchange import continue_session
from ..session.frame_format import SessionFrames
from .base import Job, Transport


class MemoryTransport(Transport):
    """Continue sessions in this process, with objects of their own.

    Whatever would not survive the way to another interpreter does not survive this one
    either, so tests of advices and tasks need no process.
    """

    def run(self, job: Job) -> SessionFrames:
        """Have a job done here."""
        source, target = SessionFrames(), SessionFrames()
        job.save_to(source)
        answers: list[SessionFrames] = []
        continue_session(
            _sent(source), target, deliver=lambda: answers.append(_sent(target))
        )
        return answers.pop()


def _sent(form: SessionFrames) -> SessionFrames:
    head, pieces, buffers = form.pack()
    copies = [memoryview(bytearray().join(blocks_of(buffer))) for buffer in buffers]
    return SessionFrames.unpack(head, b"".join(pieces), copies)
