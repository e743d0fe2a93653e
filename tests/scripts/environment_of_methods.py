import asyncio
import os

import bandsaw
from bandsaw.environments import Environment

INDEX = os.environ["INDEX_OF_THE_TEST"]


def holding(*requirements, **options):
    return Environment(None, requirements, index_url=INDEX, **options)


class Model:
    def __init__(self, name):
        self.name = name

    @bandsaw.task(environment=holding("alpha<2"))
    def fit(self):
        import alpha

        return self.name, alpha.version

    @classmethod
    @bandsaw.task(environment=holding("alpha<2"))
    def make(cls):
        import alpha

        return cls(alpha.version)


@bandsaw.task(environment=holding("alpha<2"))
async def wait(x):
    import alpha

    await asyncio.sleep(0)
    return x, alpha.version


async def both():
    return await asyncio.gather(wait(1), wait(2))


if __name__ == "__main__":
    print(Model("mine").fit(), Model.make().name, asyncio.run(both()))
