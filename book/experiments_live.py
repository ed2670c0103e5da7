"""Chapter 8's live figure, "Read the curve": runs with one fault each, their signs, their words.

Two experiments, each run nine times from the same weights: once as it should be, and once with each
fault really made. So a reader who suspects the wrong fault can be shown what that one does, here.
Every word that a reader sees or hears stands in this file, as a plain string to be translated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from autograder.datasets import digits
from autograder.figures import COLOURS, new_figure
from autograder.slips import slip
from book.page import live_figure, picture, power
from solutions.experiments import MLP, cross_entropy, train_epoch

Array = np.ndarray

CLASSES = 10
GUESSING = float(np.log(CLASSES))
TEST_ROWS = 600


# What is run.


@dataclass(frozen=True)
class Setup:
    """What a run is made with. The defaults are right; each fault is one field that is not."""

    rows: int
    hidden: tuple[int, ...]
    lr: float
    beta: float
    batch_size: int
    seed: int
    shown: int  # epochs whose updates are shown one by one
    epochs: int = 20
    shuffled: bool = True  # False: sorted by class, and taken in that order
    largest_pixel: int = 0  # pixels from 0 to this, as they are; 0: standardised
    stretched: tuple[int, ...] = ()  # columns that are left with a spread of `STRETCH`
    late: int = 0  # by how many rows the labels lag behind
    test_rows: str = "new"  # "half" of the training rows, or "all" of them
    cleared: bool = True  # the gradients, before each backward pass
    bias: float = 0.0  # where the hidden biases start
    broken_epoch: int = 0  # whose first picture is broken; 0: none


STRETCH = 100.0
BREAKS = -1e5  # what a broken picture is multiplied by

SETUPS = {
    "wide": Setup(rows=640, hidden=(32,), lr=0.1, beta=0.0, batch_size=32, seed=1, shown=5),
    "deep": Setup(rows=480, hidden=(32, 32), lr=0.15, beta=0.9, batch_size=8, seed=2, shown=3),
}
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "wide": {
        "rate_high": {"lr": 1.8},
        "rate_low": {"lr": 0.003},
        "unshuffled": {"shuffled": False},
        "unscaled": {"stretched": (20, 21, 28, 29)},
        "shifted": {"late": 1},
        "dead": {"bias": -10.0},
        "uncleared": {"cleared": False},
        "leak": {"test_rows": "half"},
        "healthy": {},
    },
    "deep": {
        "rate_high": {"lr": 0.35},
        "rate_low": {"lr": 0.0045},
        "unshuffled": {"shuffled": False},
        "unscaled": {"largest_pixel": 255},
        "shifted": {"late": 1},
        "dead": {"broken_epoch": 8},
        "uncleared": {"cleared": False},
        "leak": {"test_rows": "all"},
        "healthy": {},
    },
}
FAULTS = tuple(CHANGES["wide"])
RUNS = tuple((name, fault) for name in SETUPS for fault in FAULTS)


def data(setup: Setup) -> tuple[Array, Array, Array, Array]:
    """Training rows and labels, test rows and labels, of shapes (n, 64) and (n,)."""
    X, y = digits()
    order = np.random.default_rng(setup.seed).permutation(len(X))[: setup.rows + TEST_ROWS]
    X, y = X[order], np.roll(y[order], setup.late)
    if setup.largest_pixel:
        X = X * setup.largest_pixel
    else:
        spread = X[: setup.rows].std(axis=0)
        X = (X - X[: setup.rows].mean(axis=0)) / np.where(spread > 0, spread, 1)
    X[:, list(setup.stretched)] *= STRETCH
    train = np.arange(setup.rows)
    test = {"new": np.arange(setup.rows, len(X)), "half": train[::2], "all": train}[setup.test_rows]
    if not setup.shuffled:
        train = np.argsort(y[train], kind="stable")
    return X[train], y[train], X[test], y[test]


def without_clearing() -> Callable[..., Any]:
    """train_epoch without the line that sets the gradients back to zero."""
    forgotten = slip({"p.grad = np.zeros_like(p.data)": "pass"}, "")
    made: Callable[..., Any] = forgotten.make(train_epoch.reference)
    return made


def norm(arrays: list[Array]) -> float:
    """The length of all of them as one vector."""
    return float(np.sqrt(sum(np.sum(a**2) for a in arrays)))


def silent_share(model: Any, X: Array) -> float:
    """The share of units that answer 0 to every row, in the hidden layer that has most of them."""
    shares = []
    for layer in model.layers[:-1]:
        X = layer(X).relu().data
        shares.append(np.mean(~X.any(axis=0)))
    return float(max(shares))


@dataclass(frozen=True)
class Run:
    """What was measured: epoch by epoch, shape (epochs + 1,), first before any update; and
    update by update, shape (epochs, updates an epoch)."""

    train_loss: Array
    test_loss: Array
    train_accuracy: Array
    test_accuracy: Array
    silent: Array
    batch_loss: Array
    # Norms of the gradient that the update got and of that of its batch alone, in the epochs shown.
    handed: Array
    own: Array


def train(setup: Setup) -> Run:
    """Train, one batch at a time, so that each can be looked at."""
    X, y, X_test, y_test = data(setup)
    rng = np.random.default_rng(setup.seed)
    model = MLP([X.shape[1], *setup.hidden, CLASSES], rng, "uniform")
    params = model.parameters()
    for layer in model.layers[:-1]:
        layer.b.data = layer.b.data + setup.bias
    step = train_epoch if setup.cleared else without_clearing()
    velocity = [np.zeros_like(p.data) for p in params]
    looks: list[tuple[float, ...]] = []
    batch_losses: list[list[float]] = []
    handed: list[float] = []
    own: list[float] = []

    def look() -> None:
        logits, test = model(X), model(X_test)
        looks.append(
            (
                float(cross_entropy(logits, y).data),
                float(cross_entropy(test, y_test).data),
                float(np.mean(logits.data.argmax(axis=1) == y)),
                float(np.mean(test.data.argmax(axis=1) == y_test)),
                silent_share(model, X),
            )
        )

    def own_gradient(rows: Array, labels: Array) -> float:
        held = [p.grad for p in params]
        for p in params:
            p.grad = np.zeros_like(p.data)
        cross_entropy(model(rows), labels).backward()
        found = norm([p.grad for p in params])
        for p, grad in zip(params, held, strict=True):
            p.grad = grad
        return found

    # A run that blows up is meant to.
    with np.errstate(over="ignore", invalid="ignore"):
        look()
        for epoch in range(1, setup.epochs + 1):
            order = rng.permutation(len(X)) if setup.shuffled else np.arange(len(X))
            batch_losses.append([])
            for start in range(0, len(X), setup.batch_size):
                batch = order[start : start + setup.batch_size]
                rows = X[batch]
                if epoch == setup.broken_epoch and start == 0:
                    rows[0] *= BREAKS
                if epoch <= setup.shown:
                    own.append(own_gradient(rows, y[batch]))
                losses, velocity = step(
                    model, rows, y[batch], None, setup.lr, setup.beta, velocity, rng
                )
                batch_losses[-1].append(float(losses[0]))
                if epoch <= setup.shown:
                    handed.append(norm([p.grad for p in params]))
            look()
    handed_norms, own_norms = (np.reshape(norms, (setup.shown, -1)) for norms in (handed, own))
    train_loss, test_loss, train_accuracy, test_accuracy, silent = np.array(looks).T
    return Run(
        train_loss=train_loss,
        test_loss=test_loss,
        train_accuracy=train_accuracy,
        test_accuracy=test_accuracy,
        silent=silent,
        batch_loss=np.array(batch_losses),
        handed=handed_norms,
        own=own_norms,
    )


@cache
def run(name: str, fault: str) -> Run:
    """The run of a setup with a fault."""
    return train(replace(SETUPS[name], **CHANGES[name][fault]))


# What it shows: one number a sign.


def rises(found: Run) -> int:
    """In how many epochs the train loss went up by more than a tenth, or stopped being a number."""
    loss = np.where(np.isfinite(found.train_loss), found.train_loss, np.inf)
    return int(np.sum((loss[1:] > 1.1 * loss[:-1]) | np.isinf(loss[1:])))


def late_share(found: Run) -> float:
    """Which share of the whole fall of the train loss the last quarter of the epochs did."""
    loss = found.train_loss
    return abs(float((loss[-1 - len(loss) // 4] - loss[-1]) / (loss[0] - loss[-1])))


def repeats(found: Run) -> float:
    """How an epoch's batch losses go together with the next one's: a correlation.

    Of the logarithms, without the straight line through those of an epoch, over epochs 2 to 7.
    """
    logs = np.log(np.maximum(found.batch_loss[1:7], 1e-12)).T
    line = np.column_stack([np.ones(len(logs)), np.arange(len(logs))])
    rest = (logs - line @ np.linalg.lstsq(line, logs, rcond=None)[0]).T
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairwise(rest)]))


def piled_up(found: Run) -> float:
    """How many times its batch's own gradient the update got, late in the first epoch."""
    return float(np.median(found.handed[0, -5:] / found.own[0, -5:]))


