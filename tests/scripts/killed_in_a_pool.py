import multiprocessing
import os
import sys

import bandsaw


@bandsaw.task
def nothing():
    pass


def work(connection):
    directory = bandsaw.get_configuration().temporary_directory
    (directory / "file").touch()
    connection.send(str(directory))
    connection.recv()


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=[theirs])
    process.start()
    found = ours.recv()
    process.kill()
    process.join()
    print(os.path.exists(found))
