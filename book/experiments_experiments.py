"""Chapter 8's experiments: the page draws what they return, the tests assert it.

A run is a configuration, as `run_experiment` takes it, with two entries more: `data`, which digits,
and `optimiser`. Runs are kept on disk (`book.kept`): what is timed is measured anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from autograder.datasets import digits
from autograder.figures import COLOURS, DASHES, STYLE, Look, look, method
from book.kept import made_of, memory, with_progress
from solutions.adam import adam_step
from solutions.experiments import MLP, cross_entropy, run_experiment, train_epoch

Array = np.ndarray
Config = dict[str, Any]
History = dict[str, Array]

SPLIT_SEED = 8
CLASSES = 10
LN_10 = float(np.log(CLASSES))
SEEDS = range(5)
BASE: Config = dict(
    data="digits",
    hidden=[32, 32, 32],
    init="he",
    batch_size=64,
    lr=0.1,
    optimiser="averaged",
    beta=0.0,
    epochs=20,
    seed=0,
)


# The data.


@cache
def data(which: str = "digits") -> dict[str, Array]:
    """1,438 digits to train on and 359 to test on, always the same ones.

    `which` is digits (8 by 8 pixels), large (28 by 28), few (150 to train on), or uneven (of the
    digit k a share of (k + 1) / 10 is kept).
    """
    X, y = digits(28 if which == "large" else 8)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(y))
    if which == "uneven":
        luck = np.random.default_rng(SPLIT_SEED).uniform(size=len(y))
        order = order[luck[order] < (y[order] + 1) / CLASSES]
    train, test = order[: round(0.8 * len(order))], order[round(0.8 * len(order)) :]
    if which == "few":
        train = train[:150]
    return dict(X_train=X[train], y_train=y[train], X_test=X[test], y_test=y[test])


def shares(which: str = "digits") -> Array:
    """The share of each class in the training set, (10,)."""
    y = data(which)["y_train"]
    return np.bincount(y, minlength=CLASSES) / len(y)


def entropy(p: Array) -> float:
    """The lowest loss of anybody who does not look at the pictures."""
    return float(-np.sum(p * np.log(p)))


# Runs.


def config(**changes: Any) -> Config:
    """The base configuration with some entries changed: the fewer, the better."""
    if unknown := changes.keys() - BASE.keys():
        raise ValueError(f"no entry of a configuration: {', '.join(sorted(unknown))}")
    return BASE | changes


def flat(arrays: Iterable[Array]) -> Array:
    """All the numbers of several arrays, one after the other."""
    return np.concatenate([a.ravel() for a in arrays])


def put(params: Sequence[Any], theta: Array) -> None:
    """The reverse of `flat`, into the parameters of a model."""
    start = 0
    for p in params:
        p.data = theta[start : start + p.data.size].reshape(p.shape)
        start += p.data.size


Update = Callable[[Array, Array], Array]


def pytorch_momentum(lr: float, beta: float) -> Update:
    """v = beta v + g, theta = theta - lr v: the form of torch.optim.SGD."""
    v = np.zeros(1)

    def update(theta: Array, grad: Array) -> Array:
        nonlocal v
        v = beta * v + grad
        return theta - lr * v

    return update


def adam(lr: float) -> Update:
    """Chapter 5's step, with its usual betas."""
    m, v, t = np.zeros(1), np.zeros(1), 0

    def update(theta: Array, grad: Array) -> Array:
        nonlocal m, v, t
        t += 1
        theta, m, v = adam_step(theta, grad, m, v, t, lr)
        return theta

    return update


def gradient(model: Any, X: Array, y: Array) -> float:
    """The mean loss of a batch; its gradient is left in the parameters."""
    for p in model.parameters():
        p.grad = np.zeros_like(p.data)
    loss = cross_entropy(model(X), y)
    loss.backward()
    return float(loss.data)


