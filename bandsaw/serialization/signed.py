"""A serializer that signs, for values that others could exchange."""

from __future__ import annotations

import hashlib
import hmac
from io import BytesIO

from ..exceptions import SerializationError, SignatureError
from .serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, NoReturn

_MAGIC = b"bandsaw-signed-2"
_LENGTH_SIZE = 8
_SIGNATURE_SIZE = 32
_SHORTEST_KEY = 16

# A length that was tampered with must not take all memory before that is noticed.
_CHUNK = 1 << 20


class SignedSerializer(Serializer):
    """A `Serializer` that signs what another one writes, and reads only what it signed.

    The signature, an HMAC with SHA-256, covers the value and, where a cache says so,
    the task and the execution that the value belongs to. Without the
    key, a result can neither be changed nor put in the place of another. See RFC 2104.

    Args:
        serializer: What writes and reads the values.
        key: The secret, at least 16 bytes, e.g. of ``secrets.token_bytes(32)``. A
            user who knows it can make the owner of a cache run any code.

    Raises:
        TypeError: If the key is not bytes.
        ValueError: If the key is too short.
    """

    signs = True

    def __init__(self, serializer: Serializer, key: bytes) -> None:
        if not isinstance(key, (bytes, bytearray)):
            raise TypeError(
                f"The key of a SignedSerializer has to be bytes, not "
                f"{type(key).__name__}. Encode a text: key.encode()."
            )
        if len(key) < _SHORTEST_KEY:
            raise ValueError(
                f"The key of a SignedSerializer needs at least {_SHORTEST_KEY} bytes. "
                "Make one with secrets.token_bytes(32)."
            )
        self._serializer = serializer
        self.runs_code = serializer.runs_code
        self._key = bytes(key)
        self._subject = b""

    def bound_to(self, subject: str) -> SignedSerializer:
        """Return a serializer that signs and reads only values of this subject.

        Args:
            subject: What the values belong to.
        """
        bound = SignedSerializer(self._serializer, self._key)
        bound._subject = subject.encode("utf-8")
        return bound

    def serialize(self, value: Any, stream: IO[bytes]) -> None:
        """Write a value, with its signature before it.

        Args:
            value: The value.
            stream: The binary stream that the value is written to.
        """
        written = BytesIO()
        self._serializer.serialize(value, written)
        content = written.getvalue()
        stream.write(_MAGIC)
        stream.write(len(content).to_bytes(_LENGTH_SIZE, "big"))
        stream.write(self._sign(content))
        stream.write(content)

    def deserialize(self, stream: IO[bytes]) -> Any:
        """Read the next value, if its signature is right.

        Args:
            stream: The binary stream that the value was written to.

        Returns:
            The value.

        Raises:
            SignatureError: If it was not signed with this key for this subject, or was
                changed since. Nothing of it has been deserialized then.
        """
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise SignatureError(
                "The value is not signed. Remove it, or sign it: values that were "
                "written before the SignedSerializer was set are not read any more."
            )
        length = int.from_bytes(_read(stream, _LENGTH_SIZE), "big")
        signature = _read(stream, _SIGNATURE_SIZE)
        content = _read(stream, length)
        if not hmac.compare_digest(signature, self._sign(content)):
            raise SignatureError(
                "The signature of the value does not fit: it was changed, was put in "
                "the place of another one, or was signed with another key. Remove it."
            )
        return self._serializer.deserialize(BytesIO(content))

    def _sign(self, content: bytes) -> bytes:
        signature = hmac.new(self._key, digestmod=hashlib.sha256)
        # With its length, so that no part of the subject can pass for the content.
        signature.update(len(self._subject).to_bytes(_LENGTH_SIZE, "big"))
        signature.update(self._subject)
        signature.update(content)
        return signature.digest()

    def __reduce__(self) -> NoReturn:
        raise SerializationError(
            "A SignedSerializer cannot be pickled: its key is not to be written down. "
            "Let the configuration module make it where it is needed."
        )

    def __repr__(self) -> str:
        return f"SignedSerializer({self._serializer!r}, key=...)"


def _read(stream: IO[bytes], size: int) -> bytes:
    pieces = []
    while size:
        piece: bytes | None = stream.read(min(size, _CHUNK))
        if not piece:
            raise SignatureError("A part of the signed value is missing. Remove it.")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
