"""One run of a workflow: its id, when and how it was started, and by whom."""

from __future__ import annotations

import contextvars
import os
import sys

from .datetime import current_timestamp
from .exceptions import keyword_only
from .modules import script_arguments
from .runtime.fork import Lock, call_at_reset
from .user import get_current_username

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Mapping

RUN_ID_ENV_VARIABLE = "BANDSAW_RUN_ID"

# Variables that tell where a run took place and cannot hold a secret. Everything else
# of the environment stays unwritten unless the configuration adds it.
HARMLESS_ENVIRONMENT_VARIABLES = (
    "BANDSAW_CONFIG",
    "BANDSAW_CONFIG_MODULE",
    "CONDA_DEFAULT_ENV",
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "HOSTNAME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "OMP_NUM_THREADS",
    "PATH",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "SHELL",
    "SLURM_JOB_ID",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
)


class Run:
    """One run of a workflow script.

    Args:
        run_id: Any text that identifies the run. Made up when left out.
        start_date: When the run was started, as a timestamp. Now, when left out.
        user: The name of the user. The current one, when left out.
        command: The command line as a list of words. This one, when left out.
        env: The environment variables to keep. By default those that are known to be
            harmless, and those that the configuration adds.
        meta: What the user wants to know of the run. It travels with the sessions.
    """

    @keyword_only("start_date", "user", "command", "env", "meta")
    def __init__(
        self,
        run_id: str | None = None,
        *,
        start_date: str | None = None,
        user: str | None = None,
        command: Iterable[str] | None = None,
        env: Mapping[str, str] | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        self.run_id = make_run_id() if run_id is None else run_id
        if start_date is None:
            start_date = current_timestamp()
        if user is None:
            user = get_current_username()
        self.start_date = start_date
        self.user = user
        self.command = _command_line() if command is None else list(command)
        self._env = None if env is None else dict(env)
        self.meta: dict[str, Any] = {} if meta is None else meta

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that are kept."""
        if self._env is not None:
            return self._env
        return {
            name: os.environ[name]
            for name in sorted(_state.environment_variables)
            if name in os.environ
        }

    def to_json(self) -> dict[str, Any]:
        """Return the run as what JSON knows."""
        return {
            "id": self.run_id,
            "start_date": self.start_date,
            "user": self.user,
            "command": self.command,
            "env": self.env,
            "meta": self.meta,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Run:
        """Make a run of what `to_json` gave."""
        return cls(
            run_id=values["id"],
            start_date=values["start_date"],
            user=values["user"],
            command=values["command"],
            env=values["env"],
            meta=values["meta"],
        )

    def __repr__(self) -> str:
        return f"Run({self.run_id!r})"


class _State:
    """All that this process knows of its run."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.published_id: str | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the run, as if the process had just been started."""
        published = self.published_id
        if published is not None and os.environ.get(RUN_ID_ENV_VARIABLE) == published:
            del os.environ[RUN_ID_ENV_VARIABLE]
        self.run: Run | None = None
        # Whether it is the run of the process that this one continues sessions for.
        self.has_joined = False
        # What this process has told those that it starts
        self.published_id = None
        self.environment_variables = set(HARMLESS_ENVIRONMENT_VARIABLES)


_state = _State()
call_at_reset(_state.reset)

# A process that serves several runs says here which one the current session belongs to.
current_run: contextvars.ContextVar[Run | None] = contextvars.ContextVar(
    "bandsaw_run", default=None
)


def get_run() -> Run:
    """Return the current run; it is made at the first question.

    Returns:
        The run that this process takes part in.
    """
    run = current_run.get() or _state.run
    if run is None:
        with _state.lock:
            reserve_run_id()
            run = _state.run = _state.run or Run(os.environ[RUN_ID_ENV_VARIABLE])
    return run


def get_run_id() -> str:
    """Return the id of the current run.

    Returns:
        The id: the one that was set, the one of the process that started this one, or
        a new UUID.
    """
    return get_run().run_id


def set_run_id(run_id: str) -> None:
    """Set the id of the run, once and before it is first used.

    A process that continues sessions of another one keeps that one's id.

    Args:
        run_id: Any text.

    Raises:
        RuntimeError: If this process has a run id already.
    """
    with _state.lock:
        if _state.has_joined:
            # The script says so once more where another process imports it.
            return
        if _state.run is not None:
            raise RuntimeError("Run ID was already set")
        _publish(run_id)
        _state.run = Run(run_id)


def join_run(run: Run) -> None:
    """Take part in the run of another process.

    Args:
        run: The run, as it has travelled with a session.
    """
    if _state.run is run and _state.has_joined:
        return
    with _state.lock:
        _publish(run.run_id)
        _state.run = run
        _state.has_joined = True


def reserve_run_id() -> None:
    """Choose the run id that processes find that this one starts.

    A pool may be started before the run id is first used; its processes must not
    make up one each.
    """
    if RUN_ID_ENV_VARIABLE not in os.environ:
        with _state.lock:
            if RUN_ID_ENV_VARIABLE not in os.environ:
                _publish(make_run_id())


def _publish(run_id: str) -> None:
    os.environ[RUN_ID_ENV_VARIABLE] = _state.published_id = run_id


def add_environment_variables(names: Iterable[str]) -> None:
    """Let runs keep more environment variables than the harmless ones.

    Args:
        names: The names of the variables.
    """
    _state.environment_variables.update(names)


def make_run_id() -> str:
    """Return a new random UUID as text (RFC 4122, version 4)."""
    # Importing the module `uuid` costs more than everything else a decorator does.
    number = bytearray(os.urandom(16))
    number[6] = number[6] & 0x0F | 0x40
    number[8] = number[8] & 0x3F | 0x80
    text = number.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _command_line() -> Iterable[str]:
    words = getattr(sys, "orig_argv", None)
    return list(words) if words else [sys.executable, *script_arguments()]
