"""Chooses the two Pythons: 3.8 and the newest there is, or what comes nearest."""

import os

from bandsaw.environments.pythons import installed_pythons, parse_version

OLD = "3.8"


def oldest_python():
    """Return the version of the old world: 3.8, else the oldest one there is."""
    versions = installed_versions()
    if any(version.startswith(f"{OLD}.") for version in versions):
        return OLD
    return versions[0]


def newest_python():
    """Return the version of the new world: the newest one there is."""
    return installed_versions()[-1]


def installed_versions():
    """Return the versions of the Pythons on this machine, the oldest one first."""
    # The processes of the tasks, which import this too, need not search again.
    known = os.environ.get("TWO_WORLDS_PYTHONS")
    if not known:
        versions = {python.version for python in installed_pythons()}
        known = os.environ["TWO_WORLDS_PYTHONS"] = ",".join(
            sorted(versions, key=parse_version)
        )
    return known.split(",")
