"""Which of the calls that were sent to a process it has begun, known at both ends.

A parent may send calls ahead of those that the process has answered. For each of them
it first writes a byte into a pipe, and the process reads that byte when it begins the
call. The parent can read the pipe, too: a call whose byte it gets back is never begun,
as no byte can be read twice. So it takes calls back that are cancelled or wait for too
long, and knows of a process that has died which call it was executing.
"""

from __future__ import annotations

import os

# More than are ever ahead
_NUMBERS = 256


class Offers:
    """The end that sends calls ahead.

    Attributes:
        descriptor: The end of the pipe that is handed over to the process.
    """

    def __init__(self) -> None:
        self.descriptor, self._target = os.pipe()
        os.set_blocking(self.descriptor, False)
        self._number = 0

    def offer(self, count: int) -> list[bytes]:
        """Let the process begin so many more calls.

        Args:
            count: How many.

        Returns:
            What each of the calls begins with, in their order.
        """
        first = self._number
        self._number = (first + count) % _NUMBERS
        numbers = bytes((first + place) % _NUMBERS for place in range(count))
        os.write(self._target, numbers)
        return [numbers[place : place + 1] for place in range(count)]

    def take_back(self) -> int:
        """Return how many calls, from the last one on, the process will not begin."""
        try:
            return len(os.read(self.descriptor, _NUMBERS))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Close both ends of the pipe."""
        os.close(self.descriptor)
        os.close(self._target)


class Claims:
    """The end that executes calls.

    Args:
        descriptor: The end of the pipe that was handed over.
    """

    def __init__(self, descriptor: int) -> None:
        # The system of macOS hands it over as one that programs inherit.
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._claimed: int | None = None

    def claim(self, number: int) -> bool:
        """Claim a call, and tell if it was not taken back.

        Args:
            number: What the call begins with.
        """
        if self._claimed is None:
            try:
                claimed = os.read(self._descriptor, 1)
            except BlockingIOError:
                return False
            self._claimed = claimed[0] if claimed else None
        if self._claimed != number:
            return False  # What was claimed is one of the next calls.
        self._claimed = None
        return True
