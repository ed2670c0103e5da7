"""Chapter 9, from NumPy to torch on the GPU: references, cases and known mistakes."""

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from autograder.exercise import Exercise, exercise, public
from autograder.slips import slip

Array = np.ndarray
Tensor = torch.Tensor


# What the probes share. They make tensors of a case's arrays and give back plain data. A device
# called "meta" keeps shapes and no numbers: what reads a number there fails, and what stays where
# it is does not. So a silent copy to the CPU shows without a GPU.


@public
def tensor_of(array, dtype="float64", device="cpu"):
    """A tensor with an array's numbers, made without a look at how a solution would do it."""
    made = torch.empty(np.shape(array), dtype=getattr(torch, dtype), device=device)
    return made.copy_(torch.from_numpy(np.array(array)))


@public
def leaves_of(params, dtype="float64", device="cpu"):
    """Parameters as autograd wants them."""
    return [tensor_of(p, dtype, device).requires_grad_() for p in params]


@public
def numbers(tensor):
    """What a tensor holds, as an array of float64."""
    return tensor.detach().to("cpu", torch.float64).numpy().copy()


@public
def name_of(i):
    """W1, b1, W2, b2, ..."""
    return f"{'Wb'[i % 2]}{i // 2 + 1}"


@public
def each(things):
    """What some things are, each sort once."""
    return ", ".join(sorted({str(thing).removeprefix("torch.") for thing in things}))


@public
def kinds(things):
    """Whether some things are tensors, and what else they are."""
    return each("Tensor" if torch.is_tensor(t) else type(t).__name__ for t in things)


@public
def is_near(tensors, others, dtype):
    """Whether numbers of a coarser dtype are those of float64, as far as they can be."""
    slack = {"float32": 1e-3, "bfloat16": 0.1}[dtype]
    pairs = [(numbers(a), numbers(b)) for a, b in zip(tensors, others, strict=True)]
    return all(np.max(np.abs(a - b)) <= slack * max(1, np.max(np.abs(b))) for a, b in pairs)


@public
def on_one_thread(work, *told):
    """work(), on a single thread: over tensors as small as these, several wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return by_its_reason(work, told)
    finally:
        torch.set_num_threads(threads)


@public
def by_its_reason(work, told):
    """work(), or why torch refused it, if that is one of the reasons that are told.

    torch has one class of error for many reasons, and of an exception only the class reaches the
    judge. What has no text of its own stays an exception, with the learner's own line.
    """
    reasons = {
        "target dtype to be Long": "labels of another dtype",
        "scalar type Long": "labels of another dtype",
        "type for target with class probabilities": "labels with two axes",
        "multi-target not supported": "labels with two axes",
        "not implemented for 'Long'": "whole numbers where logits belong",
        "does not require grad and does not have": "a loss without a graph",
        "through the graph a second time": "a graph that is used up",
        "numpy() on Tensor that requires grad": "NumPy on a recorded tensor",
        "to have the same dtype": "two dtypes in one product",
        "leaf Variable that requires grad is being used in": "a leaf changed in place",
        "should come back": "not those lists",
    }
    try:
        return work()
    except (RuntimeError, ValueError) as error:
        found = [
            reason for piece, reason in reasons.items() if reason in told and piece in str(error)
        ]
        if not found:
            raise
        return {"what comes back": f"an error: {found[0]}"}


@public
def told_of(made, run, dtype, elsewhere):
    """What some tensors are, which run("float64", "cpu") has made.

    Their numbers are those of float64, which are the same on every processor up to the last digits.
    A coarser dtype is tried in a run of its own, and so is another device.
    """
    told = {"what comes back": kinds(made)}
    if told["what comes back"] != "Tensor":
        return told
    told["devices"] = each(t.device.type for t in made)
    coarse = made if dtype == "float64" else run(dtype, "cpu")
    told["dtypes"] = each(t.dtype for t in coarse if torch.is_tensor(t))
    if elsewhere:
        try:
            there = each(t.device.type for t in run("float64", "meta"))
        except Exception:
            there = "an error"
        told["devices, where others are than the CPU"] = there
    if dtype != "float64":
        told[f"about the same in {dtype}"] = is_near(coarse, made, dtype)
    return told


@public
def told_of_pass(name, forward, params, dtype, elsewhere):
    """What comes of one pass, and whether gradients find their way back.

    forward(leaves, dtype, device) makes one tensor, which goes by the name.
    """
    leaves = leaves_of(params)
    made = forward(leaves, "float64", "cpu")
    if made is None:
        return None
    told = told_of(
        [made], lambda d, place: [forward(leaves_of(params, d, place), d, place)], dtype, elsewhere
    )
    if told["what comes back"] != "Tensor" or told["dtypes"] != dtype:
        return told
    told |= {"shape": tuple(made.shape), name: numbers(made)}
    told["grad of the parameters after the call"] = each(type(p.grad).__name__ for p in leaves)
    told[f"requires_grad of the {name}"] = made.requires_grad
    if not made.requires_grad:
        return told
    grads = torch.autograd.grad(made.sum(), leaves, allow_unused=True)
    told["the gradients that are None"] = sum(g is None for g in grads)
    if told["the gradients that are None"]:
        return told
    return told | {f"the gradient of {name_of(i)}": numbers(g) for i, g in enumerate(grads)}


def _network(rng: np.random.Generator, sizes: list[int]) -> list[Array]:
    """W, b of each layer in turn; hidden units are now silent, now not."""
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params.append(rng.normal(size=(fan_in, fan_out)) * np.sqrt(2 / fan_in))
        params.append(rng.normal(size=fan_out) * 0.5)
    return params


def _unequal(rng: np.random.Generator, count: int) -> list[int]:
    """Layer sizes of which no two are equal."""
    return [int(n) for n in rng.permutation(np.arange(2, 2 + max(3, count)))[:count]]


def _other_dtypes(part: Exercise, make: Callable[..., dict]) -> None:
    """A kind of case of a part whose cases `make(rng, sizes, **more)` makes."""

    @part.cases
    def in_other_dtypes(rng):
        """Tensors of float32, and of bfloat16."""
        for count, dtype in ((3, "float32"), (2, "bfloat16")):
            yield make(rng, _unequal(rng, count), dtype=dtype)


def _elsewhere(part: Exercise, make: Callable[..., dict]) -> None:
    """The same, for all that must leave tensors where they are."""

    @part.cases
    def elsewhere(rng):
        """Tensors on a device that is not the CPU (one that keeps no numbers: "meta")."""
        for count in (3, 2):
            yield make(rng, _unequal(rng, count), elsewhere=True)


# The same numbers, in tensors


@public
def moved(function, params, device, dtype):
    """What the parameters became, and whether tensors and arrays hold each other's memory."""
    given = [np.array(p) for p in params]
    try:
        leaves = function(list(given), device, getattr(torch, dtype))
    except NotImplementedError as error:
        # torch's own has a message; that of a body which is not written yet has none.
        if device == "meta" and str(error):
            return {"what comes back": "an error: a number was read there"}
        raise
    if leaves is None:
        return None
    if not isinstance(leaves, list | tuple | torch.nn.ParameterList):
        return {"what comes back": "no list"}
    told = {"what comes back": kinds(leaves), "the number of tensors": len(leaves)}
    if told["what comes back"] != "Tensor":
        return told
    told |= {
        "shapes": [tuple(t.shape) for t in leaves],
        "dtypes": each(t.dtype for t in leaves),
        "devices": each(t.device.type for t in leaves),
        "requires_grad": all(t.requires_grad for t in leaves),
        "leaves": all(t.is_leaf for t in leaves),
    }
    if device != "meta" and told["devices"] == "cpu":
        told["numbers"] = [numbers(t) for t in leaves]
        told["the arrays afterwards"] = [a.copy() for a in given]
        for a in given:
            a += 1
        told["numbers, once the arrays have changed"] = [numbers(t) for t in leaves]
    return told


@exercise(
    points=2,
    probe=moved,
    hints=(
        "One tensor for each array, in the same order. Which function makes a tensor of an array, "
        "and which one only looks at the array's memory?",
        "torch.tensor copies; torch.from_numpy and torch.as_tensor do not have to. torch.tensor "
        "takes dtype, device and requires_grad.",
        "Say all of it in one call: torch.tensor(p, dtype=dtype, device=device, "
        "requires_grad=True). What .to() makes afterwards comes out of a computation: no leaf.",
    ),
)
def to_torch(params: list[Array], device: str | torch.device, dtype: torch.dtype) -> list[Tensor]:
    """The parameters of a network as leaves of torch's graph.

    Parameters
    ----------
    params : flat list [W1, b1, ..., WL, bL] of float arrays, W of shape (fan_in, fan_out)
    device : where the tensors are to be: "cpu", "cuda", or a torch.device
    dtype : what they are to be made of: torch.float64, torch.float32, torch.bfloat16, ...

    Returns
    -------
    list of as many tensors, of the same shapes. Each is a leaf and requires a gradient. None
    shares memory with its array: what becomes of one later does not change the other.

    Source: lecture E; the notes on autograd in torch's manual.
    """
    return [torch.tensor(p, dtype=dtype, device=device, requires_grad=True) for p in params]


@to_torch.cases
def of_that_dtype_already(rng):
    """Arrays that have the dtype already."""
    yield dict(params=_network(rng, _unequal(rng, 3)), device="cpu", dtype="float64")
    singles = [p.astype(np.float32) for p in _network(rng, _unequal(rng, 2))]
    yield dict(params=singles, device="cpu", dtype="float32")


@to_torch.cases
def of_another_dtype(rng):
    """Arrays of float64, and another dtype is wanted."""
    for dtype in ("float32", "bfloat16"):
        yield dict(params=_network(rng, _unequal(rng, 3)), device="cpu", dtype=dtype)


@to_torch.cases
def on_another_device(rng):
    """A device that is not the CPU (one that keeps no numbers: "meta")."""
    yield dict(params=_network(rng, _unequal(rng, 3)), device="meta", dtype="float64")
    yield dict(params=_network(rng, _unequal(rng, 4)), device="meta", dtype="float32")


_MAKE = "torch.tensor(p, dtype=dtype, device=device, requires_grad=True)"
_ALL = f"[{_MAKE} for p in params]"

