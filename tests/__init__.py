"""The tests of bandsaw."""
