"""The contract of an advice."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .session import Session


class Advice:
    """Something that happens before and after a task is executed.

    In each of its two methods an advice calls exactly one of `session.proceed()` and
    `session.conclude(result)`, once. Both methods just proceed by default, so a
    subclass overrides the one it needs.

    Everything that follows happens inside of that call. So an advice can wrap the rest
    of the walk in ``try``/``finally``::

        class Timer(Advice):
            def before(self, session):
                start = time.perf_counter()
                try:
                    session.proceed()
                finally:
                    print(time.perf_counter() - start)
    """

    def before(self, session: Session) -> None:
        """Called before the task is executed.

        Args:
            session: The session that is advised.
        """
        session.proceed()

    def after(self, session: Session) -> None:
        """Called after the task was executed, or a later advice concluded.

        Args:
            session: The session that is advised; `session.result` is set.
        """
        session.proceed()
