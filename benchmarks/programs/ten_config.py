"""A chain of ten advices that only proceed."""

from __future__ import annotations

import bandsaw


class Proceeding(bandsaw.Advice):
    def before(self, session):
        session.proceed()

    def after(self, session):
        session.proceed()


configuration = bandsaw.Configuration()
configuration.add_advice_chain(*(Proceeding() for _ in range(10)))
