import logging
import os
import random
import signal
import sys
import threading

import bandsaw


@bandsaw.task
def state(n):
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return (
        os.getpid(),
        dict(os.environ),
        os.getcwd(),
        list(sys.path),
        list(map(str, signals)),
        logging.getLogger().level,
        len(logging.getLogger().handlers),
        random.getstate(),
        threading.active_count(),
        len(os.listdir("/dev/fd")),
        sorted(sys.modules),
    )


if __name__ == "__main__":
    second = [state(n) for n in (1, 2)][-1]
    for n in range(3, 100):
        state(n)
    print(state(100) == second)
