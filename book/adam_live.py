"""Chapter 5's live figures: their settings, their words and the stills for where no script runs.

Their arithmetic is in JavaScript; browser tests hold it to `desk_walk` here and to the walks of
`book.adam_experiments`. Every word that a reader sees or hears stands here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from book.adam_experiments import (
    NAMES,
    RAVINE,
    START,
    TURN,
    TURNED_RAVINE,
    Settings,
    effective_rates,
    quadratic,
    surface,
    walk,
)
from book.page import live_figure, live_look, picture
from solutions.momentum import bias_correct, momentum_step

Array = np.ndarray

# AdamW runs in the live race alone: the still one's ravine has its minimum where decay pulls.
LIVE_NAMES = (*NAMES, "AdamW")


def _grid(low: float, high: float, a_decade: int = 10) -> list[float]:
    """Learning rates in even steps of their logarithm, to two digits."""
    count = round(a_decade * np.log10(high / low)) + 1
    return [float(f"{lr:.2g}") for lr in np.geomspace(low, high, count)]


# The desk: one slider for both directions, one each, or one each that sets itself.

DESK_STEPS = 60
DESK_MODES = ("one", "each", "itself")
DESK_WORDS = {
    "mode": "Who sets the sliders?",
    "one": "one for both",
    "each": "one each, by you",
    "itself": "one each, by itself",
    "along": "lr along the floor",
    "across": "lr across",
    "both": "lr for both",
    "length": "lr of Adam",
    "shown": "Step shown",
    "play": "Play",
    "pause": "Pause",
    "next": "One step",
    "map": "The walk; square: the step shown",
    "rates": "Learning rates; dotted: 1 / curvature",
    "along_line": "along the floor",
    "across_line": "across",
    "step": "step",
    "state": "Step {step}: loss {loss}, of {first} at the start. Learning rate {along} along the "
    "floor, {across} across.",
    "flown": "flown off",
    "tiny": "below 10\u207b\u00b9\u00b2",
}


def desk_data() -> dict[str, Any]:
    """What the desk begins with: descent at the best learning rate that serves both directions."""
    return {
        "steps": DESK_STEPS,
        "H": RAVINE.tolist(),
        "begin": START.tolist(),
        "curvature": np.diag(RAVINE).tolist(),
        "modes": list(DESK_MODES),
        "looks": {mode: live_look("Adam" if mode == "itself" else "GD") for mode in DESK_MODES},
        "along": {"values": _grid(1e-3, 1.0, 20), "start": 0.018},
        "across": {"values": _grid(1e-3, 1.0, 20), "start": 0.018},
        "length": {"values": _grid(1e-2, 1.0), "start": 0.1},
        "words": DESK_WORDS,
    }


def desk_walk(mode: str, along: float, across: float, length: float) -> tuple[Array, Array]:
    """The walk, (steps + 1, 2), and each direction's learning rate at each step, (steps, 2)."""
    if mode == "itself":
        use = Settings(length)
        return walk("Adam", RAVINE, START, DESK_STEPS, use), effective_rates(DESK_STEPS, use)
    lr = np.array([along, along if mode == "one" else across])
    return walk("GD", RAVINE, START, DESK_STEPS, Settings(lr)), np.tile(lr, (DESK_STEPS, 1))


def desk_html(still: Any) -> str:
    """The desk; `still` is a matplotlib figure for where no script runs."""
    return live_figure(
        "mixing-desk",
        script="adam",
        label="a slider for each direction",
        still="<p>Here is a figure that needs JavaScript and a screen. It shows these walks:</p>"
        + picture(
            still,
            "A map of a narrow horizontal ravine. Sixty steps of gradient descent zigzag across "
            "its floor and end short of the minimum; one straight arrow leads there from the "
            "start; sixty steps of Adam lead there in a curve.",
        ),
        data=desk_data(),
    )


# The race: all optimisers on one surface.