def gap(found: Run) -> float:
    """How many times the train loss the test loss is, at the end."""
    return float(found.test_loss[-1] / found.train_loss[-1])


# Where one number of several faults is alike, another one parts them: see `against`.
LOUD, REPEATED, HIGHER, CHANCE = 3.0, 0.4, 1.3, 0.15
SIGNS: dict[str, Callable[[Run], bool]] = {
    "rate_high": lambda r: (
        rises(r) > 3 and r.train_loss[0] < LOUD and piled_up(r) < 2 and repeats(r) < REPEATED
    ),
    "rate_low": lambda r: (
        rises(r) == 0 and r.test_loss[-1] < r.test_loss[0] and late_share(r) > 0.2
    ),
    "unshuffled": lambda r: repeats(r) > REPEATED,
    "unscaled": lambda r: r.train_loss[0] > LOUD,
    "shifted": lambda r: (
        r.test_accuracy.max() < CHANCE and r.train_accuracy[-1] > r.test_accuracy.max() + 0.2
    ),
    "dead": lambda r: r.silent[-1] == 1 and r.train_loss[0] < LOUD and piled_up(r) < 2,
    "uncleared": lambda r: piled_up(r) > 2,
    "leak": lambda r: gap(r) < HIGHER and r.train_loss[-1] < 0.1,
}


