"""The functions that visible cases are made of: a call that `check` prints imports them.

They stand in the `checks.json` of the folder that Python runs in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autograder.learning.visible import CHECKS, load_public


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and (file := Path(CHECKS)).is_file():
        public = load_public("\n".join(json.loads(file.read_text("utf-8"))["public"]))
        if hasattr(public, name):
            return getattr(public, name)
    raise AttributeError(f"no {name} among the functions of the checks in {Path.cwd()}")
