"""What chapter 6's page says is so: each of its numbers, and its code as a reader pastes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.datasets import load_digits

from book import backprop_experiments as lab
from solutions.backprop import (
    Tensor,
    count_parameters,
    mlp_backward,
    mlp_forward,
    neuron_gradient,
    unbroadcast,
)

EXACT = 1e-12  # two ways of the same arithmetic in float64
PAGE = (Path(__file__).resolve().parent.parent / "book" / "backprop.md").read_text("utf8")


# The digits.


@pytest.mark.parametrize("side", [8, 28])
def test_the_split_has_every_digit_once_and_no_picture_twice(side):
    data = lab.split(side)
    assert data.X.shape == (1437, side**2)
    assert data.X_test.shape == (360, side**2)
    together = np.sort(np.concatenate([data.y, data.y_test]))
    np.testing.assert_array_equal(together, np.sort(load_digits().target))
    np.testing.assert_array_equal(data.Y.argmax(axis=1), data.y)
    if side == 8:
        rows = np.concatenate([data.X, data.X_test])
        assert np.sort(rows.sum(axis=1)) == pytest.approx(
            np.sort(load_digits().data.sum(axis=1)) / 16
        )


# The perceptron.


def test_the_step_does_not_move_and_the_two_others_do():
    found = lab.step_descents()
    step = found.losses["step"]
    assert found.largest_slope["step"] == 0
    assert np.all(step == step[0])
    for name in ("sigmoid", "ReLU"):
        assert found.losses[name][-1] < 0.25 * found.losses[name][0]
        assert found.right[name] > 0.95
    assert found.right["step"] == pytest.approx(1 - 2 * step[0])  # half the share of wrong ones


# Activations.


def by_torch(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope by torch."""
    functions = {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "ReLU": torch.relu,
        "ELU": torch.nn.functional.elu,
    }
    leaf = torch.tensor(z, requires_grad=True)
    value = functions[name](leaf)
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach().numpy(), leaf.grad.numpy()


@pytest.mark.parametrize("name", list(lab.ACTIVATIONS))
def test_the_table_of_ends_is_torchs(name):
    z = np.array([-20.0, 0.0, 20.0])
    np.testing.assert_allclose(lab.ends()[name], np.column_stack(by_torch(name, z)), atol=1e-15)


@pytest.mark.parametrize("name", list(lab.ACTIVATIONS))
def test_slopes_are_those_of_the_values(name):
    assert lab.slope_gap(name) < 1e-9


def test_a_sigmoid_passes_on_a_quarter_at_most():
    z = np.linspace(-30, 30, 6001)
    assert lab.sigmoid_grad(z).max() == pytest.approx(0.25, abs=EXACT)
    assert lab.ends()["sigmoid"][1, 1] ** 10 == pytest.approx(2.0**-20)


# One neuron.


def test_each_link_of_the_chain_is_its_central_difference():
    for link in lab.chain().links.values():
        assert link.derivative == pytest.approx(link.measured, abs=1e-10)


def test_the_chain_is_torchs():
    w = torch.tensor(lab.NEURON_W, requires_grad=True)
    b = torch.tensor(lab.NEURON_B, dtype=torch.float64, requires_grad=True)
    a = torch.sigmoid(w @ torch.tensor(lab.NEURON_X) + b)
    cost = (a - lab.NEURON_Y) ** 2 / 2
    cost.backward()
    found = lab.chain()
    assert w.grad is not None
    assert b.grad is not None
    assert found.a == pytest.approx(a.item(), abs=EXACT)
    assert found.cost == pytest.approx(cost.item(), abs=EXACT)
    products = [found.links[f"cost by {name}"].derivative for name in ("w0", "w1", "b")]
    assert products == pytest.approx([*w.grad.numpy(), b.grad.item()], abs=EXACT)


def test_the_push_is_largest_where_a_is_two_thirds_and_dies_far_out():
    """a ** 2 (1 - a) has its maximum 4/27 at a = 2/3, so z = ln 2."""
    z = np.linspace(-8, 12, 20001)
    push = lab.push_on_z(z)
    assert z[push.argmax()] == pytest.approx(np.log(2), abs=1e-3)
    assert push.max() == pytest.approx(4 / 27, abs=1e-8)
    assert lab.push_on_z(np.array([10.0]))[0] == pytest.approx(4.54e-5, rel=1e-2)
    _, db = neuron_gradient(np.ones(1), np.array([1.5]), 0.3, 0.0)
    assert lab.push_on_z(np.array([1.8]))[0] == pytest.approx(db, abs=EXACT)


