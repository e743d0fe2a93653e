# Prints the digest of a task's code in each of some projects, one process for all.
import importlib
import json
import sys

from bandsaw.fingerprint import code
from bandsaw.runtime import fork

digests = []
for directory in json.loads(sys.stdin.read()):
    sys.path.insert(0, directory)
    before = set(sys.modules)
    work = importlib.import_module("work")
    loaded = set(sys.modules)
    digests.append(code.reachable_code(work.task).digest.hex())
    new = set(sys.modules) - loaded
    assert not any(name.startswith("lazy") for name in new), new
    for name in loaded - before:
        if getattr(sys.modules[name], "__file__", "").startswith(directory):
            del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.remove(directory)
    fork.reset()
print(json.dumps(digests))
