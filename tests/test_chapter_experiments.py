"""What chapter 8's page states is true: its experiments, with seeds fixed and tolerances stated."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from autograder.slips import slip
from book import experiments_experiments as lab
from book import kept
from solutions import experiments as solutions
from solutions.experiments import MLP, run_experiment
from tests.conftest import run_shown_cells

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "experiments.md"
EXACT = 1e-12  # two ways of the same arithmetic in float64
LN_10 = np.log(10)


def medians(table):
    return {name: float(np.median(runs.last)) for name, runs in table.items()}


# What is kept, and what makes it anew.

SHORT = lab.config(epochs=1, batch_size=None)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder for what is kept."""
    store = joblib.Memory(tmp_path, verbose=0)
    monkeypatch.setattr(lab, "memory", lambda: store)
    return tmp_path


def count(folder):
    return len(list(folder.rglob("output.pkl")))


def changed(reference, **edits):
    """The reference with an edit; an exercise's own function is edited."""
    reference = getattr(reference, "reference", reference)
    return slip(edits["edit"], "For this test.").make(reference)


def test_a_run_is_made_once(folder, monkeypatch):
    first = lab.repeat({"a": SHORT}, seeds=(0, 1))
    assert count(folder) == 2

    def never(*_):
        raise AssertionError("the run was made again")

    before = lab.made_of(lab.run)
    monkeypatch.setattr(lab, "made_of", lambda *_: before)
    monkeypatch.setattr(lab, "run_experiment", never)
    again = lab.repeat({"a": SHORT, "b": SHORT}, seeds=(0, 1))
    for runs in again.values():
        np.testing.assert_array_equal(runs.train_loss, first["a"].train_loss)
    assert count(folder) == 2


@pytest.mark.parametrize(
    ("module", "name", "edit"),
    [
        # Named by run_experiment, by what that names, and by a method of a class.
        (solutions, "train_epoch", {"rng.permutation(len(X))": "np.arange(len(X))"}),
        (solutions, "sgd_momentum_update", {"p - lr * v": "p - 2 * lr * v"}),
        (solutions, "Linear", {"np.sqrt(2 / fan_in)": "np.sqrt(1 / fan_in)"}),
        (lab, "digits", {"/ 16": "/ 17"}),
    ],
)
def test_a_change_in_the_source_makes_a_new_run(folder, monkeypatch, module, name, edit):
    old = lab.repeat({"a": SHORT}, seeds=(0,))["a"]
    monkeypatch.setattr(module, name, changed(getattr(module, name), edit=edit))
    lab.data.cache_clear()
    new = lab.repeat({"a": SHORT}, seeds=(0,))["a"]
    monkeypatch.undo()
    lab.data.cache_clear()
    assert count(folder) == 2
    # At full batch the order changes the sums' rounding alone.
    assert name == "train_epoch" or new.last != pytest.approx(old.last, rel=1e-6)


def test_a_comment_elsewhere_or_a_constant_of_another_module_changes_nothing(monkeypatch):
    before = kept.made_of(lab.run)
    monkeypatch.setattr(lab, "RATES", (0.5,))  # `run` knows nothing of it
    assert kept.made_of(lab.run) == before
    monkeypatch.setattr(lab, "SPLIT_SEED", 9)
    assert kept.made_of(lab.run) != before


def test_a_new_library_makes_new_runs(monkeypatch):
    before = kept.made_of(lab.run)
    monkeypatch.setattr(kept.metadata, "version", lambda name: "0.0")
    assert kept.made_of(lab.run) != before


def test_another_process_finds_what_is_kept():
    """The order of sets differs from process to process; the hash must not."""
    code = "from book import experiments_experiments as lab; print(lab.made_of(lab.run))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == lab.made_of(lab.run)


def test_no_bar_where_nobody_looks(capsys):
    assert list(kept.with_progress([1, 2], 2, "Runs")) == [1, 2]
    assert capsys.readouterr() == ("", "")


# The data, and the runs themselves.