# The network.


def test_13002_layer_by_layer():
    layers = lab.count_by_layer()
    assert [layer.weights for layer in layers] == [12544, 256, 160]
    assert [layer.biases for layer in layers] == [16, 16, 10]
    assert sum(layer.weights for layer in layers) == 12960
    params = lab.initial("He", lab.SIZES, np.random.default_rng(0))
    assert sum(p.size for p in params) == count_parameters(list(lab.SIZES)) == 13002


def test_wishes_are_minus_the_gradient_and_in_proportion_to_what_they_multiply():
    made = lab.wishes()
    pushes = made.outputs[:, lab.ASKED]
    np.testing.assert_allclose(made.last[:, :16], pushes[:, None] * made.hidden, atol=EXACT)
    np.testing.assert_allclose(made.last[:, 16], pushes, atol=EXACT)
    asker = lab.WISHERS.index(lab.ASKED)
    assert made.last[asker, 16] > 0.9
    assert np.all(np.delete(made.last, asker, axis=0) <= 0)
    assert 0 < made.last[:, 16].mean() < 0.1


def test_each_digit_wishes_more_of_its_own_neuron_and_less_of_the_others():
    made = lab.wishes()
    for digit, row in zip(lab.WISHERS, made.outputs, strict=True):
        assert row.argmax() == digit
        assert np.all(np.delete(row, digit) < 0)
        assert row.sum() == pytest.approx(0, abs=EXACT)


def test_what_the_hidden_layer_is_told_is_the_sum_of_the_wishes():
    """Torch's derivative by the hidden activations, for the two."""
    made = lab.wishes()
    params = lab.initial("He", lab.SIZES, np.random.default_rng(lab.SEED))
    hidden = torch.tensor(made.hidden[0], requires_grad=True)
    logits = hidden @ torch.tensor(params[4]) + torch.tensor(params[5])
    torch.nn.functional.cross_entropy(logits, torch.tensor(lab.WISHERS[0])).backward()
    assert hidden.grad is not None
    told = lab.wishes_about_inputs(0).sum(axis=0)
    np.testing.assert_allclose(told, -hidden.grad.numpy(), atol=EXACT)
    assert np.abs(lab.wishes_about_inputs(0)).sum(axis=1).argmax() == lab.WISHERS[0]


def test_wishes_cancel():
    made = lab.wishes()
    size = np.linalg.norm(made.last, axis=1).mean()
    assert size > 2 * np.linalg.norm(made.last.mean(axis=0))
    assert size > 4 * np.linalg.norm(made.mean_all)


# A batch, and its price.


def test_the_shapes_are_those_of_the_tables():
    found = lab.shapes(32)
    for name in ("W1", "b1", "W2", "b2", "W3", "b3"):
        assert found["d" + name] == found[name]
    assert (found["X"], found["a1"], found["a2"], found["logits"]) == (
        (32, 784),
        (32, 16),
        (32, 16),
        (32, 10),
    )
    for rest in ("(784,n)(n,16)` → `(784,16)", "(16,n)(n,10)` → `(16,10)"):
        assert rest in PAGE


@pytest.fixture(scope="module")
def batch() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    data = lab.split()
    return lab.trained(2).params, data.X[:32], data.Y[:32]


def test_the_gradient_of_the_network_is_torchs(batch):
    params, X, Y = batch
    leaves = [torch.tensor(p, requires_grad=True) for p in params]
    a = torch.tensor(X)
    for W, b in zip(leaves[0:-2:2], leaves[1:-2:2], strict=True):
        a = torch.relu(a @ W + b)
    cost = torch.nn.functional.cross_entropy(a @ leaves[-2] + leaves[-1], torch.tensor(Y))
    cost.backward()
    assert lab.loss(params, X, Y) == pytest.approx(cost.item(), abs=EXACT)
    for ours, leaf in zip(lab.gradient(params, X, Y), leaves, strict=True):
        assert leaf.grad is not None
        np.testing.assert_allclose(ours, leaf.grad.numpy(), atol=EXACT)


