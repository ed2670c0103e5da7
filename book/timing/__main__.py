"""The command: `python -m book.timing --out book/timings/`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from book.timing import measure, wrong
from book.timing.clock import LITTLE, Device, Patience
from book.timing.plan import PARTS, Forecast, Point, points, too_large, too_long
from book.timing.record import AnotherRun, Record, header

ABOUT = """\
Time a training step on this machine: one JSON file a device, with every raw reading.

It needs torch and NumPy, and no network. Where torch finds a CUDA device, both the processor and
that device are measured. An interrupted run goes on where it stopped: give the same command again.
What is left out, and why, is in the file.
"""
MORE = """\
parts:
{parts}

examples:
  python -m book.timing --out book/timings/                 everything
  python -m book.timing --out /tmp/here --quick             a minute, to see how it works
  python -m book.timing --list                              what would be measured
  python -m book.timing --out book/timings/ --only largest --device cuda
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        here = measure.devices()
    except ImportError as error:
        print(f"{error}. Install it: pip install torch==2.13.0 numpy", file=sys.stderr)
        return 2
    chosen = here if args.device == "all" else [args.device]
    if not set(chosen) <= set(here):
        print("torch finds no CUDA device here: use --device cpu.", file=sys.stderr)
        return 2
    if args.list:
        for device in chosen:
            for point in points(device, quick=args.quick, only=args.only):
                print(f"{device}: {point.name}")
        return 0
    for device in chosen:
        try:
            record = Record(args.out, header(device, quick=args.quick), fresh=args.fresh)
            run(points(device, quick=args.quick, only=args.only), device, record, args.quick)
        except (AnotherRun, ValueError, OSError) as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"\nStopped. {record.path} keeps what is done; the same command goes on.")
            return 130
        print(f"{record.path}: {_summary(record)}")
    return 0


def run(plan: list[Point], name: str, record: Record, quick: bool) -> None:
    """Measure what the record does not have yet."""
    device = measure.open_device(name)
    patience = LITTLE if quick else Patience()
    forecast = Forecast()
    progress = Progress(len(plan))
    for point in plan:
        known = record.points.get(point.name)
        if known is None:
            progress.begin(point)
            known = _measured(point, device, patience, forecast)
            record.add(point.name, known)
        progress.done(known)
        if known.get("wall"):
            forecast.learn(point, min(known["wall"]))
    progress.end()


def _measured(
    point: Point, device: Device, patience: Patience, forecast: Forecast
) -> dict[str, Any]:
    about = {k: v for k, v in vars(point).items() if v not in ("", 0)}
    why = too_long(point, forecast) or too_large(point, measure.free_bytes(device))
    if why:
        return about | {"skipped": why}
    start = time.perf_counter()
    try:
        found = measure.measure(point, device, patience)
    except (wrong.NotHere, RuntimeError, MemoryError, NotImplementedError) as error:
        # An error of torch's may go on for pages.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return about | {"skipped": lines[0][:300]}
    return about | found | {"took": time.perf_counter() - start}


class Progress:
    """A line that says how far it is, and about how long it is going to take."""

    def __init__(self, count: int) -> None:
        self.count, self.at = count, 0
        self._begun = time.perf_counter()
        self._measured = 0
        self._tty = sys.stderr.isatty()
        self._told = 0.0

    def begin(self, point: Point) -> None:
        """A point is about to be measured."""
        self._measured += 1
        now = time.perf_counter()
        if not self._tty and now - self._told < 15:
            return
        self._told = now
        line = f"[{self.at + 1:4}/{self.count}] {self._left()}  {point.name}"
        print(
            f"\r\x1b[K{line}" if self._tty else line,
            end="" if self._tty else "\n",
            file=sys.stderr,
            flush=True,
        )

    def done(self, found: dict[str, Any]) -> None:
        """It is in the file."""
        self.at += 1

    def end(self) -> None:
        """Nothing is left."""
        if self._tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _left(self) -> str:
        spent = time.perf_counter() - self._begun
        if self._measured < 5:
            return "            "
        minutes = spent / self._measured * (self.count - self.at) / 60
        return f"~{minutes:3.0f} min left" if minutes >= 1 else " < 1 min left"


def _summary(record: Record) -> str:
    skipped = [point for point in record.points.values() if "skipped" in point]
    measured = len(record.points) - len(skipped)
    return f"{measured} points measured, {len(skipped)} left out (the file says why)"


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:<11} {about}" for name, about in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m book.timing",
        description=ABOUT,
        epilog=MORE.format(parts=parts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("book/timings"),
        metavar="FOLDER",
        help="where the files go (book/timings)",
    )
    parser.add_argument("--quick", action="store_true", help="few sizes, about a minute")
    parser.add_argument("--list", action="store_true", help="say what would be measured, and stop")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=list(PARTS),
        metavar="PART",
        help="this part alone (repeatable); the ceilings are needed by the shares",
    )
    parser.add_argument(
        "--device", choices=("all", "cpu", "cuda"), default="all", help="which device (all)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="begin the file anew, whatever is in it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
