import json

import bandsaw
from bandsaw.advices.log import LoggingAdvice
from bandsaw.advices.subprocess import SubprocessAdvice


class Attach(bandsaw.Advice):
    def before(self, session):
        self.attach(session, "there")
        session.proceed()

    def attach(self, session, name):
        path = session.temp_dir / name
        path.write_text("attached " + name, encoding="utf-8")
        session.attachments[name] = path
        session.context["ids"][name] = session.session_id


class Check(Attach):
    seen = []

    def before(self, session):
        self.attach(session, "here")
        session.proceed()

    def after(self, session):
        texts = {}
        for name, attachment in session.attachments.items():
            with attachment.open() as stream:
                texts[name] = stream.read().decode("utf-8")
        self.seen.append((texts, dict(session.context["ids"].attributes)))
        session.proceed()


configuration = bandsaw.Configuration()
with open("pythons.json") as file:
    pythons = json.load(file)
for version, executable in pythons.items():
    interpreter = bandsaw.Interpreter(executable=executable)
    for kind, workers in ("fresh", None), ("resident", 1):
        configuration.add_advice_chain(
            Check(),
            SubprocessAdvice(interpreter=interpreter, workers=workers),
            LoggingAdvice(),
            Attach(),
            name=f"{kind} {version}",
        )
