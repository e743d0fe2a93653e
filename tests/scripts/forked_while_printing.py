import contextlib
import io
import os
import signal
import threading
import warnings

import bandsaw

# Python minds a fork beside threads.
warnings.simplefilter("ignore")


@bandsaw.task
def wait():
    print("started", flush=True)
    with open("gate") as gate:
        gate.read()
    print("ended")


class Announces(io.StringIO):
    def write(self, text):
        super().write(text)
        started.set()


if __name__ == "__main__":
    os.mkfifo("gate")
    started = threading.Event()
    with contextlib.redirect_stdout(Announces()) as out:
        thread = threading.Thread(target=wait)
        thread.start()
        started.wait()
        pid = os.fork()
        if not pid:
            signal.pause()
        open("gate", "w").close()
        thread.join()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    print(out.getvalue().split())
