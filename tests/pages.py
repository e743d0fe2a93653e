"""Runs the Python examples of one page of the documentation.

``python -m tests.pages PAGE`` does it in the current directory, which should be empty.
How a page is read:

- Every ```` ```python ```` block runs, from top to bottom, in one namespace. One that
  begins with ``>>>`` is a doctest: what it prints is compared.
- A block whose first line is a comment that names a file, like ``# bandsaw_config.py``
  or ``# project/tasks.py``, is written to that file. All files are there from the
  beginning, so a page may show the workflow first and its configuration later. A
  file that is shown once more is replaced at that place, and loaded anew.
- A written file with a main guard is a script, and it is run, as ``python FILE``.
  When a ```` ```text ```` block follows it directly, or after one paragraph, this is
  what it prints; ``...`` stands for anything.
- A comment ``<!-- python`` to ``-->`` holds what the page needs to be run and does not
  show. It is read like a block.

What else is code on a page, `inline` or in another block, is only looked at for the
names that it mentions.
"""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, NamedTuple

BLOCK = re.compile(
    r"^(?P<indent> *)(?:```python[^\n]*\n(?P<code>.*?)^(?P=indent)```$"
    r"|<!-- python\n(?P<hidden>.*?)^(?P=indent)-->$)"
    # Only what a script prints is looked at.
    r"(?P<output>\n*(?:(?! *```)[^\n]+\n)*\n* *```text\n(?P<printed>.*?)^ *```$)?",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"# (?P<file>[\w./-]+\.\w+)\n")
MAIN_GUARD = re.compile(r"^if __name__ == [\"']__main__[\"']:", re.MULTILINE)


# Code that is no example: inline, in a block of another language, or a reference to a
# module whose docstrings are shown.
OTHER_CODE = re.compile(
    r"^ *```[^\n]*\n(?P<block>.*?)^ *```$|`(?P<inline>[^`]+)`|^::: (?P<shown>\S+)$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One example: where it begins, and what its text means."""

    line: int
    code: str
    file: str | None
    printed: str | None

    @property
    def is_script(self) -> bool:
        """Whether it is a file that a user would start."""
        return self.file is not None and bool(MAIN_GUARD.search(self.code))


def blocks_of(text: str) -> list[Block]:
    """The examples of a page in their order."""
    blocks = []
    for found in BLOCK.finditer(text):
        kind = "hidden" if found["code"] is None else "code"
        code = _dedented(found[kind], found["indent"])
        printed = found["printed"]
        named = FILE.match(code)
        blocks.append(
            Block(
                line=text.count("\n", 0, found.start(kind)) + 1,
                code=code,
                file=named["file"] if named else None,
                printed=printed and _dedented(printed, found["indent"]),
            )
        )
    return blocks


def names_of(text: str, root: str) -> set[str]:
    """The dotted names that the code of a page mentions below one name.

    What is imported from a module is a name, too: ``from a.b import c`` mentions
    ``a.b.c``. Of ``a.b.c`` in an expression, ``a.b`` is one as well.
    """
    codes = [block.code for block in blocks_of(text)]
    for found in OTHER_CODE.finditer(BLOCK.sub("", text)):
        codes.append(found["block"] or found["inline"] or found["shown"] or "")
    return {
        name
        for code in codes
        for name in _names_in(code)
        if name.startswith(f"{root}.")
    }


def _names_in(code: str) -> Iterator[str]:
    if code.startswith(">>>"):
        code = "".join(e.source for e in doctest.DocTestParser().get_examples(code))
    try:
        tree = ast.parse(code)
    except SyntaxError:
        yield from re.findall(r"(?<![\w./-])[a-z_]\w*(?:\.[A-Za-z_]\w*)+", code)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            parts = []
            while isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
            if isinstance(node, ast.Name):
                yield ".".join((node.id, *reversed(parts)))


def run(page: Path) -> None:
    """Run all examples of a page; raises what the first failing one raises."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    written: dict[str, str] = {}
    for block in blocks:
        if block.file is not None and block.file not in written:
            written[block.file] = block.code
            _write(block.file, block.code)
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        if block.file is not None:
            if written[block.file] != block.code:
                written[block.file] = block.code
                _write(block.file, block.code)
                _forget(block.file)
            if block.is_script:
                _run_script(page, block)
        elif block.code.startswith(">>>"):
            _run_doctest(page, block, namespace)
        else:
            # Lines are counted as on the page.
            code = "\n" * (block.line - 1) + block.code
            exec(compile(code, str(page), "exec"), namespace)


def _dedented(text: str, indent: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line[len(indent) :] if line.strip() else line for line in lines)


def _write(name: str, code: str) -> None:
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8")


def _forget(name: str) -> None:
    import importlib
    import shutil

    from bandsaw.runtime import fork

    sys.modules.pop(".".join(Path(name).with_suffix("").parts), None)
    # Its bytecode may be as old as the new source, by the clock of the file system.
    shutil.rmtree(Path(name).parent / "__pycache__", ignore_errors=True)
    importlib.invalidate_caches()
    fork.reset()


def _run_script(page: Path, block: Block) -> None:
    assert block.file is not None
    done = subprocess.run(
        [sys.executable, block.file],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    where = f"{page}:{block.line}: {block.file}"
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        raise AssertionError(f"{where} exits with {done.returncode}.")
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    expected = block.printed
    if expected is not None and not doctest.OutputChecker().check_output(
        expected, done.stdout, options
    ):
        raise AssertionError(f"{where} prints\n{done.stdout}instead of\n{expected}")


def _run_doctest(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    example = doctest.DocTestParser().get_doctest(
        block.code, namespace, page.name, str(page), block.line - 1
    )
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    )
    failed, _ = runner.run(example, clear_globs=False)
    if failed:
        raise AssertionError(f"{page}:{block.line}: {failed} examples fail.")
    # A doctest works on a copy of the namespace.
    namespace.update(example.globs)


if __name__ == "__main__":
    # As for a script that lies in the current directory
    sys.path.insert(0, str(Path.cwd()))
    run(Path(sys.argv[1]))
