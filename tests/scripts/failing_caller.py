# For each number, calls a task twice in a process of its own, with a cache in which the
# call of the operating system with that number fails.
import errno
import os
import sys
import warnings

import helper

import bandsaw


@bandsaw.task
def work(x):
    return helper.helped(x)


if __name__ == "__main__":
    kind = sys.argv[1]
    for line in sys.stdin:
        number = int(line)
        child = os.fork()
        if not child:
            break
        print(os.waitpid(child, 0)[1], flush=True)
    else:
        sys.exit()

    errors = os.open("errors", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(errors, 2)
    os.close(errors)
    warnings.simplefilter("error", ResourceWarning)
    calls = 0

    def failing(function):
        def call(*args, **kwargs):
            global calls
            calls += 1
            if calls == number:
                raise OSError(getattr(errno, kind), "injected")
            return function(*args, **kwargs)

        return call

    names = ("open", "write", "replace", "mkdir", "unlink")
    originals = {name: getattr(os, name) for name in names}
    for name, function in originals.items():
        setattr(os, name, failing(function))
    first = work(20)
    for name, function in originals.items():
        setattr(os, name, function)
    print(first, work(20), "all" if calls < number else "")
