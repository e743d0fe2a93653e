"""One call of a task in another process, with the configuration of the tutorial."""

from __future__ import annotations

import bandsaw


@bandsaw.task(config="tutorial_config", chain="logged")
def double(x):
    return 2 * x


if __name__ == "__main__":
    print(double(21))
