"""Lets coverage measure every process of an environment of tox.

Run by tox before the tests: ``python tests/measuring.py``.
"""

from __future__ import annotations

import glob
import os
import pathlib
import sysconfig

# Imported by every process that starts. A process that ends without cleaning up, as a
# forked child does, would take with it what coverage has seen.
STARTER = """
import os

if os.getenv("COVERAGE_PROCESS_START"):
    import coverage

    coverage.process_startup()
    exit_at_once = os._exit

    def save_and_exit(status):
        measurement = coverage.Coverage.current()
        if measurement is not None:
            measurement.stop()
            measurement.save()
        exit_at_once(status)

    os._exit = save_and_exit
"""


def main() -> None:
    """Removes what was measured before, and starts coverage with every process."""
    for measured in glob.glob(glob.escape(os.environ["COVERAGE_FILE"]) + ".*"):
        os.remove(measured)
    installed = pathlib.Path(sysconfig.get_path("purelib"))
    (installed / "measure_this_process.py").write_text(STARTER)
    (installed / "measure_this_process.pth").write_text("import measure_this_process\n")


if __name__ == "__main__":
    main()
