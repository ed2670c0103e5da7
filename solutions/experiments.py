"""Chapter 8, experiments on a network: references, cases and known mistakes."""

import copy
import inspect
import itertools
import sys
import time
from collections.abc import Iterator

import numpy as np

from autograder.exercise import FRESH_RNG, Case, class_exercise, exercise, hand_out, public
from autograder.slips import method_slip, slip

from .backprop import Tensor

Array = np.ndarray


def cross_entropy(logits: Tensor, labels: Array) -> Tensor:
    """The mean cross entropy of a batch, made of a Tensor's own operations.

    Parameters
    ----------
    logits : Tensor of shape (n, k); softmax is in here, so they go in as they are
    labels : array of shape (n,), whole numbers from 0 to k - 1

    Returns
    -------
    Tensor without axes: backward() on it fills the grad of all that the logits were made from.

    Source: chapter 7; lecture E.
    """
    rows = np.arange(len(labels))
    one_hot = np.zeros(logits.shape)
    one_hot[rows, labels] = 1
    # A constant of each row changes nothing but what may overflow.
    shifted = logits - logits.data.max(axis=1, keepdims=True)
    return (shifted.exp().sum(axis=1).log() - (shifted * one_hot).sum(axis=1)).mean()


TENSOR = hand_out(
    "tensor.py",
    Tensor,
    cross_entropy,
    about="""\
The Tensor of chapter 6, finished, and the loss that networks are trained on.

It was made from the course's own solution. Change nothing in here: when your notebook is graded,
the file as it was handed out lies beside it.
""",
)


@public
def is_tensor(thing):
    """Whether something holds numbers as a Tensor does. (An array's data is no array.)"""
    return isinstance(getattr(thing, "data", None), np.ndarray)


@public
def data_of(thing):
    """The numbers of a Tensor, or of an array that stands in its place."""
    if is_tensor(thing):
        return np.array(thing.data)
    return np.array(thing) if isinstance(thing, np.ndarray) else "no Tensor"


@public
def both_of(answer, names):
    """What a function gives back where two things should come back."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise ValueError(f"two things should come back: return {names}")
    return answer


# A layer


@class_exercise
class Linear:
    """A layer of weights and biases: x @ W + b.

    Attributes
    ----------
    W : Tensor of shape (fan_in, fan_out)
    b : Tensor of shape (fan_out,)

    Source: lecture E; "he" is He, Zhang, Ren and Sun (2015).
    """

    def __init__(self, fan_in, fan_out, rng, init="he"):
        """Draw the weights from rng, in a single call; the biases start as zeros.

        init is one of
        "zeros", "ones" : that number everywhere, and rng is left alone
        "uniform" : evenly between -1 / sqrt(fan_in) and 1 / sqrt(fan_in)
        "he" : normal, with mean 0 and variance 2 / fan_in

        Raises ValueError for any other init.
        """
        shape = (fan_in, fan_out)
        bound = 1 / np.sqrt(fan_in)
        weights = {
            "zeros": lambda: np.zeros(shape),
            "ones": lambda: np.ones(shape),
            "uniform": lambda: rng.uniform(-bound, bound, shape),
            "he": lambda: rng.normal(0, np.sqrt(2 / fan_in), shape),
        }
        if init not in weights:
            raise ValueError(f"init is {init!r}; it must be one of {', '.join(weights)}")
        self.W = Tensor(weights[init]())
        self.b = Tensor(np.zeros(fan_out))

    def __call__(self, x):
        """The layer's output, a Tensor of shape (n, fan_out).

        x is a Tensor or an array of shape (n, fan_in), one example a row.
        """
        return x @ self.W + self.b

    def parameters(self):
        """The list [W, b]: the Tensors themselves, no copies."""
        return [self.W, self.b]


_DRAW = "rng.normal(0, np.sqrt(2 / fan_in), shape)"
_EVENLY = "rng.uniform(-bound, bound, shape)"
_BIASES = "Tensor(np.zeros(fan_out))"
_UNKNOWN = "if init not in weights:"


@Linear.step(
    points=1,
    hints=(
        "W has a row for each number that comes in, and a column for each that goes out.",
        "np.zeros and np.ones take the shape as a tuple; Tensor(...) goes around the array.",
        "Any other word than the four is an error: raise ValueError(...). An `else` that takes "
        "what is left would let a typing error pass.",
    ),
)
def zeros_and_ones(cls, fan_in, fan_out, init, rng):
    """W and b of a new layer."""
    layer = cls(fan_in, fan_out, rng, init)
    return {
        "the type of W": "Tensor" if is_tensor(layer.W) else type(layer.W).__name__,
        "the type of b": "Tensor" if is_tensor(layer.b) else type(layer.b).__name__,
        "W": data_of(layer.W),
        "b": data_of(layer.b),
    }


def _layers(rng, init: str) -> Iterator[dict]:
    """A layer that widens, and one that narrows."""
    for way in (1, -1):
        fan_in = int(rng.integers(2, 5))
        fan_out = max(1, fan_in + way * int(rng.integers(1, 4)))
        yield dict(fan_in=fan_in, fan_out=fan_out, init=init, rng=FRESH_RNG)


@zeros_and_ones.cases
def all_zeros(rng):
    """init is "zeros"."""
    yield from _layers(rng, "zeros")


@zeros_and_ones.cases
def all_ones(rng):
    """init is "ones"."""
    yield from _layers(rng, "ones")


@zeros_and_ones.cases
def unknown_init(rng):
    """init is a word that is none of the four; and a shape of a single number."""
    yield next(_layers(rng, str(rng.choice(["xavier", "random", "Zeros", "normal"]))))
    yield dict(fan_in=1, fan_out=int(rng.integers(2, 5)), init="ones", rng=FRESH_RNG)


zeros_and_ones.slips(
    shape_transposed=slip(
        {"shape = (fan_in, fan_out)": "shape = (fan_out, fan_in)"},
        "The shape of W is (fan_out, fan_in); it is the other way round here.",
        hint="x @ W wants a row of W for each of the fan_in inputs. (torch keeps it transposed.)",
    ),
    biases_like_the_weights=slip(
        {_BIASES: "Tensor(weights[init]()[0])"},
        "The biases start like the weights; they start as zeros whatever init is.",
        hint="A bias has no symmetry to break: the weights do that. np.zeros(fan_out).",
    ),
    biases_of_ones=slip(
        {_BIASES: "Tensor(np.ones(fan_out))"},
        "The biases start as ones; they start as zeros.",
        hint="np.zeros(fan_out), whatever init says: init is for the weights alone.",
    ),
    biases_in_a_row=slip(
        {_BIASES: "Tensor(np.zeros((1, fan_out)))"},
        "The biases have two axes, (1, fan_out); they have one, (fan_out,).",
        hint="Broadcasting adds a row to every row of x @ W: no second axis is needed.",
    ),
    biases_of_the_inputs=slip(
        {_BIASES: "Tensor(np.zeros(fan_in))"},
        "There is a bias for each input; there should be one for each output.",
        hint="b is added to x @ W, whose rows have fan_out numbers.",
    ),
    one_bias=slip(
        {_BIASES: "Tensor(np.zeros(1))"},
        "There is one bias for the whole layer; each output has its own.",
        hint="np.zeros(fan_out): a bias that all outputs share could only shift them together.",
    ),
    no_tensors=slip(
        {
            "self.W = Tensor(weights[init]())": "self.W = weights[init]()",
            _BIASES: "np.zeros(fan_out)",
        },
        "W and b are arrays: what is no Tensor gets no gradient.",
        hint="self.W = Tensor(...), and the same for b.",
    ),
    weights_no_tensor=slip(
        {"self.W = Tensor(weights[init]())": "self.W = weights[init]()"},
        "W is an array: what is no Tensor gets no gradient, and is never trained.",
        hint="self.W = Tensor(...).",
    ),
    unknown_passes=slip(
        {
            _UNKNOWN: "if False:",
            "weights[init]()": 'weights.get(init, weights["zeros"])()',
        },
        "An init that it does not know passes as one of the four: no ValueError.",
        hint='Who writes init="xaiver" wants to be told. Check it, and raise ValueError.',
    ),
    another_error=slip(
        {_UNKNOWN: "if False:"},
        "An init that it does not know ends in another error than ValueError.",
        hint="Check init before it is looked up: raise ValueError(...).",
    ),
)


@public
def corner(numbers):
    """A few of the weights, for the judge to compare."""
    return np.array(numbers[:6, :6])


@public
def other_shape(fan_in, fan_out):
    """Another layer's shape, so far from this one that no two formulas agree in both."""
    return 4 * fan_in, 9200 // (4 * fan_in) + 1


@public
def spreads_over(answer, case, variance):
    """For both layers, their root mean square in parts of what a formula (fan_in, fan_out) says."""
    first = (case.args["fan_in"], case.args["fan_out"])
    wanted = np.array([variance(*shape) for shape in (first, other_shape(*first))])
    return np.array(answer["root mean squares"]) / np.sqrt(wanted)


@public
def is_right_size(answer, case):
    """Whether both layers have the variance wanted.

    Five percent of the root mean square either way: with 8,400 weights or more a right answer is
    further off with a probability below 1e-9.
    """
    factor = {"he": 2, "uniform": 1 / 3}[case.args["init"]]
    return np.all(np.abs(spreads_over(answer, case, lambda i, o: factor / i) - 1) <= 0.05)


@public
def spread_is(answer, case, init, variance):
    """Whether an init has another variance in both layers, and not the one wanted."""
    if case.args["init"] != init or is_right_size(answer, case):
        return False
    return bool(np.all(np.abs(spreads_over(answer, case, variance) - 1) <= 0.05))


@public
def is_even(answer):
    """Whether the weights end where even ones of their size do; normal ones go on."""
    return answer["largest"] < 2.2 * answer["root mean squares"][0]


@Linear.step(
    points=2,
    draws=1,
    by_value=False,
    after=("zeros_and_ones",),
    hints=(
        "rng.uniform takes two ends and a size, rng.normal a mean, a deviation and a size.",
        "A variance of 2 / fan_in is a standard deviation of sqrt(2 / fan_in).",
        'For "he": rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out)).',
    ),
)
def random_weights(cls, fan_in, fan_out, init, rng):
    """What there is to say of the weights of some layers: two of one rng and one of its twin, alike
    in shape, of which a few weights are shown, and one of another shape."""
    twin = copy.deepcopy(rng)
    first, second, again = (cls(fan_in, fan_out, r, init) for r in (rng, rng, twin))
    W, b = data_of(first.W), data_of(first.b)
    sizes = np.abs(W)
    scale = np.sqrt(np.mean(W**2))
    larger = data_of(cls(*other_shape(fan_in, fan_out), rng, init).W)
    return {
        "shape": W.shape,
        "float64": W.dtype == np.float64,
        "rows or columns alike": any(
            len(np.unique(numbers[:, :8], axis=0)) < len(numbers) for numbers in (W, W.T)
        ),
        "share of different weights": len(np.unique(W)) / W.size,
        "mean": float(np.mean(W)),
        "root mean squares": [float(scale), float(np.sqrt(np.mean(larger**2)))],
        "largest": float(np.max(sizes)),
        "share beyond 2.5": float(np.mean(sizes > 2.5 * scale)),
        "share within 0.5": float(np.mean(sizes < 0.5 * scale)),
        "largest bias": float(np.max(np.abs(b))),
        "a layer, the next, one of a twin of rng": [
            corner(data_of(layer.W)) for layer in (first, second, again)
        ],
    }


def _wide_layer(rng, init: str, narrowing: bool) -> dict:
    many, few = int(rng.integers(140, 161)), int(rng.integers(60, 71))
    fan_in, fan_out = (many, few) if narrowing else (few, many)
    return dict(fan_in=fan_in, fan_out=fan_out, init=init, rng=FRESH_RNG)


@random_weights.cases
def he_narrowing(rng):
    """init is "he", with more inputs than outputs."""
    return _wide_layer(rng, "he", True)


@random_weights.cases
def he_widening(rng):
    """init is "he", with fewer inputs than outputs."""
    return _wide_layer(rng, "he", False)


@random_weights.cases
def evenly_narrowing(rng):
    """init is "uniform", with more inputs than outputs."""
    return _wide_layer(rng, "uniform", True)


@random_weights.cases
def evenly_widening(rng):
    """init is "uniform", with fewer inputs than outputs."""
    return _wide_layer(rng, "uniform", False)


@random_weights.property(
    "The shape of W is not (fan_in, fan_out), or its numbers are not float64.",
    hint="Give rng the size: both numbers, in a tuple.",
)
def shape_of_the_layer(answer, case):
    wanted = (case.args["fan_in"], case.args["fan_out"])
    return tuple(answer["shape"]) == wanted and answer["float64"]


@random_weights.property("The biases are not zeros.", mistake="biases_drawn")
def biases_start_as_zeros(answer, case):
    return answer["largest bias"] == 0


@random_weights.property(
    "Whole rows or columns of the weights are equal.", mistake="one_draw_for_many"
)
def no_units_alike(answer, case):
    return not answer["rows or columns alike"]


@random_weights.property(
    "Many of the weights are equal.",
    hint="Are they cut off at some size, or picked from a few values?",
)
def hardly_two_alike(answer, case):
    return answer["share of different weights"] > 0.99


@random_weights.property("The next layer gets the same weights again.", mistake="seed_of_its_own")
def other_weights_next_time(answer, case):
    one, other, _again = answer["a layer, the next, one of a twin of rng"]
    return not np.array_equal(one, other)


@random_weights.property("The weights do not come from the rng passed in.", mistake="not_from_rng")
def same_weights_from_a_twin(answer, case):
    one, _other, again = answer["a layer, the next, one of a twin of rng"]
    return np.array_equal(one, again)


@random_weights.property("The mean of the weights is not 0.", mistake="never_negative")
def centred(answer, case):
    # Seven standard deviations of the mean.
    slack = 7 / np.sqrt(case.args["fan_in"] * case.args["fan_out"])
    return abs(answer["mean"]) <= slack * answer["root mean squares"][0]


