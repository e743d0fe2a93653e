import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice


class Forgets(bandsaw.Advice):
    def before(self, session):
        if session.task.advice_parameters["step"] != "before":
            session.proceed()

    def after(self, session):
        if session.task.advice_parameters["step"] != "after":
            session.proceed()


class Raises(bandsaw.Advice):
    def before(self, session):
        if session.task.advice_parameters["step"] == "before":
            raise Broken("an advice")
        session.proceed()

    def after(self, session):
        if session.task.advice_parameters["step"] == "after":
            raise Broken("an advice")
        session.proceed()


class Concludes(bandsaw.Advice):
    def before(self, session):
        if session.task.advice_parameters["step"] == "before":
            session.conclude(bandsaw.result.Result("concluded"))
        else:
            session.proceed()

    def after(self, session):
        if session.task.advice_parameters["step"] == "after":
            session.conclude(bandsaw.result.Result("concluded"))
        else:
            session.proceed()


class Seen(bandsaw.Advice):
    def after(self, session):
        print("seen", session.result.value, flush=True)
        session.proceed()


class Broken(Exception):
    pass


configuration = bandsaw.Configuration()
for kind in Forgets, Raises, Concludes:
    configuration.add_advice_chain(
        Seen(), SubprocessAdvice(), bandsaw.Advice(), kind(), name=kind.__name__
    )
