import os

import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice


class Recorder(bandsaw.Advice):
    def __init__(self, name):
        self.name = name

    def before(self, session):
        session.context["pids"][f"before {self.name}"] = os.getpid()
        session.proceed()

    def after(self, session):
        session.context["pids"][f"after {self.name}"] = os.getpid()
        session.proceed()


class Printer(bandsaw.Advice):
    def before(self, session):
        session.proceed()

    def after(self, session):
        pids = dict(session.context["pids"].attributes)
        order = {pid: i for i, pid in reversed(list(enumerate(pids.values())))}
        print(os.getpid() == min(order, key=order.get))
        for name, pid in pids.items():
            print(name, order[pid])
        session.proceed()


configuration = bandsaw.Configuration().add_advice_chain(
    Printer(),
    Recorder("first"),
    SubprocessAdvice(),
    Recorder("second"),
    SubprocessAdvice(),
    Recorder("third"),
)
