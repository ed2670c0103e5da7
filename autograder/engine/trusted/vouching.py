"""What a runner says beside a value, cut down to what the judge can vouch for.

A learner's code sees hidden inputs while it is called. Exception messages, class names, source
lines and warnings end in feedback that the learner reads, so each would carry a hidden input
out. What stays is what stood in the learner's cells before, or what Python and NumPy say.
"""

from __future__ import annotations

import builtins
import re
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograder.judging.verdict import about_a_name
from autograder.values.calling import DEBUGGER, Answer
from autograder.values.codec import ASKING, Opaque, Raised

CLASSES = {"AxisError", "LinAlgError", "UFuncTypeError", *ASKING}
# Of everybody's types the names tell nothing of a case: what Python is made of, what iterates over
# its containers, NumPy's scalars.
TYPES = {
    *("DataFrame", "Index", "Series", "Tensor", "sparse Tensor"),
    *("Decimal", "Fraction", "Generator", "MaskedArray", "matrix", "ndarray", "recarray"),
    *("Counter", "OrderedDict", "defaultdict", "deque"),
    *("an integer beyond 64 bits", "value nested too deeply", "value too large"),
    *(kind.__name__ for kind in vars(types).values() if isinstance(kind, type)),
    *("dict_items", "dict_keys", "dict_values"),
    *("list_iterator", "tuple_iterator", "range_iterator", "set_iterator", "str_iterator"),
    *("dict_keyiterator", "dict_valueiterator", "dict_itemiterator"),
    *(kind.__name__ for kind in np.sctypeDict.values()),
}
OPERATION = re.compile(
    r"(divide by zero|overflow|underflow|invalid value) encountered in ((?:scalar )?)(\w+)\Z"
)
SENTENCES = {
    "Mean of empty slice",
    "Degrees of freedom <= 0 for slice",
    "All-NaN slice encountered",
}


class Known:
    """The lines and words of the cells that ran so far."""

    def __init__(self, sources: Iterable[str]) -> None:
        self.lines: set[tuple[int, str]] = set()
        self.words: set[str] = set()
        for source in sources:
            self.lines.update((n, line.strip()) for n, line in enumerate(source.splitlines(), 1))
            self.words.update(re.findall(r"\w+", source))

    def name(self, name: str) -> bool:
        """Whether a class of this name may be spoken of."""
        return hasattr(builtins, name) or name in CLASSES | TYPES or name in self.words

    def answer(self, value: Any, args: Iterable[str], changed: Any, warnings: Any) -> Answer:
        """An answer with what it says beside the value cut down."""
        names = set(args)
        changed = [n for n in _texts(changed) if n in names]
        said = [text.rstrip(".") for text in _texts(warnings)]
        return Answer(self.value(value), changed, [text for text in said if from_numpy(text)])

    def value(self, value: Any) -> Any:
        """A value without foreign words in the exception or the type that it stands for."""
        if isinstance(value, Raised):
            names = tuple(n for n in value.names if self.name(n)) or ("Exception",)
            if (value.lineno, value.line) not in self.lines:
                return Raised(names)
            return Raised(names, about_a_name(value), value.line, value.lineno)
        if isinstance(value, Opaque):
            return value if self.name(value.type_name) else Opaque("object")
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return value


def from_numpy(text: str) -> bool:
    """Whether this is a warning as NumPy words it, about an operation that NumPy has; or ours."""
    found = OPERATION.match(text)
    if found:
        return hasattr(np, found[3]) or (bool(found[2]) and found[3] in ("divide", "power"))
    return text in SENTENCES or text == DEBUGGER


def _texts(items: Any) -> list[str]:
    return [i for i in items if isinstance(i, str)][:20] if isinstance(items, list) else []
