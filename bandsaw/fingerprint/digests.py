"""The digest of a buffer: a tree over fixed blocks that threads hash side by side."""

from __future__ import annotations

import os
from collections import deque

from ..runtime.hashing import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Thread
    from typing import Callable, Union

    Buffer = Union[bytes, bytearray, memoryview]

# Part of the format: another size gives other digests.
BLOCK_SIZE = 1 << 20

# Starting threads pays off from here on.
_BLOCKS_FOR_THREADS = 4

# Shorter content stands for itself.
INLINE_SIZE = 200


def blob(tag: bytes, content: Buffer) -> bytes:
    """Return the token of a run of bytes.

    Args:
        tag: What tells these bytes from others, ended by a byte that is no digit.
        content: A contiguous buffer; it is not copied when it is large.

    Returns:
        A short token.
    """
    size = content.nbytes if type(content) is memoryview else len(content)
    if size <= INLINE_SIZE:
        return b"%b%d:%b" % (tag, size, bytes(content))
    if size <= BLOCK_SIZE:
        return b"%b%d#%b" % (tag, size, sha256(content).digest())
    view = memoryview(content).cast("B")
    count = -(-size // BLOCK_SIZE)

    def read(number: int) -> memoryview:
        return view[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE]

    return b"%b%d#%b" % (tag, size, digest_blocks(count, read))


def digest_blocks(count: int, read: Callable[[int], Buffer]) -> bytes:
    """Return the digest of a sequence of blocks.

    Args:
        count: The number of blocks.
        read: Returns the block of a number; called in several threads.

    Returns:
        The digest: of the only block, or of the digests of the blocks.
    """
    if count == 1:
        return sha256(read(0)).digest()
    digests: list[bytes] = [b""] * count
    waiting = deque(range(count))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                try:
                    number = waiting.popleft()
                except IndexError:
                    return
                digests[number] = sha256(read(number)).digest()
        except BaseException as error:
            failures.append(error)
            waiting.clear()

    threads = _start(
        work, min(_cores(), count) - 1 if count > _BLOCKS_FOR_THREADS else 0
    )
    try:
        work()
    finally:
        waiting.clear()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return sha256(b"tree%d:" % count + b"".join(digests)).digest()


def _start(work: Callable[[], None], count: int) -> list[Thread]:
    if count <= 0:
        return []
    from threading import Thread

    threads = []
    for _ in range(count):
        thread = Thread(target=work, name="bandsaw-fingerprint", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # No more threads: the limit is reached, or the interpreter is ending.
            break
        threads.append(thread)
    return threads


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