def test_at_the_logits_the_gradient_is_as_stated(batch):
    """By central differences of the loss, by the logits alone."""
    params, X, Y = batch
    logits, _ = mlp_forward(params, X)
    stated, h = (softmax(logits, axis=1) - Y) / len(Y), 1e-5
    for i, j in ((0, 0), (5, 3), (31, 9)):
        sides = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[i, j] += sign * h
            sides.append(-np.mean(np.log(np.sum(Y * softmax(moved, axis=1), axis=1))))
        assert (sides[0] - sides[1]) / (2 * h) == pytest.approx(stated[i, j], abs=1e-10)


def test_a_forgotten_transpose_spoils_what_comes_after_it_and_nothing_else():
    gaps = lab.forgotten_transpose().gaps
    assert gaps["W1"] > 0.3
    assert gaps["b1"] > 0.3
    assert all(gaps[name] == 0 for name in ("W2", "b2", "W3", "b3"))


def test_one_walk_back_finds_what_26004_passes_find():
    """How long either takes is for the page to say."""
    found = lab.price(8)
    assert found.passes == 2 * 13002
    assert found.gap < 1e-8


def test_multiplications_from_both_ends():
    """By hand: (16 x 784) grows to 784 columns at each product; a row stays a row."""
    up, down = lab.multiplications()
    assert up == 784 * (16 * 16 + 16 * 10 + 10)
    assert down == 10 * 16 + 16 * 16 + 16 * 784


# The library.


def test_the_library_is_torch_on_random_graphs():
    assert lab.torch_gap(60, seed=1) < 1e-10
    assert lab.torch_gap() < 1e-10  # the page's own


def test_each_rule_of_the_table_is_its_central_difference():
    gaps = lab.rule_gaps()
    assert len(gaps) == 10  # a row each
    assert max(gaps.values()) < 1e-9


def test_on_square_matrices_a_forgotten_transpose_fits_and_is_wrong():
    gaps = lab.product_rules()
    assert max(gaps["U: P V^T"], gaps["V: U^T P"]) < 1e-9
    assert gaps["U: P V"] > 0.3


def test_the_descent_with_the_library():
    found = lab.tensor_descent()
    assert found.gap < EXACT
    assert found.losses[0] > 2
    assert found.losses[-20:].mean() < 0.1
    assert found.accuracy > 0.95
    assert len(found.misread) == round((1 - found.accuracy) * 360)
    assert len(found.misread) >= 4  # as many as are drawn
    assert all(right != answer for _, right, answer in found.misread)


def test_the_librarys_loss_is_cross_entropy(batch):
    params, X, Y = batch
    logits, _ = mlp_forward(params, X)
    ours = float(lab.log_sum_minus_right(Tensor(logits), Y).data)
    assert ours == pytest.approx(lab.loss(params, X, Y), abs=EXACT)


def test_the_table_of_broadcasts():
    back = np.arange(12.0).reshape(4, 3)
    for before, wanted in {
        (3,): back.sum(axis=0),
        (4, 1): back.sum(axis=1, keepdims=True),
        (1, 3): back.sum(axis=0, keepdims=True),
        (): back.sum(),
        (4, 3): back,
    }.items():
        np.testing.assert_array_equal(unbroadcast(back, before), wanted)
        assert unbroadcast(back, before).shape == before


# Checking.


def test_the_v():
    found = lab.v_curve()
    h, error = found.h, found.errors["float64"]
    right, left = (h >= 1e-4) & (h <= 1e-1), (h >= 1e-12) & (h <= 1e-7)
    for arm, slope, tolerance in ((right, 2, 0.05), (left, -1, 0.15)):
        fit = np.polyfit(np.log(h[arm]), np.log(error[arm]), 1)
        assert fit[0] == pytest.approx(slope, abs=tolerance)
    assert 1e-6 < found.best_h["float64"] < 1e-4
    assert found.best_error["float64"] < 1e-8
    assert 1e-3 < found.best_h["float32"] < 1e-1
    assert found.best_error["float32"] > 1e5 * found.best_error["float64"]
    at_5 = int(np.argmin(np.abs(np.log10(h) + 5)))
    assert found.errors["float32"][at_5] > 0.01


def test_components_of_one_gradient_differ_by_more_than_a_million():
    assert lab.component_range() > 1e6


