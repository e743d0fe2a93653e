"""Executes cells in a Jupyter kernel: reads them as JSON, and writes what each says."""

import json
import sys

from jupyter_client.manager import KernelManager


def execute(client, cell):
    words = []

    def hear(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            words.append(content["text"])
        elif message["msg_type"] == "error":
            words.append(f"{content['ename']}: {content['evalue']}\n")

    client.execute_interactive(cell, output_hook=hear, timeout=100)
    return "".join(words)


if __name__ == "__main__":
    # That is one of this Python, which knows how to start itself.
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=100)
        print(json.dumps([execute(client, cell) for cell in json.load(sys.stdin)]))
    finally:
        client.stop_channels()
        manager.shutdown_kernel()  # It removes what it has made.
