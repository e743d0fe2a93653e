"""Measures what it takes to find out about the code of a task.

``python reaching.py DIRECTORY``: makes a project with a task that reaches 200 functions
in 3,000 lines there, unless it is there already. Prints the milliseconds of the first
answer of this process, and the microseconds of a later one.
"""

from __future__ import annotations

import json
import os
import sys
import time

MODULES, FUNCTIONS = 36, 200

FUNCTION = '''
def function_{number}(x, y=FACTOR):
    """Does something."""
    # What it does is of no interest.
    values = []
    for item in range(x):
        if item % 2 == {number}:
            values.append(item * y)
        else:
            values.append(math.sqrt(item + FACTOR))
    total = sum(values)
    result = {{"a": total, "b": [str(total), y]}}
    result["c"] = {following}
    return result

'''


def write_project(directory: str) -> None:
    package = os.path.join(directory, "reached")
    os.makedirs(package)
    open(os.path.join(package, "__init__.py"), "w").close()
    places = [(number % MODULES, number // MODULES) for number in range(FUNCTIONS)]
    places.sort()
    texts = dict.fromkeys(range(MODULES), "")
    for (module, number), following in zip(places, [*places[1:], None]):
        call = "None"
        if following is not None:
            where = "" if following[0] == module else f"module_{following[0]}."
            call = f"{where}function_{following[1]}(x)"
        texts[module] += FUNCTION.format(number=number, following=call)
    for module, text in texts.items():
        head = f"import math\n\nfrom reached import module_{module + 1}\n"
        if module + 1 == MODULES:
            head = "import math\n"
        path = os.path.join(package, f"module_{module}.py")
        with open(path, "w") as file:
            file.write(f'"""A module."""\n\n{head}\nFACTOR = {module}\n\n{text}')
        # What was changed just now is not remembered.
        os.utime(path, (1_000_000_000, 1_000_000_000))


def main():
    directory = sys.argv[1]
    if not os.path.isdir(os.path.join(directory, "reached")):
        write_project(directory)
    os.environ["BANDSAW_HOME"] = os.path.join(directory, "home")
    sys.path.insert(0, directory)
    from reached.module_0 import function_0

    # What every hit of a cache needs as well.
    from bandsaw.fingerprint import fingerprint

    fingerprint([1])
    start = time.perf_counter()
    from bandsaw.fingerprint.code import reachable_code

    code = reachable_code(function_0)
    first = time.perf_counter() - start
    assert len(code.parts) >= FUNCTIONS
    later = []
    for _ in range(1000):
        start = time.perf_counter()
        reachable_code(function_0)
        later.append(time.perf_counter() - start)
    print(json.dumps({"first": first * 1e3, "later": min(later) * 1e6}))


if __name__ == "__main__":
    main()