to_torch.slips(
    memory_shared=slip(
        {_MAKE: "torch.from_numpy(p).to(device, dtype).requires_grad_()"},
        "Tensor and array are the same memory: what changes one changes the other.",
        hint="torch.from_numpy and torch.as_tensor copy nothing if they need not, and neither does "
        ".to(). torch.tensor copies; so does .clone().",
    ),
    moved_to_the_device_after=slip(
        {_MAKE: "torch.tensor(p, dtype=dtype, requires_grad=True).to(device)"},
        "On another device these are no leaves: .to() came after requires_grad, and what it made "
        "is the result of a computation. Their grad stays None.",
        hint="First the device, then requires_grad; or all of it in one call of torch.tensor.",
    ),
    moved_after=slip(
        {_MAKE: "torch.tensor(p, requires_grad=True).to(device, dtype)"},
        "These are no leaves: .to() came after requires_grad, and what it made is the result of a "
        "computation. Their grad stays None.",
        hint="First the device and the dtype, then requires_grad; or all of it in one call of "
        "torch.tensor.",
    ),
    copied_after=slip(
        {_MAKE: "torch.tensor(p, dtype=dtype, device=device, requires_grad=True).clone()"},
        "These are no leaves: each is a copy of a tensor that requires a gradient, and autograd "
        "remembers the copying.",
        hint="Copy first, requires_grad_() last.",
    ),
    dtype_ignored=slip(
        {_MAKE: "torch.tensor(p, device=device, requires_grad=True)"},
        "dtype is not used: the tensors have that of the arrays.",
        hint="A GPU may be many times slower with float64. torch.tensor(p, dtype=dtype, ...).",
    ),
    always_float32=slip(
        {_MAKE: "torch.Tensor(p).to(device).requires_grad_()"},
        "The tensors are float32, whatever dtype is asked for.",
        hint="torch.Tensor, with a capital T, always makes float32. torch.tensor has a dtype.",
    ),
    made_float32=slip(
        {_MAKE: "torch.tensor(p, device=device).float().requires_grad_()"},
        "The tensors are float32, whatever dtype is asked for.",
        hint=".float() makes float32 of everything. torch.tensor(p, dtype=dtype, ...).",
    ),
    through_float32=slip(
        {_MAKE: "torch.Tensor(p).to(device, dtype).requires_grad_()"},
        "The numbers were rounded to float32 on the way to float64.",
        hint="torch.Tensor, with a capital T, always makes float32. torch.tensor has a dtype.",
    ),
    device_ignored=slip(
        {_MAKE: "torch.tensor(p, dtype=dtype, requires_grad=True)"},
        "device is not used: the tensors are on the CPU.",
        hint="Nothing complains, and the training is slow: a run on the CPU that nobody noticed. "
        "device=device.",
    ),
    no_gradient_wanted=slip(
        {_MAKE: "torch.tensor(p, dtype=dtype, device=device)"},
        "The tensors do not require a gradient: autograd will not record what is done with them.",
        hint="requires_grad=True.",
    ),
    weights_transposed=slip(
        {_MAKE: "torch.tensor(p.T, dtype=dtype, device=device, requires_grad=True)"},
        "The weights are transposed.",
        hint="torch.nn.Linear keeps W as (fan_out, fan_in). This course does not: X @ W + b.",
    ),
    biases_left_behind=slip(
        {_ALL: f"[{_MAKE} for p in params[::2]]"},
        "Only the weights came along; the biases are missing.",
        hint="One tensor for each array of the list, weights and biases in turn.",
    ),
    first_tensor_alone=slip(
        {_ALL: f"[{_MAKE} for p in params[:1]]"},
        "Only one tensor comes back.",
        hint="The return belongs after the loop, not inside.",
    ),
    no_list=slip(
        {_ALL: f"({_MAKE} for p in params)"},
        "What comes back is no list.",
        hint="Round brackets make a generator, and map makes something like it: "
        "[... for p in params] is a list.",
    ),
    in_pairs=slip(
        {_ALL: f"list(zip(*[iter([{_MAKE} for p in params])] * 2))"},
        "The tensors come in pairs, one for each layer; wanted is a flat list.",
        hint="[W1, b1, W2, b2, ...], as in chapter 6.",
    ),
)


# Forwards


@public
def forward_pass(function, params, X, dtype="float64", elsewhere=False):
    """The logits, and whether gradients find their way back from them."""

    def forward(leaves, d, place):
        return function(leaves, tensor_of(X, d, place))

    return on_one_thread(
        lambda: told_of_pass("logits", forward, params, dtype, elsewhere),
        "NumPy on a recorded tensor",
        "two dtypes in one product",
    )


@exercise(
    points=2,
    draws=1,
    probe=forward_pass,
    hints=(
        "Read your mlp_forward of chapter 6 line by line. Which lines does torch not understand?",
        "Nearly all of it stays: @ and + are the same. np.maximum becomes torch.relu, and the "
        "cache is not needed, because autograd keeps its own.",
        "params[0:-2:2] and params[1:-2:2] are the hidden layers; the last layer, params[-2] and "
        "params[-1], has no ReLU.",
    ),
)
def torch_forward(params: list[Tensor], X: Tensor) -> Tensor:
    """The logits of a fully connected network: mlp_forward of chapter 6, without its cache.

    Hidden layers are relu(a @ W + b); the last layer is a @ W + b, without an activation. A
    network may have one layer alone.

    Parameters
    ----------
    params : flat list [W1, b1, ..., WL, bL], W of shape (fan_in, fan_out), b of shape (fan_out,)
    X : tensor of shape (n, d), an example a row; of the parameters' dtype, on their device

    Returns
    -------
    tensor of shape (n, k): of the same dtype, on the same device, and with its graph, so that
    gradients find their way back to the parameters. No number leaves the device.

    Source: lectures A and B; chapter 6.
    """
    a = X
    for W, b in zip(params[0:-2:2], params[1:-2:2], strict=True):
        a = torch.relu(a @ W + b)
    return a @ params[-2] + params[-1]


def _batch(rng, sizes: list[int], n: int | None = None, **more) -> dict:
    n = int(rng.integers(4, 8)) if n is None else n
    params, X = _network(rng, sizes), rng.normal(size=(n, sizes[0]))
    if len(sizes) > 2:
        # One hidden unit is silent for the first row.
        params[1][0] = -(X @ params[0])[0, 0] - rng.uniform(0.5, 2)
    return dict(params=params, X=X, **more)


@torch_forward.cases
def hidden_layers(rng):
    """One hidden layer, and three."""
    yield _batch(rng, _unequal(rng, 3))
    yield _batch(rng, _unequal(rng, 5))


@torch_forward.cases
def one_layer_alone(rng):
    """No hidden layer; and a batch of one row."""
    yield _batch(rng, _unequal(rng, 2))
    yield _batch(rng, _unequal(rng, 3), 1)


@torch_forward.cases
def square_layers(rng):
    """Layers that are all of one size: nothing fails by its shape."""
    yield _batch(rng, [int(rng.integers(3, 6))] * 4)
    yield _batch(rng, [4, 4, 4], 4)


_other_dtypes(torch_forward, _batch)
_elsewhere(torch_forward, _batch)

_LAST = "a @ params[-2] + params[-1]"
_HIDDEN = "torch.relu(a @ W + b)"
_TWO_LAYERS = "The network is taken to have two layers; it may have one, or any number."
_ANY_LAYERS = "A loop over the layers: params[0:-2:2] and params[1:-2:2] are the hidden ones."

torch_forward.slips(
    relu_on_the_last_layer=slip(
        {f"return {_LAST}": f"return torch.relu({_LAST})"},
        "The last layer has a ReLU too; logits may be negative.",
        hint="The loss takes the logits as they are: the loop ends one layer earlier.",
    ),
    no_relu=slip(
        {_HIDDEN: "a @ W + b"},
        "The ReLU is missing: the whole network is one linear map.",
        hint="torch.relu between two layers.",
    ),
    relu_of_the_input=slip(
        {"a = X": "a = torch.relu(X)"},
        "The input goes through a ReLU before the first layer.",
        hint="The ReLU stands after a layer, where another one follows.",
    ),
    turned_as_in_linear=slip(
        {"a @ W": "a @ W.T", "a @ params[-2]": "a @ params[-2].T"},
        "The weights are transposed before they are used.",
        hint="torch.nn.Linear keeps W as (fan_out, fan_in) and computes X @ W.T. Here W has the "
        "shape (fan_in, fan_out): X @ W.",
    ),
    biases_forgotten=slip(
        {_HIDDEN: "torch.relu(a @ W)", _LAST: "a @ params[-2]"},
        "The biases are not added.",
        hint="a @ W + b: broadcasting adds b to every row.",
    ),
    last_bias_forgotten=slip(
        {_LAST: "a @ params[-2]"},
        "The last layer's bias is not added.",
        hint="+ params[-1].",
    ),
    softmax_at_the_end=slip(
        {f"return {_LAST}": f"return torch.softmax({_LAST}, dim=1)"},
        "Probabilities come back, not logits: a softmax stands at the end.",
        hint="torch's cross entropy has the softmax in it, and wants logits.",
    ),
    log_softmax_at_the_end=slip(
        {f"return {_LAST}": f"return torch.log_softmax({_LAST}, dim=1)"},
        "Logarithms of probabilities come back, not logits: a log_softmax stands at the end.",
        hint="torch's cross entropy has the log_softmax in it, and wants logits.",
    ),
    graph_cut=slip(
        {f"return {_LAST}": f"return ({_LAST}).detach()"},
        "The numbers are right, and no gradient finds its way back: the graph is cut.",
        hint="No .detach(), no .data and no torch.no_grad() on the way to the loss: they are for "
        "the update alone.",
    ),
    hidden_layers_detached=slip(
        {_HIDDEN: f"{_HIDDEN}.detach()"},
        "The graph is cut between two layers: the parameters before it get no gradient.",
        hint="No .detach(), no .data, no NumPy and no new tensor on the way: compute with what "
        "was computed.",
    ),
    parameters_copied=slip(
        {"a = X": "params = [p.detach().clone().requires_grad_() for p in params]\n    a = X"},
        "Some of the parameters get no gradient: the graph begins at copies of them.",
        hint="Compute with the tensors that were given. torch.tensor(p), nn.Parameter(p) and "
        ".detach() make others, which the caller does not know.",
    ),
    numpys_maximum=slip(
        {_HIDDEN: "torch.from_numpy(np.maximum(a @ W + b, 0))"},
        "NumPy is asked to compute with a tensor whose graph is recorded. torch refuses: the graph "
        "would end there.",
        hint="torch.relu, not np.maximum.",
    ),
    X_always_float32=slip(
        {"a = X": "a = X.float()"},
        "Two dtypes meet in a product: X is made float32, whatever the parameters are.",
        hint="X has the dtype of the parameters already: take it as it is.",
    ),
    zeros_of_their_own=slip(
        {_HIDDEN: "torch.maximum(a @ W + b, torch.zeros(len(a), len(b)))"},
        "A new tensor is made without a dtype and a device: it is float32 and on the CPU, whatever "
        "X is.",
        hint="torch.zeros_like(z), or torch.relu, which needs no zeros.",
    ),
    array_returned=slip(
        {f"return {_LAST}": f"return ({_LAST}).detach().numpy()"},
        "An array comes back, not a tensor: the graph is lost, and the numbers have left the "
        "device.",
        hint="Compute with tensors from the first line to the last: torch.relu, not np.maximum.",
    ),
    copied_to_the_cpu=slip(
        {f"return {_LAST}": f"return ({_LAST}).cpu()"},
        "The numbers are copied to the CPU on the way. On a GPU that costs a wait and a transfer "
        "in every step; where the tensors keep no numbers it fails.",
        hint="No .cpu(), .numpy(), .item() or float(...) in here, and no new tensor without a "
        "device: everything stays where X is.",
    ),
    last_layer_left_out=slip(
        {f"return {_LAST}": "return a"},
        "The last layer is missing: what comes back is what goes into it.",
        hint="After the loop over the hidden layers: a @ params[-2] + params[-1].",
    ),
    two_layers_unpacked=slip(
        {
            "a = X": "W1, b1, W2, b2 = params",
            "for W, b in zip(params[0:-2:2], params[1:-2:2], strict=True):": "if True:",
            "a = torch.relu(a @ W + b)": "a = torch.relu(X @ W1 + b1)",
        },
        _TWO_LAYERS,
        hint=_ANY_LAYERS,
    ),
    first_two_layers=slip(
        lambda params, X: torch.relu(X @ params[0] + params[1]) @ params[2] + params[3],
        _TWO_LAYERS,
        hint=_ANY_LAYERS,
    ),
    always_float32_inside=slip(
        {f"return {_LAST}": f"return ({_LAST}).float()"},
        "The logits are float32, whatever the dtype of the parameters is.",
        hint="No .float() and no new tensor without a dtype: what is computed has the dtype of "
        "what it is computed from.",
    ),
    cache_comes_along=slip(
        {f"return {_LAST}": f"return {_LAST}, [X, a]"},
        "Two things come back, as from mlp_forward; wanted are the logits alone.",
        hint="The cache was for mlp_backward. autograd keeps its own: return the logits.",
    ),
    sigmoid_for_relu=slip(
        {_HIDDEN: "torch.sigmoid(a @ W + b)"},
        "The hidden layers have a sigmoid; they should have a ReLU.",
        hint="torch.relu.",
    ),
)