@random_weights.property('The weights of "uniform" are not even.', mistake="normal_for_uniform")
def no_tails_of_a_normal(answer, case):
    bound = 1 / np.sqrt(case.args["fan_in"])
    beyond = answer["largest"] > bound * (1 + 1e-12) and not is_even(answer)
    return case.args["init"] != "uniform" or not beyond


@random_weights.property("The standard deviation is 2 / fan_in.", mistake="variance_for_deviation")
def not_without_root(answer, case):
    return not spread_is(answer, case, "he", lambda i, o: 4 / i**2)


@random_weights.property("The variance is 2 / fan_out.", mistake="fan_of_the_wrong_side")
def not_from_fan_out(answer, case):
    return not spread_is(answer, case, "he", lambda i, o: 2 / o)


@random_weights.property("The variance is 1 / fan_in.", mistake="two_forgotten")
def not_without_the_two(answer, case):
    return not spread_is(answer, case, "he", lambda i, o: 1 / i)


@random_weights.property("The variance is 2 / (fan_in + fan_out).", mistake="glorot")
def not_from_both_fans(answer, case):
    return not spread_is(answer, case, "he", lambda i, o: 2 / (i + o))


@random_weights.property("The variance is 1, whatever the layer.", mistake="not_scaled")
def not_of_variance_one(answer, case):
    return not spread_is(answer, case, "he", lambda i, o: 1.0)


@random_weights.property("The variance is 0.01 ** 2, whatever the layer.", mistake="fixed_scale")
def not_of_a_fixed_scale(answer, case):
    return not spread_is(answer, case, "he", lambda i, o: 0.01**2)


@random_weights.property('"he" draws what "uniform" should.', mistake="uniform_for_he")
def not_torchs_default(answer, case):
    return not (is_even(answer) and spread_is(answer, case, "he", lambda i, o: 1 / (3 * i)))


@random_weights.property("The ends are -1 / fan_in and 1 / fan_in.", mistake="root_forgotten")
def not_ends_without_root(answer, case):
    return not spread_is(answer, case, "uniform", lambda i, o: 1 / (3 * i**2))


@random_weights.property(
    "The ends are -1 and 1, whatever the layer.", mistake="between_one_and_one"
)
def not_ends_of_one(answer, case):
    return not spread_is(answer, case, "uniform", lambda i, o: 1 / 3)


@random_weights.property("The ends come from fan_out.", mistake="ends_of_the_wrong_side")
def not_ends_from_fan_out(answer, case):
    return not spread_is(answer, case, "uniform", lambda i, o: 1 / (3 * o))


@random_weights.property("The ends are sqrt(6 / fan_in), He's.", mistake="hes_ends")
def not_hes_ends(answer, case):
    return not spread_is(answer, case, "uniform", lambda i, o: 2 / i)


@random_weights.property(
    "The ends are sqrt(6 / (fan_in + fan_out)), Glorot's.", mistake="glorots_ends"
)
def not_glorots_ends(answer, case):
    return not spread_is(answer, case, "uniform", lambda i, o: 2 / (i + o))


@random_weights.property(
    'The ends of "uniform" are not -1 / sqrt(fan_in) and 1 / sqrt(fan_in).',
    hint="1 / np.sqrt(fan_in), whatever fan_out is.",
)
def ends_wanted(answer, case):
    return case.args["init"] != "uniform" or is_right_size(answer, case)


@random_weights.property(
    'The variance of "he" is not 2 / fan_in.',
    hint="rng.normal wants a standard deviation: the square root of the variance.",
)
def size_wanted(answer, case):
    return case.args["init"] != "he" or is_right_size(answer, case)


@random_weights.property('The weights of "he" are evenly drawn, not normal.', mistake="he_evenly")
def tails_of_a_normal(answer, case):
    # 1.24 percent lie beyond 2.5 standard deviations, 38.3 percent within a half: seven standard
    # deviations of these shares either way, below 1e-9 at 8,400 weights (binomial).
    slack = 7 / np.sqrt(case.args["fan_in"] * case.args["fan_out"])
    beyond = abs(answer["share beyond 2.5"] - 0.01242) <= 0.1108 * slack
    within = abs(answer["share within 0.5"] - 0.38292) <= 0.4861 * slack
    return case.args["init"] != "he" or not is_right_size(answer, case) or (beyond and within)


@random_weights.property(
    'Some weights of "uniform" are beyond the ends.',
    hint="rng.uniform(-bound, bound, (fan_in, fan_out)), with bound = 1 / np.sqrt(fan_in).",
)
def none_beyond_the_ends(answer, case):
    bound = 1 / np.sqrt(case.args["fan_in"])
    return case.args["init"] != "uniform" or answer["largest"] <= bound * (1 + 1e-12)


random_weights.slips(
    biases_drawn=slip(
        {_BIASES: "Tensor(rng.uniform(-bound, bound, fan_out))"},
        "The biases are drawn, too; they start as zeros.",
        hint="The weights break the symmetry between the units. (torch draws its biases, too.)",
    ),
    one_draw_for_many=slip(
        {_DRAW: "rng.normal(0, np.sqrt(2 / fan_in)) * np.ones(shape)"},
        "Weights share one draw: whole rows or columns, or all of them, are equal.",
        hint="Units that start alike stay alike. Give rng the size, and every weight is drawn by "
        "itself.",
    ),
    seed_of_its_own=slip(
        {"shape = (fan_in, fan_out)": "shape, rng = (fan_in, fan_out), np.random.default_rng(0)"},
        "Every layer gets the same weights: the random generator is made anew inside.",
        hint="Use the rng that is passed in; it remembers where it was.",
    ),
    not_from_rng=slip(
        {"shape = (fan_in, fan_out)": "shape, rng = (fan_in, fan_out), np.random.default_rng()"},
        "The weights do not come from the rng passed in: nobody can run the experiment again.",
        hint="rng.normal(...), not np.random.normal(...).",
    ),
    never_negative=slip(
        {_EVENLY: "rng.uniform(0, bound, shape)"},
        "The mean of the weights is not 0.",
        hint="rng.uniform takes the lower end first: -1 / sqrt(fan_in). rng.random has none.",
    ),
    variance_for_deviation=slip(
        {_DRAW: "rng.normal(0, 2 / fan_in, shape)"},
        "The standard deviation is 2 / fan_in; that should be the variance.",
        hint="rng.normal wants a standard deviation: the square root.",
    ),
    fan_of_the_wrong_side=slip(
        {_DRAW: "rng.normal(0, np.sqrt(2 / fan_out), shape)"},
        'The variance of "he" is 2 / fan_out.',
        hint="A unit sums over what comes in: fan_in.",
    ),
    two_forgotten=slip(
        {_DRAW: "rng.normal(0, np.sqrt(1 / fan_in), shape)"},
        'The variance of "he" is 1 / fan_in: the 2 is missing.',
        hint="A ReLU silences about half of the units; the 2 makes up for that.",
    ),
    glorot=slip(
        {_DRAW: "rng.normal(0, np.sqrt(2 / (fan_in + fan_out)), shape)"},
        "This is Glorot's (Xavier's) variance, 2 / (fan_in + fan_out).",
        hint="That one was made for tanh. He's has 2 / fan_in.",
    ),
    not_scaled=slip(
        {_DRAW: "rng.normal(size=shape)"},
        'The variance of "he" is 1, whatever the layer.',
        hint="Sums over 784 inputs then are 28 times as large as one input. Scale by "
        "sqrt(2 / fan_in).",
    ),
    fixed_scale=slip(
        {_DRAW: "rng.normal(0, 0.01, shape)"},
        'The standard deviation of "he" is 0.01, whatever the layer.',
        hint="Through three layers so small a scale lets almost nothing pass. sqrt(2 / fan_in).",
    ),
    uniform_for_he=slip(
        {_DRAW: "rng.uniform(-bound, bound, shape) "},
        '"he" draws what "uniform" should: evenly, within 1 / sqrt(fan_in).',
        hint="That is torch's own start of a layer. He's is normal, with the variance 2 / fan_in.",
    ),
    root_forgotten=slip(
        {"bound = 1 / np.sqrt(fan_in)": "bound = 1 / fan_in"},
        'The ends of "uniform" are 1 / fan_in: the square root is missing.',
        hint="1 / np.sqrt(fan_in).",
    ),
    between_one_and_one=slip(
        {"bound = 1 / np.sqrt(fan_in)": "bound = 1"},
        'The ends of "uniform" are -1 and 1, whatever the layer.',
        hint="With many inputs the sums get large. The ends are 1 / sqrt(fan_in).",
    ),
    ends_of_the_wrong_side=slip(
        {"bound = 1 / np.sqrt(fan_in)": "bound = 1 / np.sqrt(fan_out)"},
        'The ends of "uniform" come from fan_out.',
        hint="A unit sums over what comes in: 1 / sqrt(fan_in).",
    ),
    hes_ends=slip(
        {"bound = 1 / np.sqrt(fan_in)": "bound = np.sqrt(6 / fan_in)"},
        'The ends of "uniform" are sqrt(6 / fan_in): the even form of He.',
        hint="Here the ends are 1 / sqrt(fan_in): smaller by a factor of 2.4.",
    ),
    glorots_ends=slip(
        {"bound = 1 / np.sqrt(fan_in)": "bound = np.sqrt(6 / (fan_in + fan_out))"},
        'The ends of "uniform" are sqrt(6 / (fan_in + fan_out)), Glorot\'s.',
        hint="Here the ends are 1 / sqrt(fan_in).",
    ),
    he_evenly=slip(
        {_DRAW: "rng.uniform(-np.sqrt(6 / fan_in), np.sqrt(6 / fan_in), shape)"},
        'The weights of "he" have the right variance, and are evenly drawn; they are normal here.',
        hint="rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out)).",
    ),
    normal_for_uniform=slip(
        {_EVENLY: "rng.normal(0, bound / np.sqrt(3), shape)"},
        'The weights of "uniform" are normal: some are beyond 1 / sqrt(fan_in).',
        hint="rng.uniform(-bound, bound, (fan_in, fan_out)).",
    ),
)


@Linear.step(
    points=1,
    after=("zeros_and_ones",),
    hints=(
        "One line: the formula of the class. Which of the two stands left of the @?",
        "x @ self.W + self.b: Tensors know how to be multiplied and added, and remember it.",
    ),
)
def output(cls, X, W, b, G):
    """What a layer makes of a Tensor and of an array, and the gradients of sum(G * output)."""
    layer = cls(*W.shape, np.random.default_rng(0), "zeros")
    layer.W.data, layer.b.data = np.array(W), np.array(b)
    x = type(layer.W)(X)
    out = layer(x)
    made = {
        "the type of what comes out": "Tensor" if is_tensor(out) else type(out).__name__,
        "what a Tensor becomes": data_of(out),
        "what an array becomes": data_of(layer(X)),
    }
    if is_tensor(out) and made["what a Tensor becomes"].shape == G.shape:
        (out * G).sum().backward()
    grads = {"W": layer.W.grad, "b": layer.b.grad, "x": x.grad}
    return made | {f"the gradient of {name}": grad for name, grad in grads.items()}


def _through_a_layer(rng, n: int, fan_in: int, fan_out: int) -> dict:
    return dict(
        X=rng.normal(size=(n, fan_in)),
        W=rng.normal(size=(fan_in, fan_out)),
        b=rng.normal(size=fan_out),
        G=rng.normal(size=(n, fan_out)),
    )


@output.cases
def a_batch(rng):
    """A batch of several rows."""
    return _through_a_layer(rng, 5, int(rng.integers(2, 4)), 4)


@output.cases
def a_square_layer(rng):
    """As many outputs as inputs, and as many rows: nothing fails by its shape."""
    n = int(rng.integers(3, 5))
    return _through_a_layer(rng, n, n, n)


@output.cases
def a_row_alone(rng):
    """A batch of one row, and a layer of one output."""
    yield _through_a_layer(rng, 1, 3, 2)
    yield _through_a_layer(rng, 4, 3, 1)


def _bias_forgotten(self, x):
    return x @ self.W


def _bias_subtracted(self, x):
    return x @ self.W - self.b


def _weights_transposed(self, x):
    return x @ self.W.T + self.b


def _entry_by_entry(self, x):
    return x * self.W + self.b


def _relu_inside(self, x):
    return (x @ self.W + self.b).relu()


def _graph_left(self, x):
    data = x.data if isinstance(x, Tensor) else x
    return Tensor(data @ self.W.data + self.b.data)


def _an_array(self, x):
    data = x.data if isinstance(x, Tensor) else x
    return data @ self.W.data + self.b.data


def _input_copied(self, x):
    return Tensor(x.data if isinstance(x, Tensor) else x) @ self.W + self.b


output.slips(
    bias_forgotten=method_slip(
        "__call__",
        _bias_forgotten,
        "The bias is not added.",
        hint="Without it every layer sends 0 to 0. x @ self.W + self.b.",
    ),
    bias_subtracted=method_slip(
        "__call__",
        _bias_subtracted,
        "The bias is subtracted.",
        hint="A perceptron subtracts its threshold; a layer adds its bias.",
    ),
    weights_transposed=method_slip(
        "__call__",
        _weights_transposed,
        "The weights are transposed.",
        hint="W has the shape (fan_in, fan_out), so x @ W needs no T. (torch keeps it turned.)",
    ),
    entry_by_entry=method_slip(
        "__call__",
        _entry_by_entry,
        "x and W are multiplied entry by entry.",
        hint="* pairs entries up, @ is the matrix product: a layer sums over its inputs.",
    ),
    relu_inside=method_slip(
        "__call__",
        _relu_inside,
        "The layer has a ReLU in it: nothing negative comes out.",
        hint="Linear is linear. The network puts the ReLUs between its layers.",
    ),
    graph_left=method_slip(
        "__call__",
        _graph_left,
        "The numbers are right, and the gradients stay 0: it computes with .data and makes a new "
        "Tensor, which does not know where it came from.",
        hint="Compute with the Tensors themselves: x @ self.W + self.b.",
    ),
    array_returned=method_slip(
        "__call__",
        _an_array,
        "An array comes out, not a Tensor: no gradient finds its way back.",
        hint="Compute with the Tensors themselves: x @ self.W + self.b.",
    ),
    input_copied=method_slip(
        "__call__",
        _input_copied,
        "The input is put into a new Tensor: layers below this one get no gradient.",
        hint="Use x as it is. @ takes a Tensor or an array on its left.",
    ),
)


