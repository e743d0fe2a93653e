import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension


class Attach(bandsaw.Advice):
    def __init__(self, name):
        self.name = name

    def add(self, session, when):
        for name, attachment in session.attachments.items():
            with attachment.open() as stream:
                content = stream.read().decode()
            assert content == "content of " + name, content
            assert attachment.size == len(content)
        name = f"{when} {self.name}.txt"
        path = session.temp_dir / name
        path.write_text("content of " + name)
        session.attachments[name] = path

    def before(self, session):
        self.add(session, "before")
        session.proceed()

    def after(self, session):
        self.add(session, "after")
        session.proceed()


configuration = (
    bandsaw.Configuration()
    .add_advice_chain(
        Attach("here"),
        SubprocessAdvice(),
        Attach("there"),
        SubprocessAdvice(),
        Attach("farther"),
    )
    .add_extension(TrackerExtension(FileSystemBackend("tracked")))
)
