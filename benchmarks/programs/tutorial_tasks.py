"""Tasks configured as in the tutorial, in a module that imports nothing else."""

from __future__ import annotations

import bandsaw


@bandsaw.task(config="tutorial_config", chain="fresh")
def same_logged(x):
    return x
