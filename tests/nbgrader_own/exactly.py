"""Which of nbgrader's own tests are a sample, and which fail on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest


def mark(tests: type, sample: Iterable[str], deviations: Mapping[str, str]) -> type:
    """Mark the tests of a class of nbgrader's: all but the sample run in `make test-full` alone.

    deviations: by a test's name, why we do otherwise. Such a test must fail: one that passes
    fails the run, and so does a name that nbgrader has no test for.
    """
    names = {name for name in dir(tests) if name.startswith("test_")}
    unknown = ({*sample} | deviations.keys()) - names
    assert not unknown, f"nbgrader has no test called {', '.join(sorted(unknown))}"

    def marked(name: str) -> object:
        test = getattr(tests, name)
        if name in deviations:
            test = pytest.mark.xfail(strict=True, reason=deviations[name])(test)
        return test if name in sample else pytest.mark.full(test)

    for name in names:
        setattr(tests, name, marked(name))
    return tests
