"""Imports bandsaw and decorates one function."""

from __future__ import annotations

import bandsaw


@bandsaw.task
def function(argument):
    return argument
