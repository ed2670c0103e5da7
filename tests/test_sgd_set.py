"""The sgd set against independent truth: torch, SciPy, the law of large samples."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.judging.judge import judge, local_caller
from autograder.judging.sets import find_set
from autograder.judging.verdict import Verdict
from solutions.gradient import gradient_descent, linear_gradient
from solutions.sgd import (
    at_the_minimum,
    cosine_decay,
    exponential_decay,
    gradient_standard_error,
    lr_for_floor,
    minibatch_gradient,
    minibatches,
    sgd,
    smallest_batch,
    step_decay,
)

Array = np.ndarray
PARTS = {part.name: part for part in find_set("sgd").parts}

seeds = st.integers(0, 2**32 - 1)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def verdict_on(part: str, target: Callable[..., Any], seed: str = "variant") -> Verdict:
    return judge(PARTS[part], seed, local_caller(target))


def some_data(seed: int, n: int, d: int = 2) -> tuple[Array, Array, Array]:
    rng = rng_of(seed)
    return rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=n)


# minibatches


@given(st.integers(1, 60), st.integers(1, 80), seeds)
@settings(max_examples=60, deadline=None)
def test_an_epoch_is_a_partition(n: int, batch_size: int, seed: int) -> None:
    batches = list(minibatches(n, batch_size, rng_of(seed)))
    assert sorted(np.concatenate(batches)) == list(range(n))
    full, short = divmod(n, batch_size)
    assert [len(b) for b in batches] == [batch_size] * full + [short] * (short > 0)


def test_every_order_is_equally_likely() -> None:
    """Of 4 rows there are 24 orders; a chi-square test at a false alarm of 1e-6, seed fixed."""
    rng = rng_of(0)
    orders = Counter(tuple(np.concatenate(list(minibatches(4, 2, rng)))) for _ in range(4800))
    assert len(orders) == 24
    assert scipy.stats.chisquare(list(orders.values())).pvalue > 1e-6


# minibatch_gradient


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_batch_gradient_is_what_autograd_says_of_its_rows(seed: int) -> None:
    theta, X, y = some_data(seed, 12, 3)
    index = rng_of(seed).permutation(12)[: seed % 12 + 1]
    leaf = torch.tensor(theta, requires_grad=True)
    (((torch.tensor(X[index]) @ leaf - torch.tensor(y[index])) ** 2).mean() / 2).backward()
    assert leaf.grad is not None
    ours = minibatch_gradient(linear_gradient, theta, X, y, index)
    np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=1e-10, atol=1e-12)


@given(seeds, st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_batches_of_one_size_are_right_on_average(seed: int, batch_size: int) -> None:
    theta, X, y = some_data(seed, batch_size * 4)
    batches = minibatches(len(y), batch_size, rng_of(seed))
    seen = [minibatch_gradient(linear_gradient, theta, X, y, index) for index in batches]
    whole = linear_gradient(theta, X, y)
    np.testing.assert_allclose(np.mean(seen, axis=0), whole, rtol=1e-10, atol=1e-12)


# sgd


@given(seeds, st.integers(1, 12), st.integers(0, 4))
@settings(max_examples=15, deadline=None)
def test_sgd_walks_as_torchs_does_on_the_same_batches(seed: int, size: int, epochs: int) -> None:
    """torch's SGD with its ExponentialLR, stepped once an update, is fed the logged batches."""
    theta0, X, y = some_data(seed, 10)
    batches: list[tuple[Array, Array]] = []

    def logged(theta: Array, rows: Array, targets: Array) -> Array:
        batches.append((rows, targets))
        return linear_gradient(theta, rows, targets)

    walk = sgd(
        logged, theta0, X, y, lambda t: exponential_decay(0.1, t, 0.9), size, epochs, rng_of(seed)
    )
    leaf = torch.tensor(theta0, requires_grad=True)
    optimiser = torch.optim.SGD([leaf], lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.9)
    theirs = [theta0]
    for rows, targets in batches:
        optimiser.zero_grad()
        (((torch.tensor(rows) @ leaf - torch.tensor(targets)) ** 2).mean() / 2).backward()
        optimiser.step()
        schedule.step()
        theirs.append(leaf.detach().numpy().copy())
    assert len(walk) == 1 + epochs * -(-10 // size)
    np.testing.assert_allclose(walk, theirs, rtol=1e-10, atol=1e-12)


@given(seeds, st.integers(12, 40))
@settings(max_examples=20, deadline=None)
def test_at_full_batch_it_is_gradient_descent(seed: int, batch_size: int) -> None:
    theta0, X, y = some_data(seed, 12)
    walk = sgd(linear_gradient, theta0, X, y, 0.1, batch_size, 8, rng_of(seed))
    plain = gradient_descent(lambda theta: linear_gradient(theta, X, y), theta0, 0.1, 8)
    np.testing.assert_allclose(walk, plain, rtol=1e-9, atol=1e-12)


def test_each_epoch_has_an_order_of_its_own_and_every_row_once() -> None:
    theta0, X, _ = some_data(1, 40)
    y = np.arange(40.0)
    seen: list[float] = []

    def logged(theta: Array, rows: Array, targets: Array) -> Array:
        seen.extend(targets)
        return linear_gradient(theta, rows, targets)

    sgd(logged, theta0, X, y, 1e-3, 7, 3, rng_of(2))
    epochs = np.reshape(seen, (3, 40))
    assert np.all(np.sort(epochs) == y)
    assert len({tuple(epoch) for epoch in [y, *epochs]}) == 4


def test_a_schedule_is_asked_from_zero_over_all_epochs_and_arguments_stay() -> None:
    theta0, X, y = some_data(3, 10)
    before = [a.copy() for a in (theta0, X, y)]
    asked: list[int] = []

    def lr(update: int) -> float:
        asked.append(update)
        return 0.1

    sgd(linear_gradient, theta0, X, y, lr, 4, 3, rng_of(0))
    assert asked == list(range(9))
    for was, now in zip(before, (theta0, X, y), strict=True):
        np.testing.assert_array_equal(was, now)


# gradient_standard_error


@given(seeds, st.integers(2, 30), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_standard_error_is_scipys(seed: int, n: int, d: int) -> None:
    gradients = rng_of(seed).normal(size=(n, d))
    ours = gradient_standard_error(gradients, n)
    np.testing.assert_allclose(ours, scipy.stats.sem(gradients, axis=0), rtol=1e-10)
    np.testing.assert_allclose(gradient_standard_error(gradients, 4 * n), ours / 2, rtol=1e-10)


@pytest.mark.parametrize("m", [1, 5, 50])
def test_the_spread_of_many_batches_is_the_one_predicted(m: int) -> None:
    """20,000 batches: their spread is known to 0.5 %, so 3 % is six standard errors."""
    rng = rng_of(m)
    gradients = rng.normal(size=(1000, 2)) * [1.0, 3.0]
    means = np.mean(gradients[rng.integers(0, 1000, (20_000, m))], axis=1)
    np.testing.assert_allclose(
        gradient_standard_error(gradients, m), np.std(means, axis=0), rtol=0.03
    )


# smallest_batch and lr_for_floor


def by_counting(per_example_gradients: Array, share: float) -> int:
    """The error of every batch of every size, counted."""
    each = np.asarray(per_example_gradients, dtype=float)
    full = each.mean(axis=0)
    for m in range(1, len(each) + 1):
        batches = np.array([each[list(b)].mean(axis=0) for b in combinations(range(len(each)), m)])
        error = np.sqrt(np.mean(np.sum((batches - full) ** 2, axis=1)))
        if error <= share * np.linalg.norm(full) * (1 + 1e-12) + 1e-15:
            return m
    raise AssertionError("all of them have no error")


@given(seeds, st.integers(2, 7), st.floats(0.05, 2))
@settings(max_examples=40, deadline=None)
def test_the_smallest_batch_is_the_one_that_counting_finds(seed: int, n: int, share: float) -> None:
    gradients = rng_of(seed).normal(size=(n, 2)) + 0.5
    assert smallest_batch(gradients, share) == by_counting(gradients, share)


@given(seeds, st.integers(1, 8), st.floats(1e-4, 1))
@settings(max_examples=30, deadline=None)
def test_at_the_chosen_rate_the_floor_is_the_one_asked_for(seed: int, m: int, floor: float) -> None:
    """The spread of the walk by SciPy's Lyapunov solver; torch's curvature at the cap."""
    _, X, y = some_data(seed, 12)
    y = y + 1
    lr = lr_for_floor(X, y, m, floor)
    H = torch.autograd.functional.hessian(
        lambda theta: ((torch.tensor(X) @ theta - torch.tensor(y)) ** 2).mean() / 2,
        torch.zeros(2, dtype=torch.float64),
    ).numpy()
    cap = 1 / np.max(np.linalg.eigvalsh(H))
    theta = np.linalg.solve(X.T @ X, X.T @ y)
    each = (X @ theta - y)[:, None] * X
    spread = scipy.linalg.solve_continuous_lyapunov(H, lr / m * np.cov(each.T, ddof=0))
    hovers = 0.5 * np.trace(H @ spread)
    assert lr <= cap * (1 + 1e-9)
    if lr < cap * (1 - 1e-9):
        assert hovers == pytest.approx(floor, rel=1e-8)
    else:
        assert hovers <= floor * (1 + 1e-9)


def tried_from_one(per_example_gradients: Array, share: float) -> int:
    n = len(per_example_gradients)
    full = np.mean(per_example_gradients, axis=0)
    spread = np.sum((per_example_gradients - full) ** 2) / (n - 1)
    errors = [np.sqrt(spread / m * (1 - m / n)) for m in range(1, n + 1)]
    return 1 + int(np.argmax(np.array(errors) <= share * np.linalg.norm(full)))


def by_pseudo_inverse(X: Array, y: Array, m: int, floor: float) -> Any:
    each = X * (X @ (np.linalg.pinv(X) @ y) - y).reshape(-1, 1)
    noise = np.mean(np.sum(each**2, axis=1))  # at the minimum their mean is zero
    return np.minimum(4 * floor * m / noise, len(y) / np.linalg.norm(X, 2) ** 2)


def drawn_again(per_example_gradients: Array, share: float) -> int:
    """As if a row could come twice, with n in the variance."""
    variance = np.sum(np.var(per_example_gradients, axis=0))
    allowed = (share * np.linalg.norm(np.mean(per_example_gradients, axis=0))) ** 2
    n = len(per_example_gradients)
    return min(n, int(np.ceil(variance / allowed))) if allowed else n


def worst_component(per_example_gradients: Array, share: float) -> int:
    """Good enough in each component by itself."""
    n = len(per_example_gradients)
    variance, full = (
        np.var(per_example_gradients, axis=0, ddof=1),
        np.mean(per_example_gradients, axis=0),
    )
    error = [np.sqrt(variance / m * (1 - m / n)) for m in range(1, n + 1)]
    return 1 + int(np.argmax([np.all(e <= share * np.abs(full)) for e in error]))


def test_a_batch_is_called_drawn_again_too_large_or_too_small() -> None:
    told = [
        verdict_on("smallest_batch", answer)
        for answer in (drawn_again, worst_component, lambda per_example_gradients, share: 1)
    ]
    assert told[0].mistake == "not_corrected_and_n"
    assert [verdict.message for verdict in told[1:]] == [
        "It is good enough, but a smaller batch is so, too.",
        "A batch of this size is not good enough.",
    ]


@pytest.mark.parametrize(
    ("name", "other"), [("smallest_batch", tried_from_one), ("lr_for_floor", by_pseudo_inverse)]
)
def test_a_choice_found_in_another_way_is_right(name: str, other: Callable[..., Any]) -> None:
    for seed in range(8):
        verdict = verdict_on(name, other, f"other-{seed}")
        assert verdict.status == "passed", verdict.message


def test_no_rounding_makes_one_more_than_all_at_the_minimum() -> None:
    cases = (case for seed in range(200) for case in at_the_minimum(np.random.default_rng(seed)))
    for case in cases:
        n, each = len(case["per_example_gradients"]), case["per_example_gradients"]
        for ddof in (0, 1):
            spread = np.sum(np.var(each, axis=0, ddof=ddof))
            allowed = (case["share"] * np.linalg.norm(each.mean(axis=0))) ** 2
            assert np.ceil(n * spread / (n * allowed + spread)) == n


# Schedules beside torch's


def torch_rates(make: Callable[[Any], Any], lr0: float, updates: int) -> Array:
    """The step size that a scheduler sets for each update, the first included."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr0)
    schedule, rates = make(optimiser), []
    for _ in range(updates):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return np.array(rates)


@given(st.floats(1e-4, 10), st.floats(0.1, 1), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_step_decay_is_torchs(lr0: float, drop: float, every: int) -> None:
    theirs = torch_rates(lambda o: torch.optim.lr_scheduler.StepLR(o, every, drop), lr0, 100)
    ours = [step_decay(lr0, t, drop, every) for t in range(100)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@given(st.floats(1e-4, 10), st.floats(0.5, 1))
@settings(max_examples=30, deadline=None)
def test_exponential_decay_is_torchs(lr0: float, gamma: float) -> None:
    theirs = torch_rates(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma), lr0, 100)
    ours = [exponential_decay(lr0, t, gamma) for t in range(100)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@given(st.floats(1e-4, 10), st.floats(0, 1), st.integers(1, 100))
@settings(max_examples=30, deadline=None)
def test_cosine_decay_is_torchs(lr0: float, floor: float, t_max: int) -> None:
    lr_min = floor * lr0
    theirs = torch_rates(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, t_max, lr_min), lr0, t_max + 1
    )
    ours = [cosine_decay(lr0, t, t_max, lr_min) for t in range(t_max + 1)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert ours[0] == pytest.approx(lr0, rel=1e-15)
    assert ours[-1] == pytest.approx(lr_min, rel=1e-15, abs=1e-15)


# Right answers in another form have full marks.


def dealt_by_a_generator(n, batch_size, rng):
    order = np.arange(n)
    rng.shuffle(order)
    for start in range(0, n, batch_size):
        yield np.sort(order[start : start + batch_size])


def dealt_by_argsort(n, batch_size, rng):
    return tuple(np.split(np.argsort(rng.random(n)), range(batch_size, n, batch_size)))


def dealt_as_lists(n, batch_size, rng):
    deck = rng.choice(n, n, replace=False).tolist()
    while deck:
        yield [deck.pop() for _ in range(min(batch_size, len(deck)))]


def dealt_from_one_buffer(n, batch_size, rng):
    order, buffer = rng.permutation(n).astype(np.uint16), np.zeros(batch_size, np.uint16)
    for start in range(0, n, batch_size):
        size = min(batch_size, n - start)
        buffer[:size] = order[start : start + size]
        yield buffer[:size]


@pytest.mark.parametrize(
    "dealt", [dealt_by_a_generator, dealt_by_argsort, dealt_as_lists, dealt_from_one_buffer]
)
def test_any_iterable_of_index_arrays_is_right(dealt: Callable[..., Any]) -> None:
    verdict = verdict_on("minibatches", dealt)
    assert verdict.status == "passed", verdict.message


def row_after_row(grad, theta, X, y, index):
    return sum(grad(theta, X[[i]], y[[i]]) for i in index) / len(index)


def test_one_call_of_grad_or_several_are_right() -> None:
    assert verdict_on("minibatch_gradient", row_after_row).status == "passed"


def walk_row_after_row(grad, theta0, X, y, lr, batch_size, epochs, rng):
    theta, path, count = theta0, [theta0], 0
    for _ in range(epochs):
        for index in dealt_by_a_generator(len(y), batch_size, rng):
            rate = lr(count) if callable(lr) else lr
            theta = theta - rate * row_after_row(grad, theta, X, y, index)
            path.append(theta)
            count += 1
    return np.stack(path)


def walk_in_an_array(grad, theta0, X, y, lr, batch_size, epochs, rng):
    n = len(X)
    path = np.empty((1 + epochs * int(np.ceil(n / batch_size)), len(theta0)))
    path[0], t = theta0, 0
    for _ in range(epochs):
        order = rng.permutation(n)
        rows, targets = X[order], y[order]
        for start in range(0, n, batch_size):
            batch = slice(start, start + batch_size)
            rate = lr(np.int64(t)) if callable(lr) else np.float64(lr)
            path[t + 1] = path[t] - rate * grad(path[t], rows[batch], targets[batch])
            t += 1
    return path


def walk_in_place(grad, theta0, X, y, lr, batch_size, epochs, rng):
    theta, path = theta0.copy(), [theta0.copy()]
    for _ in range(epochs):
        for index in dealt_as_lists(len(y), batch_size, rng):
            theta -= (lr(len(path) - 1) if callable(lr) else lr) * grad(theta, X[index], y[index])
            path.append(theta.copy())
    return np.array(path)


@pytest.mark.parametrize("walk", [walk_row_after_row, walk_in_an_array, walk_in_place])
def test_any_way_to_walk_over_the_batches_is_right(walk: Callable[..., Any]) -> None:
    verdict = verdict_on("sgd", walk)
    assert verdict.status == "passed", verdict.message


def python_floats(function: Callable[..., Any]) -> Callable[..., Any]:
    def turned(*args: Any, **kwargs: Any) -> float:
        return float(function(*args, **kwargs))

    return turned


@pytest.mark.parametrize("name", ["step_decay", "exponential_decay", "cosine_decay"])
@pytest.mark.parametrize("form", [float, np.float64, np.array])
def test_a_scalar_may_be_a_python_float_or_numpys(name: str, form: Callable[..., Any]) -> None:
    reference = PARTS[name].reference
    assert verdict_on(name, lambda *a, **k: form(reference(*a, **k))).status == "passed"


# Wrong answers that have no name are told all the same.


def from_elsewhere(n, batch_size, rng):
    order = np.random.permutation(n)
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


def nothing(n, batch_size, rng):
    minibatches(n, batch_size, rng)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(from_elsewhere, "does not come from the rng"), (nothing, "is a return missing?")],
)
def test_what_is_wrong_with_the_batches_is_told(wrong: Callable[..., Any], told: str) -> None:
    verdict = verdict_on("minibatches", wrong)
    assert verdict.points < verdict.max_points
    assert told in verdict.message


def one_epoch_too_few(grad, theta0, X, y, lr, batch_size, epochs, rng):
    return sgd(grad, theta0, X, y, lr, batch_size, max(epochs - 1, 0), rng)


def half_steps(grad, theta0, X, y, lr, batch_size, epochs, rng):
    half = (lambda t: lr(t) / 2) if callable(lr) else lr / 2
    return sgd(grad, theta0, X, y, half, batch_size, epochs, rng)


def made_up(grad, theta0, X, y, lr, batch_size, epochs, rng):
    """A trajectory for which grad was never asked."""
    steps = np.zeros((1 + epochs * -(-len(y) // batch_size), len(theta0)))
    return theta0 + np.cumsum(steps, axis=0) + 1e-3 * np.arange(len(steps))[:, None]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (one_epoch_too_few, "not those of whole epochs"),
        (half_steps, "not minus the step size"),
        (made_up, "grad is not asked"),
    ],
)
def test_what_is_wrong_with_the_walk_is_told(wrong: Callable[..., Any], told: str) -> None:
    verdict = verdict_on("sgd", wrong)
    assert verdict.points == 0
    assert told in verdict.message


def test_a_loop_that_stores_too_early_is_told_that_its_end_is_missing() -> None:
    """As a learner writes it: without an epoch it gives an array of no dimension that tells."""

    def stored_too_early(grad, theta0, X, y, lr, batch_size, epochs, rng):
        theta, rows = np.array(theta0), []
        for _ in range(epochs):
            order = rng.permutation(len(y))
            for start in range(0, len(y), batch_size):
                index = order[start : start + batch_size]
                rate = lr(len(rows)) if callable(lr) else lr
                rows.append(theta)
                theta = theta - rate * grad(theta, X[index], y[index])
        return np.array(rows)

    assert verdict_on("sgd", stored_too_early).mistake == "end_missing"


# A false alarm is rarer than 1e-9 a case.


@pytest.mark.parametrize("part", ["minibatches", "sgd"])
def test_a_right_shuffle_looks_wrong_with_a_probability_below_one_in_a_billion(part: str) -> None:
    """A batch is a set, so n! / (the product of batch_size!) deals are told apart.

    An alarm is raised when an epoch keeps its blocks (in any order) or repeats one before it.
    """
    drawn = [c for f in PARTS[part].families for k in range(40) for c in f.draw(rng_of(k))]
    assert len(drawn) > 150
    for case in drawn:
        n = case.args["n"] if part == "minibatches" else len(case.args["y"])
        size, epochs = case.args["batch_size"], case.args.get("epochs", 2)
        if size >= n:
            continue
        lengths = np.array([size] * (n // size) + [n % size] * (n % size > 0))
        log_deals = log_factorial(n) - log_factorial(lengths).sum()
        blocks = log_factorial(n // size) if size > 1 else 0.0
        assert epochs * (np.exp(blocks - log_deals) + np.exp(-log_deals)) < 1e-9


def log_factorial(n: Any) -> Any:
    return scipy.special.gammaln(np.asarray(n) + 1.0)
