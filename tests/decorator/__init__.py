"""Tests of the package `decorator`."""
