"""The words of connections; `tests/far` executes them."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Sequence

import pytest
from hypothesis import given

from bandsaw.connections import (
    Command,
    Connection,
    Event,
    Slurm,
    Ssh,
    shell_line,
    wrapped,
)
from bandsaw.exceptions import ConfigurationError
from tests.words import NASTY_WORDS, TELLS_ITS_WORDS, any_words

PYTHON = ["python3", "-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"]

CANCELLED = "slurmstepd-a: error: *** STEP 12.0 ON a CANCELLED AT 2026-11-30T10:00:00"


def told_by(command: Sequence[str]) -> Any:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def told_by_shell(line: str, shell: str = "sh") -> Any:
    return told_by([shell, "-c", line])


def test_a_shell_takes_a_line_apart_into_the_same_words() -> None:
    line = shell_line([*TELLS_ITS_WORDS, *NASTY_WORDS])

    assert told_by_shell(line) == NASTY_WORDS


@given(words=any_words)
def test_a_shell_takes_a_line_of_any_words_apart(words: list[str]) -> None:
    assert told_by_shell(shell_line([*TELLS_ITS_WORDS, *words])) == words


def test_a_shell_line_leaves_plain_words_readable() -> None:
    assert shell_line(["/usr/bin/python3", "-m", "a_b.c"]) == (
        "/usr/bin/python3 -m a_b.c"
    )


def test_a_shell_line_refuses_a_newline_and_names_the_word() -> None:
    with pytest.raises(ConfigurationError, match=r"word 2, 'a\\nb'"):
        shell_line(["echo", "a\nb"])


def test_a_command_stands_before_the_words() -> None:
    container = Command(["docker", "exec", "-i", "NAME"])

    assert container.wrap(PYTHON) == ["docker", "exec", "-i", "NAME", *PYTHON]


def test_a_command_passes_every_word_on_as_it_is() -> None:
    command = Command(["env"]).wrap([*TELLS_ITS_WORDS, *NASTY_WORDS, "a\nb"])

    assert told_by(command) == [*NASTY_WORDS, "a\nb"]


def test_a_command_runs_where_via_leads_to() -> None:
    inner = Command(["nice"], via=Command(["env", "A=1"]))

    assert inner.wrap(["python3"]) == ["env", "A=1", "nice", "python3"]


@pytest.mark.parametrize(
    "words",
    ["docker exec", b"docker", None, [], [""], ["docker", ""], ["-i"], ["a\0b"]],
)
def test_a_command_refuses_what_is_no_command(words: Any) -> None:
    with pytest.raises(ConfigurationError, match="Command needs"):
        Command(words)


def test_a_command_refuses_a_word_that_is_no_text_and_says_which() -> None:
    with pytest.raises(ConfigurationError, match=r"not 5 as word 2"):
        Command(["nice", 5])  # type: ignore[list-item]


@pytest.mark.parametrize("words", [[], [""], ["-c"], ["a\0"], "python3", ["\ud800"]])
def test_a_command_wraps_no_words_without_a_program(words: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Command\.wrap needs"):
        Command(["nice"]).wrap(words)


@pytest.mark.parametrize("words", [None, "docker exec box", [], ["docker", 1]])
def test_words_that_a_connection_of_ones_own_may_not_make_are_refused(
    words: Any,
) -> None:
    class Box(Connection):
        def wrap(self, program: Sequence[str]) -> Any:
            return words

    with pytest.raises(ConfigurationError, match=r"^Box\.wrap has to return .*words"):
        wrapped(Box(), ["python3"])
    with pytest.raises(ConfigurationError, match=r"^Box\.wrap has to return .*words"):
        Command(["env"], via=Box()).wrap(["python3"])


def test_a_command_refuses_a_via_that_is_no_connection() -> None:
    with pytest.raises(ConfigurationError, match="a connection as via"):
        Command(["nice"], via="login")  # type: ignore[arg-type]


def test_ssh_asks_nothing_and_opens_no_terminal() -> None:
    assert Ssh("far").wrap(["python3", "-c", "1 + 1"]) == [
        *("ssh", "-T", "-o", "BatchMode=yes", "-o", "ControlMaster=no"),
        *("-o", "ConnectTimeout=30", "-o", "ServerAliveCountMax=3"),
        *("-o", "ServerAliveInterval=10", "far", r"exec python3 -c 1\ \+\ 1"),
    ]


def test_ssh_names_user_port_and_key(tmp_path: Path) -> None:
    words = Ssh("far", user="me", port=2222, key_file=tmp_path / "key").wrap(
        ["python3"]
    )

    assert words[-8:] == [
        *("-p", "2222", "-i", str(tmp_path / "key"), "-l", "me"),
        *("far", "exec python3"),
    ]


def test_ssh_takes_options_in_place_of_its_own() -> None:
    options = {"serveraliveinterval": 2, "ForwardAgent": False, "BatchMode": True}

    words = Ssh("far", options=options).wrap(["python3"])

    assert "serveraliveinterval=2" in words
    assert "ServerAliveInterval=10" not in words
    assert "ForwardAgent=no" in words
    assert words.count("BatchMode=yes") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BatchMode", "no"),
        ("batchmode", False),
        ("ControlMaster", "auto"),
        ("RequestTTY", "force"),
        ("StrictHostKeyChecking", "no"),
        ("StrictHostKeyChecking", "Off"),
        ("NoHostAuthenticationForLocalhost", True),
        ("RemoteCommand", "tmux"),
    ],
)
def test_ssh_refuses_options_that_weaken_or_break_it(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Ssh allows .* {name}, and not"):
        Ssh("far", options={name: value})


@pytest.mark.parametrize(
    "options",
    [
        *("Port=22", 5, ["Port"], {"Proxy Jump": "x"}, {"": "x"}, {5: "x"}),
        *({"ProxyJump": "a\nb"}, {"ProxyJump": ""}, {"ProxyJump": None}),
    ],
)
def test_ssh_refuses_what_is_no_option(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Ssh needs .* as options"):
        Ssh("far", options=options)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("host", host) for host in ("", "-oProxyCommand=id", None, 5, "a b")),
        *(("host", host) for host in ("a\nb", "a\0b", "$(id)", "a;b", "\ta")),
        *(("user", user) for user in ("", "-l", 5, "a\nb", "a\0b", "`id`", "a|b")),
        *(("port", port) for port in (0, -1, 65536, "22", True, 2.0)),
        *(("key_file", file) for file in ("", 5, "a\0b", "a\nb")),
        *(("setup", text) for text in (None, 5, "a\nb", "a\0b", ["a"])),
        ("via", "gate"),
    ],
)
def test_ssh_refuses_what_would_be_taken_for_something_else(
    argument: str, value: Any
) -> None:
    with pytest.raises(ConfigurationError, match=f"Ssh needs .* as {argument}, and"):
        Ssh(**{"host": "far", argument: value})


@pytest.mark.parametrize(
    "host", ["far", "me@far", "10.0.0.1", "fe80::1%eth0", "far.example", "fär"]
)
def test_ssh_takes_names_and_addresses(host: str) -> None:
    assert host in Ssh(host).wrap(["python3"])


def test_ssh_refuses_to_pass_a_newline() -> None:
    with pytest.raises(ConfigurationError, match="newline in word 3"):
        Ssh("far").wrap(["python3", "-c", "a\nb"])


def test_ssh_quotes_once_for_each_machine() -> None:
    words = Ssh("inner", via=Ssh("outer")).wrap([*TELLS_ITS_WORDS, *NASTY_WORDS])

    # The second machine gets what a shell on the first one makes of its line.
    line = words[-1].replace("exec ssh", shell_line(TELLS_ITS_WORDS), 1)
    *others, inner_line = told_by_shell(line)
    assert others[-1] == "inner"
    assert told_by_shell(inner_line) == NASTY_WORDS


def test_slurm_starts_one_process_that_is_not_buffered() -> None:
    assert Slurm().wrap(PYTHON) == ["srun", "-n1", "-N1", "-u", *PYTHON]


def test_slurm_is_told_what_the_job_needs() -> None:
    job = Slurm(
        gres="gpu:1",
        time=10,
        partition="short",
        options={"mem": "4G", "exclusive": True, "nice": 5},
    )

    assert job.wrap(["python3"])[4:] == [
        *("--gres=gpu:1", "--time=10", "--partition=short"),
        *("--exclusive", "--mem=4G", "--nice=5", "python3"),
    ]


def test_slurm_is_quoted_for_the_machine_that_it_is_reached_by() -> None:
    words = Slurm(via=Ssh("login")).wrap(["python3", "a b"])

    assert words[-2:] == ["login", r"exec srun -n1 -N1 -u python3 a\ b"]


@pytest.mark.parametrize(
    "name",
    ["ntasks", "nodes", "label", "lab", "pty", "output", "out", "time", "gres"],
)
def test_slurm_refuses_options_that_change_what_is_started(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"does not allow .*'{name}'"):
        Slurm(options={name: "1"})


@pytest.mark.parametrize(
    "options",
    [
        *(
            "--mem=4G",
            {"--mem": "4G"},
            {"cpus_per_task": 4},
            {"mem": ""},
            {"": "1"},
        ),
        *({"mem": False}, {"mem": None}, {"mem": "4\nG"}, {"mem": -1}, {5: "1"}),
    ],
)
def test_slurm_refuses_what_is_no_option(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Slurm needs .* as options"):
        Slurm(options=options)


@pytest.mark.parametrize("argument", ["gres", "time", "partition", "setup"])
@pytest.mark.parametrize("value", [5.5, b"a", "a\nb", "a\0b", ["a"], True])
def test_slurm_refuses_arguments_of_another_kind(argument: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"Slurm needs .* as {argument}"):
        Slurm(**{argument: value})


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("srun: job 12 queued and waiting for resources\n", Event("queued", "12")),
        ("srun: job 12 has been allocated resources", Event("started", "12")),
        (
            f"{CANCELLED} ***",
            Event("cancelled", "12"),
        ),
        (
            f"{CANCELLED} DUE TO TIME LIMIT ***",
            Event("time limit", "12"),
        ),
        ("srun: Job has been cancelled", Event("cancelled")),
        (
            "srun: Job step aborted: Waiting up to 32 seconds for job step to finish.",
            Event("cancelled"),
        ),
        ("srun: Job allocation 12 has been revoked", Event("cancelled", "12")),
        ("srun: error: node1: task 0: Killed", None),
        ("CANCELLED", None),
        ("srun: job", None),
        ("", None),
    ],
)
def test_slurm_translates_what_srun_says(line: str, event: Event | None) -> None:
    assert Slurm().read(line) == event


def test_slurm_is_understood_through_what_runs_in_the_job() -> None:
    container = Command(["apptainer", "exec", "image"], via=Slurm(via=Ssh("login")))

    assert container.read("srun: job 5 queued and waiting") == ("queued", "5")
    assert container.ask("5") == Slurm(via=Ssh("login")).ask("5")
    assert container.cancel("5") == Slurm(via=Ssh("login")).cancel("5")


def test_slurm_asks_for_the_reason_where_srun_runs() -> None:
    assert Slurm().ask("5") == ["squeue", "-h", "-o", "%r", "-j", "5"]
    assert Slurm(via=Ssh("login")).ask("5")[-2:] == [
        "login",
        r"exec squeue -h -o \%r -j 5",
    ]
    assert Slurm().cancel("5") == ["scancel", "5"]


def test_slurm_asks_about_jobs_only() -> None:
    with pytest.raises(ConfigurationError, match="'--all' is no id"):
        Slurm().cancel("--all")


def by_slurm(setup: str) -> Callable[[list[str]], Any]:
    # What stands before it, `srun` executes as it is.
    return lambda words: told_by(Slurm(setup=setup).wrap(words)[4:])


def by_ssh(setup: str) -> Callable[[list[str]], Any]:
    return lambda words: told_by_shell(Ssh("far", setup=setup).wrap(words)[-1])


@pytest.mark.parametrize("told", [by_slurm, by_ssh])
def test_words_arrive_as_they_are_after_a_setup(
    told: Callable[[str], Callable[[list[str]], Any]],
) -> None:
    assert told("true")([*TELLS_ITS_WORDS, *NASTY_WORDS]) == NASTY_WORDS


@pytest.mark.parametrize("told", [by_slurm, by_ssh])
@pytest.mark.parametrize(
    "setup",
    [
        *("export A='b c'", "A='b c'; export A;", "export A='b c' # why"),
        *("export A='b c' && echo said", "export A='b c' && read line || true"),
        "test \"$#\" = 0 && export A='b c'",
    ],
)
def test_the_commands_of_a_setup_run_before(
    told: Callable[[str], Callable[[list[str]], Any]], setup: str
) -> None:
    code = "import json,os,sys;print(json.dumps([os.environ['A'],sys.argv[1:]]))"

    assert told(setup)([sys.executable, "-c", code, "$A"]) == ["b c", ["$A"]]


@pytest.mark.parametrize("told", [by_slurm, by_ssh])
def test_a_setup_that_fails_keeps_the_program_from_starting(
    told: Callable[[str], Callable[[list[str]], Any]],
) -> None:
    with pytest.raises(json.JSONDecodeError):
        told("false")([*TELLS_ITS_WORDS, "a"])


VALUES = [
    Command(["nice", "-n", "5"], via=Ssh("far")),
    Ssh(
        "far",
        user="me",
        port=22,
        key_file="key",
        options={"Compression": "yes"},
        setup="true",
        via=Ssh("gate"),
    ),
    Slurm(
        gres="gpu:1",
        time="1:00",
        partition="long",
        options={"mem": "4G"},
        setup="module load a",
        via=Ssh("login"),
    ),
]


def test_environments_are_made_where_srun_runs_after_the_same_setup() -> None:
    login = Ssh("login")
    inside = Command(["apptainer", "exec", "i.sif"], via=Slurm(setup="a b", via=login))
    after_setup = [*inside.words, "python3"]

    assert login.for_making() is login
    assert Slurm(gres="gpu:1").for_making().wrap(["python3"]) == ["python3"]
    assert Slurm(via=login).for_making().wrap(PYTHON) == login.wrap(PYTHON)
    assert inside.for_making().wrap(["python3"]) == login.wrap(
        ["sh", "-lc", rf"eval a\ b </dev/null >&2 && exec {' '.join(after_setup)}"]
    )


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_equal_arguments_make_equal_values(value: Connection) -> None:
    arguments = vars(value)

    other = type(value)(**arguments)

    assert (other, hash(other)) == (value, hash(value))
    assert len({value, other}) == 1


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_another_argument_makes_another_value(value: Connection) -> None:
    other = type(value)(**{**vars(value), "via": None})

    assert other != value


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_the_representation_of_a_value_makes_it_again(value: Connection) -> None:
    assert eval(repr(value)) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_value_survives_pickle_and_copy(value: Connection) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_value_never_changes(value: Connection) -> None:
    with pytest.raises(AttributeError, match="not even its via"):
        value.via = None
    with pytest.raises(AttributeError, match="cannot lose its via"):
        del value.via
    assert value.via is not None


def test_a_representation_leaves_out_what_was_not_given() -> None:
    assert repr(Slurm(via=Ssh("login"))) == "Slurm(via=Ssh(host='login'))"


def test_options_are_copied_and_their_order_is_ignored() -> None:
    options = {"mem": "4G", "nice": "5"}
    job = Slurm(options=options)
    options["mem"] = "8G"

    assert job == Slurm(options={"nice": 5, "mem": "4G"})


def test_values_of_different_classes_differ() -> None:
    assert Command(["ssh"]) != Ssh("ssh")
    assert Slurm() != "srun"


def test_a_class_of_ones_own_implements_one_method() -> None:
    class Nice(Connection):
        def wrap(self, words: Sequence[str]) -> list[str]:
            return ["nice", *words]

    connection = Command(["env"], via=Nice())

    assert told_by(connection.wrap([*TELLS_ITS_WORDS, "a b"])) == ["a b"]
    assert connection.read("srun: job 5 queued and waiting for resources") is None
    assert connection.ask("5") is None
    assert connection.cancel("5") is None


def test_undecodable_words_arrive_as_the_same_bytes() -> None:
    word = os.fsdecode(b"\xff\x80")

    assert told_by_shell(shell_line([*TELLS_ITS_WORDS, word])) == [word]
