"""The home page's figure: three ways down one ravine.

The walks are the course's own functions; the page only shows them, step by step. Every word that a
reader sees or hears stands here, as a plain string to be translated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autograder.figures import contours, new_figure, paths
from book.page import live_figure, live_look, picture
from solutions.adam import adam_step
from solutions.momentum import momentum_step

Array = np.ndarray

CURVATURES = np.array([0.01, 1.0])
START = np.array([-9.0, 1.0])
UPDATES = 60
EXTENT = ((-10.0, 3.0), (-2.6, 2.6))

METHODS = {
    "descent": "gradient descent",
    "momentum": "momentum",
    "adam": "Adam",
}
LABELS = {
    "map": "Three ways down a narrow valley",
    "loss": "The loss on the way",
    "update": "update",
    "play": "Play",
    "pause": "Pause",
    "state": "After {update} updates the loss is {descent} by gradient descent, {momentum} with "
    "momentum, {adam} with Adam; it began at {start}.",
}


def loss(theta: Array) -> float:
    """A valley 100 times as steep across as along."""
    return float(CURVATURES @ theta**2 / 2)


def walk(step: Callable[[Array, Array, int, tuple], tuple[Array, tuple]], memory: tuple) -> Array:
    """The points of a walk, shape (UPDATES + 1, 2); `step` gets theta, the gradient, the number of
    the update and what it remembers."""
    points = [START]
    for t in range(1, UPDATES + 1):
        theta, memory = step(points[-1], CURVATURES * points[-1], t, memory)
        points.append(theta)
    return np.array(points)


def walks() -> dict[str, Array]:
    """Each method's walk, at settings that suit this valley; descent has the best there is."""
    zero = np.zeros(2)

    def descent(theta: Array, grad: Array, t: int, memory: tuple) -> tuple[Array, tuple]:
        return theta - 2 / CURVATURES.sum() * grad, memory

    def momentum(theta: Array, grad: Array, t: int, memory: tuple) -> tuple[Array, tuple]:
        theta, velocity = momentum_step(theta, *memory, grad, lr=3.0, beta=0.9)
        return theta, (velocity,)

    def adam(theta: Array, grad: Array, t: int, memory: tuple) -> tuple[Array, tuple]:
        theta, *moments = adam_step(theta, grad, *memory, t, lr=0.4, beta1=0.9, beta2=0.99)
        return theta, tuple(moments)

    return {
        "descent": walk(descent, ()),
        "momentum": walk(momentum, (zero,)),
        "adam": walk(adam, (zero, zero)),
    }


def home_figure() -> str:
    """The figure as HTML, with a still for where no script runs."""
    found = walks()
    figure, ax = new_figure()
    contours(loss, *EXTENT, ax=ax)
    paths({METHODS[name]: points for name, points in found.items()}, ax=ax)
    still = picture(
        figure,
        "A map of a long narrow valley with three paths from the same start. Gradient descent "
        "zigzags and creeps, momentum swings past the minimum and comes back, Adam goes straight "
        "for it.",
    )
    data = {
        "labels": LABELS,
        "methods": METHODS,
        "looks": {name: live_look(METHODS[name]) for name in METHODS},
        "curvatures": CURVATURES.tolist(),
        "extent": EXTENT,
        "walks": {name: points.round(3).tolist() for name, points in found.items()},
        "losses": {
            name: [float(f"{loss(p):.3g}") for p in points] for name, points in found.items()
        },
    }
    return live_figure(
        "home-descent",
        script="home",
        label="three ways down a narrow valley",
        still=f"<p>{LABELS['map']}.</p>{still}",
        data=data,
    )
