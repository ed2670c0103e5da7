"""How the fuzzers run: few examples in `make test`, always the same; many new ones in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

Law = Callable[..., None]

scraps: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON, in small pieces."""


def fuzz(
    *strategies: Any, few: int, many: int, kept: tuple[Any, ...] = ()
) -> Callable[[Law], Callable[[int], None]]:
    """Make a test of a law that holds for all examples of the strategies.

    kept: tuples of arguments that once broke the law, tried each time.
    """

    def decorate(law: Law) -> Callable[[int], None]:
        @pytest.mark.parametrize(
            "examples",
            [few, pytest.param(many, marks=[pytest.mark.full, pytest.mark.timeout(1500)])],
        )
        def test(examples: int) -> None:
            run = given(*strategies)(law)
            for arguments in kept:
                run = example(*arguments)(run)
            always_the_same = examples == few
            settings(
                max_examples=examples,
                deadline=None,
                derandomize=always_the_same,
                database=None,
                suppress_health_check=HEALTH,
            )(run)()

        test.__doc__ = law.__doc__
        return test

    return decorate


@st.composite
def damaged(draw: st.DrawFn, honest: st.SearchStrategy[bytes]) -> bytes:
    """Honest bytes with a few of them changed, left out, doubled or put in; or cut off."""
    data = bytearray(draw(honest))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(1, 8)))
        how = draw(st.sampled_from(["change", "drop", "double", "insert", "cut"]))
        if how == "change":
            data[at:end] = draw(st.binary(min_size=end - at, max_size=end - at))
        elif how == "drop":
            del data[at:end]
        elif how == "double":
            data[at:at] = data[at:end]
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        else:
            del data[at:]
    return bytes(data)
