"""Distributions of one module, made by hand, and an index of them on the loopback."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Iterator, Mapping, Sequence
from urllib.parse import unquote

# Builds the project around it into a wheel of one module, and needs nothing for that.
BACKEND = """
import base64, hashlib, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    with open("facts.txt") as file:
        name, version, *metadata = file.read().splitlines()
    with open(f"{name}.py") as file:
        code = file.read()
    info = f"{name}-{version}.dist-info"
    head = [f"Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": "\\n".join([*head, *metadata]) + "\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                         "Tag: py3-none-any\\n",
    }
    record = "".join(f"{path},,\\n" for path in (*files, f"{info}/RECORD"))
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel
"""


def metadata_lines(
    requires: Sequence[str] = (), extras: Mapping[str, str] | None = None
) -> list[str]:
    """Return the lines of metadata for requirements, and for one of each extra."""
    lines = [f"Requires-Dist: {text}" for text in requires]
    for extra, text in (extras or {}).items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f'Requires-Dist: {text} ; extra == "{extra}"']
    return lines


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    extras: Mapping[str, str] | None = None,
    code: str | None = None,
) -> Path:
    """Write a wheel whose module of the same name knows its `version`."""
    info = f"{name}-{version}.dist-info"
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata = "\n".join([*head, *metadata_lines(requires, extras)]) + "\n"
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        f"{name}.py": code or f"version = {version!r}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": wheel,
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(inside, text)
    return path


def make_project(
    directory: Path,
    name: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    extras: Mapping[str, str] | None = None,
    code: str | None = None,
    build_requires: Sequence[str] = (),
) -> Path:
    """Write a project that builds itself into such a wheel."""
    directory.mkdir(parents=True, exist_ok=True)
    needed = ", ".join(f'"{text}"' for text in build_requires)
    (directory / "pyproject.toml").write_text(
        f'[build-system]\nrequires = [{needed}]\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n'
    )
    (directory / "backend.py").write_text(BACKEND)
    facts = [name, version, *metadata_lines(requires, extras)]
    (directory / "facts.txt").write_text("\n".join(facts))
    (directory / f"{name}.py").write_text(code or f"version = {version!r}\n")
    return directory


def make_source_archive(
    directory: Path, name: str, version: str = "1.0", build_requires: Sequence[str] = ()
) -> Path:
    """Write the source distribution of such a project."""
    project = make_project(
        directory / "project", name, version, build_requires=build_requires
    )
    content = io.BytesIO()
    content.write(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode())
    path = directory / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(project, arcname=f"{name}-{version}")
        member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        member.size = content.tell()
        content.seek(0)
        archive.addfile(member, content)
    return path


class PackageIndex:
    """An index of packages on the loopback, which may ask for credentials.

    Attributes:
        secret: The password that it wants to have, if any.
        asked_for: The paths that it was asked for.
        exposed: The command lines in which the password was while it was asked.
    """

    def __init__(self, directory: Path, secret: str | None) -> None:
        self.directory = directory
        self.secret = secret
        self.asked_for: list[str] = []
        self.exposed: set[str] = set()
        self.port = 0

    def url(self, who: str = "") -> str:
        """Return its address, with credentials like ``user:password@``."""
        return f"http://{who}127.0.0.1:{self.port}/simple/"

    def page_of(self, name: str) -> bytes | None:
        lines = []
        for path in sorted(self.directory.glob("*-*.*")):
            if path.name.split("-")[0].lower().replace("_", "-") == name:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                link = f"../../files/{path.name}#sha256={digest}"
                lines.append(f'<a href="{link}">{path.name}</a>')
        text = f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>"
        return text.encode() if lines else None

    def answer_to(self, path: str) -> bytes | None:
        self.asked_for.append(path)
        if self.secret is not None:
            self.exposed |= command_lines_with(self.secret)
        path = path.partition("?")[0]
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[0] == "simple" and len(parts) == 2:
            return self.page_of(parts[1])
        file = self.directory / parts[-1]
        return file.read_bytes() if parts[0] == "files" and file.is_file() else None

    def lets_in(self, authorization: str | None) -> bool:
        if self.secret is None:
            return True
        if authorization is None or not authorization.startswith("Basic "):
            return False
        _, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
        return password == self.secret


def command_lines_with(text: str) -> set[str]:
    """The command lines of this machine in which a text is."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # It has just ended.
        if text in line:
            found.add(line)
    return found


@contextmanager
def package_index(directory: Path, secret: str | None = None) -> Iterator[PackageIndex]:
    """An index of the distributions in a directory."""
    index = PackageIndex(directory, secret)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            headers: dict[str, str] = {}
            if not index.lets_in(self.headers.get("Authorization")):
                headers["WWW-Authenticate"] = 'Basic realm="packages"'
                status, content = 401, b""
            else:
                answer = index.answer_to(self.path)
                status, content = (404, b"") if answer is None else (200, answer)
            self.send_response(status)
            is_page = self.path.startswith("/simple")
            kind = "text/html" if is_page else "application/octet-stream"
            headers.update({"Content-Type": kind, "Content-Length": str(len(content))})
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.port = server.server_address[1]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
