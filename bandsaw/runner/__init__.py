"""The far end: a process that continues sessions, one in a file or many on a channel.

The main module of a distribution archive runs this.
"""

from __future__ import annotations

import os
import sys
from functools import partial

from ..config import accept_configuration_of_archive, get_configuration
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
    from typing import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Continue sessions.

    Args:
        args: The words of the command line, without the program.
    """
    words = sys.argv[1:] if args is None else args
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    accept_configuration_of_archive(os.path.dirname(package))
    # What the one needs, the other has no use for.
    if words[:1] == ["--channel"]:
        from .resident import serve

        serve(int(words[1]))
    else:
        from .one_shot import continue_file

        continue_file(words)
