"""Chapter 8's live figures: the students' curves are torch's, and tell what the chapter tells; a
curve of the riddle shows what is said of it, and each wrong choice is answered."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from book import experiments_experiments as lab
from book import experiments_live as live
from book import experiments_students as students
from book.experiments_live import FAULTS, RUNS, SETUPS, Setup, run
from solutions.experiments import MLP
from tests.test_chapter_experiments import by_torch

EACH_SETUP = pytest.mark.parametrize("name", SETUPS)
EACH_RUN = pytest.mark.parametrize(("name", "fault"), RUNS)
CHANCE = 1 / live.CLASSES


# Two students.

SETTINGS = [
    (same, lr, beta)
    for same in students.SAME
    for beta in lab.STUDENT_BETAS
    for lr in lab.STUDENT_RATES
]
_, LR, BETA = students.OPENING


class Averaged:
    """v = beta v + (1 - beta) g, theta = theta - lr v: torch has no such optimiser."""

    def __init__(self, params: list[torch.Tensor], lr: float, beta: float):
        self.params, self.lr, self.beta = params, lr, beta
        self.velocity = [torch.zeros_like(p) for p in params]

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for p, v in zip(self.params, self.velocity, strict=True):
            v.mul_(self.beta).add_((1 - self.beta) * p.grad)  # type: ignore[operator]
            p.sub_(self.lr * v)


def drawn(same: str, lr: float, beta: float) -> dict[str, dict[str, np.ndarray]]:
    """What the figure has for a setting: of each form the lowest, the median, the highest loss."""
    data = students.students_data()
    row = data["settings"][same][lab.STUDENT_BETAS.index(beta)]
    lines = row[lab.STUDENT_RATES.index(lr)]["lines"]
    curves = [data["curves"][i] for i in lines]
    return {
        form: {name: np.array(values, float) for name, values in curve.items()}
        for form, curve in zip(students.FORMS, curves, strict=True)
    }


@pytest.mark.parametrize(
    ("same", "beta", "rate"),
    [("lr", 0.9, 0.01), ("lr", 0.99, 0.01), ("step", 0.9, 0.1), ("step", 0.99, 1.0)],
)
def test_the_students_curves_are_torchs(same, beta, rate):
    """Three epochs of all seeds: the lowest, the median and the highest of the five."""
    makers = {
        "pytorch": lambda p: torch.optim.SGD(p, lr=LR, momentum=beta),
        "plain": lambda p: torch.optim.SGD(p, lr=rate),
        "averaged": lambda p: Averaged(p, rate, beta),
    }
    if rate == 1:
        del makers["plain"]  # chaos: a last digit grows
    for form, make in makers.items():
        losses = [by_torch(lab.config(epochs=3, seed=seed), make) for seed in lab.SEEDS]
        wanted = np.quantile(losses, (0, 0.5, 1), axis=0)
        for name, values in zip(("low", "middle", "high"), wanted, strict=True):
            found = drawn(same, LR, beta)[form][name][:4]
            np.testing.assert_allclose(found, values, rtol=1e-3)


def test_it_opens_on_what_the_section_on_momentum_measured():
    forms, (same, lr, beta) = lab.momentum_forms(), students.OPENING
    assert (same, lr) == ("lr", lab.MOMENTUM_LR)
    wanted = {
        "plain": forms["plain"][0.0],
        "pytorch": forms["pytorch"][beta],
        "averaged": forms["averaged"][beta],
    }
    for form, runs in wanted.items():
        np.testing.assert_allclose(
            drawn(same, lr, beta)[form]["middle"], np.median(runs.train_loss, axis=0), rtol=1e-3
        )
        assert f"{np.median(runs.last):.3f}" in students.state(same, lr, beta)
    raised = drawn("step", lr, beta)["plain"]["middle"]
    np.testing.assert_allclose(
        raised, np.median(forms["plain"][beta].train_loss, axis=0), rtol=1e-3
    )


def test_both_students_are_right_and_one_step_makes_them_one():
    """The caption's first half: a factor of ten, or nothing; and then nothing for both."""
    found = {form: curve["middle"][-1] for form, curve in drawn("lr", LR, BETA).items()}
    assert found["pytorch"] < found["plain"] / 10
    assert found["averaged"] == pytest.approx(found["plain"], rel=0.25)
    found = {form: curve["middle"][-1] for form, curve in drawn("step", LR, BETA).items()}
    assert found["averaged"] == pytest.approx(found["pytorch"], rel=0.01)
    assert found["plain"] == pytest.approx(found["pytorch"], rel=0.25)


