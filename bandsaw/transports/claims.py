"""Claims to calls: a process begins a call, or its parent takes it back.

A parent may send calls ahead of those that the process has answered. For each of them
it first writes a byte into a pipe, and the process reads that byte when it begins the
call. The parent can read the pipe, too: a call whose byte it gets back is never begun,
as no byte can be read twice. So it takes calls back that are cancelled or wait for too
long, and knows of a process that has died which call it was executing.

The values of calls that were sent together come through a second pipe. To write into it
wakes no one up, and what is in it outlives the process.
"""

from __future__ import annotations

import os
import struct
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator

#: More than are ever ahead
NUMBERS = 256


# The number of a call and the size of its value
_HEADER = struct.Struct("<BI")

# POSIX promises that so much is written as a whole; Linux takes more.
_LARGEST_RECORD = 512

# How long a value may lie in the pipe until the parent is told, in seconds.
_UNTOLD = 0.002

# How much a pipe holds at most
_CAPACITY = 1 << 16


class Offers:
    """The end that sends calls ahead.

    Attributes:
        descriptors: The ends of the pipes that are handed over to the process.
    """

    def __init__(self) -> None:
        self._claims, self._target = os.pipe()
        self._values, values = os.pipe()
        self.descriptors = [self._claims, values]
        for descriptor in self._claims, self._values, values:
            os.set_blocking(descriptor, False)
        self._number = 0

    def offer(self, count: int) -> int:
        """Let the process begin so many more calls.

        Args:
            count: How many.

        Returns:
            The number of the first one; the others follow.
        """
        first = self._number
        self._number = (first + count) % NUMBERS
        numbers = bytes((first + place) % NUMBERS for place in range(count))
        os.write(self._target, numbers)
        return first

    def take_back(self) -> int:
        """Return how many calls, from the last one on, the process will not begin."""
        try:
            return len(os.read(self._claims, NUMBERS))
        except BlockingIOError:
            return 0

    def values(self) -> Iterator[tuple[int, memoryview]]:
        """Return the values that have come, and the numbers of their calls."""
        try:
            content = memoryview(os.read(self._values, _CAPACITY))
        except BlockingIOError:
            return
        place = 0
        while place < len(content):
            number, size = _HEADER.unpack_from(content, place)
            place += _HEADER.size + size
            yield number, content[place - size : place]

    def release_descriptors(self) -> None:
        """Let go of what only the process needs, which has it."""
        os.close(self.descriptors.pop())

    def close(self) -> None:
        """Close all pipes."""
        for descriptor in {self._claims, self._target, self._values, *self.descriptors}:
            os.close(descriptor)


class Claims:
    """The end that executes calls.

    Args:
        flush: Is called before the parent is told of values.
        tell: Tells the parent that there are values.

    """

    def __init__(self, flush: Callable[[], object], tell: Callable[[], object]) -> None:
        self._descriptors: list[int] = []
        self._claimed: int | None = None
        self._flush = flush
        self._tell = tell
        self._untold = 0
        self._told_at = 0.0

    def add(self, descriptor: int) -> None:
        """Have another end of a pipe.

        Args:
            descriptor: The end.
        """
        # The system of macOS hands it over as one that programs inherit.
        os.set_inheritable(descriptor, False)
        self._descriptors.append(descriptor)

    def claim(self, number: int) -> bool:
        """Claim a call, and tell if it was not taken back.

        Args:
            number: What the call begins with.
        """
        if self._claimed is None:
            try:
                claimed = os.read(self._descriptors[0], 1)
            except BlockingIOError:
                return False
            self._claimed = claimed[0] if claimed else None
        if self._claimed != number:
            return False  # What was claimed is one of the next calls.
        self._claimed = None
        return True

    def write(self, number: int, value: bytes) -> bool:
        """Write a value where its recipient finds it.

        Args:
            number: The number of the call.
            value: The value as it was written.

        Returns:
            Whether there is room for it.
        """
        record = _HEADER.pack(number, len(value)) + value
        if len(record) > _LARGEST_RECORD:
            return False
        try:
            os.write(self._descriptors[1], record)
        except BlockingIOError:
            return False
        self._untold += 1
        if monotonic() - self._told_at > _UNTOLD:
            self.tell()
        return True

    def begin(self) -> None:
        """Begin with calls that were sent together."""
        self._told_at = monotonic()

    def tell(self) -> None:
        """Tell the parent of the values that it may not know of."""
        if self._untold:
            self._untold = 0
            self._flush()
            self._tell()
            self._told_at = monotonic()
