"""Measures which lines of the library run, in every process of environments of tox.

Run by tox before the tests, ``python tests/measuring.py start DIRECTORY``, and after
those of all Pythons, ``python tests/measuring.py combine DIRECTORY``.

coverage itself takes longer to start than a process of most tests to run, so that only
the report is left to it.
"""

from __future__ import annotations

import marshal
import os
import shutil
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Names the directory; what is not to be measured is started without it.
VARIABLE = "DIRECTORY_OF_MEASURED_LINES"

# What an archive holds under names of their own
IN_ARCHIVES = {
    "_bandsaw_bootstrap.py": "distribution/bootstrap.py",
    "_bandsaw_bytecode.py": "distribution/bytecode.py",
    "_bandsaw_home.py": "runtime/home.py",
    "_bandsaw_startup.py": "distribution/startup.py",
}

# Imported by every process that starts, so it is small. A process that ends without
# cleaning up, as a forked child does, would take with it what it has seen.
STARTER = f"""
import os
import sys

directory = os.environ.get("{VARIABLE}")
if directory and sys.version_info >= (3, 12):
    import atexit
    import marshal
    import time

    monitoring = sys.monitoring
    tool = monitoring.COVERAGE_ID
    events = monitoring.events
    lines = {{}}
    # Before a test replaces them
    exit_at_once, open_file, rename = os._exit, open, os.rename

    def start(code, offset):
        name = code.co_filename
        if "/bandsaw/" in name or "/_bandsaw_" in name:
            lines.setdefault(name, set())
            monitoring.set_local_events(tool, code, events.LINE)
        return monitoring.DISABLE

    def see(code, line):
        lines[code.co_filename].add(line)
        return monitoring.DISABLE

    def save():
        try:
            seen = marshal.dumps({{name: set(lines[name]) for name in list(lines)}})
            name = os.path.join(directory, f"{{os.getpid()}}-{{time.time_ns()}}")
            with open_file(name, "wb") as file:
                file.write(seen)
            # What is killed before that is not measured.
            rename(name, name + ".lines")
        except OSError:
            pass  # It may not write there, or the tests have ended.

    def save_and_exit(status):
        save()
        exit_at_once(status)

    monitoring.use_tool_id(tool, "tests/measuring.py")
    monitoring.register_callback(tool, events.PY_START, start)
    monitoring.register_callback(tool, events.LINE, see)
    monitoring.set_events(tool, events.PY_START)
    atexit.register(save)
    os._exit = save_and_exit
"""


def start(directory: Path) -> None:
    """Remove what was measured before, and measure every process from now on."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    installed = Path(sysconfig.get_path("purelib"))
    (installed / "measure_this_process.py").write_text(STARTER)
    (installed / "measure_this_process.pth").write_text("import measure_this_process\n")


def combine(directory: Path) -> None:
    """Write what all processes have seen for the report of coverage."""
    from coverage import CoverageData

    lines: dict[str, set[int]] = {}
    for file in directory.glob("*/*.lines"):
        for name, seen in marshal.loads(file.read_bytes()).items():
            # A child runs the library from an unpacked distribution archive.
            short = IN_ARCHIVES.get(os.path.basename(name))
            source = ROOT / "bandsaw" / (short or name.rpartition("/bandsaw/")[2])
            if source.is_file():
                lines.setdefault(str(source), set()).update(seen)
    data = CoverageData(os.environ["COVERAGE_FILE"])
    data.erase()
    data.add_lines(lines)
    data.write()


if __name__ == "__main__":
    {"start": start, "combine": combine}[sys.argv[1]](Path(sys.argv[2]))
