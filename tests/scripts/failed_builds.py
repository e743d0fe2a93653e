import os

import bandsaw
import bandsaw_config
from bandsaw.environments import Environment
from bandsaw.exceptions import EnvironmentBuildError

INDEX = os.environ["INDEX_OF_THE_TEST"]


def holding(*requirements, **options):
    return Environment(None, requirements, index_url=INDEX, **options)


@bandsaw.task(environment=holding("no-such-package"))
def plain():
    pass


@bandsaw.task(environment=holding("no-such-package"), chain="cached")
def cached():
    pass


if __name__ == "__main__":
    for task in (plain, cached):
        try:
            task()
        except EnvironmentBuildError as error:
            print("no-such-package" in str(error), bandsaw_config.told)
        bandsaw_config.told.clear()
