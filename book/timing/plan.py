"""What is measured on a device, in which order, and what is not worth its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from book.timing import ceilings, wrong
from book.timing.clock import LEAST
from book.timing.network import Size

PARTS = {
    "ceilings": "what the device can do at best: products, copies, writing in place, empty calls",
    "step": "one training step over batch and width, by every way and precision",
    "transfer": "a batch on its way to the device",
    "neighbours": "batches and widths beside a power of two",
    "largest": "the largest batch that fits, in FP32 and in BF16",
    "optimiser": "the optimiser's step alone, over the number of parameters",
    "wrong": "what wrong measurements show",
}
WIDTHS = (16, 64, 256, 1024, 4096, 8192)
BATCHES = tuple(4**k for k in range(9))
QUICK_WIDTHS, QUICK_BATCHES = (16, 128, 512), (1, 16, 128, 1024)
COMPILED = frozenset(product((256, 1024, 4096), (64, 4096)))
COLD = frozenset(product((256, 4096), (64, 1024, 16384)))
NEIGHBOUR_WIDTH, NEIGHBOURS = 1024, (*range(1008, 1041, 4), 1022, 1023, 1025, 1026)
PARAMETERS = tuple(10**k for k in range(4, 10))
QUICK_PARAMETERS = (10**4, 10**6, 10**7)
LOOPS = ("loop", "foreach", "fused")
# What there is of each parameter: itself, its gradient, and what the optimiser keeps of it.
OPTIMISER_NUMBERS = {"sgd": 2, "momentum": 3, "adam": 4}
LARGEST_WIDTH = 4096
# A point that is going to take longer is left out, and said to be.
PATIENCE_SECONDS = 20.0
# The first call, one that warms, and as few as are enough.
CALLS = 2 + LEAST


@dataclass(frozen=True)
class Point:
    """Something to be measured: `part` and `what` are its name in the file.

    library : "numpy" or "torch"
    way : how a step is run, or an optimiser's loop
    n : the side of a product, bytes of a copy, parameters of an optimiser
    """

    part: str
    library: str = "torch"
    precision: str = "float32"
    way: str = "eager"
    kind: str = ""
    width: int = 0
    batch: int = 0
    n: int = 0

    @property
    def name(self) -> str:
        """The point's own name in the file, and on the screen."""
        numbers = {"width": self.width, "batch": self.batch, "n": self.n}
        words = [self.part, self.kind, self.library, self.precision, self.way]
        told = [word for word in words if word] + [f"{k} {v}" for k, v in numbers.items() if v]
        return ", ".join(told)

    @property
    def size(self) -> Size:
        """The network and the batch of a step."""
        return Size(self.width, self.batch)

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return {"float64": 8, "bf16": 2}.get(self.precision, 4)


def points(device: str, *, quick: bool = False, only: Iterable[str] = ()) -> list[Point]:
    """Everything that is measured on a device, small before large.

    device : "cpu" or "cuda"
    quick : a few sizes, in less than a minute: for a page's own machine
    only : these parts; all where empty
    """
    chosen = set(only) or ({"ceilings", "step", "optimiser"} if quick else set(PARTS))
    found = [p for p in _all(device, quick) if p.part in chosen]
    return list(dict.fromkeys(found))


def _all(device: str, quick: bool) -> Iterator[Point]:
    yield from _ceilings(device, quick)
    widths, batches = (QUICK_WIDTHS, QUICK_BATCHES) if quick else (WIDTHS, BATCHES)
    sizes = sorted(product(widths, batches), key=lambda pair: Size(*pair).flops)
    for width, batch in sizes:
        for library, precision, way in _steps(device, (width, batch)):
            yield Point("step", library, precision, way, width=width, batch=batch)
    if device == "cuda":
        for kind, batch in product(("pageable", "pinned"), batches):
            yield Point("transfer", kind=kind, way="", batch=batch)
    for precision in ("float32", "bf16") if device == "cuda" else ("float32",):
        for number in sorted(NEIGHBOURS):
            width = NEIGHBOUR_WIDTH if device == "cuda" else NEIGHBOUR_WIDTH // 4
            yield Point("neighbours", "torch", precision, kind="batch", width=width, batch=number)
            yield Point("neighbours", "torch", precision, kind="width", width=number, batch=256)
    if device == "cuda":
        for precision in ("float32", "bf16"):
            yield Point("largest", precision=precision, width=LARGEST_WIDTH)
    for n in QUICK_PARAMETERS if quick else PARAMETERS:
        for kind, way in product(OPTIMISER_NUMBERS, LOOPS):
            yield Point("optimiser", way=way, kind=kind, n=n)
    for kind in wrong.KINDS:
        yield Point("wrong", kind=kind, way="")


