import sys

import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

files = set()


# The files that call a function from the beginning of `before` to the job's way into
# the socket, and from its way out of the socket to the task.
def count(until, beginning=None):
    def note(frame, event, argument):
        if event == "call":
            files.add(frame.f_code.co_filename)
        elif event.startswith("c_") and argument.__name__ in (until, beginning):
            if argument.__name__ == until:
                sys.setprofile(None)
            else:
                files.clear()
                files.add(frame.f_code.co_filename)

    files.clear()
    sys.setprofile(note)


def of_bandsaw():
    sys.setprofile(None)
    root = bandsaw.__file__.rpartition("__init__")[0]
    found = sorted(file[len(root) :] for file in files if file.startswith(root))
    # The locks of Python 3.8 are written in Python.
    return [file for file in found if file != "runtime/fork.py"]


class Counting(SubprocessAdvice):
    def before(self, session):
        count(until="sendmsg")
        super().before(session)


configuration = bandsaw.Configuration()
configuration.add_advice_chain(Counting(workers=1))
