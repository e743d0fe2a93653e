"""Find what classes of a notebook's cells have that their statements do not say.

Statements may set and delete attributes of a class after its definition, decorators and
metaclasses may have made others of them, and what is in them may have changed.
"""

from __future__ import annotations

from types import FunctionType, MemberDescriptorType, ModuleType

from ...exceptions import NotMovableError
from ...runtime.contexts import suppress
from .statements import bound_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Mapping, Sequence

    from .statements import Statement

    # The qualified name of a class, the class, the names of some of its attributes, and
    # of all that are not as its statement says if they cannot be pickled.
    Changed = tuple[str, type, list[str], set[str]]

ABSENT: Any = object()

#: Values that are known by their identity
FIXED = (bool, complex, float, int, str, bytes, type(None), FunctionType, ModuleType)


class ClassBody:
    """The body of a class, as its cell has it.

    Args:
        node: The definition of the class.

    Attributes:
        is_decorated: Whether decorators may change the class.
        bound: All names that it binds.
        certain: Those that are bound whatever happens.
        literals: What it binds once, and to a literal.
        methods: The names that nothing binds but a function without a decorator.
        classes: The classes inside of it.
    """

    def __init__(self, node: Any) -> None:
        import ast

        self.is_decorated = bool(node.decorator_list)
        self.bound = {name for part in node.body for name in bound_by(part)}
        self.literals: dict[str, Any] = {}
        self.classes = [part for part in node.body if isinstance(part, ast.ClassDef)]
        names = [name for part in node.body for name in bound_by(part)]
        certain: set[str] = set()
        methods: set[str] = set()
        for part in node.body:
            if isinstance(part, (ast.AnnAssign, ast.Assign)) and part.value is not None:
                certain.update(bound_by(part))
                for name in bound_by(part):
                    if names.count(name) == 1 and name[:2] != "__":
                        with suppress(ValueError):
                            self.literals[name] = ast.literal_eval(part.value)
            elif isinstance(part, ast.ClassDef):
                certain.add(part.name)
            elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
                certain.add(part.name)
                if names.count(part.name) == 1 and not part.decorator_list:
                    methods.add(part.name)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Del):
                certain.discard(inner.id)
        self.certain = {name for name in certain if name[:2] != "__"}
        self.methods = {name for name in methods if name[:2] != "__"}


