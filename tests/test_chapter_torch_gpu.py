"""What chapter 9's page states is true, whatever files of timings there are."""

from __future__ import annotations

import inspect
import math
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from book import torch_gpu_experiments as lab
from book import torch_gpu_rounding as rounding
from book import torch_gpu_timings as clocks
from book.timing.clock import Patience, time_call
from book.timing.network import NumpyStep, Size, loss_and_gradients
from book.timing.reading import Timings
from tests import made_up_timings as made_up

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "torch_gpu.md"
TEXT = PAGE.read_text("utf8")
CELLS = re.findall(r"^```\{code-cell\} python\n(.*?)^```", TEXT, re.M | re.S)


def code(cell: str) -> str:
    return re.sub(r"\A(---\n.*?\n---\n|:tags:[^\n]*\n)", "", cell, flags=re.S)


# What a float is.


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("float64", torch.float64), ("float32", torch.float32), ("BF16", torch.bfloat16)],
)
def test_formats_are_those_that_torch_has(name, dtype):
    form = next(f for f in lab.FORMATS if f.name == name)
    info = torch.finfo(dtype)
    assert (form.eps, form.largest, form.smallest) == (info.eps, info.max, info.tiny)
    assert form.stored == info.bits


@given(st.floats(1e-30, 1e30))
def test_rounding_is_that_of_the_format(value):
    by_name = {f.name: f for f in lab.FORMATS}
    assert by_name["float64"].rounded(value) == value
    assert by_name["float32"].rounded(value) == float(np.float32(value))
    # Through float64, since torch's own way goes by float32 and may round twice.
    exact = by_name["float32"].rounded(value)
    assert by_name["BF16"].rounded(exact) == torch.tensor(exact).to(torch.bfloat16).item()


def test_tf32_has_bf16s_range_and_ten_bits():
    tf32 = next(f for f in lab.FORMATS if f.name == "TF32")
    assert tf32.rounded(1 + 2**-10) == 1 + 2**-10
    assert tf32.rounded(1 + 2**-11) == 1 and tf32.rounded(1 + 3 * 2**-11) == 1 + 2**-9
    assert 3.4e38 < tf32.largest < 2.0**128


def test_sums_have_an_order_and_a_bound():
    sums = lab.sums()
    assert len(np.unique(sums.found)) > 10 and 0 < np.abs(sums.errors).max() < sums.bound / 10
    assert np.float32(2**24) + np.float32(1) == 2**24 != np.float32(2**24 - 1) + np.float32(0)
    assert torch.tensor(2.0**8, dtype=torch.bfloat16) + 1 == 2**8


# The port.


def test_the_pages_lines_are_the_lines_that_run():
    loops = {
        "NumPy": inspect.getsource(lab.numpy_loop),
        "torch": inspect.getsource(lab.torch_loop),
    }
    blocks = re.findall(r"^(NumPy|torch)\n```python\n(.*?)^```", TEXT, re.M | re.S)
    assert len(blocks) == 10
    for whose, block in blocks:
        lines = [line.replace("]  # fmt: skip", "]") for line in loops[whose].splitlines()]
        wanted = block.splitlines()
        found = [i for i, line in enumerate(lines) if line.strip() == wanted[0]]
        runs = [textwrap.dedent("\n".join(lines[i : i + len(wanted)])) for i in found]
        assert "\n".join(wanted) in runs, block
    # And nothing of a loop is left out but its head and the notes that are taken.
    for whose, source in loops.items():
        shown = {
            line.strip() for name, block in blocks if name == whose for line in block.splitlines()
        }
        body = source[source.index("walk, losses = ") :].replace("]  # fmt: skip", "]")
        left = [line.strip() for line in body.splitlines() if line.strip() not in shown | {""}]
        allowed = r"walk[,.]|params: |for batch in|x, right|rows = |return walk"
        assert all(re.match(allowed, line) for line in left), left


