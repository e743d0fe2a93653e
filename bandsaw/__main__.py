"""The command line: ``bandsaw``, or ``python -m bandsaw``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line, or say what is missing for it."""
    try:
        from .cli import main as run
    except ImportError as error:
        if error.name not in ("click", "rich"):
            raise
        print(
            f"The command line of bandsaw needs {error.name}. Install bandsaw[cli].",
            file=sys.stderr,
        )
        sys.exit(2)
    is_command = os.path.basename(sys.argv[0]) == "bandsaw"
    run(prog_name="bandsaw" if is_command else "python -m bandsaw")


if __name__ == "__main__":
    main()