@Linear.step(
    points=1,
    draws=1,
    after=("zeros_and_ones",),
    hints=(
        "Training changes what is in this list, and the layer must feel it: no copies.",
        "return [self.W, self.b]",
    ),
)
def parameter_list(cls, fan_in, fan_out):
    """What parameters() holds, and whether these are the layer's own Tensors."""
    layer = cls(fan_in, fan_out, np.random.default_rng(0), "ones")
    held = list(layer.parameters())
    own = {id(layer.W): "W", id(layer.b): "b"}
    return {
        "the number of parameters": len(held),
        "which": [own.get(id(thing), "another object") for thing in held],
        "what they are": ["Tensor" if is_tensor(t) else type(t).__name__ for t in held],
        "their shapes": [tuple(np.shape(data_of(t))) for t in held],
    }


@parameter_list.cases
def a_layer(rng):
    """A layer of any size."""
    for _ in range(2):
        yield dict(fan_in=int(rng.integers(2, 5)), fan_out=int(rng.integers(5, 9)))


parameter_list.slips(
    biases_first=slip(
        {"return [self.W, self.b]": "return [self.b, self.W]"},
        "The order is [b, W]; it is [W, b].",
        hint="Who reads a flat list of parameters (chapter 6) wants the weights first.",
    ),
    biases_missing=slip(
        {"return [self.W, self.b]": "return [self.W]"},
        "The biases are missing: they would never be trained.",
        hint="[self.W, self.b].",
    ),
    copies=slip(
        {"return [self.W, self.b]": "return [Tensor(self.W.data), Tensor(self.b.data)]"},
        "These are copies: training would change them, and not the layer.",
        hint="Return the Tensors themselves: [self.W, self.b].",
    ),
    arrays=slip(
        {"return [self.W, self.b]": "return [self.W.data, self.b.data]"},
        "These are the arrays in the Tensors: they have no grad.",
        hint="Return the Tensors themselves: [self.W, self.b].",
    ),
    a_dict=slip(
        {"return [self.W, self.b]": 'return {"W": self.W, "b": self.b}'},
        "parameters() is a dict, and who goes through it meets names; it should be a list.",
        hint="Return the Tensors themselves: [self.W, self.b].",
    ),
)


# A network


@class_exercise
class MLP:
    """A network: Linear layers one after the other, with a ReLU after each but the last.

    Source: lecture E.
    """

    def __init__(self, sizes, rng, init="he"):
        """Make a Linear from sizes[0] to sizes[1], one from sizes[1] to sizes[2], and so on.

        sizes is a list of two numbers or more: [784, 16, 16, 10] makes three layers. They are made
        in this order, and all of them draw from the same rng; init is the same for all.
        """
        self.layers = [Linear(sizes[i], sizes[i + 1], rng, init) for i in range(len(sizes) - 1)]

    def __call__(self, x):
        """The logits, a Tensor of shape (n, sizes[-1]); no softmax, which is in the loss.

        x is a Tensor or an array of shape (n, sizes[0]), one example a row.
        """
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)

    def parameters(self):
        """The flat list [W1, b1, W2, b2, ...] of the Tensors of all layers, first layer first."""
        return [p for layer in self.layers for p in layer.parameters()]


_LAYER = "Linear(sizes[i], sizes[i + 1], rng, init)"
_FLAT = "[p for layer in self.layers for p in layer.parameters()]"


@MLP.step(
    points=2,
    hints=(
        "Three sizes make two layers. Which sizes does layer i stand between?",
        "zip(sizes[:-1], sizes[1:]) gives the pairs; itertools.pairwise(sizes) does, too.",
        "parameters() is flat: one list, not a list of lists. extend, not append.",
    ),
)
def layer_sizes(cls, sizes, init):
    """The parameters of a new network, asked for a second time: their shapes, and which numbers
    are in them."""
    model = cls(list(sizes), np.random.default_rng(5), init)
    model.parameters()
    held = list(model.parameters())
    data = [data_of(thing) for thing in held]
    return {
        "the number of parameters": len(held),
        "shapes": [tuple(np.shape(numbers)) for numbers in data],
        "numbers": [
            np.unique(numbers).tolist() if isinstance(numbers, np.ndarray) else numbers
            for numbers in data
        ],
    }


def _sizes(rng, count: int) -> list[int]:
    return [int(n) for n in rng.permutation(np.arange(2, 7))[:count]]


@layer_sizes.cases
def several_layers(rng):
    """Networks of two and of three layers."""
    yield dict(sizes=_sizes(rng, 3), init="zeros")
    yield dict(sizes=_sizes(rng, 4), init="zeros")


@layer_sizes.cases
def init_is_passed_on(rng):
    """init is "ones"."""
    yield dict(sizes=_sizes(rng, 4), init="ones")
    yield dict(sizes=_sizes(rng, 3), init="ones")


@layer_sizes.cases
def a_single_layer(rng):
    """Two sizes: a single layer."""
    for init in ("zeros", "ones"):
        yield dict(sizes=_sizes(rng, 2), init=init)


layer_sizes.slips(
    init_not_passed_on=slip(
        {_LAYER: "Linear(sizes[i], sizes[i + 1], rng)"},
        "init is not handed on to the layers: they all start with the default.",
        hint="Linear(fan_in, fan_out, rng, init).",
    ),
    last_layer_missing=slip(
        {"range(len(sizes) - 1)": "range(len(sizes) - 2)"},
        "The last layer is missing.",
        hint="n sizes make n - 1 layers: range(len(sizes) - 1).",
    ),
    sizes_exchanged=slip(
        {_LAYER: "Linear(sizes[i + 1], sizes[i], rng, init)"},
        "fan_in and fan_out are exchanged in every layer.",
        hint="Linear takes what comes in first: sizes[i], then sizes[i + 1].",
    ),
    biases_missing_in_the_list=slip(
        {_FLAT: "[layer.W for layer in self.layers]"},
        "The biases are missing in parameters(): they would never be trained.",
        hint="Ask each layer for its parameters(), and put them all into one list.",
    ),
    weights_first=slip(
        {_FLAT: "[layer.W for layer in self.layers] + [layer.b for layer in self.layers]"},
        "The order is all weights, then all biases; it is [W1, b1, W2, b2, ...].",
        hint="Go through the layers, and add the parameters() of each.",
    ),
    biases_before_weights=slip(
        {_FLAT: "[p for layer in self.layers for p in (layer.b, layer.W)]"},
        "The order is [b1, W1, ...]; the weights of a layer come first.",
        hint="The parameters() of each layer, as they come.",
    ),
    lists_in_a_list=slip(
        {_FLAT: "[layer.parameters() for layer in self.layers]"},
        "parameters() is a list of lists, one for each layer; it should be flat.",
        hint="extend the list with the parameters() of each layer; append would nest them.",
    ),
    last_layer_first=slip(
        {_FLAT: "[p for layer in reversed(self.layers) for p in layer.parameters()]"},
        "The parameters of the last layer come first.",
        hint="Go through the layers in the order in which x does.",
    ),
    last_layer_alone=slip(
        {_FLAT: "self.layers[-1].parameters()"},
        "Only the parameters of one layer come back.",
        hint="The return belongs after the loop; or the list is made anew in each turn of it.",
    ),
    one_layer_trained=slip(
        {_FLAT: "self.layers[0].parameters()"},
        "Only the parameters of the first layer come back.",
        hint="The return belongs after the loop over the layers, not inside.",
    ),
    list_that_grows=slip(
        {
            f"return {_FLAT}": f'self.all = getattr(self, "all", []) + {_FLAT}'
            "\n        return self.all"
        },
        "parameters() is longer each time it is called.",
        hint="Begin with an empty list of its own in each call, not with one that the network "
        "keeps.",
    ),
)


@MLP.step(
    points=1,
    draws=1,
    by_value=False,
    after=("layer_sizes",),
    hints=(
        "Every layer draws from the same rng: pass it on, and do not make another one.",
        "Each layer is an object of its own: a new Linear in each turn of the loop.",
    ),
)
def layers_differ(cls, width, depth, rng):
    """How the weights of a network spread, and a few of each layer's in three networks: two of one
    rng, one of its twin."""
    twin = copy.deepcopy(rng)
    networks = []
    for source in (rng, rng, twin):
        model = cls([width] * (depth + 1), source)
        values = [data_of(p) for p in model.parameters()]
        networks.append([numbers for numbers in values if np.ndim(numbers) == 2])
    return {
        "spread of each layer": [float(np.std(W)) for W in networks[0]],
        "a network, the next, one of a twin of rng": [
            [corner(W) for W in weights] for weights in networks
        ],
    }


@layers_differ.cases
def layers_of_one_width(rng):
    """Layers that are all of one width, with the default init."""
    return dict(width=int(rng.integers(90, 101)), depth=3, rng=FRESH_RNG)


@layers_differ.cases
def two_wide_layers(rng):
    """Two layers of one width, with the default init."""
    return dict(width=int(rng.integers(90, 101)), depth=2, rng=FRESH_RNG)


@layers_differ.property(
    "The weights are not one array for each layer.",
    hint="parameters() is the flat list [W1, b1, W2, b2, ...].",
)
def weights_of_each_layer(answer, case):
    return len(answer["spread of each layer"]) == case.args["depth"]


@layers_differ.property("Two layers have the same weights.", mistake="layers_alike")
def no_two_layers_alike(answer, case):
    layers = answer["a network, the next, one of a twin of rng"][0]
    pairs = itertools.combinations(layers, 2)
    return not any(np.array_equal(one, other) for one, other in pairs)


@layers_differ.property("The next network gets the same weights.", mistake="seeded_inside")
def other_network_next_time(answer, case):
    # Of nothing all is alike: that parameters() is empty is for layer_sizes to say.
    one, other, _again = answer["a network, the next, one of a twin of rng"]
    return not one or not all(map(np.array_equal, one, other))


@layers_differ.property("The weights do not come from the rng passed in.", mistake="another_rng")
def same_network_from_a_twin(answer, case):
    one, _other, again = answer["a network, the next, one of a twin of rng"]
    return len(one) == len(again) and all(map(np.array_equal, one, again))


@layers_differ.property("The default is not He's start.", mistake="default_is_uniform")
def default_is_he(answer, case):
    # 8,100 weights or more: six percent is seven standard deviations.
    wanted = np.sqrt(2 / case.args["width"])
    return all(abs(spread / wanted - 1) <= 0.06 for spread in answer["spread of each layer"])


layers_differ.slips(
    layers_alike=slip(
        {_LAYER: "Linear(sizes[i], sizes[i + 1], copy.deepcopy(rng), init)"},
        "Layers of the same size have the same weights: each draws from a generator in the same "
        "state, or they are one layer.",
        hint="Pass the rng itself on; it remembers where it was. [Linear(...)] * 3 is one layer "
        "three times.",
    ),
    seeded_inside=slip(
        {"self.layers = [": "rng = np.random.default_rng(0)\n        self.layers = ["},
        "Every network gets the same weights: the random generator is made anew inside.",
        hint="Use the rng that is passed in.",
    ),
    another_rng=slip(
        {"self.layers = [": "rng = np.random.default_rng()\n        self.layers = ["},
        "The weights do not come from the rng passed in: nobody can run the experiment again.",
        hint="Pass rng on to every Linear.",
    ),
    default_is_uniform=slip(
        {'rng, init="he"': 'rng, init="uniform"'},
        'Without a third argument a network starts with "he"; this one does not.',
        hint='The signature says init="he".',
    ),
)


@MLP.step(
    points=2,
    after=("layer_sizes",),
    hints=(
        "What a layer gives goes into the next one. What happens to it in between?",
        "A ReLU after each layer but the last: logits may be negative.",
        "for layer in self.layers[:-1]: x = layer(x).relu(). Then the last layer, as it is.",
    ),
)
def logits_of(cls, sizes, values, X, G):
    """The logits of an array and of a Tensor, and the gradients of sum(G * logits)."""
    model = cls(list(sizes), np.random.default_rng(0), "zeros")
    held = list(model.parameters())
    for parameter, numbers in zip(held, values, strict=True):
        parameter.data = np.array(numbers)
    out = model(X)
    kind = "Tensor" if is_tensor(out) else type(out).__name__
    made = {"the type of model(X)": kind, "model(X)": data_of(out)}
    if is_tensor(out):
        made["model(Tensor(X))"] = data_of(model(type(held[0])(X)))
        # Logits of another shape are told by it: an error here would say nothing.
        if made["model(X)"].shape == G.shape:
            (out * G).sum().backward()
    return made | {f"the gradient of parameter {i}": p.grad for i, p in enumerate(held)}


def _network(rng, sizes: list[int], n: int) -> dict:
    pairs = list(itertools.pairwise(sizes))
    values = [rng.normal(size=shape) for a, b in pairs for shape in ((a, b), (b,))]
    return dict(
        sizes=sizes,
        values=values,
        X=rng.normal(size=(n, sizes[0])),
        G=rng.normal(size=(n, sizes[-1])),
    )


@logits_of.cases
def three_layers(rng):
    """Three layers, several rows."""
    case = _network(rng, [int(rng.integers(2, 4)), 4, 4, 3], 5)
    # The first row has a logit below zero.
    *below, W, b = case["values"]
    hidden = case["X"][:1]
    for V, c in zip(below[::2], below[1::2], strict=True):
        hidden = np.maximum(hidden @ V + c, 0)
    b[0] = -(hidden @ W)[0, 0] - rng.uniform(0.5, 2)
    return case


@logits_of.cases
def a_layer_alone(rng):
    """A single layer: no ReLU anywhere."""
    return _network(rng, [int(rng.integers(4, 6)), 3], 4)