def test_the_digits_are_split_once_and_for_all():
    digits = lab.data()
    assert (len(digits["y_train"]), len(digits["y_test"])) == (1438, 359)
    both = np.vstack([digits["X_train"], digits["X_test"]])
    assert len(np.unique(both, axis=0)) == len(np.unique(lab.digits(8)[0], axis=0))
    assert both.min() == 0 and both.max() == 1
    few = lab.data("few")
    np.testing.assert_array_equal(few["X_train"], digits["X_train"][:150])
    np.testing.assert_array_equal(few["y_test"], digits["y_test"])
    assert np.all(np.diff(lab.shares("uneven")) > 0)
    np.testing.assert_array_equal(lab.data("large")["y_train"], digits["y_train"])


def test_a_configuration_has_no_entry_that_nobody_reads():
    with pytest.raises(ValueError, match="leraning_rate"):
        lab.config(leraning_rate=0.1)


def test_our_loop_is_run_experiments_where_the_optimisers_meet():
    config = lab.config(epochs=2)
    ours = lab.run(config | dict(optimiser="pytorch"))
    theirs = run_experiment(config, lab.data())
    for key, values in ours.items():
        np.testing.assert_allclose(values, theirs[key], rtol=EXACT)


def by_torch(config, make):
    """The training losses of the same network, weights and batches, with torch's optimiser."""
    digits = lab.data()
    rng = np.random.default_rng(config["seed"])
    model = MLP([64, *config["hidden"], 10], rng, config["init"])
    params = [torch.tensor(p.data, requires_grad=True) for p in model.parameters()]
    X, y = torch.tensor(digits["X_train"]), torch.tensor(digits["y_train"])

    def loss(rows):
        x = X[rows]
        for i in range(0, len(params), 2):
            x = x @ params[i] + params[i + 1]
            x = torch.relu(x) if i < len(params) - 2 else x
        return torch.nn.functional.cross_entropy(x, y[rows])

    optimiser, everything = make(params), slice(None)
    losses = [float(loss(everything).detach())]
    for _ in range(config["epochs"]):
        order = rng.permutation(len(y))
        for start in range(0, len(y), config["batch_size"]):
            optimiser.zero_grad()
            loss(order[start : start + config["batch_size"]]).backward()
            optimiser.step()
        losses.append(float(loss(everything).detach()))
    return np.array(losses)


def test_both_forms_of_momentum_are_torchs():
    for beta in (0.5, 0.9):
        config = lab.config(optimiser="pytorch", lr=0.01, beta=beta, epochs=3, seed=7)
        wanted = by_torch(config, lambda p, b=beta: torch.optim.SGD(p, lr=0.01, momentum=b))
        np.testing.assert_allclose(lab.run(config)["train_loss"], wanted, rtol=1e-10)
        averaged = lab.config(lr=0.01 / (1 - beta), beta=beta, epochs=3, seed=7)
        np.testing.assert_allclose(lab.run(averaged)["train_loss"], wanted, rtol=1e-10)
        assert lab.same_walk(beta) < EXACT


def test_adam_is_torchs():
    config = lab.config(optimiser="adam", lr=0.005, epochs=3, seed=7)
    wanted = by_torch(config, lambda p: torch.optim.Adam(p, lr=0.005))
    np.testing.assert_allclose(lab.run(config)["train_loss"], wanted, rtol=1e-10)


# Before anything else.


def test_unscaled_pixels_show_in_the_first_loss_from_he_and_not_from_uniform():
    assert np.all((lab.first_losses() > 2.25) & (lab.first_losses() < 2.9))
    raw = lab.first_losses(16)
    assert 15 < raw.mean() < 19 and raw.min() > 7
    uniform = lab.first_losses(16, init="uniform")
    assert uniform.max() < lab.first_losses().max()
    assert abs(uniform.mean() - LN_10) < 0.05


