from text_of import text_of

import bandsaw


@bandsaw.task
def add(a, b):
    return {"sum": a + b, "both": (a, b)}


@bandsaw.task
def fail():
    raise ValueError("wrong", 1)


@bandsaw.task
def unwritable():
    return object()


if __name__ == "__main__":
    print(add(1, 2))
    print(text_of(fail))
    print(text_of(unwritable).split(":")[0])
    print(add("a", "b"))
