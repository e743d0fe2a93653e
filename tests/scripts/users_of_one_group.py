# Lets two users of one group, in turn, read what the other one has signed, and write.
import os
import sys

from bandsaw.stores import LocalStore

directory, group = sys.argv[1], int(sys.argv[2])
for user, found, written in (
    (12346, None, b"first"),
    (12347, b"first", b"second"),
    (12346, b"second", b"third"),
):
    child = os.fork()
    if not child:
        break
    if os.waitpid(child, 0)[1]:
        sys.exit(f"user {user} has failed")
else:
    sys.exit()

status = 1
try:
    os.umask(0o077)
    os.setgroups([group])
    os.setgid(user)
    os.setuid(user)
    store = LocalStore(directory).signed()
    if store.read("task/a") == found:
        with store.alone("task/a", 0) as is_alone:
            store.write("task/a", [written])
            status = 0 if is_alone else 2
finally:
    os._exit(status)