def test_without_biases_a_factor_passes_through():
    model, X = MLP([64, 32, 32, 32, 10], np.random.default_rng(3)), lab.data()["X_train"]
    np.testing.assert_allclose(model(16 * X).data, 16 * model(X).data, rtol=EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_one_batch_tells_three_bugs_from_the_correct_code(seed):
    ends = {bug: lab.one_batch(bug, seed=seed) for bug in ("", "labels", "clearing", "relu")}
    assert ends[""][-1] < 0.01
    assert ends["labels"].min() > 2
    assert ends["relu"][-1] > 0.2
    # Uncleared gradients pass, for a while.
    assert ends["clearing"].min() < 0.1 and ends["clearing"][-1] > 1


def test_one_seed_can_make_a_winner_of_nothing():
    pairs = lab.fooled(lab.confirm()["SGD"].last)
    assert len(pairs) == 45
    assert 1.7 < pairs.max() < 3
    assert np.mean(pairs > 1.25) > 0.4
    # On the way they are further apart; far from the cliff, less.
    ten = lab.confirm()["SGD"].train_loss
    assert 7 < (ten.max(axis=0) / ten.min(axis=0)).max() < 8
    assert lab.fooled(lab.many_and_few()["digits"].last).max() < 1.5


def test_same_seeds_make_small_differences_visible_until_the_walks_part():
    forms = lab.momentum_forms()
    plain, little = forms["averaged"][0.0].last, forms["averaged"][0.5].last
    assert (little - plain).std(ddof=1) < plain.std(ddof=1) / 10
    apart = forms["pytorch"][0.9].last - forms["plain"][0.9].last
    assert apart.std(ddof=1) > forms["plain"][0.9].last.std(ddof=1)


def test_the_training_loss_alone_does_not_tell_many_digits_from_few():
    table = lab.many_and_few()
    many, few = (table[which] for which in ("digits", "few"))
    assert few.last.max() < many.last.min()
    # What the caption says, and why the small set got more epochs.
    updates = [
        (r.train_loss.shape[1] - 1) * -(-len(lab.data(w)["y_train"]) // 64)
        for w, r in table.items()
    ]
    assert updates == [460, 300]
    assert few.train_loss[:, 20].min() > 5 * few.last.max()
    assert few.test_loss[:, -1].min() > 2 * many.test_loss[:, -1].max()
    assert few.test_accuracy[:, -1].max() < many.test_accuracy[:, -1].min()


# Where to start.


def test_zeros_and_ones_start_at_ln_10_and_end_at_the_entropy():
    starts = lab.initialisations()
    for init in ("zeros", "ones"):
        np.testing.assert_allclose(starts[init].train_loss[:, 0], LN_10, rtol=EXACT)
        np.testing.assert_allclose(starts[init].last, lab.entropy(lab.shares()), atol=1e-3)
        assert starts[init].test_accuracy[:, -1].max() < 0.15


def test_he_is_ahead_of_uniform_by_more_than_their_spread():
    starts = lab.initialisations()
    assert 2 * starts["he"].last.max() < starts["uniform"].last.min()
    assert np.median(starts["he"].test_accuracy[:, -1]) > 0.95
    # The level stretch at the beginning.
    assert starts["uniform"].train_loss[:, 4].min() > 2
    assert starts["he"].train_loss[:, 4].max() < 1.5


def test_sizes_forward_and_back_before_training():
    sizes = {init: lab.layers(init) for init in lab.INITS}
    assert not sizes["zeros"].activations.any() and not sizes["zeros"].gradients.any()
    he, uniform, ones = (sizes[init] for init in ("he", "uniform", "ones"))
    assert he.activations.max() < 3 * he.activations.min()
    assert 5 < uniform.activations[0] / uniform.activations[2] < 15
    assert 10 < he.gradients[0] / uniform.gradients[0] < 50
    assert ones.activations[-1] > 1e5
    assert ones.gradients[:3].max() < 1e-11 < 10 < ones.gradients[3]


def test_ones_explode_at_the_second_batch_and_are_silent_at_the_third():
    made = lab.ones()
    assert made.losses[0] == pytest.approx(LN_10, rel=EXACT)
    assert max(made.hidden[:3]) < 1e-11 < 100 < made.hidden[3]
    assert made.losses[1] > 1e6
    assert made.alive[:2] == [1.0, 1.0]  # the first update moves the last layer alone
    assert made.alive[2] == 0
    assert np.all(np.abs(made.losses[2:] - LN_10) < 0.1)


def test_zeros_learn_the_class_shares_by_the_last_bias_alone():
    made = lab.zeros()
    assert made.moved[:-1] == [0.0] * 7
    assert made.moved[-1] > 1
    assert made.loss[0] == pytest.approx(LN_10, rel=EXACT)
    assert made.loss[-1] == pytest.approx(made.entropy, abs=5e-4)
    np.testing.assert_allclose(made.answers, made.shares, atol=0.005)
    assert made.answers.argmax() == 9


def test_the_entropy_is_the_least_loss_without_looking():
    shares = lab.shares("uneven")

    def loss(bias):
        return np.log(np.exp(bias).sum()) - shares @ bias

    assert lab.entropy(shares) == pytest.approx(minimize(loss, np.zeros(10)).fun, abs=1e-8)


# Batch sizes.


def test_small_batches_win_over_epochs_and_all_are_alike_over_updates():
    table = lab.batch_sizes()
    ends = medians(table)
    assert min(ends, key=ends.__getitem__) == 16
    assert table[16].last.max() < table[64].last.min()
    two = [np.median(table[m].train_loss[:, 2]) for m in (16, 32, 64, 128, 256, None)]
    assert all(a < b for a, b in pairwise(two))
    # At about 240 updates 256 is at half the loss of 16.
    late = [np.median(table[m].train_loss[:, e]) for m, e in ((16, 3), (256, 40))]
    assert late[1] / late[0] == pytest.approx(0.5, abs=0.15)
    ninety = [
        np.median(table[m].train_loss[:, round(90 / lab.updates_an_epoch(m))])
        for m in (16, 32, 64, 128, 256)
    ]
    assert max(ninety) < 1.5 * min(ninety)
    assert [lab.updates_an_epoch(m) for m in (1, 16, 64, None)] == [1438, 90, 23, 1]


def test_a_batch_of_one_needs_a_rate_of_its_own():
    assert lab.batch_sizes()[1].last.min() > 0.9
    alone = lab.batch_of_one()
    assert alone.last.max() < 0.6
    others = [np.median(runs.train_loss[:, 2]) for m, runs in lab.batch_sizes().items() if m != 1]
    assert np.median(alone.last) < min(others)
    # Each at its best rate, 1 and 16 are about equal after two epochs.
    sizes = lab.rates_by_size()
    assert 0.5 < lab.middle(sizes[1], 2).min() / lab.middle(sizes[16], 2).min() < 2


def test_an_epoch_is_timed_by_its_batches(monkeypatch):
    """With a stand-in clock that a batch moves by 3, and an example by 0.01."""
    now = [0.0]

    def epoch(model, X, y, m, *_):
        now[0] += 3 * -(-len(y) // (m or len(y))) + 0.01 * len(y)

    monkeypatch.setattr(lab, "train_epoch", epoch)
    times = lab.epoch_times.__wrapped__((1, 2, None), 3, lambda: now[0])
    seconds = {m: t.median for m, t in times.items()}
    assert seconds == pytest.approx({1: 1438 * 3 + 14.38, 2: 719 * 3 + 14.38, None: 17.38})
    for t in times.values():
        assert (t.low, t.high) == pytest.approx((t.median, t.median))
    fit = lab.price(times)
    assert (fit.a, fit.c) == (pytest.approx(3 * 1438), pytest.approx(14.38))
    assert max(fit.errors.values()) < 1e-9
    assert fit(np.array([10.0])) == pytest.approx(431.4 + 14.38)


def test_the_fit_has_its_error_at_each_batch_size():
    times = {m: lab.Timing(0.3 / m + 0.004, 0, 0) for m in (1, 4, 16, 64)}
    times[256] = lab.Timing(0.009, 0, 0)
    fit = lab.price(times)
    errors = {m: abs(float(fit(np.array(m))) / t.median - 1) for m, t in times.items()}
    assert fit.errors == pytest.approx(errors)
    assert max(fit.errors, key=fit.errors.__getitem__) == max(errors, key=errors.__getitem__)


# Learning rates.


def test_the_loss_over_the_rate_is_a_bowl_with_unequal_walls():
    rates = lab.learning_rates()
    losses = lab.middle(rates)
    best = list(rates).index(0.2)
    assert lab.best_rate(rates) == 0.2
    assert np.all(np.diff(losses[: best + 1]) < 0) and np.all(np.diff(losses[best:]) > 0)
    wild = rates[0.5].last
    assert wild.max() > 5 * wild.min()
    assert abs(np.median(rates[1.0].last) - LN_10) < 0.1


def test_where_the_rate_is_too_large_units_fall_silent():
    assert lab.silent_units(0.1) < 0.15 < 0.5 < lab.silent_units(1.0)


def test_the_left_wall_moves_with_the_batch_and_the_right_wall_far_less():
    sizes = lab.rates_by_size()
    for m in lab.RATE_SIZES:
        assert 0.1 <= lab.best_rate(sizes[m]) <= 0.5
        assert np.median(sizes[m][1.0].last) > 2
    # Four times the batch, four times the rate: the same loss.
    assert np.median(sizes[16][0.005].last) == pytest.approx(
        np.median(sizes[64][0.02].last), rel=0.2
    )
    # At one rate on the left wall a larger batch is behind, seed by seed.
    for small, large in pairwise(lab.RATE_SIZES):
        assert np.all(sizes[small][0.02].last < sizes[large][0.02].last)
    assert lab.best_rate(sizes[1], 2) <= 0.02 < 0.1 <= lab.best_rate(sizes[16], 2)
    assert sizes[1][0.1].last.min() > 1
    # Two neighbours of the grid that three seeds cannot tell apart.
    for m, low, high in ((16, 0.1, 0.2), (256, 0.2, 0.5)):
        a, b = sizes[m][low].last, sizes[m][high].last
        assert a.min() < b.max() and b.min() < a.max()
        assert np.median(a) == pytest.approx(np.median(b), rel=0.25)


def test_without_noise_the_large_rate_fails_as_well():
    runs = lab.without_noise()
    assert runs.last.min() > 2
    assert runs.train_loss.max() > 4


# Momentum.


def test_averaged_momentum_is_no_faster_at_equal_rate_and_pytorchs_seems_to_be():
    forms = lab.momentum_forms()
    plain = forms["averaged"][0.0]
    for beta in (0.5, 0.9):
        ratio = forms["averaged"][beta].last / plain.last
        assert np.all((ratio > 0.99) & (ratio < 1.15))
    assert np.all(forms["averaged"][0.99].last > 1.2 * plain.last)
    assert np.all(forms["averaged"][0.9].last > plain.last)
    assert np.median(forms["pytorch"][0.9].last) < np.median(plain.last) / 10


def test_most_of_what_pytorchs_form_gains_is_its_larger_rate():
    forms = lab.momentum_forms()
    for beta in (0.5, 0.9):
        memory, rate = forms["pytorch"][beta].last, forms["plain"][beta].last
        assert np.median(memory) == pytest.approx(np.median(rate), rel=0.25)
        assert memory.min() < rate.max() and rate.min() < memory.max()
    # At an effective rate of 1 only the memory survives.
    assert forms["plain"][0.99].last.min() > 1.5 > 0.15 > forms["pytorch"][0.99].last.max()


def test_the_two_students_on_seeds_that_the_page_does_not_show():
    """Uncached, so that the page's own seeds are not the only ones that anybody has looked at."""

    def last(**changes):
        return np.array(
            [lab.run(lab.config(epochs=10, seed=s, **changes))["train_loss"][-1] for s in (50, 51)]
        )

    plain, averaged = last(lr=0.01), last(lr=0.01, beta=0.9)
    pytorch, raised = last(lr=0.01, beta=0.9, optimiser="pytorch"), last(lr=0.1)
    assert np.all(averaged > 0.95 * plain)
    assert np.all(pytorch < plain / 4)
    assert np.median(pytorch) == pytest.approx(np.median(raised), rel=0.5)


# Optimisers.


def test_each_optimiser_had_the_same_search_and_none_ended_at_its_edge():
    found = lab.search()
    assert {len(table) for table in found.values()} == {10}
    for table in found.values():
        rates = list(table)
        assert all(len(runs.last) == 3 for runs in table.values())
        assert rates[1] < lab.best_rate(table) < rates[-2]
    # No seed of the confirmation was seen in the search.
    assert not set(lab.FRESH_SEEDS) & set(lab.SEARCH_SEEDS)


def test_on_fresh_seeds_momentum_and_adam_beat_sgd_and_hardly_each_other():
    fresh = lab.confirm()
    sgd, momentum, adam = (fresh[name] for name in ("SGD", "momentum", "Adam"))
    assert np.all(adam.last < sgd.last) and np.sum(momentum.last < sgd.last) >= 8
    assert sgd.last.mean() > 2 * momentum.last.mean()
    # Adam's lead depends on the budget, and the bands overlap at every epoch.
    lead = momentum.train_loss - adam.train_loss
    assert np.all(lead[:, 1] > 0) and lead[:, 1].mean() > 10 * lead[:, -1].mean() > 0
    assert lead[:, 1].mean() > lead[:, 2].mean() > lead[:, -1].mean()
    mean, error = lab.mean_and_error(lead[:, -1])
    assert 1.5 * error < mean < 2.5 * error
    assert 6 <= np.sum(lead[:, -1] > 0) < 10
    assert np.all(adam.train_loss.max(axis=0) >= momentum.train_loss.min(axis=0))
    assert np.all(momentum.train_loss.max(axis=0) >= adam.train_loss.min(axis=0))
    gains = {
        name: lab.mean_and_error(runs.test_accuracy[:, -1] - sgd.test_accuracy[:, -1])
        for name, runs in fresh.items()
        if name != "SGD"
    }
    for mean, error in gains.values():
        assert mean > 2 * error
    mean, error = lab.mean_and_error(adam.test_accuracy[:, -1] - momentum.test_accuracy[:, -1])
    assert mean < 2 * error


def test_at_equal_rates_either_wins_and_adams_bowl_is_the_widest():
    found = lab.search()
    at = {name: {lr: np.median(r.last) for lr, r in t.items()} for name, t in found.items()}
    assert at["SGD"][0.001] > 5 * at["Adam"][0.001]
    assert at["Adam"][0.1] > 3 * at["SGD"][0.1]
    lowest = lab.middle(found["SGD"]).min()
    assert lab.below(found["SGD"], lowest) == []
    assert lab.below(found["Adam"], lowest) == [0.005, 0.01, 0.02]
    assert lab.below(found["momentum"], lowest) == [0.5]
    # One left wall for SGD and momentum; then one turns up and the other goes on.
    for lr in (0.02, 0.05, 0.1, 0.2):
        assert at["momentum"][lr] == pytest.approx(at["SGD"][lr], rel=0.4)
    assert at["momentum"][0.5] < at["SGD"][0.5] / 3


def test_mean_and_error():
    mean, error = lab.mean_and_error(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (mean, error) == (2.5, pytest.approx(np.sqrt(5 / 3) / 2))


def test_on_the_large_digits_memory_helps_at_the_cliff_and_not_before():
    large = lab.on_large_digits()
    assert large["zeros"].last == pytest.approx(lab.entropy(lab.shares("large")), abs=1e-3)
    slow, slow_memory = large["plain", 0.02].last, large["pytorch", 0.02].last
    assert slow.min() < slow_memory.max() and slow_memory.min() < slow.max()
    assert large["pytorch", 0.1].last.max() < large["plain", 0.1].last.min()
    assert large["plain", 0.2].last.min() > 0.7 > 0.3 > large["pytorch", 0.2].last.max()


# The numbers that stand in the exam's answers and in the folds, and the page's code.


def test_the_exam():
    a = (0.80 - 0.018) / (1 - 1 / 100)
    c = 0.80 - a
    assert (a, c) == (pytest.approx(0.790, abs=5e-4), pytest.approx(0.0101, abs=5e-5))
    assert a / 10 + c == pytest.approx(0.0891, abs=5e-5)
    assert a / 1000 + c == pytest.approx(0.0109, abs=5e-5)
    assert (a / 1000 + c) / (0.80 / 1000) == pytest.approx(14, abs=0.5)
    for theirs, beta, ours in ((0.02, 0.95, 0.4), (0.04, 0.9, 0.4)):
        assert theirs / (1 - beta) == pytest.approx(ours)
    # "Adam reads 93 %, SGD 15 %": what our own runs at 0.001 read.
    found = lab.search()
    read = {name: np.median(found[name][0.001].test_accuracy[:, -1]) for name in ("Adam", "SGD")}
    assert read["Adam"] == pytest.approx(0.93, abs=0.03)
    assert read["SGD"] == pytest.approx(0.15, abs=0.06)


def test_the_code_that_can_be_unfolded_runs_as_shown():
    assert run_shown_cells(PAGE) > 12
