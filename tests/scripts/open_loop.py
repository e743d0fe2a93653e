import asyncio
import sys

import bandsaw


@bandsaw.task(chain="advised")
async def wait_in_vain(started):
    started.set()
    await asyncio.Event().wait()


async def main():
    started = asyncio.Event()
    main.running = asyncio.ensure_future(wait_in_vain(started))
    await started.wait()
    if "--interrupt" in sys.argv:
        raise KeyboardInterrupt


loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(main())
except KeyboardInterrupt:
    print("interrupted")
main.running._log_destroy_pending = False