# The loss


@public
def loss_and_slopes(function, params, X, labels, dtype="float64", elsewhere=False):
    """The loss, its gradients, and what the call left on the parameters."""

    def forward(leaves, d, place):
        return function(leaves, tensor_of(X, d, place), tensor_of(labels, "int64", place))

    return on_one_thread(
        lambda: told_of_pass("loss", forward, params, dtype, elsewhere),
        "labels of another dtype",
        "labels with two axes",
        "whole numbers where logits belong",
        "a graph that is used up",
        "two dtypes in one product",
    )


@exercise(
    points=2,
    draws=1,
    probe=loss_and_slopes,
    hints=(
        "torch brings the cross entropy of chapter 7 along, stable for any logits. Does it want "
        "logits, or probabilities? Look it up before you feed it.",
        "functional.cross_entropy(logits, labels) has log-sum-exp in it and takes the mean. The "
        "labels go in as they are.",
        "return functional.cross_entropy(torch_forward(params, X), labels): the tensor itself, "
        "neither a float nor a detached one.",
    ),
)
def torch_loss(params: list[Tensor], X: Tensor, labels: Tensor) -> Tensor:
    """The mean cross entropy of a batch: that of chapter 7, with a graph behind it.

    Parameters
    ----------
    params, X : as in torch_forward
    labels : tensor of shape (n,), int64, whole numbers from 0 to k - 1, on the same device

    Returns
    -------
    tensor without axes, of the parameters' dtype, on their device; finite for any finite logits
    whose differences are. It can be differentiated by every parameter. Nothing is left in
    anybody's grad, and no number leaves the device.

    Source: lectures A and E; chapter 7.
    """
    return functional.cross_entropy(torch_forward(params, X), labels)


def _labelled(rng, sizes: list[int], n: int | None = None, **more) -> dict:
    """A batch and its labels. The network has a class more than these, three at least."""
    if sizes[-1] == 2:
        sizes = [sizes[-1], *sizes[1:-1], sizes[0]]
    case, classes = _batch(rng, sizes, n), sizes[-1] - 1
    labels = rng.integers(0, classes, len(case["X"]))
    # Two at least, where there is room: one label for all hides rows that get another row's.
    labels[:2] = rng.permutation(classes)[: len(labels)][:2]
    return case | dict(labels=labels) | more


def _one_unlikely(case: dict) -> dict:
    """The first row's label is made so unlikely that a small number beside its share of the
    probability shows. No other row has that label, to which it might be far more unlikely."""
    *hidden, W, b = case["params"]
    a, label = case["X"][:1], case["labels"][0]
    others = case["labels"][1:]
    others[others == label] = others[:1]
    for V, c in zip(hidden[::2], hidden[1::2], strict=True):
        a = np.maximum(a @ V + c, 0)
    scores = (a @ W + b)[0]
    b[label] += np.delete(scores, label).max() - 12 - scores[label]
    return case


@torch_loss.cases
def some_rows(rng):
    """A batch of several rows; one hidden layer, and none."""
    yield _one_unlikely(_labelled(rng, _unequal(rng, 3)))
    yield _one_unlikely(_labelled(rng, _unequal(rng, 2)))


@torch_loss.cases
def a_row_alone(rng):
    """A batch of one row."""
    yield _one_unlikely(_labelled(rng, _unequal(rng, 3), 1))
    yield _one_unlikely(_labelled(rng, _unequal(rng, 4), 1))


@torch_loss.cases
def large_logits(rng):
    """Logits of a thousand and more: some on the wrong side, and some all of one size."""
    for _ in range(2):
        case = _labelled(rng, _unequal(rng, 2))
        scores = case["X"] @ case["params"][0] + case["params"][1]
        # The worst answer is the label of the first row, the best one that of the second.
        case["labels"][:2] = scores[0].argmin(), scores[1].argmax()
        size = 2000 / np.ptp(scores[:2], axis=1).min()
        yield case | dict(params=[p * size for p in case["params"]])
    case = _labelled(rng, _unequal(rng, 2))
    W, b = case["params"]
    yield case | dict(params=[W, b + 1000])


@torch_loss.cases
def as_many_rows_as_classes(rng):
    """As many rows as features and classes, a row of each: nothing fails by its shape."""
    for sizes in ([4, 4, 4], [5, 5]):
        labels = rng.permutation(sizes[-1])
        yield _one_unlikely(_labelled(rng, sizes, sizes[-1], labels=labels))


_other_dtypes(torch_loss, lambda *args, **more: _one_unlikely(_labelled(*args, **more)))
_elsewhere(torch_loss, lambda *args, **more: _one_unlikely(_labelled(*args, **more)))

_LOGITS = "torch_forward(params, X)"
_LOSS = "functional.cross_entropy(torch_forward(params, X), labels)"
_OF_LABEL = "[torch.arange(len(labels), device=labels.device), labels]"

