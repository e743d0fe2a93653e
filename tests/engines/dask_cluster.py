"""A Dask cluster of worker processes, which ends when its input does."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from distributed import LocalCluster

    workers, memory = sys.argv[1:] or ("2", "auto")
    with LocalCluster(
        n_workers=int(workers),
        memory_limit=memory,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        resources={"ANY": 1},
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
