"""``python far_first.py PEER``: how long a first call over ssh takes, with imports."""

from __future__ import annotations

import json
import sys
import time

if __name__ == "__main__":
    start = time.perf_counter()
    if sys.argv[1] == "bandsaw":
        from connections_tasks import same_over_ssh

        assert same_over_ssh(1) == 1
    else:
        from connections_peers import calling

        with calling(sys.argv[1]) as call:
            assert call(1) == 1
            print(json.dumps(time.perf_counter() - start), flush=True)
            sys.exit()
    print(json.dumps(time.perf_counter() - start), flush=True)
