"""Chapter 5, adaptive step sizes and Adam: references, cases and known mistakes."""

import numpy as np

from autograder.exercise import Case, exercise
from autograder.slips import slip

Array = np.ndarray


def _signed(rng, d: int, low: float = 0.5, high: float = 3.0) -> Array:
    """Numbers of either sign, none of them near zero; where there are several, some of both."""
    signs = rng.choice([-1.0, 1.0], d)
    if d > 1:
        signs[rng.permutation(d)[:2]] = -1.0, 1.0
    return signs * rng.uniform(low, high, d)


def _here(rng, d: int, size: float = 1.0) -> dict:
    """Where a step begins, and the gradient there, about `size`."""
    return dict(theta=rng.normal(size=d), grad=size * _signed(rng, d))


def _averages(rng, d: int, t: int, beta1: float, beta2: float, size: float = 1.0) -> dict:
    """m and v as Adam has them before step t, when gradients are about `size`."""
    shares = 1 - beta1 ** (t - 1), 1 - beta2 ** (t - 1)
    return dict(
        m=shares[0] * size * rng.normal(size=d), v=shares[1] * (size * _signed(rng, d)) ** 2
    )


def _adam_case(rng, t: int, *, size: float = 1.0, **more) -> dict:
    """Step t of Adam, with hyperparameters of its own; the betas differ."""
    d, betas = rng.integers(2, 5), dict(beta1=rng.uniform(0.5, 0.85), beta2=rng.uniform(0.9, 0.99))
    here = _here(rng, d, size)
    averages = _averages(rng, d, t, **betas, size=size)
    return dict(**here, **averages, t=t, lr=rng.uniform(0.05, 0.5), **betas, **more)


def _tiny(args: dict) -> Case:
    """Squares of tiny slopes lie far below the usual tolerance: here it is relative alone."""
    return Case(args, atol=1e-25)


def _three_tiny_one_flat(rng) -> Array:
    """Slopes about as small as the default eps, and one that is zero."""
    return 1e-8 * np.append(_signed(rng, 3), 0.0)


def _large_eps(rng) -> float:
    """So large that it matters where it stands."""
    return rng.uniform(0.1, 1.0)


@exercise(
    points=1,
    whole=(
        "theta",
        "grad",
    ),
    atol=1e-7,
    hints=(
        "How large is a number divided by its own size? What is left of it?",
        "The size of each component is np.abs(grad); eps is added to the size, outside of it.",
        "Divide grad by (its size + eps), component by component, and step against that.",
    ),
)
def normalized_step(theta: Array, grad: Array, lr: float, eps: float = 1e-8) -> Array:
    """One step of normalised gradient descent: every component moves by about lr.

    Each component of the gradient is divided by its own size, g / (|g| + eps); then
    theta <- theta - lr * that.

    Parameters
    ----------
    theta : array of shape (d,)
    grad : array of shape (d,), the gradient at theta
    lr : step size, in the units of theta
    eps : what keeps a component that is zero from dividing by zero

    Returns
    -------
    array of shape (d,): the new theta. The arguments are left as they were.

    Source: lecture D.
    """
    return theta - lr * grad / (np.abs(grad) + eps)


@normalized_step.cases
def slopes_of_many_sizes(rng):
    """Components of very different sizes."""
    d = rng.integers(3, 6)
    grad = _signed(rng, d) * 10.0 ** rng.integers(0, 5, d)
    return dict(theta=rng.normal(size=d), grad=grad, lr=rng.uniform(0.05, 0.5))


@normalized_step.cases
def normalized_large_eps(rng):
    """An eps as large as the gradient: small components move less than lr."""
    d, lr = rng.integers(2, 5), rng.uniform(0.05, 0.5)
    return dict(**_here(rng, d), lr=lr, eps=_large_eps(rng))


@normalized_step.cases
def flat_component(rng):
    """One component of the gradient is zero."""
    grad, zero = _signed(rng, 4), rng.integers(4)
    # Of the others one is below zero.
    grad[zero], grad[zero - 1] = 0.0, -abs(grad[zero - 1])
    return dict(theta=rng.normal(size=4), grad=grad, lr=rng.uniform(0.05, 0.5))


normalized_step.slips(
    whole_length=slip(
        {"np.abs(grad)": "np.linalg.norm(grad)"},
        "The gradient is divided by its length as a whole, not component by component.",
        hint="np.linalg.norm is one number for all; here each component is divided by its own "
        "size.",
    ),
    whole_length_alone=slip(
        {"(np.abs(grad) + eps)": "np.linalg.norm(grad)"},
        "The gradient is divided by its length as a whole, and eps is left out.",
        hint="np.linalg.norm is one number for all; here each component has a size, and an eps, of "
        "its own.",
    ),
    normalized_uphill=slip(
        {"theta - lr": "theta + lr"},
        "The step goes uphill: the normalised gradient is added to theta.",
        hint="Dividing by the size keeps the sign, and the gradient points up.",
    ),
    divided_by_square=slip(
        {"np.abs(grad)": "grad**2"},
        "The gradient is divided by its square: the steeper the slope, the smaller the step.",
        hint="A number divided by its own size is +1 or -1. Is 3 / 3 ** 2?",
    ),
    sign_lost=slip(
        {"lr * grad": "lr * np.abs(grad)"},
        "The sign is lost: every component moves the same way.",
        hint="Only what you divide by is a size; above it stands grad with its sign.",
    ),
    normalized_eps_left_out=slip(
        {"(np.abs(grad) + eps)": "np.abs(grad)"},
        "eps is left out of the division.",
        hint="Zero divided by zero is nan. What does eps do to the sum below the fraction?",
    ),
    normalized_eps_outside=slip(
        {"(np.abs(grad) + eps)": "np.abs(grad) + eps"},
        "eps is outside of the fraction: it is added to theta.",
        hint="Python divides before it adds. Brackets: / (np.abs(grad) + eps).",
    ),
    normalized_eps_in_the_step=slip(
        {"(np.abs(grad) + eps)": "np.abs(grad) - eps"},
        "eps is outside of the fraction: it is added to the step.",
        hint="Python divides before it adds. Brackets: / (np.abs(grad) + eps).",
    ),
    sign_alone=slip(
        {"grad / (np.abs(grad) + eps)": "np.sign(grad)"},
        "This is the sign of the gradient: eps has no say in it.",
        hint="With a large eps a small component moves by less than lr; np.sign cannot know that.",
    ),
    eps_inside_size=slip(
        {"(np.abs(grad) + eps)": "np.abs(grad + eps)"},
        "eps is added inside the size: |g + eps| in place of |g| + eps.",
        hint="Take the size first, then add eps to it.",
    ),
    normalized_eps_inside_root=slip(
        {"(np.abs(grad) + eps)": "np.sqrt(grad**2 + eps)"},
        "eps is under a root with the square; it belongs beside the size: |g| + eps.",
        hint="sqrt(g ** 2 + eps) and |g| + eps differ once eps is no longer tiny.",
    ),
    normalized_without_lr=slip(
        {"lr * grad": "grad"},
        "lr is left out: every component moves by about 1.",
        hint="Dividing by the size leaves +1 or -1; lr says how far that is.",
    ),
)