torch_loss.slips(
    losses_summed=slip(
        {"labels)": 'labels, reduction="sum")'},
        "The losses are summed; the loss of a batch is their mean.",
        hint="A batch of twice the size must not take steps of twice the size. Leave reduction at "
        'its default, "mean".',
    ),
    a_loss_for_each_row=slip(
        {"labels)": 'labels, reduction="none")'},
        "Every row has a loss of its own; wanted is their mean.",
        hint="One number can be differentiated, a list of them cannot. .mean() at the end.",
    ),
    softmax_before=slip(
        {_LOGITS: f"torch.softmax({_LOGITS}, dim=1)"},
        "A softmax stands before the cross entropy, which has one in it: it is taken twice.",
        hint="functional.cross_entropy wants logits. Nothing raises an error; the loss hardly "
        "falls.",
    ),
    nll_of_logits=slip(
        {_LOSS: f"functional.nll_loss({_LOGITS}, labels)"},
        "nll_loss was given logits; it wants logarithms of probabilities. The loss is minus a "
        "logit, and has no lower end.",
        hint="functional.cross_entropy is log_softmax and nll_loss in one.",
    ),
    nll_of_probabilities=slip(
        {_LOSS: f"functional.nll_loss(torch.softmax({_LOGITS}, dim=1), labels)"},
        "nll_loss was given probabilities; it wants their logarithms.",
        hint="functional.cross_entropy is log_softmax and nll_loss in one.",
    ),
    log_of_a_rounded_zero=slip(
        {_LOSS: f"-torch.log(torch.softmax({_LOGITS}, dim=1){_OF_LABEL}).mean()"},
        "The logarithm of a probability that was rounded to 0: the loss is infinite where the "
        "network is very sure and wrong.",
        hint="Do not take log after softmax. log_softmax and cross_entropy never round to 0.",
    ),
    exp_overflows=slip(
        {
            f"return {_LOSS}": (
                f"powers = {_LOGITS}.exp()\n    return -torch.log((powers / powers.sum(1, keepdim="
                f"True)){_OF_LABEL}).mean()"
            )
        },
        "exp of a logit overflows: the loss is nan.",
        hint="log-sum-exp, as in chapter 7; or cross_entropy, which has it inside.",
    ),
    exchanged=slip(
        {_LOSS: f"functional.cross_entropy(labels, {_LOGITS})"},
        "Logits and labels are exchanged: the logits come first.",
        hint="functional.cross_entropy(logits, labels).",
    ),
    capped=slip(
        {_LOSS: f"-torch.log(torch.softmax({_LOGITS}, dim=1){_OF_LABEL}.clamp_min(1e-9)).mean()"},
        "However wrong an answer, its loss is never above some number: that is what a clip does, "
        "or a small number inside the logarithm.",
        hint="A patch against log(0) hides the error that the loss is there to measure. "
        "log_softmax and cross_entropy need none.",
    ),
    small_number_in_the_log=slip(
        {_LOSS: f"-torch.log(torch.softmax({_LOGITS}, dim=1){_OF_LABEL} + 1e-8).mean()"},
        "A small number inside the logarithm: no loss can then be larger than 18 or so, and every "
        "loss is a little off.",
        hint="A patch against log(0) caps the loss. log_softmax and cross_entropy need none.",
    ),
    mean_over_classes_too=slip(
        {
            _LOSS: f"-(torch.log_softmax({_LOGITS}, 1) * functional.one_hot(labels, "
            "params[-1].shape[0])).mean()"
        },
        "The mean is taken over rows and classes: the loss is k times too small.",
        hint="Of each row one entry counts, that of its label: divide by n alone.",
    ),
    every_row_with_every_label=slip(
        {_LOSS: f"-torch.log_softmax({_LOGITS}, dim=1)[:, labels].mean()"},
        "Every row meets every label: [:, labels] picks n columns out of each of n rows.",
        hint="Each row has one label: [torch.arange(n), labels], or cross_entropy.",
    ),
    minus_forgotten=slip(
        {_LOSS: f"torch.log_softmax({_LOGITS}, dim=1){_OF_LABEL}.mean()"},
        "The sign is missing: a loss is minus the logarithm of a probability.",
        hint="With this sign training makes the network worse and worse.",
    ),
    squares_of_probabilities=slip(
        {
            _LOSS: f"((torch.softmax({_LOGITS}, 1) - functional.one_hot(labels, "
            "params[-1].shape[0])) ** 2).mean()"
        },
        "This is the squared error of the probabilities, not their cross entropy.",
        hint="functional.cross_entropy.",
    ),
    relu_before=slip(
        {_LOGITS: f"torch.relu({_LOGITS})"},
        "The logits go through a ReLU before the loss; they may be negative.",
        hint="Give the loss what torch_forward returns.",
    ),
    labels_of_another_dtype=slip(
        {"labels)": "labels.float())"},
        "The labels are no longer int64; cross_entropy takes whole numbers of that dtype.",
        hint="They are given as they should be: no .float() and no .int().",
    ),
    classes_of_the_batch=slip(
        {"labels)": "functional.one_hot(labels).float())"},
        "one_hot counts the classes by the largest label of the batch; the network may have more.",
        hint="The labels as they are need no one_hot.",
    ),
    labels_with_two_axes=slip(
        {"labels)": "labels[:, None])"},
        "The labels have a second axis, as a column or a one-hot matrix has; wanted is the shape "
        "(n,), a whole number a row.",
        hint="The labels go in as they are given.",
    ),
    softmax_over_rows=slip(
        {_LOSS: f"functional.nll_loss(torch.log_softmax({_LOGITS}, dim=0), labels)"},
        "The log_softmax is taken over the rows of the batch, not over the classes of a row.",
        hint="dim=1. Or cross_entropy, which needs no dim.",
    ),
    a_yes_or_no_for_each_class=slip(
        {
            _LOSS: f"functional.binary_cross_entropy_with_logits({_LOGITS}, functional.one_hot("
            "labels, params[-1].shape[0]).to(X.dtype))"
        },
        "This is the binary cross entropy, a yes or no for each class; a row has one class out of "
        "k.",
        hint="functional.cross_entropy.",
    ),
    logsumexp_overflows=slip(
        {
            f"return {_LOSS}": f"scores = {_LOGITS}\n    return (scores.exp().sum(1).log() - scores"
            f"{_OF_LABEL}).mean()"
        },
        "exp of a logit overflows: the loss is infinite.",
        hint="Take the largest logit out first, as in chapter 7; torch.logsumexp and cross_entropy "
        "do.",
    ),
    X_in_float32=slip(
        {_LOGITS: "torch_forward(params, X.float())"},
        "Two dtypes meet in a product: X is made float32, whatever the parameters are.",
        hint="X has the dtype of the parameters already: take it as it is.",
    ),
    X_in_float64=slip(
        {_LOGITS: "torch_forward(params, X.double())"},
        "Two dtypes meet in a product: X is made float64, and the parameters need not be.",
        hint="X has the dtype of the parameters already: take it as it is.",
    ),
    graph_used_up=slip(
        {f"return {_LOSS}": f"loss = {_LOSS}\n    loss.backward()\n    return loss"},
        "backward is called in here, and uses up the graph: nobody can differentiate the loss any "
        "more.",
        hint="The loss is one thing, its gradients another: return the loss, and no more. "
        "retain_graph=True would only hide it.",
    ),
    a_float=slip(
        {_LOSS: f"{_LOSS}.item()"},
        "A float comes back: a number that cannot be differentiated.",
        hint="Return the tensor itself. .item() and float(...) are for a print, and on a GPU they "
        "wait until all work is done.",
    ),
    graph_cut_off=slip(
        {_LOSS: f"{_LOSS}.detach()"},
        "The number is right, and it cannot be differentiated: the graph is cut.",
        hint="No .detach(), no .data and no torch.no_grad() on the way to the loss.",
    ),
    made_anew=slip(
        {_LOSS: f"torch.tensor({_LOSS}.item(), dtype=X.dtype, requires_grad=True)"},
        "The loss is a new tensor, which does not know where its number came from: no parameter "
        "gets a gradient.",
        hint="requires_grad=True mends no graph. Return what cross_entropy returned.",
    ),
    with_an_axis=slip(
        {_LOSS: f"{_LOSS}.reshape(1)"},
        "The loss has an axis, of length 1; it should have none.",
        hint="A mean over everything has the shape (): no reshape, no keepdim, no list around it.",
    ),
    loss_copied_to_the_cpu=slip(
        {_LOSS: f"functional.cross_entropy({_LOGITS}.cpu(), labels.cpu())"},
        "The numbers are copied to the CPU on the way. On a GPU that costs a wait and a transfer "
        "in every step; where the tensors keep no numbers it fails.",
        hint="No .cpu(), .numpy(), .item() or float(...) in here, and no new tensor without a "
        "device: everything stays where X is.",
    ),
    loss_in_float64=slip(
        {_LOGITS: f"{_LOGITS}.double()"},
        "The loss is float64, whatever the dtype of the parameters is.",
        hint="No .double() and no new tensor without a dtype: what is computed has the dtype of "
        "what it is computed from.",
    ),
    differentiated_already=slip(
        {
            f"return {_LOSS}": (
                f"loss = {_LOSS}\n    loss.backward(retain_graph=True)\n    return loss"
            )
        },
        "backward is called in here: the gradients are left in the grad of the caller's "
        "parameters.",
        hint="The loss is one thing, its gradients another: return the loss, and no more. Who "
        "needs retain_graph=True has usually called backward once too often.",
    ),
)


@torch_loss.property(mistake="capped")
def costs_what_it_costs(answer, case):
    told, wanted = answer.get("loss", 0), case.expected["loss"]
    return not (wanted > 30 and 0 < told < 0.9 * wanted)


# A step of gradient descent with momentum


@public
def parts_of(answer, names, count):
    """The lists that a step gives back, of as many things as there are parameters."""
    wanted = ", ".join(names)
    if not isinstance(answer, list | tuple) or len(answer) != len(names):
        raise ValueError(f"{len(names)} lists should come back: return {wanted}")
    for name, part in zip(names, answer, strict=True):
        if not isinstance(part, list | tuple) or len(part) != count:
            raise ValueError(f"{name} should come back as a list of {count} tensors")
    return [list(part) for part in answer]


@public
def walk(step, lists, names, data, dtype, device, steps=1, left_over=False, watch=None):
    """What comes back after some steps: a list for each name, the parameters first.

    step(lists, X, labels, number) takes one. It is taken as long as parameters come back that
    another step could start from. watch is told what went into each step, before and after it.
    """
    lists = [
        leaves_of(lists[0], dtype, device),
        *([tensor_of(a, dtype, device) for a in part] for part in lists[1:]),
    ]
    if left_over:
        for leaf in lists[0]:
            leaf.grad = torch.ones_like(leaf)
    X, labels = tensor_of(data[0], dtype, device), tensor_of(data[1], "int64", device)
    for number in range(steps):
        given = [list(part) for part in lists]
        before = watch and watch(given, X)
        answer = step(given, X, labels, number)
        made = parts_of(answer, names, len(lists[0]))
        if watch:
            watch(given, X, before, lists, made)
        lists = made
        if not all(torch.is_tensor(p) and p.is_leaf and p.requires_grad for p in lists[0]):
            break
    return lists


@public
def watcher(names, told):
    """Notes what became of the arguments of a step: the first thing that is not as it was."""

    def grads(part):
        return [None if p.grad is None else numbers(p.grad) for p in part]

    def unchanged(part, was):
        return all(np.array_equal(numbers(t), w) for t, w in zip(part, was, strict=True))

    def fate(was, grad):
        empty = grad is None or not np.any(grad)
        if (was is None and empty) or (was is not None and np.array_equal(was, grad)):
            return "left as it was"
        return "cleared" if empty else "changed"

    def look(given, X, before=None, held=None, made=None):
        if before is None:
            return [[numbers(t) for t in part] for part in [*given, [X]]], grads(given[0])
        numbers_before, grads_before = before
        params_before, *states_before, (X_before,) = numbers_before
        places = {t.data_ptr() for part in held for t in part}
        found = {
            "the params that were given": unchanged(held[0], params_before),
            f"the {' and '.join(names[1:])} that were given": all(
                unchanged(part, was) for part, was in zip(held[1:], states_before, strict=True)
            ),
            "the X that was given": unchanged([X], [X_before]),
            "the lists that were given": all(
                len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
                for one, other in zip(given, held, strict=True)
            ),
            "the grad of what was given": each(map(fate, grads_before, grads(held[0]))),
            "the memory of the new tensors": not any(
                t.data_ptr() in places for part in made for t in part if torch.is_tensor(t)
            ),
        }
        for what, holds in found.items():
            told[what] = holds
            if holds is False:
                break
        return None

    return look


@public
def told_of_steps(
    step, lists, names, data, dtype="float64", steps=1, elsewhere=False, look=False, left_over=False
):
    """What came back after some steps, whether another step can start from there, and, where asked
    for, what became of the arguments."""
    of_arguments = {}
    watch = watcher(names, of_arguments) if look else None
    made = walk(step, lists, names, data, "float64", "cpu", steps, left_over, watch)

    def run(dtype, device):
        return [t for part in walk(step, lists, names, data, dtype, device) for t in part]

    told = told_of([t for part in made for t in part], run, dtype, elsewhere)
    if told["what comes back"] != "Tensor":
        return told
    # One thing at a time, so that who has made several mistakes is told the first by its name.
    first, others = made[0], made[1:]
    for what, holds in (
        (
            "the place of the new params",
            any(p.requires_grad for p in first)
            or not any(all(t.requires_grad and t.is_leaf for t in part) for part in others),
        ),
        ("requires_grad of the new params", all(p.requires_grad for p in first)),
        ("is_leaf of the new params", all(p.is_leaf for p in first)),
    ):
        told[what] = holds
        if not holds:
            return told
    for name, part in zip(names[1:], others, strict=True):
        told[f"requires_grad of {name}"] = any(t.requires_grad for t in part)
    told |= of_arguments
    if False in of_arguments.values():
        return told
    for name, part in zip(names, made, strict=True):
        for i, t in enumerate(part):
            which = "the new " if name == "params" else f"{name} of "
            told[which + name_of(i)] = numbers(t)
    return told


