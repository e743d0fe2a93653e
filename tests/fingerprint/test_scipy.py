"""The identity of scipy's sparse matrices."""

from __future__ import annotations

import pytest

from bandsaw.fingerprint import fingerprint

sparse = pytest.importorskip("scipy.sparse", reason="needs scipy")


LAYOUTS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


def test_sparse_matrices_differ_by_layout_shape_and_values() -> None:
    base = sparse.coo_matrix(([1.0, 2.0], ([0, 1], [1, 2])), shape=(3, 3))
    other = sparse.coo_matrix(([1.0, 3.0], ([0, 1], [1, 2])), shape=(3, 3))
    taller = sparse.coo_matrix(([1.0, 2.0], ([0, 1], [1, 2])), shape=(4, 3))
    values = [
        *(
            base.asformat(name)
            for name in ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]
        ),
        base.astype("f4"),
        base.toarray(),
        other,
        taller,
    ]

    assert len({fingerprint(value) for value in values}) == len(values)


def test_the_order_of_the_entries_does_not_count() -> None:
    base = sparse.coo_matrix(([1.0, 2.0], ([0, 1], [1, 2])), shape=(3, 3))
    backwards = sparse.coo_matrix(([2.0, 1.0], ([1, 0], [2, 1])), shape=(3, 3))
    added = sparse.coo_matrix(([1.0, 1.5, 0.5], ([0, 1, 1], [1, 2, 2])), shape=(3, 3))

    assert fingerprint(backwards) == fingerprint(base)
    assert fingerprint(added) == fingerprint(base)
    # What is looked at is never changed.
    assert added.nnz == 3
