import multiprocessing
import os
import subprocess
import sys

import bandsaw


@bandsaw.task
def run_id():
    return bandsaw.get_run_id()


def put(queue):
    queue.put(run_id())


if __name__ == "__main__":
    when, how = sys.argv[1:]
    if when == "set":
        bandsaw.set_run_id("my run/1_a")
    if when == "asked":
        bandsaw.get_run_id()
    if how == "subprocess":
        program = "import bandsaw; print(bandsaw.get_run_id())"
        found = (
            subprocess.run(
                [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True
            )
            .stdout.decode()
            .strip()
        )
    elif how == "os.fork":
        source, target = os.pipe()
        if not os.fork():
            os.write(target, run_id().encode())
            os._exit(0)
        found = os.read(source, 1000).decode()
        os.wait()
    else:
        context = multiprocessing.get_context(how)
        queue = context.Queue()
        child = context.Process(target=put, args=[queue])
        child.start()
        found = queue.get()
        child.join()
    print(found == run_id() == os.environ["BANDSAW_RUN_ID"], len(found))
