"""Split a plain Python script into tasks that run where they can run."""

from __future__ import annotations

import sys

from .runtime.lazy import load_on_access

if sys.version_info < (3, 9):
    # Until then the path of a script is relative, and leads elsewhere once the script
    # has changed its directory.
    from . import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        advice as advice,
        advices as advices,
        config as config,
        connections as connections,
        context as context,
        datetime as datetime,
        decorator as decorator,
        distribution as distribution,
        environments as environments,
        exceptions as exceptions,
        execution as execution,
        extensions as extensions,
        fingerprint as fingerprint,
        futures as futures,
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
    from .advice import Advice
    from .config import Configuration, get_configuration
    from .decorator import task
    from .extensions import Extension
    from .files import File
    from .fingerprint import register_fingerprint
    from .futures import Future
    from .identifier import identifier_from_string
    from .interpreter import Interpreter
    from .reporting import progress
    from .run import get_run_id, set_run_id
    from .serialization import (
        JsonSerializer,
        Opaque,
        PickleSerializer,
        SerializableValue,
    )

__version__ = "0.4.0"

__all__ = [
    "Advice",
    "Configuration",
    "Extension",
    "File",
    "Future",
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

# `import bandsaw` stays cheap: all is loaded on first access.
__getattr__, __dir__ = load_on_access(
    __name__,
    "advice",
    "advices",
    "chain",
    "config",
    "connections",
    "context",
    "datetime",
    "decorator",
    "distribution",
    "environments",
    "exceptions",
    "execution",
    "extensions",
    "files",
    "fingerprint",
    "futures",
    "identifier",
    "infos",
    "interpreter",
    "io",
    "methods",
    "modules",
    "reporting",
    "result",
    "run",
    "runner",
    "serialization",
    "session",
    "stores",
    "tasks",
    "timestamps",
    "tracking",
    "transports",
    "user",
    Advice="advice",
    Configuration="config",
    Extension="extensions",
    File="files",
    Future="futures",
    Interpreter="interpreter",
    JsonSerializer="serialization",
    Opaque="serialization",
    PickleSerializer="serialization",
    SerializableValue="serialization",
    get_configuration="config",
    get_run_id="run",
    identifier_from_string="identifier",
    progress="reporting",
    register_fingerprint="fingerprint",
    set_run_id="run",
    task="decorator",
)
