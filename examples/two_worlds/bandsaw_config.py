"""Two environments that cannot be one: bandsaw finds this by its name."""

from bandsaw import Configuration
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.environments import Environment
from worlds import newest_python, oldest_python

# What is locked for them stands in the file bandsaw.lock beside this one.
old = Environment(
    oldest_python(),
    [
        "scikit-learn ==1.0.*; python_version < '3.11'",
        # Where there is no older Python: the oldest releases that it can have
        "scikit-learn <1.6; python_version >= '3.11'",
        "numpy <2; python_version < '3.13'",
    ],
    name="old",
)
new = Environment(
    newest_python(),
    ["scikit-learn", "numpy >=2; python_version >= '3.9'", "matplotlib"],
    name="new",
)

configuration = (
    Configuration()
    .add_advice_chain(SubprocessAdvice(interpreter=old), name="old")
    .add_advice_chain(SubprocessAdvice(interpreter=new), name="new")
)
