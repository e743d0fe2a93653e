import os

import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice


class Doubles(bandsaw.Advice):
    def after(self, session):
        session.context["doubled in"] = os.getpid()
        session.conclude(bandsaw.result.Result(session.result.value * 2))


class Compares(bandsaw.Advice):
    def after(self, session):
        print(session.context["doubled in"] != os.getpid())
        session.proceed()


configuration = bandsaw.Configuration()
configuration.add_advice_chain(Compares(), SubprocessAdvice(), Doubles())


@bandsaw.task(config="workflow")
def add(a, b):
    return a + b


if __name__ == "__main__":
    print(add(1, 2))
    print(add("a", "b"))
