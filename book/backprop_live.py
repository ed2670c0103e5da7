"""Chapter 6's live figures: their numbers, their words and the stills for where no script runs.

The numbers of the graph are those of the reference Tensor and of the mistakes in
solutions/backprop.py, run step by step when the page is built; the script draws them, and computes
none. Every word that a reader sees or hears stands here, as a plain string to be translated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from autograder.figures import BLUE, COLOURS, new_figure
from book.page import live_figure, picture
from solutions.backprop import Tensor, heaviside, neuron_gradient, relu, relu_grad

Array = np.ndarray


def plain(value: float) -> str:
    """A number to two decimals as people write it: no zeros at its end, a real minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".").replace("-", "\u2212")
    return "0" if text == "\u22120" else text


# The neuron: one weight learns, on the step, the sigmoid and the ReLU side by side.

NEURON_X = (-1.0, 0.5, 1.5, 3.0)
NEURON_Y = (0.0, 0.0, 1.0, 1.0)
NEURON_LR = 0.5
NEURON_STEPS = 200
KINDS = ("step", "sigmoid", "relu")

NEURON_WORDS = {
    "start": "Start of w",
    "bias": "Bias b",
    "steps": "Steps",
    "show": "Show",
    "step": "step",
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "play": "Play",
    "pause": "Pause",
    "answers": "Answer over x; rings: the points",
    "losses": "Loss over w; ring: the start; bar: the slope",
    "x_axis": "x",
    "w_axis": "w",
    "settings": "b = {b}, learning rate {lr}: {steps} steps from w = {start}.",
    "state": "{name}: w = {w}, loss {loss}, slope {slope}. {tale}",
    "flat": "The slope is 0: it does not move.",
    "stopped": "The slope is 0 here: it has stopped.",
    "crawls": "The slope is tiny, and the loss is high: it crawls.",
    "arrived": "It has come to the bottom of its valley.",
    "tiny": "almost 0",
    "moves": "It is on its way down.",
}
NEURON_LABEL = "one neuron learns, or does not"
NEURON_STILL = (
    "<p>Three sliders that need JavaScript and a screen. This is their first position: a neuron "
    "with one weight learns from four points, by descent. With the step it stays where it "
    "was, for the slope is 0; with the sigmoid and with the ReLU it moves.</p>"
)
NEURON_ALT = (
    "Two panels. Above, four points over x, two at height 0 and two at height 1, with the answers "
    "of three neurons: a step, an S and a bent line. Below, the loss over the weight w: the step's "
    "is a staircase and its marker stands where it started; the other two are smooth or bent "
    "valleys, and their markers have moved down into them."
)


def sigmoid(z: Array) -> Array:
    """Written out: chapter 6 has no such exercise, and z is small here."""
    return 1 / (1 + np.exp(-z))


ANSWERS: dict[str, Callable[[Array], Array]] = {
    "step": heaviside,
    "sigmoid": sigmoid,
    "relu": relu,
}


def neuron_loss(kind: str, w: float, b: float) -> float:
    """Half the mean squared error of a neuron with one input, on the four points."""
    answers = ANSWERS[kind](w * np.array(NEURON_X) + b)
    return float(np.mean((answers - np.array(NEURON_Y)) ** 2) / 2)


def neuron_slope(kind: str, w: float, b: float) -> tuple[float, float]:
    """Its derivatives by w and by b; those of the sigmoid are the mean of the reference's."""
    x, y = np.array(NEURON_X), np.array(NEURON_Y)
    if kind == "sigmoid":
        each = [
            neuron_gradient(np.array([p]), np.array([w]), b, q) for p, q in zip(x, y, strict=True)
        ]
        return float(np.mean([dw[0] for dw, _ in each])), float(np.mean([db for _, db in each]))
    z = w * x + b
    slopes = relu_grad(z) if kind == "relu" else np.zeros(len(z))
    delta = (ANSWERS[kind](z) - y) * slopes
    return float(np.mean(delta * x)), float(np.mean(delta))


