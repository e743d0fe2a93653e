"""Functions that are called on clusters, in a module that imports nothing else."""

from __future__ import annotations

import bandsaw


def same(x):
    return x


def size_of(array):
    return array.nbytes


def array_of(size):
    import numpy

    return numpy.ones(size // 8)


@bandsaw.task(config="engines_config", chain="dask")
def same_on_dask(x):
    return x


@bandsaw.task(config="engines_config", chain="dask")
def size_on_dask(array):
    return array.nbytes


@bandsaw.task(config="engines_config", chain="ray")
def same_on_ray(x):
    return x


@bandsaw.task(config="engines_config", chain="ray")
def size_on_ray(array):
    return array.nbytes


TASKS = {
    ("dask", "submitted"): same_on_dask,
    ("dask", "mapped_array"): size_on_dask,
    ("ray", "submitted"): same_on_ray,
    ("ray", "mapped_array"): size_on_ray,
}
