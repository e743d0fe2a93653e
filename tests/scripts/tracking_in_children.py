import os
import sys

from bandsaw.advice import advise_task_with_chain
from bandsaw.config import Configuration
from bandsaw.execution import Execution
from bandsaw.tasks import Task
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension


def identity(value):
    return value


task = Task.create_task(identity)
backend = FileSystemBackend(sys.argv[1])
configuration = Configuration().add_extension(TrackerExtension(backend))


def call(value):
    execution = Execution(f"e{value}", (value,))
    advise_task_with_chain(task, execution, configuration)


call(0)
children = []
for _ in range(4):
    pid = os.fork()
    if not pid:
        for value in range(50):
            call(value)
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