def neuron_walk(kind: str, w: float, b: float, steps: int) -> Array:
    """The weights on the way down, shape (steps + 1,), start included; b stays."""
    walk = [w]
    for _ in range(steps):
        walk.append(walk[-1] - NEURON_LR * neuron_slope(kind, walk[-1], b)[0])
    return np.array(walk)


def neuron_data() -> dict[str, Any]:
    """What the neuron's figure needs: points, places of its sliders, words."""
    starts = [round(-6 + 0.2 * i, 1) + 0.0 for i in range(51)]
    biases = [round(-3 + 0.1 * i, 1) + 0.0 for i in range(61)]
    steps = list(range(NEURON_STEPS + 1))
    return {
        "points": list(zip(NEURON_X, NEURON_Y, strict=True)),
        "lr": NEURON_LR,
        "start": {"values": starts, "start": starts.index(0.4)},
        "bias": {"values": biases, "start": biases.index(-1.0)},
        "steps": {"values": steps, "start": 40},
        "words": NEURON_WORDS,
    }


def neuron_figure() -> str:
    """The live figure of the neuron, as HTML."""
    data = neuron_data()
    b, steps = (data[name]["values"][data[name]["start"]] for name in ("bias", "steps"))
    start = data["start"]["values"][data["start"]["start"]]
    figure, (above, below) = new_figure(2, 1, size=(5.2, 6))
    x, w = np.linspace(-1.5, 3.5, 501), np.linspace(-6, 4, 1001)
    for kind, colour, dash in zip(KINDS, COLOURS[:3], ("-", "--", ":"), strict=True):
        end = neuron_walk(kind, start, b, steps)[-1]
        above.plot(x, ANSWERS[kind](end * x + b), dash, color=colour, label=NEURON_WORDS[kind])
        below.plot(w, [neuron_loss(kind, v, b) for v in w], dash, color=colour)
        below.plot(end, neuron_loss(kind, end, b), "o", color=colour)
    above.plot(NEURON_X, NEURON_Y, "o", color="white", markeredgecolor="black", markersize=8)
    above.set(xlabel="x", ylabel="answer", ylim=(-0.2, 1.6))
    above.legend(loc="upper left")
    below.set(xlabel="weight w", ylabel="loss", ylim=(0, 0.5))
    return live_figure(
        "backprop-neuron",
        script="backprop",
        label=NEURON_LABEL,
        still=NEURON_STILL + picture(figure, NEURON_ALT),
        data=data,
    )


# The graph: nine nodes, H used twice and c stretched over two rows and used twice.

LEAVES = {
    "X": [[1.0, 2.0, -1.0], [0.0, 1.0, 2.0]],
    "W": [[2.0, -1.0], [1.0, 4.0], [2.0, 3.0]],
    "c": [2.0, -3.0],
}
MADE_FROM = {
    "H": ("X", "W"),
    "Q": ("H",),
    "R": ("Q", "c"),
    "S": ("R", "H"),
    "T": ("S", "c"),
    "L": ("T",),
}
BACKWARD_ORDER = (*reversed(MADE_FROM), "c", "X", "W")
SHARED = ("H", "c")
MISTAKES = (
    "not_accumulated",
    "no_topological_order",
    "not_unbroadcast",
    "transposes_exchanged",
    "slope_at_the_output",
)

GRAPH_LABEL = "forward and backward through a graph, and five ways to break it"
GRAPH_WORDS: dict[str, Any] = {
    "title": "The value, then in blue the gradient of L; dashed: what an edge carries back",
    "first": "Start",
    "back": "Back",
    "next": "Next",
    "play": "Play",
    "pause": "Pause",
    "break": "Break it",
    "quiz": "Which bug is this?",
    "another": "Another one",
    "leave": "Leave the round",
    "choices": "Which bug is this? Your answer",
    "ask": "One of five bugs is at work.",
    "score": "{found} of {asked} found at the first try.",
    "marks": {"right": "✓ right", "wrong": "✗ wrong", "stop": "✗ stops", "none": "– none"},
    "broken": "Broken by “{name}”. {text}",
}

