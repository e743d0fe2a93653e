"""Splits a plain Python script into tasks that run where they can run."""

from __future__ import annotations

from ._advice import Advice
from ._lazy import load_on_access
from .config import Configuration, get_configuration
from .decorator import task
from .extensions import Extension
from .identifier import identifier_from_string
from .interpreter import Interpreter
from .run import get_run_id, set_run_id
from .serialization import SerializableValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        advice as advice,
    )
    from . import (
        advices as advices,
    )
    from . import (
        attachments as attachments,
    )
    from . import (
        config as config,
    )
    from . import (
        context as context,
    )
    from . import (
        datetime as datetime,
    )
    from . import (
        decorator as decorator,
    )
    from . import (
        distribution as distribution,
    )
    from . import (
        environments as environments,
    )
    from . import (
        exceptions as exceptions,
    )
    from . import (
        execution as execution,
    )
    from . import (
        extensions as extensions,
    )
    from . import (
        fingerprint as fingerprint,
    )
    from . import (
        identifier as identifier,
    )
    from . import (
        infos as infos,
    )
    from . import (
        interpreter as interpreter,
    )
    from . import (
        io as io,
    )
    from . import (
        modules as modules,
    )
    from . import (
        reporting as reporting,
    )
    from . import (
        result as result,
    )
    from . import (
        run as run,
    )
    from . import (
        runner as runner,
    )
    from . import (
        serialization as serialization,
    )
    from . import (
        session as session,
    )
    from . import (
        stores as stores,
    )
    from . import (
        tasks as tasks,
    )
    from . import (
        timestamps as timestamps,
    )
    from . import (
        tracking as tracking,
    )
    from . import (
        transports as transports,
    )
    from . import (
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

# `import bandsaw` stays cheap: these are loaded when somebody asks for them.
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
