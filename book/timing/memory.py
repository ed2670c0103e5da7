"""The largest batch that fits: by trying, which ends at the device's own "out of memory"."""

from __future__ import annotations

import gc
from collections.abc import Callable

from book.timing.network import Size

FINENESS = 64


def largest(fits: Callable[[int], bool], start: int, most: int) -> int:
    """The largest batch that fits, to one part in `FINENESS`; 0 where not even `start` does.

    By doubling until one does not fit, then by halving the gap: what fits is taken to fit with
    less.

    Parameters
    ----------
    fits : tries a batch; called with whole numbers from start to most
    start, most : the first batch to be tried, and one that is never exceeded
    """
    good, bad = 0, start
    while bad <= most and fits(bad):
        good, bad = bad, 2 * bad
    bad = min(bad, most + 1)
    if not good:
        return 0
    while bad - good > max(1, good // FINENESS):
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


class Trials:
    """Tries training steps on the CUDA device, and leaves its memory as it was.

    peaks : the most memory that a step had taken, in bytes, by batch
    """

    def __init__(self, width: int, precision: str) -> None:
        self.width, self.precision = width, precision
        self.peaks: dict[int, int] = {}

    def __call__(self, batch: int) -> bool:
        """Whether two steps of this batch fit."""
        import torch

        from book.timing.torch_step import TorchStep

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        try:
            size = Size(self.width, batch)
            step = TorchStep(size, "cuda", self.precision, made_there=True)
            step()
            step()
            torch.cuda.synchronize()
            self.peaks[batch] = torch.cuda.max_memory_allocated() - before
            return True
        except torch.cuda.OutOfMemoryError:
            return False
        finally:
            # The exception's own traceback holds the tensors: outside of the handler it is gone.
            step = None  # type: ignore[assignment]
            gc.collect()
            torch.cuda.empty_cache()