@public
def momentum_steps(
    function,
    params,
    velocity,
    X,
    labels,
    lr,
    beta,
    dtype="float64",
    steps=1,
    elsewhere=False,
    look=False,
    left_over=False,
):
    """What comes back after steps of momentum."""

    def step(lists, X, labels, number):
        return function(*lists, X, labels, lr, beta)

    return on_one_thread(
        lambda: told_of_steps(
            step,
            [params, velocity],
            ["params", "velocity"],
            (X, labels),
            dtype,
            steps,
            elsewhere,
            look,
            left_over,
        ),
        "a loss without a graph",
        "a leaf changed in place",
        "not those lists",
    )


@exercise(
    points=4,
    draws=1,
    probe=momentum_steps,
    hints=(
        "Three things in turn: the loss, its gradients, the step of chapter 8. Which of them "
        "should autograd record, and which not?",
        "torch.autograd.grad(loss, params) gives the gradients as a tuple, and leaves every grad "
        "as it was. The step itself goes under `with torch.no_grad():`.",
        "Under no_grad: velocity = [beta * v + (1 - beta) * g ...], then [p - lr * v ...]. These "
        "are new tensors that no graph knows; p.requires_grad_() makes leaves of them.",
    ),
)
def torch_sgd_momentum_step(
    params: list[Tensor],
    velocity: list[Tensor],
    X: Tensor,
    labels: Tensor,
    lr: float,
    beta: float,
) -> tuple[list[Tensor], list[Tensor]]:
    """One step of gradient descent with momentum on torch_loss, in the averaged form.

    For each: v <- beta * v + (1 - beta) * g, then p <- p - lr * v, with the v just computed. g is
    the gradient of torch_loss at the params that were given.

    Parameters
    ----------
    params, X, labels : as in torch_loss. What lies in the grad of a parameter does not count
    velocity : list of as many tensors, of the same shapes; zeros at the start
    lr : step size
    beta : averaging factor, 0 <= beta < 1

    Returns
    -------
    params, velocity : two new lists of new tensors, of the same dtype and on the same device. The
    new params are leaves that require a gradient, so that the next step can start from them. The
    new velocity hangs on no graph. The arguments are left as they were: the lists, the numbers,
    and each grad, too.

    Source: lectures B and E; chapters 4 and 8.
    """
    loss = torch_loss(params, X, labels)
    grads = torch.autograd.grad(loss, params)
    with torch.no_grad():
        velocity = [beta * v + (1 - beta) * g for v, g in zip(velocity, grads, strict=True)]
        params = [p - lr * v for p, v in zip(params, velocity, strict=True)]
    return [p.requires_grad_() for p in params], velocity


def _like(rng, params: list[Array]) -> list[Array]:
    return [rng.normal(size=p.shape) for p in params]


def _momentum(rng, sizes: list[int], n: int | None = None, **more) -> dict:
    case = _labelled(rng, sizes, n)
    lr, beta = float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.6, 0.95))
    return case | dict(velocity=_like(rng, case["params"]), lr=lr, beta=beta) | more


@torch_sgd_momentum_step.cases
def in_mid_run(rng):
    """A step in mid run; one hidden layer, and none. Something lies in grad already."""
    yield _momentum(rng, _unequal(rng, 3), left_over=True)
    yield _momentum(rng, _unequal(rng, 2))


@torch_sgd_momentum_step.cases
def three_steps_from_rest(rng):
    """Three steps, each from what the one before returned; the first from a velocity of zeros."""
    for count in (3, 4):
        case = _momentum(rng, _unequal(rng, count), steps=3, left_over=True)
        yield case | dict(velocity=[np.zeros(p.shape) for p in case["params"]])


@torch_sgd_momentum_step.cases
def without_memory(rng):
    """beta is 0; and a batch of one row."""
    yield _momentum(rng, _unequal(rng, 3), beta=0.0)
    case = _momentum(rng, _unequal(rng, 3), 1, beta=0.9)
    yield case | dict(params=[p / 2 for p in case["params"]])


@torch_sgd_momentum_step.cases
def arguments_afterwards(rng):
    """What was given must be as it was afterwards."""
    for left_over in (False, True):
        yield _momentum(rng, _unequal(rng, 3), look=True, left_over=left_over)


@torch_sgd_momentum_step.cases
def momentum_in_float32(rng):
    """Tensors of float32."""
    for _ in range(2):
        yield _momentum(rng, _unequal(rng, 3), dtype="float32")


_elsewhere(torch_sgd_momentum_step, _momentum)


_GRADS = "grads = torch.autograd.grad(loss, params)"
_BACKWARD = "loss.backward()\n    grads = [p.grad for p in params]"
_CLEARED = f"for p in params:\n        p.grad = None\n    {_BACKWARD}"
_NO_GRAD = "with torch.no_grad():"
_SPEED = "velocity = [beta * v + (1 - beta) * g"
_MOVE = "params = [p - lr * v for p, v in zip(params, velocity, strict=True)]"
_RETURN = "return [p.requires_grad_() for p in params]"

_TOLD_OUTSIDE = (
    "The update is recorded: the new parameters are no leaves, and the graph grows with every step."
)
_TOLD_NO_LEAVES = (
    "The new parameters do not require a gradient: no graph knows them, and the next step has "
    "nothing to differentiate."
)
_TOLD_ADDED = "The gradients are added to what lay in grad before: backward never clears, it adds."
_HINT_ADDED = (
    "torch.autograd.grad(loss, params) returns the gradients and touches no grad. With backward "
    "every grad has to be cleared first, and is the caller's."
)
_TOLD_LEFT = "The gradients are left in the grad of the parameters that were given."
_HINT_LEFT = (
    "loss.backward() writes into the caller's tensors. torch.autograd.grad(loss, params) returns "
    "the gradients instead."
)
_TOLD_LOOP = (
    "This is the loop of most tutorials: it adds to what lay in grad, and changes the parameters "
    "that were given in place."
)
_HINT_LOOP = (
    "torch.autograd.grad(loss, params) returns the gradients and touches no grad; p - lr * v is a "
    "new tensor."
)
_HINT_ADAMS_LOOP = (
    "torch.autograd.grad(loss, params) returns the gradients and touches no grad; p - lr * ... is "
    "a new tensor."
)
_TOLD_RECORDED_IN_PLACE = (
    "A parameter is changed in place where autograd records: torch refuses to change a leaf."
)
_LOSS_UNRECORDED = "with torch.no_grad():\n        loss = torch_loss(params, X, labels)"
_TOLD_UNRECORDED = "The loss is computed under no_grad: there is no graph to differentiate."
_HINT_UNRECORDED = (
    "The loss and its gradients first; `with torch.no_grad():` is for the update alone."
)
_TOLD_CLEARED = "What lay in the grad of the parameters that were given is gone: it was cleared."
_TOLD_COPIED = (
    "The numbers are copied to the CPU on the way. On a GPU that costs a wait and a transfer in "
    "every step; where the tensors keep no numbers it fails."
)
_HINT_COPIED = (
    "No .cpu(), .numpy(), .item() or float(...) in a step, also not to look at the loss: each "
    "waits until all work is done. And no new tensor without a device."
)


def _steps_for_velocity(step: str):
    return slip(
        {_SPEED: f"velocity = [beta * v - {step} * g", "[p - lr * v": "[p + v"},
        "The velocity holds the steps themselves, with lr and the minus in it.",
        hint="The velocity averages gradients: beta * v + (1 - beta) * g. Only the step has -lr.",
    )


