import os
import tempfile
import time
from pathlib import Path

from text_of import text_of

import bandsaw
from bandsaw.transports import worker


@bandsaw.task
def work(fails):
    if fails:
        os._exit(1)


def state():
    worker.end_all()
    files = {p for p in Path(tempfile.gettempdir()).rglob("*") if p.is_file()}
    return files, os.listdir("/dev/fd")


def settled_state():
    last, now = None, state()
    while now != last:
        time.sleep(0.1)
        last, now = now, state()
    return now


if __name__ == "__main__":
    work(False)
    before = settled_state()
    for fails in False, True:
        text_of(work, fails)
    print(settled_state() == before)
