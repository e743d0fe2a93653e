"""Lets the interpreters of an environment of tox start as fast as those of a venv.

Run by tox before the tests, ``python tests/quick_start.py``: tests start thousands.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

# Of virtualenv and of setuptools, for those who use distutils. They take half of the
# time in which an interpreter starts.
IMPORTED_BY_ALL = ("_virtualenv.pth", "distutils-precedence.pth")

if __name__ == "__main__":
    for name in IMPORTED_BY_ALL:
        Path(sysconfig.get_path("purelib"), name).unlink(missing_ok=True)