# Words.

LABEL = "read the curve"
NAMES = {
    "rate_high": "rate too high",
    "rate_low": "rate too low",
    "unshuffled": "no shuffling",
    "unscaled": "inputs not standardised",
    "shifted": "labels shifted",
    "dead": "dead ReLUs",
    "uncleared": "gradients not cleared",
    "leak": "test rows leaked",
    "healthy": "nothing is wrong",
}
WORDS: dict[str, Any] = {
    "progress": "Curve {number} of {all} · {found} of {answered} right",
    "first": "Curve 1 of {all}",
    "title": "Loss after each epoch{scale}",
    "log": ", logarithmic",
    "epoch": "epoch",
    "train": "train",
    "test": "test",
    "suspect": "thin: the same run with “{name}”",
    "guess": "ln 10: guessing",
    "handed": "as the update got it",
    "own": "of its batch alone",
    "batch": "batch",
    "silent": "silent units",
    "look": "Look closer at",
    "nothing": "(nothing more)",
    "looks": {
        "accuracy": "accuracy",
        "batches": "batch losses",
        "gradient": "gradient norm",
        "silent": "silent units",
    },
    "look_titles": {
        "accuracy": "Share of right answers after each epoch",
        "batches": "Loss of each batch, first epochs{scale}",
        "gradient": "Norm of the gradient, first epochs{scale}",
        "silent": "Share of silent units after each epoch",
    },
    "question": "What is wrong with this run? Your answer",
    "tell": "Tell me",
    "next": "Next curve",
    "results": "To the result",
    "again": "Once more",
    "result": "{found} of {all} found at the first try.",
    "all_found": "Every one. Such eyes save days.",
    "missed": "Worth another look: {list}.",
    "pair": "“{true}” taken for “{chosen}”",
    "told": "“{true}” (told)",
}
ABOUT = (
    "A network {sizes}, {count} weights and biases, learns {rows} digits of 8 by 8 pixels: "
    "{epochs} epochs, batches of {batch}, momentum {beta}."
)
CURVE = (
    "Train loss {train_first} before the first update, then {train} after 1, 5, 10 and 20 epochs. "
    "Test loss {test_first}, then {test}."
)
LOOKS = {
    "accuracy": "Right answers before the first update and after 1, 5, 10 and 20 epochs: train "
    "{train}; test {test}.",
    "batches": "The batch losses of an epoch and of the next one go together with a correlation of "
    "{repeats}. The first batch pays {first}; in the epochs shown, the cheapest pays {low}, the "
    "dearest {high}.",
    "gradient": "At updates 1, 5, {epoch} and {last}: as the update got it {handed}; of its batch "
    "alone {own}.",
    "silent": "Hidden units that answer 0 to every training row, in the layer with most of them, "
    "before the first update and after 1, 5, 10 and 20 epochs: {silent}.",
}
NO_NUMBER = "nan"
MINUS = "\u2212"