def test_the_lines_of_the_clock_are_those_that_time():
    (block,) = re.findall(r"^```python\n(device\.settle\(\).*?)^```", TEXT, re.M | re.S)
    assert textwrap.indent(block, " " * 8) in inspect.getsource(time_call)


@pytest.fixture(scope="module")
def large():
    return lab.proof()


@pytest.fixture(scope="module")
def small():
    return lab.proof(lab.SMALL)


def test_in_float64_both_loops_are_the_same_computation(large):
    port = large.port
    assert port.parameters == 13_002 and len(port.loss) == 500
    apart = port.gaps["in float64"]
    assert apart.loss.max() < 1e-10 and apart.theta.max() < 1e-10
    assert apart.theta.max() > 0  # and they are two computations
    assert port.loss[0] > 2 and port.loss[-50:].mean() < 0.2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(1 - beta) * p.grad", "p.grad"),
        ("p.grad = None", "pass"),
        ("torch.relu(z2)", "z2"),
        ("p -= lr * v", "p -= lr * p.grad"),
    ],
)
def test_a_wrong_port_is_told_apart_at_once(old, new):
    """What the page says of mistakes: 1e-3 and more within two steps, not 1e-10."""
    source = textwrap.dedent(inspect.getsource(lab.torch_loop))
    assert source.count(old) == 1
    names = dict(vars(lab))
    exec(compile(source.replace(old, new), "changed", "exec"), names)
    task = lab.task(steps=3)
    told = (task.start, task.X, task.labels, task.batches)
    right = lab.numpy_loop(*told, "float64", lab.LR, lab.BETA)
    wrong = names["torch_loop"](*told, torch.float64, lab.LR, lab.BETA)
    assert lab.gap(right, wrong).theta[3] > 1e-3


def test_the_loop_by_hand_has_the_gradients_of_the_timed_step():
    """Independent truth: the step that is timed was written apart from the page's loop."""
    task = lab.task(steps=1)
    walk = lab.numpy_loop(task.start, task.X, task.labels, task.batches, "float64", 1.0, 0.0)
    batch = task.batches[0]
    loss, grads = loss_and_gradients(
        [p.copy() for p in task.start], task.X[batch], task.labels[batch]
    )
    assert walk.losses[0] == pytest.approx(loss, rel=1e-12)
    moved = walk.theta[0] - walk.theta[1]
    np.testing.assert_allclose(moved, np.concatenate([g.ravel() for g in grads]), atol=1e-12)


def test_a_tasks_numbers_are_float32_numbers_and_its_batches_epochs():
    task = lab.task(lab.SMALL, steps=30)
    for a in [*task.start, task.X]:
        np.testing.assert_array_equal(a, a.astype(np.float32))
    assert task.X.shape[1] == 16 and task.batches.shape == (30, 64)
    assert len(np.unique(task.batches[:22])) == 22 * 64
    assert not np.array_equal(task.batches[0], task.batches[22])


# The bound.


def test_the_bound_holds_at_every_step_of_the_small_network(small):
    bound = small.bound
    np.testing.assert_array_equal(bound.steps, np.arange(1, 500))
    assert bound.holds
    assert bound.flips == {"numpy": 0, "torch": 0}
    # Not vacuous: a thousandth of the loss, and digits of each parameter are left.
    assert bound.loss.max() < 1e-3
    assert max(b.max() for b in bound.theta.values()) / small.port.parameters < 1e-4
    assert bound.theta_factor.min() > 1 and np.median(bound.theta_factor) < 300


def test_the_bound_holds_for_chapter_8s_network(large):
    bound = large.bound
    np.testing.assert_array_equal(bound.steps, np.arange(49, 500, 50))
    assert bound.holds
    assert bound.flips == {"numpy": 0, "torch": 0}
    assert np.all(bound.loss < 0.1 * large.port.loss[bound.steps])
    assert np.median(bound.theta_factor) < 10_000


