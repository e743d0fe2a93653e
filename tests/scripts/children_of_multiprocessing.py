import multiprocessing
import sys

import bandsaw

configuration = bandsaw.Configuration()
if sys.argv[2:]:
    configuration.set_temp_directory(sys.argv[2])


# A module with tasks chooses where its children make their directories.
@bandsaw.task
def nothing():
    pass


def work(queue):
    directory = configuration.temporary_directory
    queue.put(str(directory))
    assert directory.is_dir()
    (directory / "of-child").mkdir()


if __name__ == "__main__":
    mine = None
    if "--first" not in sys.argv:
        mine = configuration.temporary_directory
        (mine / "of-parent").touch()
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    children = [context.Process(target=work, args=[queue]) for _ in range(2)]
    for child in children:
        child.start()
    found = {queue.get() for _ in children}
    for child in children:
        child.join()
        assert child.exitcode == 0
    if mine:
        assert (mine / "of-parent").exists()
        (mine / "of-parent").unlink()
    print(len(found), str(mine) in found)
