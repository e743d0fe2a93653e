import logging
import sys

import bandsaw


@bandsaw.task(chain="pool")
def work():
    logging.getLogger("project").warning("said")
    return [
        method.__module__
        for method in (logging.Logger.isEnabledFor, logging.Logger.callHandlers)
        if hasattr(method, "__wrapped__")
    ]


@bandsaw.task(chain="pool")
def leave():
    import atexit

    @atexit.register
    def tell():
        methods = logging.Logger.isEnabledFor, logging.Logger.callHandlers
        with open("left", "w") as file:
            print([hasattr(method, "__wrapped__") for method in methods], file=file)
            print(type(sys.meta_path[0]).__module__.startswith("bandsaw"), file=file)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    print(work(), work())
    leave()
    from bandsaw.transports import worker

    worker.end_all()
    with open("left") as file:
        print(file.read())
