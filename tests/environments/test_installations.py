"""Environments that are listed while another process removes them."""

from __future__ import annotations

from pathlib import Path

from bandsaw.environments import Environment, installations


def test_what_another_process_has_removed_can_still_be_told_of(
    project: Path,
) -> None:
    Environment(name="empty").at(str(project)).interpreter()
    (one,) = installations.kept()
    used = one.last_use

    (other,) = installations.kept()
    assert other.remove()

    assert (one.last_use, one.size, one.works) == (used, 0, False)
    assert not one.remove()
    assert installations.look(one.digest) is None
    assert installations.kept() == []
