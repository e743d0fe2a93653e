"""Changes modules of the library, one place at a time, and tells what no test notices.

Run by ``tox -e mutants``. cosmic-ray makes the changes, in the files themselves, and
takes each back before the next one; an edit meanwhile would be lost. The tests run once
without a change first: three times as long is what a change may take.
"""

from __future__ import annotations

import argparse
import random
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator, Sequence

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import OPERATOR_PROVIDERS
from cosmic_ray.testing import run_tests
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkItem
from parso.python.tree import Name

# The tests that reach a module of the library, or those of a package. Those of a file
# with its name come first.
TESTS = {
    "chain.py": ["tests/test_chain.py", "tests/session", "tests/test_config.py"],
    "session": [
        "tests/session",
        "tests/transports/test_memory.py",
        "tests/transports/test_routes.py",
        "tests/advices/test_changed_arguments.py",
        "tests/advices/test_opaque_values.py",
        "tests/advices/test_subprocess_attachments.py",
    ],
    "stores": [
        "tests/stores",
        "tests/advices/test_cache.py",
        "tests/advices/test_cached_calls.py",
        "tests/cli/test_cache.py",
    ],
    "transports": ["tests/transports"],
}

# How many times as long as without a change the tests may take, and at least how long
FACTOR, LEAST_SECONDS = 3, 30


class DropStatement(Operator):  # type: ignore[misc]
    """Puts ``pass`` in the place of a statement: a call, an assignment, a return."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == "simple_stmt" and node.children[0].type not in (
            *("string", "strings", "import_name", "import_from", "keyword"),
            *("global_stmt", "nonlocal_stmt"),
        ):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        dropped = node.children[0]
        prefix = dropped.get_first_leaf().prefix
        node.children[0] = Name("pass", dropped.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


def chosen_of(module: Path, count: int, chance: random.Random) -> list[WorkItem]:
    """Choose places of a module at random, and one change at each."""
    lines = module.read_text().splitlines()
    places: dict[int, list[WorkItem]] = {}
    with tempfile.TemporaryDirectory() as directory, use_db(
        f"{directory}/changes.sqlite"
    ) as database:
        init([module], database, {})
        for item in database.pending_work_items:
            [mutation] = item.mutations
            line = mutation.start_pos[0]
            # Python executes neither an annotation nor what only type checkers read.
            if "BitOr" in mutation.operator_name:
                continue
            if not lines[line - 1].startswith("TYPE_CHECKING"):
                places.setdefault(line, []).append(item)
    found = chance.sample(sorted(places), min(count, len(places)))
    return [chance.choice(places[line]) for line in found]


def tests_of(module: Path) -> list[str]:
    """Return the tests of a module, its own ones first."""
    package = module.relative_to("bandsaw").parts[0]
    own = f"test_{module.name}"
    found = sorted(str(path) for path in Path("tests").rglob(own))
    return [*found, *(name for name in TESTS[package] if name not in found)]


def survivors_of(
    module: Path, tests: Sequence[str], count: int, chance: random.Random
) -> tuple[int, int]:
    """Print the changes that no test notices, and returns how many of how many."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command = shlex.join([*words, *tests])
    start = time.monotonic()
    outcome, output = run_tests(command, None)
    if outcome is not TestOutcome.SURVIVED:
        sys.exit(f"The tests fail without a change:\n{output}")
    timeout = max(LEAST_SECONDS, FACTOR * (time.monotonic() - start))
    chosen = chosen_of(module, count, chance)
    survived = 0
    for item in chosen:
        result = mutate_and_test(item.mutations, command, timeout)
        [mutation] = item.mutations
        print(
            f"{module}:{mutation.start_pos[0]} {mutation.operator_name}: "
            f"{result.test_outcome.value}",
            flush=True,
        )
        if result.test_outcome is TestOutcome.SURVIVED:
            survived += 1
            print(result.diff, flush=True)
    return survived, len(chosen)


def main() -> None:
    """Change the modules that are named, or all that the table knows tests of."""
    parser = argparse.ArgumentParser(prog="tox -e mutants --", description=__doc__)
    parser.add_argument("-n", type=int, default=10, help="changes of each module (10)")
    parser.add_argument("--seed", type=int, help="for the same changes once more")
    parser.add_argument("--tests", nargs="+", help="tests in place of those it knows")
    parser.add_argument("modules", nargs="*", help="like bandsaw/session/state.py")
    options = parser.parse_args()
    OPERATOR_PROVIDERS["bandsaw"] = {"DropStatement": DropStatement}
    # So that the change that is being tried is taken back
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seed = random.randrange(1000) if options.seed is None else options.seed
    chance = random.Random(seed)
    modules = [Path(name) for name in options.modules]
    for name in () if modules else TESTS:
        place = Path("bandsaw", name)
        modules += [place] if place.is_file() else sorted(place.glob("*.py"))
    survived = tried = 0
    for module in modules:
        tests = options.tests or tests_of(module)
        more_survived, more = survivors_of(module, tests, options.n, chance)
        survived, tried = survived + more_survived, tried + more
    print(f"{survived} of {tried} changes survived; --seed {seed} tries them again.")


if __name__ == "__main__":
    main()