def experiment(config: Config, data: dict[str, Array], update: Update) -> History:
    """`run_experiment` with another optimiser: from a seed the same weights and batches."""
    X, y = data["X_train"], data["y_train"]
    rng = np.random.default_rng(config["seed"])
    model = MLP([X.shape[1], *config["hidden"], CLASSES], rng, config["init"])
    params, size = model.parameters(), config["batch_size"] or len(y)
    rows = []

    def look() -> None:
        train, test = model(X), model(data["X_test"])
        right = np.mean(test.data.argmax(axis=1) == data["y_test"])
        losses = cross_entropy(train, y), cross_entropy(test, data["y_test"])
        rows.append([*(float(loss.data) for loss in losses), float(right)])

    look()
    for _ in range(config["epochs"]):
        order = rng.permutation(len(y))
        for start in range(0, len(y), size):
            batch = order[start : start + size]
            gradient(model, X[batch], y[batch])
            put(params, update(flat(p.data for p in params), flat(p.grad for p in params)))
        look()
    columns = np.array(rows).T
    return dict(zip(("train_loss", "test_loss", "test_accuracy"), columns, strict=True))


def run(config: Config) -> History:
    """One run, whatever its optimiser; on one thread, so that it comes out the same again."""
    rest = {key: value for key, value in config.items() if key not in ("data", "optimiser")}
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        if config["optimiser"] == "averaged":
            history = run_experiment(rest, data(config["data"]))
            del history["epoch_seconds"]  # a time that is kept would be of another day
            return history
        if config["optimiser"] == "pytorch":
            update = pytorch_momentum(config["lr"], config["beta"])
        else:
            update = adam(config["lr"])
        return experiment(rest, data(config["data"]), update)


def keep(config: Config, made_of: str) -> History:
    """What joblib keeps: a run under its configuration, and under what it is made of."""
    return run(config)


@dataclass(frozen=True)
class Runs:
    """Several runs that differ in their seed alone; each array (runs, epochs + 1)."""

    train_loss: Array
    test_loss: Array
    test_accuracy: Array

    @property
    def last(self) -> Array:
        """The training loss after the last epoch, (runs,)."""
        return self.train_loss[:, -1]


def repeat(
    table: dict[Any, Config], seeds: Iterable[int] = SEEDS, what: str = "Runs"
) -> dict[Any, Runs]:
    """Each configuration of a table, from each of the seeds."""
    stored, made = memory().cache(keep), made_of(run)
    wanted = [c | dict(seed=seed) for c in table.values() for seed in seeds]
    missing = [c for c in wanted if not stored.check_call_in_cache(c, made)]
    for each in with_progress(missing, len(missing), what):
        stored(each, made)
    done = {}
    for name, c in table.items():
        histories = [stored(c | dict(seed=seed), made) for seed in seeds]
        done[name] = Runs(*(np.array([h[key] for h in histories]) for key in histories[0]))
    return done


def band(ax: Any, x: Array, values: Array, place: int, label: str, **line: Any) -> None:
    """Draw the median of several runs, and the band from the lowest to the highest of them.

    `values` is (runs, len(x)); `place` chooses colour and dash, unless the label is a method.
    """
    style = Look(COLOURS[place], DASHES[place]) if method(label) is None else look(label)
    line = dict(color=style.colour, linestyle=style.linestyle) | line
    low, high = values.min(axis=0), values.max(axis=0)
    ax.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
    ax.plot(x, np.median(values, axis=0), label=label, **line)
    ax.grid(True, color=STYLE["grid.color"], linewidth=STYLE["grid.linewidth"])


# Before anything else.


def first_losses(scale: float = 1.0, seeds: Iterable[int] = range(20), init: str = "he") -> Array:
    """The loss before any update, from several draws of the weights; pixels times `scale`."""
    X, y = scale * data()["X_train"], data()["y_train"]
    sizes = [X.shape[1], *BASE["hidden"], CLASSES]
    models = (MLP(sizes, np.random.default_rng(seed), init) for seed in seeds)
    return np.array([float(cross_entropy(model(X), y).data) for model in models])


BATCH_UPDATES = 300


