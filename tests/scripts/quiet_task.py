import bandsaw


@bandsaw.task
def quiet(depth):
    return depth and quiet(depth - 1)


@bandsaw.task
def fails():
    raise ValueError


if __name__ == "__main__":
    quiet(1)
    try:
        fails()
    except ValueError:
        pass
