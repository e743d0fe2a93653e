"""Tests of the package `futures`."""