torch_sgd_momentum_step.slips(
    update_recorded=slip(
        {_NO_GRAD: "if True:", _RETURN: "return params"},
        _TOLD_OUTSIDE,
        hint="Compute the update under `with torch.no_grad():`. retain_graph=True would hide the "
        "error that comes of it, and make every step slower than the last.",
    ),
    unknown_to_the_graph=slip(
        {_RETURN: "return params"},
        _TOLD_NO_LEAVES,
        hint="What is made under no_grad requires no gradient. p.requires_grad_() for each.",
    ),
    params_moved_in_place=slip(
        {_MOVE: "for p, v in zip(params, velocity, strict=True):\n            p -= lr * v"},
        "The parameters that were given are changed: p -= ... writes into the caller's tensors.",
        hint="p - lr * v is a new tensor. So is p.detach().clone(), which may be changed.",
    ),
    tutorials_loop=slip(
        {
            _GRADS: _BACKWARD,
            _MOVE: "for p, v in zip(params, velocity, strict=True):\n            p -= lr * v",
        },
        _TOLD_LOOP,
        hint=_HINT_LOOP,
    ),
    tutorials_loop_with_clearing=slip(
        {
            _GRADS: _BACKWARD,
            _MOVE: "for p, v in zip(params, velocity, strict=True):\n            p -= lr * v\n"
            "            p.grad = None",
        },
        _TOLD_LOOP,
        hint=_HINT_LOOP,
    ),
    in_place_and_recorded=slip(
        {
            _NO_GRAD: "if True:",
            _MOVE: "for p, v in zip(params, velocity, strict=True):\n            p -= lr * v",
        },
        _TOLD_RECORDED_IN_PLACE,
        hint="The update goes under `with torch.no_grad():`, and makes new tensors: p - lr * v.",
    ),
    everything_under_no_grad=slip(
        {"loss = torch_loss(params, X, labels)": _LOSS_UNRECORDED},
        _TOLD_UNRECORDED,
        hint=_HINT_UNRECORDED,
    ),
    params_alone=slip(
        {_RETURN + ", velocity": _RETURN},
        "Two lists should come back, params and velocity, each of as many tensors as params has.",
        hint="return params, velocity",
    ),
    grads_cleared=slip(
        {_GRADS: f"{_CLEARED}\n    for p in params:\n        p.grad = None"},
        _TOLD_CLEARED,
        hint=_HINT_LEFT,
    ),
    added_up_and_cleared=slip(
        {_GRADS: f"{_BACKWARD}\n    for p in params:\n        p.grad = None"},
        _TOLD_ADDED,
        hint=_HINT_ADDED,
    ),
    list_filled_anew=slip(
        {_MOVE: "for i, v in enumerate(velocity):\n            params[i] = params[i] - lr * v"},
        "A list that was given is changed: params[i] = ... writes into the caller's list.",
        hint="Make a new list, with a comprehension or with append.",
    ),
    velocity_moved_in_place=slip(
        {
            _SPEED + " for v, g in zip(velocity, grads, strict=True)]": (
                "for v, g in zip(velocity, grads, strict=True):\n"
                "            v.mul_(beta).add_((1 - beta) * g)"
            )
        },
        "The velocity that was given is changed in place.",
        hint="v *= ... and v.mul_(...) write into the caller's tensor; beta * v is a new one.",
    ),
    velocity_on_a_graph=slip(
        {
            _GRADS: "grads = torch.autograd.grad(loss, params, create_graph=True)",
            f"{_NO_GRAD}\n        velocity": "velocity",
            f"        {_MOVE}": f"    {_NO_GRAD}\n        {_MOVE}",
        },
        "The velocity hangs on a graph: it keeps every step before it in memory, and what it "
        "returns is slower each time.",
        hint="No create_graph, no requires_grad on the velocity, and both lines under no_grad.",
    ),
    gradients_added_up=slip({_GRADS: _BACKWARD}, _TOLD_ADDED, hint=_HINT_ADDED),
    gradients_left_behind=slip({_GRADS: _CLEARED}, _TOLD_LEFT, hint=_HINT_LEFT),
    unscaled=slip(
        {_SPEED: "velocity = [beta * v + g"},
        "The new gradient is not scaled by (1 - beta): that is the form of torch.optim.SGD.",
        hint="The averaged form has weights that add up to 1: beta and 1 - beta.",
    ),
    weights_swapped=slip(
        {_SPEED: "velocity = [(1 - beta) * v + beta * g"},
        "The two weights are swapped: beta belongs to the old velocity.",
        hint="A beta near 1 remembers much.",
    ),
    lr_in_the_velocity=slip(
        {_SPEED: "velocity = [beta * v + lr * (1 - beta) * g", "[p - lr * v": "[p - v"},
        "lr is inside of the velocity.",
        hint="The velocity averages gradients; lr comes in when the parameters move.",
    ),
    uphill=slip(
        {"[p - lr * v": "[p + lr * v"},
        "The step goes uphill.",
        hint="Against the velocity: p - lr * v.",
    ),
    moved_by_the_old=slip(
        {
            "velocity = [beta": "speed = [beta",
            "for p in params], velocity": "for p in params], speed",
        },
        "The parameters are moved by the old velocity.",
        hint="First the new velocity, then the step, with the new one.",
    ),
    old_velocity_returned=slip(
        {
            "velocity = [beta": "speed = [beta",
            "zip(params, velocity, strict=True)": "zip(params, speed, strict=True)",
        },
        "The step is right, but the velocity that comes back is the old one.",
        hint="The next step needs the average with this gradient in it.",
    ),
    moved_by_the_gradient=slip(
        {_MOVE: "params = [p - lr * g for p, g in zip(params, grads, strict=True)]"},
        "The parameters are moved by the gradient: the velocity has no effect.",
        hint="p - lr * v, with the new v.",
    ),
    steps_for_velocity=_steps_for_velocity("lr"),
    averaged_steps_for_velocity=_steps_for_velocity("lr * (1 - beta)"),
    nothing_moved=slip(
        lambda params, velocity, X, labels, lr, beta: (list(params), list(velocity)),
        "Both lists come back as they were.",
        hint="p = ... in a loop binds a name, and leaves the list alone. Collect what is new in "
        "new lists.",
    ),
    looked_ahead=slip(
        {
            "loss = torch_loss(params, X, labels)": (
                "ahead = [(p - lr * beta * v).detach().requires_grad_() for p, v in "
                "zip(params, velocity, strict=True)]\n    loss = torch_loss(ahead, X, labels)"
            ),
            "grad(loss, params)": "grad(loss, ahead)",
        },
        "The gradient is taken where the velocity would lead: that is Nesterov's momentum.",
        hint="The gradient at the params that were given.",
    ),
    exchanged=slip(
        {_RETURN + ", velocity": "return velocity, [p.requires_grad_() for p in params]"},
        "The two lists come back in the other order: first params, then velocity.",
        hint="return params, velocity",
    ),
    first_alone=slip(
        {_MOVE: "params = [params[0] - lr * velocity[0], *(p.clone() for p in params[1:])]"},
        "Only the first tensor of the list is moved.",
        hint="The loop must reach its end: is there a return inside?",
    ),
    step_copied_to_the_cpu=slip(
        {_GRADS: "grads = [g.cpu() for g in torch.autograd.grad(loss, params)]"},
        _TOLD_COPIED,
        hint=_HINT_COPIED,
    ),
    step_in_float32=slip(
        {_RETURN: "return [p.float().requires_grad_() for p in params]"},
        "The new parameters are float32, whatever they were before.",
        hint="No .float() and no new tensor without a dtype: p - lr * v has the dtype of p.",
    ),
)


# A step of Adam


@public
def adam_steps(
    function,
    params,
    m,
    v,
    t,
    X,
    labels,
    settings,
    dtype="float64",
    steps=1,
    elsewhere=False,
    look=False,
    left_over=False,
):
    """What comes back after steps of Adam. settings: lr, beta1, beta2 and eps, or none of them."""

    def step(lists, X, labels, number):
        return function(*lists, t + number, X, labels, *settings)

    return on_one_thread(
        lambda: told_of_steps(
            step,
            [params, m, v],
            ["params", "m", "v"],
            (X, labels),
            dtype,
            steps,
            elsewhere,
            look,
            left_over,
        ),
        "a loss without a graph",
        "a leaf changed in place",
        "not those lists",
    )


