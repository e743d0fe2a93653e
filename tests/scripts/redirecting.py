import contextlib
import io
import sys

import bandsaw


@bandsaw.task
def talk(text="said", size=0, complaint="complained"):
    print(text + "x" * size)
    print(complaint, end="\n" if complaint else "", file=sys.stderr)


class OnlyWrite:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


if __name__ == "__main__":
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        talk("ä")
        talk("large", 1_000_000)
    print(out.getvalue() == "ä\nlarge" + "x" * 1_000_000 + "\n")
    print(err.getvalue() == 2 * "complained\n")

    with open("file.txt", "w") as file, contextlib.redirect_stderr(file):
        talk()
        print("from here", file=sys.stderr)
    with open("file.txt") as file:
        print(file.read().split())

    only = OnlyWrite()
    with contextlib.redirect_stderr(only):
        talk()
    print(repr(only.text))
