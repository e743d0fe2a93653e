"""Measures calls on another machine: ``python connections.py WHAT SECONDS``.

The other machine is this one, behind a server of ssh on a port of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import compare, summary

MEGABYTE = 1_000_000
SIZE = int(os.environ.get("ARRAY_SIZE", 100 * MEGABYTE))
CALLS = 200

# Where sshd is although no user has it in the path
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey "{directory}/key"
AuthorizedKeysFile "{directory}/key.pub"
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv "BANDSAW_HOME={home}" "BENCHMARK_DIRECTORY={home}"
"""

CLIENT = """\
Host far
HostName 127.0.0.1
Port {port}
IdentityFile "{directory}/key"
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile /dev/null
StrictHostKeyChecking no
LogLevel ERROR
"""


@contextlib.contextmanager
def ssh_server(directory, home):
    """Start a server, to which the commands in the path lead as `far`."""
    key = directory / "key"
    find = {name: shutil.which(name, path=PATH) for name in ("ssh", "scp", "sshd")}
    make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make_key, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, text in ("server", SERVER), ("client", CLIENT):
        text = text.format(port=port, directory=directory, home=home)
        (directory / name).write_text(text)
    commands = directory / "commands"
    commands.mkdir()
    for name in "ssh", "scp":
        command = commands / name
        words = f'exec {find[name]} -F "{directory}/client" "$@"'
        command.write_text(f"#!/bin/sh\n{words}\n")
        command.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join((str(commands), os.environ["PATH"]))
    server = subprocess.Popen(
        [find["sshd"], "-D", "-e", "-f", str(directory / "server")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in server.stderr:
            if "Server listening" in line:
                break
        yield
    finally:
        server.terminate()
        server.wait()


def run(*words):
    """Run a command to its end."""
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


def first(seconds):
    from connections_peers import peers

    script = str(Path(__file__).parent / "far_first.py")

    def one(name):
        if name == "ssh":
            start = time.perf_counter()
            run("ssh", "far", f"{sys.executable} -c pass")
            return time.perf_counter() - start
        return float(subprocess.check_output([sys.executable, script, name]))

    samples = {name: [] for name in ("ssh", "bandsaw", *peers())}
    one("bandsaw")  # Now its code is there.
    for _ in range(1 + int(3 * seconds)):
        for name, taken in samples.items():
            taken.append(one(name))
    return {name: summary(taken) for name, taken in samples.items()}


def warm(seconds):
    from connections_peers import calling, peers
    from connections_tasks import same_behind_command, same_of_pool, same_over_ssh

    functions = {
        "bandsaw": lambda x: same_behind_command(x),
        "bandsaw over ssh": lambda x: same_over_ssh(x),
        "pool": lambda x: same_of_pool(x),
    }
    with contextlib.ExitStack() as stack:
        for name in peers():
            functions[name] = stack.enter_context(calling(name))
        return compare(functions, 1, seconds)


def argument(seconds):
    from connections_tasks import array_of, size_apart, size_over_ssh

    array = array_of(SIZE)
    size_over_ssh(array[:1000])
    numbers = itertools.count()

    def sent(array):
        # An array that was sent before is not sent again.
        array[len(array) // 2] = next(numbers)
        return size_apart(array)

    with files() as (source, target):
        array.tofile(source)
        functions = {
            "bandsaw": lambda array: size_over_ssh(array),
            **({"bandsaw, sent": sent} if shutil.which("bwrap") else {}),
            "scp": lambda array: run("scp", "-q", source, f"far:{target}"),
        }
        return compare(functions, array, seconds)


def result(seconds):
    from connections_tasks import array_apart, array_of, array_over_ssh

    sent = {"bandsaw, sent": lambda size: array_apart(size)}
    with files() as (source, target):
        array_of(SIZE).tofile(source)
        functions = {
            "bandsaw": lambda size: array_over_ssh(size),
            **(sent if shutil.which("bwrap") else {}),
            "scp": lambda size: run("scp", "-q", f"far:{source}", target),
        }
        return compare(functions, SIZE, seconds)


@contextlib.contextmanager
def files():
    """Return the paths of two files in memory, where there is such a place."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=place) as directory:
        yield os.path.join(directory, "source"), os.path.join(directory, "target")


def memory(seconds):
    from connections_tasks import array_of, peak_of, peaks_over_ssh

    array = array_of(10 * SIZE)
    start = peaks_over_ssh(array[:100_000])
    before = peak_of("self")
    end = peaks_over_ssh(array)
    worker, server = (after - early for after, early in zip(end, start))
    return {
        "caller": peak_of("self") - before,
        "process": worker - array.nbytes / MEGABYTE,
        "server": server,
    }


def queue(seconds):
    from connections_tasks import rest

    def all_calls():
        futures = [rest.submit(number) for number in range(CALLS)]
        return sum(future.result() for future in futures)

    all_calls()
    taken = []
    for _ in range(1 + int(seconds)):
        start = time.perf_counter()
        all_calls()
        taken.append(time.perf_counter() - start)
    return {"bandsaw": min(taken)}


def main():
    what, seconds = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        directory = Path(place)
        home = directory / "home"
        home.mkdir(mode=0o700)
        # A directory of its own, which the far end can do without
        (home / "temporary").mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(home / "temporary")
        os.environ["BANDSAW_HOME"] = os.environ["BENCHMARK_DIRECTORY"] = str(home)
        with ssh_server(directory, home):
            try:
                print(json.dumps(globals()[what](float(seconds))))
            finally:
                from bandsaw.transports import far_connection

                far_connection.close_all()


if __name__ == "__main__":
    main()