@exercise(
    points=2,
    whole=(
        "theta",
        "grad",
        "accumulator",
    ),
    atol=1e-6,
    hints=(
        "What has to be remembered from one step to the next?",
        "First add grad ** 2 to the accumulator; then step, with the new accumulator.",
        "Each component's step is lr * grad / (square root of the new accumulator, plus eps).",
    ),
)
def adagrad_step(
    theta: Array, grad: Array, accumulator: Array, lr: float, eps: float = 1e-8
) -> tuple[Array, Array]:
    """One step of AdaGrad: the more slope a component has seen, the smaller its steps.

    The squared gradients of all steps are summed, component by component; the step is
    lr * g / (sqrt(sum) + eps), with this step's gradient already in the sum.

    Parameters
    ----------
    theta : array of shape (d,)
    grad : array of shape (d,), the gradient at theta
    accumulator : array of shape (d,), the sum of squared gradients before this step
    lr : step size
    eps : added to the root

    Returns
    -------
    (theta, accumulator): two new arrays of shape (d,). The arguments are left as they were.

    Source: lecture C; Duchi, Hazan and Singer (2011).
    """
    accumulator = accumulator + grad**2 * 1.0
    return theta - lr * grad / (np.sqrt(accumulator) + eps), accumulator


@adagrad_step.cases
def accumulated(rng):
    """A step in mid run: the accumulator holds the squares of many steps."""
    d = rng.integers(2, 5)
    accumulator, lr = rng.uniform(2, 20, d), rng.uniform(0.2, 1.0)
    return dict(**_here(rng, d), accumulator=accumulator, lr=lr)


@adagrad_step.cases
def adagrad_first_and_second_step(rng):
    """The first step, from an accumulator of zeros, and one soon after it."""
    for accumulator in (np.zeros(3), rng.uniform(0.5, 2, 3)):
        lr = rng.uniform(0.2, 1.0)
        yield dict(**_here(rng, 3), accumulator=accumulator, lr=lr)


@adagrad_step.cases
def adagrad_large_eps(rng):
    """An eps that is no longer tiny beside the root."""
    d = rng.integers(2, 5)
    case = dict(**_here(rng, d), accumulator=rng.uniform(0.5, 4, d), lr=rng.uniform(0.2, 1.0))
    return {**case, "eps": _large_eps(rng)}


@adagrad_step.cases
def adagrad_tiny_slopes(rng):
    """Gradients about as small as the default eps, and one component that has seen none."""
    grad, accumulator = _three_tiny_one_flat(rng), _three_tiny_one_flat(rng) ** 2
    lr = rng.uniform(0.2, 1.0)
    return _tiny(dict(theta=rng.normal(size=4), grad=grad, accumulator=accumulator, lr=lr))


adagrad_step.slips(
    old_sum_used=slip(
        {"accumulator = accumulator": "new = accumulator", "eps), accumulator": "eps), new"},
        "theta moves before this step's gradient is in the sum.",
        hint="From an accumulator of zeros that divides by eps alone. Update the sum first.",
    ),
    old_sum_returned=slip(
        {"accumulator = accumulator": "new = accumulator", "np.sqrt(accumulator)": "np.sqrt(new)"},
        "The step is right, but the accumulator that comes back is the old one.",
        hint="The next step needs the sum that has this gradient in it.",
    ),
    sum_replaced=slip(
        {"accumulator + grad**2": "grad**2"},
        "The accumulator is replaced by this step's square; AdaGrad adds it to the old sum.",
        hint="Without the sum every step is about lr, as in normalized_step.",
    ),
    adagrad_not_squared=slip(
        {"grad**2": "grad"},
        "The gradient is summed without being squared.",
        hint="Slopes of opposite sign must not cancel: what is summed is grad ** 2.",
    ),
    adagrad_root_missing=slip(
        {"np.sqrt(accumulator)": "accumulator"},
        "The root is missing: the gradient is divided by a sum of squares.",
        hint="grad has units, grad ** 2 their square; the root brings them back together.",
    ),
    adagrad_eps_inside_root=slip(
        {"(np.sqrt(accumulator) + eps)": "np.sqrt(accumulator + eps)"},
        "eps is inside the root; it belongs beside it: sqrt(sum) + eps.",
        hint="Inside, an eps of 1e-8 counts as 1e-4 where the sum is tiny.",
    ),
    adagrad_eps_left_out=slip(
        {"(np.sqrt(accumulator) + eps)": "np.sqrt(accumulator)"},
        "eps is left out: a component that has seen no slope gives 0 / 0.",
        hint="Add eps to the root before you divide.",
    ),
    adagrad_eps_outside=slip(
        {"(np.sqrt(accumulator) + eps)": "np.sqrt(accumulator) + eps"},
        "eps is outside of the fraction: it is added to theta.",
        hint="Python divides before it adds. Brackets: / (np.sqrt(accumulator) + eps).",
    ),
    adagrad_eps_in_the_step=slip(
        {"(np.sqrt(accumulator) + eps)": "np.sqrt(accumulator) - eps"},
        "eps is outside of the fraction: it is added to the step.",
        hint="Python divides before it adds. Brackets: / (np.sqrt(accumulator) + eps).",
    ),
    one_sum_for_all=slip(
        {"grad**2": "grad @ grad"},
        "One sum is kept for all components; each needs its own.",
        hint="grad @ grad is one number. What you accumulate has the shape of theta.",
    ),
    adagrad_uphill=slip(
        {"theta - lr": "theta + lr"},
        "The step goes uphill: it is added to theta.",
        hint="The gradient points where the loss rises, however it is scaled.",
    ),
    root_returned=slip(
        {
            "accumulator + grad**2": "np.sqrt(accumulator + grad**2)",
            "np.sqrt(accumulator)": "accumulator",
        },
        "What comes back is the root of the sum; the next step adds a square to it.",
        hint="Keep the sum of squares as it is, and take its root only where you divide.",
    ),
    adagrad_answers_swapped=slip(
        {"return theta": "return accumulator, theta", "eps), accumulator": "eps)"},
        "The two answers are in the wrong order: theta comes first, then the accumulator.",
        hint="The last line is return theta, accumulator.",
    ),
)


adagrad_step.remark(
    "torch's own Adagrad gives the numbers; writing it yourself shows where they come from.",
    uses="Adagrad",
)


@exercise(
    points=2,
    whole=(
        "theta",
        "grad",
        "v",
    ),
    atol=1e-6,
    hints=(
        "AdaGrad's sum only grows. What would forget old slopes, and keep recent ones?",
        "v is an exponential average of grad ** 2: beta times the old, (1 - beta) times the new.",
        "Divide by np.sqrt(new v) + eps, and return the new theta first, the new v second.",
    ),
)
def rmsprop_step(
    theta: Array, grad: Array, v: Array, lr: float, beta: float, eps: float = 1e-8
) -> tuple[Array, Array]:
    """One step of RMSprop: each component is divided by its own recent size.

    v <- beta * v + (1 - beta) * g ** 2, then theta <- theta - lr * g / (sqrt(v) + eps),
    with the new v.

    Parameters
    ----------
    theta : array of shape (d,)
    grad : array of shape (d,), the gradient at theta
    v : array of shape (d,), the average of squared gradients before this step
    lr : step size, in the units of theta
    beta : averaging factor, 0 <= beta < 1
    eps : added to the root

    Returns
    -------
    (theta, v): two new arrays of shape (d,). The arguments are left as they were.

    Source: lecture B; Tieleman and Hinton (2012).
    """
    v = beta * v + (1 - beta) * grad**2
    return theta - lr * grad / (np.sqrt(v) + eps), v


