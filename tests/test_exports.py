"""Names that can be imported, and from where."""

from __future__ import annotations

import importlib

import pytest

import bandsaw
from tests.workflows import Workflow

EXPORTED = [
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

NAMES = {
    "bandsaw.advice": ["Advice", "advise_task_with_chain"],
    "bandsaw.advices.cache": ["CachingAdvice"],
    "bandsaw.advices.log": ["LoggingAdvice", "JsonFormatter"],
    "bandsaw.advices.logging": ["LoggingAdvice", "JsonFormatter"],
    "bandsaw.advices.metrics": ["MetricsAdvice"],
    "bandsaw.advices.connection": ["ConnectionAdvice"],
    "bandsaw.advices.retry": ["RetryAdvice"],
    "bandsaw.advices.ssh": [
        "SshAdvice",
        "Remote",
        "SshBackend",
        "SshCommandLineBackend",
    ],
    "bandsaw.advices.subprocess": ["SubprocessAdvice"],
    "bandsaw.config": [
        "Configuration",
        "get_configuration",
        "CONFIGURATION_MODULE_ENV_VARIABLE",
        "CONFIGURATION_MODULE_DEFAULT",
    ],
    "bandsaw.connections": [
        "Command",
        "Connection",
        "Event",
        "Slurm",
        "Ssh",
        "shell_line",
    ],
    "bandsaw.context": ["Context"],
    "bandsaw.datetime": ["current_timestamp", "datetime_from_timestamp"],
    "bandsaw.decorator": ["task"],
    "bandsaw.distribution": ["DistributionArchive", "get_distribution_archive"],
    "bandsaw.execution": ["Execution"],
    "bandsaw.extensions": ["Extension"],
    "bandsaw.futures": ["Future"],
    "bandsaw.identifier": ["identifier_from_bytes", "identifier_from_string"],
    "bandsaw.infos": ["value_info"],
    "bandsaw.interpreter": ["Interpreter"],
    "bandsaw.io": ["BytearrayGeneratorToStream", "read_stream_to_generator"],
    "bandsaw.modules": [
        "object_as_import",
        "import_object",
        "get_loaded_module_name_by_path",
    ],
    "bandsaw.result": ["Result"],
    "bandsaw.run": ["Run", "get_run", "get_run_id", "set_run_id"],
    "bandsaw.runner": ["main"],
    "bandsaw.serialization": [
        "Serializer",
        "PickleSerializer",
        "JsonSerializer",
        "SerializableValue",
        "SignedSerializer",
    ],
    "bandsaw.files": ["File"],
    "bandsaw.stores": ["FsspecStore", "Item", "LocalStore", "MemoryStore", "Store"],
    "bandsaw.serialization.json": ["JsonSerializer"],
    "bandsaw.serialization.pickle": ["PickleSerializer"],
    "bandsaw.serialization.serializer": ["Serializer"],
    "bandsaw.serialization.values": [
        "ValueSerializer",
        "ExceptionSerializer",
        "TupleSerializer",
        "SerializableValueSerializer",
    ],
    "bandsaw.session": ["Session", "Ids", "Attachment", "Attachments"],
    "bandsaw.tasks": ["Task"],
    "bandsaw.timestamps": ["TimestampsExtension"],
    "bandsaw.tracking.backend": ["Backend"],
    "bandsaw.tracking.filesystem": ["FileSystemBackend"],
    "bandsaw.tracking.tracker": ["TrackerExtension"],
    "bandsaw.user": ["get_current_username"],
}


def test_the_package_exports_these_names_and_no_others() -> None:
    assert sorted(bandsaw.__all__) == EXPORTED


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_name_can_be_read(name: str) -> None:
    assert getattr(bandsaw, name) is not None


def test_dir_shows_the_exported_names_and_modules_only() -> None:
    shown = set(dir(bandsaw))
    assert {*EXPORTED, "advices", "tasks"} <= shown
    assert not shown & {"TYPE_CHECKING", "load_on_access", "sys"}


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=r"bandsaw.*no_such_name"):
        bandsaw.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    ("module", "names"), NAMES.items(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_module_has_its_names(module: str, names: list[str]) -> None:
    imported = importlib.import_module(module)

    assert [name for name in names if not hasattr(imported, name)] == []


# In processes of their own: here another test may have imported the modules.
REACHING = """
import os
import sys
import bandsaw

for module in sys.argv[1:]:
    child = os.fork()
    if not child:
        reached = eval(module)
        os._exit(reached.__name__ != module)
    if os.waitpid(child, 0)[1]:
        print(module)
"""


def test_a_module_can_be_reached_after_importing_just_the_package(
    workflow: Workflow,
) -> None:
    assert workflow.python("-c", REACHING, *sorted(NAMES)).stdout == ""


def test_the_moved_classes_of_release_0_1_are_the_same() -> None:
    old = importlib.import_module("bandsaw.advices.logging")
    new = importlib.import_module("bandsaw.advices.log")

    assert old.LoggingAdvice is new.LoggingAdvice


def test_the_exported_names_are_those_of_their_modules() -> None:
    from bandsaw import advice, config, decorator, extensions, serialization

    assert bandsaw.Advice is advice.Advice
    assert bandsaw.Configuration is config.Configuration
    assert bandsaw.task is decorator.task
    assert bandsaw.Extension is extensions.Extension
    assert bandsaw.JsonSerializer is serialization.JsonSerializer
