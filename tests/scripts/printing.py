import os
import subprocess
import sys

import bandsaw


@bandsaw.task
def talk():
    print("ä task")
    sys.stdout.flush()
    os.write(1, b"a descriptor\n")
    subprocess.run(["echo", "a program"])
    print("an error", file=sys.stderr)


if __name__ == "__main__":
    print("before")
    talk()
    print("after")
