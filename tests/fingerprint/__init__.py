"""The tests of the advices."""
