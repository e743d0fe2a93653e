"""The behaviour of tasks on an engine, which is to be the same on each of them."""

import logging
import os
import sys
import threading
import time

from text_of import text_of

import bandsaw

chain = sys.argv[1] if len(sys.argv) > 1 else "process-pool"
at = bandsaw.task(chain=chain)


class Point:
    def __init__(self, x):
        self.x = x


class Unreadable:
    def __reduce__(self):
        return (raise_error, ())


def raise_error():
    raise LookupError("boom")


@at
def where(*ignored):
    return os.getpid(), bandsaw.get_run_id()


@at
def move(point):
    return Point(point.x + 1)


@at
def fail(message):
    raise ValueError(message) from KeyError("deep")


@at
def tell(text):
    logging.getLogger("work").warning("%s %d", text, 1)
    bandsaw.progress(1, 2, text)
    return text


@at
def double(number):
    return 2 * number


@at
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)


@at
def attach_nothing(*arguments):
    return [type(argument).__name__ for argument in arguments]


@at
def give(kind):
    return Unreadable() if kind == "unreadable" else threading.Lock()


@at
def call_another(number):
    # The other one is called where this one is executed.
    return here(number)


@bandsaw.task(chain="here")
def here(number):
    return number + 1


@at
def of_large(content):
    return content[::-1]


@at
def of_array(array):
    return array.flags.writeable, array + 1


def main():
    me = os.getpid(), bandsaw.get_run_id()
    there = where()
    print("elsewhere", there[0] != me[0], "same run", there[1] == me[1])
    print("class", type(move(Point(1))) is Point, move(Point(1)).x)
    print(text_of(lambda: fail("oh")), end="; ")
    try:
        fail("oh")
    except ValueError as error:
        print(type(error.__cause__).__name__, repr(error.__cause__.__cause__))
    logging.basicConfig(format="%(name)s %(message)s", stream=sys.stdout)
    print(tell("told"))
    print("submitted", double.submit(double.submit(1)).result())
    print("mapped", list(double.map(range(5))), sum(double.map_unordered(range(50))))
    print(text_of(lambda: give("lock"))[:70])
    print(text_of(lambda: give("unreadable"))[:70])
    print(text_of(lambda: attach_nothing(Unreadable()))[:70])
    print("submitted", text_of(lambda: give.submit("lock").result())[:70])
    print("nested", call_another(1))
    print("large", of_large(bytes(range(256)) * 8000)[:3])
    import numpy

    array = numpy.arange(100_000.0)
    writeable, more = of_array(array)
    print("array", writeable, more.flags.writeable, bool((more == array + 1).all()))
    future = wait_for.submit(os.path.abspath("gate"))
    print("cancelled", future.cancel(), future.cancelled())
    open("gate", "w").close()
    print("after", double(21))


if __name__ == "__main__":
    main()
