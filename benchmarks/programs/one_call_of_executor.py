"""One call of a function in another process, with a ProcessPoolExecutor."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def double(x):
    return 2 * x


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as executor:
        print(executor.submit(double, 21).result())