NAMES = {
    "right": "nothing broken",
    "not_accumulated": "no accumulation",
    "no_topological_order": "no topological order",
    "not_unbroadcast": "no un-broadcasting",
    "transposes_exchanged": "transposes exchanged",
    "slope_at_the_output": "derivative at the output",
}
WHY = {
    "not_accumulated": "Where two shares meet, at H and at c, the last one alone is kept, and what "
    "is made from H's gradient is wrong with it.",
    "no_topological_order": "H handed on the share that came first, and once both were there all "
    "of it again: the first went down twice. H itself is right, X and W are not.",
    "not_unbroadcast": "c has one row and was used in two. Its gradient must be added up over "
    "them, back to the shape of c.",
    "transposes_exchanged": "Down to H all is right; the way through the matrix product is the "
    "wrong one. Were the matrices square, nothing would stop, and the numbers would be wrong.",
    "slope_at_the_output": "Q has what it should, H has not: the slope of the log at H is 1 / H, "
    "and here it is 1 / Q. What c gets does not come through the log.",
}

OPERATIONS = {
    "H": "X @ W",
    "Q": "log(H)",
    "R": "Q * c",
    "S": "R + H",
    "T": "S + c",
    "L": "sum(T)",
}
FORWARD_START = "Before the first step. The leaves X, W and c have their values."
FORWARD = "Step {step} of {steps}, forward. {name} = {operation}. {rule} {name} is {value}."
FORWARD_RULES = {
    "H": "Each row of X meets each column of W.",
    "Q": "The logarithm of each entry.",
    "R": "Entry by entry; c is stretched: each row is multiplied by it.",
    "S": "Entry by entry; H is used for the second time.",
    "T": "Entry by entry; c is stretched once more.",
    "L": "All entries are added up.",
}
BACKWARD = (
    "Step {step} of {steps}, backward. {name} = {operation} has the gradient {grad}. "
    "The rule: {rule}"
)
BACKWARD_RULES = {
    "H": "a matrix product needs two more: for X the gradient times W transposed, for W "
    "X transposed times the gradient.",
    "Q": "the log divides the gradient by its input: the slope at H is 1 / H.",
    "R": "a product hands to each factor the gradient times the other factor.",
    "S": "a sum hands the gradient to both, as it is.",
    "T": "a sum hands the gradient to both, as it is.",
    "L": "each entry of a sum counts once.",
}
GOES = "{parent} is sent {share}."
FAILS = "The rule for {parent} fails."
BOTH_SHARES = "H was used twice: {shares} add up to it."
AGAIN = "It had its turn before: what it sends now comes on top."
LOST_SHARE = "H was sent {shares}, but goes on with the last alone."
ONE_SHARE = "H was used twice, and one share alone has come so far."
STRETCHED = "c has both shares. It was stretched over two rows, so the rows are added: {grad}."
DONE = "All gradients are known."
UNBROKEN = "Nothing is broken: every gradient is right."
PATTERN = "Wrong: {wrong}. Right: {right}."
WORST = "The first wrong one is {node}: {got} where {want} is right."
STOPS_IN = "It stops at {node}, on the way to {parent}: the shapes {one} and {other} do not fit."
STOPS_AT = "It stops at {node}: the shapes {one} and {other} do not fit."
NOT_REACHED = "No gradient: {none}. Right: {right}."
YES = "Yes: {name}. {why}"
NO = "No. If it were “{name}”, {node} would {would}; here it {here}. Look again."
WOULD = {
    "right": "be right",
    "wrong": "have a wrong gradient",
    "stop": "be where it stops",
    "none": "have no gradient",
}
HERE = {
    "right": "is right",
    "wrong": "has a wrong gradient",
    "stop": "is where it stops",
    "none": "has no gradient",
}

