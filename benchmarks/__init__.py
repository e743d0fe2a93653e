"""Measures what bandsaw costs, beside the original release and the bare alternative.

``python -m benchmarks`` prints a table. The modules of this package choose what is
measured and compare it; the scripts in `programs` are what is measured, each run in a
process of its own, once with this bandsaw and once with the original.
"""
