"""Commands, given to the command line in this process."""

from __future__ import annotations

import sys
from unittest import mock

from click.testing import CliRunner

from bandsaw.cli import main


def bandsaw(*words: str, status: int = 0) -> str:
    """Return the answer of a command, on its standard output and error."""
    # A command may change both.
    runner = CliRunner(env={"BANDSAW_CONFIG_MODULE": None})
    with mock.patch.object(sys, "path", list(sys.path)):
        done = runner.invoke(main, words, catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output
