import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import bandsaw
from tests import decorated


@bandsaw.task(config="tests.decorated_config", chain="advised")
def of_script(n):
    return n + 1


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    methods = decorated.Methods(1)
    functions = decorated.add, methods.plus, decorated.Methods.static_above, of_script
    with context.Pool(1) as pool:
        print([pool.map(function, [1, 2]) for function in functions])
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        print([list(executor.map(function, [1, 2])) for function in functions])
    child = context.Process(target=decorated.add, args=[1])
    child.start()
    child.join()
    print(child.exitcode)