def test_a_small_mistake_is_above_the_bound(small):
    """A rate that is a thousandth too large: no eye sees it in the loss, and the bound does."""
    task, bound = lab.task(lab.SMALL), small.bound
    told = (task.X, task.labels, task.batches, "float64")
    right = lab.numpy_loop(task.start, *told, lab.LR, lab.BETA)
    wrong = lab.numpy_loop(task.start, *told, lab.LR * 1.001, lab.BETA)
    off = np.abs(np.subtract(right.theta, wrong.theta))[bound.steps].sum(axis=1)
    assert np.mean(off > np.maximum(*bound.theta.values())) > 0.9
    assert lab.gap(right, wrong).loss.max() < 0.03


@pytest.fixture
def batch():
    """A batch of the small network, away from its start."""
    task = lab.task(lab.SMALL, steps=1)
    rng = np.random.default_rng(1)
    theta = np.concatenate([p.ravel() for p in task.start])
    theta = theta + 0.01 * rng.normal(size=theta.shape)
    rows = task.batches[0]
    return lambda at=theta: rounding.Batch(at, task.X[rows], task.labels[rows], lab.SMALL), theta


def test_the_operations_one_by_one_have_torchs_loss_and_gradient(batch):
    make, theta = batch
    task = lab.task(lab.SMALL, steps=1)
    leaf = torch.tensor(theta, requires_grad=True)
    (W1, b1, W2, b2, W3, b3), rows = rounding.unpack(leaf, lab.SMALL), task.batches[0]
    x = torch.from_numpy(task.X[rows])
    x = torch.relu(torch.relu(x @ W1 + b1) @ W2 + b2) @ W3 + b3
    loss = torch.nn.functional.cross_entropy(x, torch.from_numpy(task.labels[rows]))
    loss.backward()
    assert make().loss == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(make().gradient, leaf.grad.numpy(), atol=1e-14)
    np.testing.assert_allclose(make().of_loss()[0], leaf.grad.numpy(), atol=1e-14)


def test_the_rows_times_the_hessian_are_those_of_finite_differences(batch):
    make, theta = batch
    w, h = np.random.default_rng(2).normal(size=theta.shape), 1e-6
    ahead, behind = (make(theta + s * h * w).gradient for s in (1, -1))
    found, _ = make().along(w[None])
    np.testing.assert_allclose(found[0], (ahead - behind) / (2 * h), atol=1e-6)


def test_pulling_back_is_the_sum_over_steps_of_what_each_adds():
    """Against the formula as it stands, with whole Jacobians, on made-up steps and two ends."""
    rng = np.random.default_rng(0)
    d, steps = 3, 4
    H = [(a + a.T) / 2 for a in rng.normal(size=(steps + 1, d, d))]
    K = rng.normal(size=(steps + 1, d, 5))  # derivatives of the gradient by five roundings
    updates = [tuple(np.abs(rng.normal(size=(2, d)))) for _ in range(steps + 1)]
    c, after = rng.normal(size=(2, 2, d)), np.array([4, 2])
    along = lambda t, rows: (rows @ H[t], np.abs(rows @ K[t]).sum(axis=1))  # noqa: E731
    found = rounding.pull_back(c, after, along, lambda t: updates[t])
    lr, beta, eye = lab.LR, lab.BETA, np.eye(d)

    def jacobian(t):
        by_v = np.block([(1 - beta) * H[t], beta * eye])
        return np.vstack([np.block([eye, np.zeros((d, d))]) - lr * by_v, by_v])

    for rows, end, totals in zip(c, after, found, strict=True):
        for measure, total in zip(rows, totals, strict=True):
            whole, row = 0.0, np.concatenate([measure, np.zeros(d)])
            for t in range(end, 0, -1):
                # What is added to the velocity goes into theta as well.
                of_velocity = row @ np.vstack([-lr * eye, eye])
                whole += np.abs(of_velocity @ ((1 - beta) * K[t])).sum()
                whole += np.abs(of_velocity) @ updates[t][0] + np.abs(row[:d]) @ updates[t][1]
                row = row @ jacobian(t)
            assert total == pytest.approx(whole, rel=1e-12)


