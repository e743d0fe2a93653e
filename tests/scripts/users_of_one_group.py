# Lets two users of one group, in turn, read what the other one has signed, and write.
import os
import sys
import tempfile

from bandsaw.stores import LocalStore


def exchange(directory, found, written):
    store = LocalStore(directory).signed()
    if store.read("task/a") != found:
        return False
    with store.alone("task/a", 0) as is_alone:
        store.write("task/a", [written])
    return is_alone


def exchange_as(user, group, *arguments):
    status = 1
    try:
        os.umask(0o077)
        os.setgroups([group])
        os.setgid(user)
        os.setuid(user)
        status = 0 if exchange(*arguments) else 2
    finally:
        os._exit(status)


directory, group = sys.argv[1], int(sys.argv[2])
# These users may not be able to read the library, so all of it is loaded before.
with tempfile.TemporaryDirectory() as scratch:
    exchange(scratch, None, b"x")
    exchange(scratch, b"x", b"x")
for user, found, written in (
    (12346, None, b"first"),
    (12347, b"first", b"second"),
    (12346, b"second", b"third"),
):
    child = os.fork()
    if not child:
        exchange_as(user, group, directory, found, written)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"user {user} has failed")