def one_batch(bug: str = "", updates: int = BATCH_UPDATES, seed: int = 0) -> Array:
    """The loss of one batch of 32 digits, update by update.

    `bug` is nothing, "labels" (the rows are shuffled and the labels are not), "clearing" (gradients
    are not cleared), or "relu" (a ReLU after the last layer as well).
    """
    rng = np.random.default_rng(seed)
    X, y = data()["X_train"][:32], data()["y_train"][:32]
    model = MLP([64, *BASE["hidden"], CLASSES], rng)
    losses = []
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        for _ in range(updates):
            order = rng.permutation(len(y))
            logits = model(X[order])
            loss = cross_entropy(
                logits.relu() if bug == "relu" else logits, y if bug == "labels" else y[order]
            )
            if bug != "clearing":
                for p in model.parameters():
                    p.grad = np.zeros_like(p.data)
            loss.backward()
            losses.append(float(loss.data))
            for p in model.parameters():
                p.data = p.data - BASE["lr"] * p.grad
    return np.array(losses)


def many_and_few() -> dict[str, Runs]:
    """Training on 1,438 digits and on 150 of them, tested on the same 359."""
    table = {"digits": config(), "few": config(data="few", epochs=100)}
    return repeat(table, what="Many digits and few")


# Where to start.

INITS = ("zeros", "ones", "uniform", "he")


def initialisations() -> dict[str, Runs]:
    """The four starts."""
    return repeat({init: config(init=init) for init in INITS}, what="Initialisation")


@dataclass(frozen=True)
class Layers:
    """Root mean squares, layer by layer: activations (4,), and gradients by the weights (4,)."""

    activations: Array
    gradients: Array


def rms(a: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(a**2)))


def layers(init: str, seed: int = 0) -> Layers:
    """What goes forward and what comes back before any update, on the whole training set."""
    X, y = data()["X_train"], data()["y_train"]
    model = MLP([64, *BASE["hidden"], CLASSES], np.random.default_rng(seed), init)
    gradient(model, X, y)
    sizes, x = [], X
    for i, layer in enumerate(model.layers):
        x = x @ layer.W.data + layer.b.data
        x = np.maximum(x, 0) if i < len(model.layers) - 1 else x
        sizes.append(rms(x))
    return Layers(np.array(sizes), np.array([rms(layer.W.grad) for layer in model.layers]))


@dataclass(frozen=True)
class Ones:
    """The first epoch from ones."""

    losses: Array  # each batch's, before its update
    hidden: list[float]  # rms of the gradients of W1, W2, W3 before the first update
    alive: list[float]  # share of the outputs above 0 in the third hidden layer, by update


def ones(updates: int = 6) -> Ones:
    """What a start with ones does in its first updates."""
    X, y = data()["X_train"], data()["y_train"]
    rng = np.random.default_rng(0)
    model = MLP([64, *BASE["hidden"], CLASSES], rng, "ones")
    order, alive, losses, hidden = rng.permutation(len(y)), [], [], []
    for step in range(updates):
        batch = order[step * 64 : (step + 1) * 64]
        x = X
        for layer in model.layers[:-1]:
            x = np.maximum(x @ layer.W.data + layer.b.data, 0)
        alive.append(float(np.mean(x > 0)))
        losses.append(gradient(model, X[batch], y[batch]))
        if step == 0:
            hidden = [rms(layer.W.grad) for layer in model.layers]
        for p in model.parameters():
            p.data = p.data - BASE["lr"] * p.grad
    return Ones(np.array(losses), hidden, alive)


@dataclass(frozen=True)
class Zeros:
    """A start with zeros on uneven classes."""

    loss: Array  # after each epoch
    entropy: float
    answers: Array  # (10,), the same for every picture
    shares: Array
    moved: list[float]  # the largest change of W1, b1, ..., W4, b4


