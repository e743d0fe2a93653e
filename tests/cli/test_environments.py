"""Commands that look at environments, given to a real interpreter."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bandsaw.cli import main
from bandsaw.runtime import fork

from ..environments.wheels import make_wheel
from ..interpreters import with_the_newest_python_only
from ..workflows import Workflow, write_files

pytestmark = [
    pytest.mark.usefixtures("own_home"),
    with_the_newest_python_only,
]

CONFIG = """
import os
import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice
from bandsaw.environments import Environment

here = os.path.dirname(os.path.abspath(__file__))
index = {"find_links": ["packages"], "index_url": f"file://{here}/empty"}

first = Environment(requirements=["tool ==1.0"], name="first tool", **index)
any_tool = Environment(requirements=["tool"], name="any tool", **index)
empty = Environment(name="empty")

configuration = bandsaw.Configuration().add_advice_chain(
    SubprocessAdvice(interpreter=any_tool).add_interpreter(first, name="first")
)
"""

TOOL = """
def main():
    print("tool 1.0")
"""


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    """A project whose configuration declares three environments."""
    project = tmp_path / "a project"
    write_files(project, {"bandsaw_config.py": CONFIG})
    (project / "empty").mkdir()
    make_wheel(project / "packages", "tool", "1.0", code=TOOL)
    return project


def env(project: Path, *words: str, status: int = 0, input: str = "") -> Any:
    """Give a command to the command line in this process, below another directory."""
    # Two configurations may be written within one tick of the file system's clock.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "dont_write_bytecode", True)
        done = CliRunner().invoke(main, ["env", *words], input)
    # As if it were another process.
    fork.reset()
    sys.modules.pop("bandsaw_config", None)
    assert done.exit_code == status, done.output
    return done


def run_in(project: Path, *words: str, **options: Any) -> Any:
    """Run a command in an environment, by a process that it replaces."""
    return Workflow(project).python("-m", "bandsaw", "env", "run", *words, **options)


def listed(project: Path, *words: str) -> list[Any]:
    found: list[Any] = json.loads(env(project, "list", "--json", *words).stdout)
    return found


def test_declared_environments_are_listed_before_and_after_they_are_made(
    project: Path,
) -> None:
    before = listed(project)
    env(project, "lock", "first")
    env(project, "create", "empty")
    after = {one["name"]: one for one in listed(project)}

    assert [one["name"] for one in before] == ["any tool", "first tool", "empty"]
    assert {one["state"] for one in before} == {"not locked"}
    assert after["any tool"]["state"] == "not locked"
    assert after["first tool"]["state"] == "locked"
    assert after["first tool"]["packages"] == {"tool": "1.0"}
    assert after["empty"]["state"] == "made"
    assert after["empty"]["size"] > 0
    lines = env(project, "list").stdout.splitlines()
    assert lines[0] == "name\tstate\tpython\tpackages\tsize\tmade\tused"
    assert len(lines) == 4


def test_show_tells_all_of_an_environment_by_the_beginning_of_its_name(
    project: Path,
) -> None:
    env(project, "create", "first tool")

    (facts,) = json.loads(env(project, "show", "fir", "--json").stdout)
    text = env(project, "show", "first tool").stdout
    by_id = env(project, "show", facts["id"][:10]).stdout

    assert facts["requirements"] == ["tool ==1.0"]
    assert facts["packages"] == {"tool": "1.0"}
    assert facts["lock"] == str(project / "bandsaw.lock")
    assert Path(facts["path"]).is_dir()
    assert Path(facts["interpreter"]) == Path(facts["path"], "bin", "python")
    assert os.access(facts["base"], os.X_OK)
    assert "tool\t1.0" in text
    assert by_id.splitlines()[:3] == text.splitlines()[:3]


def test_create_makes_what_it_says(project: Path) -> None:
    made = json.loads(env(project, "create", "--json").stdout)

    assert set(made) == {"any tool", "first tool", "empty"}
    for executable in made.values():
        done = Workflow(project).python("-c", "print(1)", python=executable)
        assert done.stdout == "1\n"


def test_lock_keeps_what_is_locked_until_it_is_told_to_choose_anew(
    project: Path,
) -> None:
    first = env(project, "lock", "any tool").stdout
    make_wheel(project / "packages", "tool", "2.0")

    again = env(project, "lock", "any tool").stdout
    upgraded = env(project, "lock", "--upgrade").stdout

    assert first == "any tool:\n  tool absent -> 1.0\n"
    assert again == "any tool: nothing has changed\n"
    assert upgraded == (
        "any tool:\n  tool 1.0 -> 2.0\n"
        "first tool:\n  tool absent -> 1.0\n"
        "empty: nothing has changed\n"
    )


def test_an_outdated_lock_is_refused_and_mended(project: Path) -> None:
    env(project, "lock", "first tool")
    make_wheel(project / "packages", "tool", "2.0")
    config = project / "bandsaw_config.py"
    config.write_text(config.read_text().replace("tool ==1.0", "tool ==2.0"))

    refused = env(project, "lock", "first tool", status=1)
    (one,) = [one for one in listed(project) if one["name"] == "first tool"]
    mended = env(project, "lock", "--upgrade", "first tool")

    assert "- tool ==1.0" in refused.stderr
    assert "+ tool ==2.0" in refused.stderr
    assert (one["state"], one["problem"]) == ("out of date", one["problem"])
    assert "tool ==2.0" in one["problem"]
    assert "tool 1.0 -> 2.0" in mended.stdout


def test_run_is_the_command_in_the_environment(project: Path) -> None:
    code = "import tool, sys, os; tool.main(); print(sys.argv[1:], sys.stdin.read())"
    code += "; print(os.environ['VIRTUAL_ENV'] == sys.prefix)"
    code += "; print(os.environ.get('PYTHONHOME')); sys.exit(5)"

    done = run_in(
        project, "first tool", "--", "python", "-c", code, "-x", input="hi",
        environment={"PYTHONHOME": sys.base_prefix}, status=5,
    )  # fmt: skip

    assert done.stdout == "tool 1.0\n['-x'] hi\nTrue\nNone\n"


def test_run_ends_as_its_command_does(project: Path) -> None:
    killed = run_in(project, "empty", "--", "sh", "-c", "kill -9 $$", status=None)
    missing = run_in(project, "empty", "no-such-command", status=127)
    forbidden = run_in(project, "empty", "./bandsaw_config.py", status=126)

    assert killed.returncode == -9
    assert "no-such-command cannot be run: No such file" in missing.stderr
    assert "./bandsaw_config.py cannot be run: Permission denied" in forbidden.stderr


def test_run_leaves_no_signal_ignored(project: Path) -> None:
    ended = run_in(project, "empty", "sh", "-c", "kill -PIPE $$; echo", status=None)

    assert (ended.returncode, ended.stdout) == (-signal.SIGPIPE, "")


def test_looking_is_no_use_but_running_is(project: Path, tmp_path: Path) -> None:
    env(project, "create", "empty")
    (before,) = listed(tmp_path)
    then = grow_older(before)

    listed(project)
    env(project, "show", "empty")
    (looked_at,) = listed(tmp_path)
    run_in(tmp_path, "empty", "true")
    (run,) = listed(tmp_path)

    assert looked_at["used"] == then
    assert run["used"] > then


def grow_older(one: Any) -> int:
    then = int(time.time()) - 40 * 86400
    os.utime(Path(one["path"], "bandsaw-environment.json"), (then, then))
    return then


def test_what_has_lost_its_python_is_never_run_with_another(
    project: Path, tmp_path: Path
) -> None:
    env(project, "create", "empty")
    (made,) = listed(tmp_path)
    Path(made["interpreter"]).unlink()

    (broken,) = listed(tmp_path)
    refused = run_in(tmp_path, "empty", "--", "python", "-V", status=1)
    declared = [one for one in listed(project) if one["name"] == "empty"]
    run_in(project, "empty", "--", "python", "-V")
    (again,) = listed(tmp_path)

    assert broken["state"] == "broken"
    assert "'empty' does not work any more" in refused.stderr
    assert [one["state"] for one in declared] == ["broken"]
    assert (again["id"], again["state"]) == (made["id"], "made")


def test_of_several_with_one_name_the_declared_is_run(
    project: Path, tmp_path: Path
) -> None:
    env(project, "create", "first tool")
    make_wheel(project / "packages", "tool", "2.0", code=TOOL.replace("1.0", "2.0"))
    config = project / "bandsaw_config.py"
    config.write_text(config.read_text().replace("tool ==1.0", "tool ==2.0"))
    env(project, "lock", "--upgrade", "first tool")
    run = ("first tool", "--", "python", "-c", "import tool; tool.main()")

    declared = run_in(project, *run)
    old, new = sorted(listed(tmp_path), key=lambda one: str(one["packages"]))
    ambiguous = run_in(tmp_path, *run, status=1)
    by_id = run_in(tmp_path, old["id"][:9], *run[1:])
    removed = json.loads(env(project, "remove", "first", "--yes", "--json").stdout)

    assert declared.stdout == "tool 2.0\n"
    assert "More than one environment is called 'first tool'" in ambiguous.stderr
    assert f"first tool ({old['id']})" in ambiguous.stderr
    assert f"first tool ({new['id']})" in ambiguous.stderr
    assert by_id.stdout == "tool 1.0\n"
    assert removed["removed"] == 2


def test_removed_and_pruned_environments_are_gone_and_the_lock_stays(
    project: Path,
) -> None:
    env(project, "create", "first tool", "empty")
    lock = (project / "bandsaw.lock").read_text()
    home = Path(os.environ["BANDSAW_HOME"], "environments")
    left_over = home / f"{'0' * 32}-1234"
    left_over.mkdir()

    asked = env(project, "remove", "empty", input="n\n", status=1)
    removed = env(project, "remove", "empty", "--yes").stdout
    states = {one["name"]: one["state"] for one in listed(project)}
    (first,) = [one for one in listed(project) if one["name"] == "first tool"]
    grow_older(first)
    pruned = env(project, "prune", "--max-age", "30 days").stdout

    assert "Remove empty?" in asked.stdout
    assert removed.startswith("Removed 1 environments")
    assert (states["empty"], states["first tool"]) == ("locked", "made")
    assert "Removed 1 left-overs" in pruned
    assert "Removed 1 environments" in pruned
    assert [path.name for path in home.iterdir()] == [".locks"]
    assert (project / "bandsaw.lock").read_text() == lock


def test_prune_keeps_the_most_recently_used_ones(project: Path) -> None:
    env(project, "create", "first tool", "empty")
    kept = {one["name"]: one for one in listed(project) if one["state"] == "made"}
    for age, name in enumerate(["empty", "first tool"]):
        record = Path(kept[name]["path"], "bandsaw-environment.json")
        os.utime(record, (time.time() - 100 - age,) * 2)

    size = str(kept["empty"]["size"] + 1)
    pruned = json.loads(env(project, "prune", "--max-size", size, "--json").stdout)

    assert pruned == {"removed": 1, "size": kept["first tool"]["size"]}
    states = {one["name"]: one["state"] for one in listed(project)}
    assert (states["empty"], states["first tool"]) == ("made", "locked")


def test_a_script_declares_one_in_its_metadata(project: Path) -> None:
    script = project / "script.py"
    script.write_text("# /// script\n# dependencies = []\n# ///\n")

    made = json.loads(env(project, "create", "--script", "script.py", "--json").stdout)

    assert set(made) == {"any tool", "first tool", "empty", "script"}


def test_kept_environments_need_no_configuration(project: Path, tmp_path: Path) -> None:
    env(project, "create", "empty")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    found = listed(elsewhere)
    done = run_in(elsewhere, "empty", "--", "python", "-c", "print(2)")
    refused = env(elsewhere, "create", status=1)

    assert [(one["name"], one["state"]) for one in found] == [("empty", "made")]
    assert done.stdout == "2\n"
    assert "No environment is declared" in refused.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["show", "nothing"], "No environment is called 'nothing'"),
        (["show", "nothing", "--config", "absent"], "No module named 'absent'"),
        (["prune", "--max-age", "soon"], "soon"),
    ],
)
def test_a_wrong_word_is_named(project: Path, words: list[str], reason: str) -> None:
    done = env(project, *words, status=1)

    assert done.stderr.startswith("Error: ")
    assert reason in done.stderr
    assert done.stdout == ""


def test_a_name_that_means_several_lists_them(project: Path) -> None:
    config = project / "bandsaw_config.py"
    config.write_text(config.read_text() + 'other = Environment(name="first two")\n')

    done = env(project, "show", "first", status=1)

    assert "first tool" in done.stderr
    assert "first two" in done.stderr
    assert "any tool" not in done.stderr


def test_the_running_python_is_the_one_of_an_environment_without_one(
    project: Path,
) -> None:
    (empty,) = [one for one in listed(project) if one["name"] == "empty"]

    assert empty["python"] == ".".join(map(str, sys.version_info[:3]))