@pytest.mark.parametrize(("same", "lr", "beta"), SETTINGS)
def test_the_rates_are_what_the_figure_says(same, lr, beta):
    keys, said = students.keys(same, lr, beta), students.state(same, lr, beta)
    rates = {form: key[1] for form, key in keys.items()}
    rate = lr if same == "lr" else lr / (1 - beta)
    assert rates == pytest.approx({"pytorch": lr, "plain": rate, "averaged": rate})
    betas = {form: key[2] for form, key in keys.items()}
    assert betas == {"pytorch": beta, "plain": 0, "averaged": beta}
    if same == "lr":
        assert said.startswith(f"All have lr = {lr:g}; β = {beta:g}.")
    else:
        assert said.startswith(f"Student 1 has lr = {lr:g}, ")
        assert float(re.search(r"\) = ([\d.]+)\. ", said)[1]) == pytest.approx(rate)


@pytest.mark.parametrize(("same", "lr", "beta"), SETTINGS)
def test_what_is_said_of_the_students_is_what_is_drawn(same, lr, beta):
    said = students.state(same, lr, beta)
    runs = lab.two_students()
    ends = {k: np.median(runs[key].last) for k, key in students.keys(same, lr, beta).items()}
    found = re.search(
        r"no momentum is at ([\d.]+)\. Student 1: ([\d.]+), ([^.]+(?:\.\d)?[^.]*)\. "
        r"Student 2: ([\d.]+), (.+)\.$",
        said,
    )
    assert found, said
    plain, first, one, second, two = found.groups()
    assert (plain, first, second) == tuple(
        f"{ends[form]:.3f}" for form in ("plain", "pytorch", "averaged")
    )
    for words, form in ((one, "pytorch"), (two, "averaged")):
        ratio = ends[form] / ends["plain"]
        times = re.match(r"([\d.]+) times (lower|higher)$", words)
        if times:
            told = float(times[1]) if times[2] == "higher" else 1 / float(times[1])
            assert told == pytest.approx(ratio, rel=0.06)
            assert not 0.8 <= ratio <= 1.25
        else:
            assert words == ("the same" if ratio == 1 else "about the same")
            assert 0.8 <= ratio <= 1.25


def test_the_students_markup_carries_the_data_and_asks_no_other_host():
    markup = students.students_figure()
    embedded = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert embedded
    data = json.loads(embedded[1])
    assert data == json.loads(json.dumps(students.students_data(), allow_nan=False))
    assert "//" not in re.sub(r"base64,[^\"]*", "", markup)
    assert 'alt="Two panels' in markup
    used = {
        i for modes in data["settings"].values() for row in modes for s in row for i in s["lines"]
    }
    assert used == set(range(len(data["curves"]))), "no run is sent that is never shown"
    assert len(gzip.compress(markup.encode())) < 60_000


# Read the curve.


def setup_of(name: str, fault: str) -> Setup:
    return replace(SETUPS[name], **live.CHANGES[name][fault])


# The runs.