LIVE_STEPS = 200
LIVE_SHOWN = 60
LIVE_WORDS = {
    "racers": "Optimisers",
    "ravine": "The ravine",
    "axes": "along the axes",
    "turned": "turned by 45°",
    "lr": "lr of GD and momentum",
    "adaptiveLr": "lr of the others",
    "beta1": "beta1 (momentum, Adam)",
    "beta2": "beta2 (RMSprop, Adam)",
    "eps": "eps of the others",
    "weightDecay": "weight_decay (AdamW)",
    "noise": "Noise in each gradient",
    "shown": "Step shown",
    "play": "Play",
    "pause": "Pause",
    "next": "One step",
    "map": "The walks; squares: the step shown",
    "loss": "Loss after each step (logarithmic)",
    "step": "step",
    "flown": "flown off",
    "tiny": "below 10\u207b\u00b9\u00b2",
    "state": "Loss after step {step}, lowest first: {list}.",
    "nobody": "No optimiser is chosen.",
}


def live_noise(seed: int = 6) -> Array:
    """What is added to each gradient at a noise of 1, (LIVE_STEPS, 2)."""
    return np.random.default_rng(seed).normal(size=(LIVE_STEPS, 2)).round(2)


def live_data() -> dict[str, Any]:
    """What the race begins with: surfaces, ranges of the controls, words."""
    return {
        "steps": LIVE_STEPS,
        "show": LIVE_SHOWN,
        "surfaces": {
            "axes": {"H": RAVINE.tolist(), "start": START.tolist()},
            "turned": {"H": TURNED_RAVINE.tolist(), "start": (TURN @ START).tolist()},
        },
        "curvature": [1.0, 100.0],
        "names": list(LIVE_NAMES),
        "chosen": list(NAMES),
        "looks": [live_look(name) for name in LIVE_NAMES],
        "lr": {"values": _grid(1e-3, 1.0), "start": 0.016},
        "adaptiveLr": {"values": _grid(1e-2, 10.0), "start": 0.1},
        "beta1": {"values": [0, 0.5, 0.8, 0.9, 0.95, 0.99], "start": 0.9},
        "beta2": {"values": [0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999], "start": 0.99},
        "eps": {"values": [1e-8, 0.01, 1, 100, 10_000], "start": 1e-8},
        "weightDecay": {"values": [0, 0.01, 0.03, 0.1, 0.3, 1], "start": 0.1},
        "noise": {"values": [0, 1, 3, 10, 30, 100], "start": 0},
        "normal": live_noise().tolist(),
        "words": LIVE_WORDS,
    }


def live_settings(name: str) -> Settings:
    """The hyperparameters with which the race begins."""
    data = live_data()
    lr = "lr" if name in ("GD", "momentum") else "adaptiveLr"
    controls = (lr, "beta1", "beta2", "eps", "weightDecay")
    return Settings(*(data[control]["start"] for control in controls))


def gap_under_a_large_eps(name: str, eps: float = 1e4, lr: float = 10.0, steps: int = 60) -> float:
    """Largest distance, in lengths of the start, from what an eps far above every gradient leaves.

    That is gradient descent at `lr / eps`; of Adam, momentum with its average corrected.
    """
    theta, velocity, left = START, np.zeros(2), [START]
    beta = 0.9 if name == "Adam" else 0.0
    for t in range(1, steps + 1):
        _, velocity = momentum_step(theta, velocity, RAVINE @ theta, lr / eps, beta)
        theta = theta - lr / eps * bias_correct(velocity, beta, t)
        left.append(theta)
    gaps = walk(name, RAVINE, START, steps, Settings(lr, beta1=beta, eps=eps)) - np.array(left)
    return float(np.max(np.linalg.norm(gaps, axis=1)) / np.linalg.norm(START))


def turned_end(name: str, weight_decay: float, steps: int = LIVE_SHOWN) -> float:
    """The loss in the turned ravine as the race shows it, with this decay."""
    H, start = surface(turned=True)
    use = replace(live_settings(name), weight_decay=weight_decay)
    return float(quadratic(H, walk(name, H, start, steps, use)[-1]))


def race_html(still: Any) -> str:
    """The race; `still` is a matplotlib figure for where no script runs."""
    return live_figure(
        "optimiser-race",
        script="adam",
        label="a race of optimisers",
        still="<p>Here is a figure that needs JavaScript and a screen. This is how it begins.</p>"
        + picture(
            still,
            "Left, a map of the ravine with the walks of six optimisers from the same start; "
            "right, their losses over the steps on a logarithmic axis.",
        ),
        data=live_data(),
    )
