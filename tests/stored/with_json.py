"""The configuration of stored sessions that are JSON."""

from __future__ import annotations

import bandsaw

from .with_pickle import Noting, Saving

configuration = bandsaw.Configuration().add_advice_chain(Noting(), Saving())
configuration.set_serializer(bandsaw.JsonSerializer())
