"""What is called with the configuration of the tutorial, and imports nothing else."""

from __future__ import annotations

import bandsaw


@bandsaw.task(config="tutorial_config", chain="fresh")
def same_logged(x):
    return x
