"""Executes cells as IPython does: reads them as JSON, and writes what each prints."""

import ast
import codeop
import contextlib
import io
import json
import linecache
import sys
import types


def execute(cell, number, compiler, main):
    main.In.append(cell)
    lines = cell.splitlines(True)
    linecache.cache[f"cell_{number}"] = len(cell), None, lines, f"cell_{number}"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            # Each statement alone, and `__future__` is remembered.
            for node in ast.parse(cell).body:
                code = compiler(ast.Module([node], []), f"cell_{number}", "exec")
                exec(code, vars(main))
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return printed.getvalue()


if __name__ == "__main__":
    # It has another `__main__` from now on, and stays itself.
    kernel = sys.modules["__main__"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.path.insert(0, "")
    main.In, main.get_ipython = [""], kernel
    compiler = codeop.Compile()
    cells = enumerate(json.load(sys.stdin), 1)
    print(json.dumps([execute(cell, n, compiler, main) for n, cell in cells]))
