"""Tests of places that are reached by a command, run by `tox -e far`."""