@exercise(
    points=4,
    draws=1,
    probe=adam_steps,
    hints=(
        "Two things meet: the frame of your momentum step, and adam_step of chapter 5 in its "
        "middle, once for every parameter.",
        "torch.sqrt in place of np.sqrt; or v_hat.sqrt(). t is a Python number, and so is "
        "1 - beta1**t.",
        "m_hat = m / (1 - beta1**t), v_hat = v / (1 - beta2**t), then p - lr * m_hat / "
        "(v_hat.sqrt() + eps), all under no_grad. What comes back is m and v, without hats.",
    ),
)
def torch_adam_step(
    params: list[Tensor],
    m: list[Tensor],
    v: list[Tensor],
    t: int,
    X: Tensor,
    labels: Tensor,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """One step of Adam on torch_loss: adam_step of chapter 5 for every parameter.

    m <- beta1 * m + (1 - beta1) * g and v <- beta2 * v + (1 - beta2) * g ** 2 are averages that
    start at zero; m_hat = m / (1 - beta1 ** t) and v_hat = v / (1 - beta2 ** t) put that right.
    Then p <- p - lr * m_hat / (sqrt(v_hat) + eps).

    Parameters
    ----------
    params, X, labels : as in torch_loss. What lies in the grad of a parameter does not count
    m, v : lists of as many tensors, of the same shapes: the averages before this step
    t : number of the step being taken, a whole number; the first is 1
    lr : step size
    beta1, beta2 : averaging factors of m and v, 0 <= beta < 1
    eps : added to the root

    Returns
    -------
    params, m, v : three new lists of new tensors, of the same dtype and on the same device. The
    new params are leaves that require a gradient; m and v are not bias-corrected and hang on no
    graph. The arguments are left as they were: the lists, the numbers, and each grad, too.

    Source: Kingma and Ba (2015), algorithm 1; lectures B and D; chapter 5.
    """
    loss = torch_loss(params, X, labels)
    grads = torch.autograd.grad(loss, params)
    with torch.no_grad():
        m = [beta1 * a + (1 - beta1) * g for a, g in zip(m, grads, strict=True)]
        v = [beta2 * a + (1 - beta2) * g**2 for a, g in zip(v, grads, strict=True)]
        moved = []
        for p, a, b in zip(params, m, v, strict=True):
            m_hat = a / (1 - beta1**t)
            v_hat = b / (1 - beta2**t)
            moved.append(p - lr * m_hat / (v_hat.sqrt() + eps))
    return [p.requires_grad_() for p in moved], m, v


def _adam(rng, sizes: list[int], t: int, n: int | None = None, **more) -> dict:
    case = _labelled(rng, sizes, n)
    lr, beta1 = rng.uniform(0.01, 0.1), rng.uniform(0.6, 0.85)
    beta2 = rng.uniform(0.9, 0.97)
    case["m"] = [0.3 * a for a in _like(rng, case["params"])]
    case["v"] = [rng.uniform(0.05, 0.3, p.shape) for p in case["params"]]
    settings = [float(lr), float(beta1), float(beta2), 1e-8]
    return case | dict(t=t, settings=settings) | more


def _at_rest(case: dict) -> dict:
    zeros = [np.zeros(p.shape) for p in case["params"]]
    return case | dict(t=1, m=zeros, v=zeros)


@torch_adam_step.cases
def adam_in_mid_run(rng):
    """A step in mid run; one hidden layer, and none. Something lies in grad already."""
    yield _adam(rng, _unequal(rng, 3), int(rng.integers(3, 9)), left_over=True)
    yield _adam(rng, _unequal(rng, 2), int(rng.integers(3, 9)))


@torch_adam_step.cases
def first_steps(rng):
    """The first three steps, each from what the one before returned; t counts from 1."""
    for count in (2, 3):
        case = _at_rest(_adam(rng, _unequal(rng, count), 1, steps=3, left_over=True))
        # So large that its place shows on every draw, and not only beside a tiny gradient.
        case["settings"][3] = 1e-4
        yield case


@torch_adam_step.cases
def late_step(rng):
    """A step after a thousand others; and a batch of one row."""
    yield _adam(rng, _unequal(rng, 3), int(rng.integers(1000, 2000)))
    yield _adam(rng, _unequal(rng, 3), 2, 1)


@torch_adam_step.cases
def large_eps(rng):
    """An eps that is no longer tiny beside the root."""
    for _ in range(2):
        case = _adam(rng, _unequal(rng, 3), int(rng.integers(2, 8)))
        case["settings"][3] = float(rng.uniform(0.1, 0.5))
        yield case


@torch_adam_step.cases
def default_settings(rng):
    """The default settings, some dozens of steps into a run."""
    for _ in range(2):
        yield _adam(rng, _unequal(rng, 3), int(rng.integers(20, 50)), settings=[])


@torch_adam_step.cases
def adam_arguments_afterwards(rng):
    """What was given must be as it was afterwards."""
    for left_over in (False, True):
        yield _adam(rng, _unequal(rng, 3), int(rng.integers(2, 8)), look=True, left_over=left_over)


@torch_adam_step.cases
def adam_in_float32(rng):
    """Tensors of float32."""
    for _ in range(2):
        yield _adam(rng, _unequal(rng, 3), int(rng.integers(2, 8)), dtype="float32")


def _adam_early(rng, sizes: list[int], **more) -> dict:
    return _adam(rng, sizes, int(rng.integers(2, 8)), **more)


_elsewhere(torch_adam_step, _adam_early)


_M_HAT, _V_HAT = " / (1 - beta1**t)", " / (1 - beta2**t)"
_ROOT = "(v_hat.sqrt() + eps)"
_M_LINE = "m = [beta1 * a + (1 - beta1) * g for a, g in zip(m, grads, strict=True)]"
_V_LINE = "v = [beta2 * a + (1 - beta2) * g**2 for a, g in zip(v, grads, strict=True)]"
_MOVED = "moved.append(p - lr * m_hat / (v_hat.sqrt() + eps))"
_ADAM_RETURN = "return [p.requires_grad_() for p in moved], m, v"

torch_adam_step.slips(
    no_correction=slip(
        {_M_HAT: "", _V_HAT: ""},
        "The averages are not bias-corrected.",
        hint="m and v start at zero, so that young averages are too small. By how much after t "
        "steps?",
    ),
    t_from_0=slip(
        {"beta1**t": "beta1 ** (t - 1)", "beta2**t": "beta2 ** (t - 1)"},
        "The correction counts steps from 0; here the first step is t = 1.",
        hint="At the first step the correction must undo a factor 1 - beta. What is 1 - beta ** 0?",
    ),
    t_not_used=slip(
        {"beta1**t": "beta1", "beta2**t": "beta2"},
        "The correction is that of the first step for ever: t is not used.",
        hint="1 - beta ** t grows from 1 - beta to 1 as steps go by.",
    ),
    betas_exchanged=slip(
        {
            _M_LINE: _M_LINE.replace("beta1", "beta2"),
            _V_LINE: _V_LINE.replace("beta2", "beta1"),
        },
        "beta1 and beta2 are exchanged in the averages.",
        hint="beta1 belongs to m, beta2 to v.",
    ),
    moved_by_the_bare_gradient=slip(
        {
            "for p, a, b in zip(params, m, v, strict=True):": (
                "for p, a, b in zip(params, grads, v, strict=True):"
            ),
            _M_HAT: "",
        },
        "The step is taken along the gradient, not along its average m.",
        hint="m_hat stands above the line: p - lr * m_hat / (sqrt(v_hat) + eps).",
    ),
    squares_added_up=slip(
        {_V_LINE: "v = [a + g**2 for a, g in zip(v, grads, strict=True)]"},
        "The squares are added up, as in AdaGrad; Adam averages them.",
        hint="v <- beta2 * v + (1 - beta2) * g ** 2.",
    ),
    t_one_too_far=slip(
        {"beta1**t": "beta1 ** (t + 1)", "beta2**t": "beta2 ** (t + 1)"},
        "The correction uses t + 1; t is already the number of this step.",
        hint="At the first step 1 - beta ** t must be the weight 1 - beta of the one gradient so "
        "far.",
    ),
    m_uncorrected=slip(
        {_M_HAT: ""},
        "m is not corrected, v is.",
        hint="Both averages start at zero, so both need their correction.",
    ),
    v_uncorrected=slip(
        {_V_HAT: ""},
        "v is not corrected, m is.",
        hint="Both averages start at zero, so both need their correction.",
    ),
    eps_inside_root=slip(
        {_ROOT: "(v_hat + eps).sqrt()"},
        "eps is inside the root; it belongs beside it: sqrt(v_hat) + eps.",
        hint="Inside, an eps of 1e-8 counts as 1e-4 where v is tiny.",
    ),
    eps_before_correction=slip(
        {_V_HAT: "", "lr * m_hat": "lr * m_hat * (1 - beta2**t) ** 0.5"},
        "eps is added to the root of the raw v, and the correction scales eps too.",
        hint="First make v_hat, then take its root, then add eps.",
    ),
    eps_left_out=slip(
        {_ROOT: "v_hat.sqrt()"},
        "eps is left out.",
        hint="sqrt(v_hat) + eps: a weight of a silent unit has seen no slope, and 0 / 0 is nan.",
    ),
    root_left_out=slip(
        {_ROOT: "(v_hat + eps)"},
        "The root is missing: v averages squares, and the step divides by their root.",
        hint="v_hat.sqrt().",
    ),
    betas_swapped=slip(
        {"loss = torch_loss": "beta1, beta2 = beta2, beta1\n    loss = torch_loss"},
        "beta1 and beta2 are swapped: beta1 belongs to m, beta2 to v.",
        hint="m remembers about 10 steps by default, v about 1000.",
    ),
    v_not_squared=slip(
        {"* g**2": "* g"},
        "v averages the gradients; it should average their squares.",
        hint="g**2.",
    ),
    m_squared=slip(
        {"* g**2 for a, g in zip(v, grads": "* a2**2 for a, a2 in zip(v, m"},
        "v averages the squares of m; it should average those of the gradients.",
        hint="g**2, with the gradient of this step.",
    ),
    moved_by_old_averages=slip(
        {
            _M_LINE: _M_LINE.replace("m = [", "new_m = [", 1),
            _V_LINE: _V_LINE.replace("v = [", "new_v = [", 1),
            _ADAM_RETURN: "return [p.requires_grad_() for p in moved], new_m, new_v",
        },
        "The parameters are moved by the old averages.",
        hint="First the new averages, then the step, with the new ones.",
    ),
    hats_returned=slip(
        {
            _ADAM_RETURN: (
                "return [p.requires_grad_() for p in moved], [a / (1 - beta1**t) for a in m], "
                "[b / (1 - beta2**t) for b in v]"
            )
        },
        "The corrected averages come back: the next step would correct them again.",
        hint="m_hat and v_hat are for this step alone. Return m and v.",
    ),
    old_averages_returned=slip(
        {
            _M_LINE: "old = m, v\n        " + _M_LINE,
            _ADAM_RETURN: "return [p.requires_grad_() for p in moved], *old",
        },
        "The step is right, but the averages that come back are the old ones.",
        hint="The next step needs the averages with this gradient in them.",
    ),
    adam_uphill=slip(
        {"p - lr": "p + lr"},
        "The step goes uphill.",
        hint="p - lr * m_hat / (sqrt(v_hat) + eps).",
    ),
    adam_exchanged=slip(
        {_ADAM_RETURN: "return [p.requires_grad_() for p in moved], v, m"},
        "m and v come back in the other order.",
        hint="return params, m, v",
    ),
    adam_first_alone=slip(
        {_MOVED: f"{_MOVED}\n        moved = [moved[0], *(p.clone() for p in params[1:])]"},
        "Only the first tensor of the list is moved.",
        hint="The loop must reach its end: is there a return inside?",
    ),
    adam_update_recorded=slip(
        {_NO_GRAD: "if True:", "[p.requires_grad_() for p in moved]": "moved"},
        _TOLD_OUTSIDE,
        hint="Compute the update under `with torch.no_grad():`. retain_graph=True would hide the "
        "error that comes of it, and make every step slower than the last.",
    ),
    adam_unknown_to_the_graph=slip(
        {"[p.requires_grad_() for p in moved]": "moved"},
        _TOLD_NO_LEAVES,
        hint="What is made under no_grad requires no gradient. p.requires_grad_() for each.",
    ),
    adam_params_in_place=slip(
        {_MOVED: ("p -= lr * m_hat / (v_hat.sqrt() + eps)\n            moved.append(p)")},
        "The parameters that were given are changed: p -= ... writes into the caller's tensors.",
        hint="p - lr * ... is a new tensor. So is p.detach().clone(), which may be changed.",
    ),
    adam_tutorials_loop=slip(
        {
            _GRADS: _BACKWARD,
            _MOVED: "p -= lr * m_hat / (v_hat.sqrt() + eps)\n            moved.append(p)",
        },
        _TOLD_LOOP,
        hint=_HINT_ADAMS_LOOP,
    ),
    adam_tutorials_loop_with_clearing=slip(
        {
            _GRADS: _BACKWARD,
            _MOVED: "p -= lr * m_hat / (v_hat.sqrt() + eps)\n            p.grad = None\n"
            "            moved.append(p)",
        },
        _TOLD_LOOP,
        hint=_HINT_ADAMS_LOOP,
    ),
    adam_everything_under_no_grad=slip(
        {"loss = torch_loss(params, X, labels)": _LOSS_UNRECORDED},
        _TOLD_UNRECORDED,
        hint=_HINT_UNRECORDED,
    ),
    adam_params_alone=slip(
        {_ADAM_RETURN: "return [p.requires_grad_() for p in moved]"},
        "Three lists should come back, params, m and v, each of as many tensors as params has.",
        hint="return params, m, v",
    ),
    adam_grads_cleared=slip(
        {_GRADS: f"{_CLEARED}\n    for p in params:\n        p.grad = None"},
        _TOLD_CLEARED,
        hint=_HINT_LEFT,
    ),
    adam_added_up_and_cleared=slip(
        {_GRADS: f"{_BACKWARD}\n    for p in params:\n        p.grad = None"},
        _TOLD_ADDED,
        hint=_HINT_ADDED,
    ),
    adam_list_filled_anew=slip(
        {
            _M_LINE: "for i, g in enumerate(grads):\n"
            "            m[i] = beta1 * m[i] + (1 - beta1) * g"
        },
        "A list that was given is changed: m[i] = ... writes into the caller's list.",
        hint="Make a new list, with a comprehension or with append.",
    ),
    averages_in_place=slip(
        {
            _M_LINE: "for a, g in zip(m, grads, strict=True):\n"
            "            a.mul_(beta1).add_((1 - beta1) * g)",
            _V_LINE: "for a, g in zip(v, grads, strict=True):\n"
            "            a.mul_(beta2).add_((1 - beta2) * g**2)",
        },
        "The averages that were given are changed in place.",
        hint="a *= ... and a.mul_(...) write into the caller's tensor; beta1 * a is a new one.",
    ),
    adam_gradients_added_up=slip({_GRADS: _BACKWARD}, _TOLD_ADDED, hint=_HINT_ADDED),
    adam_gradients_left_behind=slip({_GRADS: _CLEARED}, _TOLD_LEFT, hint=_HINT_LEFT),
    adam_copied_to_the_cpu=slip(
        {_GRADS: "grads = [g.cpu() for g in torch.autograd.grad(loss, params)]"},
        _TOLD_COPIED,
        hint=_HINT_COPIED,
    ),
    adam_in_float32_always=slip(
        {"[p.requires_grad_() for p in moved]": "[p.float().requires_grad_() for p in moved]"},
        "The new parameters are float32, whatever they were before.",
        hint="No .float() and no new tensor without a dtype: p - lr * ... has the dtype of p.",
    ),
)


# An honest clock


@public
def stand_in(seconds, launch, busy=0.0):
    """A device that works on its own, as a GPU does, and a clock beside it. It is told what to do.

    "step" takes the host `launch` seconds, and puts work of the next of `seconds` behind what the
    device is at; at the start that is work of `busy` seconds. "synchronize" waits for all of it.
    "clock" is the host's time. "report" says how many steps there were, how many readings of the
    clock, and how many of these while it was at work. "begin" puts it back to the start.
    """
    host = free = 0.0
    steps = readings = early = 0

    def device(what):
        nonlocal host, free, steps, readings, early
        if what == "begin":
            host, free, steps, readings, early = 0.0, busy, 0, 0, 0
        elif what == "step":
            host += launch
            free = max(host, free) + seconds[min(steps, len(seconds) - 1)]
            steps += 1
        elif what == "synchronize":
            host = max(host, free)
        elif what == "clock":
            readings += 1
            early += free > host
            return host
        return [steps, readings, early] if what == "report" else None

    return device


@public
def timed_on_a_stand_in(function, repeats, device, own_clock=True):
    """What a timer says of a stand-in device, and how it went about it."""

    def step():
        device("step")

    def synchronize():
        device("synchronize")

    def clock():
        return device("clock")

    device("begin")
    answer = function(step, synchronize, repeats, *([clock] if own_clock else []))
    steps, readings, early = device("report")
    told = {"the number of calls of step": steps}
    if steps == repeats:
        return told
    if not own_clock:
        # What it says of real time grades nothing.
        return told | {"a number of seconds": isinstance(answer, float) and answer >= 0}
    told["readings while the device was at work"] = early
    return told | {"seconds": answer if readings else "no reading of this clock"}


@exercise(
    points=3,
    probe=timed_on_a_stand_in,
    hints=(
        "Calls to a GPU return at once, and the work goes on without you. When is it done? What "
        "must have happened before a clock may be read?",
        "One call for nothing; it loads, allocates and compiles. Then, `repeats` times: wait, read "
        "the clock, call, wait, read it again.",
        "Keep the differences in a list. A few of them will be ten times too long, because the "
        "machine had something else to do: np.median does not care, np.mean does.",
    ),
)
def time_step(
    step: Callable[[], object],
    synchronize: Callable[[], object],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """How long a call of step() takes, in seconds, on a device that works on its own.

    Parameters
    ----------
    step : function without arguments; it may return before the device has done its work
    synchronize : function without arguments; it returns when the device has done all its work,
        whoever asked for it: torch.cuda.synchronize, or a function that does nothing
    repeats : how many calls are timed, 1 or more
    clock : function without arguments, returns seconds

    Returns
    -------
    float: the median over `repeats` calls. One call before them is not counted, so that step() is
    called repeats + 1 times. Whenever the clock is read, synchronize() has been called since the
    last step(), and before the first reading, too: the device has nothing left to do, not even
    what it was at when time_step was called.

    Source: lecture A; the notes on CUDA in torch's manual.
    """
    step()
    seconds = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        step()
        synchronize()
        seconds.append(clock() - start)
    return float(np.median(seconds))


def _calls(rng, repeats: int, busy: float = 0.0, **more) -> dict:
    """A first call that takes long, then some of about one length, of which some take long, too.

    No two of their median, their mean, and so on are equal.
    """
    seconds = 1e-3 * rng.uniform(2, 4, repeats)
    late = rng.permutation(repeats)[: (repeats - 1) // 3]
    seconds[late] *= rng.uniform(10, 30, len(late))
    first = rng.uniform(0.5, 1.5)
    # The last is not in the middle, and where there are more than three not at an end.
    other = np.argsort(seconds)[-2 if repeats > 3 else -1]
    seconds[[other, -1]] = seconds[[-1, other]]
    # What is called once more than it should be takes another time again.
    more_calls = 1e-3 * rng.uniform(5, 9, repeats + 2)
    taken = np.concatenate([[first], seconds, more_calls])
    device = stand_in(taken, float(1e-5 * rng.uniform(1, 4)), busy)
    return dict(repeats=repeats, device=device) | more


@time_step.cases
def odd_repeats(rng):
    """An odd number of repeats; some calls take long."""
    yield _calls(rng, int(2 * rng.integers(3, 6) + 1))
    yield _calls(rng, 5)


@time_step.cases
def even_repeats(rng):
    """An even number of repeats: the median lies between two of the times."""
    yield _calls(rng, int(2 * rng.integers(4, 6)))
    yield _calls(rng, 6)


@time_step.cases
def one_repeat(rng):
    """A single repeat, and three."""
    yield _calls(rng, 1)
    yield _calls(rng, 3)


@time_step.cases
def busy_device(rng):
    """The device is still at work for somebody else when the timer starts."""
    yield _calls(rng, 1, busy=float(rng.uniform(1, 3)))
    yield _calls(rng, 5, busy=float(rng.uniform(1, 3)))


@time_step.cases
def no_clock_given(rng):
    """No clock is given: the default one will do."""
    for repeats in rng.permutation(np.arange(2, 9))[:2]:
        yield _calls(rng, int(repeats), own_clock=False)


@time_step.property("What comes back is not what the device was asked for.")
def as_the_device_was_asked(answer, case):
    """Who takes the stand-in apart and makes its report up has another log than the judge."""
    log = case.calls["device"]
    asked = [args[0] for args, _told in log]
    steps, _readings, early = log[-1][1]
    return (
        [i for i, what in enumerate(asked) if what == "begin"] == [0]
        and asked.index("report") == len(asked) - 1
        and answer["the number of calls of step"] == steps
        and answer.get("readings while the device was at work", early) == early
    )


_FIRST = "    step()\n    seconds = []"
_START = "        synchronize()\n        start = clock()"
_END = "        step()\n        synchronize()\n        seconds.append(clock() - start)"
_LOOP = "for _ in range(repeats):"
_MEDIAN = "float(np.median(seconds))"

time_step.slips(
    no_warm_up=slip(
        {_FIRST: "    seconds = []"},
        "step() is called `repeats` times in all. The first call loads, allocates and compiles; it "
        "comes besides the `repeats` that count.",
        hint="step() once, before the loop.",
    ),
    first_counted=slip(
        {
            _FIRST: (
                "    synchronize()\n    start = clock()\n    step()\n    synchronize()\n"
                "    seconds = [clock() - start]"
            )
        },
        "The first call is timed and counted with the others.",
        hint="step() once, before the loop, and no clock around it.",
    ),
    warm_up_every_time=slip(
        {_FIRST: "    seconds = []", _START: "        step()\n" + _START},
        "There are as many calls that do not count as calls that do; one at the start is enough.",
        hint="step() once, before the loop.",
    ),
    one_too_many=slip(
        {_LOOP: "for _ in range(repeats + 1):"},
        "One call too many is timed.",
        hint="range(repeats) for the calls that count; the one that does not stands before them.",
    ),
    never_synchronised=slip(
        {_START: "        start = clock()", _END: _END.replace("        synchronize()\n", "")},
        "It never synchronises: it times how long it takes to ask for the work, not the work.",
        hint="synchronize() before the first reading, and again before the second.",
    ),
    synchronised_too_late=slip(
        {
            _START: "        start = clock()",
            _END: "        step()\n        stop = clock()\n        synchronize()\n"
            "        seconds.append(stop - start)",
        },
        "It synchronises after the clock was read: the work is done by then, and not in the time.",
        hint="Wait first, then read the clock.",
    ),
    synchronised_before_alone=slip(
        {_END: _END.replace("        synchronize()\n", "")},
        "It does not synchronise between the call and the second reading: the clock is read while "
        "the device is at work.",
        hint="synchronize() between step() and the second reading.",
    ),
    synchronised_after_alone=slip(
        {_START: "        start = clock()"},
        "It does not synchronise before the first reading: what the device was still at is timed, "
        "too.",
        hint="The call that does not count returns before its work is done. synchronize() before "
        "the clock is read for the first time.",
    ),
    clock_read_before_waiting=slip(
        {_START: "        start = clock()\n        synchronize()"},
        "The clock is read, and then it synchronises: what the device was still at is timed, too.",
        hint="Wait first, then read the clock.",
    ),
    all_calls_unsynchronised=slip(
        {
            f"    {_LOOP}\n{_START}\n{_END}\n    return {_MEDIAN}": (
                "    start = clock()\n    for _ in range(repeats):\n        step()\n"
                "    synchronize()\n    return (clock() - start) / repeats"
            )
        },
        "All calls are timed together, from a first reading while the device was still at work.",
        hint="synchronize() before every reading; two readings for each call, a list of "
        "differences, and its median.",
    ),
    warm_up_synchronised_once=slip(
        {
            _FIRST: "    step()\n    synchronize()\n    seconds = []",
            _START: "        start = clock()",
            _END: "        step()\n        seconds.append(clock() - start)",
        },
        "It synchronises once, before the loop, and never again.",
        hint="Each call leaves work behind. synchronize() before every reading of the clock.",
    ),
    one_timing_alone=slip(
        {_LOOP: "for _ in range(1):"},
        "A single call is timed, whatever repeats says.",
        hint="One timing says little: keep `repeats` differences in a list, and take the median.",
    ),
    one_reading_for_all=slip(
        {
            f"    {_LOOP}\n{_START}\n{_END}\n    return {_MEDIAN}": (
                "    synchronize()\n    start = clock()\n    for _ in range(repeats):\n"
                "        step()\n    synchronize()\n    return (clock() - start) / repeats"
            )
        },
        "All calls are timed together and divided by their number. That is a mean: a few calls "
        "that take long make it longer.",
        hint="Two readings for each call, a list of differences, and its median.",
    ),
    mean_for_median=slip(
        {"np.median": "np.mean"},
        "This is the mean: a few calls that take long make it longer.",
        hint="np.median.",
    ),
    minimum_for_median=slip(
        {_MEDIAN: "float(min(seconds))"},
        "This is the shortest time, not the median.",
        hint="np.median: half of the calls take longer, half take less.",
    ),
    maximum_for_median=slip(
        {_MEDIAN: "float(max(seconds))"},
        "This is the longest time, not the median.",
        hint="np.median.",
    ),
    sum_for_median=slip(
        {_MEDIAN: "float(sum(seconds))"},
        "This is the time of all calls together.",
        hint="np.median: the time of one call.",
    ),
    last_alone=slip(
        {_MEDIAN: "seconds[-1]"},
        "Only the last call is told.",
        hint="Keep all differences in a list; np.median of it.",
    ),
    upper_middle=slip(
        {_MEDIAN: "sorted(seconds)[len(seconds) // 2]"},
        "With an even number of times the median is the mean of the two in the middle; this is the "
        "upper one.",
        hint="np.median, or statistics.median, knows both cases.",
    ),
    lower_middle=slip(
        {_MEDIAN: "torch.tensor(seconds, dtype=torch.float64).median().item()"},
        "With an even number of times the median is the mean of the two in the middle; this is the "
        "lower one, which torch.median gives.",
        hint="np.median, or statistics.median.",
    ),
    in_milliseconds=slip(
        {_MEDIAN: "float(1000 * np.median(seconds))"},
        "These are milliseconds; seconds are wanted.",
        hint="The clock counts seconds.",
    ),
    backwards=slip(
        {"clock() - start": "start - clock()"},
        "The time is negative: the later reading is taken from the earlier one.",
        hint="clock() - start.",
    ),
    clock_ignored=slip(
        {
            "start = clock()": "start = time.perf_counter()",
            "clock() - start": "time.perf_counter() - start",
        },
        "The clock that was given is not used.",
        hint="clock(), the argument. time.perf_counter is only what it is if nobody gives another.",
    ),
)