@pytest.mark.parametrize("cleared", [True, False])
@EACH_SETUP
def test_a_run_is_torchs(name, cleared):
    """From the same weights and batches; not clearing is torch without zero_grad."""
    setup = replace(SETUPS[name], epochs=2, shown=2, cleared=cleared)
    found = live.train(setup)
    X, y, X_test, y_test = (torch.tensor(a) for a in live.data(setup))
    rng = np.random.default_rng(setup.seed)
    start = MLP([64, *setup.hidden, 10], rng, "uniform").parameters()
    params = [torch.tensor(p.data, requires_grad=True) for p in start]
    velocity = [torch.zeros_like(p) for p in params]

    def loss(rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        for i in range(0, len(params) - 2, 2):
            rows = torch.relu(rows @ params[i] + params[i + 1])
        return torch.nn.functional.cross_entropy(rows @ params[-2] + params[-1], labels)

    def length(grads: Any) -> float:
        return float(torch.sqrt(sum((g**2).sum() for g in grads)))

    losses, handed, own = [], [], []
    for _ in range(2):
        order = rng.permutation(len(X))
        for first in range(0, len(X), setup.batch_size):
            batch = order[first : first + setup.batch_size]
            batch = batch[rng.permutation(len(batch))]  # as train_epoch takes its rows
            if cleared:
                for p in params:
                    p.grad = None
            value = loss(X[batch], y[batch])
            own.append(length(torch.autograd.grad(value, params, retain_graph=True)))
            value.backward()
            losses.append(value.item())
            handed.append(length([p.grad for p in params]))
            with torch.no_grad():
                for p, v in zip(params, velocity, strict=True):
                    v.mul_(setup.beta).add_((1 - setup.beta) * p.grad)
                    p.sub_(setup.lr * v)
    close = {"rtol": 1e-6 if not cleared else 1e-9}
    # Without clearing the second epoch is chaos: a last digit grows.
    kept = slice(None) if cleared else slice(0, len(losses) // 4)
    for values, wanted in ((found.batch_loss, losses), (found.handed, handed), (found.own, own)):
        np.testing.assert_allclose(np.ravel(values)[kept], wanted[kept], **close)
    if cleared:
        with torch.no_grad():
            ends = loss(X, y).item(), loss(X_test, y_test).item()
        assert (found.train_loss[-1], found.test_loss[-1]) == pytest.approx(ends, rel=1e-9)


@EACH_RUN
def test_one_thing_is_wrong_and_no_other(name, fault):
    right, wrong = asdict(SETUPS[name]), asdict(setup_of(name, fault))
    assert sum(right[key] != wrong[key] for key in right) == (fault != "healthy")


@EACH_SETUP
def test_the_data_are_what_the_answers_say(name):
    X, y, X_test, y_test = live.data(SETUPS[name])
    rows = {row.tobytes() for row in X}
    assert not any(row.tobytes() in rows for row in X_test)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-12)
    assert set(X.std(axis=0).round(9)) == {0.0, 1.0}
    assert np.any(np.diff(y) < 0)

    late = live.data(setup_of(name, "shifted"))
    np.testing.assert_array_equal(late[0], X)
    np.testing.assert_array_equal(late[1][1:], y[:-1])
    np.testing.assert_array_equal(late[3][1:], y_test[:-1])

    in_order, classes = live.data(setup_of(name, "unshuffled"))[:2]
    assert np.all(np.diff(classes) >= 0)
    pairs = sorted((*row, label) for row, label in zip(X, y, strict=True))
    assert sorted((*row, label) for row, label in zip(in_order, classes, strict=True)) == pairs

    leaked = live.data(setup_of(name, "leak"))
    assert all(row.tobytes() in rows for row in leaked[2])
    assert len(leaked[2]) in (len(X), len(X) // 2)

    spread = live.data(setup_of(name, "unscaled"))[0]
    assert spread.std(axis=0).max() > 50


def test_the_line_that_is_left_out_is_left_out():
    assert "p.grad = np.zeros_like(p.data)" not in live.without_clearing().__source__


# The signs.


@EACH_RUN
def test_each_curve_has_the_sign_of_its_fault_and_of_no_other(name, fault):
    found = {sign for sign, holds in live.SIGNS.items() if holds(run(name, fault))}
    assert found == {fault} - {"healthy"}


@EACH_SETUP
def test_a_rate_too_high_throws_the_loss_up_and_a_rate_too_low_crawls(name):
    high, low, healthy = (run(name, f) for f in ("rate_high", "rate_low", "healthy"))
    assert np.sum(high.train_loss[1:] > 1.1 * high.train_loss[:-1]) == live.rises(high) >= 5
    assert high.test_loss[-1] > 2 * healthy.test_loss[-1]
    assert np.all(np.diff(low.train_loss) < 0)
    assert np.all(np.diff(low.test_loss) < 0)
    # No slower at the end than on the whole.
    assert -np.diff(low.train_loss)[-5:].mean() > -np.diff(low.train_loss).mean()
    assert low.train_loss[-1] > 10 * healthy.train_loss[-1]


def test_a_low_rates_loss_falls_in_a_straight_line():
    loss = run("wide", "rate_low").train_loss
    line = np.polyval(np.polyfit(np.arange(len(loss)), loss, 1), np.arange(len(loss)))
    assert np.abs(loss - line).max() < 0.02 * np.ptp(loss)


@EACH_SETUP
def test_without_shuffling_the_saw_tooth_comes_back(name):
    """The dearest batches of an epoch are those of the next; shuffled, they are not."""
    shares = {}
    for fault in ("unshuffled", "healthy", "rate_high"):
        batches = run(name, fault).batch_loss[1:7]
        top = np.argsort(batches, axis=1)[:, -batches.shape[1] // 5 :]
        shares[fault] = np.mean([len(set(a) & set(b)) / len(a) for a, b in pairwise(top)])
    assert shares["unshuffled"] > 0.35
    assert max(shares["healthy"], shares["rate_high"]) < 0.28


def test_without_shuffling_the_loss_by_epochs_goes_up_and_down_or_looks_sound():
    assert live.rises(run("deep", "unshuffled")) >= 4
    sorted_, healthy = run("wide", "unshuffled"), run("wide", "healthy")
    np.testing.assert_allclose(sorted_.test_loss[-1], healthy.test_loss[-1], rtol=0.1)


@EACH_RUN
def test_only_large_inputs_pay_more_than_guessing_at_first(name, fault):
    first = run(name, fault).train_loss[0]
    assert (first > 3 * live.GUESSING) == (fault == "unscaled")
    if fault != "unscaled":
        assert first == pytest.approx(live.GUESSING, abs=0.05)


@EACH_SETUP
def test_shifted_labels_are_learnt_by_heart_and_tell_nothing(name):
    found = run(name, "shifted")
    assert np.abs(found.test_accuracy - CHANCE).max() < 0.04
    assert found.train_accuracy[-1] > 0.35
    assert found.test_loss.min() > live.GUESSING - 0.02
    assert found.test_loss[-1] > found.test_loss[0] + 0.1


@EACH_SETUP
def test_dead_units_leave_the_entropy_of_the_classes_and_it_stays(name):
    found = run(name, "dead")
    y = live.data(SETUPS[name])[1]
    shares = np.bincount(y) / len(y)
    entropy = -np.sum(shares * np.log(shares))
    np.testing.assert_allclose(found.train_loss[-10:], entropy, atol=0.02)
    assert np.all(found.silent[-10:] == 1)
    assert found.train_accuracy[-1] <= shares.max() + 1e-9
    # In one run from the start, in the other one from the broken picture on.
    assert np.all(found.silent[:8] == (1 if name == "wide" else 0))


@EACH_RUN
def test_gradients_pile_up_only_where_nothing_clears_them(name, fault):
    found = run(name, fault)
    if fault != "uncleared":
        np.testing.assert_allclose(found.handed, found.own, rtol=1e-9)
        return
    assert found.handed[0, 0] == pytest.approx(found.own[0, 0])
    assert np.all(found.handed[0, 1:] > 1.2 * found.own[0, 1:])
    assert np.argmax(found.train_loss) > 10, "it blows up"
    assert found.train_loss[-1] > 100 * found.train_loss[0]


def test_uncleared_gradients_are_fast_at_first():
    assert run("wide", "uncleared").train_loss[1] < run("wide", "healthy").train_loss[1] / 3


@EACH_SETUP
def test_leaked_rows_leave_no_gap(name):
    leak, healthy = run(name, "leak"), run(name, "healthy")
    np.testing.assert_array_equal(leak.train_loss, healthy.train_loss)
    np.testing.assert_allclose(leak.test_loss, leak.train_loss, rtol=0.15)
    assert healthy.test_loss[-1] > 2.5 * healthy.train_loss[-1]
    assert leak.test_accuracy[-1] > healthy.test_accuracy[-1] + 0.02


@EACH_SETUP
def test_nothing_wrong_is_nothing_wrong(name):
    found = run(name, "healthy")
    assert np.all(np.diff(found.train_loss) < 0)
    assert found.test_accuracy[-1] > 0.95
    falls = -np.diff(found.train_loss)
    assert falls[:5].sum() > 10 * falls[-5:].sum(), "steeply, then ever more slowly"


# The words.


@EACH_RUN
def test_nothing_gives_the_answer_away(name, fault):
    made = live.curve_data(name, fault)
    told = " ".join([made["about"], made["curve"], *made["looks"].values()])
    assert not re.search(r"[{}]|array|None", told)
    assert not any(words in told for words in live.NAMES.values())
    assert made["about"] == live.curve_data(name, "healthy")["about"]


@EACH_RUN
def test_the_curve_is_told_as_it_is(name, fault):
    found, told = run(name, fault), live.curve(name, fault)
    for loss in (found.train_loss, found.test_loss):
        for epoch in live.MARKS:
            assert live.number(loss[epoch]) in told


@EACH_RUN
def test_the_answer_has_the_cause_and_the_settings(name, fault):
    setup, said = setup_of(name, fault), live.feedback(name, fault, fault)
    assert said.startswith(f"Yes, {live.NAMES[fault]}. ")
    assert f"learning rate {setup.lr:g}, momentum {setup.beta:g}" in said
    assert f"batches of {setup.batch_size}, {setup.epochs} epochs, seed {setup.seed}." in said
    assert ("Nothing was wrong" in said) == (fault == "healthy")
    assert said.replace("Yes, ", "It is: ", 1) == live.curve_data(name, fault)["told"]


@EACH_RUN
def test_a_wrong_choice_is_shown_the_run_that_it_would_have_been(name, fault):
    """What is said of the chosen fault is a number of its own run, never of this one."""
    for chosen in set(FAULTS) - {fault}:
        said = live.feedback(name, fault, chosen)
        assert said.startswith(f"No, not “{live.NAMES[chosen]}”. ")
        assert not re.search(r"[{}]", said)
        would = live.WOULD[chosen].format(**live.facts(name, chosen))
        assert would in said
        here = said.split(would)[1].strip()
        assert here in {t.format(**live.facts(name, fault)) for _, t in live.AGAINST[chosen]}


@EACH_RUN
def test_the_numbers_of_the_sentences_are_the_runs(name, fault):
    found, facts = run(name, fault), live.facts(name, fault)
    wanted = {
        "first": f"{found.train_loss[0]:.3g}",
        "silent": f"{100 * found.silent[-1]:.0f}\u00a0%",
        "silent_first": f"{100 * found.silent[0]:.0f}\u00a0%",
        "test_accuracy": f"{100 * max(found.test_accuracy):.0f}\u00a0%",
        "train_accuracy": f"{100 * found.train_accuracy[-1]:.0f}\u00a0%",
    }
    fall = found.train_loss[0] - found.train_loss[20]
    wanted["late"] = f"{100 * abs(found.train_loss[15] - found.train_loss[20]) / fall:.0f}\u00a0%"
    assert float(facts["first"]) == float(wanted.pop("first"))
    if fault in ("rate_low", "healthy", "leak", "shifted"):
        assert facts["late"] == wanted["late"]
        for key, value in (
            ("end", found.train_loss[-1]),
            ("test_first", found.test_loss[0]),
            ("test_end", found.test_loss[-1]),
            ("test_best", found.test_loss.min()),
            ("gap", found.test_loss[-1] / found.train_loss[-1]),
        ):
            assert float(facts[key]) == pytest.approx(value, rel=5e-3)
    del wanted["late"]
    assert {key: facts[key] for key in wanted} == wanted
    sizes = [int(n) for n in facts["sizes"].split("-")]
    count = sum(a * b + b for a, b in pairwise(sizes))
    assert facts["count"] == f"{count:,}"


# What is said against a choice, by a piece of its sentence, and whether it is so.
CLAIMS: dict[str, Any] = {
    "no rate had done anything by then": lambda r: r.train_loss[0] > 3 * live.GUESSING,
    "look at its gradient norm before": lambda r: np.any(r.handed > 2 * r.own),
    "what a long step does would not": lambda r: live.repeats(r) > 0.4,
    "short steps do not": lambda r: np.any(~(r.train_loss[1:] <= 1.1 * r.train_loss[:-1])),
    "the test loss does not fall along": lambda r: r.test_loss[-1] >= r.test_loss[0],
    "it has come to rest": lambda r: np.ptp(r.train_loss[-5:]) < 0.02 * r.train_loss[0],
    "nothing is learnt, not even by heart": lambda r: abs(r.train_accuracy[-1] - CHANCE) < 0.04,
    "killed the units": lambda r: r.silent[0] < 0.1 and r.silent[-1] == 1,
    "it climbs to": lambda r: r.silent[-1] == 1 and r.train_loss[-1] > 2 * r.train_loss[8],
    "the two are the same": lambda r: np.allclose(r.handed, r.own, rtol=1e-9),
    "there is no good result to doubt": lambda r: not r.train_loss[-1] < 1,
    "too good to be true": lambda r: r.test_accuracy[-1] > 0.97,
    "looks much the same": lambda r: 0.1 < r.test_loss[-1] < 0.17 and live.repeats(r) > 0.4,
    "after": lambda r: True,
}


def test_what_is_said_against_a_choice_is_so():
    heard = set()
    for name, fault in RUNS:
        for chosen in set(FAULTS) - {fault}:
            said = live.feedback(name, fault, chosen)
            for piece, holds in CLAIMS.items():
                if piece in said:
                    heard.add(piece)
                    assert holds(run(name, fault)), said
    assert heard == set(CLAIMS), "each of them is said somewhere"


def test_every_sentence_against_a_choice_is_used():
    used = {
        next(text for holds, text in live.AGAINST[chosen] if holds(run(name, fault)))
        for name, fault in RUNS
        for chosen in set(FAULTS) - {fault}
    }
    assert used == {text for row in live.AGAINST.values() for _, text in row}


def test_numbers_are_written_as_people_write_them():
    values = (0.0018, 2.3, 0.69998, 630.4, 1675.2, 43_210.0, 2e-7, 0.0, np.nan, np.inf)
    assert [live.number(v) for v in values] == [
        "0.00180", "2.30", "0.700", "630", "1,675", "4.3\u00a0×\u00a010⁴", "2.0\u00a0×\u00a010⁻⁷",
        "0.00", "nan", "nan",
    ]  # fmt: skip


# The figure.


def test_what_is_drawn_is_what_was_measured():
    made = live.curves_data()
    json.dumps(made, allow_nan=False)
    assert [(one["setup"], one["fault"]) for one in made["runs"]] == list(RUNS)
    for one in made["runs"]:
        found = run(one["setup"], one["fault"])
        for key, values in (("train", found.train_loss), ("test", found.test_loss)):
            drawn = [np.inf if v is None else v for v in one[key]]
            measured = np.where(np.isfinite(values), values, np.inf)
            np.testing.assert_allclose(drawn, measured, rtol=1e-3)
        shown = SETUPS[one["setup"]].shown * one["an_epoch"]
        np.testing.assert_allclose(one["batches"][0], found.batch_loss.ravel()[:shown], rtol=1e-3)
        assert len(one["gradient"]) == (2 if one["fault"] == "uncleared" else 1)
        assert {len(line) for line in one["gradient"]} == {shown}
    assert set(made["decides"].values()) <= set(live.WORDS["looks"])


def test_the_figure_leaves_a_picture_and_words_for_where_no_script_runs():
    made = live.curves_figure()
    still = made[: made.index('<script type="application/json">')]
    assert 'alt="' in still
    assert "{" not in still
    for fault, name in live.STILL_RUNS.items():
        assert f"{live.NAMES[fault]}: {live.why(name, fault)}" in still
    assert set(live.STILL_RUNS) == set(FAULTS)
    assert len(made) < 300_000
