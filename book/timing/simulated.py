"""A device that is still at work when a call returns, on paper: what a clock beside it would show.

For a page that is built where there is no such device. All times are seconds since the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from book.timing.clock import Device


@dataclass(frozen=True)
class Span:
    """Something that takes time: the host asks ("ask") or waits ("wait"), the device works."""

    lane: Literal["host", "device"]
    what: str
    start: float
    end: float


class Simulated(Device):
    """A device with a queue, and the clock of its host.

    asking : seconds that the host needs to ask for something
    room : so much may be asked for and not done; then the host waits for a place in the queue
    """

    name = "simulated"

    def __init__(self, asking: float, room: int) -> None:
        self.asking, self.room = asking, room
        self.now = 0.0
        self.spans: list[Span] = []
        self.looks: list[float] = []  # when the clock was read
        self._ends: list[float] = []

    def clock(self) -> float:
        """Read the clock; it costs nothing."""
        self.looks.append(self.now)
        return self.now

    def ask(self, what: str, seconds: float) -> None:
        """Ask for something that takes so long on the device. It is done after what was asked for
        before, and the host goes on."""
        if len(self._ends) >= self.room:
            self._wait(self._ends[-self.room])
        self.spans.append(Span("host", "ask", self.now, self.now + self.asking))
        self.now += self.asking
        start = max([self.now, *self._ends[-1:]])
        self._ends.append(start + seconds)
        self.spans.append(Span("device", what, start, start + seconds))

    def settle(self) -> None:
        """Wait until everything that was asked for is done."""
        self._wait(max([self.now, *self._ends[-1:]]))

    def _wait(self, until: float) -> None:
        if until > self.now:
            self.spans.append(Span("host", "wait", self.now, until))
            self.now = until