def test_one_step_of_float32_is_within_its_own_bound():
    """From many points of a training, each by itself: nothing is carried on here."""
    task = lab.task(lab.SMALL, steps=60)
    told = (task.X, task.labels)
    walk = lab.numpy_loop(task.start, *told, task.batches, "float64", lab.LR, lab.BETA)
    largest = 0.0
    for t in range(0, 60, 6):
        # Where float32 can stand: both begin there.
        theta = walk.theta[t].astype(np.float32).astype(float)
        start = [p.copy() for p in rounding.unpack(theta, lab.SMALL)]
        one = (start, *told, task.batches[t : t + 1])
        exact = lab.numpy_loop(*one, "float64", lab.LR, lab.BETA)
        rows = task.batches[t]
        batch = rounding.Batch(theta, told[0][rows], told[1][rows], lab.SMALL)
        _, wrong = batch.along((1 - lab.BETA) * np.eye(len(theta)))
        v, own = rounding.in_update(theta, np.zeros_like(theta), batch.gradient)
        _, of_loss = batch.of_loss()
        for rough in (
            lab.numpy_loop(*one, "float32", lab.LR, lab.BETA),
            lab.torch_loop(*one, torch.float32, lab.LR, lab.BETA),
        ):
            off = np.abs(rough.velocity[1] - exact.velocity[1])
            assert np.all(off <= wrong + v)
            moved = np.abs(rough.theta[1] - exact.theta[1])
            assert np.all(moved <= lab.LR * (wrong + v) + own)
            assert abs(rough.losses[0] - exact.losses[0]) <= of_loss
            largest = max(largest, float(np.max(off[off > 0] / (wrong + v)[off > 0])))
    assert largest > 0.05  # of the right size


def test_what_made_a_proof_is_part_of_its_key(monkeypatch):
    def key():
        return lab.made_of(lab.prove, rounding.bound)

    before = key()
    monkeypatch.setattr(lab, "LR", 1 / 4)
    assert key() != before
    monkeypatch.undo()
    monkeypatch.setattr(rounding, "ULPS", 1)
    assert key() != before
    monkeypatch.undo()
    monkeypatch.setattr(lab, "CALLS", 7)  # the drawing of the queue
    assert key() == before


# A device that is late, and memory.


def test_the_time_lines_are_those_of_the_page():
    assert {way: round(lab.timed(way)[1] / lab.MICRO) for way in lab.TIMED} == {
        "not synchronised": 30,
        "synchronised": 125,
        "item": 150,
    }


def test_the_timing_commands_clock_is_right_on_the_stand_in():
    device = lab.StandIn()
    found = time_call(device, device, Patience(warm=1e-4, timed=1e-3), clock=device.clock)
    assert found.wall == pytest.approx([25 * lab.MICRO] * len(found.wall))


@pytest.mark.parametrize(("width", "batch"), [(16, 1), (64, 32), (256, 100)])
@pytest.mark.parametrize("precision", ["float32", "float64", "bf16"])
def test_activations_are_those_that_autograd_keeps(width, batch, precision):
    size = Size(width, batch)
    kept = lab.saved(size, precision)
    assert kept.numbers == size.activations * lab.itemsize(precision)
    assert kept.labels == 8 * batch


def test_bytes_add_up_and_activations_alone_grow():
    for width, batch in ((64, 1), (4096, 1000)):
        size = Size(width, batch)
        assert lab.bytes_of(size).total == size.memory(4)
        assert lab.bytes_of(size, "BF16 alone").total == size.memory(2)
    one, many = (lab.bytes_of(Size(4096, m)) for m in (1, 1000))
    assert one.fixed == many.fixed and many.activations == 1000 * one.activations
    for scheme in lab.SCHEMES:
        m = lab.largest_batch(4096, 80e9, scheme)
        assert lab.bytes_of(Size(4096, m), scheme).total <= 80e9
        assert lab.bytes_of(Size(4096, m + 1), scheme).total > 80e9


