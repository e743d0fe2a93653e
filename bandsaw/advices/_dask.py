"""The work of the `DaskAdvice`: its client, and what it brings to the workers."""

from __future__ import annotations

import atexit
import os
import pickle
import sys
from importlib import import_module
from itertools import count
from operator import methodcaller

from ..exceptions import (
    ConfigurationError,
    InterpreterDiedError,
    InterpreterError,
    MissingExtraError,
    UnreachableError,
)
from ..runtime.contexts import contextmanager, suppress
from ..runtime.fork import Lock
from ._engine_calls import Answer, Engine, KeptBuffers, host_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any, ContextManager, Iterator

    from ..runner.host import Answer as AnyAnswer
    from ._engine_calls import Call, Code, Kept

# Larger buffers are kept by the cluster, once, and not sent with each call.
_LARGE = 1 << 20

# How often it is looked whether the scheduler is still there, in seconds.
_INTERVAL = 1.0

# After how many of these looks without an answer it is looked at the workers, too.
_LOOKS = 30

# What to do about workers that are gone.
_REMEDY = (
    "Workers that need more memory than their memory_limit are ended, too: give them "
    "more, or let them have less at a time."
)

# How long more answers are waited for, to be fetched together: this many times as long
# as the last ones took, and this many seconds at most.
_PATIENCE = 5
_MOST_PATIENCE = 0.2

# What a worker is told to do: to make the call that a pickle is. This function is found
# on the scheduler and on each worker, which look at bytes no closer.
_SERVE = pickle.loads

# Is executed where a class can be pickled by its content, as workers lack bandsaw.
_PLUGIN = """
from distributed import WorkerPlugin

class BandsawCode(WorkerPlugin):
    def __init__(self, module, text, key, settings, archive):
        self.module, self.text, self.key = module, text, key
        self.settings, self.archive = settings, archive

    def setup(self, worker):
        import sys, types
        module = sys.modules.get(self.module)
        if module is None:
            module = types.ModuleType(self.module)
            exec(compile(self.text, self.module, "exec"), module.__dict__)
            module = sys.modules.setdefault(self.module, module)
        module.bring_archive(self.key, self.settings, self.archive)
"""


class DaskEngine(Engine):
    """A Dask cluster.

    Args:
        given: The address of the scheduler, a client, or `None`.
        options: What the cluster is told of each call.
    """

    def __init__(self, given: Any, options: dict[str, Any]) -> None:
        self._given = given
        self._options = options
        self._lock = Lock()
        self._connection: _Connection | None = None

    def _connected(self) -> _Connection:
        """Return the connection of this process, which a fork does not share."""
        with self._lock:
            connection = self._connection
            if connection is None or not connection.is_usable:
                connection = self._connection = _Connection(_client_of(self._given))
            return connection

    @property
    def slots(self) -> int:
        """The number of the workers' threads, at least that of a small cluster."""
        threads: int = sum(self._connected().client.nthreads().values())
        return max(threads, os.cpu_count() or 1)

    def submit(self, call: Call) -> Future[AnyAnswer]:
        """Let a session be continued by the cluster."""
        options = {**self._options, **call.parameters("dask")}
        try:
            return self._connected().submit(call, options)
        except ConfigurationError:
            raise
        except (OSError, ValueError) as error:
            raise self.failure_of(error) from error

    def waiting(self) -> ContextManager[bool]:
        """Let the worker have the thread of a task that waits for another one."""
        return _seceded()

    @staticmethod
    def wait_in_task(future: Future[Any], timeout: float | None) -> None:
        """Wait without a thread of the worker, if this is a task on Dask.

        Args:
            future: What is waited for.
            timeout: How long, in seconds.
        """
        from concurrent.futures import wait

        if "distributed" in sys.modules:
            with _seceded() as is_seceded:
                if is_seceded:
                    wait([future], timeout)

    def failure_of(self, error: BaseException) -> InterpreterError:
        """Return what is told of an error of the cluster."""
        if isinstance(error, InterpreterError):
            return error
        text = f"{type(error).__name__}: {error}"
        if type(error).__name__ == "KilledWorker":
            return InterpreterDiedError(
                "Workers of Dask have died while they continued the session. "
                f"{text} {_REMEDY}"
            )
        return UnreachableError(f"Dask has not continued the session. {text}")