@rmsprop_step.cases
def rmsprop_mid_run(rng):
    """A step in mid run: v holds an average already."""
    d = rng.integers(2, 5)
    here, v = _here(rng, d), rng.uniform(0.3, 4, d)
    return dict(**here, v=v, lr=rng.uniform(0.1, 0.5), beta=rng.uniform(0.6, 0.9))


@rmsprop_step.cases
def from_zeros_on(rng):
    """The first step, from zeros, and a later one with the same beta."""
    beta = rng.uniform(0.6, 0.9)
    for v in (np.zeros(3), rng.uniform(0.3, 2, 3)):
        lr = rng.uniform(0.1, 0.5)
        yield dict(**_here(rng, 3), v=v, lr=lr, beta=beta)


@rmsprop_step.cases
def rmsprop_large_eps(rng):
    """An eps that is no longer tiny beside the root."""
    return {**rmsprop_mid_run(rng), "eps": _large_eps(rng)}


@rmsprop_step.cases
def rmsprop_tiny_slopes(rng):
    """Gradients about as small as the default eps, and one component that has seen none."""
    grad, v = _three_tiny_one_flat(rng), _three_tiny_one_flat(rng) ** 2
    lr, beta = rng.uniform(0.1, 0.5), rng.uniform(0.6, 0.9)
    return _tiny(dict(theta=rng.normal(size=4), grad=grad, v=v, lr=lr, beta=beta))


rmsprop_step.slips(
    unscaled_square=slip(
        {"(1 - beta) * grad**2": "grad**2"},
        "The new square is not scaled by (1 - beta).",
        hint="An average has weights that add up to 1.",
    ),
    weights_swapped=slip(
        {"beta * v + (1 - beta) * grad": "(1 - beta) * v + beta * grad"},
        "The two weights are swapped: beta belongs to the old average.",
        hint="A beta near 1 should remember much and change little with one new gradient.",
    ),
    summed=slip(
        {"beta * v + (1 - beta) * grad": "v + grad"},
        "The squares are summed: this is AdaGrad, which never forgets.",
        hint="Where does the old average fade? beta is there to say how fast.",
    ),
    rmsprop_not_squared=slip(
        {"grad**2": "grad"},
        "The average is of the gradient, not of its square.",
        hint="Slopes of opposite sign would cancel: the name says mean *square*.",
    ),
    rmsprop_root_missing=slip(
        {"np.sqrt(v)": "v"},
        "The root is missing: the gradient is divided by an average of squares.",
        hint="The R in the name: root mean square.",
    ),
    rmsprop_eps_inside_root=slip(
        {"(np.sqrt(v) + eps)": "np.sqrt(v + eps)"},
        "eps is inside the root; it belongs beside it: sqrt(v) + eps.",
        hint="Inside, an eps of 1e-8 counts as 1e-4 where v is tiny.",
    ),
    rmsprop_eps_left_out=slip(
        {"(np.sqrt(v) + eps)": "np.sqrt(v)"},
        "eps is left out: a component that has seen no slope gives 0 / 0.",
        hint="Add eps to the root before you divide.",
    ),
    rmsprop_eps_outside=slip(
        {"(np.sqrt(v) + eps)": "np.sqrt(v) + eps"},
        "eps is outside of the fraction: it is added to theta.",
        hint="Python divides before it adds. Brackets: / (np.sqrt(v) + eps).",
    ),
    rmsprop_eps_in_the_step=slip(
        {"(np.sqrt(v) + eps)": "np.sqrt(v) - eps"},
        "eps is outside of the fraction: it is added to the step.",
        hint="Python divides before it adds. Brackets: / (np.sqrt(v) + eps).",
    ),
    old_average_used=slip(
        {"v = beta": "new = beta", "eps), v": "eps), new"},
        "theta moves with the old average: v is updated after the step.",
        hint="First let v take in this gradient, then divide by its root.",
    ),
    old_average_returned=slip(
        {"v = beta": "new = beta", "np.sqrt(v)": "np.sqrt(new)"},
        "The step is right, but the v that comes back is the old one.",
        hint="The next step needs the average that has this gradient in it.",
    ),
    rmsprop_uphill=slip(
        {"theta - lr": "theta + lr"},
        "The step goes uphill: it is added to theta.",
        hint="The gradient points where the loss rises, however it is scaled.",
    ),
    factor_squared=slip(
        {"(1 - beta) * grad**2": "((1 - beta) * grad) ** 2"},
        "The factor (1 - beta) is squared along with the gradient.",
        hint="(1 - beta) * grad ** 2: the power binds before the product, brackets would undo "
        "that.",
    ),
    one_average_for_all=slip(
        {"grad**2": "(grad @ grad)"},
        "One average is kept for all components; each needs its own.",
        hint="grad @ grad is one number. grad ** 2 has the shape of theta.",
    ),
    rmsprop_answers_swapped=slip(
        {"return theta": "return v, theta", "eps), v": "eps)"},
        "The two answers are in the wrong order: theta comes first, then v.",
        hint="The last line is return theta, v.",
    ),
)


rmsprop_step.remark(
    "torch's own RMSprop gives the numbers; writing it yourself shows where they come from.",
    uses="RMSprop",
)