YES = "Yes, {name}. {why} {changed} {settings}"
IS = "It is: {name}. {why} {changed} {settings}"
SETTINGS = (
    "The run: learning rate {lr}, momentum {beta}, batches of {batch}, {epochs} epochs, "
    "seed {seed}."
)
WHY = {
    "rate_high": "In {rises} of {epochs} epochs the loss went up by more than a tenth. It started "
    "where it should, and each update got the gradient of its own batch: the direction is right, "
    "the step along it too long.",
    "rate_low": "Train and test fall together, slowly, and have not arrived: the last quarter of "
    "the epochs did {late} of the fall. Give it time, or a larger step.",
    "unshuffled": "Look at the batch losses: a sawtooth that comes back in each epoch, with a "
    "correlation of {repeats}. The classes come one after the other, and while one is learnt the "
    "others are unlearned. By epochs alone it may look sound, or like a rate too high.",
    "unscaled": "The first number says it: {first} before any update, where guessing costs ln 10 = "
    "{guess}. No rate and no order has had its say by then. Large inputs make large logits, and "
    "what comes after comes from that.",
    "shifted": "The test accuracy never leaves chance: {test_accuracy} at best. The train accuracy "
    "climbs to {train_accuracy} all the same. Labels of other rows can be learnt by heart, and "
    "tell nothing about new ones.",
    "dead": "The loss ends at {end} and stays: what it costs to answer every picture with the "
    "shares of the classes, {entropy}. In one layer {silent} of the units answer 0 to all rows. No "
    "gradient gets through, and only the biases behind them still learn.",
    "uncleared": "The update got the sum of all gradients so far: late in the first epoch {piled} "
    "times its batch's own. The steps grow until the loss blows up, as if the rate did.",
    "leak": "The test loss ends at {gap} times the train loss. A network with {count} weights and "
    "biases learns {rows} rows by heart, and new rows must cost more: these were not new.",
    "healthy": "It starts near ln 10, falls steeply, then ever more slowly. The test loss levels "
    "off above the train loss, at {test_end} against {end}: that is what few rows cost. Batch "
    "losses do not repeat, no layer is silent, and each update gets its batch's gradient.",
}
CHANGED = {
    "rate_high": "What was wrong: the rate. {right} does well.",
    "rate_low": "What was wrong: the rate. {right} does well.",
    "unshuffled": "What was wrong: the rows were sorted by class and never shuffled.",
    "shifted": "What was wrong: each row had the label of the row before it.",
    "uncleared": "What was wrong: nothing set the gradients to zero before the backward pass.",
    "healthy": "Nothing was wrong with it.",
    "unscaled wide": "What was wrong: four of the 64 columns were left out of the standardising, "
    "with a spread of {stretch}.",
    "unscaled deep": "What was wrong: pixels from 0 to {pixel}, as a camera gives them.",
    "dead wide": "What was wrong: the hidden biases started at {bias}, and not at 0.",
    "dead deep": "What was wrong: the first picture of epoch {broken} was broken, its numbers "
    "multiplied by {breaks}. After a step of that size no unit of a layer came back.",
    "leak wide": "What was wrong: the test rows were every second one of the training rows.",
    "leak deep": "What was wrong: the test set was the training set under another name.",
}

