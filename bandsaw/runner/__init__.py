"""The far end: a process that continues sessions, one in a file or many on a channel.

The main module of a distribution archive runs this.
"""

from __future__ import annotations

import gc
import os
import sys

from ..config import accept_configuration_of_archive
from ..runtime.home import ENVIRONMENT_RECORD, Hold
from ..runtime.path_trust import refuse_open_path
from ..runtime.registries import note_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Continue sessions.

    Args:
        args: The words of the command line, without the program.

    Raises:
        PermissionError: If everybody may change the code of this process.
    """
    words = sys.argv[1:] if args is None else args
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    archive = os.path.dirname(package)
    hold = None
    if accept_configuration_of_archive(archive):
        # What Python opens next by its path could be another file than it was.
        refuse_open_path(os.path.join(package, "runner"))
        if os.path.exists(os.path.join(sys.prefix, ENVIRONMENT_RECORD)):
            refuse_open_path(os.path.join(sys.prefix, "bin"))
        # A process may run for longer than an unused archive is kept.
        hold = Hold(archive)
        note_code()
    # What the one needs, the other has no use for.
    if words[:1] == ["--channel"]:
        # Looking for garbage takes a tenth of the time of these imports.
        is_collecting = gc.isenabled()
        gc.disable()
        from .resident import serve

        gc.freeze()  # Nor is there any to be found in them later.
        if is_collecting:
            gc.enable()
        serve(int(words[1]))
    else:
        from .one_shot import continue_file

        continue_file(words)
    if hold is not None:
        hold.release()
