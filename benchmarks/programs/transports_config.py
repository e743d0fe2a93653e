"""Chains to other interpreters: resident ones, fresh ones, and ones started ahead."""

from __future__ import annotations

import bandsaw
from bandsaw.advices.subprocess import SubprocessAdvice

configuration = bandsaw.Configuration()
configuration.add_advice_chain(name="here")
configuration.add_advice_chain(SubprocessAdvice(workers=1), name="resident")
configuration.add_advice_chain(SubprocessAdvice(workers=2), name="shared")
configuration.add_advice_chain(SubprocessAdvice(start_ahead=False), name="fresh")
configuration.add_advice_chain(SubprocessAdvice(), name="ahead")
