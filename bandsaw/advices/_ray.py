"""The work of the `RayAdvice`: its connection, and what it brings to the workers."""

from __future__ import annotations

import atexit
import pickle
import sys

from ..exceptions import (
    InterpreterDiedError,
    InterpreterError,
    MissingExtraError,
    UnreachableError,
)
from ..runtime.fork import Lock
from ._engine_calls import Answer, Engine, KeptBuffers, host_module
from ._ray_answers import Sent, fetch, references_to_come

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any

    from ..runner.host import Answer as AnyAnswer
    from ._engine_calls import Call, Code

# Larger buffers are kept by the cluster, once, and not sent with each call.
_LARGE = 1 << 16

# Is executed where a function can be pickled by its content, as workers lack bandsaw.
_FUNCTION = """
def continue_session(request, *buffers):
    import sys
    host = sys.modules.get(MODULE)
    if host is None or not host.knows(KEY):
        import types
        import ray
        if host is None:
            host = types.ModuleType(MODULE)
            exec(compile(TEXT, MODULE, "exec"), host.__dict__)
            host = sys.modules.setdefault(MODULE, host)
        # A child, which is not connected, would start a cluster of its own.
        address = ray.get_runtime_context().gcs_address
        host.child_variables["RAY_ADDRESS"] = address
        host.bring_archive(KEY, SETTINGS, ray.get(ARCHIVE))
    return host.serve(KEY, request, buffers)
"""

# What Ray calls it that a worker, or its node, is gone.
_DEATHS = (
    "LocalRayletDiedError",
    "NodeDiedError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "WorkerCrashedError",
)


# What Ray calls it that there is no room for an object.
_FULL = ("ObjectStoreFullError", "OutOfDiskError")


class RayEngine(Engine):
    """A Ray cluster.

    Args:
        address: The address of the cluster, or `None`.
        options: What the cluster is told of each call.
    """

    out_of_band = True

    def __init__(self, address: str | None, options: dict[str, Any]) -> None:
        self._address = address
        self._options = options
        self._lock = Lock()
        self._session: Any = None
        self._functions: dict[str, Any] = {}
        self._named: dict[tuple[object, ...], Any] = {}
        self._large = _LargeBuffers()

    def _connected(self) -> Any:
        """Return Ray, after this process was connected to the cluster."""
        ray = _import_ray()
        with self._lock:
            if not ray.is_initialized():
                try:
                    ray.init(address=self._address, logging_level="WARNING")
                except (OSError, RuntimeError, ValueError) as error:
                    raise UnreachableError(
                        f"The Ray cluster at {self._address} does not answer: {error}"
                    ) from error
                atexit.register(_shut_down, ray)
            session = ray.get_runtime_context().get_job_id()
            if session != self._session:
                # What was told to another cluster is not known to this one.
                self._session = session
                self._functions.clear()
                self._named.clear()
                self._large.clear()
        return ray

    @property
    def slots(self) -> int:
        """The number of processors of the cluster."""
        return max(1, int(self._connected().cluster_resources().get("CPU", 1)))

    def submit(self, call: Call) -> Future[AnyAnswer]:
        """Let a session be continued by the cluster."""
        options = {**self._options, **call.parameters("ray")}
        ray = self._connected()
        try:
            return self._send(ray, call, options)
        except ray.exceptions.RayError as error:  # A store that is full, for example
            raise self.failure_of(error) from error

    def _send(self, ray: Any, call: Call, options: dict[str, Any]) -> Answer:
        function = self._function_of(ray, call, options)
        views = call.views()
        large = [(b, v) for b, v in zip(call.buffers, views) if v.nbytes >= _LARGE]
        kept = self._large.find_or_put(call, large) if large else []
        left = iter(kept)
        buffers = [
            next(left).reference if view.nbytes >= _LARGE else bytes(view)
            for view in views
        ]
        answer = Answer()
        reference = function.remote(call.request, *buffers)
        answer.sent = sent = Sent(ray, reference, answer, kept)
        if answer.cancelled():
            sent.cancel()
        if not call.is_awaited:
            fetch(ray, sent)
        return answer

    def _function_of(self, ray: Any, call: Call, options: dict[str, Any]) -> Any:
        key = call.code.key, call.name, repr(options)
        function = self._named.get(key)
        if function is None:
            with self._lock:
                plain = self._functions.get(call.code.key)
                if plain is None:
                    plain = ray.remote(_function_for(ray, call.code))
                    self._functions[call.code.key] = plain
                function = plain.options(name=call.name, **options)
                self._named[key] = function
        return function

    def wait(self, future: Future[AnyAnswer], timeout: float) -> bool:
        """Wait for an answer; a task that does so lets others have its place."""
        sent = getattr(future, "sent", None)
        if sent is not None:
            sent.wait(timeout)
        return super().wait(future, timeout)

    @staticmethod
    def wait_in_task(future: Future[Any], timeout: float | None) -> None:
        """Wait in a way that Ray knows of: others have the processors meanwhile.

        Args:
            future: What is waited for.
            timeout: How long, in seconds.
        """
        from concurrent.futures import wait
        from time import monotonic

        ray: Any = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return
        if ray.get_runtime_context().worker.mode != ray.WORKER_MODE:
            return
        end = None if timeout is None else monotonic() + timeout
        while not future.done() and (end is None or monotonic() < end):
            under_way = references_to_come()
            if under_way:
                ray.wait(under_way, num_returns=1, timeout=_INTERVAL)
            # What has an answer may have to wait for a thread.
            wait([future], _INTERVAL / 10)

    def failure_of(self, error: BaseException) -> InterpreterError:
        """Return what is told of an error of the cluster."""
        if isinstance(error, InterpreterError):
            return error
        text = f"{type(error).__name__}: {error}"
        if type(error).__name__ in _DEATHS:
            return InterpreterDiedError(
                f"A worker of Ray has died while it continued the session. {text}"
            )
        name = type(error).__name__
        if name in _FULL or name.startswith("RayTaskError"):
            return InterpreterError(f"Ray has not continued the session. {text}")
        return UnreachableError(f"Ray has not continued the session. {text}")


# How often it is looked whether there are others, in seconds.
_INTERVAL = 0.1


class _LargeBuffers(KeptBuffers):
    """Those in the object store of Ray."""

    content_is_here = True

    def put(self, view: memoryview) -> Any:
        """Put a buffer into the store of this node."""
        return _import_ray().put(pickle.PickleBuffer(view))

    def content_of(self, reference: Any) -> memoryview:
        """Return what is in the store of this node, without a copy of it."""
        return memoryview(_import_ray().get(reference))


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "RayAdvice needs ray. Install the extra bandsaw[ray]."
        ) from error
    return ray


def _shut_down(ray: Any) -> None:
    ray.shutdown()


def _function_for(ray: Any, code: Code) -> Any:
    """Return what continues sessions in a worker that has Ray only."""
    module, text = host_module()
    # A name that no module has, so that it is pickled by its content.
    space: dict[str, Any] = {
        "__name__": "_bandsaw_function",
        "MODULE": module,
        "TEXT": text,
        "KEY": code.key,
        "SETTINGS": code.settings,
        "ARCHIVE": ray.put(code.content()),
    }
    exec(_FUNCTION, space)
    return space["continue_session"]
