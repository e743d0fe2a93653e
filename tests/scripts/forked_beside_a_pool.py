import os
import signal
import time

import bandsaw


@bandsaw.task
def pid(*ignored):
    return os.getpid()


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    reader, writer = os.pipe()
    gate, kept_shut = os.pipe()
    script = os.fork()
    if not script:
        worker = pid()
        if os.fork():
            # The child that has just been forked goes on.
            os.write(writer, str(worker).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.close(1)
        os.close(2)
        os.close(kept_shut)
        os.read(gate, 1)
        os._exit(0)
    os.waitpid(script, 0)
    worker = int(os.read(reader, 100))
    deadline = time.monotonic() + 60
    while is_there(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    print("alive" if is_there(worker) else "ended")