@exercise(
    points=4,
    whole=(
        "theta",
        "grad",
        "m",
        "v",
    ),
    atol=1e-7,
    hints=(
        "Which two averages does Adam keep, and what is averaged in each?",
        "Update m with grad and v with grad ** 2 first. Both started at zero: which factor "
        "undoes that after t steps?",
        "m_hat = m / (1 - beta1 ** t), and v_hat likewise with beta2.",
        "Step by lr * m_hat / (np.sqrt(v_hat) + eps), but return m and v without their hats.",
    ),
)
def adam_step(
    theta: Array,
    grad: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """One step of Adam: momentum's direction, divided by RMSprop's size, both bias-corrected.

    m <- beta1 * m + (1 - beta1) * g and v <- beta2 * v + (1 - beta2) * g ** 2 are averages that
    start at zero; m_hat = m / (1 - beta1 ** t) and v_hat = v / (1 - beta2 ** t) put that right.
    Then theta <- theta - lr * m_hat / (sqrt(v_hat) + eps).

    Parameters
    ----------
    theta : array of shape (d,)
    grad : array of shape (d,), the gradient at theta
    m, v : arrays of shape (d,), the averages before this step, as the step before returned them
    t : number of the step being taken; the first is 1
    lr : step size, in the units of theta
    beta1, beta2 : averaging factors of m and v, 0 <= beta < 1
    eps : added to the root

    Returns
    -------
    (theta, m, v): three new arrays of shape (d,); m and v are not bias-corrected. The arguments
    are left as they were.

    Source: Kingma and Ba (2015), algorithm 1; lectures B and D.
    """
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return theta - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


@adam_step.cases
def adam_mid_run(rng):
    """A step in mid run: both averages hold something already."""
    return _adam_case(rng, int(rng.integers(3, 12)))


@adam_step.cases
def adam_first_and_second_step(rng):
    """The first step, from zeros, one component flat; and a second step."""
    first = _adam_case(rng, 1)
    first["grad"][0] = 0.0
    yield first
    yield _adam_case(rng, 2)


@adam_step.cases
def default_settings(rng):
    """The default hyperparameters, some dozens of steps into a run."""
    d, t = rng.integers(2, 5), int(rng.integers(20, 50))
    averages = _averages(rng, d, t, 0.9, 0.999)
    here = _here(rng, d)
    # A step of about 1e-3 is to be seen beside theta.
    return {**here, "theta": 1e-3 * here["theta"], **averages, "t": t}


@adam_step.cases
def adam_large_eps(rng):
    """An eps that is no longer tiny beside the root."""
    return _adam_case(rng, int(rng.integers(2, 8)), eps=_large_eps(rng))


@adam_step.cases
def adam_tiny_slopes(rng):
    """Gradients about as small as the default eps."""
    return _tiny(_adam_case(rng, int(rng.integers(2, 8)), size=1e-8))


adam_step.slips(
    adam_no_bias_correction=slip(
        {" / (1 - beta1**t)": "", " / (1 - beta2**t)": ""},
        "The averages are not bias-corrected.",
        hint="m and v start at zero, so that young averages are too small. By how much after t "
        "steps?",
    ),
    adam_t_from_0=slip(
        {"beta1**t": "beta1 ** (t - 1)", "beta2**t": "beta2 ** (t - 1)"},
        "The correction counts steps from 0; here the first step is t = 1.",
        hint="At the first step the correction must undo a factor 1 - beta. What is 1 - beta ** 0?",
    ),
    adam_t_one_too_far=slip(
        {"beta1**t": "beta1 ** (t + 1)", "beta2**t": "beta2 ** (t + 1)"},
        "The correction uses t + 1; t is already the number of this step.",
        hint="At the first step 1 - beta ** t must be the weight 1 - beta of the one gradient so "
        "far.",
    ),
    first_moment_uncorrected=slip(
        {" / (1 - beta1**t)": ""},
        "m is not corrected, v is: the first form on lecture B's slide, where the hat of m is "
        "lost.",
        hint="Both averages start at zero, so both need their correction.",
    ),
    second_moment_uncorrected=slip(
        {" / (1 - beta2**t)": ""},
        "v is not corrected, m is.",
        hint="Both averages start at zero, so both need their correction.",
    ),
    adam_eps_inside_root=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat + eps)"},
        "eps is inside the root; it belongs beside it: sqrt(v_hat) + eps.",
        hint="Inside, an eps of 1e-8 counts as 1e-4 where v is tiny.",
    ),
    adam_eps_before_correction=slip(
        {" / (1 - beta2**t)": "", "lr * m_hat": "lr * m_hat * np.sqrt(1 - beta2**t)"},
        "eps is added to the root of the raw v, and the correction scales eps too.",
        hint="First make v_hat, then take its root, then add eps.",
    ),
    adam_eps_left_out=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat)"},
        "eps is left out: a component that has seen no slope gives 0 / 0.",
        hint="Add eps to the root before you divide.",
    ),
    adam_eps_outside=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat) + eps"},
        "eps is outside of the fraction: it is added to theta.",
        hint="Python divides before it adds. Brackets: / (np.sqrt(v_hat) + eps).",
    ),
    adam_eps_in_the_step=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat) - eps"},
        "eps is outside of the fraction: it is added to the step.",
        hint="Python divides before it adds. Brackets: / (np.sqrt(v_hat) + eps).",
    ),
    betas_swapped=slip(
        {"m = beta1 * m": "beta1, beta2 = beta2, beta1\n    m = beta1 * m"},
        "beta1 and beta2 are swapped: beta1 belongs to m, beta2 to v.",
        hint="The direction should forget sooner than the size: which of 0.9 and 0.999 forgets "
        "sooner?",
    ),
    squared_first_moment=slip(
        {"(1 - beta1) * grad": "(1 - beta1) * grad**2"},
        "m averages the square of the gradient; the square belongs to v alone.",
        hint="m gives the direction, so it must keep the sign.",
    ),
    second_moment_not_squared=slip(
        {"grad**2": "grad"},
        "v averages the gradient itself; it must average grad ** 2.",
        hint="v measures size, and sizes of opposite slopes must not cancel.",
    ),
    adam_root_missing=slip(
        {"np.sqrt(v_hat)": "v_hat"},
        "The root is missing: m_hat is divided by an average of squares.",
        hint="m_hat has the units of a slope, v_hat their square: what brings them together?",
    ),
    averages_not_weighted=slip(
        {"(1 - beta1) * grad": "grad", "(1 - beta2) * grad": "grad"},
        "The new gradient is not scaled by (1 - beta) in the averages.",
        hint="An average has weights that add up to 1; the correction counts on it.",
    ),
    gradient_not_averaged=slip(
        {"lr * m_hat": "lr * grad"},
        "theta moves by the gradient of this step; m is kept, but not used.",
        hint="Without m this is RMSprop with a correction. What stands above the fraction in Adam?",
    ),
    adam_old_averages_returned=slip(
        {"m = beta1": "old = m, v\n    m = beta1", "eps), m, v": "eps), *old"},
        "The step is right, but the averages that come back are the old ones.",
        hint="The next step needs the averages that have this gradient in them.",
    ),
    old_averages_used=slip(
        {
            "m = beta1": "new_m = beta1",
            "v = beta2": "new_v = beta2",
            "eps), m, v": "eps), new_m, new_v",
        },
        "theta moves with the old averages: m and v are updated after the step.",
        hint="First let both averages take in this gradient, then correct and step.",
    ),
    corrected_averages_returned=slip(
        {"eps), m, v": "eps), m_hat, v_hat"},
        "The averages come back with their hats on: the next step would correct them again.",
        hint="Return the raw m and v; m_hat and v_hat are for this step alone.",
    ),
    averages_in_the_wrong_order=slip(
        {"eps), m, v": "eps), v, m"},
        "The averages come back in the wrong order: theta, m, v is wanted.",
        hint="Compare the order of what you return with the docstring.",
    ),
    settings_ignored=slip(
        {
            "beta1 * m + (1 - beta1) * grad": "0.9 * m + 0.1 * grad",
            "beta2 * v + (1 - beta2) * grad": "0.999 * v + 0.001 * grad",
            "beta1**t": "0.9**t",
            "beta2**t": "0.999**t",
        },
        "beta1 and beta2 are written as 0.9 and 0.999 in the body; the arguments are not used.",
        hint="Those are defaults. Somebody may call the function with others.",
    ),
    beta_times_t=slip(
        {"beta1**t": "beta1 * t", "beta2**t": "beta2 * t"},
        "The correction has beta * t; it is beta to the power of t.",
        hint="After t steps the zero that m began with still has the weight beta * beta * ... * "
        "beta.",
    ),
    adam_uphill=slip(
        {"theta - lr": "theta + lr"},
        "The step goes uphill: it is added to theta.",
        hint="m_hat is an average of gradients, and a gradient points up.",
    ),
    adam_correction_multiplied=slip(
        {" / (1 - beta1**t)": " * (1 - beta1**t)", " / (1 - beta2**t)": " * (1 - beta2**t)"},
        "The averages are multiplied by 1 - beta ** t; the correction divides by it.",
        hint="A young average is too small. The correction makes it larger.",
    ),
    adam_power_of_the_rest=slip(
        {"(1 - beta1**t)": "(1 - beta1) ** t", "(1 - beta2**t)": "(1 - beta2) ** t"},
        "In the correction the power is taken of 1 - beta, not of beta.",
        hint="1 - beta ** t, where the power binds before the minus: no brackets round 1 - beta.",
    ),
    adam_same_for_every_t=slip(
        {"beta1**t": "beta1", "beta2**t": "beta2"},
        "The averages are divided by 1 - beta, whatever t is.",
        hint="That is right for t = 1 alone; with every step there is less to correct.",
    ),
    adam_weights_swapped=slip(
        {
            "beta1 * m + (1 - beta1) * grad": "(1 - beta1) * m + beta1 * grad",
            "beta2 * v + (1 - beta2) * grad": "(1 - beta2) * v + beta2 * grad",
        },
        "The two weights of each average are swapped: beta belongs to the old average.",
        hint="A beta near 1 should remember much and change little with one new gradient.",
    ),
    corrected_with_one_beta=slip(
        {"beta2**t": "beta1**t"},
        "Both averages are corrected with beta1; v has beta2.",
        hint="What is missing from v is beta2 ** t.",
    ),
)


