"""The far end: a process that continues sessions, one in a file or many on a channel.

The main module of a distribution archive runs this.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from functools import partial

from ..config import get_configuration
from ..exceptions import InvalidSessionError, TaskMemoryError
from ..modules import continue_script, import_module
from ..reporting import forwarding
from ..result import Result
from ..run import Run, join_run
from ..runtime.log_forwarding import relay_records
from ..runtime.parent_watch import end_with_parent
from ..runtime.temporary import open_private, set_parent_directory
from ..session.exchange import RESTORING, answer_for, continue_session, write_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        Any,
        ContextManager,
        Iterator,
        Sequence,
    )

    from ..session import Session
    from ..transports.frames import Channel


# How long a process waits for the first that it is asked for, in seconds.
_TIME_TO_BEGIN = 60.0


def main(args: Sequence[str] | None = None) -> None:
    """Continue sessions.

    Args:
        args: The words of the command line, without the program.
    """
    words = sys.argv[1:] if args is None else args
    if words[:1] == ["--channel"]:
        serve(int(words[1]))
    else:
        continue_file(words)


def continue_file(args: Sequence[str]) -> None:
    """Continue the session in a file.

    Args:
        args: The words of the command line, without the program.
    """
    import argparse
    import json

    from ..session.zip_form import SessionFile

    parser = argparse.ArgumentParser(
        prog="bandsaw", description="Continues a bandsaw session."
    )
    parser.add_argument("--input", required=True, help="file with the saved session")
    parser.add_argument("--output", required=True, help="file for the answer")
    parser.add_argument("--run-id", required=True, help="id of the workflow's run")
    parser.add_argument("--settings", help="file with the settings of the process")
    options = parser.parse_args(args)
    if options.settings is not None:
        with open(options.settings, encoding="utf-8") as file:
            _apply_settings(json.load(file))
    join_run(Run(options.run_id))
    # The task may change the working directory.
    output = os.path.abspath(options.output)
    beside = output + ".part"
    with open(options.input, "rb") as source, open(
        beside, "w+b", opener=open_private
    ) as target:
        continue_session(SessionFile(source), SessionFile(target))
    # Whoever waits sees the whole answer or none.
    os.replace(beside, output)


def _apply_settings(settings: dict[str, Any]) -> None:
    """Make this process what the one that started it wants it to be.

    Args:
        settings: `path`: directories to look for modules in first; `environment`:
            variables to set; `modules`: what the other process could import, if it is
            another Python; `script`: the module name of the workflow's script;
            `arguments`: the words on its command line, as it finds them in `sys.argv`;
            `temporary_directory`: where to make temporary files; `lifeline`: what ends
            when this process has to end, as `end_with_parent` takes it.
    """
    lifeline = settings.get("lifeline")
    if lifeline is not None:
        end_with_parent(**lifeline)
    _write_whole_lines()
    answer_for(settings.get("modules"))
    os.environ.update(settings.get("environment", {}))
    set_parent_directory(settings.get("temporary_directory"))
    # Behind the archive, before what this Python has of its own.
    path = settings.get("path", ())
    own = [entry for entry in sys.path[1:] if entry not in path]
    sys.path[1:] = [entry for entry in path if entry != sys.path[0]] + own
    sys.argv = settings.get("arguments", sys.argv[:1])
    continue_script(settings.get("script"))


def _write_whole_lines() -> None:
    """Let each line that is printed leave this process at once.

    Python keeps what leads to no terminal until there is a lot of it, before 3.9 of the
    standard error, too. Whoever waits for a task wants to see what it prints when it
    prints it, and what it has said last when it dies, whichever Python that is.
    """
    for stream in sys.stdout, sys.stderr:
        try:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            pass  # There is none, or this Python was made to have another one.


def serve(descriptor: int) -> None:
    """Continue the sessions that come over a channel, one after the other.

    Args:
        descriptor: The descriptor of the channel's socket.
    """
    from ..transports import frames
    from ..transports.frames import Channel
    from ..transports.handshake import check_greeting, make_greeting

    # Whatever the task starts must not keep it open.
    os.set_inheritable(descriptor, False)
    channel = Channel(descriptor)
    try:
        _, greeting, _, _ = channel.receive()
        check_greeting(greeting, "The process that has started this one")
        _apply_settings(greeting["settings"])
        join_run(Run.from_json(greeting["run"]))
        channel.send(frames.GREETING, make_greeting())
        _serve(channel, greeting["idle_timeout"])
    except EOFError:
        pass  # Nobody is there any more who could ask for something.
    finally:
        channel.close()


def _serve(channel: Channel, idle_timeout: float) -> None:
    from ..transports import frames

    # Whoever has started this process has something for it, however busy it may be.
    channel.be_patient(max(idle_timeout, _TIME_TO_BEGIN))
    is_new = True
    while True:
        try:
            kind, head, content, file = channel.receive()
        except TimeoutError:
            channel.send(frames.FAREWELL)
            return
        if kind == frames.FAREWELL:
            return
        if kind == frames.PREPARE:
            _prepare(head["configuration"], head["modules"])
        elif kind == frames.JOB:
            _continue_frame(channel, head, content, file)
            # What was received must not stay in memory while nothing is done.
            del content
        if is_new:
            is_new = False
            channel.be_patient(idle_timeout)


def _prepare(configuration: str, modules: Sequence[str]) -> None:
    """Import what a session will need, and use it once."""
    try:
        from ..session import frame_form, state  # noqa: F401

        serializer = get_configuration(configuration).serializer
        for name in modules:
            import_module(name)
        stream = io.BytesIO()
        serializer.serialize_with_buffers(None, stream)
        serializer.deserialize_with_buffers(stream.getvalue(), ())
    except BaseException:
        pass  # The session that needs it meets the same error, and reports it.


def _continue_frame(
    channel: Channel, head: dict[str, Any], content: memoryview, file: int | None
) -> None:
    from ..session.frame_form import SessionFrames
    from ..transports import frames
    from ..transports.parcels import Parcel, open_parcel

    target = SessionFrames()
    parcels: list[Parcel] = []

    def pack() -> None:
        parcels.append(Parcel(target))

    try:
        source = open_parcel(head, content, file)
    except InvalidSessionError as error:
        write_report(target, RESTORING, error)
        pack()
    else:
        del content
        continue_session(
            source, target, partial(_surrounded, channel=channel, head=head), pack
        )
        del source
    parcel = parcels.pop()
    _flush_output()
    with parcel:
        channel.send(frames.ANSWER, parcel.head, parcel.pieces, parcel.descriptor)


@contextlib.contextmanager
def _surrounded(
    session: Session, channel: Channel, head: dict[str, Any]
) -> Iterator[None]:
    """Let a session walk under the conditions that its job names.

    What it tells meanwhile goes to where it comes from.
    """
    from ..transports import frames

    limit = head.get("memory_limit")
    relay_records(partial(channel.send, frames.RECORD), head.get("levels"))
    try:
        with forwarding(session, partial(channel.send, frames.PROGRESS)), _holding(
            head.get("held")
        ):
            if limit is None:
                yield
                return
            from .memory_limit import limited_memory

            with limited_memory(limit):
                yield
    finally:
        relay_records(None)
    exception = getattr(session.result, "exception", None)
    if isinstance(exception, MemoryError):
        error = TaskMemoryError(
            f"The task wanted more memory than its limit of {limit} bytes."
        )
        error.__cause__ = exception
        session.result = Result(exception=error)


def _holding(held: Sequence[tuple[str, str]] | None) -> ContextManager[None]:
    """Know what the sender of a session holds until it has ended."""
    if held is None:
        return contextlib.nullcontext()
    from ..stores.locks import holding

    return holding(held)


def _flush_output() -> None:
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # The task has closed it.
