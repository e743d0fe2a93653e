"""A process that continues the session in a file."""

from __future__ import annotations

import argparse
import json
import os

from ..run import Run, join_run
from ..runtime.temporary import open_private
from ..session.exchange import continue_session
from ..session.zip_format import SessionFile
from .surroundings import apply_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence


def continue_file(args: Sequence[str]) -> None:
    """Continue the session in a file.

    Args:
        args: The words of the command line, without the program.
    """
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
            apply_settings(json.load(file))
    join_run(Run(options.run_id))
    # The task may change the working directory.
    output = os.path.abspath(options.output)
    beside = output + ".part"
    with open(options.input, "rb") as source, open(
        beside, "w+b", opener=open_private
    ) as target:
        continue_session(SessionFile(source), SessionFile(target))
    # The parent sees the whole answer or none.
    os.replace(beside, output)