@logits_of.cases
def one_row(rng):
    """Two layers, and a batch of one row; then of two."""
    for n in (1, 2):
        yield _network(rng, [int(rng.integers(2, 4)), 6, 2], n)


def _relu_at_the_end(self, x):
    for layer in self.layers:
        x = layer(x).relu()
    return x


def _no_relu(self, x):
    for layer in self.layers:
        x = layer(x)
    return x


def _relu_of_the_input(self, x):
    x = (x if isinstance(x, Tensor) else Tensor(x)).relu()
    for layer in self.layers[:-1]:
        x = layer(x).relu()
    return self.layers[-1](x)


def _one_relu(self, x):
    for layer in self.layers[:-1]:
        x = layer(x)
    return self.layers[-1](x.relu() if len(self.layers) > 1 else x)


def _between_the_graphs(self, x):
    for layer in self.layers[:-1]:
        x = Tensor(np.maximum(layer(x).data, 0))
    return self.layers[-1](x)


def _softmax_at_the_end(self, x):
    for layer in self.layers[:-1]:
        x = layer(x).relu()
    shares = self.layers[-1](x).exp()
    return shares / shares.sum(axis=1, keepdims=True)


def _logits_as_an_array(self, x):
    for layer in self.layers[:-1]:
        x = layer(x).relu()
    return self.layers[-1](x).data


def _last_layer_skipped(self, x):
    for layer in self.layers[:-1]:
        x = layer(x).relu()
    return x


logits_of.slips(
    relu_at_the_end=method_slip(
        "__call__",
        _relu_at_the_end,
        "The last layer has a ReLU, too: no logit can be negative.",
        hint="The loss wants logits of both signs. Loop over self.layers[:-1] with a ReLU, then "
        "call the last layer by itself.",
    ),
    no_relu=method_slip(
        "__call__",
        _no_relu,
        "There is no ReLU: linear layers one after the other are one linear layer.",
        hint="layer(x).relu() after each layer but the last.",
    ),
    relu_of_the_input=method_slip(
        "__call__",
        _relu_of_the_input,
        "The input goes through a ReLU before the first layer.",
        hint="First the layer, then the ReLU.",
    ),
    one_relu=method_slip(
        "__call__",
        _one_relu,
        "There is one ReLU in all; there should be one after each layer but the last.",
        hint="The ReLU belongs into the loop.",
    ),
    graph_left_between=method_slip(
        "__call__",
        _between_the_graphs,
        "The logits are right, and the layers below the last get no gradient: the ReLU is taken of "
        ".data, in a new Tensor.",
        hint="layer(x).relu(): the Tensor's own, which remembers.",
    ),
    softmax_at_the_end=method_slip(
        "__call__",
        _softmax_at_the_end,
        "Shares come out, not logits: there is a softmax at the end.",
        hint="cross_entropy takes logits, and has the softmax in it. Two of them train slowly.",
    ),
    logits_as_an_array=method_slip(
        "__call__",
        _logits_as_an_array,
        "An array comes out, not a Tensor: no gradient finds its way back.",
        hint="Return the Tensor that the last layer makes, without .data.",
    ),
    last_layer_skipped=method_slip(
        "__call__",
        _last_layer_skipped,
        "x does not go through the last layer.",
        hint="After the loop over self.layers[:-1] the last one is still to come.",
    ),
)


# An update


@public
def after_an_update(function, params, grads, velocity, lr, beta):
    """What an update gives back."""
    new, speed = both_of(function(params, grads, velocity, lr, beta), "params, velocity")
    return {"params": list(new), "velocity": list(speed)}


@exercise(
    points=2,
    probe=after_an_update,
    hints=(
        "It is momentum_step of chapter 4, for each array of a list. Does an array need to know of "
        "the others?",
        "Two lists: first all the new velocities, then all the new parameters, from these.",
        "[beta * v + (1 - beta) * g for v, g in zip(velocity, grads)], and then params with that "
        "list.",
    ),
)
def sgd_momentum_update(
    params: list[Array], grads: list[Array], velocity: list[Array], lr: float, beta: float
) -> tuple[list[Array], list[Array]]:
    """One step of gradient descent with momentum for a list of arrays, in the averaged form.

    For each: v <- beta * v + (1 - beta) * g, then p <- p - lr * v, with the v just computed.

    Parameters
    ----------
    params : list of arrays (arrays, no Tensors), of any shapes
    grads, velocity : lists of as many arrays of the same shapes; velocity is zeros at the start
    lr : step size
    beta : averaging factor, 0 <= beta < 1

    Returns
    -------
    params, velocity : two new lists of new arrays, after the step. The arguments, and the arrays
    in them, are left as they were.

    Source: lectures B and E; chapter 4.
    """
    velocity = [beta * v + (1 - beta) * g for v, g in zip(velocity, grads, strict=True)]
    return [p - lr * v for p, v in zip(params, velocity, strict=True)], velocity


def _to_update(rng, shapes, *, at_rest: bool = False, **more) -> dict:
    def draw() -> list[Array]:
        return [rng.normal(size=shape) for shape in shapes]

    velocity = [np.zeros(shape) for shape in shapes] if at_rest else draw()
    lr, beta = float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.6, 0.95))
    return dict(params=draw(), grads=draw(), velocity=velocity, lr=lr, beta=beta) | more


def _shapes(rng) -> list[tuple[int, ...]]:
    a, b = (int(n) for n in rng.permutation([1, 2, 3])[:2])
    return [(a, b), (b,)]


@sgd_momentum_update.cases
def in_mid_run(rng):
    """Weights and biases of two layers, in mid run."""
    return _to_update(rng, _shapes(rng))


@sgd_momentum_update.cases
def at_rest(rng):
    """The first step, from a velocity of zeros; and a list of one array."""
    yield _to_update(rng, _shapes(rng), at_rest=True)
    yield _to_update(rng, [(3,)])


@sgd_momentum_update.cases
def no_memory(rng):
    """beta is 0; and a beta near 1."""
    yield _to_update(rng, [(2, 2), (2,)], beta=0.0)
    yield _to_update(rng, [(2, 2), (2,)], beta=0.99)


_SPEED = "[beta * v + (1 - beta) * g"
_MOVE = "[p - lr * v for p, v in zip(params, velocity, strict=True)]"


def _steps_for_velocity(step: str):
    return slip(
        {_SPEED: f"[beta * v - {step} * g", "[p - lr * v": "[p + v"},
        "The velocity holds the steps themselves, with lr and the minus in it.",
        hint="The velocity averages gradients: beta * v + (1 - beta) * g. Only the step has -lr.",
    )


