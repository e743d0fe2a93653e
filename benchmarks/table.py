"""Shows figures as text for people, and as JSON for programs."""

from __future__ import annotations

from typing import Any, Sequence, Tuple

from .measure import Figures, Row

Measured = Sequence[Tuple[Row, Figures]]

_TARGET = "to reach"


def as_text(version: str, measured: Measured) -> str:
    """Return a table: one line for a row, one column for a contestant.

    Args:
        version: The version of the Python that it was measured with.
        measured: The rows with their figures by contestant.
    """
    names = list(dict.fromkeys(name for _, figures in measured for name in figures))
    lines = [[f"Python {version}", *names, _TARGET]]
    for row, figures in measured:
        cells = [
            _number(figures[name].value, row.unit) if name in figures else ""
            for name in names
        ]
        lines.append(
            [row.what, *cells, f"{row.target_for(version):g} {row.unit}".strip()]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(cells, widths) for cells in lines)


def as_json(version: str, measured: Measured) -> list[dict[str, Any]]:
    """Return the same, and what the figures were computed from, as JSON knows it."""
    return [
        {
            "python": version,
            "name": row.name,
            "what": row.what,
            "unit": row.unit,
            "target": row.target_for(version),
            "figures": {name: one.value for name, one in figures.items()},
            "details": {name: one.details for name, one in figures.items()},
        }
        for row, figures in measured
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths))
    )
    return "  ".join((first, *others))


def _number(value: float, unit: str) -> str:
    # Three digits, but no parts of a byte.
    digits = 0 if unit == "B" else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} {unit}".strip()
