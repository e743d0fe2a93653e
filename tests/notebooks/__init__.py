"""Notebooks in real kernels, run by `tox -e notebook`."""