NO = "No, not “{name}”. {would} {here}"
WOULD = {
    "rate_high": "A rate too high throws the loss up: here, with {lr} in place of {right}, by "
    "more than a tenth in {rises} of {epochs} epochs (thin lines).",
    "rate_low": "A rate too low gives a slow fall that goes on: here, with {lr} in place of "
    "{right}, the last quarter of the epochs does {late} of it (thin lines).",
    "unshuffled": "Without shuffling the batch losses of this network come back in each epoch, "
    "with a correlation of {repeats}.",
    "unscaled": "With such inputs the loss is {first} before the first update (thin lines).",
    "shifted": "With shifted labels the test accuracy stays at chance, {test_accuracy} at best, "
    "and the train accuracy climbs to {train_accuracy}.",
    "dead": "With dead units the loss ends flat, at {end} (thin lines), and {silent} of a layer's "
    "units answer 0 to all rows.",
    "uncleared": "Without clearing, the gradient that the update gets piles up: late in the first "
    "epoch it is {piled} times its batch's own.",
    "leak": "With a leak the test loss follows the train loss down: it ends at {test_end} beside "
    "{end} (thin lines).",
    "healthy": "When nothing is wrong this network ends with a train loss of {end} and a test loss "
    "of {test_end} (thin lines).",
}
# The first that is true of the run.
AGAINST: dict[str, list[tuple[Callable[[Run], bool], str]]] = {
    "rate_high": [
        (lambda r: rises(r) <= 3, "This one does so in {rises}."),
        (
            lambda r: r.train_loss[0] > LOUD,
            "This one goes up too, but it paid {first} before the first update: no rate had done "
            "anything by then.",
        ),
        (
            lambda r: piled_up(r) > 2,
            "This one goes up too, in {rises}; look at its gradient norm before you blame "
            "the step.",
        ),
        (
            lambda r: repeats(r) > REPEATED,
            "This one goes up too, in {rises}; but look at its batch losses: they come back in "
            "each epoch, and what a long step does would not.",
        ),
    ],
    "rate_low": [
        (
            lambda r: rises(r) > 0,
            "This one goes up by more than a tenth in {rises} of its epochs: short steps do not.",
        ),
        (
            lambda r: r.test_loss[-1] >= r.test_loss[0],
            "In this one the test loss does not fall along: it starts at {test_first} and ends at "
            "{test_end}.",
        ),
        (lambda r: True, "In this one it does {late}: it has come to rest, at {end}."),
    ],
    "unshuffled": [(lambda r: True, "In this one the correlation is {repeats}.")],
    "unscaled": [(lambda r: True, "This one starts at {first}, and guessing costs {guess}.")],
    "shifted": [
        (
            lambda r: r.test_accuracy.max() >= CHANCE,
            "In this one the test reached {test_accuracy}.",
        ),
        (
            lambda r: True,
            "In this one the train accuracy ends at chance too, at {train_accuracy}: nothing is "
            "learnt, not even by heart.",
        ),
    ],
    "dead": [
        (
            lambda r: r.silent[-1] < 1,
            "In this one {silent} do at the end, in the layer with most of them.",
        ),
        (
            lambda r: r.train_loss[0] > LOUD,
            "In this one a layer dies as well. But it paid {first} before the first update, with "
            "{silent_first} silent: what made that loss large killed the units.",
        ),
        (
            lambda r: True,
            "In this one a layer dies as well, yet the loss does not stay: it climbs to {end}. "
            "Something still grows; look at its gradient norm.",
        ),
    ],
    "uncleared": [(lambda r: True, "In this one the two are the same, at every update shown.")],
    "leak": [
        (lambda r: gap(r) >= HIGHER, "In this one it ends {gap} times as high as the train loss."),
        (
            lambda r: True,
            "In this one the train loss itself ends at {end}: there is no good result to doubt.",
        ),
    ],
    "healthy": [
        (
            lambda r: r.train_loss[0] > LOUD,
            "This one starts at {first}, and guessing costs {guess}.",
        ),
        (
            lambda r: not r.test_loss[-1] < 1.5 * r.test_loss.min(),
            "This one's test loss ends at {test_end}, after {test_best} at its best.",
        ),
        (lambda r: r.test_loss[-1] > 0.2, "This one's test loss ends at {test_end}."),
        (
            lambda r: gap(r) < HIGHER,
            "This one's test loss ends at {test_end}, {gap} times the train loss: too good to be "
            "true?",
        ),
        (
            lambda r: True,
            "By epochs this one looks much the same. Look at its batch losses: they come back in "
            "each epoch.",
        ),
    ],
}
# Which closer look decides, and is opened with the answer.
DECIDES = {
    "rate_high": "batches",
    "rate_low": "accuracy",
    "unshuffled": "batches",
    "unscaled": "batches",
    "shifted": "accuracy",
    "dead": "silent",
    "uncleared": "gradient",
    "leak": "accuracy",
    "healthy": "batches",
}

