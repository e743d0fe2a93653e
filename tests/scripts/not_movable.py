import bandsaw
from bandsaw.exceptions import NotMovableError


@bandsaw.task
def generate():
    yield 1


@bandsaw.task
def replaced():
    return 1


kept = replaced


@bandsaw.task
def replaced():
    return 2


space = {"__name__": "__main__", "bandsaw": bandsaw}
exec("@bandsaw.task\ndef executed(): return 1", space)

if __name__ == "__main__":
    for task in generate, kept, space["executed"]:
        try:
            task()
        except NotMovableError as error:
            print(error)
    print(replaced())