@contextmanager
def _seceded() -> Iterator[bool]:
    """Give up the thread of a worker meanwhile, and tell if the current one is one."""
    distributed = _import_distributed()
    try:
        distributed.get_worker()
        distributed.secede()
    except (AttributeError, KeyError, ValueError):
        yield False
        return
    try:
        yield True
    finally:
        distributed.rejoin()


class _Connection:
    """A client of a cluster, and the calls that it waits for."""

    def __init__(self, client_and_ownership: tuple[Any, bool]) -> None:
        self.client, is_own = client_and_ownership
        self._process = os.getpid()
        self._module, self._text = host_module()
        self._codes: dict[str, str] = {}
        self._lock = Lock()
        # Tells the calls of this connection from all others
        self._name = os.urandom(8).hex()
        self._numbers = count()
        self._waiting: dict[str, Answer] = {}
        self._orders: list[_Order] = []
        self._orders_lock = Lock()
        self._ready: list[Any] = []
        self._is_gathering = False
        self._are_enough: Any = None
        self._large = _LargeBuffers(self.client)
        self._watch: Any = None
        self._looks = 0
        atexit.register(self._close, is_own)

    @property
    def is_usable(self) -> bool:
        return self._process == os.getpid() and self.client.status == "running"

    def submit(self, call: Call, options: dict[str, Any]) -> Answer:
        self._bring(call.code)
        key = f"{call.name}-{self._name}{next(self._numbers):08x}"
        order = _Order(call, options, key, self._module)
        if order.has_large_buffers:
            # The order has to stay, so all of them go the same way.
            buffers = zip(call.buffers, order.views)
            try:
                order.kept = self._large.find_or_put(call, buffers)
            except (OSError, _import_distributed().TimeoutError) as error:
                raise self._failure_to_put(call, error) from error
        if self._watch is None:
            self.client.loop.add_callback(self._begin_to_watch)
        if call.is_awaited or order.has_large_buffers:
            # By the thread of the task that waits, as Dask prefers what is below tasks.
            self._send([order])
            return order.answer
        with self._orders_lock:
            self._orders.append(order)
            is_first = len(self._orders) == 1
        if is_first:
            self.client.loop.add_callback(self._send_all)
        return order.answer

    def _send_all(self) -> None:
        """Send all that was submitted meanwhile, as each message takes its time."""
        with self._orders_lock:
            orders, self._orders = self._orders, []
        by_options: dict[str, list[_Order]] = {}
        for order in orders:
            by_options.setdefault(repr(order.options), []).append(order)
        for alike in by_options.values():
            try:
                self._send(alike)
            except Exception as error:
                for order in alike:
                    order.answer.fail(error)

    def _send(self, orders: list[_Order]) -> None:
        client = self.client
        orders = [order for order in orders if not order.answer.cancelled()]
        if not orders:
            return
        for order in orders:
            self._waiting[order.key] = order.answer
        # What is not pure is not looked at to find a key.
        options = {**orders[0].options, "pure": False}
        if len(orders) == 1:
            [order] = orders
            if order.kept:
                options["buffers"] = [one.reference for one in order.kept]
            futures = [client.submit(_SERVE, order.request, key=order.key, **options)]
        else:
            futures = client.map(
                _SERVE,
                [order.request for order in orders],
                key=[order.key for order in orders],
                **options,
            )
        for order, future in zip(orders, futures):
            answer = order.answer
            answer.sent = sent = _Sent(client, future, order.kept)
            client.loop.add_callback(self._follow, future)
            if answer.cancelled():
                sent.cancel()

    def _bring(self, code: Code) -> None:
        if code.key in self._codes:
            return
        with self._lock:
            if code.key in self._codes:
                return
            # A name that no module has, so that it is pickled by its content.
            space: dict[str, Any] = {"__name__": "_bandsaw_plugin"}
            exec(_PLUGIN, space)
            plugin = space["BandsawCode"](
                self._module, self._text, code.key, code.settings, code.content()
            )
            name = f"bandsaw-{self.client.id}-{code.key}"
            self.client.register_plugin(plugin, name=name)
            self._codes[code.key] = name

    async def _follow(self, future: Any) -> None:
        # What futures of Dask offer takes a thread for it, and the time of that.
        await _import_distributed().client.done_callback(future, self._take)
        if future.status == "error":
            self._fail(future.key, await future.exception(asynchronous=True))

    def _take(self, future: Any) -> None:
        """Have an answer fetched, if the call has come to one."""
        answer = self._waiting.get(future.key)
        if answer is None:
            return
        if future.status == "finished":
            self._ready.append(future)
            if not self._is_gathering:
                self.client.loop.add_callback(self._gather)
            elif self._has_enough:
                self._are_enough.set()
        elif self.client.status != "running":
            self._fail(future.key, self._loss())
        elif future.status != "error":
            text = (
                f"Dask has given up the call of {_task_of(future.key)}, as it does "
                f"when a worker is gone that has arguments of it. {_REMEDY}"
            )
            self._fail(future.key, InterpreterDiedError(text))

    async def _gather(self) -> None:
        """Fetch the answers that are there, all of them at once."""
        import asyncio
        from time import monotonic

        if self._is_gathering:
            return
        self._is_gathering = True
        patience = 0.0
        try:
            while self._ready:
                self._are_enough = enough = asyncio.Event()
                if not self._has_enough:
                    # Each journey takes as long as many calls.
                    with suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(enough.wait(), patience)
                futures, self._ready = self._ready, []
                begin = monotonic()
                await self._fetch(futures)
                patience = min(_PATIENCE * (monotonic() - begin), _MOST_PATIENCE)
        finally:
            self._is_gathering = False

    @property
    def _has_enough(self) -> bool:
        """Whether it is worth while to fetch the answers that are there."""
        return len(self._waiting) <= 2 * len(self._ready)

    async def _fetch(self, futures: list[Any]) -> None:
        try:
            found = await self.client.gather(
                {future.key: future for future in futures},
                errors="skip",
                asynchronous=True,
            )
        except Exception as error:
            for future in futures:
                self._fail(future.key, error)
            return
        self._looks = 0
        for key, value in found.items():
            answer = self._waiting.pop(key, None)
            if answer is None:
                continue
            if value is None:
                text = f"The worker of Dask with the result of {_task_of(key)} is gone."
                answer.fail(InterpreterDiedError(f"{text} {_REMEDY}"))
            else:
                answer.fulfil(value)
            answer.sent = None

    def _fail(self, key: str, error: BaseException) -> None:
        answer = self._waiting.pop(key, None)
        if answer is not None:
            answer.fail(error)
            answer.sent = None

    def _begin_to_watch(self) -> None:
        if self._watch is None:
            from tornado.ioloop import PeriodicCallback

            self._watch = PeriodicCallback(self._look, _INTERVAL * 1000)
            self._watch.start()

    async def _look(self) -> None:
        """Fail what is waited for when the scheduler is gone, and warn of idleness."""
        if self.client.status != "running":
            for key in list(self._waiting):
                self._fail(key, self._loss())
        self._looks = self._looks + 1 if self._waiting else 0
        if not self._looks or self._looks % _LOOKS:
            return
        with suppress(OSError):  # The next look tells of a scheduler that is gone.
            lack = _lack_of(await self._workers())
            if lack is not None:
                import logging

                address, number = self.client.scheduler.address, len(self._waiting)
                text = f"The Dask cluster at {address} lets calls wait ({number}): "
                logging.getLogger(__name__).warning("%s%s", text, lack)

    async def _workers(self) -> list[str]:
        """Return what each worker of the cluster does, as Dask calls it."""
        found = await self.client.scheduler.identity()
        return [worker["status"] for worker in found["workers"].values()]

    def _failure_to_put(self, call: Call, error: Exception) -> InterpreterError:
        """Return why the cluster has not taken the large arguments of a call."""
        try:
            lack = _lack_of(self.client.sync(self._workers))
        except (OSError, _import_distributed().TimeoutError):
            return self._loss()
        what = f"large arguments of {call.name}"
        if isinstance(error, _import_distributed().TimeoutError):
            text = f"The Dask cluster at {self.client.scheduler.address} has not taken"
            return UnreachableError(f"{text} {what}: {lack or error}")
        text = f"A worker of Dask has died while it was sent {what}."
        return InterpreterDiedError(f"{text} {_REMEDY}")

    def _loss(self) -> UnreachableError:
        return UnreachableError(
            f"The scheduler of Dask is gone. The client is {self.client.status}."
        )

    def _close(self, is_own: bool) -> None:
        if not self.is_usable:
            return
        with suppress(Exception):
            for name in self._codes.values():
                self.client.unregister_worker_plugin(name)
        if is_own:
            with suppress(Exception):
                self.client.close()


