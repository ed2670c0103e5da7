"""What editors leave out of a notebook, or put in: mended before anybody validates it.

For assignments of anybody's, which are graded as they were handed in: nothing of what a learner
wrote is changed. A set of ours is read by `read`, which builds every cell anew.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4.rwbase import rejoin_lines

# What an output must have, by its type, and what stands there where it does not.
OUTPUTS: dict[str, dict[str, Any]] = {
    "stream": {"name": "stdout", "text": ""},
    "display_data": {"data": NotebookNode(), "metadata": NotebookNode()},
    "execute_result": {"data": NotebookNode(), "metadata": NotebookNode(), "execution_count": None},
    "error": {"ename": "", "evalue": "", "traceback": []},
}
OF_CODE = ("outputs", "execution_count")
# What metadata must be, where it is there.
OF_CELLS = {
    **dict.fromkeys(("collapsed", "deletable", "editable"), bool),
    **{"scrolled": bool, "name": str, "format": str, "jupyter": dict, "execution": dict},
    **{"tags": list, "nbgrader": dict},
}
OF_NOTEBOOKS = {
    **{"kernelspec": dict, "language_info": dict, "title": str, "authors": list},
    "orig_nbformat": int,
}
NEEDED = {"kernelspec": {"name", "display_name"}, "language_info": {"name"}}


def healed(text: str) -> NotebookNode:
    """The notebook of a file, of any version, as a valid one of the newest.

    Raises
    ------
    What nbformat raises of a file that is no notebook.
    """
    text = text.removeprefix("\ufeff")
    notebook = _newest(text)
    seen: set[str] = set()
    for cell in notebook.cells:
        _heal(cell, seen)
    notebook = rejoin_lines(notebook)
    notebook.nbformat_minor = max(notebook.get("nbformat_minor", 0), 5)
    _keep_valid(notebook.metadata, OF_NOTEBOOKS)
    for key, needed in NEEDED.items():
        told = notebook.metadata.get(key)
        if told is not None and not all(isinstance(told.get(name), str) for name in needed):
            del notebook.metadata[key]
    return notebook


def _newest(text: str) -> NotebookNode:
    """The notebook as nbformat 4; one that is of it already is not looked at."""
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    if isinstance(tree, dict) and tree.get("nbformat") == 4 and "worksheets" not in tree:
        cells = tree.get("cells")
        tree["cells"] = [c for c in cells if isinstance(c, dict)] if type(cells) is list else []
        tree.setdefault("metadata", {})
        return nbformat.from_dict(tree)
    return nbformat.reads(text, as_version=4)


def _heal(cell: NotebookNode, seen: set[str]) -> None:
    if cell.get("cell_type") not in ("code", "markdown", "raw"):
        cell.cell_type = "markdown"
    if not isinstance(cell.get("metadata"), dict):
        cell.metadata = NotebookNode()
    _keep_valid(cell.metadata, OF_CELLS)
    tags = cell.metadata.get("tags", [])
    if not all(isinstance(tag, str) for tag in tags) or len(set(tags)) < len(tags):
        del cell.metadata["tags"]
    if not isinstance(cell.get("source"), str):
        lines = cell.get("source")
        cell.source = "".join(map(str, lines)) if isinstance(lines, list) else ""
    known = isinstance(cell.get("id"), str) and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell.id)
    if not known or cell.id in seen:
        # By its place: the same notebook is healed to the same bytes.
        cell.id = next(name for n in count(len(seen)) if (name := f"cell-{n}") not in seen)
    seen.add(cell.id)
    if cell.cell_type != "code":
        for key in OF_CODE:
            cell.pop(key, None)
        return
    if not isinstance(cell.get("execution_count"), int):
        cell.execution_count = None
    cell.outputs = [
        _output(output)
        for output in cell.get("outputs") or []
        if isinstance(output, dict) and output.get("output_type") in OUTPUTS
    ]


def _output(output: dict[str, Any]) -> NotebookNode:
    needed = OUTPUTS[output["output_type"]]
    return NotebookNode({**needed, **{k: v for k, v in output.items() if v is not None}})


def _keep_valid(metadata: NotebookNode, kinds: dict[str, Any]) -> None:
    """Take out what editors keep for themselves, where it is not what nbformat wants there."""
    for key, kind in kinds.items():
        if key in metadata and not isinstance(metadata[key], kind):
            del metadata[key]
