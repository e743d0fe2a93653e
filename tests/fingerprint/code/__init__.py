"""The tests of the identity of code."""
