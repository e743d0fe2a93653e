"""Tasks that make and read tensors, arrays, and values of a rare library."""

from __future__ import annotations

import functools

import bandsaw


def task(chain):
    return bandsaw.task(config="frameworks_config", chain=chain)


@functools.lru_cache(maxsize=None)
def made(library, size):
    if library == "torch":
        import torch

        return torch.ones(size // 8, dtype=torch.float64)
    import numpy

    array = numpy.ones(size // 8)
    if library == "numpy":
        return array
    from heavy import Heavy

    return Heavy(array)


@task("resident")
def size_of(tensor):
    return tensor.nbytes


@task("resident")
def tensor_of(size):
    return made("torch", size)


@task("cached")
def cached(library, size):
    return made(library, size)


@task("maker")
def make_heavy(size):
    return made("heavy", size)


@task("reader")
def read_heavy(heavy):
    return float(heavy.numbers[-1])