def _task_of(key: str) -> str:
    """Return the name of the task of a call, by what the cluster calls that."""
    return key.rpartition("-")[0]


def _lack_of(workers: list[str]) -> str | None:
    """Return why no worker takes anything, `None` if one of them does.

    Args:
        workers: What each of them does, as Dask calls it.
    """
    if "running" in workers:
        return None
    if not workers:
        return "it has no workers. Start some."
    return (
        f"none of its {len(workers)} workers takes anything. One that uses most of its "
        "memory_limit is paused: give it more, or restart it."
    )


class _LargeBuffers(KeptBuffers):
    """Those that workers of Dask keep.

    Args:
        client: The client.
    """

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        self._options: dict[str, float] = {}

    def put(self, view: memoryview) -> Any:
        """Scatter a buffer."""
        try:
            [kept] = self._client.scatter([view], hash=False, **self._options)
        except _import_distributed().TimeoutError:
            # The calls that wait for this one need not wait for workers as long.
            self._options = {"timeout": _INTERVAL}
            raise
        self._options = {}
        return kept

    def is_lost(self, reference: Any) -> bool:
        """Tell if the worker that had a buffer is gone."""
        return bool(reference.status != "finished")


class _Order:
    """A call that is to be sent.

    Args:
        call: The call.
        options: What the cluster is told of it.
        key: What the cluster calls it.
        module: The name of the module that serves it to a worker.

    Attributes:
        options: What the cluster is told of it.
        key: What the cluster calls it.
        views: The buffers.
        has_large_buffers: Whether the cluster keeps them.
        kept: What the cluster keeps of them.
        request: What a worker unpickles, with these as buffers.
        answer: What the answer will be.
    """

    def __init__(
        self, call: Call, options: dict[str, Any], key: str, module: str
    ) -> None:
        self.options = options
        self.key = key
        self.views = views = call.views()
        self.has_large_buffers = sum(view.nbytes for view in views) >= _LARGE
        self.kept: list[Kept] = []
        serving = _Serving(
            module,
            call.code.key,
            call.request,
            # Those of arrays that are read-only need not be copied to be so.
            [pickle.PickleBuffer(view.toreadonly()) for view in views],
        )
        leave_out: Any = [].append if self.has_large_buffers else None
        self.request = pickle.dumps(serving, 5, buffer_callback=leave_out)
        self.answer = Answer()