GRAPH_STILL = (
    "<p>Buttons that step through this graph, and break it, need JavaScript and a screen. This is "
    "where they end: in each box the value, on its right in blue the gradient of L; in dashed "
    "frames what an edge carries back to a node that was used twice.</p>"
)
GRAPH_PATTERNS = "<p>And this is what becomes of the gradients when it is broken:</p>"
GRAPH_ALT = "A graph of nine boxes: X, W and c, and from top to bottom {made}. {said}"

# Where the boxes stand, in a drawing as wide as a phone: x, y, width. And the way of each edge,
# from parent to child, with the place of the share that is written beside it.
BOXES = {
    "X": (1, 1, 140),
    "W": (149, 1, 190),
    "H": (62, 100, 160),
    "Q": (62, 192, 160),
    "R": (62, 259, 160),
    "S": (62, 326, 160),
    "T": (62, 393, 160),
    "L": (62, 460, 160),
    "c": (231, 324, 108),
}
STACKED = ("X", "c")  # the gradient stands below the value
EDGES: dict[str, dict[str, Any]] = {
    "XH": {"way": [[100, 84], [100, 100]]},
    "WH": {"way": [[260, 66], [260, 125], [222, 125]]},
    "HQ": {"way": [[142, 151], [142, 192]], "share": [190, 172]},
    "HS": {"way": [[62, 125], [30, 125], [30, 351], [62, 351]], "share": [30, 238]},
    "QR": {"way": [[142, 243], [142, 259]]},
    "cR": {"way": [[287, 324], [287, 284], [222, 284]], "share": [287, 264]},
    "RS": {"way": [[142, 310], [142, 326]]},
    "ST": {"way": [[142, 377], [142, 393]]},
    "cT": {"way": [[287, 379], [287, 418], [222, 418]], "share": [287, 438]},
    "TL": {"way": [[142, 444], [142, 460]]},
}
SIZE = (340, 499)


# mypy sees the class and not what `class_exercise` made of it.
DECLARED: Any = Tensor


def broken_tensor(name: str) -> type:
    """The Tensor of a named mistake: its own code, from the set."""
    for part in DECLARED.parts:
        for mistake in part.mistakes:
            if mistake.name == name:
                wrong: type = mistake.wrong
                return wrong
    raise KeyError(name)


def build(tensor: Callable[[Any], Any]) -> dict[str, Any]:
    """The graph out of Tensors of a kind, by name, in the order in which they are made."""
    X, W, c = (tensor(LEAVES[name]) for name in "XWc")
    H = X @ W
    Q = H.log()
    R = Q * c
    S = R + H
    T = S + c
    return {"X": X, "W": W, "c": c, "H": H, "Q": Q, "R": R, "S": S, "T": T, "L": T.sum()}


