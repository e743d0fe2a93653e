"""The configuration of stored sessions that pickle has written."""

from __future__ import annotations

from typing import Callable

import bandsaw
from bandsaw.session import Session


class Noting(bandsaw.Advice):
    """Leaves traces in the context."""

    def before(self, session: Session) -> None:
        session.context["noting"]["before"] = True
        session.proceed()

    def after(self, session: Session) -> None:
        session.context["noting"]["after"] = True
        session.proceed()


class Saving(bandsaw.Advice):
    """Has the session saved where it stands, while there is something that does so."""

    save: Callable[[str, Session], None] | None = None

    def before(self, session: Session) -> None:
        if Saving.save is not None:
            Saving.save("before", session)
        session.proceed()

    def after(self, session: Session) -> None:
        if Saving.save is not None:
            Saving.save("after", session)
        session.proceed()


configuration = bandsaw.Configuration().add_advice_chain(Noting(), Saving())