class _Serving:
    """A call of `bandsaw.runner.host.serve`, which is made where this is unpickled.

    Args:
        module: The name that the module has there.
        *arguments: The arguments.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._module = module
        self._arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return methodcaller("serve", *self._arguments), (_ByName(self._module),)


class _ByName:
    """A module, by its name.

    Args:
        name: The name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self._name,)


class _Sent:
    """A call on the cluster, with what it needs there."""

    def __init__(self, client: Any, future: Any, kept: list[Kept]) -> None:
        self._client = client
        self._future = future
        self._kept = kept

    def cancel(self) -> None:
        """Cancel it, without waiting for the scheduler."""
        # The future of a call that was cancelled may live on.
        self._kept = []
        client, future = self._client, self._future
        client.loop.add_callback(lambda: client.cancel([future], asynchronous=True))


def _import_distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "DaskAdvice needs distributed. Install the extra bandsaw[dask]."
        ) from error
    return distributed


def _client_of(given: Any) -> tuple[Any, bool]:
    """Return a client, and whether it is bandsaw's own."""
    distributed = _import_distributed()
    if callable(given):
        given = given()
    if given is not None and not isinstance(given, str):
        return given, False
    try:
        # In a task on Dask
        worker = distributed.get_worker()
    except (AttributeError, ValueError):
        pass
    else:
        if given in (None, worker.scheduler.address):
            return distributed.get_client(), False
    if given is None:
        try:
            return distributed.default_client(), False
        except ValueError:
            pass
    try:
        return distributed.Client(given, set_as_default=False), True
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"The scheduler of Dask at {given} does not answer: {error}"
        ) from error