def test_the_peak_of_a_step_is_counted_to_within_a_fifth():
    """Independent truth: torch's own tracker of every allocation."""
    from torch.distributed._tools.mem_tracker import MemTracker

    from book.timing.torch_step import TorchStep

    size = Size(256, 512)
    step = TorchStep(size, "cpu", "float32")
    tracker = MemTracker()
    tracker.track_external(*step.params, *step.velocity, step.X, step.labels)
    with tracker:
        step()
    peak = sum(each["Total"] for each in tracker.get_tracker_snapshot("peak").values())
    assert size.memory(4) == pytest.approx(peak, rel=0.2)


# The files of timings: none, one, several, with a GPU and without; all of them made up.


@pytest.fixture
def filed(monkeypatch, tmp_path):
    """Let the page see made-up files; its own machine is made up too."""

    def put(*kinds):
        found = tuple(clocks.load(made_up.write(tmp_path, *kinds)))
        own = (Timings(made_up.content("cpu", quick=True)),)
        monkeypatch.setattr(clocks, "files", lambda: found)
        monkeypatch.setattr(clocks, "here", lambda: own)
        return found

    return put


def said(*timings):
    """All that is said of some timings."""
    speakers = [f for name, f in vars(clocks).items() if re.match("say_|flat_table", name)]
    told = []
    for speak in speakers:
        if speak in (clocks.say_crossover, clocks.say_impossible):
            told += [speak(timings)] if speak is clocks.say_impossible else speak(timings)
        else:
            told += [speak(t) for t in timings]
    told += [v(timings) for name, v in vars(clocks).items() if name.startswith("verdict_")]
    return "\n".join(told)


@pytest.mark.parametrize("kinds", [(), ("cpu",), ("cuda",), ("cpu", "cuda")])
def test_every_figure_and_sentence_works_whatever_files_there_are(filed, kinds, monkeypatch):
    import matplotlib.pyplot as plt

    filed(*kinds)
    displayed, glued = [], {}
    names: dict[str, object] = {}
    exec(code(CELLS[0]), names)
    monkeypatch.setattr("IPython.display.display", displayed.append)
    names["glue"] = names["say"] = lambda name="", value="", display=False, **k: glued.update(
        {name: value} | k
    )
    timed = [c for c in CELLS[1:] if "clocks." in c]
    assert len(timed) > 20
    exec("from book.torch_gpu_experiments import largest_batch\nWIDTH = 4096", names)
    for cell in timed:
        before = len(plt.get_fignums())
        exec(compile(code(cell), "cell", "exec"), names)
        figures = plt.get_fignums()[before:]
        # A graph needs a GPU, and a comparison two of a kind.
        drawn_if = {"name: fig-graphs": "cuda" in kinds, "name: fig-crossover": kinds != ("cuda",)}
        left_out = any(name in cell and not there for name, there in drawn_if.items())
        assert len(figures) == ("figure:" in cell and not left_out), cell
        for number in figures:
            drawn = [ax for ax in plt.figure(number).axes if ax.lines or ax.containers]
            assert len(drawn) == len(plt.figure(number).axes), cell
        plt.close("all")
    told = "\n".join(d.data for d in displayed)
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b(?! of)|\{\w+\}", told), told
    assert ("On a machine with a GPU, `python -m book.timing" in told) == ("cuda" not in kinds)
    assert ("There is no file of timings yet" in told) == (not kinds)
    assert ("Made-up CUDA 9000" in told) == ("cuda" in kinds)
    for source in (clocks.sources(clocks.shown()), glued["own_sources"]):
        assert "Made-up" in source and "torch 2.13.0" in source and "2 January 2026" in source


