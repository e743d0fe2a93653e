"""A Ray cluster on this machine, which ends when its input does."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    import ray

    context = ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200 << 20,
        _temp_dir=sys.argv[1],
    )
    print(context.address_info["address"], flush=True)
    sys.stdin.read()
    ray.shutdown()
