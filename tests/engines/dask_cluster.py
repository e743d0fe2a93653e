"""A Dask cluster of two worker processes, which ends when its input does."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        resources={"ANY": 1},
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