sgd_momentum_update.slips(
    unscaled=slip(
        {_SPEED: "[beta * v + g"},
        "The new gradient is not scaled by (1 - beta): that is PyTorch's form.",
        hint="The averaged form has weights that add up to 1: beta and 1 - beta.",
    ),
    weights_swapped=slip(
        {_SPEED: "[(1 - beta) * v + beta * g"},
        "The two weights are swapped: beta belongs to the old velocity.",
        hint="A beta near 1 remembers much.",
    ),
    lr_in_the_velocity=slip(
        {_SPEED: "[beta * v + lr * (1 - beta) * g", "[p - lr * v": "[p - v"},
        "lr is inside of the velocity.",
        hint="The velocity averages gradients; lr comes in when the parameters move.",
    ),
    steps_for_velocity=_steps_for_velocity("lr"),
    averaged_steps_for_velocity=_steps_for_velocity("lr * (1 - beta)"),
    uphill=slip(
        {"[p - lr * v": "[p + lr * v"},
        "The step goes uphill.",
        hint="Against the velocity: p - lr * v.",
    ),
    moved_by_the_old=slip(
        {
            "velocity = [beta": "speed = [beta",
            "strict=True)], velocity": "strict=True)], speed",
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
        {_MOVE: "[p - lr * g for p, g in zip(params, grads, strict=True)]"},
        "The parameters are moved by the gradient: the velocity has no effect.",
        hint="p - lr * v, with the new v.",
    ),
    exchanged=slip(
        {"return [p - lr": "return velocity, [p - lr", "strict=True)], velocity": "strict=True)]"},
        "The two lists come back in the other order: first params, then velocity.",
        hint="return params, velocity",
    ),
    first_array_alone=slip(
        {_MOVE: "[params[0] - lr * velocity[0], *params[1:]]"},
        "Only the first array of the list is moved.",
        hint="The loop must reach its end: is there a return inside?",
    ),
    first_array_returned=slip(
        {
            "zip(velocity, grads, strict=True)": "zip(velocity[:1], grads[:1], strict=True)",
            "zip(params, velocity, strict=True)": "zip(params[:1], velocity, strict=True)",
        },
        "Only the first array of each list comes back.",
        hint="The return belongs after the loop, not inside.",
    ),
    nothing_moved=slip(
        lambda params, grads, velocity, lr, beta: (list(params), list(velocity)),
        "Both lists come back as they were.",
        hint="p = ... in a loop binds a name, and leaves the list alone. Collect what is new in "
        "new lists.",
    ),
    parameters_alone=slip(
        {"strict=True)], velocity": "strict=True)]"},
        "The velocity does not come back: the next step would have none to go on with.",
        hint="return params, velocity: two lists.",
    ),
    velocity_used_up=slip(
        {"strict=True)], velocity": "strict=True)], []"},
        "The velocity comes back empty: a generator can be gone through once, and the step did so.",
        hint="Square brackets make a list, which stays: [... for v, g in zip(velocity, grads)].",
    ),
)


# An epoch


@public
def tensor_of(function):
    """The class that stands for Tensor where a function was written: the course's or an own one."""
    inner = inspect.unwrap(function)
    names = getattr(inner, "__globals__", None) or vars(sys.modules["__main__"])
    if "Tensor" not in names:
        raise NameError("Tensor is not defined: run the cell that imports it first")
    return names["Tensor"]


@public
def rows_of(x, X):
    """Which rows of X a batch holds, by their place; -1 for a row that X has not."""
    found = [np.flatnonzero(np.all(row == X, axis=1)) for row in np.reshape(x, (-1, X.shape[1]))]
    return [int(place[0]) if len(place) else -1 for place in found]


@public
def items_of(losses):
    """What is in a list or an array of losses; or the one thing that came in the place of one."""
    try:
        return list(losses)
    except TypeError:
        return [losses]


@public
def epochs_of_training(
    function,
    params,
    X,
    y,
    batch_size,
    lr,
    beta,
    velocity,
    rng,
    left_over=0.0,
    again=False,
):
    """An epoch of softmax regression; again: a second one, and the first once more, from a twin of
    rng. The batches that the model was given, the losses, and what then stands in the model and in
    the velocity."""
    make = tensor_of(function)
    as_it_came, labels = X.copy(), y.copy()

    class Watched:
        """Logits x @ W + b; writes down which rows came. Not twice in a row the same ones: a batch
        may be looked at again."""

        def __init__(self):
            self.held = [make(values) for values in params]
            for tensor in self.held:
                tensor.grad = tensor.grad + left_over
            self.seen = []

        def parameters(self):
            return list(self.held)

        def __call__(self, x):
            rows = rows_of(x if isinstance(x, np.ndarray) else x.data, as_it_came)
            if not self.seen or rows != self.seen[-1]:
                self.seen.append(rows)
            W, b = self.held
            return x @ W + b

    def an_epoch(model, state, generator, X=X, y=y):
        model.seen = []
        both = function(model, X, y, batch_size, lr, beta, state, generator)
        losses, state = both_of(both, "losses, velocity")
        items = items_of(losses)
        several = len(items) != 1 or items[0] is not losses
        tensors = any(map(is_tensor, items))
        if tensors:
            items = [thing.data if is_tensor(thing) else thing for thing in items]
        elif several and isinstance(losses, np.ndarray):
            items = losses
        told = {
            "losses": items if several else items[0],
            "losses are Tensors": tensors,
            "velocity comes first": [np.shape(v) for v in items] == [np.shape(v) for v in params],
            "batches": model.seen,
            "params": [np.array(tensor.data) for tensor in model.held],
            "velocity": [np.array(v) for v in state],
        }
        return told, state

    twin = copy.deepcopy(rng)
    model, start = Watched(), [np.array(v) for v in velocity]
    first, state = an_epoch(model, velocity, rng)
    made = {"first epoch": first}
    if again and not first["velocity comes first"]:
        made["second epoch"] = an_epoch(model, state, rng)[0]
        made["batches of a twin of rng"] = an_epoch(
            Watched(), start, twin, as_it_came.copy(), labels
        )[0]["batches"]
    return made


@public
def lengths_of(n, batch_size):
    """How many rows each batch of an epoch has."""
    size = min(batch_size or n, n)
    return [size] * (n // size) + ([n % size] if n % size else [])


@public
def replay(case, params, velocity, batches, how="", dealt=None):
    """Losses, parameters and velocity of an epoch over these batches.

    how: nothing, or the one thing that is done in another way. dealt: the labels that each batch
    is given, where they are not those of its rows.
    """
    X, y, lr, beta = (case.args[name] for name in ("X", "y", "lr", "beta"))
    if how == "exchanged":
        lr, beta = beta, lr
    size = min(case.args["batch_size"] or len(X), len(X))
    held = [np.full(p.shape, case.args.get("left_over", 0.0)) for p in params]
    if how == "velocity from zero":
        velocity = [0.0 * v for v in velocity]

    def look(rows, labels):
        logits = X[rows] @ params[0] + params[1]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = shares / shares.sum(axis=1, keepdims=True)
        mine = shares[np.arange(len(rows)), labels]
        pull = shares - np.eye(len(params[1]))[labels]
        return -np.log(mine), [X[rows].T @ pull, pull.sum(axis=0)]

    losses, at_start = [], (params, velocity)
    for i, rows in enumerate(batches):
        if how == "velocity of the start":
            velocity = at_start[1]
        if how == "one step":
            params = at_start[0]
        labels = y[i * size : (i + 1) * size] if how == "labels in order" else y[rows]
        labels = labels if dealt is None else dealt[i]
        each, grads = look(rows, labels)
        count = size if how == "as if full" else len(rows)
        grads = [0.0 * g if how == "no gradients" else g / count for g in grads]
        if how in ("not cleared", "cleared afterwards"):
            grads = [g + h for g, h in zip(grads, held, strict=True)]
            held = grads if how == "not cleared" else [0.0 * g for g in grads]
        if how == "velocity anew":
            velocity = [0.0 * v for v in velocity]
        share = 1.0 if how == "not scaled" else 1 - beta
        moved = [beta * v + share * g for v, g in zip(velocity, grads, strict=True)]
        sign = -1 if how == "uphill" else 1
        used = velocity if how == "moved by the old" else moved
        params = [p - sign * lr * v for p, v in zip(params, used, strict=True)]
        velocity = velocity if how == "velocity stays" else moved
        if how == "loss afterwards":
            each, _ = look(rows, labels)
        losses.append(each.sum() / (1 if how == "losses summed" else count))
    return losses, params, velocity


@public
def is_near(got, wanted):
    """What np.allclose says of finite numbers, in a tenth of the time."""
    return bool(np.all(np.abs(np.subtract(got, wanted)) <= 1e-9 + 1e-6 * np.abs(wanted)))


@public
def comes_out(answer, case, how=""):
    """Whether the first epoch leaves the losses, parameters and velocity of such a replay."""
    told = answer["first epoch"]
    try:
        start = [np.asarray(p) for p in case.args["params"]]
        wanted = replay(case, start, case.args["velocity"], told["batches"], how)
        got = (told["losses"], told["params"], told["velocity"])
        pairs = [pair for g, w in zip(got, wanted, strict=True) for pair in zip(g, w, strict=True)]
        return all(is_near(g, w) for g, w in pairs)
    except (TypeError, ValueError, IndexError):
        return False


@public
def went_wrong(answer, case, how):
    """Whether the first epoch comes out with one thing done in another way alone."""
    return comes_out(answer, case, how) and not comes_out(answer, case)


@public
def epoch_batches(answer):
    """The batches of each epoch."""
    epochs = [answer.get(name) for name in ("first epoch", "second epoch")]
    return [epoch["batches"] for epoch in epochs if epoch]


@public
def one_batch(answer):
    """Whether the first epoch is a single batch, in which several mistakes are the same."""
    return len(answer["first epoch"]["batches"]) == 1


@exercise(
    points=5,
    draws=1,
    by_value=False,
    probe=epochs_of_training,
    hints=(
        "Chapter 3 dealt rows out in batches, chapter 6 got the gradients from a loss, chapter 4 "
        "made a step of them. Which order do the three come in, and what is cleared when?",
        "One permutation of the rows an epoch, from rng; a batch is a slice of it, and picks rows "
        "of X and labels of y alike.",
        "For each batch: every p.grad back to zeros, loss = cross_entropy(model(X[batch]), "
        "y[batch]), loss.backward(), note float(loss.data).",
        "values, velocity = sgd_momentum_update([p.data for p in params], [p.grad for p in "
        "params], velocity, lr, beta), and then each p.data gets its value.",
    ),
)
def train_epoch(model, X, y, batch_size, lr, beta, velocity, rng):
    """Train a model for one epoch: once through all rows, in batches, a step for each.

    The rows come in a new random order, a single permutation drawn from rng; batch_size rows make a
    batch, and the last one may be short: its mean is over the rows that it has.

    Parameters
    ----------
    model : model(X) gives logits, a Tensor; model.parameters() is the list of its Tensors, whose
        data is what training changes. Whatever stands in their grad before does not count
    X : array of shape (n, d), one example a row
    y : array of shape (n,), labels, whole numbers from 0
    batch_size : rows in a batch; None, or n and more: all rows are one batch
    lr, beta : step size and averaging factor, as in sgd_momentum_update
    velocity : list of arrays, one for each parameter; zeros before the first epoch. It is left as
        it was, and so are the arrays in it
    rng : numpy.random.Generator, the only source of randomness

    Returns
    -------
    losses, velocity : an array of floats, the mean loss of each batch before its step; and the
        velocity after the last step, which the next epoch goes on with.

    Source: lectures A and E.
    """
    batch_size = len(X) if batch_size is None else batch_size
    params = model.parameters()
    order = rng.permutation(len(X))
    losses = []
    for start in range(0, len(X), batch_size):
        batch = order[start : start + batch_size]
        for p in params:
            p.grad = np.zeros_like(p.data)
        loss = cross_entropy(model(X[batch]), y[batch])
        loss.backward()
        losses.append(float(loss.data))
        values, velocity = sgd_momentum_update(
            [p.data for p in params], [p.grad for p in params], velocity, lr, beta
        )
        for p, value in zip(params, values, strict=True):
            p.data = value
    return np.array(losses), velocity


def _to_train(rng, n: int, batch_size: int | None, **more) -> dict:
    d, k = 2, 2
    shapes = [(d, k), (k,)]
    # Labels of a block stand together, so that a label that is left behind is another one.
    return (
        dict(
            params=[rng.normal(size=shape) for shape in shapes],
            X=rng.normal(size=(n, d)),
            y=np.sort(np.arange(n) % k),
            batch_size=batch_size,
            lr=float(rng.uniform(0.3, 0.6)),
            beta=float(rng.uniform(0.5, 0.8)),
            velocity=[rng.normal(size=shape) for shape in shapes],
            rng=FRESH_RNG,
        )
        | more
    )


# So many rows that chance leaves no order of labels as it was: of 20, one in 184,756.


@train_epoch.cases
def all_rows_from_zeros(rng):
    """All rows are one batch, and parameters and velocity start from zeros."""
    for size in (0, 4):
        n = int(rng.integers(20, 25))
        zeros = [np.zeros((2, 2)), np.zeros(2)]
        yield _to_train(rng, n, n + size, params=zeros, velocity=list(zeros))


@train_epoch.cases
def all_rows(rng):
    """batch_size is None: all rows are one batch."""
    return _to_train(rng, int(rng.integers(20, 25)), None)


# So many rows that chance makes no two orders equal: 1 / 14! is 1e-11.


@train_epoch.cases
def batches_that_fit(rng):
    """The batch size divides the number of rows."""
    return _to_train(rng, 16, 4, again=True)


@train_epoch.cases
def a_short_batch(rng):
    """The last batch is short."""
    size = int(rng.integers(6, 9))
    return _to_train(rng, 2 * size + int(rng.integers(2, size - 2)), size, again=True)


@train_epoch.cases
def row_by_row(rng):
    """A batch is one row."""
    return _to_train(rng, int(rng.integers(14, 16)), 1)


@train_epoch.cases
def grad_left_over(rng):
    """Something stands in the parameters' grad already."""
    return _to_train(rng, 16, 8, left_over=float(rng.uniform(0.5, 1.0)))


@train_epoch.property(
    "The model was given rows that X does not have.",
    hint="X[batch], with batch a piece of a permutation of range(len(X)).",
)
def rows_of_the_data(answer, case):
    return all(min(rows, default=0) >= 0 for epoch in epoch_batches(answer) for rows in epoch)


@train_epoch.property(
    "All rows are one batch, whatever batch_size says.", mistake="all_rows_each_time"
)
def no_larger_than_a_batch(answer, case):
    n = len(case.args["y"])
    if max(lengths_of(n, case.args["batch_size"])) == n:
        return True
    return not any(sorted(rows) == list(range(n)) for e in epoch_batches(answer) for rows in e)


@train_epoch.property("A batch has one row too few.", mistake="slice_one_short")
def batches_end_where_they_should(answer, case):
    size = max(lengths_of(len(case.args["y"]), case.args["batch_size"]))
    return size == 1 or not any(
        epoch and len(epoch[0]) == size - 1 for epoch in epoch_batches(answer)
    )


@train_epoch.property("The short batch is filled up.", mistake="short_batch_filled")
def short_batch_stays_short(answer, case):
    n, size = len(case.args["y"]), case.args["batch_size"] or len(case.args["y"])
    if n % size == 0:
        return True
    for epoch in epoch_batches(answer):
        before = [row for rows in epoch[:-1] for row in rows]
        as_many = [len(rows) for rows in epoch] == [size] * -(-n // size)
        if as_many and len(set(before)) == len(before):
            return False
    return True


@train_epoch.property(
    "In an epoch some rows come twice, and others not at all.", mistake="drawn_with_replacement"
)
def no_row_twice(answer, case):
    rows = [[row for batch in epoch for row in batch] for epoch in epoch_batches(answer)]
    return all(len(set(seen)) == min(len(seen), len(case.args["y"])) for seen in rows)


@train_epoch.property("Some rows are in no batch.", mistake="leftover_dropped")
def no_row_left_over(answer, case):
    n, size = len(case.args["y"]), case.args["batch_size"] or len(case.args["y"])
    seen = [[len(rows) for rows in epoch] for epoch in epoch_batches(answer)]
    return n % size == 0 or [size] * (n // size) not in seen


@train_epoch.property("The model was never called.", hint="loss = cross_entropy(model(...), ...).")
def the_model_is_asked(answer, case):
    return all(len(epoch) > 0 for epoch in epoch_batches(answer))


@train_epoch.property("An epoch ends after its first batch.", mistake="first_batch_alone")
def more_than_a_batch(answer, case):
    wanted = lengths_of(len(case.args["y"]), case.args["batch_size"])
    return len(wanted) == 1 or not any(
        [len(rows) for rows in epoch] == wanted[:1] for epoch in epoch_batches(answer)
    )


@train_epoch.property(
    "The batches are not those of an epoch: all rows, batch_size at a time, and only the last one "
    "may be shorter.",
    hint="range(0, n, batch_size) gives the places where batches begin.",
)
def whole_epochs(answer, case):
    wanted = lengths_of(len(case.args["y"]), case.args["batch_size"])
    return all([len(rows) for rows in epoch] == wanted for epoch in epoch_batches(answer))


@train_epoch.property("The rows are not shuffled.", mistake="rows_in_order")
def rows_are_shuffled(answer, case):
    n = len(case.args["y"])
    if max(lengths_of(n, case.args["batch_size"])) == n:
        return True
    return not any(
        np.array_equal(np.concatenate(epoch), np.arange(n)) for epoch in epoch_batches(answer)
    )


@train_epoch.property("Both epochs have the same batches.", mistake="one_order")
def a_new_order_each_epoch(answer, case):
    epochs = [[sorted(rows) for rows in epoch] for epoch in epoch_batches(answer)]
    return len(epochs) < 2 or epochs[0] != epochs[1]


@train_epoch.property(
    "The order of the rows does not come from the rng passed in.", mistake="not_from_the_rng"
)
def same_order_from_a_twin(answer, case):
    twins = answer.get("batches of a twin of rng")
    return twins is None or twins == answer["first epoch"]["batches"]


@train_epoch.property("The velocity comes back first.", mistake="other_way_round")
def losses_come_first(answer, case):
    return not answer["first epoch"]["velocity comes first"]


@train_epoch.property("The losses are Tensors, not numbers.", mistake="losses_are_tensors")
def losses_are_numbers(answer, case):
    return not answer["first epoch"]["losses are Tensors"]


@train_epoch.property("There is one loss, not one for each batch.", mistake="one_loss")
def a_loss_for_each_batch(answer, case):
    told = answer["first epoch"]
    if one_batch(answer) or np.size(told["losses"]) != 1 or told["losses"] is None:
        return True
    losses = replay(case, case.args["params"], case.args["velocity"], told["batches"])[0]
    return not np.any(np.isclose(told["losses"], np.mean(losses)))


@train_epoch.property(
    "There is not one loss for each batch, in one array.",
    hint="Note float(loss.data) for each batch, and return np.array(losses).",
    last=True,
)
def as_many_losses(answer, case):
    told = answer["first epoch"]
    return np.shape(told["losses"]) == (len(told["batches"]),)


@train_epoch.property("All gradients are 0 at the step.", mistake="no_gradients")
def gradients_reach_the_step(answer, case):
    return not went_wrong(answer, case, "no gradients")


@train_epoch.property("The parameters of the model are as they were.", mistake="model_left_alone")
def the_model_learns(answer, case):
    before, after = case.args["params"], answer["first epoch"]["params"]
    return not all(map(np.array_equal, before, after))


@train_epoch.property("There is one step in the epoch.", mistake="one_step")
def a_step_for_each_batch(answer, case):
    return not went_wrong(answer, case, "one step")


@train_epoch.property(
    "The labels do not go with the rows: X is shuffled, y is not.", mistake="labels_left_behind"
)
def labels_go_along(answer, case):
    return not went_wrong(answer, case, "labels in order")


@train_epoch.property("Rows get the labels of others.", mistake="shuffled_apart")
def each_row_its_own_label(answer, case):
    """Of a few rows the loss tells which labels they were given."""
    y, told = case.args["y"], answer["first epoch"]
    few = 1 < len(told["batches"]) == np.size(told["losses"]) and max(map(len, told["batches"])) < 9
    if not few or comes_out(answer, case):
        return True
    dealt = []
    for i, rows in enumerate(told["batches"]):
        for labels in itertools.product(range(max(y) + 1), repeat=len(rows)):
            tried = [*dealt, np.array(labels)]
            start, seen = (case.args["params"], case.args["velocity"]), told["batches"][: i + 1]
            if is_near(told["losses"][i], replay(case, *start, seen, dealt=tried)[0][i]):
                dealt = tried
                break
        else:
            return True
    given, right = np.concatenate(dealt), y[np.concatenate(told["batches"])]
    return np.array_equal(given, right) or not np.array_equal(np.sort(given), np.sort(y))


@train_epoch.property("The losses are those after the steps.", mistake="loss_afterwards")
def losses_before_the_step(answer, case):
    return not went_wrong(answer, case, "loss afterwards")


@train_epoch.property("The gradients of earlier batches are still there.", mistake="not_cleared")
def gradients_are_cleared(answer, case):
    return not went_wrong(answer, case, "not cleared")


@train_epoch.property("What stood in grad before the epoch counts.", mistake="cleared_afterwards")
def cleared_before_the_first(answer, case):
    return not went_wrong(answer, case, "cleared afterwards")


@train_epoch.property(
    "The short batch is averaged as if it were full.", mistake="short_batch_as_full"
)
def own_length_of_the_short_batch(answer, case):
    return not went_wrong(answer, case, "as if full")


@train_epoch.property("The velocity is lost after each batch.", mistake="velocity_anew")
def velocity_is_kept(answer, case):
    return one_batch(answer) or not went_wrong(answer, case, "velocity anew")


@train_epoch.property("The velocity that was given is not used.", mistake="velocity_from_zero")
def velocity_goes_on(answer, case):
    return one_batch(answer) or not went_wrong(answer, case, "velocity from zero")


@train_epoch.property("Each batch has the velocity of the start.", mistake="velocity_of_the_start")
def velocity_goes_from_batch_to_batch(answer, case):
    return not went_wrong(answer, case, "velocity of the start")


@train_epoch.property("The velocity never changes.", mistake="velocity_stays")
def velocity_takes_gradients_in(answer, case):
    return one_batch(answer) or not went_wrong(answer, case, "velocity stays")


@train_epoch.property("The new gradient is not scaled by (1 - beta).", mistake="without_the_share")
def share_of_the_gradient(answer, case):
    return not went_wrong(answer, case, "not scaled")


@train_epoch.property("The steps go uphill.", mistake="climbs")
def down_the_loss(answer, case):
    return not went_wrong(answer, case, "uphill")


@train_epoch.property("lr and beta are exchanged.", mistake="lr_for_beta")
def lr_before_beta(answer, case):
    return not went_wrong(answer, case, "exchanged")


@train_epoch.property("The losses are summed over a batch.", mistake="losses_summed")
def mean_over_the_batch(answer, case):
    return not went_wrong(answer, case, "losses summed")


@public
def piece_is_off(answer, case, piece):
    """Whether one of the three things that an epoch leaves is not what its batches give."""
    told = answer["first epoch"]
    wanted = replay(case, case.args["params"], case.args["velocity"], told["batches"])
    pairs = zip(told[piece], wanted[("losses", "params", "velocity").index(piece)], strict=True)
    return not all(
        np.shape(g) == np.shape(w) and np.allclose(g, w, rtol=1e-6, atol=1e-9) for g, w in pairs
    )


@train_epoch.property("The velocity that was given comes back.", mistake="old_velocity")
def velocity_comes_back(answer, case):
    back, given = answer["first epoch"]["velocity"], case.args["velocity"]
    as_it_was = len(back) == len(given) and all(map(np.array_equal, back, given))
    return one_batch(answer) or piece_is_off(answer, case, "params") or not as_it_was


@train_epoch.property(
    "The parameters of the model are not where the steps lead to.",
    hint="One step of sgd_momentum_update for each batch, with the velocity of the one before.",
    last=True,
)
def parameters_are_right(answer, case):
    return not piece_is_off(answer, case, "params")


@train_epoch.property(
    "The losses are not the mean losses of the batches before their steps.",
    hint="loss = cross_entropy(model(X[batch]), y[batch]) is the mean of a batch already.",
    last=True,
)
def losses_are_right(answer, case):
    return not piece_is_off(answer, case, "losses")


@train_epoch.property(
    "The velocity that comes back is not the one after the last step.",
    hint="return np.array(losses), velocity, after the loop: a list of one array for each "
    "parameter.",
    last=True,
)
def velocity_is_right(answer, case):
    told = answer["first epoch"]
    return len(told["velocity"]) == len(told["params"]) and not piece_is_off(
        answer, case, "velocity"
    )


@train_epoch.property(
    "In a second epoch the velocity that came back from the first is not gone on with.",
    hint="Use the velocity that is passed in, and nothing that is kept elsewhere.",
)
def second_epoch_goes_on(answer, case):
    one, two = answer["first epoch"], answer.get("second epoch")
    if two is None:
        return True
    _, params, velocity = replay(case, one["params"], one["velocity"], two["batches"])
    got, wanted = [*two["params"], *two["velocity"]], [*params, *velocity]
    return all(np.allclose(g, w, rtol=1e-6, atol=1e-9) for g, w in zip(got, wanted, strict=True))


_ORDER = "order = rng.permutation(len(X))"
_BATCH = "batch = order[start : start + batch_size]"
_LOSS = "cross_entropy(model(X[batch]), y[batch])"
_CLEAR = "p.grad = np.zeros_like(p.data)"
_NOTE = "losses.append(float(loss.data))"
_PUT = "            p.data = value\n"

train_epoch.slips(
    none_not_handled=slip(
        {"len(X) if batch_size is None else batch_size": "batch_size"},
        "batch_size may be None: all rows are then one batch.",
        hint="if batch_size is None: batch_size = len(X), before the loop.",
    ),
    all_rows_each_time=slip(
        {_LOSS: "cross_entropy(model(X), y)"},
        "Every step uses all rows, not those of its batch.",
        hint="model(X[batch]) and y[batch].",
    ),
    drawn_with_replacement=slip(
        {_ORDER: "order = rng.integers(0, len(X), len(X))"},
        "The rows are drawn with replacement: in an epoch some come twice, and others not at all.",
        hint="rng.permutation(len(X)) has each number once.",
    ),
    slice_one_short=slip(
        {_BATCH: "batch = order[start : start + batch_size - 1]"},
        "Each batch has one row too few.",
        hint="A slice ends before its second number: order[start : start + batch_size].",
    ),
    short_batch_filled=slip(
        {_BATCH: "batch = order[max(0, min(start, len(X) - batch_size)) :][:batch_size]"},
        "The last batch is filled up with rows that had their turn; it may be short.",
        hint="order[start : start + batch_size] ends where order ends. Its mean is over the rows "
        "that it has.",
    ),
    leftover_dropped=slip(
        {"range(0, len(X), batch_size)": "range(0, len(X) - batch_size + 1, batch_size)"},
        "The short batch at the end is dropped: some rows are never used.",
        hint="Let the loop go to len(X). A slice that goes beyond the end is just short.",
    ),
    first_batch_alone=slip(
        {"    return np.array": "        return np.array"},
        "An epoch ends after its first batch.",
        hint="The return belongs after the loop over the batches, not inside.",
    ),
    rows_in_order=slip(
        {_ORDER: "order = np.arange(len(X))"},
        "The rows are not shuffled.",
        hint="rng.permutation(len(X)) gives a random order.",
    ),
    one_order=slip(
        {_ORDER: "order = np.random.default_rng(0).permutation(len(X))"},
        "Every epoch has the same batches: the order is not drawn anew.",
        hint="Draw from the rng that is passed in, in each call; one that is made inside starts "
        "again each time.",
    ),
    not_from_the_rng=slip(
        {_ORDER: "order = np.random.default_rng().permutation(len(X))"},
        "The order of the rows does not come from the rng passed in.",
        hint="rng.permutation(...), not np.random.permutation(...).",
    ),
    shuffled_apart=slip(
        {
            _LOSS: "cross_entropy(model(X[batch]), y[others[start : start + batch_size]])",
            _ORDER: f"{_ORDER}\n    others = rng.permutation(len(X))",
        },
        "X and y are shuffled each by itself: rows get the labels of others.",
        hint="Draw one order, and use it for both: X[batch] and y[batch].",
    ),
    losses_are_tensors=slip(
        {_NOTE: "losses.append(loss)", "np.array(losses)": "losses"},
        "The losses are Tensors: each of them keeps its whole graph alive.",
        hint="float(loss.data) is the number.",
    ),
    other_way_round=slip(
        {"np.array(losses), velocity": "velocity, np.array(losses)"},
        "The two come back in the other order: first the losses, then the velocity.",
        hint="return np.array(losses), velocity",
    ),
    one_loss=slip(
        {"np.array(losses)": "np.mean(losses)"},
        "The losses are averaged; there should be one for each batch.",
        hint="return np.array(losses), velocity",
    ),
    no_gradients=slip(
        {"loss.backward()": "pass"},
        "All gradients are 0 when the step is taken: is backward() missing, or are they cleared "
        "after it?",
        hint="Clear them, then loss.backward(), then the step.",
    ),
    one_step=slip(
        {_PUT: "            p.data = p.data if start + batch_size < len(X) else value\n"},
        "All losses are those of the network that came in: it changes once, at the end, and not "
        "with each batch.",
        hint="The step belongs into the loop: the next batch meets the parameters after it.",
    ),
    model_left_alone=slip(
        {_PUT: "            p = Tensor(value)\n"},
        "The model is as it was: its parameters were not changed, only a name of yours was.",
        hint="p = ... binds the name p anew. p.data = ... changes the Tensor that the model holds.",
    ),
    labels_left_behind=slip(
        {_LOSS: "cross_entropy(model(X[batch]), y[start : start + batch_size])"},
        "The labels do not go with the rows: X is shuffled, and y is not.",
        hint="The same indices for both: X[batch] and y[batch].",
    ),
    loss_afterwards=slip(
        {
            _NOTE: "pass",
            _PUT: _PUT + f"        losses.append(float({_LOSS}.data))\n",
        },
        "The loss of each batch is taken after its step; it should be the one before.",
        hint="Note the loss that you called backward() on.",
    ),
    not_cleared=slip(
        {_CLEAR: "pass"},
        "The gradients are never cleared: those of earlier batches pile up.",
        hint="backward() adds. Before each: p.grad = np.zeros_like(p.data), for every parameter.",
    ),
    cleared_afterwards=slip(
        {_CLEAR: "pass", _PUT: _PUT + "            p.grad = np.zeros_like(p.data)\n"},
        "What stood in grad before the epoch counts in the first batch: the gradients are cleared "
        "after each step, and not before the first.",
        hint="Clear them right before backward(), and nothing old can be in them.",
    ),
    short_batch_as_full=slip(
        {_LOSS: f"{_LOSS} * (len(batch) / min(batch_size, len(X)))"},
        "The last batch is averaged as if it were full: a short one has too small a loss.",
        hint="Divide by len(batch), not by batch_size; cross_entropy does.",
    ),
    velocity_anew=slip(
        {
            "[p.grad for p in params], velocity,": "[p.grad for p in params], "
            "[0 * v for v in velocity],"
        },
        "The velocity starts from zeros in each batch: momentum is lost.",
        hint="What sgd_momentum_update gives back goes into its next call.",
    ),
    velocity_from_zero=slip(
        {_ORDER: f"{_ORDER}\n    velocity = [np.zeros_like(p.data) for p in params]"},
        "The velocity that is passed in is not used: each epoch starts from rest.",
        hint="The argument is where the last epoch stopped. Zeros come from outside, once.",
    ),
    velocity_of_the_start=slip(
        {
            "values, velocity = sgd": "values, new = sgd",
            "np.array(losses), velocity": "np.array(losses), new",
        },
        "Every batch has the velocity that was passed in: none goes on from the batch before.",
        hint="values, velocity = sgd_momentum_update(..., velocity, lr, beta).",
    ),
    velocity_stays=slip(
        {"values, velocity = sgd": "values, _ = sgd"},
        "The velocity never changes: what an update gives back is thrown away.",
        hint="values, velocity = sgd_momentum_update(...).",
    ),
    without_the_share=slip(
        {"[p.grad for p in params], velocity": "[p.grad / (1 - beta) for p in params], velocity"},
        "The new gradient is not scaled by (1 - beta): that is PyTorch's form.",
        hint="sgd_momentum_update does it; call it.",
    ),
    lr_for_beta=slip(
        {"velocity, lr, beta\n": "velocity, beta, lr\n"},
        "lr and beta are exchanged where the update is called.",
        hint="sgd_momentum_update(params, grads, velocity, lr, beta): lr comes first.",
    ),
    climbs=slip(
        {"velocity, lr, beta\n": "velocity, -lr, beta\n"},
        "The steps go uphill: the loss rises.",
        hint="sgd_momentum_update steps against the velocity already.",
    ),
    losses_summed=slip(
        {_NOTE: "losses.append(float(loss.data) * len(batch))"},
        "The losses are summed over a batch; each should be a mean.",
        hint="cross_entropy gives the mean already: note it as it is.",
    ),
    old_velocity=slip(
        {
            _ORDER: f"{_ORDER}\n    before = velocity",
            "np.array(losses), velocity": "np.array(losses), before",
        },
        "The velocity that comes back is the one that was given: the next epoch would start again "
        "from there.",
        hint="Return the velocity after the last step.",
    ),
)


# An experiment


@public
def an_experiment(function, config, data, again=False):
    """What an experiment gives back, and, where asked for, the train losses of the same once more
    and with another seed."""
    same, other = copy.deepcopy((config, data)), copy.deepcopy((config, data))
    other[0]["seed"] += 1
    began = time.perf_counter()
    answer = function(config, data)
    whole = time.perf_counter() - began
    names = ("train_loss", "test_loss", "test_accuracy", "epoch_seconds")
    made = {name: answer[name] for name in names}
    made["Tensors are kept"] = any(
        is_tensor(thing) for name in names[:2] for thing in items_of(made[name])
    )
    for name in names[:2] if made["Tensors are kept"] else ():
        kept = items_of(made[name])
        made[name] = [float(thing.data if is_tensor(thing) else thing) for thing in kept]
    seconds = np.asarray(made.pop("epoch_seconds"), dtype=float)
    made["epochs that were timed"] = seconds.size
    made["times are at least 0"] = bool(np.all(seconds >= 0))
    # With room for a clock that ticks seldom.
    made["times are no longer than all of it"] = bool(np.sum(seconds) <= 2 * whole + 1)
    if again:
        made["the same seed"] = function(*same)["train_loss"]
        made["another seed"] = function(*other)["train_loss"]
    return made


@public
def is_exact(case):
    """Whether no chance is in a case: all rows are one batch, and the weights start alike."""
    n = len(case.args["data"]["y_train"])
    size = case.args["config"]["batch_size"]
    return case.args["config"]["init"] in ("zeros", "ones") and (size is None or size >= n)


@public
def same_numbers(one, other):
    """Whether two curves are the same, up to a digit that another order of sums may change."""
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9)


@public
def softmax_of(b):
    """The shares of a network whose logits are its last biases b, whatever comes in."""
    e = np.exp(b - b.max())
    return e / e.sum()


@public
def from_zeros(case, how=""):
    """All rows in one batch, from zeros: the test loss and the accuracy in training, epoch by
    epoch. how: nothing, or the one thing that is done in another way."""
    config, data = case.args["config"], case.args["data"]
    train, test = data["y_train"], data["y_test"]
    y = np.concatenate([train, test]) if how == "trained on all rows" else train
    lr, beta = config["lr"], 0.0 if how == "without momentum" else config["beta"]
    if how == "exchanged":
        lr, beta = beta, lr
    state = (np.zeros(1 + max(train.max(), test.max())),) * 2
    seen = [state[0]]
    for _ in range(config["epochs"]):
        if how == "from rest each epoch":
            state = (state[0], 0 * state[1])
        b, v = state
        v = beta * v + (1 - beta) * (softmax_of(b) - np.bincount(y, minlength=len(b)) / len(y))
        state = (b - lr * v, v)
        seen.append(state[0])
    return {
        "test_loss": [-np.mean(np.log(softmax_of(b)[test])) for b in seen],
        "accuracy in training": [np.mean(train == np.argmax(b)) for b in seen],
    }


@public
def happened(answer, case, how):
    """Whether the test loss from zeros is that of one thing done in another way."""
    from_all_zeros = is_exact(case) and case.args["config"]["init"] == "zeros"
    return from_all_zeros and same_numbers(answer["test_loss"], from_zeros(case, how)["test_loss"])


@public
def orders_taken(answer, case):
    """For each epoch an order of its rows that leads from one test loss to the next. Every order
    of a few rows is tried, from zeros, and the nearest counts; None where that is not near."""
    data, (lr, beta) = case.args["data"], (case.args["config"][name] for name in ("lr", "beta"))
    y, shares = data["y_train"], np.bincount(data["y_test"]) / len(data["y_test"])
    orders, labels = np.array([*itertools.permutations(range(len(y)))]), np.eye(len(shares))
    b, v = np.zeros((2, len(orders), len(shares)))
    taken = []
    for wanted in answer["test_loss"][1:]:
        for rows in orders.T:
            e = np.exp(b - b.max(axis=1, keepdims=True))
            v = beta * v + (1 - beta) * (e / e.sum(axis=1, keepdims=True) - labels[y[rows]])
            b = b - lr * v
        losses = np.log(np.exp(b - b.max(axis=1, keepdims=True)).sum(axis=1)) + b.max(axis=1)
        losses -= b @ shares
        i = np.argmin(np.abs(losses - wanted))
        if not np.isclose(losses[i], wanted, rtol=1e-6):
            return None
        taken.append(tuple(orders[i]))
        b, v = np.tile(b[i], (len(orders), 1)), np.tile(v[i], (len(orders), 1))
    return taken


@exercise(
    points=4,
    by_value=False,
    probe=an_experiment,
    hints=(
        "It is a loop over epochs around train_epoch. What must be there before the loop, and what "
        "is to be looked at before the first epoch?",
        "One rng = np.random.default_rng(config['seed']) for everything; the sizes are the columns "
        "of X_train, then hidden, then the number of classes; the velocity starts as zeros.",
        "Look at the model epochs + 1 times, at all rows: model(X_train) and model(X_test). What "
        "train_epoch gives back are losses on the way, of a model that is changing.",
        "np.mean(logits.data.argmax(axis=1) == y_test); time.perf_counter() before and after "
        "train_epoch, not around the looking.",
    ),
)
def run_experiment(config, data):
    """Train a network as config says, and look at it before the first epoch and after each.

    Everything random comes from one rng = numpy.random.default_rng(seed): first the weights of
    MLP(sizes, rng, init), then the order of the rows of each epoch. So a config gives the same
    curves again. The velocity starts as zeros, and is carried from epoch to epoch.

    Parameters
    ----------
    config : dict with
        hidden : list of the sizes of the hidden layers
        init : one of Linear's
        batch_size : rows in a batch, None for all
        lr, beta : step size and averaging factor
        epochs : number of epochs, 0 or more
        seed : whole number
    data : dict with arrays X_train (n, d), y_train (n,), X_test (m, d), y_test (m,); labels are
        whole numbers from 0, and there are as many classes as the largest label of both says

    Returns
    -------
    dict with
        train_loss, test_loss : arrays of shape (epochs + 1,), the mean loss over all rows of the
            training set and of the test set, before the first epoch and after each
        test_accuracy : array of shape (epochs + 1,), the share of test rows whose largest logit is
            that of their label
        epoch_seconds : array of shape (epochs,), what each epoch of training took on the clock

    The arguments are left as they were. Test rows are looked at, and never trained on.

    Source: lecture E.
    """
    X, y = data["X_train"], data["y_train"]
    rng = np.random.default_rng(config["seed"])
    classes = int(max(y.max(), data["y_test"].max())) + 1
    model = MLP([X.shape[1], *config["hidden"], classes], rng, config["init"])
    velocity = [np.zeros_like(p.data) for p in model.parameters()]
    names = ("train_loss", "test_loss", "test_accuracy")
    history = {name: [] for name in names}

    def look():
        logits = model(data["X_test"])
        history["train_loss"].append(float(cross_entropy(model(X), y).data))
        history["test_loss"].append(float(cross_entropy(logits, data["y_test"]).data))
        history["test_accuracy"].append(float(np.mean(logits.data.argmax(1) == data["y_test"])))

    look()
    seconds = []
    for _ in range(config["epochs"]):
        start = time.perf_counter()
        _, velocity = train_epoch(
            model, X, y, config["batch_size"], config["lr"], config["beta"], velocity, rng
        )
        seconds.append(time.perf_counter() - start)
        look()
    return {name: np.array(history[name]) for name in names} | {"epoch_seconds": np.array(seconds)}


def _classes(rng, counts: list[int], d: int) -> tuple[Array, Array]:
    """So many rows of each class, each class around a place of its own, in a random order."""
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return np.abs(rng.normal(size=(len(counts), d)))[y] + 0.3 * rng.random((len(y), d)), y


def _experiment(rng, *, train, test, **config) -> dict:
    d = int(rng.integers(2, 4))
    X, y = _classes(rng, [a + b for a, b in zip(train, test, strict=True)], d)
    # The first rows of each class are for the test.
    rank = np.array([np.sum(y[:i] == label) for i, label in enumerate(y)])
    out = rank < np.array(test)[y]
    X_test, y_test = X[out], y[out]
    # Not in the first row is the largest of all logits, whose place would be a label.
    least = np.argmin(X_test.sum(axis=1))
    for rows in (X_test, y_test):
        rows[[0, least]] = rows[[least, 0]]
    return dict(
        config={
            "hidden": [6, 5],
            "beta": float(rng.uniform(0.5, 0.8)),
            "seed": int(rng.integers(1e6)),
        }
        | config,
        data={"X_train": X[~out], "y_train": y[~out], "X_test": X_test, "y_test": y_test},
    )


@run_experiment.cases
def all_rows_zeros(rng):
    """All rows are one batch, and the weights start as zeros: nothing is left to chance."""
    # In the first the training set has a class of its own, in the second the test set. In neither,
    # nor in both together, are two classes equally frequent: rounding would choose one.
    for size, epochs, train, test in (
        (None, 3, [8, 5, 2], [1, 5, 0]),
        (50, 2, [8, 5, 0], [1, 2, 4]),
    ):
        lr = float(rng.uniform(0.5, 1.0))
        yield _experiment(
            rng,
            train=train,
            test=test,
            init="zeros",
            batch_size=size,
            lr=lr,
            epochs=epochs,
        )


@run_experiment.cases
def all_rows_ones(rng):
    """All rows are one batch, and the weights start as ones; then without any epoch."""
    for epochs in (3, 0):
        lr = float(rng.uniform(0.002, 0.004))
        case = _experiment(
            rng,
            # There is no row of class 1.
            train=[7, 0, 4, 2],
            test=[1, 0, 2, 3],
            init="ones",
            batch_size=None,
            lr=lr,
            epochs=epochs,
        )
        yield case


@run_experiment.cases
def single_rows_zeros(rng):
    """A batch is one row, and the weights start as zeros."""
    # An order that comes eight times by chance: 24 ** -7 is 2e-10.
    return _experiment(
        rng,
        train=[1, 1, 1, 1],
        test=[1, 2, 4, 7],
        init="zeros",
        batch_size=1,
        lr=float(rng.uniform(0.4, 0.8)),
        epochs=8,
    )


class _InThisOrder:
    """Stands for the rng of an epoch whose order is known."""

    def __init__(self, order: list[int]) -> None:
        self.order = order

    def permutation(self, n: int) -> Array:
        return np.array(self.order)


def _one_left_over(rng, init: str, **more) -> Case:
    """An experiment with a batch of all rows but one, and a batch of that one: so many things may
    come of its first epoch as there are rows. Some test row is read right, whichever comes: who
    does something else with the accuracy must not be right by chance."""
    while True:
        case = _drawn_with_one_left_over(rng, init, **more)
        if case.facts["after one epoch"][:, 2].min() > 0:
            return case


def _drawn_with_one_left_over(
    rng, init: str, *, lr: float = 0.2, own_test: bool = False, **more
) -> Case:
    case = _experiment(
        rng, train=[4, 3, 2], test=[2, 2, 3], init=init, batch_size=8, lr=lr, epochs=2
    )
    config, data = case["config"] | {"hidden": [6, 5]}, case["data"]
    if not own_test:
        data |= {"X_test": data["X_train"].copy(), "y_test": data["y_train"].copy()}
    X, y, n = data["X_train"], data["y_train"], len(data["y_train"])
    ends = []
    for last in range(n):
        sizes = [X.shape[1], *config["hidden"], 3]
        model = MLP(sizes, np.random.default_rng(config["seed"]), init)
        order = _InThisOrder([*(row for row in range(n) if row != last), last])
        rest = [np.zeros_like(p.data) for p in model.parameters()]
        train_epoch(model, X, y, 8, lr, config["beta"], rest, order)
        logits = model(data["X_test"])
        right = logits.data.argmax(axis=1) == data["y_test"]
        losses = (cross_entropy(model(X), y), cross_entropy(logits, data["y_test"]))
        ends.append([*(float(loss.data) for loss in losses), float(np.mean(right))])
    return Case({"config": config, "data": data, **more}, {"after one epoch": np.array(ends)})


@run_experiment.cases
def he_start(rng):
    """The weights start as "he" says, a row is left over; the test set is the training set."""
    return _one_left_over(rng, "he", again=True)


@run_experiment.cases
def even_start(rng):
    """The weights start as "uniform" says, a row is left over; the test set is another."""
    return _one_left_over(rng, "uniform", own_test=True, again=True)


@run_experiment.cases
def ones_and_a_small_batch(rng):
    """The weights start as ones, and a row is left over."""
    return _one_left_over(rng, "ones", lr=0.003, own_test=True)


@run_experiment.property(
    "The curves are not of one dimension.",
    hint="One number for each look: append it to a list, and np.array(...) that.",
)
def curves_are_arrays(answer, case):
    names = ("train_loss", "test_loss", "test_accuracy")
    return all(np.ndim(answer[name]) == 1 for name in names)


@public
def begins_untrained(answer, case):
    """Whether the first test loss is that of the network before any epoch, which the seed fixes."""
    curve, wanted = answer["test_loss"], case.expected["test_loss"]
    return len(curve) > 0 and np.isclose(curve[0], wanted[0], rtol=1e-6)


@run_experiment.property("The losses are Tensors.", mistake="losses_of_tensors")
def losses_are_floats(answer, case):
    return not answer["Tensors are kept"]


@run_experiment.property("There is an epoch too many.", mistake="one_epoch_too_many")
def as_many_epochs(answer, case):
    epochs = case.args["config"]["epochs"]
    one_more = answer["epochs that were timed"] == epochs + 1
    untimed = len(answer["test_loss"]) == epochs + 1 and begins_untrained(answer, case)
    return not one_more or untimed or len(answer["test_loss"]) < epochs + 1


@run_experiment.property("The start is missing: before the first epoch.", mistake="start_missing")
def a_look_before_the_first_epoch(answer, case):
    short = 0 < len(answer["test_loss"]) == case.args["config"]["epochs"]
    return not short or begins_untrained(answer, case)


@run_experiment.property("The last epoch is missing from the curves.", mistake="end_missing")
def a_look_after_the_last_epoch(answer, case):
    short = 0 < len(answer["test_loss"]) == case.args["config"]["epochs"]
    return not (short and begins_untrained(answer, case)) and not (
        is_exact(case)
        and case.args["config"]["epochs"] > 0
        and same_numbers(answer["test_loss"][1:], case.expected["test_loss"][:-1])
    )


@run_experiment.property("It ends after its first epoch.", mistake="first_epoch_alone")
def as_long_as_config_says(answer, case):
    ends = len(answer["test_loss"]) == 2 < case.args["config"]["epochs"] + 1
    return not ends or not begins_untrained(answer, case)


@run_experiment.property(
    "A curve does not have epochs + 1 points.",
    hint="Look once before the loop, and once after each epoch.",
)
def as_many_points(answer, case):
    names = ("train_loss", "test_loss", "test_accuracy")
    return all(len(answer[name]) == case.args["config"]["epochs"] + 1 for name in names)


@run_experiment.property("epoch_seconds has a time too many.", mistake="times_of_every_look")
def no_time_before_the_first_epoch(answer, case):
    one_more = answer["epochs that were timed"] == case.args["config"]["epochs"] + 1
    return not one_more or not as_many_epochs(answer, case)


@run_experiment.property(
    "epoch_seconds does not have one time for each epoch.",
    hint="time.perf_counter() before and after train_epoch, and the difference goes into a list.",
)
def a_time_for_each_epoch(answer, case):
    return answer["epochs that were timed"] == case.args["config"]["epochs"]


# A wrong sign costs one kind of case: the curves are what it is all about.


@run_experiment.property("Times are negative.", mistake="negative_times")
def times_go_on(answer, case):
    return answer["times are at least 0"] or case.args["config"]["init"] != "uniform"


@run_experiment.property("The times add up to more than all took.", mistake="clock_readings")
def times_are_differences(answer, case):
    return answer["times are no longer than all of it"] or case.args["config"]["init"] != "uniform"


@run_experiment.property("The seed changes nothing.", mistake="seed_not_used")
def the_seed_decides(answer, case):
    losses = answer["train_loss"]
    return "another seed" not in answer or not np.array_equal(losses, answer["another seed"])


@run_experiment.property("The same config gives other curves.", mistake="not_repeatable")
def the_same_again(answer, case):
    return np.array_equal(answer["train_loss"], answer.get("the same seed", answer["train_loss"]))


@run_experiment.property(
    "train_loss is the mean of the losses on the way.", mistake="mean_on_the_way"
)
def one_yardstick_for_both(answer, case):
    if is_exact(case):
        on_the_way = case.expected["train_loss"][:-1]
        return len(on_the_way) == 0 or not same_numbers(answer["train_loss"][1:], on_the_way)
    same = np.array_equal(case.args["data"]["X_train"], case.args["data"]["X_test"])
    return not same or same_numbers(answer["train_loss"], answer["test_loss"])


@run_experiment.property("test_accuracy is that of other rows.", mistake="accuracy_in_training")
def accuracy_of_the_test_rows(answer, case):
    if not is_exact(case) or case.args["config"]["init"] != "zeros":
        return True
    right = same_numbers(answer["test_accuracy"], case.expected["test_accuracy"])
    in_training = from_zeros(case)["accuracy in training"]
    return right or not same_numbers(answer["test_accuracy"], in_training)


@run_experiment.property("The first loss is that of ten classes.", mistake="ten_outputs")
def as_many_outputs_as_classes(answer, case):
    even = case.args["config"]["init"] in ("zeros", "ones")
    return not (even and np.isclose(answer["train_loss"][0], np.log(10)))


@run_experiment.property("argmax lacks its axis.", mistake="axis_forgotten")
def a_label_for_each_row(answer, case):
    data, told = case.args["data"], answer["test_accuracy"]
    if case.args["config"]["init"] in ("zeros", "ones") or "after one epoch" not in case.facts:
        return True
    off = not np.isclose(told[0], case.expected["test_accuracy"][0])
    places = np.arange(len(data["y_test"]) * (1 + max(data["y_test"])))
    flat = np.mean(places[:, None] == data["y_test"], axis=1)
    return not off or not begins_untrained(answer, case) or not np.any(np.isclose(flat, told[0]))


@run_experiment.property("Each epoch starts from rest.", mistake="velocity_lost")
def momentum_goes_on(answer, case):
    return not happened(answer, case, "from rest each epoch")


@run_experiment.property("The test rows are trained on.", mistake="trained_on_the_test")
def test_rows_are_kept_apart(answer, case):
    return not happened(answer, case, "trained on all rows")


@run_experiment.property("beta has no effect.", mistake="momentum_ignored")
def momentum_is_used(answer, case):
    return not happened(answer, case, "without momentum")


@run_experiment.property("lr and beta are exchanged.", mistake="lr_and_beta_exchanged")
def lr_is_lr(answer, case):
    return not happened(answer, case, "exchanged")


@run_experiment.property("Every epoch has the same order of rows.", mistake="rng_anew")
def other_orders_each_epoch(answer, case):
    if case.args["config"]["batch_size"] != 1:
        return True
    taken = orders_taken(answer, case)
    return taken is None or len(set(taken)) > 1


@run_experiment.property(
    "The first loss is not that of the network that config and its seed give.",
    hint='rng = np.random.default_rng(config["seed"]), and the first thing drawn from it are the '
    "weights: MLP([columns of X_train, *hidden, classes], rng, init).",
)
def the_network_is_that_of_the_seed(answer, case):
    return starts_as(answer, case, "test_loss") or starts_as(answer, case, "train_loss")


@public
def starts_as(answer, case, name):
    """Whether a curve begins where that of the network does which the seed fixes."""
    return len(answer[name]) > 0 and same_numbers(answer[name][0], case.expected[name][0])


@public
def follows(answer, case, name):
    """Whether a curve is the expected one where nothing is left to chance, and begins like it
    where the first epoch is."""
    # From ones all logits are equal at first, and the last digit decides which is the largest.
    since = 1 if case.args["config"]["init"] == "ones" and name == "test_accuracy" else 0
    if is_exact(case):
        return same_numbers(answer[name][since:], case.expected[name][since:])
    return since == 1 or starts_as(answer, case, name)


@public
def ends_of(answer, case):
    """What may come of the first epoch whose losses are these; None where that is not known."""
    ends = case.facts.get("after one epoch")
    if ends is None:
        return None
    told = [answer[name][1] for name in ("train_loss", "test_loss")]
    return ends[np.all(np.isclose(ends[:, :2], told, rtol=1e-6, atol=1e-9), axis=1)]


@run_experiment.property(
    "No order of the rows leads to these losses.",
    hint="One call of train_epoch an epoch, with batch_size, lr and beta of the config, and the "
    "velocity of the epoch before.",
)
def some_order_fits(answer, case):
    ends = ends_of(answer, case)
    if ends is not None:
        return len(ends) > 0
    return case.args["config"]["batch_size"] != 1 or orders_taken(answer, case) is not None


@run_experiment.property(
    "train_loss is not the mean loss over all rows of the training set.",
    hint="cross_entropy(model(X_train), y_train), before the first epoch and after each.",
)
def train_loss_is_right(answer, case):
    return follows(answer, case, "train_loss")


@run_experiment.property(
    "test_loss is not the mean loss over all rows of the test set.",
    hint="cross_entropy(model(X_test), y_test), before the first epoch and after each.",
)
def test_loss_is_right(answer, case):
    return follows(answer, case, "test_loss")


@run_experiment.property(
    "test_accuracy is not the share of the test rows that are read right.",
    hint="np.mean(logits.data.argmax(axis=1) == y_test): labels against labels.",
)
def accuracy_is_right(answer, case):
    ends = ends_of(answer, case)
    one_of_them = ends is None or len(ends) == 0 or answer["test_accuracy"][1] in ends[:, 2]
    return one_of_them and follows(answer, case, "test_accuracy")


_EPOCHS = 'for _ in range(config["epochs"]):'
_SEED = 'np.random.default_rng(config["seed"])'
_MODEL = 'MLP([X.shape[1], *config["hidden"], classes], rng, config["init"])'

run_experiment.slips(
    start_missing=slip(
        {"    look()\n    seconds = []": "    seconds = []"},
        "The curves begin after the first epoch: the untrained network is missing.",
        hint="Look once before the loop. The first loss is the cheapest check that there is.",
    ),
    end_missing=slip(
        {
            "    look()\n    seconds = []": "    seconds = []",
            "        look()\n    return": "    return",
            "        start = time": "        look()\n        start = time",
        },
        "The curves end before the last epoch: each look comes before its epoch.",
        hint="Look before the loop, and then after each epoch.",
    ),
    losses_of_tensors=slip(
        {"float(cross_entropy(model(X), y).data)": "cross_entropy(model(X), y)"},
        "The losses are Tensors: each of them keeps its whole graph alive.",
        hint="float(loss.data) is the number.",
    ),
    first_epoch_alone=slip(
        {"    return {name: np.array": "        return {name: np.array"},
        "It ends after its first epoch.",
        hint="The return belongs after the loop over the epochs, not inside.",
    ),
    one_epoch_too_many=slip(
        {_EPOCHS: 'for _ in range(config["epochs"] + 1):'},
        "One epoch too many is trained.",
        hint='The look at the start is before the loop: for _ in range(config["epochs"]).',
    ),
    clock_readings=slip(
        {"time.perf_counter() - start": "time.perf_counter()"},
        "epoch_seconds holds what the clock said, not how long an epoch took.",
        hint="The difference of two readings: one before the epoch, one after it.",
    ),
    negative_times=slip(
        {"time.perf_counter() - start": "start - time.perf_counter()"},
        "The times are negative.",
        hint="The later reading of the clock, minus the earlier one.",
    ),
    axis_forgotten=slip(
        {"logits.data.argmax(1)": "logits.data.argmax()"},
        "argmax without an axis gives one place in all logits, not a label for each row.",
        hint="logits.data.argmax(axis=1).",
    ),
    times_of_every_look=slip(
        {"seconds = []": "seconds = [0.0]"},
        "epoch_seconds has one time too many: before the first epoch nothing is timed.",
        hint="Losses have epochs + 1 points; times have one for each epoch.",
    ),
    seed_not_used=slip(
        {_SEED: "np.random.default_rng(0)"},
        "Another seed gives the same curves: config['seed'] is not used.",
        hint="rng = np.random.default_rng(config['seed']).",
    ),
    not_repeatable=slip(
        # The build seeds NumPy's own generator, so that this is the same each time for it alone.
        {_SEED: "np.random.default_rng(np.random.randint(2**31))"},
        "The same config gives other curves each time: nobody could repeat the experiment.",
        hint="rng = np.random.default_rng(config['seed']), and everything random comes from it.",
    ),
    rng_anew=slip(
        {_EPOCHS: f"{_EPOCHS}\n        rng = {_SEED}"},
        "Every epoch has the same order of rows: the random generator is made anew for each.",
        hint="Make one rng, before the loop, and go on with it.",
    ),
    mean_on_the_way=slip(
        {
            "_, velocity = train": "losses, velocity = train",
            "        look()\n    return": "        look()\n"
            "        history['train_loss'][-1] = float(np.mean(losses))\n    return",
        },
        "train_loss is the mean of the losses on the way, of a network that was still changing.",
        hint="Put all training rows through the network after the epoch: both curves then measure "
        "the same network.",
    ),
    accuracy_in_training=slip(
        {'logits.data.argmax(1) == data["y_test"]': "model(X).data.argmax(1) == y"},
        "test_accuracy is the accuracy on the training rows.",
        hint="What counts is how it reads rows that it has never seen: X_test and y_test.",
    ),
    accuracy_in_percent=slip(
        {"float(np.mean(logits": "float(100 * np.mean(logits"},
        "test_accuracy is in percent; it should be a share, from 0 to 1.",
        hint="The mean of right (1) and wrong (0) is the share.",
    ),
    hits_counted=slip(
        {"float(np.mean(logits": "float(np.sum(logits"},
        "test_accuracy counts the rows that are read right; it should be their share.",
        hint="np.mean, not np.sum.",
    ),
    test_loss_in_training=slip(
        {'cross_entropy(logits, data["y_test"])': "cross_entropy(model(X), y)"},
        "test_loss is the loss of the training rows.",
        hint="X_test and y_test.",
    ),
    velocity_lost=slip(
        {"_, velocity = train_epoch": "train_epoch"},
        "Each epoch starts from rest: the velocity is not carried from epoch to epoch.",
        hint="_, velocity = train_epoch(...), and that goes into the next call.",
    ),
    trained_on_the_test=slip(
        {
            "model, X, y, config": "model, np.concatenate([X, data['X_test']]), "
            "np.concatenate([y, data['y_test']]), config"
        },
        "The test rows are trained on, too: nothing is left that could tell how it reads new ones.",
        hint="train_epoch gets X_train and y_train, and nothing else.",
    ),
    trained_on_the_test_alone=slip(
        {"model, X, y, config": "model, data['X_test'], data['y_test'], config"},
        "It is trained on the test rows.",
        hint="train_epoch gets X_train and y_train.",
    ),
    lr_and_beta_exchanged=slip(
        {'config["lr"], config["beta"]': 'config["beta"], config["lr"]'},
        "lr and beta are exchanged where train_epoch is called.",
        hint="train_epoch takes lr, then beta.",
    ),
    momentum_ignored=slip(
        {'config["lr"], config["beta"]': 'config["lr"], 0.0'},
        "beta is not handed on: there is no momentum.",
        hint="train_epoch takes lr, then beta.",
    ),
    start_ignored=slip(
        {_MODEL: _MODEL.replace(', config["init"]', "")},
        "init is not handed on: the network always starts with the default.",
        hint='MLP(sizes, rng, config["init"]).',
    ),
    hidden_ignored=slip(
        {_MODEL: _MODEL.replace('*config["hidden"], ', "")},
        "The network has no hidden layers, whatever config says.",
        hint='[columns of X_train, *config["hidden"], classes].',
    ),
    first_hidden_alone=slip(
        {_MODEL: _MODEL.replace('*config["hidden"], ', '*config["hidden"][:1], ')},
        "The network has one hidden layer, whatever config says.",
        hint='All of them: [columns of X_train, *config["hidden"], classes].',
    ),
    classes_of_the_training=slip(
        {'max(y.max(), data["y_test"].max())': "y.max()"},
        "A class that is in the test set alone has no output.",
        hint="The largest label of both sets, plus 1.",
    ),
    classes_of_the_test=slip(
        {'max(y.max(), data["y_test"].max())': 'data["y_test"].max()'},
        "A class that is in the training set alone has no output.",
        hint="The largest label of both sets, plus 1.",
    ),
    classes_counted=slip(
        {
            'int(max(y.max(), data["y_test"].max())) + 1': (
                'len(np.unique(np.append(y, data["y_test"])))'
            )
        },
        "The labels that occur are counted: where one does not occur, the last has no output.",
        hint="The largest label of both sets, plus 1, whether or not all the others have rows.",
    ),
    ten_outputs=slip(
        {'int(max(y.max(), data["y_test"].max())) + 1': "10"},
        "The network has ten outputs, however many classes there are.",
        hint="Other data have other classes. The largest label of both sets, plus 1.",
    ),
    batches_ignored=slip(
        {'X, y, config["batch_size"]': "X, y, None"},
        "All rows are one batch, whatever config says.",
        hint='Hand config["batch_size"] on to train_epoch.',
    ),
    new_network_each_epoch=slip(
        {_EPOCHS: f"{_EPOCHS}\n        model = {_MODEL}"},
        "Each epoch starts from a new network: nothing adds up.",
        hint="Make the network once, before the loop.",
    ),
)
