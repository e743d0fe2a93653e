import os

import bandsaw
from bandsaw.environments import Environment

INDEX = os.environ["INDEX_OF_THE_TEST"]


def holding(*requirements, **options):
    return Environment(None, requirements, index_url=INDEX, **options)


def version():
    import alpha

    return alpha.version


@bandsaw.task
def old():
    return version()


@bandsaw.task(subprocess={"interpreter": "new"})
def new():
    return version()


@bandsaw.task(chain="pool")
def in_pool():
    return version()


@bandsaw.task(chain="pool", subprocess={"interpreter": "new"})
def new_in_pool():
    return version()


if __name__ == "__main__":
    print(old(), new(), in_pool(), new_in_pool(), in_pool())
    print("old" in str(old.explain()), old.is_cached())
