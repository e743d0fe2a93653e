import bandsaw
from bandsaw.exceptions import NotMovableError


@bandsaw.task
def generate():
    yield 1


square = bandsaw.task(lambda x: x * x)


def make():
    @bandsaw.task
    def local():
        return 1

    return local


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
    for task in generate, square, make(), kept, space["executed"]:
        args = (3,) if task is square else ()
        try:
            task(*args)
        except NotMovableError as error:
            print(error)
    print(replaced())
