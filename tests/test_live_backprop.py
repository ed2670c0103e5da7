"""Chapter 6's live figures: their numbers are right, and what their sentences say is so."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from book import backprop_live as live
from solutions.backprop import Tensor

EXACT = 1e-12
EVERY_MISTAKE = pytest.mark.parametrize("name", live.MISTAKES)
EVERY_KIND = pytest.mark.parametrize("name", ["right", *live.MISTAKES])

# What the page's figure is about: by eye, from the code of the mistakes.
PATTERNS = {
    "not_accumulated": {"H": "wrong", "c": "wrong", "X": "wrong", "W": "wrong"},
    "no_topological_order": {"X": "wrong", "W": "wrong"},
    "not_unbroadcast": {"c": "stop"},
    "transposes_exchanged": {"H": "stop", "c": "none", "X": "none", "W": "none"},
    "slope_at_the_output": {"H": "wrong", "X": "wrong", "W": "wrong"},
}


# The neuron.


@pytest.mark.parametrize("kind", ["sigmoid", "relu"])
def test_the_slope_is_that_of_the_loss(kind):
    """At places that are no kinks of the ReLU."""
    for w, b in ((0.4, -1.0), (-2.3, 0.7), (3.1, 0.2)):
        h = 1e-6
        by_w = live.neuron_loss(kind, w + h, b) - live.neuron_loss(kind, w - h, b)
        by_b = live.neuron_loss(kind, w, b + h) - live.neuron_loss(kind, w, b - h)
        want = np.array([by_w, by_b]) / (2 * h)
        np.testing.assert_allclose(live.neuron_slope(kind, w, b), want, atol=1e-8)


def test_the_step_does_not_move_and_the_others_arrive_or_crawl():
    for start in (-6.0, 0.4, 3.0):
        assert set(live.neuron_walk("step", start, -1.0, 200)) == {start}
    for kind in ("sigmoid", "relu"):
        walk = live.neuron_walk(kind, 0.4, -1.0, 200)
        assert live.neuron_loss(kind, walk[-1], -1.0) < live.neuron_loss(kind, 0.4, -1.0)
        assert abs(live.neuron_slope(kind, walk[-1], -1.0)[0]) < 1e-3
    assert abs(live.neuron_walk("sigmoid", -6.0, -1.0, 200)[-1] + 6) < 0.2


def test_the_steps_loss_is_a_staircase():
    heights = [live.neuron_loss("step", w, -1.0) for w in np.linspace(-5.99, 3.99, 999)]
    assert len(set(heights)) == 4


# The graph.


def test_values_and_gradients_are_those_of_torch():
    leaves = {
        name: torch.tensor(data, dtype=torch.float64, requires_grad=True)
        for name, data in live.LEAVES.items()
    }
    H = leaves["X"] @ leaves["W"]
    Q = torch.log(H)
    R = Q * leaves["c"]
    S = R + H
    T = S + leaves["c"]
    nodes = {**leaves, "H": H, "Q": Q, "R": R, "S": S, "T": T, "L": T.sum()}
    for node in nodes.values():
        node.retain_grad()
    nodes["L"].backward()
    assert list(live.values()) == list(nodes)
    for name, node in nodes.items():
        np.testing.assert_allclose(live.values()[name], node.detach(), atol=EXACT)
        np.testing.assert_allclose(live.run("right").grads[name], node.grad, atol=EXACT)


def test_the_words_and_the_drawing_follow_the_code():
    nodes = live.build(Tensor.reference)
    names = {node: name for name, node in nodes.items()}
    made = {
        name: tuple(names[parent] for parent, rule in node._parents)
        for name, node in nodes.items()
        if node._parents
    }
    assert made == live.MADE_FROM
    for name, parents in made.items():
        assert tuple(re.findall(r"[A-Z]|\bc\b", live.OPERATIONS[name])) == parents
    assert {(edge[0], edge[1]) for edge in live.EDGES} == {
        (parent, name) for name, parents in made.items() for parent in parents
    }


def test_leaves_are_easy_numbers_and_no_matrix_is_square_by_chance():
    for data in live.LEAVES.values():
        np.testing.assert_array_equal(np.round(data, 2), data)
    assert np.shape(live.LEAVES["X"]) == np.shape(live.LEAVES["W"])[::-1] == (2, 3)


def test_what_goes_back_adds_up():
    run = live.run("right")
    sent = {node: [v.shares[node] for v in run.visits if node in v.shares] for node in run.grads}
    assert {node for node in sent if len(sent[node]) == 2} == set(live.SHARED)
    np.testing.assert_allclose(sum(sent["H"]), run.grads["H"], atol=EXACT)
    np.testing.assert_allclose(sum(sent["c"]).sum(axis=0), run.grads["c"], atol=EXACT)


@EVERY_MISTAKE
def test_a_broken_tensor_is_the_sets_own_mistake(name):
    found = [m.wrong for part in Tensor.parts for m in part.mistakes if m.name == name]
    assert found == [live.broken_tensor(name)]


@EVERY_KIND
def test_listening_changes_nothing(name):
    nodes = live.build(Tensor.reference if name == "right" else live.broken_tensor(name))
    if live.run(name).stopped:
        with pytest.raises(ValueError, match=r"shape|dimension|operand"):
            nodes["L"].backward()
    else:
        nodes["L"].backward()
    for node, grad in live.run(name).grads.items():
        np.testing.assert_array_equal(grad, nodes[node].grad)


def test_each_mistake_has_a_pattern_of_its_own():
    patterns = {name: live.statuses(name) for name in live.MISTAKES}
    for name, wrong in PATTERNS.items():
        assert patterns[name] == dict.fromkeys(live.BACKWARD_ORDER, "right") | wrong
    assert len({tuple(pattern.items()) for pattern in patterns.values()}) == len(live.MISTAKES)
    assert set(live.statuses("right").values()) == {"right"}


def test_where_a_broken_backward_stops():
    assert live.where_it_stopped(live.run("not_unbroadcast")) == ("c", "c", (2, 2), (2,))
    assert live.where_it_stopped(live.run("transposes_exchanged")) == ("H", "X", (2, 2), (3, 2))


@EVERY_KIND
def test_each_state_is_told_in_full(name):
    frames = list(live.frames(name))
    assert len(frames) == 1 + len(live.MADE_FROM) + len(live.run(name).visits)
    for number, frame in enumerate(frames):
        said = frame["said"]
        assert said.endswith(".")
        assert not re.search(r"[{}]|nan|array", said)
        if number:
            assert said.startswith(f"Step {number} of {len(frames) - 1}, ")
            assert f". {frame['at']} = {live.OPERATIONS[frame['at']]}" in said
        for rows in frame["shares"].values():
            assert "[" + "; ".join(", ".join(row) for row in rows) + "]" in said
    assert frames[-1]["said"].endswith(live.summary(name))
    assert set(frames[-1]["grads"]) == set(live.BACKWARD_ORDER)


@EVERY_KIND
def test_the_last_state_shows_what_the_code_left(name):
    shown = list(live.frames(name))[-1]["grads"]
    for node, (rows, status) in shown.items():
        assert status == live.statuses(name)[node]
        if rows:
            assert rows == live.listed(live.run(name).grads[node])
        else:
            assert status in ("none", "stop")
            assert not live.run(name).grads[node].any()


@EVERY_MISTAKE
def test_no_state_gives_the_mistake_away(name):
    """The round would be no riddle."""
    told = " ".join(frame["said"] for frame in live.frames(name)) + live.summary(name)
    assert not any(words in told for words in live.NAMES.values())


@EVERY_MISTAKE
def test_feedback_is_true(name):
    """Each wrong choice is told a node that the two mistakes treat differently."""
    assert live.NAMES[name] in live.feedback(name, name)
    assert live.WHY[name] in live.feedback(name, name)
    answers = set()
    for chosen in set(live.MISTAKES) - {name}:
        said = live.feedback(chosen, name)
        (node,) = re.findall(r"”, (\w) would", said)
        would, here = live.statuses(chosen)[node], live.statuses(name)[node]
        assert would != here
        assert f" would {live.WOULD[would]}; here it {live.HERE[here]}." in said
        answers.add(said)
    assert len(answers) == len(live.MISTAKES) - 1


def test_numbers_are_written_as_people_write_them():
    assert [live.plain(v) for v in (-0.001, 2.0, -0.75, 10.013, 0.6)] == [
        "0", "2", "\u22120.75", "10.01", "0.6",
    ]  # fmt: skip


@pytest.mark.parametrize("figure", [live.neuron_figure, live.graph_figure])
def test_a_figure_leaves_a_picture_and_words_for_where_no_script_runs(figure):
    made = figure()
    still = made[: made.index('<script type="application/json">')]
    assert 'alt="' in still
    assert "{" not in still
    assert len(made) < 130_000
