"""Starting processes: what they inherit, and what that imports here."""

from __future__ import annotations

import sys

import pytest

from tests.workflows import HEAD, MOVING_WITHOUT_SPARE, Workflow

SCRIPT = (
    HEAD
    + """
import signal
imported_before = set(sys.modules)

@bandsaw.task
def inherited():
    def kind(number):
        try:
            return os.readlink(f"/proc/self/fd/{{number}}").partition(":")[0]
        except OSError:
            return None  # It was that of the list.

    mine = [n for n in map(int, os.listdir("/proc/self/fd")) if n > 2]
    return (
        sorted(k for k in map(kind, mine) if k and not k.endswith("/.lock")),
        sys.stdin.read(),
        os.getsid(0) == os.getpid(),
        signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,
    )

if __name__ == "__main__":
    kept = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(kept, {is_inheritable})
    print(inherited())
    print("subprocess" in sys.modules, os.get_inheritable(kept))
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("is_inheritable", [False, True])
def test_a_child_inherits_its_channel_and_its_lifeline_only(
    workflow: Workflow, is_inheritable: bool
) -> None:
    script = SCRIPT.format(is_inheritable=is_inheritable)

    output = workflow.output(script, config=MOVING_WITHOUT_SPARE)

    assert output.splitlines() == [
        "(['pipe', 'socket'], '', True, True)",
        f"False {is_inheritable}",
    ]
