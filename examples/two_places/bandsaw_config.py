"""Two regions, each reached by its own connection: bandsaw finds this by its name."""

from pathlib import Path

from bandsaw import Advice, Configuration
from bandsaw.advices.connection import ConnectionAdvice
from bandsaw.connections import Command
from bandsaw.environments import Environment

REGIONS = Path(__file__).parent / "regions"


def connection_to(region):
    """Return the connection to a region: here a shell in a directory of this machine.

    Over ssh it is `Ssh(f"{region}.example.org", setup="cd /data")`, and in a job of
    Slurm `Slurm(setup="cd /data", via=Ssh(f"login.{region}.example.org"))`.
    """
    in_directory = 'cd "$0" && exec "$@"'
    return Command(["sh", "-c", in_directory, str(REGIONS / region)])


class NumbersOnly(Advice):
    """Lets nothing leave a region but a few numbers by their names."""

    def after(self, session):
        """Look at what the task answers with, in its region."""
        value = session.result.value
        if session.result.exception is None and not (
            isinstance(value, dict) and all(map(is_short, value.values()))
        ):
            raise PermissionError("A task answers with more than a few numbers.")
        session.proceed()


def is_short(value):
    if isinstance(value, list):
        return len(value) < 10 and all(map(is_short, value))
    return isinstance(value, (int, float))


# What is locked for them comes from the regions into the file bandsaw.lock beside this.
environments = {
    "north": Environment(requirements=["numpy"], name="north"),
    "south": Environment(requirements=["numpy <2.3"], name="south"),
}

configuration = Configuration()
for region, environment in environments.items():
    there = ConnectionAdvice(connection_to(region), interpreter=environment)
    # The advices behind the connection work in the region.
    configuration.add_advice_chain(there, NumbersOnly(), name=region)
