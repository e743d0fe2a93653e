"""Sessions are tracked: in a directory, or by a backend that keeps nothing."""

from __future__ import annotations

import os

import bandsaw
from bandsaw.tracking.backend import Backend
from bandsaw.tracking.filesystem import FileSystemBackend
from bandsaw.tracking.tracker import TrackerExtension

directory = os.environ.get("BENCHMARK_DIRECTORY")
backend = FileSystemBackend(directory) if directory else Backend()

configuration = bandsaw.Configuration()
configuration.add_extension(TrackerExtension(backend))
