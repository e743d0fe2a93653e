"""Finds another Python of this machine that has scikit-learn.

The environment variable `DIGITS_PYTHON` can name one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def find_second_python():
    """Return its executable, or the one of this Python when there is no other."""
    executable = os.environ.get("DIGITS_PYTHON")
    if not executable:
        found = filter(has_scikit_learn, other_pythons())
        executable = next(found, sys.executable)
        # The processes of the tasks, which import this too, need not search again.
        os.environ["DIGITS_PYTHON"] = executable
    return executable


def other_pythons():
    """Yield executables of other versions, on the path and those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for minor in range(13, 7, -1):
        if minor != sys.version_info.minor:
            on_path = shutil.which(f"python3.{minor}")
            if on_path:
                yield on_path
            yield from map(str, pyenv.glob(f"versions/3.{minor}.*/bin/python"))


def has_scikit_learn(executable):
    """Tell if a Python can import it."""
    command = [executable, "-c", "import sklearn"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.run(command, **quiet).returncode == 0
