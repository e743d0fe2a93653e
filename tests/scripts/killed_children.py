import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import bandsaw
from bandsaw.exceptions import InterpreterDiedError


@bandsaw.task
def survive(number, seed):
    chance = random.Random(seed)
    if chance.random() < 0.3:
        os.kill(os.getpid(), chance.choice([signal.SIGKILL, signal.SIGUSR1]))
    return number * 2


def work(number):
    for attempt in range(50):
        try:
            return survive(number, seed=number * 100 + attempt)
        except InterpreterDiedError:
            pass


if __name__ == "__main__":

    def left():
        directory = bandsaw.get_configuration().temporary_directory
        return list(directory.glob("session-*")), len(os.listdir("/dev/fd"))

    work(0)
    before = left()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(400)))
    # Processes end beside the calls that they have answered.
    deadline = time.monotonic() + 60
    while left() != before and time.monotonic() < deadline:
        time.sleep(0.01)
    print(results == [2 * number for number in range(400)], left() == before)