adam_step.remark(
    "torch's own Adam gives the numbers; writing it yourself shows where they come from.",
    uses="Adam",
)


@exercise(
    points=1,
    whole=("v",),
    rtol=1e-6,
    hints=(
        "In Adam's step, m_hat is multiplied by something. By what?",
        "v comes raw: correct it as Adam does, with 1 - beta2 ** t.",
        "lr divided by (the root of v_hat, plus eps): one number for each component.",
    ),
)
def effective_learning_rate(v: Array, t: int, lr: float, beta2: float, eps: float = 1e-8) -> Array:
    """What Adam multiplies m_hat by: a learning rate of its own for every component.

    lr / (sqrt(v_hat) + eps), where v_hat = v / (1 - beta2 ** t).

    Parameters
    ----------
    v : array of any shape, the raw average of squared gradients after step t
    t : number of the step that was taken last, 1 or more
    lr : step size
    beta2 : averaging factor of v, 0 <= beta2 < 1
    eps : added to the root

    Returns
    -------
    array of the shape of v.

    Source: lectures B and D; Kingma and Ba (2015), section 2.1.
    """
    v_hat = v / (1 - beta2**t)
    return lr / (np.sqrt(v_hat) + eps)


def _rate_case(rng, t: int, shape: tuple[int, ...], size: float = 1.0) -> dict:
    """v as it is after step t, when gradients are about `size`."""
    beta2 = rng.uniform(0.9, 0.99)
    v = (1 - beta2**t) * (size * rng.uniform(0.3, 3.0, shape)) ** 2
    return dict(v=v, t=t, lr=rng.uniform(0.05, 0.5), beta2=beta2)


@effective_learning_rate.cases
def early(rng):
    """Early in a run, when the correction is large."""
    return _rate_case(rng, int(rng.integers(2, 10)), (rng.integers(2, 5),))


@effective_learning_rate.cases
def first_step(rng):
    """After the first step: v holds one gradient."""
    return _rate_case(rng, 1, (rng.integers(2, 5),))


@effective_learning_rate.cases
def table(rng):
    """v is a table of numbers, and some dozens of steps have been taken."""
    case = _rate_case(rng, int(rng.integers(20, 60)), (2, 3))
    # Rates so small that an eps which was added to one of them shows.
    return {**case, "beta2": 0.999, "lr": rng.uniform(1e-3, 5e-3)}


@effective_learning_rate.cases
def rate_large_eps(rng):
    """An eps that is no longer tiny beside the root."""
    return {**_rate_case(rng, int(rng.integers(2, 6)), (3,)), "eps": _large_eps(rng)}


@effective_learning_rate.cases
def rate_tiny_slopes(rng):
    """Gradients about as small as the default eps, and one component that has seen none."""
    case = _rate_case(rng, int(rng.integers(2, 6)), (4,), size=1e-8)
    case["v"][rng.integers(4)] = 0.0
    return case


effective_learning_rate.slips(
    rate_no_bias_correction=slip(
        {" / (1 - beta2**t)": ""},
        "v is used raw: the bias correction is missing.",
        hint="Early on v is still too small. Adam divides it by 1 - beta2 ** t first.",
    ),
    rate_t_from_0=slip(
        {"beta2**t": "beta2 ** (t - 1)"},
        "The correction counts steps from 0; t is the number of the step that was taken.",
        hint="After the first step t is 1, and 1 - beta2 is the share that v holds.",
    ),
    rate_t_one_too_far=slip(
        {"beta2**t": "beta2 ** (t + 1)"},
        "The correction uses t + 1; v is the average after step t.",
        hint="t is the number of the step whose gradient went into v last.",
    ),
    corrected_the_wrong_way=slip(
        {"v / (1": "v * (1"},
        "v is multiplied by 1 - beta2 ** t; the correction divides by it.",
        hint="A young average is too small. Should its correction make it smaller?",
    ),
    rate_root_missing=slip(
        {"np.sqrt(v_hat)": "v_hat"},
        "The root is missing: lr is divided by an average of squares.",
        hint="Adam divides by the root of v_hat.",
    ),
    rate_eps_inside_root=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat + eps)"},
        "eps is inside the root; it belongs beside it: sqrt(v_hat) + eps.",
        hint="Inside, an eps of 1e-8 counts as 1e-4 where v is tiny.",
    ),
    rate_eps_before_correction=slip(
        {" / (1 - beta2**t)": "", "return lr": "return lr * np.sqrt(1 - beta2**t)"},
        "eps is added to the root of the raw v, and the correction scales eps too.",
        hint="First make v_hat, then take its root, then add eps.",
    ),
    rate_eps_left_out=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat)"},
        "eps is left out: a component that has seen no slope gets an infinite rate.",
        hint="Add eps to the root before you divide.",
    ),
    rate_eps_outside=slip(
        {"(np.sqrt(v_hat) + eps)": "np.sqrt(v_hat) + eps"},
        "eps is outside of the fraction: it is added to the rate.",
        hint="Python divides before it adds. Brackets: lr / (np.sqrt(v_hat) + eps).",
    ),
    one_rate_for_all=slip(
        {"lr / (np.sqrt(v_hat) + eps)": "np.mean(lr / (np.sqrt(v_hat) + eps))"},
        "This is one rate for all components; each has its own.",
        hint="What comes back has the shape of v: take no mean over it.",
    ),
    corrected_after_the_root=slip(
        {" / (1 - beta2**t)": "", "np.sqrt(v_hat)": "np.sqrt(v_hat) / (1 - beta2**t)"},
        "The root of v is corrected by 1 - beta2 ** t itself; it is v that is divided by it.",
        hint="Correct first, take the root after.",
    ),
    upside_down=slip(
        {"lr / (np": "lr * (np"},
        "The fraction is upside down: a large v must make the rate small.",
        hint="lr stands above, the root of v_hat below.",
    ),
)


