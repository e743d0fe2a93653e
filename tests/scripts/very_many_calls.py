import gc
import resource

import bandsaw


@bandsaw.task
def add(a, b):
    return a + b


def call(numbers):
    for number in numbers:
        add(number, b=1)
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    # What is remembered of the most recent calls is full then.
    before = call(range(20_000))
    print(call(range(20_000, 120_000)) - before)
