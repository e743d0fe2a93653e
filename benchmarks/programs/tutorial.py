"""The script of the tutorial: one cached call, and one that is moved and cached."""

from __future__ import annotations

import random

import bandsaw


@bandsaw.task(config="tutorial_config")
def make_points(count, seed):
    generator = random.Random(seed)
    return [(x, 3 * x + generator.uniform(-1, 1)) for x in range(count)]


@bandsaw.task(config="tutorial_config", chain="elsewhere")
def fit(points):
    return sum(x * y for x, y in points) / sum(x * x for x, _ in points)


def main():
    points = make_points(100, seed=1)
    print(f"slope {fit(points):.2f}")


if __name__ == "__main__":
    main()
