"""Tests of the package `session`."""