@exercise(
    points=2,
    whole=(
        "theta",
        "grad",
        "m",
        "v",
    ),
    atol=1e-7,
    hints=(
        "Two things happen to theta here. Which of them looks at the gradient?",
        "First pull theta towards zero: by which factor, if lr and weight_decay are small?",
        "Scale theta by 1 - lr * weight_decay, then give it to the adam_step that you have.",
    ),
)
def adamw_step(
    theta: Array,
    grad: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> tuple[Array, Array, Array]:
    """One step of AdamW: theta shrinks by 1 - lr * weight_decay, then Adam's step is taken.

    The decay is decoupled: it enters neither the gradient nor m nor v.

    Parameters
    ----------
    theta : array of shape (d,)
    grad : array of shape (d,), the gradient at theta, without any penalty
    m, v : arrays of shape (d,), the averages before this step, as the step before returned them
    t : number of the step being taken; the first is 1
    lr : step size, in the units of theta
    beta1, beta2 : averaging factors of m and v, 0 <= beta < 1
    eps : added to the root
    weight_decay : how strongly theta is pulled towards zero

    Returns
    -------
    (theta, m, v): three new arrays of shape (d,); m and v are not bias-corrected. The arguments
    are left as they were.

    Source: Loshchilov and Hutter (2019), in the form of torch.optim.AdamW.
    """
    return adam_step(theta * (1 - lr * weight_decay), grad, m, v, t, lr, beta1, beta2, eps)


def _decayed(rng, case: dict) -> dict:
    """A case of Adam's with a weight decay that shows."""
    theta = _signed(rng, len(case["theta"]), 0.5, 3.0)
    return {**case, "theta": theta, "weight_decay": rng.uniform(0.1, 0.6)}


@adamw_step.cases
def adamw_mid_run(rng):
    """A step in mid run, with a strong decay."""
    return _decayed(rng, adam_mid_run(rng))


@adamw_step.cases
def adamw_first_and_second_step(rng):
    """The first step, from zeros, and a second one."""
    for t in (1, 2):
        yield _decayed(rng, _adam_case(rng, t))


@adamw_step.cases
def default_decay(rng):
    """The default weight_decay, on large parameters."""
    case = adam_mid_run(rng)
    # So long a step that it shows whether the decay comes before or after it.
    return {
        **case,
        "theta": _signed(rng, len(case["theta"]), 3.0, 9.0),
        "lr": rng.uniform(0.3, 0.5),
    }


@adamw_step.cases
def adamw_large_eps(rng):
    """An eps that is no longer tiny beside the root."""
    return _decayed(rng, adam_large_eps(rng))


def _adam_without_correction(theta, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    return theta - lr * m / (np.sqrt(v) + eps), m, v


def _adam_with_eps_inside(theta, grad, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return theta - lr * m_hat / np.sqrt(v_hat + eps), m, v


adamw_step.slips(
    l2_in_the_gradient=slip(
        {"theta * (1 - lr * weight_decay), grad": "theta, grad + weight_decay * theta"},
        "The decay is put into the gradient (L2); there v divides it out again.",
        hint="AdamW keeps it apart: leave grad alone, and shrink theta itself.",
    ),
    no_decay=slip(
        {"theta * (1 - lr * weight_decay)": "theta"},
        "There is no decay: this is Adam's step.",
        hint="What is weight_decay there for? theta shrinks before it moves.",
    ),
    decay_without_lr=slip(
        {"1 - lr * weight_decay": "1 - weight_decay"},
        "theta is scaled by 1 - weight_decay; lr is missing from the factor.",
        hint="The decay is a step as well, so the learning rate scales it.",
    ),
    decay_after_the_step=slip(
        {
            "return adam_step(theta * (1 - lr * weight_decay)": "theta, m, v = adam_step(theta",
            "beta2, eps)": "beta2, eps)\n    return theta * (1 - lr * weight_decay), m, v",
        },
        "The decay comes after Adam's step, and shrinks the step as well.",
        hint="Scale the theta that you were given; then take the step from there.",
    ),
    weights_grow=slip(
        {"1 - lr": "1 + lr"},
        "The parameters grow: the factor is 1 + lr * weight_decay.",
        hint="A decay makes numbers smaller.",
    ),
    step_scaled_not_theta=slip(
        {
            "return adam_step(theta * (1 - lr * weight_decay)": "moved, m, v = adam_step(theta",
            "beta2, eps)": (
                "beta2, eps)\n    return theta + (1 - lr * weight_decay) * (moved - theta), m, v"
            ),
        },
        "The factor scales the step, not theta.",
        hint="What decays are the weights: theta itself.",
    ),
    settings_not_passed_on=slip(
        {"t, lr, beta1, beta2, eps)": "t)"},
        "Adam's step is taken with its default settings: lr, beta1, beta2 and eps are not passed "
        "on.",
        hint="adam_step knows only what you give it; its own defaults fill in the rest.",
    ),
    default_decay_used=slip(
        {"lr * weight_decay": "lr * 0.01"},
        "The decay is 0.01 whatever weight_decay says.",
        hint="0.01 is the default; use the argument.",
    ),
    adamw_no_bias_correction=slip(
        {"adam_step": "_adam_without_correction"},
        "Adam's averages are not bias-corrected.",
        hint="m and v start at zero; divide by 1 - beta ** t, or call your adam_step.",
    ),
    adamw_eps_inside_root=slip(
        {"adam_step": "_adam_with_eps_inside"},
        "eps is inside the root; it belongs beside it: sqrt(v_hat) + eps.",
        hint="Take the root first, or call your adam_step.",
    ),
    adamw_old_averages_returned=slip(
        {"beta2, eps)": "beta2, eps)[0], m, v"},
        "The step is right, but the averages that come back are the old ones.",
        hint="The next step needs the averages that have this gradient in them.",
    ),
)


adamw_step.remark(
    "torch's own AdamW gives the numbers; writing it yourself shows where they come from.",
    uses="AdamW",
)


@exercise(
    points=6,
    whole=("H", "v"),
    rtol=1e-3,
    hints=(
        "With its sizes frozen Adam is momentum whose gradient is multiplied by a number for each "
        "component. Which matrix stands in the place of the Hessian then?",
        "momentum on a parabola of curvature c flies off from lr * c = 2 (1 + beta1) / (1 - beta1) "
        "on. In many directions c is an eigenvalue, of that matrix and not of H.",
        "The matrix is P^-1 H, with the sizes sqrt(v_hat) + eps in the diagonal of P. It is not "
        "symmetric: take np.linalg.eigvals of it, or eigvalsh of H with row i and column j divided "
        "by the roots of the sizes i and j.",
    ),
)
def stable_learning_rate(
    H: Array, v: Array, t: int, beta1: float, beta2: float, eps: float = 1e-8
) -> float:
    """The cliff of Adam: the learning rate from which on it flies off.

    Near a minimum the loss is 1/2 theta.H.theta. Adam has taken t steps there, and its averages
    have settled: take its sizes, sqrt(v_hat) + eps, as frozen from here on, and m as long past its
    correction. For every lr below the one that is asked for, Adam then converges from wherever it
    starts; for every lr above it flies off from nearly everywhere.

    Parameters
    ----------
    H : array of shape (d, d), the Hessian: symmetric, all eigenvalues above 0
    v : array of shape (d,), the raw average of squared gradients after step t
    t : number of the step that was taken last, 1 or more
    beta1, beta2 : averaging factors of m and v, 0 <= beta < 1
    eps : added to the root

    Returns
    -------
    float: that learning rate, right to a thousandth of its size.

    Source: for you to derive; the limit in one direction is in chapter 5.
    """
    size = np.sqrt(v / (1 - beta2**t)) + eps
    root = np.sqrt(size)
    strongest = np.linalg.eigvalsh(H / np.outer(root, root))[-1]
    return float(2 * (1 + beta1) / ((1 - beta1) * strongest))


def _sizes_case(rng, H: Array, size: Array, t: int | None = None, **more) -> dict:
    """A Hessian, and v as it is after step t where gradients are of these sizes."""
    t = int(rng.integers(20, 60)) if t is None else t
    # So long a memory that after all steps it still shows whether t is one off.
    beta2 = rng.uniform(0.97, 0.995)
    v = (1 - beta2**t) * size**2
    return {**dict(H=H, v=v, t=t, beta1=rng.uniform(0.5, 0.95), beta2=beta2), **more}


def _coupled(rng, d: int) -> Array:
    """A Hessian whose parameters depend on each other too much for its diagonal to tell."""
    return np.diag(rng.uniform(2, 12, d)) + 6.0


def _sizes(rng, d: int, low: float, high: float) -> Array:
    """Sizes that differ, from one end to the other."""
    return rng.permutation(np.geomspace(low, high, d) * rng.uniform(0.8, 1.25, d))


def _after_one_step(H, v, t, beta1, beta2, eps=1e-8):
    P_H = H / (np.sqrt(v / (1 - beta2**t)) + eps)[:, None]
    direction = P_H @ np.ones(len(v))
    strength = direction @ P_H @ direction / (direction @ direction)
    return float(2 * (1 + beta1) / ((1 - beta1) * strength))


def _standing_out(make):
    """The first of the cases that `make()` gives in which an iteration for the strongest direction
    finds it in some dozens of steps, and not in one."""
    while True:
        case = make()
        sizes = np.sqrt(case["v"] / (1 - case["beta2"] ** case["t"])) + case.get("eps", 1e-8)
        *_, second, strongest = np.sort(np.linalg.eigvals(case["H"] / sizes).real)
        early = _after_one_step(**case) / stable_learning_rate.reference(**case) - 1
        if second < 0.8 * strongest and abs(early) > 0.002:
            return case


@stable_learning_rate.cases
def one_direction(rng):
    """One parameter: a parabola, and one size."""
    return _sizes_case(rng, rng.uniform(2, 50, (1, 1)), rng.uniform(2, 7, 1))


@stable_learning_rate.cases
def along_the_axes(rng):
    """A ravine along the axes: the strongest curvature has the largest size as well."""
    curvature, size = np.array([1.0, 8.0, 60.0]), np.array([0.02, 2.0, 5.0])
    # Not in the order of the eigenvalues.
    order = np.roll(np.arange(3), rng.integers(1, 3))

    def make():
        scale = rng.uniform(0.8, 1.25, (2, 3))
        return _sizes_case(rng, np.diag((curvature * scale[0])[order]), (size * scale[1])[order])

    return _standing_out(make)


@stable_learning_rate.cases
def turned(rng):
    """A ravine along no axis, and sizes that differ."""
    d = int(rng.integers(3, 5))

    def make():
        Q = np.linalg.qr(rng.normal(size=(d, d)))[0]
        H = (Q * np.geomspace(0.5, 40, d)) @ Q.T
        return _sizes_case(rng, (H + H.T) / 2, rng.permutation(np.geomspace(0.05, 3.0, d)))

    return _standing_out(make)


@stable_learning_rate.cases
def a_valley_between_two(rng):
    """Two parameters that are strongly coupled: the curvature between the axes is what counts."""

    def make():
        a, b = rng.uniform(5, 20, 2)
        H = np.array([[a, 0.9 * np.sqrt(a * b)], [0.9 * np.sqrt(a * b), b]])
        return _sizes_case(rng, H, rng.uniform(0.3, 0.6, 2) * np.sqrt([a, b]))

    return _standing_out(make)


@stable_learning_rate.cases
def early_in_the_run(rng):
    """After few steps, when the correction of v is large."""
    for t in (1, int(rng.integers(2, 8))):
        yield _standing_out(
            lambda t=t: _sizes_case(rng, _coupled(rng, 2), _sizes(rng, 2, 0.3, 2), t)
        )


@stable_learning_rate.cases
def nearly_level(rng):
    """Gradients of one parameter that have all but vanished: eps decides what its size is."""
    return _standing_out(
        lambda: _sizes_case(
            rng,
            _coupled(rng, 3),
            _sizes(rng, 3, 0.01, 1.0),
            # So early that even beside a large eps it shows whether t is one off.
            int(rng.integers(4, 10)),
            eps=rng.uniform(0.05, 0.2),
        )
    )


@stable_learning_rate.cases
def without_momentum(rng):
    """beta1 is 0: no memory of the direction."""
    return _standing_out(
        lambda: _sizes_case(rng, _coupled(rng, 3), _sizes(rng, 3, 0.3, 3), beta1=0.0)
    )


_LIMIT = "2 * (1 + beta1) / ((1 - beta1) * strongest)"
_SCALED = "H / np.outer(root, root)"

stable_learning_rate.slips(
    momentum_left_out=slip(
        {_LIMIT: "2 / strongest"},
        "This is where plain descent with these sizes flies off; momentum bears more.",
        hint="The limit 2 / c is that of beta1 = 0. What is it with a memory?",
    ),
    sizes_left_out=slip(
        {_SCALED: "H"},
        "This is momentum's cliff for H alone: Adam divides by its sizes.",
        hint="Where a size is small the step is long. Put the sizes into the matrix.",
    ),
    plain_descent_without_sizes=slip(
        {_LIMIT: "2 / strongest", _SCALED: "H"},
        "This is plain descent's cliff for H: neither Adam's sizes nor its memory come in.",
        hint="Put the sizes into the matrix; then ask what momentum bears.",
    ),
    one_size_for_all=slip(
        {_SCALED: "H", "* strongest)": "* strongest / np.mean(size))"},
        "The mean of the sizes stands for all of them: each direction has its own.",
        hint="Component i of the gradient is divided by size i. Put the sizes into the matrix.",
    ),
    largest_of_each=slip(
        {_SCALED: "H", "* strongest)": "* strongest / size.min())"},
        "The strongest curvature is taken with the largest rate, as if both were in one direction.",
        hint="That is on the safe side, and far too small where they are in different directions.",
    ),
    diagonal_alone=slip(
        {f"np.linalg.eigvalsh({_SCALED})[-1]": "np.max(np.diag(H) / size)"},
        "Only the diagonal of H is looked at: the ravine may run along no axis.",
        hint="The eigenvalues of a matrix are on its diagonal only where the rest is zero.",
    ),
    curvatures_added=slip(
        {f"np.linalg.eigvalsh({_SCALED})[-1]": "np.trace(H / size)"},
        "The curvatures of all directions are added up.",
        hint="It flies off where one direction does; the strongest one is enough.",
    ),
    weakest_direction=slip(
        {"[-1]": "[0]"},
        "This is the limit of the weakest direction; the first to fly off is the strongest.",
        hint="All directions must converge. Which eigenvalue allows the smallest lr?",
    ),
    cliff_with_raw_v=slip(
        {" / (1 - beta2**t)": ""},
        "v is used raw: the bias correction is missing.",
        hint="Adam's sizes are sqrt(v_hat) + eps.",
    ),
    cliff_root_missing=slip(
        {"np.sqrt(v / (1 - beta2**t))": "v / (1 - beta2**t)"},
        "The root is missing: sizes are roots of averages of squares.",
        hint="sqrt(v_hat) + eps is what Adam divides by.",
    ),
    cliff_eps_left_out=slip(
        {" + eps": ""},
        "eps is left out of the sizes.",
        hint="Where gradients have vanished eps is all that Adam divides by.",
    ),
    cliff_eps_inside_root=slip(
        {"np.sqrt(v / (1 - beta2**t)) + eps": "np.sqrt(v / (1 - beta2**t) + eps)"},
        "eps is inside the root; Adam adds it outside.",
        hint="sqrt(v_hat) + eps.",
    ),
    multiplied_by_sizes=slip(
        {_SCALED: "H * np.outer(root, root)"},
        "H is multiplied by the sizes; Adam divides the gradient by them.",
        hint="A large size makes a short step, which bears a strong curvature.",
    ),
    divided_twice=slip(
        {"np.outer(root, root)": "np.outer(size, size)"},
        "H is divided by the sizes twice, once for the row and once for the column.",
        hint="The gradient H theta is divided once. To keep the matrix symmetric divide row and "
        "column by the *root* of the size.",
    ),
    symmetric_eigenvalues_of_what_is_not=slip(
        {_SCALED: "H / size[:, None]"},
        "eigvalsh is given a matrix that is not symmetric: it reads one half and believes that the "
        "other is the same.",
        hint="np.linalg.eigvals takes any matrix. Or make it symmetric first.",
    ),
    half_of_what_is_divided_by_columns=slip(
        {_SCALED: "H / size"},
        "eigvalsh is given a matrix that is not symmetric: it reads one half and believes that the "
        "other is the same.",
        hint="np.linalg.eigvals takes any matrix. Or make it symmetric first.",
    ),
    made_symmetric_by_the_mean=slip(
        {
            f"np.linalg.eigvalsh({_SCALED})[-1]": (
                "np.linalg.eigvalsh((H / size + (H / size).T) / 2)[-1]"
            )
        },
        "The mean of a matrix and its transpose has other eigenvalues than the matrix.",
        hint="np.linalg.eigvals takes any matrix. Or divide row i and column j by the roots of the "
        "sizes i and j: that matrix is symmetric, and has the same eigenvalues.",
    ),
    largest_stretch=slip(
        {f"np.linalg.eigvalsh({_SCALED})[-1]": "np.linalg.norm(H / size[:, None], 2)"},
        "This is the largest singular value of P^-1 H: how much one step may stretch, not what "
        "many steps do.",
        hint="The matrix is not symmetric. Its eigenvalues decide: np.linalg.eigvals.",
    ),
    eigenvalues_over_sizes=slip(
        {f"np.linalg.eigvalsh({_SCALED})[-1]": "np.max(np.linalg.eigvalsh(H) / size)"},
        "The eigenvalues of H are divided by the sizes one by one; their directions are not the "
        "axes, to which the sizes belong.",
        hint="First put the sizes into the matrix, then ask for eigenvalues.",
    ),
    sizes_corrected_by_beta1=slip(
        {"1 - beta2**t": "1 - beta1**t"},
        "v is corrected by beta1; that is for m.",
        hint="v_hat = v / (1 - beta2 ** t)",
    ),
    root_of_v_corrected=slip(
        {"np.sqrt(v / (1 - beta2**t))": "np.sqrt(v) / (1 - beta2**t)"},
        "The root is taken before the correction; v is what is corrected.",
        hint="np.sqrt(v / (1 - beta2 ** t))",
    ),
    step_number_left_out=slip(
        {"1 - beta2**t": "1 - beta2"},
        "The correction is always that of the first step: t does not come in.",
        hint="v_hat = v / (1 - beta2 ** t)",
    ),
    a_step_too_far=slip(
        {"beta2**t": "beta2 ** (t + 1)"},
        "v is corrected as after one step more.",
        hint="t is the number of the step that was taken last: v_hat = v / (1 - beta2 ** t)",
    ),
    a_step_too_few=slip(
        {"beta2**t": "beta2 ** (t - 1)"},
        "v is corrected as after one step less.",
        hint="t is the number of the step that was taken last: v_hat = v / (1 - beta2 ** t)",
    ),
    other_convention=slip(
        {_LIMIT: "2 * (1 + beta1) / strongest"},
        "This is the limit for momentum as m = beta1 m + g; Adam's m is an average.",
        hint="An average has the factor (1 - beta1), so its steps are shorter, and it bears more.",
    ),
    limit_for_one_beta1=slip(
        {_LIMIT: "38 / strongest"},
        "38 is the limit for beta1 = 0.9; beta1 is another one here.",
        hint="What is 38 made of? In one direction the limit is 2 (1 + beta1) / (1 - beta1).",
    ),
    one_plus_beta1_missing=slip(
        {_LIMIT: "2 / ((1 - beta1) * strongest)"},
        "The factor 1 + beta1 is missing.",
        hint="At the cliff the walk changes sides at each step, so that the memory pulls against "
        "it: r = -1 in the quadratic equation.",
    ),
    momentum_upside_down=slip(
        {_LIMIT: "2 * (1 - beta1) / ((1 + beta1) * strongest)"},
        "The fraction of beta1 is upside down: a longer memory makes Adam more stable here.",
        hint="For beta1 = 0.9 a parabola of curvature 1 bears 38, not 0.1.",
    ),
    limit_of_one=slip(
        {_LIMIT: "(1 + beta1) / ((1 - beta1) * strongest)"},
        "This is half of the limit.",
        hint="Without memory descent converges up to lr = 2 / curvature, not 1 / curvature.",
    ),
    strongest_not_found=slip(
        _after_one_step,
        "The strongest curvature is missed, as if an iteration for it had not come to its end.",
        hint="An iteration goes on until its number stands still: how many steps are yours? "
        "np.linalg.eigvals needs none.",
    ),
)


@stable_learning_rate.property(mistake="strongest_not_found")
def as_strong_as_it_gets(answer, case):
    """A search for the strongest direction that ends early ends below it."""
    return not 1.00101 < answer / case.expected < 3


@stable_learning_rate.property(
    "It is near, and off by more than a thousandth.",
    hint="An iteration goes on until its number stands still. If you have none: is each correction "
    "the one that is asked for?",
)
def not_only_near(answer, case):
    return not 0.8 < answer / case.expected < 0.99899


stable_learning_rate.remark(
    "Here np.linalg.eigvals of P^-1 H gives at once what a search finds in many steps.",
    uses=("matrix_power", "brentq"),
)