STILL = (
    "<p>A riddle that needs JavaScript and a screen: eighteen training runs in random order, and "
    "you say what is wrong with each. Below are nine of them, with the answers.</p>"
)
STILL_ALT = (
    "Nine small panels of loss over epochs, a solid line for train and a dashed one for test, one "
    "for each cause; what each of them does is said in the list below."
)
STILL_RUNS = {
    fault: "deep" if fault in ("unshuffled", "unscaled", "dead") else "wide" for fault in FAULTS
}
MARKS = (0, 1, 5, 10, 20)


def number(value: float) -> str:
    """A loss or a norm as people write it."""
    if not np.isfinite(value):
        return NO_NUMBER
    if value and not 1e-3 <= value < 1e4:
        return power(value, 1)
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def share(value: float) -> str:
    """Per cent, with a space that does not break."""
    return f"{100 * value:.0f}\u00a0%"


def several(values: Any, write: Callable[[float], str] = number) -> str:
    """Numbers in a row."""
    return ", ".join(write(float(v)) for v in values)


def parameters(setup: Setup) -> int:
    """Weights and biases of its network."""
    sizes = (64, *setup.hidden, CLASSES)
    return sum((a + 1) * b for a, b in pairwise(sizes))


def entropy(setup: Setup) -> float:
    """What it costs to answer every training row with the shares of the classes."""
    shares = np.bincount(data(setup)[1]) / setup.rows
    return float(-np.sum(shares * np.log(shares)))


@cache
def facts(name: str, fault: str) -> dict[str, str]:
    """All that a sentence may say about a run."""
    setup, r = replace(SETUPS[name], **CHANGES[name][fault]), run(name, fault)
    return {
        "lr": f"{setup.lr:g}",
        "right": f"{SETUPS[name].lr:g}",
        "beta": f"{setup.beta:g}",
        "batch": str(setup.batch_size),
        "epochs": str(setup.epochs),
        "seed": str(setup.seed),
        "rows": str(setup.rows),
        "sizes": "-".join(str(n) for n in (64, *setup.hidden, CLASSES)),
        "count": f"{parameters(setup):,}",
        "stretch": f"{STRETCH:g}",
        "pixel": str(setup.largest_pixel),
        "bias": f"{setup.bias:g}".replace("-", MINUS),
        "broken": str(setup.broken_epoch),
        "breaks": f"{BREAKS:,.0f}".replace("-", MINUS),
        "guess": number(GUESSING),
        "entropy": number(entropy(setup)),
        "first": number(r.train_loss[0]),
        "end": number(r.train_loss[-1]),
        "test_first": number(r.test_loss[0]),
        "test_end": number(r.test_loss[-1]),
        "test_best": number(np.nanmin(r.test_loss)),
        "test_accuracy": share(r.test_accuracy.max()),
        "train_accuracy": share(r.train_accuracy[-1]),
        "silent": share(r.silent[-1]),
        "silent_first": share(r.silent[0]),
        "rises": str(rises(r)),
        "late": share(late_share(r)),
        "repeats": f"{round(repeats(r), 2) + 0.0:.2f}".replace("-", MINUS),
        "piled": number(piled_up(r)),
        "gap": number(gap(r)),
    }


def curve(name: str, fault: str) -> str:
    """The curve in numbers, for who does not see it."""
    r = run(name, fault)
    return CURVE.format(
        train_first=number(r.train_loss[0]),
        train=several(r.train_loss[list(MARKS[1:])]),
        test_first=number(r.test_loss[0]),
        test=several(r.test_loss[list(MARKS[1:])]),
    )


def looks(name: str, fault: str) -> dict[str, str]:
    """Each closer look in words."""
    r, marks = run(name, fault), list(MARKS)
    shown = r.batch_loss[: SETUPS[name].shown]
    epoch, last = shown.shape[1], shown.size
    at = [0, 4, epoch - 1, last - 1]
    return {
        "accuracy": LOOKS["accuracy"].format(
            train=several(r.train_accuracy[marks], share),
            test=several(r.test_accuracy[marks], share),
        ),
        "batches": LOOKS["batches"].format(
            repeats=facts(name, fault)["repeats"],
            first=number(shown[0, 0]),
            low=number(shown.min()),
            high=number(shown.max()),
        ),
        "gradient": LOOKS["gradient"].format(
            epoch=epoch,
            last=last,
            handed=several(r.handed.ravel()[at]),
            own=several(r.own.ravel()[at]),
        ),
        "silent": LOOKS["silent"].format(silent=several(r.silent[marks], share)),
    }


