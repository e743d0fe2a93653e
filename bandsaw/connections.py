"""Connections: the words of commands that lead to a Python somewhere else.

A connection is a command that gives its standard input and output to a program on
another machine, in a container or in a job of a cluster, where nothing has to be
installed but a Python. These values make the words of such commands; they start nothing
and connect to nothing.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import namedtuple

from .exceptions import ConfigurationError, keyword_only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Callable, Iterable, Mapping, NoReturn, Sequence, Union

    Options = Mapping[str, Union[str, int, bool]]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# What every shell takes as it is. A backslash before a letter or a digit would be an
# escape sequence in fish.
_PLAIN = frozenset(_LETTERS + _LETTERS.upper() + "0123456789_./-")

# What ssh itself refuses in names, as its configuration may hand them to a shell
_NOT_IN_A_USER = frozenset("'`\";&<>|(){}")
_NOT_IN_A_HOST = _NOT_IN_A_USER | frozenset("$\\ ")

# The values that options of ssh may have. There is no terminal to ask on, a connection
# that others share waits for their end, and a weaker check of host keys belongs into
# ssh's own configuration.
_SSH_VALUES = {
    "batchmode": ("yes",),
    "controlmaster": ("no",),
    "forkafterauthentication": ("no",),
    "nohostauthenticationforlocalhost": ("no",),
    "remotecommand": ("none",),
    "requesttty": ("no",),
    "sessiontype": ("default",),
    "stdinnull": ("no",),
    "stricthostkeychecking": ("yes", "ask", "accept-new"),
}

# Without them, ssh would wait for a machine that is silent.
_SSH_DEFAULTS = {
    "ConnectTimeout": "30",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "10",
}

# The first ones would change how many interpreters there are, or what their standard
# streams are; the last ones are arguments of their own.
_NO_OPTIONS_OF_SRUN = (
    *("error", "input", "label", "multi-prog", "nodes", "ntasks", "output", "pty"),
    *("unbuffered", "gres", "partition", "time"),
)


class Event(namedtuple("Event", "kind job", defaults=(None,))):
    """A state of a job, reported by a line on a command's standard error.

    Attributes:
        kind: `queued` if a job waits for resources, `started` if it has got them,
            `cancelled` if it was cancelled, `time limit` if its time was over.
        job: The id of the job as text, `None` if the line does not tell it.
    """

    __slots__ = ()


class Connection(ABC):
    """A way to a Python somewhere else, by a command that runs here.

    A class of your own implements `wrap`, and makes values: equal if they lead to the
    same place, hashable, and never changed.

    Attributes:
        via: The connection to where the command runs, `None` if it runs here.
    """

    via: Connection | None = None

    @abstractmethod
    def wrap(self, words: Sequence[str]) -> list[str]:
        """Return the command that executes a program there.

        Its standard streams have to be those of the program. `shell_line` quotes what
        passes a shell on its way.

        Args:
            words: The program and its arguments.
        """

    def read(self, line: str) -> Event | None:
        """Translate a line that the command has written to its standard error.

        Args:
            line: The line.

        Returns:
            What it tells, `None` if it is a line like any other.
        """
        return None

    def ask(self, job: str) -> list[str] | None:
        """Return a command that prints the reason why a job is not started yet.

        Args:
            job: The id of the job, as an event has told it.

        Returns:
            The words of a command that runs here, `None` if there is none.
        """
        return None

    def cancel(self, job: str) -> list[str] | None:
        """Return a command that cancels a job.

        Args:
            job: The id of the job, as an event has told it.

        Returns:
            The words of a command that runs here, `None` if there is none.
        """
        return None

    def for_making(self) -> Connection:
        """Return a connection to where environments for this one are made.

        That is another place with the same files, where packages can be fetched. By
        default it is this connection itself.
        """
        return self


class _Value(Connection):
    """A connection that is given by its arguments."""

    def _set(self, via: Connection | None, **values: Any) -> None:
        if via is not None and not isinstance(via, Connection):
            raise _refusal(self, "a connection", "via", via)
        vars(self).update(values, via=via)

    def wrap(self, words: Sequence[str]) -> list[str]:
        """Return the command that executes a program there.

        Args:
            words: The program and its arguments.

        Raises:
            ConfigurationError: If a word cannot be passed on.
        """
        command = self._command(_program(f"{type(self).__name__}.wrap needs", words))
        return command if self.via is None else wrapped(self.via, command)

    @abstractmethod
    def _command(self, words: tuple[str, ...]) -> list[str]:
        """Return the command for the place that `via` connects to."""

    def read(self, line: str) -> Event | None:
        """Translate a line of the standard error; `via` can do it, too."""
        return None if self.via is None else self.via.read(line)

    def ask(self, job: str) -> list[str] | None:
        """Return a command that prints the reason why a job waits, if `via` has one."""
        return None if self.via is None else self.via.ask(job)

    def cancel(self, job: str) -> list[str] | None:
        """Return a command that cancels a job, if `via` has one."""
        return None if self.via is None else self.via.cancel(job)

    def for_making(self) -> Connection:
        """Return a connection to where environments for this one are made."""
        if self.via is None:
            return self
        other = object.__new__(type(self))
        vars(other).update(vars(self), via=self.via.for_making())
        return other

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__} cannot be changed, not even its {name}."
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot lose its {name}.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Value):
            return NotImplemented
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        arguments = [
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if value not in (None, "", ())
        ]
        return f"{type(self).__name__}({', '.join(arguments)})"


class Command(_Value):
    """A command that executes the words that follow it, without a shell.

    For example ``Command(["docker", "exec", "-i", "NAME"])``.

    Args:
        words: The command and its arguments.
        via: The connection to where the command runs. By default it runs here.

    Raises:
        ConfigurationError: If an argument is not what it should be.
    """

    words: tuple[str, ...]

    def __init__(self, words: Sequence[str], via: Connection | None = None) -> None:
        checked = _program("Command needs", words)
        if "" in checked:
            raise _refusal(self, "no empty word", "words", words)
        self._set(words=checked, via=via)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [*self.words, *words]


class Ssh(_Value):
    """Another machine, reached by the command ``ssh`` of OpenSSH.

    The user's configuration, agent, jump hosts and checks of host keys are in use as
    they are. ``ssh`` asks nothing, opens no terminal, and uses a shared connection that
    is there without making one. A program that begins with ``~/`` is below the home
    directory there.

    Args:
        host: The name or the address of the machine, or what ssh's configuration calls
            it.
        user: The user there. By default ssh decides, as for what follows.
        port: The port of the ssh server there.
        key_file: The file with the private key.
        options: More options of ``ssh_config`` by their names, like ``{"ProxyJump":
            "gate"}``.
        setup: Commands that are run there before, in one line for a login shell ``sh``.
            If they fail, the program is not started.
        via: The connection to where ``ssh`` runs. By default it runs here.

    Raises:
        ConfigurationError: If an argument is not what it should be.
    """

    host: str
    user: str | None
    port: int | None
    key_file: str | None
    options: tuple[tuple[str, str], ...]
    setup: str

    @keyword_only("user", "port", "key_file", "options", "setup", "via")
    def __init__(
        self,
        host: str,
        *,
        user: str | None = None,
        port: int | None = None,
        key_file: str | Path | None = None,
        options: Options | None = None,
        setup: str = "",
        via: Connection | None = None,
    ) -> None:
        if not _is_name(host, _NOT_IN_A_HOST):
            raise _refusal(self, "the name or address of a machine", "host", host)
        if user is not None and not _is_name(user, _NOT_IN_A_USER):
            raise _refusal(self, "the name of a user", "user", user)
        if port is not None and not (_is_number(port) and 0 < port < 2**16):
            raise _refusal(self, "a number from 1 to 65535", "port", port)
        if isinstance(key_file, os.PathLike):
            key_file = os.fspath(key_file)
        self._set(
            host=host,
            user=user,
            port=port,
            key_file=_optional(self, "a path", "key_file", key_file),
            options=_options(self, options, self._option),
            setup=_setup(self, setup),
            via=via,
        )

    def _option(self, name: str, value: object) -> str | None:
        """Return the value of an option, `None` if it is wrong."""
        if not (name.isascii() and name.isalnum()):
            return None
        if isinstance(value, bool):
            value = "yes" if value else "no"
        allowed = _SSH_VALUES.get(name.lower())
        if allowed is not None and str(value).lower() not in allowed:
            raise ConfigurationError(
                f"{type(self).__name__} allows {' or '.join(allowed)} for the option "
                f"{name}, and not {value!r}."
            )
        return str(value) if _is_number(value) or _is_line(value) else None

    def _command(self, words: tuple[str, ...]) -> list[str]:
        # Of the values of an option, ssh takes the first one.
        options = {"BatchMode": "yes", "ControlMaster": "no", **dict(self.options)}
        given = {name.lower() for name in options}
        for name, value in _SSH_DEFAULTS.items():
            if name.lower() not in given:
                options[name] = value
        command = ["ssh", "-T"]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        if self.port is not None:
            command += ["-p", str(self.port)]
        if self.key_file is not None:
            command += ["-i", self.key_file]
        if self.user is not None:
            command += ["-l", self.user]
        # Without `exec`, some shells stay and hide how the program ends.
        line = _program_line(_after_setup(self.setup, words))
        return [*command, self.host, f"exec {line}"]


class Slurm(_Value):
    """A job of Slurm on one node, run by the command ``srun``.

    Args:
        gres: The generic resources that the job needs, like ``gpu:1``.
        time: How long the job may run, as Slurm writes it, or in minutes.
        partition: The partition.
        options: More long options of ``srun``, like ``{"mem": "4G", "exclusive":
            True}``.
        setup: Commands that are run on the node before, in one line for a login shell
            ``sh``, like ``module load cuda``. If they fail, the program is not started.
        via: The connection to where ``srun`` runs, like ``Ssh("login")``. By default it
            runs here.

    Raises:
        ConfigurationError: If an argument is not what it should be.
    """

    gres: str | None
    time: str | None
    partition: str | None
    options: tuple[tuple[str, str], ...]
    setup: str

    @keyword_only("gres", "time", "partition", "options", "setup", "via")
    def __init__(
        self,
        *,
        gres: str | None = None,
        time: str | int | None = None,
        partition: str | None = None,
        options: Options | None = None,
        setup: str = "",
        via: Connection | None = None,
    ) -> None:
        if _is_number(time):
            time = str(time)
        self._set(
            gres=_optional(self, "generic resources", "gres", gres),
            time=_optional(self, "a time or a number of minutes", "time", time),
            partition=_optional(
                self, "the name of a partition", "partition", partition
            ),
            options=_options(self, options, self._option),
            setup=_setup(self, setup),
            via=via,
        )

    def _option(self, name: str, value: object) -> str | None:
        """Return the value of an option, empty for a switch, `None` if it is wrong."""
        letters = name.replace("-", "")
        if not (name[:1] in _LETTERS and letters.isascii() and letters.isalnum()):
            return None
        # Slurm understands the beginning of an option's name, too.
        if any(other.startswith(name) for other in _NO_OPTIONS_OF_SRUN):
            raise ConfigurationError(
                f"{type(self).__name__} does not allow the option {name!r}: it is an "
                "argument, or it would change what is started."
            )
        if value is True:
            return ""
        return str(value) if _is_number(value) or _is_line(value) else None

    def _command(self, words: tuple[str, ...]) -> list[str]:
        # Without `-u`, what is written is kept back until there is a whole line.
        command = ["srun", "-n1", "-N1", "-u"]
        for name in ("gres", "time", "partition"):
            value = getattr(self, name)
            if value is not None:
                command.append(f"--{name}={value}")
        for name, value in self.options:
            command.append(f"--{name}={value}" if value else f"--{name}")
        return [*command, *_after_setup(self.setup, words)]

    def read(self, line: str) -> Event | None:
        """Translate what ``srun`` reports about a job."""
        words = line.split()
        if words[:2] == ["srun:", "job"]:
            if words[3:4] == ["queued"]:
                return Event("queued", words[2])
            if words[3:6] == ["has", "been", "allocated"]:
                return Event("started", words[2])
        # All that there is, when the job ends at once
        if line.startswith(("srun: Job has been cancelled", "srun: Job step aborted")):
            return Event("cancelled")
        if words[:3] == ["srun:", "Job", "allocation"] and words[-1] == "revoked":
            return Event("cancelled", words[3])
        if "CANCELLED" in words and words[0].startswith("slurmstepd"):
            kind = "time limit" if "DUE TO TIME LIMIT" in line else "cancelled"
            return Event(kind, _after(words, ("STEP", "JOB")))
        return super().read(line)

    def for_making(self) -> Connection:
        """Return a connection to where ``srun`` runs, after the same setup.

        The nodes share its files, and often have no way to an index of packages.
        """
        via = None if self.via is None else self.via.for_making()
        return _Here(self.setup, via)

    def ask(self, job: str) -> list[str]:
        """Return the ``squeue`` that prints the reason why a job waits."""
        return self._about(job, ["squeue", "-h", "-o", "%r", "-j"])

    def cancel(self, job: str) -> list[str]:
        """Return the ``scancel`` that cancels a job."""
        return self._about(job, ["scancel"])

    def _about(self, job: str, words: list[str]) -> list[str]:
        if not job.isdigit():
            raise ConfigurationError(f"{job!r} is no id of a job of Slurm.")
        words = [*words, job]
        return words if self.via is None else wrapped(self.via, words)


def wrapped(connection: Connection, words: Sequence[str]) -> list[str]:
    """Return the command that executes a program at the far end of a connection.

    Args:
        connection: The connection, maybe of a class of the user's.
        words: The program and its arguments.

    Raises:
        ConfigurationError: If it returns something else.
    """
    return list(
        _program(
            f"{type(connection).__name__}.wrap has to return", connection.wrap(words)
        )
    )


class _Here(_Value):
    """The place where the command of a connection runs.

    Args:
        setup: Commands that are run there before.
        via: The connection to there.
    """

    setup: str

    def __init__(self, setup: str, via: Connection | None) -> None:
        self._set(setup=setup, via=via)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return list(_after_setup(self.setup, words))


def shell_line(words: Iterable[str]) -> str:
    """Return a line that a shell takes apart into these words, whichever shell it is.

    The shells are bash, dash and others like that of POSIX, tcsh and fish;
    `shlex.quote` is right for the first ones only.

    Args:
        words: The words.

    Raises:
        ConfigurationError: If there is a newline in a word, as tcsh cannot take it.
    """
    quoted = []
    for number, word in enumerate(words, 1):
        if "\n" in word:
            raise ConfigurationError(
                f"There is a newline in word {number}, {word!r}, which not every shell "
                "can be given."
            )
        quoted.append("".join(map(_quoted, word)) or "''")
    return " ".join(quoted)


def _quoted(letter: str) -> str:
    # To fish, the white space of all languages separates words.
    if letter in _PLAIN or (letter > "\x7f" and not letter.isspace()):
        return letter
    return f"\\{letter}"


def _program_line(words: Iterable[str]) -> str:
    """Return the line of a shell for a program, which may be below the home."""
    line = shell_line(words)
    return line[1:] if line.startswith("\\~/") else line


def _after_setup(setup: str, words: Sequence[str]) -> Sequence[str]:
    """Return the words that execute others after commands of a shell.

    A comment at the end of the commands ends with them. They do not see the words as
    arguments, which a script that they read would take for its own, and do not touch
    what the program is to read and to write.
    """
    if not setup:
        return words
    program = _program_line(words)
    return ("sh", "-lc", f"eval {shell_line([setup])} </dev/null >&2 && exec {program}")


def _program(demand: str, words: Any) -> tuple[str, ...]:
    """Return words that begin with the name of a program.

    `demand` begins the sentence of an error, e.g. with ``Command needs``.
    """
    if isinstance(words, (str, bytes)) or not hasattr(words, "__iter__"):
        raise ConfigurationError(f"{demand} a list of words, and not {words!r}.")
    program: tuple[str, ...] = tuple(words)
    for number, word in enumerate(program, 1):
        if not _is_word(word):
            raise ConfigurationError(
                f"{demand} words of text without a NUL character, and not "
                f"{word!r} as word {number}."
            )
    if not program or not program[0] or program[0].startswith("-"):
        raise ConfigurationError(
            f"{demand} words that begin with a program, and not {words!r}."
        )
    return program


def _is_word(word: object) -> bool:
    """Tell if an argument of a program can be something."""
    if not isinstance(word, str) or "\0" in word:
        return False
    try:
        word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _is_line(word: object) -> bool:
    return _is_word(word) and word != "" and len(str(word).splitlines()) == 1


def _is_name(word: Any, forbidden: frozenset[str]) -> bool:
    """Tell if a name is one of a machine or a user, not an option or a trap."""
    return (
        _is_line(word)
        and word.isprintable()
        and not word.startswith("-")
        and not forbidden.intersection(word)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _refusal(
    owner: object, what: str, argument: str, value: object
) -> ConfigurationError:
    return ConfigurationError(
        f"{type(owner).__name__} needs {what} as {argument}, and not {value!r}."
    )


def _optional(owner: object, what: str, argument: str, value: Any) -> str | None:
    if value is not None and not _is_line(value):
        raise _refusal(owner, what, argument, value)
    text: str | None = value
    return text


def _setup(owner: object, value: Any) -> str:
    if value != "" and not _is_line(value):
        raise _refusal(owner, "one line, with `;` or `&&`,", "setup", value)
    text: str = value
    return text


def _options(
    owner: object, options: Any, check: Callable[[str, object], str | None]
) -> tuple[tuple[str, str], ...]:
    """Return options as pairs, in an order that does not depend on the given one."""
    try:
        given = dict(options or ())
    except (TypeError, ValueError):
        raise _refusal(owner, "a dictionary", "options", options) from None
    pairs = []
    for name, value in given.items():
        text = check(name, value) if isinstance(name, str) else None
        if text is None:
            raise _refusal(
                owner, "names with one text or number each", "options", options
            )
        pairs.append((name, text))
    return tuple(sorted(pairs))


def _after(words: list[str], marks: Iterable[str]) -> str | None:
    """Return the number of the job that follows one of some words."""
    for mark in marks:
        if mark in words[:-1]:
            return words[words.index(mark) + 1].split(".")[0]
    return None
