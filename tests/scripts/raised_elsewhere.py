"""Prints what arrives of exceptions that tasks raise along the chain CHAIN."""

import builtins
import json
import sys
import threading

import bandsaw

# New in Python 3.11
Group = getattr(builtins, "ExceptionGroup", None)


class UnwritableError(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


@bandsaw.task(chain="CHAIN")
def fail_again_and_again():
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise UnwritableError("second")  # noqa: B904
    except UnwritableError as error:
        try:
            raise ValueError("third") from error
        except ValueError:
            raise RuntimeError("last") from None


@bandsaw.task(chain="CHAIN")
def fail_because():
    raise ValueError("it") from KeyError("why")


@bandsaw.task(chain="CHAIN")
def fail_with_a_note():
    error = ValueError("one")
    error.add_note("a note")
    raise Group("several", [error, Group("more", [KeyError(2)])])


def raised(number):
    try:
        try:
            raise KeyError(number)
        except KeyError as error:
            raise ValueError(number) from error
    except ValueError as error:
        return error


@bandsaw.task(chain="CHAIN")
def fail_several_times():
    inner = Group("inner", [raised(1), LookupError()])
    raise Group("outer", [inner, raised(2)]) from OSError("why")


@bandsaw.task(chain="CHAIN")
def work(data, *more, lock=None, **options):
    return 1


def error_of(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except Exception as error:
        return error


def chain_of(error):
    while error is not None:
        text = str(error).splitlines()
        yield f"{type(error).__name__} {text[-1] if text else text}"
        error = error.__cause__ or error.__context__


def tell():
    error = error_of(fail_again_and_again)
    yield "hides its context", error.__suppress_context__
    yield "its cause", type(error.__cause__).__name__
    yield "its contexts", list(chain_of(error.__context__))

    cause = error_of(fail_because).__cause__
    yield "shows the place", "in fail_because" in str(cause)
    yield "the cause behind", repr(cause.__cause__)

    if sys.version_info >= (3, 11):
        several = error_of(fail_with_a_note)
        yield "a group", repr(several)
        yield "its notes", several.exceptions[0].__notes__

        outer = error_of(fail_several_times)
        inner, second = outer.exceptions
        yield (
            "causes and contexts of members",
            [
                f"{error!r} {error.__cause__!r} {error.__context__!r}"
                for error in (*inner.exceptions, second)
            ],
        )
        yield "the cause of a group", repr(outer.__cause__.__cause__)

    lock = threading.Lock()
    errors = [
        error_of(work, 1, lock),
        error_of(work, 1, lock=lock),
        error_of(work, 1, other=lock),
    ]
    yield (
        "arguments",
        [f"{type(one).__name__}: {str(one).split(' cannot')[0]}" for one in errors],
    )
    yield "afterwards", work(1)


if __name__ == "__main__":
    print(json.dumps(dict(tell())))
