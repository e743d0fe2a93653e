"""Functions that other interpreters call, in a module that imports nothing else."""

from __future__ import annotations

import functools

import bandsaw


def task(chain):
    return bandsaw.task(config="transports_config", chain=chain)


def same(x):
    return x


def size_of(array):
    return array.nbytes


@functools.lru_cache(maxsize=1)
def array_of(size):
    import numpy

    return numpy.ones(size // 8)


@task("resident")
def same_resident(x):
    return x


@task("shared")
def same_shared(x):
    return x


@task("here")
def same_here(x):
    return x


@task("fresh")
def same_fresh(x):
    return x


@task("ahead")
def same_ahead(x):
    return x


@task("resident")
def same_resident_too(x):
    return x


@task("resident")
def size_of_resident(array):
    return array.nbytes


@task("resident")
def array_of_resident(size):
    return array_of(size)