def test_a_gpus_sentences_say_what_its_numbers_are(filed):
    cpu, gpu = filed("cpu", "cuda")
    told = said(cpu, gpu)
    # Launches take 60 * 5 µs here, so narrow networks are flat for a long time.
    ends = {w: clocks.flat(gpu, w) for w in clocks.widths(gpu)}
    assert ends[16].until > 1000 > 1 and ends[16].until > ends[8192].until
    assert f"at width 16 it is flat up to a batch of {ends[16].until:,}" in told
    crossing = clocks.crossings(cpu, gpu)
    assert crossing[8192] == 1 and (crossing[16] is None or crossing[16] > 16)
    for width, batch in crossing.items():
        for b, seconds in clocks.medians(clocks.steps(gpu, width)).items():
            rival = clocks.best_of(cpu, width).get(b)
            if batch is not None and rival and b >= batch:
                assert seconds <= rival
    assert "TF32" in told and "BF16" in told and "**Made-up CUDA 9000** is never slower" in told
    rows = re.findall(r"\| (FP32|BF16) \| ([\d,]+) \| ([\d,]+) \| (\S+)\s%", told)
    assert [row[0] for row in rows] == ["FP32", "BF16"] and {row[3] for row in rows} == {"−3.0"}
    # Two launches of 5 µs, in place of 1.1e12 operations at 5e13 a second and 95 %.
    assert "not synchronised: 0.0004 times the truth" in told
    assert "captured in a graph" in told


def test_what_the_data_do_not_say_is_not_said(filed):
    (cpu,) = filed("cpu")
    assert (
        clocks.verdict_largest([cpu]) == clocks.verdict_crossover([cpu]) == "not measured: no GPU"
    )
    assert clocks.say_largest(cpu) == clocks.say_transfer(cpu) == clocks.say_graphs(cpu) == ""
    assert "What it cannot show: not synchronised" in clocks.say_wrong(cpu)
    only_ceilings = dict(cpu.content)
    only_ceilings["points"] = {n: p for n, p in cpu.points.items() if p["part"] == "ceilings"}
    bare = Timings(only_ceilings)
    for speak in (clocks.say_flat, clocks.say_powers, clocks.say_wrong, clocks.say_optimiser):
        assert speak(bare) == ""
    assert clocks.verdict_powers([bare]) == "not measured"


def changed(t, change):
    points = {name: dict(p) for name, p in t.points.items()}
    for p in points.values():
        change(p)
    return Timings({**t.content, "points": points})


def test_sentences_follow_the_data(filed):
    (cpu,) = filed("cpu")

    def slower_at_1024(p):
        if p["part"] == "neighbours" and p[p["kind"]] == 1024:
            p["wall"] = [1.5 * s for s in p["wall"]]

    def faster_at_1024(p):
        if p["part"] == "neighbours" and p[p["kind"]] == 1024:
            p["wall"] = [0.5 * s for s in p["wall"]]

    assert "1,024 is the quickest" in clocks.say_powers(changed(cpu, faster_at_1024))
    slow = clocks.say_powers(changed(cpu, slower_at_1024))
    assert "1,024 takes" in slow and "1,024 is the quickest" not in slow
    assert "in 2 of 2 tests" in clocks.verdict_powers([changed(cpu, faster_at_1024)])

    def slower_but_1024_and_1023(p):
        if p["part"] == "neighbours" and p[p["kind"]] not in (1023, 1024):
            p["wall"] = [1.5 * s for s in p["wall"]]
        elif p["part"] == "neighbours" and p[p["kind"]] == 1023:
            p["wall"] = [1.001 * s for s in p["wall"]]

    # The quickest, and yet no quicker than its neighbour by more than noise.
    tied = changed(cpu, slower_but_1024_and_1023)
    assert "1,024 is the quickest" in clocks.say_powers(tied)
    assert "in 0 of 2 tests" in clocks.verdict_powers([tied])

    def unsteady_where_large(p):
        if p["part"] == "step" and "wall" in p and p["flops"] > 5e10:
            p["wall"] = [s * f for s, f in zip(p["wall"], (0.5, 1, 1.5) * 99, strict=False)]

    calm, shaky = (clocks.say_precision(t) for t in (cpu, changed(cpu, unsteady_where_large)))
    assert calm != shaky and "float32 is" in calm and "float32 is" in shaky
    assert "in 0 of 2 tests" in clocks.verdict_powers([changed(cpu, slower_at_1024)])

    def too_fast(p):
        if p["part"] == "step" and (p["width"], p["batch"]) == (8192, 64) and "wall" in p:
            p["wall"] = [s / 100 for s in p["wall"]]

    assert "None of the" in clocks.say_impossible([cpu])
    assert "Careful" in clocks.say_impossible([changed(cpu, too_fast)])

    def steep(p):
        if p["part"] == "step" and "wall" in p:
            p["wall"] = [1e-3 * p["batch"]] * 5

    assert "no flat part" in clocks.say_flat(changed(cpu, steep))

    def level(p):
        if p["part"] == "step" and "wall" in p:
            p["wall"] = [1e-3] * 5

    assert "the largest that was tried" in clocks.say_flat(changed(cpu, level))

    def shaken(p):
        if p["part"] == "step" and "wall" in p:
            p["wall"] = [1e-3, 1e-3, 2e-3, 1e-1, 1e-1]

    assert "disagree too much" in clocks.say_flat(changed(cpu, shaken))


