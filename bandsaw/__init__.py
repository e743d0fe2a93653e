"""Splits a plain Python script into tasks that run where they can run."""

from __future__ import annotations

from .advice import Advice
from .config import Configuration, get_configuration
from .decorator import task
from .extensions import Extension
from .identifier import identifier_from_string
from .interpreter import Interpreter
from .run import get_run_id, set_run_id
from .runtime.lazy import load_on_access
from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        advice as advice,
        advices as advices,
        config as config,
        context as context,
        datetime as datetime,
        decorator as decorator,
        distribution as distribution,
        environments as environments,
        exceptions as exceptions,
        execution as execution,
        extensions as extensions,
        fingerprint as fingerprint,
        identifier as identifier,
        infos as infos,
        interpreter as interpreter,
        io as io,
        modules as modules,
        reporting as reporting,
        result as result,
        run as run,
        runner as runner,
        serialization as serialization,
        session as session,
        stores as stores,
        tasks as tasks,
        timestamps as timestamps,
        tracking as tracking,
        transports as transports,
        user as user,
    )
    from .files import File
    from .fingerprint import register_fingerprint
    from .reporting import progress
    from .serialization import JsonSerializer, Opaque, PickleSerializer

__version__ = "0.4.0"

__all__ = [
    "Advice",
    "Configuration",
    "Extension",
    "File",
    "Interpreter",
    "JsonSerializer",
    "Opaque",
    "PickleSerializer",
    "SerializableValue",
    "__version__",
    "get_configuration",
    "get_run_id",
    "identifier_from_string",
    "progress",
    "register_fingerprint",
    "set_run_id",
    "task",
]

# `import bandsaw` stays cheap: these are loaded on first access.
__getattr__, __dir__ = load_on_access(
    __name__,
    "advice",
    "advices",
    "datetime",
    "distribution",
    "environments",
    "files",
    "fingerprint",
    "infos",
    "io",
    "reporting",
    "runner",
    "session",
    "stores",
    "timestamps",
    "tracking",
    "transports",
    "user",
    File="files",
    JsonSerializer="serialization",
    Opaque="serialization",
    PickleSerializer="serialization",
    progress="reporting",
    register_fingerprint="fingerprint",
)
