"""The main module of a distribution archive, of which it is the ``__main__.py``.

Python compiles it each time, so it is short.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Continue sessions with the code of the archive that this module belongs to."""
    archive = os.path.dirname(os.path.abspath(__file__))
    if os.path.realpath(sys.path[0]) != os.path.realpath(archive):
        # An isolated Python has not put it there; what is there has to stay.
        sys.path.insert(0, archive)
    if not os.path.isdir(archive):
        from _bandsaw_bootstrap import unpack

        archive = unpack(archive)
    sys.path[0] = archive
    if sys.dont_write_bytecode:
        # The directory is bandsaw's own, so this is not for it.
        sys.dont_write_bytecode = False
        from _bandsaw_bytecode import keep_bytecode

        sys.dont_write_bytecode = True
        keep_bytecode(archive)
    from _bandsaw_startup import find_modules, keep_modules

    is_kept = find_modules(archive)
    from bandsaw.runner import main as run

    run(sys.argv[1:])
    if not is_kept:
        keep_modules(archive)


if __name__ == "__main__":
    main()