def test_at_a_kink_both_answers_are_there():
    assert lab.relu_difference(0.0, 1e-5) == 0.5
    assert lab.relu_difference(1e-4, 1e-3) == pytest.approx(0.55)
    assert lab.relu_difference(1e-4, 1e-5) == pytest.approx(1)


# Where to start.


def test_first_losses():
    for kind in ("zeros", "ones"):
        assert lab.first_loss(kind) == pytest.approx(np.log(10), abs=EXACT)
    assert lab.first_loss("uniform") == pytest.approx(np.log(10), abs=0.01)
    assert np.log(10) < lab.first_loss("He") < 3
    assert lab.first_loss("normal") > 50
    assert lab.first_loss("fan-out") > 3 * np.log(10)


def test_zeros_and_ones_do_not_learn_to_read_and_the_two_others_do():
    losses = {kind: run.losses for kind, run in lab.start_runs().items()}
    for kind in ("zeros", "ones"):
        assert np.abs(losses[kind] - np.log(10)).max() < 0.01
    for kind in ("uniform", "He"):
        assert losses[kind][-1] < 0.3


def test_on_three_layers_the_uniform_start_is_no_worse():
    uniform, he = lab.last_losses("uniform"), lab.last_losses("He")
    assert uniform.mean() < he.mean()
    assert he[0] == lab.start_runs()["He"].losses[-1]
    assert max(uniform.max(), he.max()) < 0.4


def test_ones_explode_and_leave_every_hidden_neuron_dead():
    found = lab.ones_run()
    assert found.losses[1] > 1e5
    assert found.alive[:2] == pytest.approx(1)
    assert np.all(found.alive[2:] == 0)
    assert lab.layer_sizes("ones").activations[-1] > 1e4


def test_zeros_learn_the_class_shares_by_the_last_bias_alone():
    found = lab.zeros_run()
    assert found.first == pytest.approx(np.log(10))
    np.testing.assert_allclose(found.answers, found.shares, atol=1e-3)
    assert found.spread == 0  # the same answer to any picture
    assert found.entropy <= found.last < found.entropy + 1e-4
    moved = dict(found.moved)
    assert moved.pop("b3") > 1
    assert set(moved.values()) == {0}


def test_equal_neurons_stay_equal():
    found = lab.twins()
    assert found.moved > 0.01
    assert found.largest_difference == 0
    assert found.accuracy < 0.4
    assert found.other_accuracy > 0.9


def test_he_keeps_sizes_and_the_uniform_start_loses_the_root_of_six_a_layer():
    for sizes in ("activations", "gradients"):
        he, uniform = (
            getattr(lab.layer_sizes(kind, lab.DEEP), sizes) for kind in ("He", "uniform")
        )
        if sizes == "gradients":
            he, uniform = he[::-1], uniform[::-1]
        assert lab.shrink_a_layer(he) == pytest.approx(1, abs=0.1)
        assert lab.shrink_a_layer(uniform) == pytest.approx(np.sqrt(1 / 6), abs=0.05)


def test_only_he_trains_thirteen_layers():
    found = lab.deep_runs()
    assert found["uniform"][-1] > 2.2
    assert found["He"][-1] < 0.5
    for last in lab.deep_uniform_rates().values():
        assert last == pytest.approx(np.log(10), abs=0.05)


def test_on_three_layers_hes_logits_are_about_ten_times_the_uniform_starts():
    he, uniform = (lab.layer_sizes(kind).activations[-1] for kind in ("He", "uniform"))
    assert 5 < he / uniform < 20


def test_half_of_the_mean_square_survives_a_relu_and_uniform_has_a_sixth_of_hes_variance():
    rng = np.random.default_rng(6)
    z = rng.normal(size=200_000)
    assert np.mean(np.maximum(z, 0) ** 2) == pytest.approx(0.5, abs=0.01)
    he, uniform = (lab.initial(kind, (400, 400), rng)[0].var() for kind in ("He", "uniform"))
    assert he / uniform == pytest.approx(6, rel=0.03)


# The exam.