def test_neighbours_are_compared_for_equal_work(filed):
    """The made-up step takes time by its work, so no size is better than another."""
    (cpu,) = filed("cpu")
    raw = {p["batch"]: p["wall"][0] for p in cpu.find("neighbours", kind="batch")}
    assert raw[1040] > 1.02 * raw[1008]
    fair = clocks.powers(cpu, "batch", "float32")
    assert fair.spread < 0.005 and "all lie within" in clocks.say_powers(cpu)


def test_an_update_is_held_against_the_bandwidth_of_what_holds_it(filed):
    (cpu,) = filed("cpu")
    # Adam: four arrays of four bytes are there, seven times is one of them read or written.
    assert clocks.floor(cpu, "adam", 10**9) == pytest.approx(
        28e9 / made_up.DEVICES["cpu"]["memory"], rel=0.02
    )
    assert clocks.floor(cpu, "adam", 10**6) == pytest.approx(
        28e6 / made_up.DEVICES["cpu"]["cache"], rel=0.02
    )
    assert "fused is the quickest" in clocks.say_optimiser(cpu)


def test_a_long_tail_moves_the_mean_and_not_the_median(filed):
    cpu, gpu = filed("cpu", "cuda")
    found = {w.name: w.reported for w in clocks.wrong(gpu)}
    # One in forty takes twenty times as long.
    assert found["mean of a long tail"] == pytest.approx((39 + 20) / 40, rel=0.02)
    assert found["first call alone"] == pytest.approx(40, rel=0.02)
    assert found["not synchronised"] == pytest.approx(2 * 5e-6 / (1.1e12 / 5e13 / 0.95), rel=0.02)
    assert "not synchronised" not in {w.name for w in clocks.wrong(cpu)}
    assert "does not stand out" not in clocks.say_wrong(cpu)

    def quick_at_first(p):
        if p.get("kind") == "first call counted" and "wall" in p:
            p["wall"] = [p["wall"][1] / 2, *p["wall"][1:]]

    assert "does not stand out" in clocks.say_wrong(changed(cpu, quick_at_first))


def test_this_machine_is_timed_and_nothing_is_left_behind(monkeypatch, tmp_path, capsys):
    plan = [p for p in clocks.quick("cpu", ("step",)) if p.size.flops < 1e7][:3]
    monkeypatch.setattr(clocks, "quick", lambda device, only: plan)
    monkeypatch.setattr(clocks.measure, "devices", lambda: ["cpu"])
    (own,) = clocks.here.__wrapped__()
    assert len(own.find("step")) == 3 and own.content["quick"]
    assert capsys.readouterr().err == ""


def test_no_folder_is_no_file(tmp_path):
    assert clocks.files.__wrapped__(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (2.5, "2.5\u00a0s"),
        (0.0123, "12.3\u00a0ms"),
        (4.56e-5, "45.6\u00a0µs"),
        (2e-8, "0.02\u00a0µs"),
    ],
)
def test_times_have_a_unit_that_fits(seconds, told):
    assert clocks.duration(seconds) == told


# What is timed stays the same.