class Classes:
    """The classes of cells that a session reaches.

    Args:
        namespace: The namespace of the cells.
        statements: All statements.
        refuse: Makes the error for a name that cannot be had elsewhere, and the reason.

    Attributes:
        members: What tells if one of them has got other attributes.
    """

    def __init__(
        self,
        namespace: Mapping[str, Any],
        statements: Sequence[Statement],
        refuse: Callable[[str, str], NotMovableError],
    ) -> None:
        self._namespace = namespace
        self._statements = statements
        self._refuse = refuse
        self.members: dict[type, list[int]] = {}

    def changed(
        self, path: str, cls: type, definition: Any, statement: Statement
    ) -> Iterator[Changed]:
        """Check a class and the classes inside of it, and yield what has changed.

        Args:
            path: The qualified name of the class.
            cls: The class.
            definition: Its definition.
            statement: The statement that this is in.

        Raises:
            NotMovableError: If one is not as its statement says.
        """
        body = ClassBody(definition)
        self._check(path, cls, body, statement)
        yield self._changed_attributes(path, cls, body)
        for inner in body.classes:
            value: Any = vars(cls).get(inner.name)
            inner_path = f"{path}.{inner.name}"
            if _is_class_inside(inner_path, value):
                yield from self.changed(inner_path, value, inner, statement)

    def _changed_attributes(self, path: str, cls: type, body: ClassBody) -> Changed:
        """Return the attributes of a class that may not be as its statement says."""
        is_plain = type(cls) is type and not body.is_decorated
        rebound, possible = self.rebound_attributes(path)
        changed = rebound | {name for name in possible if name[:2] != "__"}
        chosen = []
        for attribute, value in vars(cls).items():
            if (
                isinstance(value, MemberDescriptorType)
                or isinstance(unwrapped(value), FunctionType)
                or _is_class_inside(f"{path}.{attribute}", value)
            ):
                continue
            literal = body.literals.get(attribute, ABSENT)
            if attribute in changed:
                chosen.append(attribute)
            elif is_plain and attribute in body.bound and attribute[:2] != "__":
                # What is in it may have changed, or where a name of it leads to.
                is_data = not isinstance(value, FIXED) and not hasattr(value, "__get__")
                if is_data or not (literal is ABSENT or _is_like(value, literal)):
                    chosen.append(attribute)
            elif type(value) is type(literal) and (
                not isinstance(value, FIXED) or not _is_like(value, literal)
            ):
                # Decorators and metaclasses may have made others of them.
                chosen.append(attribute)
        certain = {*rebound, *body.literals}
        return path, cls, sorted(chosen), certain

    def _check(
        self, path: str, cls: type, body: ClassBody, statement: Statement
    ) -> None:
        """Refuse a class that is not as its statement says."""
        self.members[cls] = members_of(cls)
        members = vars(cls)
        is_plain = type(cls) is type and not body.is_decorated
        if is_plain and "__init_subclass__" not in _names_of_bases(cls):
            for attribute, value in members.items():
                is_set = attribute not in body.bound and not attribute.startswith("_")
                if is_set and not isinstance(value, MemberDescriptorType):
                    raise self._refused(path, attribute)
            for attribute in sorted(body.certain):
                if attribute not in members:
                    raise self._refused(path, attribute, "deleted")
        for each in self._statements:
            for owner, attribute in each.deleted_attributes:
                if owner == path and attribute in body.certain.difference(members):
                    raise self._refused(path, attribute, "deleted")
        for attribute, value in members.items():
            function = unwrapped(value)
            if (
                isinstance(function, FunctionType)
                and function.__globals__ is self._namespace
                and not function.__code__.co_filename.startswith("<string>")
            ):
                is_other = attribute in body.methods and (
                    function.__code__.co_name != attribute
                )
                if is_other or not statement.has_code_of(function):
                    raise self._refused(path, attribute)

    def _refused(self, path: str, attribute: str, what: str = "set") -> NotMovableError:
        name, _, inner = path.partition(".")
        attribute = f"{inner}.{attribute}" if inner else attribute
        return self._refuse(
            name, f"is a class whose attribute {attribute!r} was {what} later"
        )

    def rebound_attributes(self, path: str) -> tuple[set[str], set[str]]:
        """Return the attributes that statements set.

        Args:
            path: The qualified name of a class.

        Returns:
            Those of the class, and those of what may be the class by another name.
        """
        rebound: set[str] = set()
        possible: set[str] = set()
        for statement in self._statements:
            for owner, attribute in statement.bound_attributes:
                (rebound if owner == path else possible).add(attribute)
        return rebound, possible


def members_of(cls: type) -> list[int]:
    """Return what tells if a class has got other attributes."""
    return [id(value) for value in vars(cls).values()]


def unwrapped(value: Any) -> Any:
    """Return the function below decorators, a property or a method."""
    seen = set()
    while id(value) not in seen:
        seen.add(id(value))
        for attribute in ("__wrapped__", "__func__", "fget", "func"):
            below = getattr(value, attribute, None)
            if below is not None:
                value = below
                break
    return value


def _is_class_inside(path: str, value: Any) -> bool:
    """Tell if something is the class that another class has inside of it."""
    return isinstance(value, type) and value.__qualname__ == path


def _names_of_bases(cls: type) -> set[str]:
    """Return the names that all bases of a class but `object` have."""
    return {name for base in cls.__mro__[1:-1] for name in vars(base)}


def _is_like(value: Any, literal: Any) -> bool:
    """Tell if a value is as a literal makes it."""
    if type(value) is not type(literal):
        return False
    try:
        return bool(value == literal)
    except Exception:
        return False  # It holds an array, for example.
