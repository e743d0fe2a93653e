"""The process in which sessions are continued, made what its parent wants it to be."""

from __future__ import annotations

import faulthandler
import os
import sys

from ..config import ARCHIVE_CONTENTS
from ..modules import continue_script
from ..runtime.own_files import name_originals
from ..runtime.parent_watch import end_with_parent
from ..runtime.temporary import set_parent_directory
from ..session.exchange import answer_for
from ..transports.frames import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where this package is, in a child the directory of an archive
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def apply_settings(values: dict[str, Any]) -> None:
    """Make this process what its parent wants it to be.

    Args:
        values: The settings, as the parent has sent them.

    Raises:
        ProtocolError: If these are no settings.
    """
    settings = Settings.decode(values)
    if settings.lifeline is not None:
        end_with_parent(**settings.lifeline)
    _write_whole_lines()
    faulthandler.enable(2, all_threads=False)  # One that crashes tells its stack.
    answer_for(settings.modules)
    os.environ.update(settings.environment or {})
    set_parent_directory(settings.temporary_directory)
    # Behind the archive, before what this Python has of its own.
    path = settings.path or ()
    own = [entry for entry in sys.path[1:] if entry not in path]
    sys.path[1:] = [entry for entry in path if entry != sys.path[0]] + own
    sys.argv = sys.argv[:1] if settings.arguments is None else [*settings.arguments]
    if settings.originals and os.path.exists(os.path.join(_ROOT, ARCHIVE_CONTENTS)):
        name_originals(_ROOT, settings.originals)
    continue_script(settings.script)


def _write_whole_lines() -> None:
    """Let each line that is printed leave this process at once.

    Python keeps what leads to no terminal until there is a lot of it, before 3.9 of the
    standard error, too. The caller of a task wants to see what it prints when it prints
    it, and what it has said last when it dies, whichever Python that is.
    """
    for stream in sys.stdout, sys.stderr:
        try:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            pass  # There is none, or this Python was made to have another one.
