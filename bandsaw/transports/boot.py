"""The code of the far end of a connection: how it gets there, and how it is kept.

Nothing has to be installed there but a Python. The command of a connection starts that
with a word that executes one line of its standard input, the loader. The loader says
that it is there, and executes this module, of which it is sent the text. What is asked
for and sent then are messages, see `bandsaw.transports.link`:

    caller                                      far end

    LOADER: one line                    ------>
                                        <------  the nonce reversed, and a version
    the text of this module             ------>
                                        <------  HELLO: versions
    ASK: digests                        ------>
                                        <------  LACKS: those that are not there
    CODE: parts of what is lacking      ------>
    KEEP: the digest of that            ------>
                                        <------  KEPT: the digest
    START: a digest, a module           ------>
                                        <------  STARTED

What is sent is kept in a private directory, named by the digest of its content, which
is computed anew before it is used. It is bandsaw itself, or what an archive holds
beside that, so an edit of a script sends the script only.

This module knows the standard library only, and modules of which the text is sent
along.
"""

from __future__ import annotations

import os
import struct
import sys
from marshal import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from ..distribution.bootstrap import (
        UnpackedArchive,
        archives_directory,
        is_unpacked,
        note_use,
        prune_archives,
    )
elif not __package__:
    # At the far end
    from _bandsaw_bootstrap import (
        UnpackedArchive,
        archives_directory,
        is_unpacked,
        note_use,
        prune_archives,
    )

# What a message holds; those that follow are in `bandsaw.transports.link`.
HELLO, ASK, LACKS, CODE, KEEP, KEPT, START, STARTED, FAILED, PING = range(1, 11)

# The mark, the kind, the number of a stream, and the size of the content
HEADER = struct.Struct("<2sBII")
MARK = b"bL"

# What every Python reads
_MARSHAL_VERSION = 2

# How large a part of the code is, in bytes
_PART = 1 << 15

# Any Python that is still around can compile it. From now on standard input is empty,
# and standard output leads to standard error.
_LOADER = """\
import os,sys
v=sys.version_info
sys.path[:]=[p for p in sys.path if p]
i=os.dup(0)
o=os.dup(1)
os.dup2(os.open(os.devnull,os.O_RDONLY),0)
os.dup2(2,1)
os.write(o,("\\n%s %d.%d.%d\\n"%("{nonce}"[::-1],v[0],v[1],v[2])).encode())
def r(n):
    b=b""
    while len(b)<n:
        p=os.read(i,n-len(b))
        if not p:sys.exit(0)
        b+=p
    return b
if v>=(3,8):exec(compile(r(int(r(10))),"<bandsaw>","exec"))
"""

_BOOT = """\
import sys
for name, text in {modules!r}:
    module = sys.modules[name] = type(sys)(name)
    exec(compile(text, "<%s>" % name, "exec", dont_inherit=True), vars(module))
module.serve(i, o)
"""


def loader(nonce: str) -> bytes:
    """Return the line that the far end executes first.

    Args:
        nonce: What it answers, reversed, so that an echo is no answer.
    """
    return f"{_LOADER.replace('{nonce}', nonce)!r}\n".encode("ascii")


def boot_of(texts: Iterable[tuple[str, str]]) -> bytes:
    """Return what the loader executes.

    Args:
        texts: The names of modules and their texts, of which this one is the last.
    """
    source = _BOOT.format(modules=list(texts)).encode("utf-8")
    return f"{len(source):010}".encode("ascii") + source


class Code:
    """Some of the code that the far end needs.

    Args:
        directory: Where it is.
        shared: The code that it shares with others, which is found there, too.

    Attributes:
        digest: The digest of its content.
        shared: The code that it shares.
    """

    def __init__(self, directory: str, shared: Code | None = None) -> None:
        self.shared = shared
        self._files = _files_below(directory)
        self.digest: str = _digest_of(
            self._files, "" if shared is None else shared.digest
        )

    def messages(self) -> Iterable[tuple[int, bytes]]:
        """Yield the messages that send it."""
        from zlib import compress

        packed = compress(dumps(self._files, _MARSHAL_VERSION), 1)
        for start in range(0, len(packed), _PART):
            yield CODE, packed[start : start + _PART]
        link = "" if self.shared is None else self.shared.digest
        yield KEEP, dumps((self.digest, link), _MARSHAL_VERSION)


def _files_below(directory: str) -> list[tuple[str, bytes]]:
    """Return the names and contents of all files, without compiled ones and links."""
    found = []
    for parent, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        for name in names:
            if name.startswith("."):
                continue  # The lock, for example
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                relative = os.path.relpath(path, directory)
                found.append((relative.replace(os.sep, "/"), file.read()))
    return sorted(found)


