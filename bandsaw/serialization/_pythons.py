"""Values that other versions of Python, numpy or torch name or make differently.

A reader looks up a module that has moved under its old name. A writer translates an
instance that another Python would misread; what cannot be translated, the reader
refuses by name.
"""

from __future__ import annotations

import copyreg
import sys
from _pickle import Unpickler, loads as load_as_named
from io import BytesIO
from types import SimpleNamespace

from ..exceptions import SerializationError
from ..runtime.lazy import LateModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Sequence

    from . import _torches

    _Version = tuple[int, int]
else:
    # Only tensors need it.
    _torches = LateModule("bandsaw.serialization._torches")

# Modules of newer versions, and where older ones have what pickles name in them.
_OLDER_MODULES = {
    "importlib._abc": "importlib.abc",
    "importlib._common": "importlib.resources",
    "importlib.resources._common": "importlib.resources",
    "importlib.resources._functional": "importlib.resources",
    "importlib.resources._legacy": "importlib.resources",
    "importlib.resources.abc": "importlib.abc",
    "numpy._core": "numpy.core",
    "pathlib._local": "pathlib",
    "zipfile._path": "zipfile",
}

# The Pythons that have changed the content of instances, so that one from before would
# be misread after the change, and the other way round.
_CHANGED: dict[str, tuple[_Version, ...]] = {
    "dis.Instruction": ((3, 9), (3, 10), (3, 11), (3, 12), (3, 13)),
    "enum.auto": ((3, 11),),
    "pathlib._PathParents": ((3, 12), (3, 13)),
    "platform.uname_result": ((3, 9),),
    "sched.Event": ((3, 10),),
    # The numbers of the tokens
    "tokenize.TokenInfo": ((3, 10), (3, 12), (3, 13)),
    "traceback.FrameSummary": ((3, 11), (3, 13)),
    "types.UnionType": ((3, 10),),
    "zipfile.ZipInfo": ((3, 13),),
}


def _attributes_of_config_parser(state: dict[str, Any]) -> dict[str, Any]:
    prefixes = state.get("_prefixes") or SimpleNamespace(
        full=state["_comment_prefixes"], inline=state["_inline_comment_prefixes"]
    )
    return {
        "_allow_unnamed_section": False,
        "_comment_prefixes": prefixes.full,
        "_inline_comment_prefixes": prefixes.inline,
        "_prefixes": prefixes,
    }


# Attributes that some Python requires and another one does not set, derived from the
# attributes that an instance has.
_ATTRIBUTES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "_frozen_importlib.ModuleSpec": lambda state: {"_uninitialized_submodules": []},
    "configparser.ConfigParser": _attributes_of_config_parser,
    "configparser.RawConfigParser": _attributes_of_config_parser,
    "filecmp.dircmp": lambda state: {"shallow": True},
    "gettext.GNUTranslations": lambda state: {"_output_charset": None},
    "gettext.NullTranslations": lambda state: {"_output_charset": None},
    "logging.LogRecord": lambda state: {"taskName": None},
    "logging.PercentStyle": lambda state: {"_defaults": None},
    "logging.StrFormatStyle": lambda state: {"_defaults": None},
    "logging.StringTemplateStyle": lambda state: {"_defaults": None},
    "reprlib.Repr": lambda state: {"fillvalue": "...", "indent": None},
}

_HERE = sys.version_info[:2]


def older_module(name: object) -> str | None:
    """Return where a module is that older versions call differently.

    Args:
        name: The name of the module, or of one in it, in a newer version.

    Returns:
        The name of the module in older versions; `None` if it was not renamed.
    """
    if isinstance(name, str):
        for newer, older in _OLDER_MODULES.items():
            if name == newer or name.startswith(f"{newer}."):
                return older + name[len(newer) :]
    return None


def find_class(find: Callable[[str, str], Any], module_name: str, name: str) -> Any:
    """Find what a pickle names, in a version that may be older than its writer.

    Args:
        find: Finds what is called so in this version.
        module_name: The name of the module.
        name: The name in the module.
    """
    if module_name.partition(".")[0] == "torch":
        return _torches.find_class(find, module_name, name)
    try:
        return find(module_name, name)
    except ModuleNotFoundError:
        older = older_module(module_name)
        if older is None:
            raise
    return find(older, name)


def is_of_other_version(error: Exception) -> bool:
    """Tell if a value may be one that another version names or makes differently.

    Args:
        error: What came of reading it.
    """
    if isinstance(error, ModuleNotFoundError) and older_module(error.name) is not None:
        return True
    return "torch" in sys.modules and _torches.is_of_other_version(error)


class _TranslatingUnpickler(Unpickler):
    def find_class(self, module_name: str, name: str) -> Any:
        return find_class(super().find_class, module_name, name)


def loads(content: bytes, buffers: Sequence[Any] = ()) -> Any:
    """Read a value, whichever version has written it.

    Args:
        content: The pickle.
        buffers: The buffers that stand beside it.
    """
    try:
        return load_as_named(content, buffers=buffers or None)
    except Exception as error:
        if not is_of_other_version(error):
            raise
    return load_of_other_version(BytesIO(content), buffers)


def load_of_other_version(stream: IO[bytes], buffers: Sequence[Any] = ()) -> Any:
    """Read a value that another version names or makes differently.

    Args:
        stream: The stream that holds the pickle.
        buffers: The buffers that stand beside it.
    """
    return _TranslatingUnpickler(stream, buffers=list(buffers) or None).load()


def reducer(cls: type) -> Callable[[Any], Any] | None:
    """Return how instances of a class are written so that other Pythons read them.

    Args:
        cls: The class.

    Returns:
        A function that returns what ``__reduce__`` would; `None` for a class whose
        instances are the same in every Python.
    """
    name = _name(cls)
    if name == "statistics.NormalDist":
        return lambda value: (cls, (value.mean, value.stdev))
    if name in _CHANGED:
        return lambda value: _reduce_changed(name, value)
    if name in _ATTRIBUTES:
        return lambda value: _reduce_with_attributes(_ATTRIBUTES[name], value)
    return None


def _name(cls: type) -> str:
    module_name = cls.__module__
    return f"{older_module(module_name) or module_name}.{cls.__qualname__}"


def _reduce_changed(name: str, value: Any) -> tuple[Any, ...]:
    function, args, *state = _reduced(value)
    return (make_unchanged, (name, _HERE, function, args), *state)


def _reduce_with_attributes(
    add: Callable[[dict[str, Any]], dict[str, Any]], value: Any
) -> tuple[Any, ...]:
    function, args, state, *items = _reduced(value)
    return (function, args, {**add(state), **state}, *items)


def _reduced(value: Any) -> Any:
    reduce = copyreg.dispatch_table.get(type(value))
    return value.__reduce_ex__(5) if reduce is None else reduce(value)


def make_unchanged(
    name: str, version: _Version, function: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    """Make an instance, unless its class has changed between two Pythons.

    Args:
        name: The name of the class.
        version: The version of the Python that has written the instance.
        function: Makes the instance.
        args: The arguments of the function.

    Returns:
        The instance.

    Raises:
        SerializationError: If the class has another meaning in this Python.
    """
    older, newer = sorted((tuple(version), _HERE))
    if any(older < change <= newer for change in _CHANGED.get(name, ())):
        raise SerializationError(
            f"An instance of {name} that Python {version[0]}.{version[1]} has written "
            f"means something else in Python {_HERE[0]}.{_HERE[1]}, and is not read. "
            "Pass on what is needed of it in values of other types."
        )
    return function(*args)