@cache
def zeros(rates: tuple[float, ...] = (1.0,) * 10 + (0.1,) * 10 + (0.01,) * 10) -> Zeros:
    """What the last bias learns while nothing else moves: a large rate, then smaller ones."""
    d = data("uneven")
    model = MLP([64, *BASE["hidden"], CLASSES], np.random.default_rng(0), "zeros")
    start = [p.data.copy() for p in model.parameters()]
    velocity, rng = [np.zeros_like(p) for p in start], np.random.default_rng(0)

    def loss() -> float:
        return float(cross_entropy(model(d["X_train"]), d["y_train"]).data)

    losses = [loss()]
    for lr in rates:
        _, velocity = train_epoch(model, d["X_train"], d["y_train"], 64, lr, 0.0, velocity, rng)
        losses.append(loss())
    logits = model(d["X_test"]).data
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    answers = odds / odds.sum(axis=1, keepdims=True)
    assert np.all(answers == answers[0])
    pairs = zip(model.parameters(), start, strict=True)
    moved = [float(np.abs(p.data - old).max()) for p, old in pairs]
    p = shares("uneven")
    return Zeros(np.array(losses), entropy(p), answers[0], p, moved)


# Batch sizes.

SIZES: dict[int | None, int] = {1: 2, 16: 15, 32: 18, 64: 20, 128: 30, 256: 40, None: 40}


def batch_sizes() -> dict[int | None, Runs]:
    """Each batch size at the base learning rate, for about the same time (1: two epochs)."""
    table = {m: config(batch_size=m, epochs=epochs) for m, epochs in SIZES.items()}
    return repeat(table, what="Batch sizes")


def batch_of_one(lr: float = 0.01) -> Runs:
    """Batch size 1 again, with a learning rate of its own."""
    table = {lr: config(batch_size=1, epochs=2, lr=lr)}
    return repeat(table, SEARCH_SEEDS, "Batch size 1 once more")[lr]


