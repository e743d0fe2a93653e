"""``python delayed.py SECONDS COMMAND...``: a command whose bytes arrive later."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time


def move(source, target, delay):
    """Move bytes to their end, each of them later by the delay."""
    under_way = queue.SimpleQueue()

    def deliver():
        while True:
            due, piece = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not piece:
                os.close(target)
                return
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(target, rest) :]

    delivering = threading.Thread(target=deliver)
    delivering.start()
    piece = b"."
    while piece:
        piece = os.read(source, 1 << 16)
        under_way.put((time.monotonic() + delay, piece))
    delivering.join()


def main():
    delay, *words = sys.argv[1:]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, bufsize=0)
    arguments = 0, process.stdin.fileno(), float(delay)
    threading.Thread(target=move, args=arguments, daemon=True).start()
    move(process.stdout.fileno(), 1, float(delay))
    os._exit(process.wait())


if __name__ == "__main__":
    main()
