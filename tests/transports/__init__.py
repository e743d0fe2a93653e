"""Tests of the ways to another interpreter."""
