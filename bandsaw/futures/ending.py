"""The end of the program, and of a notebook's cell, that have submitted calls."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def call_at_end_of_script(function: Callable[[], None]) -> None:
    """Have a function called when the script has ended, before its threads have to end.

    Args:
        function: The function.
    """
    register = getattr(threading, "_register_atexit", None)
    try:
        # What has been registered last comes first: what is waited for may use the
        # pools, which are registered by this import.
        import concurrent.futures.thread  # noqa: F401

        if register is not None:
            register(function)
            return
    except RuntimeError:
        return  # The program is ending already, and waits for its threads.
    _call_before_threads_end(function)  # Python 3.8


def _call_before_threads_end(function: Callable[[], None]) -> None:
    module: Any = threading
    shut_down = module._shutdown

    def call_and_shut_down() -> None:
        try:
            function()
        finally:
            shut_down()

    module._shutdown = call_and_shut_down


def script_was_interrupted() -> bool:
    """Tell if Ctrl-C has ended the script."""
    # At a prompt it is what some line before has come to.
    kind = getattr(sys, "last_type", None)
    is_interrupt = isinstance(kind, type) and issubclass(kind, KeyboardInterrupt)
    return is_interrupt and not hasattr(sys, "ps1")


def tell_parent_of_interrupt() -> None:
    """Have the program end by SIGINT, as a script does that Ctrl-C has ended.

    A shell ends its loop then. Python forgets that it was interrupted when anything is
    evaluated meanwhile: the end of the calls may import modules, which do so.
    """
    # These come after everything that may still be evaluated by threads.
    atexit.register(_be_interrupted)


def _be_interrupted() -> None:
    # The only trace that Python keeps is left by the text that was evaluated last.
    with contextlib.suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")


def call_around_cells(begin: Callable[[], None], interrupt: Callable[[], None]) -> None:
    """Have functions called around the cells of a notebook, or at a prompt of IPython.

    Args:
        begin: Is called before each cell but the current one.
        interrupt: Is called when Ctrl-C has ended a cell.
    """
    package = sys.modules.get("IPython")
    get_shell = getattr(package, "get_ipython", None)
    shell = None if get_shell is None else get_shell()
    if shell is None:
        return

    def end(result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            interrupt()

    shell.events.register("pre_run_cell", lambda *info: begin())
    shell.events.register("post_run_cell", end)
