import logging
import os
import sys

import bandsaw


@bandsaw.task(chain=sys.argv[1])
def work(depth=0):
    log = logging.getLogger("project.work")
    log.debug("not wanted")
    log.info("%s of %s", "one", 2, extra={"number": 3})
    logging.getLogger("quiet.one").warning("not wanted either")
    try:
        raise LookupError("lost")
    except LookupError:
        log.exception("it failed")
    if depth:
        work(depth - 1)


class Lines(logging.Handler):
    def emit(self, record):
        text = self.format(record)
        print(record.name, record.levelname, record.getMessage(), record.funcName)
        print(record.process != os.getpid(), record.session.ids.task_id == TASK_ID)
        if record.exc_text:
            print(text.splitlines()[-1])


if __name__ == "__main__":
    TASK_ID = work.bandsaw_task.task_id
    logging.basicConfig(level=logging.INFO, handlers=[Lines()])
    logging.getLogger("quiet").setLevel(logging.ERROR)
    work(int(sys.argv[2]))