def _digest_of(files: Iterable[tuple[str, bytes]], link: str) -> str:
    from hashlib import sha256

    content = [(name, sha256(content).hexdigest()) for name, content in files]
    return sha256(repr((content, link)).encode("utf-8")).hexdigest()


class KeptCode:
    """The code that is kept at the far end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def answer(self, kind: int, content: bytes) -> tuple[int, bytes] | None:
        """Return the answer to a message about code, `None` if it needs none.

        Args:
            kind: What the message is.
            content: What it holds.
        """
        try:
            if kind == ASK:
                lacking = [name for name in loads(content) if not self._find(name)]
                return LACKS, "\n".join(lacking).encode("ascii")
            if kind == CODE:
                self._parts.append(content)
            elif kind == KEEP:
                name, link = loads(content)
                self._keep(name, link)
                return KEPT, name.encode("ascii")
        except Exception as error:
            return FAILED, f"{type(error).__name__}: {error}".encode("utf-8", "replace")
        return None

    def path_of(self, digest: str) -> str:
        """Return the directory of some code.

        Args:
            digest: Its digest.
        """
        return os.path.join(archives_directory(), digest)

    def _find(self, digest: str) -> bool:
        """Tell if some code is there as it was sent."""
        directory = self.path_of(digest)
        if not is_unpacked(directory):
            return False
        try:
            # Leads from the user's code to that of bandsaw
            link = os.readlink(os.path.join(directory, "bandsaw")).split(os.sep)[-2]
        except OSError:
            link = ""
        if _digest_of(_files_below(directory), link) != digest:
            return False
        note_use(directory)
        return True

    def _keep(self, digest: str, link: str) -> None:
        import shutil
        import tempfile
        from zlib import decompress

        packed, self._parts = b"".join(self._parts), []
        files = loads(decompress(packed))
        if _digest_of(files, link) != digest:
            raise ValueError("the code that has arrived is not what was sent")
        directory = self.path_of(digest)
        parent = os.path.dirname(directory)
        beside = tempfile.mkdtemp(prefix=".unpacking-", dir=parent)
        try:
            for name, content in files:
                path = os.path.join(beside, *_parts_of(name))
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                with open(path, "wb", opener=_open_private) as file:
                    file.write(content)
            if link:
                target = os.path.join("..", link, "bandsaw")
                os.symlink(target, os.path.join(beside, "bandsaw"))
            if os.path.lexists(directory):
                if self._find(digest):
                    return  # Another process was faster.
                UnpackedArchive(directory).remove()
            os.rename(beside, directory)
        except OSError as error:
            if not self._find(digest):
                # What fails to write, on a full disk, does not say where.
                error.filename = error.filename or directory
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        prune_archives(parent=parent)


def _parts_of(name: str) -> list[str]:
    parts = name.split("/")
    if any(part in ("", os.curdir, os.pardir) for part in parts):
        raise ValueError(f"{name!r} is no name of a file in an archive")
    return parts


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def facts() -> dict[str, Any]:
    """Return the facts of the far end about itself."""
    return {
        "python": list(sys.version_info[:3]),
        "executable": sys.executable,
        "pid": os.getpid(),
        "node": os.uname().nodename,
    }


def serve(source: int, target: int) -> None:
    """Answer until the server is to be started, and be that server then.

    Args:
        source: The descriptor on which messages arrive.
        target: The descriptor to which answers are written.
    """
    code = KeptCode()
    _send(target, HELLO, dumps(facts(), _MARSHAL_VERSION))
    while True:
        header = _receive(source, HEADER.size)
        _, kind, _, size = HEADER.unpack(header)
        content = _receive(source, size)
        if kind == START:
            break
        answer = code.answer(kind, content)
        if answer is not None:
            _send(target, *answer)
    try:
        digest, server = loads(content)
        sys.path.insert(0, code.path_of(digest))
        __import__(server)
    except Exception as error:
        _send(target, FAILED, repr(error).encode("utf-8", "replace"))
        raise
    _send(target, STARTED, b"")
    sys.modules[server].serve(source, target, code)


def _send(target: int, kind: int, content: bytes) -> None:
    message = memoryview(HEADER.pack(MARK, kind, 0, len(content)) + content)
    while message:
        message = message[os.write(target, message) :]


def _receive(source: int, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = os.read(source, size - len(content))
        if not piece:
            sys.exit(0)  # The caller is gone.
        content += piece
    return content