def test_the_exam():
    w, x = np.array([0.5, -1.0]), np.array([2.0, 1.0])
    dw, db = neuron_gradient(x, w, 0.0, 0.0)
    assert [*dw, db] == pytest.approx([1 / 4, 1 / 8, 1 / 8])
    X, V = np.arange(12.0).reshape(3, 4), Tensor(np.ones((1, 4)))
    (X * V).mean().backward()
    np.testing.assert_allclose(V.grad, X.sum(axis=0, keepdims=True) / 12)
    assert count_parameters([64, 32, 10]) == 2410
    with pytest.raises(ValueError, match="mismatch"):
        np.zeros((32, 10)) @ np.zeros((16, 10))  # the third answer: W3 untransposed does not fit


def test_a_gradient_is_32_times_too_large_where_the_mean_is_forgotten(batch):
    """The check-yourself: mlp_backward with n = 1 at the top."""
    params, X, Y = batch
    _, cache = mlp_forward(params, X)
    rows = [mlp_backward(params, [a[[i]] for a in cache], Y[[i]]) for i in range(32)]
    for whole, parts in zip(lab.gradient(params, X, Y), zip(*rows, strict=True), strict=True):
        np.testing.assert_allclose(sum(parts), 32 * whole, atol=1e-11)


# The page's own code.


def shown_cells() -> list[str]:
    """The code under "Show the code", as a reader copies it."""
    cells = re.findall(r"^```\{code-cell\} python\n(.*?)^```", PAGE, re.M | re.S)
    folded = [cell for cell in cells if "tags: [hide-input]" in cell]
    return [
        re.sub(r"\A(---\n.*?^---\n|(:[^\n]*\n)+)", "", cell, flags=re.M | re.S).lstrip()
        for cell in folded
    ]


@pytest.fixture(scope="module")
def pasted() -> dict[str, Any]:
    """Every shown cell, run by itself, or after the cell that it says it needs.

    Returns what the cells with Node leave behind.
    """
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    nodes: dict[str, Any] = {}
    for cell in shown_cells():
        own = nodes if "class Node" in cell or cell.startswith("# Needs") else {}
        exec(compile(cell, "a cell of backprop.md", "exec"), own)
        plt.close("all")
    return nodes


def test_every_shown_cell_runs_as_pasted(pasted):
    assert len(shown_cells()) > 15
    assert "Node" in pasted


def test_the_nodes_of_the_page(pasted):
    """f = u v + u at (2, 3), and then doublings, along paths and handed on too early."""
    assert [pasted[name].grad for name in "uvpf"] == [4, 2, 1, 1]
    first, last = pasted["doublings"](12)
    assert pasted["follow_paths"](last, 1.0) == 2**13 - 1
    assert first.grad == 2**12
    other, end = pasted["doublings"](2)
    end.grad = 1.0
    pasted["hand_on_too_early"](end)
    assert other.grad == 6
    chain, end = pasted["Node"](3.0), pasted["Node"](5.0)
    product = chain * end
    product.grad = 1.0
    pasted["hand_on_too_early"](product)
    assert (chain.grad, end.grad) == (5, 3)


def test_the_unfolded_snippets_run(pasted):
    """They are the loop of step 2, the loss of step 7 and a step."""
    loop, network, step = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    node = pasted["Node"]
    node.tape.clear()
    u, v = node(2.0), node(3.0)
    exec(loop, {"Node": node, "f": u * v + u})
    assert (u.grad, v.grad) == (4, 2)

    rng = np.random.default_rng(6)
    data = lab.split(8)
    start = lab.initial("He", (64, 32, 10), rng)
    W1, b1, W2, b2 = params = [Tensor(p) for p in start]
    names: dict[str, Any] = dict(W1=W1, b1=b1, W2=W2, b2=b2, np=np, lr=0.1)
    names |= dict(X=data.X[:64], Y=data.Y[:64])
    exec(network, names)
    slopes = lab.gradient(start, data.X[:64], data.Y[:64])
    for parameter, slope in zip(params, slopes, strict=True):
        np.testing.assert_allclose(parameter.grad, slope, atol=EXACT)
    exec(step, names)
    for parameter, before, slope in zip(params, start, slopes, strict=True):
        np.testing.assert_allclose(parameter.data, before - 0.1 * slope, atol=EXACT)
        assert not parameter.grad.any()


def test_lectures_are_named_in_notes_and_sources_only():
    text = re.sub(r"^```\{dropdown\} A note on the lecture.*?^```", "", PAGE, flags=re.M | re.S)
    text = text.split("## Sources")[0]
    assert not re.search(r"\bLectures? [A-E]\b", text, re.I)