def updates_an_epoch(m: int | None) -> int:
    """How many batches an epoch has; the last one may be short."""
    n = len(data()["y_train"])
    return -(-n // (m or n))


@dataclass(frozen=True)
class Timing:
    """Median seconds, and the quartiles."""

    median: float
    low: float
    high: float


@cache
def epoch_times(
    sizes: tuple[int | None, ...] = tuple(SIZES),
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> dict[int | None, Timing]:
    """Seconds of an epoch for each batch size, median and quartiles; the sizes take turns.

    Of processor time, on one thread: what others do on the machine is not what an epoch costs.
    """
    X, y = data()["X_train"], data()["y_train"]
    seconds: dict[int | None, list[float]] = {m: [] for m in sizes}
    with threadpool_limits(1):
        for turn in range(repeats + 1):
            for m, row in seconds.items():
                rng = np.random.default_rng(0)
                model = MLP([64, *BASE["hidden"], CLASSES], rng)
                still = [np.zeros_like(p.data) for p in model.parameters()]
                begin = clock()
                train_epoch(model, X, y, m, 0.01, 0.0, still, rng)
                # The first turn fills caches; for the batch of 1 it would only take long.
                if turn or m == 1:
                    row.append(clock() - begin)
    return {
        m: Timing(*(float(q) for q in np.quantile(row, (0.5, 0.25, 0.75))))
        for m, row in seconds.items()
    }


@dataclass(frozen=True)
class Price:
    """The fit a / m + c of seconds an epoch, and its relative error at each batch size."""

    a: float
    c: float
    errors: dict[int, float]

    def __call__(self, m: Array) -> Array:
        return self.a / m + self.c


def price(times: dict[int | None, Timing]) -> Price:
    """Least squares in relative error."""
    n = len(data()["y_train"])
    m = np.array([size or n for size in times], dtype=float)
    seconds = np.array([t.median for t in times.values()])
    design = np.column_stack([1 / m, np.ones(len(m))]) / seconds[:, None]
    a, c = np.linalg.lstsq(design, np.ones(len(m)), rcond=None)[0]
    errors = np.abs((a / m + c) / seconds - 1)
    return Price(float(a), float(c), {int(k): float(e) for k, e in zip(m, errors, strict=True)})


# Learning rates.

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SEARCH_EPOCHS = 10
SEARCH_SEEDS = range(3)
RATE_SIZES = (16, 64, 256)
SMALL_RATES = (0.002, 0.01, 0.05, 0.1)  # for batches of one


def learning_rates() -> dict[float, Runs]:
    """Ten learning rates at the base batch size."""
    table = {lr: config(lr=lr, epochs=SEARCH_EPOCHS) for lr in RATES}
    return repeat(table, what="Learning rates")


def rates_by_size() -> dict[int, dict[float, Runs]]:
    """The same for three batch sizes, from fewer seeds; and two epochs with batches of one."""
    out = {}
    for m in (1, *RATE_SIZES):
        rates, epochs = (SMALL_RATES, 2) if m == 1 else (RATES[2:], SEARCH_EPOCHS)
        table = {lr: config(lr=lr, batch_size=m, epochs=epochs) for lr in rates}
        out[m] = repeat(table, SEARCH_SEEDS, f"Learning rates, batches of {m}")
    return out


def without_noise(lr: float = 1.0) -> Runs:
    """Full batches at a rate that is too large: no noise can be blamed."""
    table = {lr: config(batch_size=None, lr=lr, epochs=SIZES[None])}
    return repeat(table, SEARCH_SEEDS, "Full batches at a large rate")[lr]


def middle(runs: dict[float, Runs], epoch: int = -1) -> Array:
    """The median over the seeds of the training loss after an epoch, for each learning rate."""
    return np.array([np.median(r.train_loss[:, epoch]) for r in runs.values()])


def best_rate(runs: dict[float, Runs], epoch: int = -1) -> float:
    """The learning rate with the lowest of these medians."""
    return list(runs)[int(np.argmin(middle(runs, epoch)))]


def below(runs: dict[float, Runs], limit: float) -> list[float]:
    """The learning rates whose median loss is below a limit."""
    return [lr for lr, loss in zip(runs, middle(runs), strict=True) if loss < limit]


@cache
def silent_units(lr: float, seeds: Sequence[int] = (0, 1, 2)) -> float:
    """The share of hidden units that are 0 on every training digit after ten epochs."""
    X, y = data()["X_train"], data()["y_train"]
    silent = []
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            model = MLP([64, *BASE["hidden"], CLASSES], rng)
            velocity = [np.zeros_like(p.data) for p in model.parameters()]
            for _ in range(SEARCH_EPOCHS):
                _, velocity = train_epoch(model, X, y, 64, lr, 0.0, velocity, rng)
            x = X
            for layer in model.layers[:-1]:
                x = np.maximum(x @ layer.W.data + layer.b.data, 0)
                silent.append(np.mean(x.max(axis=0) == 0))
    return float(np.mean(silent))


# Momentum, in two forms.

BETAS = (0.0, 0.5, 0.9, 0.99)
MOMENTUM_LR = 0.01


def effective_rate(lr: float, beta: float) -> float:
    """The rate at which plain descent, and the averaged form, take steps as long as those of
    PyTorch's form at `lr`."""
    # Rounded: 0.01 / (1 - 0.9) is one digit away from the 0.1 that other runs have.
    return round(lr / (1 - beta), 9)


def momentum_forms() -> dict[str, dict[float, Runs]]:
    """For each beta: the averaged form and PyTorch's at the same lr, and no momentum at the
    learning rate that PyTorch's form amounts to, lr / (1 - beta)."""
    table: dict[tuple[str, float], Config] = {}
    for beta in BETAS:
        table["averaged", beta] = config(lr=MOMENTUM_LR, beta=beta)
        # Without momentum the forms are one.
        pytorch = dict(optimiser="pytorch") if beta else {}
        table["pytorch", beta] = config(lr=MOMENTUM_LR, beta=beta, **pytorch)
        table["plain", beta] = config(lr=effective_rate(MOMENTUM_LR, beta))
    done = repeat(table, what="Momentum")
    return {
        form: {beta: done[form, beta] for beta in BETAS}
        for form in ("averaged", "pytorch", "plain")
    }


def same_walk(beta: float = 0.9, lr: float = MOMENTUM_LR, epochs: int = 3) -> float:
    """Largest difference, over all losses of a run, between PyTorch's form at lr and the averaged
    one at lr / (1 - beta)."""
    ours = run(config(lr=lr / (1 - beta), beta=beta, epochs=epochs))
    theirs = run(config(optimiser="pytorch", lr=lr, beta=beta, epochs=epochs))
    return max(float(np.abs(ours[key] - theirs[key]).max()) for key in ("train_loss", "test_loss"))


# What two students may choose.

STUDENT_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
STUDENT_BETAS = (0.0, 0.9, 0.99)


@cache
def two_students() -> dict[tuple[str, float, float], Runs]:
    """PyTorch's form at each of the rates; the averaged form and no momentum at the same rates, and
    at those that make their steps as long: under the form, its lr and its beta. Without momentum
    all forms are "plain"."""
    table: dict[tuple[str, float, float], Config] = {}
    for beta in STUDENT_BETAS:
        for lr in STUDENT_RATES:
            if beta:
                table["pytorch", lr, beta] = config(optimiser="pytorch", lr=lr, beta=beta)
            for rate in (lr, effective_rate(lr, beta)):
                table["plain", rate, 0.0] = config(lr=rate)
                if beta:
                    table["averaged", rate, beta] = config(lr=rate, beta=beta)
    return repeat(table, what="Two students")


# Optimisers, each at its best.

ADAM_RATES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
MOMENTUM_RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
FRESH_SEEDS = range(100, 110)
SEARCHED: dict[str, tuple[Config, tuple[float, ...]]] = {
    "SGD": (dict(), RATES),
    "momentum": (dict(beta=0.9), MOMENTUM_RATES),
    "Adam": (dict(optimiser="adam"), ADAM_RATES),
}


def search() -> dict[str, dict[float, Runs]]:
    """Ten learning rates for each optimiser, from the same three seeds: thirty runs each."""
    out = {}
    for name, (changes, rates) in SEARCHED.items():
        table = {lr: config(lr=lr, epochs=SEARCH_EPOCHS, **changes) for lr in rates}
        out[name] = repeat(table, SEARCH_SEEDS, f"Search for {name}")
    return out


def confirm() -> dict[str, Runs]:
    """Each optimiser at the rate that its search found, from seeds that the search never saw."""
    table = {
        name: config(lr=best_rate(runs), epochs=SEARCH_EPOCHS, **SEARCHED[name][0])
        for name, runs in search().items()
    }
    return repeat(table, FRESH_SEEDS, "Optimisers on fresh seeds")


def mean_and_error(values: Array) -> tuple[float, float]:
    """The mean, and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def fooled(losses: Array) -> Array:
    """Of all pairs of runs of one and the same setting, the ratio of the larger to the smaller."""
    i, j = np.triu_indices(len(losses), 1)
    ratio = losses[i] / losses[j]
    return np.maximum(ratio, 1 / ratio)


# Another network.


EFFECTIVE = (0.02, 0.1, 0.2)


def on_large_digits() -> dict[Any, Runs]:
    """784-16-16-16-10 on 28 by 28 pixels: from zeros, and for three effective learning rates no
    momentum ("plain", lr) and PyTorch's form with beta = 0.9 at a tenth of it ("pytorch", lr)."""
    large = dict(data="large", hidden=[16, 16, 16], epochs=SEARCH_EPOCHS)
    table: dict[Any, Config] = {"zeros": config(init="zeros", **large)}
    for lr in EFFECTIVE:
        table["plain", lr] = config(lr=lr, **large)
        table["pytorch", lr] = config(optimiser="pytorch", lr=lr / 10, beta=0.9, **large)
    return repeat(table, SEARCH_SEEDS, "784-16-16-16-10")


def main() -> None:
    """Make all runs of the page, with a bar for each experiment that is not there yet."""
    many_and_few()
    initialisations()
    batch_sizes()
    batch_of_one()
    learning_rates()
    rates_by_size()
    without_noise()
    momentum_forms()
    two_students()
    confirm()  # after its search
    on_large_digits()


if __name__ == "__main__":
    # Under its own name, not as __main__: kept runs are found by the name of the module.
    from book.experiments_experiments import main as make_all

    make_all()
