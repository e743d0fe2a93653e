"""Executes a notebook: reads its cells as JSON, and writes what each says.

The line before has the widgets that the notebook keeps.
"""

import json
import sys

import nbformat
from nbclient import NotebookClient


def text_of(output):
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        # The traceback is coloured.
        return f"{output.ename}: {output.evalue}\n"
    return output.get("data", {}).get("text/plain", "") + "\n"


if __name__ == "__main__":
    cells = [nbformat.v4.new_code_cell(cell) for cell in json.load(sys.stdin)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=100, allow_errors=True).execute()
    widgets = notebook.metadata.get("widgets", {}).values()
    models = [model for each in widgets for model in each["state"].values()]
    print(json.dumps(models))
    said = ["".join(map(text_of, cell.outputs)) for cell in notebook.cells]
    print(json.dumps(said))
