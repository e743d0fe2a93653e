from bandsaw.execution import Execution
from bandsaw.session import Session
from bandsaw.tasks import Task

with open("loaded.txt", "a") as file:
    file.write(__name__ + "\n")


class Value:
    pass


def make():
    return Value()


if __name__ == "__main__":
    from bandsaw_config import configuration

    session = Session(Task.create_task(make), Execution("e"), configuration)
    print(type(session.initiate().value) is Value)