def test_a_step_on_one_example_ends_in_subnormal_numbers_in_float32_alone():
    exact, tiny = lab.shrunk("float64", readings=1), lab.shrunk("float32", readings=1)
    assert (exact.early, exact.late, exact.stuck, tiny.early) == (0, 0, 0, 0)
    assert tiny.of == 59_210 and tiny.of / 4 < tiny.stuck < tiny.late < tiny.of
    # All that is stuck is four times the smallest number, as the page says: 3.6 is rounded to 4.
    late = lab.sizes_of(lab.walked("float32", lab.LATE))
    least = np.finfo("float32").smallest_subnormal
    assert np.sum(late == 4 * least) == tiny.stuck and late.min() == 4 * least
    assert np.float32(0.9) * (4 * least) == 4 * least and np.float32(0.9) * (5 * least) != 5 * least


def test_a_slip_of_beta_hides_in_a_loss_curve():
    slip = lab.slip(0.88)
    assert slip.steps == 22 and 0 < slip.apart < slip.batch / 2
    assert lab.slip(lab.BETA).apart == 0


# The page itself.


def test_short_cells_run_and_say_what_the_text_says(capsys):
    """Each by itself, after the imports of the first cell."""
    names: dict[str, object] = {"np": np, "torch": torch}
    exec("from torch import nn\nfrom torch.nn import functional", names)
    shown = [code(c) for c in CELLS if ":tags: [shown]" in c]
    assert len(shown) == 10
    outputs = []
    for cell in shown:
        assert len(cell.splitlines()) <= 10 and not re.search(r"^\s*(def|class) ", cell, re.M)
        exec(compile(cell, "shown", "exec"), dict(names))
        outputs.append(capsys.readouterr().out)
    order, shared, unknown, grows, twice, stale, linear, labels, types, device = outputs
    assert order.split() == ["1.0", "0.0"]
    assert shared.strip() == "[1. 1. 1.] [0. 0. 0.]"
    assert unknown.strip() == "False None"
    assert grows.strip() == "[2, 3, 4, 5] False"
    assert "backward through the graph a second time" in twice
    assert stale.count("gradient -4.0, loss 4.0") == 4 and "w = 5.8" in stale
    assert re.match(r"\(16, 784\) \S+\n\(16,\) ", linear)
    largest_w, largest_b, limit = (float(line.split()[-1]) for line in linear.splitlines())
    assert 0.99 * limit < largest_w <= limit and 0 < largest_b <= limit
    right, *middle, soft = labels.splitlines()
    assert f"{math.log(10):.4f}"[:5] in right and f"{math.log(10):.4f}"[:5] in soft
    assert all(str(math.log(10))[:4] not in line for line in middle)
    assert "dtype" in types and device.strip() in ("cpu", "cuda:0")


def test_the_exam():
    assert 2**12 * 2.0**-24 * 2**12 == 1 and 2**12 * 2.0**-8 == 16
    ceilings = (60 * 5e-6, 300e6 / 3e12, 2e11 / 5e13)
    assert ceilings == pytest.approx((0.3e-3, 0.1e-3, 4e-3))
    assert max(ceilings[0], ceilings[2] / 4) == ceilings[2] / 4
    product = 2 * 8192**3
    assert product == pytest.approx(1.1e12, rel=0.01)
    assert product / 5e13 == pytest.approx(22e-3, rel=0.01)
    assert product / 5e13 / 30e-6 == pytest.approx(730, rel=0.01)
    # TF32 in the bound: its u by float32's.
    assert 2.0**-11 / 2.0**-24 == 8192


def test_the_steps_that_are_timed_are_chapter_8s_form():
    """The velocity is averaged, as in the port: one step of each from rest."""
    step = NumpyStep(Size(16, 8), "float64", lr=0.1)
    before = [p.copy() for p in step.params]
    _, grads = loss_and_gradients(step.params, step.X, step.labels)
    step()
    for old, new, g in zip(before, step.params, grads, strict=True):
        np.testing.assert_allclose(new, old - 0.1 * 0.1 * g, atol=1e-12)
