"""SHA-256, of little content without OpenSSL, which takes 3 ms to load."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256 as _sha256
    from typing import Any, Protocol, Union

    Buffer = Union[bytes, bytearray, memoryview]

    class Hash(Protocol):
        """The part of a hash object's interface that is used."""

        def digest(self) -> bytes:
            """Return the 32 bytes of the hash."""

        def hexdigest(self) -> str:
            """Return them as hex digits."""

        def update(self, content: Buffer) -> None:
            """Take more content."""

elif sys.version_info >= (3, 12):
    from _sha2 import sha256 as _sha256
else:
    from _sha256 import sha256 as _sha256

# Content for which OpenSSL is not faster, in bytes.
_SHORT = 128

# How many bytes of longer content OpenSSL has to hash to make up for being loaded.
_WORTH_LOADING = 150_000


class _State:
    """The amount that was hashed without OpenSSL, and its function once loaded."""

    hashed = 0
    openssl: Any = None


def sha256(content: Buffer) -> Hash:
    """Return the hash object of content, like that of the module `hashlib`.

    Args:
        content: A contiguous buffer.
    """
    size = content.nbytes if type(content) is memoryview else len(content)
    if size <= _SHORT:
        return _sha256(content)
    if _State.openssl is None:
        _State.hashed += size
        if _State.hashed < _WORTH_LOADING and "hashlib" not in sys.modules:
            return _sha256(content)
        from hashlib import sha256

        _State.openssl = sha256
    found: Hash = _State.openssl(content)
    return found
