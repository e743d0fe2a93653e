import os
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import bandsaw
from bandsaw.exceptions import InterpreterDiedError


@bandsaw.task
def work(number, pause):
    time.sleep(pause)
    return os.getpid(), number, bytes([number % 256]) * 2000


def call(number):
    pid, same, content = work(number, 0.001 * (number % 3))
    assert same == number and content == bytes([number % 256]) * 2000
    pids.add(pid)


def call_until_it_works(number):
    failures = 0
    while True:
        try:
            call(number)
            return failures
        except InterpreterDiedError as error:
            assert "SIGKILL" in str(error), error
            failures += 1


def kill(ended):
    chance = random.Random(0)
    while not ended.wait(chance.uniform(0, 0.1)):
        for pid in chance.sample(sorted(pids), min(1, len(pids))):
            pids.discard(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def descriptors():
    return len(os.listdir("/dev/fd"))


if __name__ == "__main__":
    calls = int(sys.argv[1])
    pids = set()
    call(0)
    before = descriptors()
    ended = threading.Event()
    killer = threading.Thread(target=kill, args=(ended,))
    killer.start()
    with ThreadPoolExecutor(8) as pool:
        failures = []
        # Until the killer has met a process that was working
        while sum(failures) == 0:
            failures += pool.map(call_until_it_works, range(calls))
    ended.set()
    killer.join()
    print(len(failures) % calls)
    from bandsaw.transports import worker

    worker.end_all()
    print(descriptors() - before <= 0)
