import os
import signal
import sys

from text_of import text_of

import bandsaw

CHAIN = sys.argv[1]
PARENT = int(os.environ.setdefault("PARENT", str(os.getpid())))


def descriptors():
    return [int(name) for name in os.listdir("/dev/fd") if int(name) > 2]


def explode(failure):
    if failure == "error":
        raise LookupError("boom")
    if failure.startswith("exit"):
        os._exit(int(failure[4:]))
    if failure == "close":
        for descriptor in descriptors():
            try:
                os.close(descriptor)
            except OSError:
                pass
    elif failure == "garbage":
        for descriptor in descriptors():
            try:
                os.write(descriptor, b"garbage " * 100)
            except OSError:
                pass
    else:
        os.kill(os.getpid(), getattr(signal, failure))
    return failure


class ExplodesWhenWritten:
    def __init__(self, failure):
        self.failure = failure

    def __reduce__(self):
        explode(self.failure)
        return explode, ("error",)


class ExplodesWhenRead(ExplodesWhenWritten):
    def __reduce__(self):
        return explode, (self.failure,)


@bandsaw.task(chain=CHAIN, subprocess={"timeout": 2}, connection={"timeout": 2})
def work(phase, failure, value=None):
    if phase == "runs":
        explode(failure)
    if phase == "result written":
        return ExplodesWhenWritten(failure)
    if phase == "result read":
        return ExplodesWhenRead(failure)
    return 42


def left_in_shared_memory():
    if not os.path.isdir("/dev/shm"):
        return
    for name in os.listdir("/dev/shm"):
        if not name.startswith("bandsaw-"):
            continue
        try:
            with open(f"/dev/shm/{name}/.lock") as lock:
                owner = int(lock.read().split()[0])
        except NotADirectoryError:
            yield name
        except (OSError, IndexError):
            pass  # Another process is making or removing it.
        else:
            if owner == os.getpid():
                yield name


FAILURES = [
    *("error", "exit0", "exit3", "SIGSEGV", "SIGKILL", "SIGSTOP", "close", "garbage")
]

if __name__ == "__main__":
    cases = [("argument written", "error"), ("result read", "error")]
    for phase in "argument read", "runs", "result written":
        cases += [(phase, failure) for failure in FAILURES]
    values = {
        "argument written": ExplodesWhenWritten,
        "argument read": ExplodesWhenRead,
    }
    for phase, failure in cases:
        value = values[phase](failure) if phase in values else None
        text = text_of(work, phase, failure, value).splitlines()[0]
        print(f"{phase}, {failure}: {text}")
        assert work("nothing", "") == 42
    from bandsaw.transports import far_connection, worker

    worker.end_all()
    far_connection.close_all()
    directory = bandsaw.get_configuration().temporary_directory
    names = [path.name for path in directory.iterdir() if path.name != ".lock"]
    print("left:", [name for name in names if not name.startswith("distribution-")])
    print("shared:", list(left_in_shared_memory()))
    try:
        os.waitpid(-1, os.WNOHANG)
        print("a child is left")
    except ChildProcessError:
        print("no child is left")