def _ceilings(device: str, quick: bool) -> Iterator[Point]:
    sides = [n for n in ceilings.PRODUCTS if n <= (1024 if quick else 16384)]
    if device == "cpu":
        for n, precision in product(sides, ("float64", "float32")):
            yield Point("ceilings", "numpy", precision, "", "product", n=n)
        for n, precision in product(sides, ("float32", "bf16")):
            yield Point("ceilings", "torch", precision, "", "product", n=n)
    else:
        for n, precision in product(sides, ("float32", "tf32", "bf16")):
            yield Point("ceilings", "torch", precision, "", "product", n=n)
    libraries = ("numpy", "torch") if device == "cpu" else ("torch",)
    for library in libraries:
        for size in ceilings.COPIES[: 5 if quick else None]:
            yield Point("ceilings", library, "", "", "copy", n=size)
            yield Point("ceilings", library, "", "", "in place", n=size)
        yield Point("ceilings", library, "float32", "", "empty calls", n=ceilings.EMPTY_CALLS)


def _steps(device: str, size: tuple[int, int]) -> Iterator[tuple[str, str, str]]:
    if device == "cpu":
        yield from (("numpy", "float64", "eager"), ("numpy", "float32", "eager"))
        yield "torch", "float32", "eager"
        if size in COMPILED:
            yield "torch", "float32", "compile"
        return
    for precision in ("float32", "tf32", "bf16"):
        yield "torch", precision, "eager"
        yield "torch", precision, "graph"
    if size in COMPILED:
        yield from (("torch", "float32", "compile"), ("torch", "bf16", "compile"))


class Forecast:
    """What a step is going to take, from those of its kind that were measured before."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], list[tuple[float, float]]] = {}

    def learn(self, point: Point, seconds: float) -> None:
        """Take note of what a call of a point took."""
        self._seen.setdefault(self._kind(point), []).append((_work(point), seconds))

    def seconds(self, point: Point) -> float:
        """What one call is going to take at the most; 0 where nobody can tell.

        The work grows with the flops, and where those are few the time grows more slowly: taking
        the time to grow with the work from the largest point that was seen errs upwards.
        """
        seen = self._seen.get(self._kind(point))
        if not seen:
            return 0.0
        work, seconds = max(seen)
        return seconds * max(1.0, _work(point) / work)

    def _kind(self, point: Point) -> tuple[str, str, str]:
        family = "step" if point.width else f"{point.part} {point.kind}"
        return (family, f"{point.library} {point.precision}", point.way)


def _work(point: Point) -> float:
    if point.width and point.batch:
        return point.size.flops
    return float(point.n) ** 3 if point.kind == "product" else float(point.n)


def too_long(point: Point, forecast: Forecast) -> str:
    """Why a point is left out for its time; nothing where it is not."""
    whole = CALLS * forecast.seconds(point)
    if whole <= PATIENCE_SECONDS:
        return ""
    return f"{CALLS} calls would take some {whole:.0f} s, more than {PATIENCE_SECONDS:.0f} s"


def too_large(point: Point, free_bytes: float) -> str:
    """Why a point is left out for its memory; nothing where it is not."""
    needs = 0.0
    if point.width and point.batch:
        needs = point.size.memory(point.itemsize)
    elif point.part == "optimiser":
        needs = 4.0 * point.n * OPTIMISER_NUMBERS[point.kind]
    elif point.kind == "product":
        needs = 3.0 * point.n**2 * point.itemsize
    elif point.kind in ("copy", "in place"):
        needs = 2.0 * point.n
    if needs <= 0.8 * free_bytes:
        return ""
    return f"it would take {needs / 1e9:.1f} GB; {free_bytes / 1e9:.1f} GB are free"
