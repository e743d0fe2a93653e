import os
import sys

import bandsaw
from bandsaw.environments import Environment

INDEX = os.environ["INDEX_OF_THE_TEST"]


def holding(*requirements, **options):
    return Environment(None, requirements, index_url=INDEX, **options)


ENVIRONMENT = holding("alpha<2", name="alpha")


def of(chain):
    def decorate(function):
        return bandsaw.task(function, chain=chain, environment=ENVIRONMENT)

    return decorate


def version():
    import alpha

    return alpha.version, "environments" in sys.executable


@of("default")
def default():
    return version()


@of("moving")
def moving():
    return version()


@of("cached")
def cached():
    return version()


@of("all")
def everything():
    return version()


@of("resident")
def resident():
    return version()


if __name__ == "__main__":
    for task in (default, moving, cached, cached, everything, everything, resident):
        print(*task())
    print(cached.is_cached(), everything.is_cached())
