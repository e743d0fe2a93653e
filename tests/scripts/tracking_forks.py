import os
import sys

from bandsaw.session import Ids
from bandsaw.tracking.filesystem import FileSystemBackend

rename = os.rename


def tell_and_rename(source, target):
    os.write(1, os.path.basename(source).encode() + b"\n")
    rename(source, target)


os.rename = tell_and_rename
backend = FileSystemBackend(sys.argv[1])
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        break
    children.append(child)
backend.track_task(Ids("t", "e", "r"), {"process": os.getpid()})
if child != 0:
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
