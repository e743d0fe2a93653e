"""The code of a user, as the type checkers see it.

It is checked, never run. A comment ``# is: TYPE`` behind a `reveal_type` is what both
checkers say there, in the notation of pyright; ``tests/test_typing.py`` compares it.
An error that both must report carries a ``type: ignore``: one that is not needed is an
error, too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Callable

import bandsaw
from bandsaw.result import Result
from bandsaw.session import Session

if TYPE_CHECKING:
    from typing_extensions import reveal_type


@bandsaw.task
def plain(x: int, *, name: str = "") -> str:
    return name * x


@bandsaw.task()
def with_empty_call(x: int) -> str:
    return str(x)


@bandsaw.task(config="my.config", chain="gpu", cache=False, version=1)
def with_parameters(x: int) -> list[str]:
    return [str(x)]


def undecorated(x: int) -> bytes:
    return bytes(x)


reveal_type(plain.is_cached(1, name="a"))  # is: bool
reveal_type(plain.explain(1).is_hit)  # is: bool
reveal_type(plain.forget(1))  # is: int
plain.is_cached("a")  # type: ignore[arg-type]

called = bandsaw.task(undecorated)
called_with_chain = bandsaw.task(undecorated, chain="gpu")


@bandsaw.task
async def asynchronous(x: int) -> str:
    await asyncio.sleep(0)
    return str(x)


class Model:
    @bandsaw.task
    def fit(self, rounds: int) -> float:
        return 1.0 / rounds

    @bandsaw.task(cache=False)
    def score(self, rounds: int) -> float:
        return 1.0 / rounds

    @staticmethod
    @bandsaw.task
    def load(path: str) -> bytes:
        return path.encode()

    @classmethod
    @bandsaw.task
    def create(cls, size: int) -> Model:
        return cls()

    @bandsaw.task
    async def predict(self, rows: list[int]) -> list[float]:
        return [float(row) for row in rows]


# The call has the signature of the function.

reveal_type(plain(1, name="a"))  # is: str
reveal_type(with_empty_call(1))  # is: str
reveal_type(with_parameters(1))  # is: list[str]
reveal_type(called(1))  # is: bytes
reveal_type(called_with_chain(1))  # is: bytes
reveal_type(Model().fit(3))  # is: float
reveal_type(Model().fit(rounds=3))  # is: float
reveal_type(Model().score(3))  # is: float
reveal_type(Model.fit(Model(), 3))  # is: float
reveal_type(Model.load("a"))  # is: bytes


async def awaits() -> None:
    reveal_type(await asynchronous(1))  # is: str
    reveal_type(await Model().predict([1]))  # is: list[float]


# A submitted call has that signature, too.

reveal_type(plain.submit(1, name="a"))  # is: Future[str]
reveal_type(plain.submit(1).result())  # is: str
reveal_type(Model().fit.submit(rounds=3).result(1.5))  # is: float
reveal_type(Model.load.submit("a"))  # is: Future[bytes]
plain.submit("1")  # type: ignore[arg-type]
Model().fit.submit("3")  # type: ignore[arg-type]
reveal_type(plain.map([1], buffersize=2))  # is: Results[str]
reveal_type(list(Model().fit.map(range(3))))  # is: list[float]
reveal_type(next(Model.load.map_unordered(["a"])))  # is: bytes


async def awaits_submitted() -> None:
    reveal_type(await plain.submit(1))  # is: str


def takes(future: bandsaw.Future[object]) -> None:
    future.cancel()


takes(plain.submit(1))

# So wrong arguments are found.

plain("1")  # type: ignore[arg-type]
plain(1, "a")  # type: ignore[call-arg]
plain()  # type: ignore[call-arg]
with_parameters(1, 2)  # type: ignore[call-arg]
called("a")  # type: ignore[arg-type]
Model().fit("3")  # type: ignore[arg-type]
Model.load(1)  # type: ignore[arg-type]
asynchronous("1")  # type: ignore[arg-type, unused-coroutine]
bandsaw.task(1)  # type: ignore[call-overload]


# What the decorator adds is known, too.

reveal_type(plain.__wrapped__(1))  # is: str
reveal_type(plain.bandsaw_configuration)  # is: Configuration


# A decorated function goes wherever a function goes.


def twice(function: Callable[[int], bytes]) -> bytes:
    return function(1) + function(2)


twice(called)
twice(plain)  # type: ignore[arg-type]


class Stopwatch(bandsaw.Advice):
    def before(self, session: Session) -> None:
        session.context["started"] = 1.5
        session.proceed()

    def after(self, session: Session) -> None:
        if session.result.exception is not None:
            session.conclude(Result(value=None))
            return
        session.proceed()


class Watcher(bandsaw.Extension):
    def on_init(self, configuration: bandsaw.Configuration) -> None:
        pass

    def on_session_finished(self, session: Session) -> None:
        reveal_type(session.session_id)  # is: str
        reveal_type(session.run_id)  # is: str


class Version(bandsaw.SerializableValue):
    def __init__(self, text: str) -> None:
        self.text = text

    def serialized(self) -> Any:
        return {"text": self.text}

    @classmethod
    def deserialize(cls, values: Any) -> Version:
        return cls(values["text"])


class Upper(bandsaw.PickleSerializer):
    def serialize(self, value: Any, stream: IO[bytes]) -> None:
        super().serialize(value, stream)


configuration = (
    bandsaw.Configuration()
    .add_advice_chain(
        Stopwatch(),
        bandsaw.advices.log.LoggingAdvice(),
        bandsaw.advices.cache.CachingAdvice("/tmp/cache"),
        bandsaw.advices.subprocess.SubprocessAdvice(
            interpreter=bandsaw.Interpreter(executable="/usr/bin/python3")
        ),
        name="gpu",
    )
    .add_extension(Watcher())
    .add_extension(bandsaw.timestamps.TimestampsExtension())
    .set_serializer(bandsaw.JsonSerializer())
    .add_modules_for_distribution("my.package", "my.other")
    .set_temp_directory("/tmp")
    .set_concurrency(4)
    .set_concurrency(2, "gpu")
)
reveal_type(configuration)  # is: Configuration
reveal_type(bandsaw.get_configuration())  # is: Configuration
reveal_type(bandsaw.get_configuration("my.config"))  # is: Configuration
reveal_type(bandsaw.get_run_id())  # is: str
reveal_type(bandsaw.identifier_from_string("a"))  # is: str
reveal_type(bandsaw.__version__)  # is: str
bandsaw.set_run_id("my run")

# Environments are accepted wherever an interpreter is.

old = bandsaw.environments.Environment(
    ">=3.8,<3.10",
    ["six ==1.15", "./mylib[plot]"],
    requirements_file=Path("requirements.txt"),
    constraints=["numpy <2"],
    lock="my.lock",
    index_url="https://host/simple",
    find_links=[Path("wheels"), "more"],
    name="old",
)
new = bandsaw.environments.Environment(Path("/usr/bin/python3"), constraints="six<2")
reveal_type(old.interpreter())  # is: Interpreter
reveal_type(old.interpreter().executable)  # is: str
reveal_type(old.label)  # is: str
reveal_type(old == new)  # is: bool
bandsaw.environments.Environment(3.8)  # type: ignore[arg-type]

environments = bandsaw.advices.subprocess.SubprocessAdvice(interpreter=old, workers=2)
environments.add_interpreter(new, name="new")
bandsaw.advices.subprocess.SubprocessAdvice("/x/python")  # type: ignore[call-arg]


@bandsaw.task(environment=old)
def in_environment(x: int) -> str:
    return str(x)


@bandsaw.task(environment="inline", chain="gpu")
async def in_inline_environment(x: int) -> bytes:
    return bytes(x)


reveal_type(in_environment(1))  # is: str

optional: str | None = bandsaw.advices.cache.CachingAdvice("a").directory.name
