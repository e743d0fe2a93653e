"""What the source of a module defines, and which of it is what is loaded."""

from __future__ import annotations

import types
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    class Import(NamedTuple):
        """Something that is imported.

        Attributes:
            module: The module, without the dots of a relative import.
            level: How many dots there are.
            attribute: What is taken from the module, `None` for the module itself.
            bound: The name that it gets here.
        """

        module: str
        level: int
        attribute: str | None
        bound: str

else:
    from collections import namedtuple

    Import = namedtuple("Import", "module level attribute bound")


class Definition:
    """A function or a class that the source defines, at any depth.

    Attributes:
        name: Its qualified name in the module.
        kind: `"function"` or `"class"`.
        line: The number of its first line, that of the first decorator if there is one.
        end: The number of its last line.
        form: The digest of its normal form without decorators. That of a class is
            without the functions and classes that stand right in it.
        decorators: For each decorator the digest of its form and the names it reads.
        names: The dotted names that it reads from the module.
        free: The names that it takes from functions around it.
        imports: What is imported inside.
        local_names: The dotted names that it reads and that begin with a name that is
            bound inside by an import.
        changed: The names from outside that it rebinds, or whose values it changes.
        code: The digest of what it is compiled to; empty for a class, and for lambdas
            that cannot be told apart.
    """

    __slots__ = (
        "changed",
        "code",
        "decorators",
        "end",
        "form",
        "free",
        "imports",
        "kind",
        "line",
        "local_names",
        "name",
        "names",
    )

    def __init__(self, *values: Any) -> None:
        for name, value in zip(self.__slots__, values):
            setattr(self, name, value)
        self.imports: list[Import] = [Import(*item) for item in self.imports]

    @property
    def lines(self) -> list[list[int]]:
        """The numbers of its first and last line, as one range."""
        return [[self.line, self.end]]

    if TYPE_CHECKING:
        name: str
        kind: str
        line: int
        end: int
        form: str
        decorators: list[Any]
        names: list[str]
        free: list[str]
        local_names: list[str]
        changed: list[str]
        code: str

    def values(self) -> list[Any]:
        """Return what an equal definition is made of."""
        return [getattr(self, name) for name in self.__slots__]


class Assignment:
    """All statements of a module that give a value to a name.

    Attributes:
        form: The digest of their normal form.
        names: The dotted names that they read from the module.
        lines: The numbers of their first and last lines.
    """

    __slots__ = ("form", "lines", "names")

    def __init__(self, form: str, names: list[str], lines: list[list[int]]) -> None:
        self.form = form
        self.names = names
        self.lines = lines


class ModuleIndex:
    """What the source of a module defines.

    Attributes:
        definitions: The functions and classes by their qualified names. There may be
            several of one name, in the branches of an `if` for example.
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

    def find(self, function: types.FunctionType) -> Definition | None:
        """Return the definition that a loaded function was compiled from.

        Args:
            function: The function, without decorators.

        Returns:
            The definition; `None` if the source does not compile to the function, for
            example because it was edited since.
        """
        code = function.__code__
        name = getattr(code, "co_qualname", function.__qualname__)
        candidates = self.definitions.get(name, ())
        if not candidates:
            return None
        digest = code_digest(code)
        fitting = [item for item in candidates if item.code == digest]
        for item in fitting:
            if item.line == code.co_firstlineno:
                return item
        return fitting[0] if fitting else None

    def to_json(self) -> Any:
        """Return the index as plain data."""
        return [
            [item.values() for items in self.definitions.values() for item in items],
            {
                name: [item.form, item.names, item.lines]
                for name, item in self.assignments.items()
            },
            [list(item) for items in self.imports.values() for item in items],
        ]

    @classmethod
    def from_json(cls, values: Any) -> ModuleIndex:
        """Return the index that plain data describes."""
        definitions, assignments, imports = values
        return cls(
            [Definition(*item) for item in definitions],
            {name: Assignment(*item) for name, item in assignments.items()},
            [Import(*item) for item in imports],
        )


def code_digest(code: types.CodeType) -> str:
    """Return the digest of what running a code object depends on.

    Args:
        code: The code object.

    Returns:
        Hex digits; the same for the same source on the same version of Python, wherever
        in its file it stands.
    """
    return sha256(_description(code).encode("utf-8", "surrogatepass")).hexdigest()


def _description(code: types.CodeType) -> str:
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            constants.append(_description(constant))
        elif isinstance(constant, frozenset):
            constants.append(f"frozenset{sorted(map(repr, constant))}")
        else:
            constants.append(repr(constant))
    return repr(
        (
            code.co_code,
            constants,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags,
            getattr(code, "co_exceptiontable", b""),
        )
    )