def why(name: str, fault: str) -> str:
    """Why the curve shows it."""
    return WHY[fault].format(**facts(name, fault))


def changed(name: str, fault: str) -> str:
    """What was made wrong."""
    text = CHANGED.get(fault) or CHANGED[f"{fault} {name}"]
    return text.format(**facts(name, fault))


def answer(text: str, name: str, fault: str) -> str:
    """The cause, why the curve shows it, and the settings of the run."""
    return text.format(
        name=NAMES[fault],
        why=why(name, fault),
        changed=changed(name, fault),
        settings=SETTINGS.format(**facts(name, fault)),
    )


def feedback(name: str, true: str, chosen: str) -> str:
    """To a reader who chose a fault where another one, or this one, is at work."""
    if chosen == true:
        return answer(YES, name, true)
    here = next(text for holds, text in AGAINST[chosen] if holds(run(name, true)))
    return NO.format(
        name=NAMES[chosen],
        would=WOULD[chosen].format(**facts(name, chosen)),
        here=here.format(**facts(name, true)),
    )


# What the script draws.


def plain(values: Array) -> list[float | None]:
    """To four digits; what is no number becomes None, for JSON has none for it."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in np.ravel(values)]


def curve_data(name: str, fault: str) -> dict[str, Any]:
    """A run: what is drawn of it, and all that is said about it."""
    r, shown = run(name, fault), SETUPS[name].shown
    # Most runs hand on what they measure: sent once. Rows in another order add up a digit apart.
    same = np.allclose(r.handed, r.own, rtol=1e-9, equal_nan=True)
    return {
        "setup": name,
        "fault": fault,
        "train": plain(r.train_loss),
        "test": plain(r.test_loss),
        "accuracy": [plain(r.train_accuracy), plain(r.test_accuracy)],
        "batches": [plain(r.batch_loss[:shown])],
        "gradient": [plain(r.handed)] if same else [plain(r.handed), plain(r.own)],
        "silent": [plain(r.silent)],
        "an_epoch": r.batch_loss.shape[1],
        "about": ABOUT.format(**facts(name, fault)),
        "curve": curve(name, fault),
        "looks": looks(name, fault),
        "feedback": {chosen: feedback(name, fault, chosen) for chosen in FAULTS},
        "told": answer(IS, name, fault),
    }


def curves_data() -> dict[str, Any]:
    """What the figure needs."""
    return {
        "runs": [curve_data(name, fault) for name, fault in RUNS],
        "names": NAMES,
        "decides": DECIDES,
        "guess": GUESSING,
        "words": WORDS,
    }


def still() -> str:
    """Nine of the curves as pictures, and in words what each shows."""
    figure, axes = new_figure(5, 2, size=(5.6, 10))
    for ax, (fault, name) in zip(axes.flat, STILL_RUNS.items(), strict=False):
        r = run(name, fault)
        for loss, colour, dash, label in (
            (r.train_loss, COLOURS[0], "-", WORDS["train"]),
            (r.test_loss, COLOURS[1], "--", WORDS["test"]),
        ):
            ax.plot(loss, dash, color=colour, label=label)
        ax.axhline(GUESSING, color="grey", linestyle=":", linewidth=1, label=WORDS["guess"])
        ax.set(title=NAMES[fault], xlabel=WORDS["epoch"], xticks=MARKS[::2])
        # As the script does: decades where they are needed, and what blows up leaves the panel.
        seen = np.concatenate([r.train_loss, r.test_loss])
        if seen.min() > 0.5 and seen.max() < 6:
            ax.set_ylim(0, np.ceil(seen.max()))
            continue
        low, high = np.floor(np.log10(seen.min())), np.ceil(np.log10(seen.max()))
        ax.set(yscale="log", ylim=(10**low, 10 ** min(high, 6)))
        ax.minorticks_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(handles, labels, loc="center")
    reasons = "".join(
        f"<li>{NAMES[fault]}: {why(name, fault)} {changed(name, fault)}</li>"
        for fault, name in STILL_RUNS.items()
    )
    return f"{STILL}{picture(figure, STILL_ALT)}<ul>{reasons}</ul>"


def curves_figure() -> str:
    """The live figure, as HTML."""
    return live_figure(
        "experiments-curves", script="experiments", label=LABEL, still=still(), data=curves_data()
    )
