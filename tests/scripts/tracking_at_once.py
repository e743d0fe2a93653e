import sys

from bandsaw.session import Ids
from bandsaw.tracking.filesystem import FileSystemBackend

directory, number = sys.argv[1:]
backend = FileSystemBackend(directory)
print("ready", flush=True)
sys.stdin.readline()
for call in range(40):
    # All processes make the first half of the calls, and each makes some of its own.
    execution = f"e{call}" if call < 20 else f"e{call}-{number}"
    ids = Ids("t", execution, "run")
    backend.track_run(ids, {"id": "run", "process": number})
    backend.track_task(ids, {"task": "t" * 10_000})
    backend.track_execution(ids, {"execution": execution})
    backend.track_session(ids, {"session": ids.session_id})
    if number == "0" or call % 2:
        backend.track_result(ids, {"result": {"value": number}})
    else:
        backend.track_result(ids, {"result": {"exception": "E", "message": number}})
    backend.track_attachments(ids, {})
