"""The outline of a module: what its source defines, assigns and imports, as plain data.

It is remembered on disk, so that a later process does not parse the source again.
"""

from __future__ import annotations

import sys
from collections import namedtuple

from ....runtime.code_objects import code_digest, with_future_annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any


class Import(namedtuple("Import", "module level attribute bound")):
    """Something that is imported.

    Attributes:
        module: The module, without the dots of a relative import.
        level: The number of dots.
        attribute: What is taken from the module, `None` for the module itself.
        bound: The name that it gets here.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        module: str
        level: int
        attribute: str | None
        bound: str


class Definition(
    namedtuple(
        "Definition",
        "name kind line end form decorators names local_names changed code annotations"
        " unknown imports",
    )
):
    """A function or a class that the source defines, at any depth.

    Attributes:
        name: Its qualified name in the module.
        kind: `"function"` or `"class"`.
        line: The number of its first line, that of the first decorator if there is one.
        end: The number of its last line.
        form: The digest of its normal form without decorators. That of a class is
            without the functions and classes directly in its body.
        decorators: For each decorator the digest of its form and the names it reads.
        names: The dotted names that it reads from the module.
        local_names: The dotted names that it reads and that begin with a name that is
            bound inside by an import.
        changed: The dotted names from outside that it rebinds, or whose values it
            changes. After a dot, the names of attributes, of whatever, that it does
            this to; and after `=`, those of objects that it has not made.
        code: The digest of what it is compiled to; empty for a class, and for lambdas
            of the same line.
        annotations: The digest of the form of its annotations, empty without any, and
            the names that they read. Those of a class include its methods'.
        unknown: The names of kinds of syntax in it that are not known.
        imports: What is imported inside.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        name: str
        kind: str
        line: int
        end: int
        form: str
        decorators: list[tuple[str, list[str]]]
        names: list[str]
        local_names: list[str]
        changed: list[str]
        code: str
        annotations: tuple[str, list[str]]
        unknown: list[str]
        imports: list[Import]

    @property
    def lines(self) -> list[tuple[int, int]]:
        """The numbers of its first and last line, as one range."""
        return [(self.line, self.end)]


class Assignment(namedtuple("Assignment", "form names lines")):
    """All statements of a module that give a value to a name.

    Attributes:
        form: The digest of their normal form.
        names: The dotted names that they read from the module.
        lines: The numbers of their first and last lines.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        form: str
        names: list[str]
        lines: list[tuple[int, int]]


class Outline:
    """The parts of the source of a module.

    Attributes:
        definitions: The functions and classes by their qualified names. A name may have
            several, in the branches of an `if` for example.
        assignments: How names of the module get their values, apart from definitions
            and imports.
        imports: What the module imports, by the name that it gets.
    """

    def __init__(
        self,
        definitions: list[Definition],
        assignments: dict[str, Assignment],
        imports: list[Import],
    ) -> None:
        self.definitions: dict[str, list[Definition]] = {}
        for definition in definitions:
            self.definitions.setdefault(definition.name, []).append(definition)
        self.assignments = assignments
        self.imports: dict[str, list[Import]] = {}
        for item in imports:
            self.imports.setdefault(item.bound, []).append(item)
        self._by_line: dict[tuple[int, str], Definition] | None = None

    def find(self, function: FunctionType) -> Definition | None:
        """Return the definition that a loaded function was compiled from.

        Args:
            function: The function, without decorators.

        Returns:
            The definition; `None` if the source does not compile to the function, for
            example because it was edited since.
        """
        code = function.__code__
        name = getattr(code, "co_qualname", function.__qualname__)
        candidates = self.definitions.get(name)
        if candidates:
            digest = code_digest(code)
            fitting = [item for item in candidates if item.code == digest]
            if not fitting and "IPython" in sys.modules:
                digest = code_digest(with_future_annotations(code))
                fitting = [item for item in candidates if item.code == digest]
            for item in fitting:
                if item.line == code.co_firstlineno:
                    return item
            if fitting:
                return fitting[0]
        return self._find_by_line(code)

    def _find_by_line(self, code: CodeType) -> Definition | None:
        # `functools.wraps` gives a function the name of another one, and code objects
        # know their own qualified name from Python 3.11 on only.
        if self._by_line is None:
            self._by_line = {
                (definition.line, definition.name.rpartition(".")[2]): definition
                for definitions in self.definitions.values()
                for definition in definitions
            }
        definition = self._by_line.get((code.co_firstlineno, code.co_name))
        if definition is None or definition.code != code_digest(code):
            return None
        return definition

    def find_class(self, name: str, lines: list[int]) -> Definition | None:
        """Return the definition of a class.

        Args:
            name: Its qualified name.
            lines: The first lines of its methods.

        Returns:
            The only definition of that name, else the one around the methods.
        """
        found = [
            item for item in self.definitions.get(name, ()) if item.kind == "class"
        ]
        if len(found) > 1:
            found = [
                item
                for item in found
                if any(item.line <= line <= item.end for line in lines)
            ]
        return found[0] if len(found) == 1 else None

    def to_json(self) -> Any:
        """Return the outline as plain data."""
        return [
            [item for items in self.definitions.values() for item in items],
            self.assignments,
            [item for items in self.imports.values() for item in items],
        ]

    @classmethod
    def from_json(cls, values: Any) -> Outline:
        """Return the outline that plain data describes."""
        definitions, assignments, imports = values
        return cls(
            [
                Definition._make([*item, [Import(*each) for each in imported]])
                for *item, imported in definitions
            ],
            {name: Assignment(*item) for name, item in assignments.items()},
            [Import(*item) for item in imports],
        )