@dataclass
class Visit:
    """A node hands its gradient on: what it has, and what it sends to each parent."""

    node: str
    grad: Array
    shares: dict[str, Array | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What a kind of Tensor did on the way back."""

    visits: list[Visit]
    grads: dict[str, Array]
    stopped: bool


@cache
def run(name: str = "right") -> Run:
    """Build the graph and go back through it, with the rules of each node listened to."""
    nodes = build(DECLARED.reference if name == "right" else broken_tensor(name))
    names = {id(node): key for key, node in nodes.items()}
    visits: list[Visit] = []

    def listened(node: str, parent: str, rule: Callable[[Array], Array]) -> Any:
        def heard(grad: Array) -> Array:
            # A node that is visited twice hands on twice: to the same parent again.
            if not visits or visits[-1].node != node or parent in visits[-1].shares:
                visits.append(Visit(node, np.array(grad)))
            visits[-1].shares[parent] = None
            share = rule(grad)
            visits[-1].shares[parent] = np.array(share)
            return share

        return heard

    for key, node in nodes.items():
        node._parents = [
            (parent, listened(key, names[id(parent)], rule)) for parent, rule in node._parents
        ]
    try:
        nodes["L"].backward()
        stopped = False
    except Exception:  # a mistake may fail in any way; where it did is read off the visits
        stopped = True
    return Run(visits, {key: np.array(node.grad) for key, node in nodes.items()}, stopped)


def values() -> dict[str, Array]:
    """What the nodes hold, going forward."""
    return {name: np.array(node.data) for name, node in build(DECLARED.reference).items()}


def where_it_stopped(broken: Run) -> tuple[str, str, tuple[int, ...], tuple[int, ...]]:
    """Node, parent, and the two shapes that did not fit.

    Either a rule failed, at its node; or what it made does not fit the parent, and node and parent
    are the same.
    """
    last = broken.visits[-1]
    shapes = {name: value.shape for name, value in values().items()}
    for parent, share in last.shares.items():
        if share is None:
            (other,) = (name for name in MADE_FROM[last.node] if name != parent)
            return last.node, parent, last.grad.shape, shapes[other]
    parent, shape = next(
        (parent, share.shape)
        for visit in broken.visits
        for parent, share in visit.shares.items()
        if share is not None and share.shape != shapes[parent]
    )
    return parent, parent, shape, shapes[parent]


def statuses(name: str) -> dict[str, str]:
    """right, wrong, stop or none for the gradient of each node, from L down."""
    want, got = run("right"), run(name)
    place = where_it_stopped(got)[0] if got.stopped else None
    found = {}
    for node in BACKWARD_ORDER:
        right, grad = want.grads[node], got.grads[node]
        if node == place:
            found[node] = "stop"
        elif grad.shape == right.shape and np.allclose(grad, right, rtol=1e-12, atol=1e-12):
            found[node] = "right"
        else:
            found[node] = "none" if got.stopped and not grad.any() else "wrong"
    return found


def has_gradient(name: str) -> set[str]:
    """The nodes whose gradient is there in the end."""
    stopped = run(name).stopped
    return {n for n, grad in run(name).grads.items() if grad.any() or not stopped}


def listed(rows: Array) -> list[list[str]]:
    """Entries as they are written, a list a row; a number or a vector is one row."""
    return [[plain(entry) for entry in row] for row in np.atleast_2d(rows)]


def spoken(rows: Array) -> str:
    """An array in a sentence: [3, 0; 3, −2]."""
    if np.ndim(rows) == 0:
        return plain(float(rows))
    return "[" + "; ".join(", ".join(row) for row in listed(rows)) + "]"


def shown(shape: tuple[int, ...]) -> str:
    """A shape as Python writes it."""
    return str(tuple(int(n) for n in shape))


def together(names: list[str]) -> str:
    """Names in a row."""
    return ", ".join(names)


def summary(name: str) -> str:
    """What became of the gradients, in words that do not name the mistake."""
    status, got, want = statuses(name), run(name), run("right")
    groups = {kind: [n for n in status if status[n] == kind] for kind in WOULD}
    if got.stopped:
        node, parent, one, other = where_it_stopped(got)
        template = STOPS_AT if node == parent else STOPS_IN
        stop = template.format(node=node, parent=parent, one=shown(one), other=shown(other))
        none = [n for n in status if n not in has_gradient(name)]
        rest = NOT_REACHED.format(none=together(none), right=together(groups["right"]))
        return f"{stop} {rest}"
    if not groups["wrong"]:
        return DONE
    first = groups["wrong"][0]
    pattern = PATTERN.format(wrong=together(groups["wrong"]), right=together(groups["right"]))
    worst = WORST.format(node=first, got=spoken(got.grads[first]), want=spoken(want.grads[first]))
    return f"{pattern} {worst}"


def frames(name: str) -> Iterator[dict[str, Any]]:
    """The states of the figure, one after another, each with what is new in it.

    at : the node whose turn it is
    made : how many nodes have their values
    grads : node to [rows, status]; shares : edge to rows
    said : the sentence
    """
    held, got, status = values(), run(name), statuses(name)
    steps = len(MADE_FROM) + len(got.visits)
    frame: dict[str, Any] = {"at": "", "made": len(LEAVES), "grads": {}, "shares": {}}
    yield frame | {"said": FORWARD_START}
    for step, node in enumerate(MADE_FROM, start=1):
        said = FORWARD.format(
            step=step,
            steps=steps,
            name=node,
            operation=OPERATIONS[node],
            rule=FORWARD_RULES[node],
            value=spoken(held[node]),
        )
        yield frame | {"at": node, "made": len(LEAVES) + step, "said": said}

    sent: dict[str, list[Array]] = {node: [] for node in held}
    last_to = {parent: n for n, visit in enumerate(got.visits) for parent in visit.shares}
    handed_on: set[tuple[str, str]] = set()
    for number, visit in enumerate(got.visits):
        node, last = visit.node, number == len(got.visits) - 1
        words = [
            BACKWARD.format(
                step=len(MADE_FROM) + number + 1,
                steps=steps,
                name=node,
                operation=OPERATIONS[node],
                grad=spoken(visit.grad),
                rule=BACKWARD_RULES[node],
            )
        ]
        if node in SHARED:
            words.append(about_shares(sent[node], visit.grad))
        agrees = visit.grad.shape == held[node].shape and np.allclose(
            visit.grad, run("right").grads[node]
        )
        if any((node, parent) in handed_on for parent in visit.shares):
            words.append(AGAIN)
        grads = {node: [listed(visit.grad), "right" if agrees else "wrong"]}
        shares = {}
        for parent, share in visit.shares.items():
            if share is None:
                words.append(FAILS.format(parent=parent))
                continue
            sent[parent].append(share)
            handed_on.add((node, parent))
            words.append(GOES.format(parent=parent, share=spoken(share)))
            shares[parent + node] = listed(share)
            complete = parent in LEAVES and last_to[parent] == number
            if complete and status[parent] in ("right", "wrong"):
                grads[parent] = [listed(got.grads[parent]), status[parent]]
                if parent in SHARED and status[parent] == "right":
                    words.append(STRETCHED.format(grad=spoken(got.grads[parent])))
        if last:
            there = has_gradient(name)
            for each in held:
                grads[each] = [listed(got.grads[each]) if each in there else [], status[each]]
            words.append(summary(name))
        yield {
            "at": node,
            "made": len(held),
            "grads": grads,
            "shares": shares,
            "said": " ".join(words),
        }


def about_shares(sent: list[Array], grad: Array) -> str:
    """What a node that was used twice has got of its two shares."""
    if len(sent) < 2:
        return ONE_SHARE
    words = " and ".join(spoken(share) for share in sent)
    if np.allclose(sum(sent), grad):
        return BOTH_SHARES.format(shares=words)
    return LOST_SHARE.format(shares=words)


def feedback(chosen: str, true: str) -> str:
    """A sentence for a reader who chose a mistake where another one, or this one, is at work."""
    if chosen == true:
        return YES.format(name=NAMES[true], why=WHY[true])
    would, here = statuses(chosen), statuses(true)
    node = next(node for node in here if would[node] != here[node])
    return NO.format(name=NAMES[chosen], node=node, would=WOULD[would[node]], here=HERE[here[node]])


def graph_data() -> dict[str, Any]:
    """What the graph's figure needs: boxes, edges, values, every state of every kind, words."""
    held = values()
    return {
        "size": SIZE,
        "nodes": {
            name: {
                "box": BOXES[name],
                "stacked": name in STACKED,
                "title": title(name, held[name].shape),
                "value": listed(held[name]),
            }
            for name in held
        },
        "edges": {edge: place | {"from": edge[0], "to": edge[1]} for edge, place in EDGES.items()},
        "frames": {name: list(frames(name)) for name in ("right", *MISTAKES)},
        "summaries": {name: summary(name) for name in MISTAKES} | {"right": UNBROKEN},
        "names": NAMES,
        "feedback": {true: {c: feedback(c, true) for c in MISTAKES} for true in MISTAKES},
        "words": GRAPH_WORDS,
    }


def title(name: str, shape: tuple[int, ...]) -> str:
    """What stands above a box: a leaf's shape, or how the node is made."""
    return f"{name} = {OPERATIONS[name]}" if name in OPERATIONS else f"{name} {shown(shape)}"


def graph_still() -> str:
    """The graph at its end as a picture, and in words what each mistake does to it."""
    held, grads = values(), run("right").grads
    shares = {
        parent + visit.node: share
        for visit in run("right").visits
        for parent, share in visit.shares.items()
        if share is not None
    }
    figure, ax = new_figure(size=(5.2, 7.3))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.99, bottom=0.01)
    ax.set(xlim=(0, SIZE[0]), ylim=(SIZE[1], 0), aspect="equal")
    ax.axis("off")

    def block(rows: Array, x: float, y: float, colour: str) -> float:
        """Numbers in columns from the upper left corner; returns their right edge."""
        for column in zip(*listed(rows), strict=True):
            x += 8 + 6 * max(map(len, column))
            for i, text in enumerate(column):
                ax.text(x, y + 14 * i, text, color=colour, ha="right", fontsize=10)
        return x

    for edge, place in EDGES.items():
        *bends, (x, y), end = place["way"]
        ax.plot(*zip(*bends, (x, y), strict=True), color="grey", linewidth=1)
        ax.annotate("", end, (x, y), arrowprops={"arrowstyle": "->", "color": "grey"})
        if "share" in place:
            (x, y), rows = place["share"], shares[edge]
            half = 5 + sum(
                4 + 3 * max(len(text) for text in column)
                for column in zip(*listed(rows), strict=True)
            )
            look = {"facecolor": "white", "edgecolor": BLUE, "linestyle": ":"}
            ax.add_patch(rectangle(x - half, y - 17, 2 * half, 34, **look))
            block(rows, x - half + 2, y - 3, BLUE)
    for name, (x, y, width) in BOXES.items():
        lines = len(np.atleast_2d(held[name]))
        stacked = name in STACKED
        height = 27 + 28 * lines if stacked else 23 + 14 * lines
        ax.add_patch(rectangle(x, y, width, height, facecolor="white", edgecolor="black"))
        ax.text(x + 6, y + 13, title(name, held[name].shape), fontsize=10, weight="bold")
        edge_x = block(held[name], x + 4, y + 30, "black")
        left, top = (x + 4, y + 33 + 14 * lines) if stacked else (edge_x + 16, y + 30)
        block(grads[name], left, top, BLUE)
    said = list(frames("right"))[-1]["said"]
    made = ", ".join(title(name, ()) for name in OPERATIONS)
    patterns = "".join(f"<li>{NAMES[name]}: {summary(name)}</li>" for name in MISTAKES)
    drawn = picture(figure, GRAPH_ALT.format(made=made, said=said))
    return f"{GRAPH_STILL}{drawn}{GRAPH_PATTERNS}<ul>{patterns}</ul>"


def rectangle(x: float, y: float, width: float, height: float, **look: Any) -> Any:
    """A box of a drawing. matplotlib is imported when the first figure is drawn, not before."""
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, **look)


def graph_figure() -> str:
    """The live figure of the graph, as HTML."""
    return live_figure(
        "backprop-graph",
        script="backprop",
        label=GRAPH_LABEL,
        still=graph_still(),
        data=graph_data(),
    )
