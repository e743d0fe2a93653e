"""Runs the benchmarks and prints a table: ``python -m benchmarks [ROW ...]``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Sequence

from . import (
    caching,
    calls,
    connections,
    engines,
    environments,
    frameworks,
    identity,
    imports,
    memory,
    notebooks,
    scripts,
    tracking,
    transports,
)
from .contestants import contestants, version_of
from .measure import QUICK, THOROUGH, Row
from .table import as_json, as_text

ROWS: dict[str, Row] = {
    row.name: row
    for module in (
        calls,
        imports,
        memory,
        tracking,
        caching,
        identity,
        transports,
        connections,
        engines,
        notebooks,
        scripts,
        environments,
        frameworks,
    )
    for row in module.ROWS
}

EXPLANATION = """
Figures without a unit are ratios within one run: a wrapper made with functools.wraps
that only passes the call on is 1, and so are the bare system calls. The original
release comes from the package registry, into virtual environments that are kept in
~/.cache/bandsaw-benchmarks. Leave the machine alone meanwhile.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what bandsaw costs, beside its original release.",
        epilog=f"Rows: {', '.join(ROWS)}. {EXPLANATION}",
    )
    parser.add_argument("rows", metavar="ROW", nargs="*", help="a row; default: all")
    parser.add_argument(
        "--python",
        metavar="EXECUTABLE",
        action="append",
        help="measure with this Python; can be repeated (default: this one)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="less exact, in a tenth of the time"
    )
    parser.add_argument(
        "--without-original", action="store_true", help="measure this bandsaw only"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, with all measurements"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"unknown row {', '.join(unknown)}; there are {', '.join(ROWS)}")

    documents: list[Any] = []
    for python in options.python or [sys.executable]:
        who = contestants(python, with_original=not options.without_original)
        version = version_of(python)
        measured = []
        for name in options.rows or ROWS:
            print(f"Python {version}: {name} ...", file=sys.stderr)
            effort = QUICK if options.quick else THOROUGH
            measured.append((ROWS[name], ROWS[name].measure(who, effort)))
        if options.json:
            documents += as_json(version, measured)
        else:
            print(as_text(version, measured), end="\n\n", flush=True)
    if options.json:
        print(json.dumps(documents, indent=2))


if __name__ == "__main__":
    main()
