"""Chapter 4, momentum: references, cases and known mistakes."""

from collections.abc import Callable

import numpy as np

from autograder.exercise import Case, exercise, public
from autograder.problems import bowl_slope, spd_matrix
from autograder.slips import slip

Array = np.ndarray


@public
def stiffening_slope(a, c):
    """The gradient of sum(a * theta ** 4) / 4 + (sum(theta) - c) ** 2 / 2, by theta."""

    def slope(theta):
        return a * theta**3 + np.sum(theta) - c

    return slope


@exercise(
    points=2,
    whole=(
        "theta",
        "velocity",
        "grad",
    ),
    hints=(
        "Two lines: first the new velocity, then the new theta. Which needs the other?",
        "The velocity is a weighted mean of the old velocity and the gradient. What do the two "
        "weights add up to?",
        "beta times the old velocity plus (1 - beta) times grad; then theta steps against that.",
    ),
)
def momentum_step(
    theta: Array, velocity: Array, grad: Array, lr: float, beta: float
) -> tuple[Array, Array]:
    """One step of gradient descent with momentum, in the averaged form.

    velocity <- beta * velocity + (1 - beta) * grad, then theta <- theta - lr * velocity, with
    the velocity just computed.

    Parameters
    ----------
    theta : array of shape (d,), the parameters before the step
    velocity : array of shape (d,), the average of the gradients so far; zeros at the start
    grad : array of shape (d,), the gradient at theta (an array, not a function)
    lr : step size (learning rate)
    beta : averaging factor, 0 <= beta < 1; at 0 this is plain gradient descent

    Returns
    -------
    theta, velocity : two new arrays of shape (d,), after the step. The arguments are left as
    they were.

    Source: lecture B; the idea is Polyak's (1964).
    """
    velocity = beta * velocity + (1 - beta) * grad
    return theta - lr * velocity, velocity


def _rates(rng, low: float = 0.05, high: float = 0.5) -> dict:
    return dict(lr=rng.uniform(low, high), beta=rng.uniform(0.6, 0.95))


def _state(rng, d: int) -> dict:
    return dict(theta=rng.normal(size=d), velocity=rng.normal(size=d))


@momentum_step.cases
def mid_run(rng):
    """A step in mid run: there is a velocity already."""
    d = rng.integers(2, 6)
    return dict(**_rates(rng), **_state(rng, d), grad=rng.normal(size=d))


@momentum_step.cases
def from_rest(rng):
    """The first step: the velocity is still zero."""
    d = rng.integers(1, 5)
    rates = _rates(rng)
    return dict(**rates, theta=rng.normal(size=d), velocity=np.zeros(d), grad=rng.normal(size=d))


@momentum_step.cases
def short_and_long_memory(rng):
    """beta = 0, which remembers nothing, and beta = 0.99, which remembers long."""
    for beta in (0.0, 0.99):
        lr = rng.uniform(0.05, 0.5)
        yield dict(lr=lr, beta=beta, **_state(rng, 3), grad=rng.normal(size=3))


momentum_step.slips(
    unscaled_gradient=slip(
        {"(1 - beta) * grad": "grad"},
        "The new gradient is not scaled by (1 - beta).",
        hint="An average has weights that add up to 1. Without the factor this is PyTorch's form: "
        "over a run its velocity is 1 / (1 - beta) times as large.",
    ),
    velocity_updated_after=slip(
        {"velocity = beta": "new = beta", "velocity, velocity": "velocity, new"},
        "theta is moved by the old velocity: the velocity is updated after the step.",
        hint="First let the velocity take in the gradient, then step with the result.",
    ),
    old_velocity_returned=slip(
        {"velocity = beta": "new = beta", "lr * velocity": "lr * new"},
        "The step is right, but the velocity that comes back is the old one.",
        hint="The next step needs the average that has this gradient in it.",
    ),
    weights_swapped=slip(
        {"beta * velocity": "(1 - beta) * velocity", "(1 - beta) * grad": "beta * grad"},
        "The two weights are swapped: beta belongs to the old velocity.",
        hint="A beta near 1 should remember much and change little with one new gradient.",
    ),
    rate_inside_velocity=slip(
        {"+ (1 - beta) * grad": "- lr * grad", "- lr * velocity": "+ velocity"},
        "The learning rate is inside the velocity: this is Sutskever's form, v = beta v - lr g.",
        hint="Here the velocity averages gradients alone; lr and the minus come in when theta "
        "moves.",
    ),
    rate_inside_with_a_plus=slip(
        {"+ (1 - beta) * grad": "+ lr * grad", "- lr * velocity": "- velocity"},
        "The learning rate is inside the velocity, v = beta v + lr g: Sutskever's form, with the "
        "minus moved.",
        hint="Here the velocity averages gradients alone; lr comes in when theta moves.",
    ),
    uphill=slip(
        {"theta - lr": "theta + lr"},
        "The step goes uphill: the velocity is added to theta.",
        hint="The velocity is an average of gradients, and a gradient points up. Subtract.",
    ),
    stepped_by_gradient=slip(
        {"lr * velocity": "lr * grad"},
        "The velocity is computed, but theta is moved by the gradient alone.",
        hint="That is plain gradient descent. Which of the two remembers the steps before?",
    ),
    answers_swapped=slip(
        {"theta - lr * velocity, velocity": "velocity, theta - lr * velocity"},
        "The two answers are in the wrong order: theta comes first, then the velocity.",
        hint="The last line is return theta, velocity.",
    ),
    rate_in_the_average=slip(
        {"(1 - beta) * grad": "(1 - beta) * lr * grad", "lr * velocity": "velocity"},
        "The learning rate is in the average: theta is then moved by the velocity as it is.",
        hint="The velocity averages gradients, whatever lr is; the step is lr times the velocity.",
    ),
    velocity_is_the_step=slip(
        {"+ (1 - beta) * grad": "- (1 - beta) * lr * grad", "- lr * velocity": "+ velocity"},
        "The velocity that comes back is the step, lr and minus included, not the average.",
        hint="If lr changes on the way, an average of gradients need not know; a stored step "
        "would.",
    ),
)


@exercise(
    points=3,
    hints=(
        "Write v_3 out for beta = 0.9, starting from v_0 = 0: what stands before g_1, g_2, g_3?",
        "How many times has the newest gradient, g_t, been multiplied by beta? And g_1?",
        "The exponents of beta run from t - 1 down to 0, and every weight has the factor "
        "(1 - beta).",
    ),
)
def ema_weights(beta: float, t: int) -> Array:
    """What each gradient weighs in the exponential average after t updates from zero.

    With v_0 = 0 and v_i = beta * v_(i-1) + (1 - beta) * g_i, unrolling gives
    v_t = w_1 * g_1 + ... + w_t * g_t. These are the w.

    Parameters
    ----------
    beta : averaging factor, 0 <= beta < 1
    t : number of updates, 1 or more

    Returns
    -------
    array of shape (t,): the weights of g_1, ..., g_t in that order, the oldest first.

    Source: lectures B and D.
    """
    return (1 - beta) * beta ** np.arange(t - 1, -1, -1)


@ema_weights.cases
def a_few_updates(rng):
    """A handful of updates."""
    return dict(beta=rng.uniform(0.5, 0.95), t=rng.integers(4, 10))


@ema_weights.cases
def first_updates(rng):
    """The first update and the second."""
    for t in (1, 2):
        yield dict(beta=rng.uniform(0.6, 0.95), t=t)


@ema_weights.cases
def short_and_long_average(rng):
    """beta = 0, where the last gradient is all, and an average over hundreds of updates."""
    yield dict(beta=0.0, t=rng.integers(2, 6))
    yield dict(beta=rng.uniform(0.97, 0.995), t=rng.integers(150, 300))


ema_weights.slips(
    reversed_order=slip(
        {"t - 1, -1, -1": "t"},
        "The weights are in reverse order: g_t, the newest gradient, weighs most.",
        hint="The answer starts with g_1, which has been multiplied by beta in every later update.",
    ),
    reversed_and_unscaled=slip(
        {"(1 - beta) * ": "", "t - 1, -1, -1": "t"},
        "The weights are in reverse order, and the factor (1 - beta) is missing.",
        hint="g_1 has been multiplied by beta most often, and each gradient enters as (1 - beta) "
        "* g.",
    ),
    unscaled_weights=slip(
        {"(1 - beta) * ": ""},
        "The factor (1 - beta) is missing.",
        hint="Each gradient enters the average as (1 - beta) * g; the newest weighs 1 - beta.",
    ),
    one_beta_too_many=slip(
        {"t - 1, -1, -1": "t, 0, -1"},
        "Every weight has one factor beta too many.",
        hint="The newest gradient has not been multiplied by beta yet: its exponent is 0.",
    ),
    made_to_sum_to_one=slip(
        lambda beta, t: ema_weights(beta, t) / np.sum(ema_weights(beta, t)),
        "The weights are made to add up to 1; those of an average that starts at zero do not.",
        hint="They add up to 1 - beta ** t. What is missing is the weight of the zero start.",
    ),
    start_included=slip(
        lambda beta, t: np.append(beta**t, ema_weights(beta, t)),
        "The weight of the start v_0 is among them.",
        hint="The answer has t entries, one for each gradient, the first for g_1.",
    ),
    started_at_the_first=slip(
        lambda beta, t: np.append(beta ** (t - 1), ema_weights(beta, t)[1:]),
        "The first gradient is taken as the start of the average; the average starts at zero.",
        hint="g_1 enters as every other gradient does: v_1 = (1 - beta) * g_1.",
    ),
    factors_swapped=slip(
        {"(1 - beta) * beta": "beta * (1 - beta)"},
        "beta and (1 - beta) are swapped.",
        hint="Each update multiplies what was there by beta, and the new gradient by (1 - beta).",
    ),
    reversed_one_too_many=slip(
        {"t - 1, -1, -1": "1, t + 1"},
        "The weights are in reverse order, and each has one factor beta too many.",
        hint="The exponents run from t - 1, for g_1, down to 0, for g_t.",
    ),
    powers_of_the_rest=slip(
        {"(1 - beta) * beta": "(1 - beta)"},
        "The power is taken of 1 - beta; it is beta that comes in once more with each update.",
        hint="An old gradient is multiplied by beta in every update; by 1 - beta once, as it "
        "enters.",
    ),
)


@exercise(
    points=2,
    whole=("v",),
    hints=(
        "Average the constant 1 with beta = 0.9: what is v after one update, and after two?",
        "The weights in the average add up to 1 - beta ** t. How do you bring that up to 1?",
    ),
)
def bias_correct(v: Array, beta: float, t: int) -> Array:
    """Undo the pull towards zero of an exponential average that started at zero.

    After t updates the weights of the gradients add up to less than 1. Rescale the average so
    that they would add up to 1: the average of a constant is then the constant itself.

    Parameters
    ----------
    v : array of shape (d,), the average after t updates from zero
    beta : averaging factor, 0 <= beta < 1
    t : number of updates made, 1 or more

    Returns
    -------
    array of shape (d,). v itself is left as it was.

    Source: lecture D; Kingma and Ba (2015), section 3.
    """
    return v / (1 - beta**t)


@bias_correct.cases
def early(rng):
    """The first update and the second."""
    for t in (1, 2):
        d = rng.integers(1, 4)
        yield dict(v=rng.normal(size=d), beta=rng.uniform(0.6, 0.95), t=t)


@bias_correct.cases
def some_updates_later(rng):
    """Some updates later."""
    t = rng.integers(5, 20)
    return dict(v=rng.normal(size=4), beta=rng.uniform(0.7, 0.95), t=t)


@bias_correct.cases
def long_memory(rng):
    """beta = 0.999: after hundreds of updates there is still much to correct."""
    return dict(v=rng.normal(size=3), beta=0.999, t=rng.integers(200, 2000))


bias_correct.slips(
    counted_from_zero=slip(
        {"beta**t": "beta ** (t - 1)"},
        "The exponent counts from 0: after t updates it is t.",
        hint="The first update has t = 1, and with t - 1 it would divide by zero.",
    ),
    same_for_every_t=slip(
        {"beta**t": "beta"},
        "The average is divided by 1 - beta, whatever t is.",
        hint="That is right for t = 1 alone; with every update there is less to correct.",
    ),
    multiplied=slip(
        {"v /": "v *"},
        "The average is multiplied where it should be divided.",
        hint="The average is too small in size; the correction makes it larger.",
    ),
    power_of_the_rest=slip(
        {"(1 - beta**t)": "(1 - beta) ** t"},
        "The power is taken of 1 - beta, not of beta.",
        hint="1 - beta ** t, where the power binds before the minus.",
    ),
    times_t=slip(
        {"beta**t": "beta * t"},
        "beta is multiplied by t, not raised to the power t.",
        hint="Each update multiplies the weight of the start by beta again: beta, beta ** 2, ...",
    ),
    divided_by_the_start=slip(
        {"(1 - beta**t)": "beta**t"},
        "The average is divided by beta ** t: that is the weight of the start, not of the "
        "gradients.",
        hint="All weights, the start's included, add up to 1. What is left for the gradients?",
    ),
    counted_one_too_far=slip(
        {"beta**t": "beta ** (t + 1)"},
        "The exponent is t + 1; t is already the number of updates made.",
        hint="After the first update, t = 1, the weights add up to 1 - beta.",
    ),
    brackets_missing=slip(
        {"(1 - beta**t)": "1 - beta**t"},
        "v / 1 - beta ** t divides by 1, then subtracts: brackets are missing.",
        hint="Python divides before it subtracts. Put the whole sum of weights into brackets.",
    ),
)


@exercise(
    points=3,
    whole=(
        "theta",
        "velocity",
    ),
    hints=(
        "Where would theta be carried by its velocity alone, before it sees a new gradient?",
        "Without a new gradient the velocity would shrink to beta * velocity: step by that.",
        "Ask grad at theta - lr * beta * velocity; the rest is the momentum step, from theta.",
    ),
)
def nesterov_step(
    theta: Array, velocity: Array, grad: Callable, lr: float, beta: float
) -> tuple[Array, Array]:
    """One step of Nesterov's momentum, in the averaged form: look ahead, then correct.

    As momentum_step, but the gradient is taken at the look-ahead point
    theta - lr * beta * velocity, where the old velocity alone would carry theta. The step itself
    starts at theta.

    Parameters
    ----------
    theta : array of shape (d,), the parameters before the step
    velocity : array of shape (d,), the average of the gradients so far; zeros at the start
    grad : function of an array of shape (d,), returns the gradient there, shape (d,)
    lr : step size (learning rate)
    beta : averaging factor, 0 <= beta < 1

    Returns
    -------
    theta, velocity : two new arrays of shape (d,), after the step. The arguments are left as
    they were.

    Source: lectures B and D; Nesterov (1983), in the form of Sutskever et al. (2013).
    """
    look_ahead = theta - lr * beta * velocity
    velocity = beta * velocity + (1 - beta) * grad(look_ahead)
    return theta - lr * velocity, velocity


@nesterov_step.cases
def in_a_bowl(rng):
    """A step in mid run, in a quadratic bowl."""
    d = rng.integers(2, 5)
    grad = bowl_slope(spd_matrix(rng, d), rng.normal(size=d))
    return dict(grad=grad, **_rates(rng, 0.1, 0.4), **_state(rng, d))


@nesterov_step.cases
def curved(rng):
    """A gradient that is not linear in theta."""
    d = rng.integers(1, 4)
    grad = stiffening_slope(rng.uniform(0.5, 1.5, d), float(rng.normal()))
    return dict(grad=grad, **_rates(rng, 0.1, 0.4), **_state(rng, d))


@nesterov_step.cases
def start_of_a_run(rng):
    """The first step, where there is nothing to look ahead with, and one after it."""
    grad = bowl_slope(spd_matrix(rng, 3), rng.normal(size=3))
    rates, theta = _rates(rng, 0.1, 0.4), rng.normal(size=3)
    yield dict(theta=theta, velocity=np.zeros(3), grad=grad, **rates)
    velocity = (1 - rates["beta"]) * grad(theta)
    yield dict(theta=theta - rates["lr"] * velocity, velocity=velocity, grad=grad, **rates)


nesterov_step.slips(
    gradient_at_the_old_point=slip(
        {"grad(look_ahead)": "grad(theta)"},
        "The gradient is taken at the old point: this is momentum without the look-ahead.",
        hint="grad is a function so that you can ask it somewhere else than at theta.",
    ),
    looked_back=slip(
        {"theta - lr * beta": "theta + lr * beta"},
        "The look-ahead has the wrong sign: it looks back to where theta came from.",
        hint="theta moves by minus lr times the velocity. Which way is ahead?",
    ),
    looked_ahead_without_rate=slip(
        {"lr * beta": "beta"},
        "The look-ahead leaves out the learning rate.",
        hint="How far does the velocity carry theta in one step? lr is part of that.",
    ),
    looked_ahead_without_beta=slip(
        {"lr * beta": "lr"},
        "The look-ahead leaves out beta.",
        hint="The part of the step that is known before the new gradient is lr * beta * velocity.",
    ),
    stepped_from_the_look_ahead=slip(
        {"theta - lr * velocity": "look_ahead - lr * velocity"},
        "The step starts at the look-ahead point, so the old velocity is walked twice.",
        hint="The look-ahead point is only where the gradient is asked; the step starts at theta.",
    ),
    unscaled_look_ahead_gradient=slip(
        {"(1 - beta) * grad": "grad"},
        "The new gradient is not scaled by (1 - beta).",
        hint="The velocity is an average here as in momentum_step: its weights add up to 1.",
    ),
    look_ahead_too_late=slip(
        {"velocity = beta": "new = beta", "velocity, velocity": "velocity, new"},
        "theta is moved by the old velocity: the velocity is updated after the step.",
        hint="The gradient at the look-ahead point corrects the velocity; then comes the step.",
    ),
    pytorch_way=slip(
        {
            "grad(look_ahead)": "grad(theta)",
            "lr * velocity": "lr * (beta * velocity + (1 - beta) * grad(theta))",
        },
        "This is PyTorch's way: the gradient at theta, and beta times the velocity in the step.",
        hint="Its iterates are the look-ahead points. Here theta is the point before looking "
        "ahead.",
    ),
    look_ahead_forgotten=slip(
        {"velocity = beta": "new = beta", "lr * velocity": "lr * new"},
        "The step is right, but the velocity that comes back is the old one.",
        hint="The next step needs the average that has this gradient in it.",
    ),
    sutskever_with_a_plus=slip(
        {"- lr * beta": "- beta", "+ (1 - beta)": "+ lr", "- lr * velocity": "- velocity"},
        "The velocity is the step itself, v = beta v + lr g: Sutskever's form, with the minus "
        "moved.",
        hint="Here the velocity averages gradients alone; lr comes in when theta moves.",
    ),
    sutskever_way=slip(
        {"- lr * beta": "+ beta", "+ (1 - beta)": "- lr", "- lr * velocity": "+ velocity"},
        "This is Sutskever's form: the velocity is the step itself, with the learning rate in it.",
        hint="Here the velocity averages gradients alone; lr and the minus come in when theta "
        "moves.",
    ),
)


@exercise(
    points=3,
    hints=(
        "At the best lr one root is below 1 and the other above: 1 - sqrt(lr * mu) equals "
        "sqrt(lr * L) - 1. Which sqrt(lr) does that?",
        "sqrt(lr) is 2 / (sqrt(L) + sqrt(mu)); put it back into 1 - sqrt(lr * mu).",
        "With k = L / mu, sqrt(beta) is (sqrt(k) - 1) / (sqrt(k) + 1). Square both roots.",
    ),
)
def heavy_ball_optimum(mu: float, L: float) -> tuple[float, float]:
    """The step size and beta with which the heavy ball is fastest on a quadratic.

    The heavy ball is momentum in the form velocity <- beta * velocity + grad, then
    theta <- theta - lr * velocity (no factor 1 - beta). On a quadratic whose curvatures lie
    between mu and L, the best beta for a given lr is the larger of (1 - sqrt(lr * mu)) ** 2 and
    (1 - sqrt(lr * L)) ** 2, and every step then shortens the distance to the minimum, in the
    long run, by the factor sqrt(beta). The best lr makes beta as small as can be: it is where
    the two are equal.

    Parameters
    ----------
    mu, L : smallest and largest eigenvalue of the Hessian, 0 < mu <= L

    Returns
    -------
    lr, beta : two floats, in this order.

    Source: Polyak (1964).
    """
    root_mu, root_L = float(np.sqrt(mu)), float(np.sqrt(L))
    lr = 4 / (root_L + root_mu) ** 2
    beta = ((root_L - root_mu) / (root_L + root_mu)) ** 2
    return lr, beta


@heavy_ball_optimum.cases
def ravine(rng):
    """A ravine: the largest curvature is far above the smallest."""
    mu = rng.uniform(0.1, 0.6)
    return dict(mu=mu, L=mu * rng.uniform(20, 500))


@heavy_ball_optimum.cases
def nearly_round(rng):
    """A round bowl, mu = L, and one that is nearly round."""
    mu = rng.uniform(1.5, 3)
    yield dict(mu=mu, L=mu)
    yield dict(mu=mu, L=mu * rng.uniform(1.5, 3))


@heavy_ball_optimum.cases
def whole_numbers(rng):
    """Curvatures that are whole numbers."""
    mu = rng.integers(1, 4)
    return dict(mu=mu, L=mu * rng.integers(5, 60))


heavy_ball_optimum.slips(
    rate_not_squared=slip(
        {"(root_L + root_mu)) ** 2": "(root_L + root_mu))"},
        "This beta is the rate itself; the best beta is its square.",
        hint="Every step shortens the distance by sqrt(beta), so beta is the square of that.",
    ),
    step_not_squared=slip(
        {"4 / (root_L + root_mu) ** 2": "2 / (root_L + root_mu)"},
        "This is the square root of lr; the answer is lr.",
        hint="Solving 1 - sqrt(lr * mu) = sqrt(lr * L) - 1 gives sqrt(lr) first.",
    ),
    roots_forgotten=slip(
        {"float(np.sqrt(mu)), float(np.sqrt(L))": "mu, L"},
        "The curvatures are used without their square roots.",
        hint="Plain gradient descent has k in its rate; the heavy ball has sqrt(k): that is its "
        "gain.",
    ),
    numbers_of_plain_descent=slip(
        lambda mu, L: (2 / (L + mu), ((L - mu) / (L + mu)) ** 2),
        "These are the numbers of plain gradient descent: its step size, and its rate squared.",
        hint="Momentum changes both: with k = L / mu, the rate has sqrt(k) in place of k.",
    ),
    step_of_plain_descent=slip(
        {"4 / (root_L + root_mu) ** 2": "2 / (L + mu)"},
        "The step size is that of plain gradient descent, 2 / (L + mu).",
        hint="With momentum a longer step still converges: up to 2 * (1 + beta) / L.",
    ),
    step_of_averaged_form=slip(
        {"return lr, beta": "return lr / (1 - beta), beta"},
        "The step size is that of the averaged form; the velocity here has no factor (1 - beta).",
        hint="Without (1 - beta) the velocity is larger by 1 / (1 - beta), and lr smaller by as "
        "much.",
    ),
    numbers_of_nesterov=slip(
        {"4 / (root_L + root_mu) ** 2": "1 / L", "root_mu)) ** 2": "root_mu))"},
        "These are Nesterov's numbers: lr = 1 / L, and a beta that is not squared.",
        hint="The heavy ball takes no look at the gradient ahead; its best step is longer.",
    ),
    order_swapped=slip(
        {"return lr, beta": "return beta, lr"},
        "The two answers are in the wrong order: lr comes first, then beta.",
        hint="The last line is return lr, beta.",
    ),
    step_of_one_over_L=slip(
        {"4 / (root_L + root_mu) ** 2": "1 / L"},
        "The step size is 1 / L; with momentum a longer one is best.",
        hint="Solve 1 - sqrt(lr * mu) = sqrt(lr * L) - 1 for sqrt(lr): mu has a say in it.",
    ),
    two_not_squared=slip(
        {"4 / (root_L": "2 / (root_L"},
        "The 2 is not squared: sqrt(lr) is 2 / (sqrt(L) + sqrt(mu)), and lr its square.",
        hint="Above the fraction stands 2 ** 2.",
    ),
    beta_without_roots=slip(
        {"(root_L - root_mu) / (root_L + root_mu))": "(L - mu) / (L + mu))"},
        "beta has the curvatures where their square roots belong.",
        hint="Put your lr into (1 - sqrt(lr * mu)) ** 2: the roots stay.",
    ),
)


@exercise(
    points=5,
    hints=(
        "Along one direction of curvature c, lr * velocity is the last step, "
        "theta_(t-1) - theta_t. Use that to write theta_(t+1) with theta_t and theta_(t-1) alone.",
        "Try theta_t = r ** t. You get r ** 2 - (1 + beta - lr * (1 - beta) * c) * r + beta = 0: "
        "which of its two roots decides in the long run, and what is the size of a complex one?",
        "np.abs(np.roots([1, -(1 + beta - lr * (1 - beta) * c), beta])) gives both sizes. Take the "
        "largest over all curvatures.",
    ),
)
def momentum_rate(lr: float, beta: float, curvatures: Array) -> float:
    """By which factor a step of momentum_step shrinks the distance to the minimum, in the long run.

    The loss is a quadratic, and `curvatures` are the eigenvalues of its Hessian. Along each
    eigenvector the walk goes its own way; in the long run the slowest decides. A factor above 1
    means that the walk runs away.

    Parameters
    ----------
    lr : step size of the averaged form (as in momentum_step), above 0
    beta : averaging factor, 0 < beta < 1
    curvatures : array of shape (d,), each above 0, in any order

    Returns
    -------
    float, 0 or more.

    Source: Polyak (1964); chapter 4, "The best settings for a quadratic".
    """
    half = (1 + beta - lr * (1 - beta) * curvatures) / 2
    root = np.sqrt(half**2 - beta + 0j)
    return float(np.max(np.abs([half + root, half - root])))


def _setting(rng, low: float, high: float, *others: float) -> dict:
    """A setting at which lr * (1 - beta) times the first curvature is `low` to `high` of the way
    from the last creeping place, (1 - sqrt(beta)) ** 2, to the first flipping one. The `others`
    are multiples of that curvature.
    """
    beta = rng.uniform(0.6, 0.8)
    ends = (1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2
    pull = ends[0] + rng.uniform(low, high) * (ends[1] - ends[0])
    first = rng.uniform(0.5, 3)
    curvatures = first * np.array([1.0, *others])
    lr = pull / (first * (1 - beta))
    return dict(lr=lr, beta=beta, curvatures=rng.permutation(curvatures))


@momentum_rate.cases
def swings(rng):
    """The walk swings along every direction."""
    return _setting(rng, 0.5, 0.6, rng.uniform(0.8, 0.9), rng.uniform(1.1, 1.2))


@momentum_rate.cases
def creeps(rng):
    """Along the floor the walk creeps; across it swings, or creeps as well."""
    made = _setting(rng, 0.47, 0.5, 1.05)
    edge = (1 - np.sqrt(made["beta"])) ** 2 / (made["lr"] * (1 - made["beta"]))
    weak = edge * rng.uniform(0.2, 0.4)
    yield {**made, "curvatures": np.append(made["curvatures"], weak)}
    yield {**made, "curvatures": np.array([weak, edge * rng.uniform(0.6, 0.9)])}


@momentum_rate.cases
def runs_away(rng):
    """It is too steep, in one direction or in all: the walk changes sides each time, and grows."""
    made = _setting(rng, 0.2, 0.4)
    pull = 2 * (1 + made["beta"]) * rng.uniform(1.1, 1.5)
    steep = pull / (made["lr"] * (1 - made["beta"]))
    yield {**made, "curvatures": np.append(steep, made["curvatures"])}
    yield {**made, "curvatures": steep * rng.permutation([1.0, rng.uniform(1.2, 1.4)])}


momentum_rate.slips(
    rate_of_the_summed_form=slip(
        {"lr * (1 - beta) * curvatures": "lr * curvatures"},
        "lr is used as in PyTorch's form; momentum_step has the factor 1 - beta.",
        hint="The new gradient enters the step with lr * (1 - beta).",
    ),
    rate_of_plain_descent=slip(
        lambda lr, beta, curvatures: float(np.max(np.abs(1 - lr * curvatures))),
        "This is the rate of plain descent: there is no memory in it.",
        hint="The step keeps beta times the last step. Two points come into it, so two roots.",
    ),
    plain_descent_with_a_share=slip(
        lambda lr, beta, curvatures: float(np.max(np.abs(1 - lr * (1 - beta) * curvatures))),
        "This is plain descent with lr * (1 - beta): the velocity of before is left out.",
        hint="The step keeps beta times the last step. Two points come into it, so two roots.",
    ),
    root_of_a_negative_number=slip(
        {" + 0j": ""},
        "np.sqrt of a negative number is nan: where the walk swings the roots are complex.",
        hint="np.sqrt(number + 0j) gives the complex root, np.abs its size; np.roots does both "
        "steps at once.",
    ),
    sign_of_the_root_lost=slip(
        {"half**2 - beta + 0j": "np.abs(half**2 - beta)"},
        "The root is taken of the size of a negative number: it is then imaginary, not real.",
        hint="The size of a + bi is the root of a ** 2 + b ** 2, not a + b. np.sqrt(number + 0j) "
        "gives the complex root, np.abs its size.",
    ),
    not_halved=slip(
        {"curvatures) / 2": "curvatures)", "half**2 - beta": "half**2 - 4 * beta"},
        "The roots are twice as large as they should be.",
        hint="The formula for the roots of a quadratic equation divides all of it by 2.",
    ),
    four_forgotten=slip(
        {"half**2 - beta": "half**2 - beta / 4"},
        "Below the root the 4 is missing: b ** 2 - 4 * beta.",
        hint="The roots of r ** 2 - b * r + beta are (b +- sqrt(b ** 2 - 4 * beta)) / 2.",
    ),
    product_of_the_roots=slip(
        lambda lr, beta, curvatures: float(beta),
        "This is beta, the product of both roots.",
        hint="Where they are complex each has the size of its root. And where both are real?",
    ),
    rate_of_the_best_settings=slip(
        lambda lr, beta, curvatures: float(
            1 - 2 / (1 + np.sqrt(np.max(curvatures) / np.min(curvatures)))
        ),
        "This is the rate at the best lr and beta; asked is that of the lr and beta given.",
        hint="Neither lr nor beta comes into it.",
    ),
    moved_by_the_old_velocity=slip(
        {
            "half = (1 + beta - lr * (1 - beta) * curvatures) / 2": "half = (1 + beta) / 2",
            "half**2 - beta": "half**2 - beta - lr * (1 - beta) * curvatures",
        },
        "theta is moved by the old velocity here; momentum_step moves it by the new one.",
        hint="Put the new velocity into the second line before you write down the matrix.",
    ),
    always_the_root_of_beta=slip(
        lambda lr, beta, curvatures: float(np.sqrt(beta)),
        "This is the root of beta: right only as long as the roots are complex.",
        hint="Their product is beta. Where both are real, one of them is larger than its root.",
    ),
    real_parts=slip(
        {"np.abs([half + root, half - root])": "np.abs(np.real([half + root, half - root]))"},
        "Of the complex roots only the real part counts here.",
        hint="The root of a negative number is imaginary, not 0, and is part of the size: np.abs.",
    ),
    one_of_the_two_signs=slip(
        {"np.abs([half + root, half - root])": "np.abs([half + root])"},
        "Only the root with the plus sign is looked at.",
        hint="Where the walk changes sides the other one, with the minus sign, is the larger.",
    ),
    smaller_root=slip(
        {
            "np.max(np.abs([half + root, half - root]))": (
                "np.max(np.min(np.abs([half + root, half - root]), axis=0))"
            )
        },
        "This is the smaller of the two roots; in the long run the larger one is left.",
        hint="A sum of two powers looks like the larger one after a while.",
    ),
    fastest_direction=slip(
        {
            "np.max(np.abs([half + root, half - root]))": (
                "np.min(np.max(np.abs([half + root, half - root]), axis=0))"
            )
        },
        "This is the direction in which the walk is fastest; the slowest one decides.",
        hint="The distance to the minimum has all directions in it.",
    ),
    sign_not_taken_off=slip(
        {
            "np.max(np.abs([half + root, half - root]))": (
                "np.max(np.real([half + root, half - root]))"
            ),
        },
        "The largest root is taken with its sign; the size counts.",
        hint="A root of -1.2 makes a walk that changes sides, and grows.",
    ),
    strongest_curvature_alone=slip(
        {
            "= (1 + beta - lr * (1 - beta) * curvatures) / 2": (
                "= (1 + beta - lr * (1 - beta) * np.max(curvatures)) / 2"
            )
        },
        "Only the strongest curvature is looked at.",
        hint="Along the weakest one the walk may be slower.",
    ),
    weakest_curvature_alone=slip(
        {
            "= (1 + beta - lr * (1 - beta) * curvatures) / 2": (
                "= (1 + beta - lr * (1 - beta) * np.min(curvatures)) / 2"
            )
        },
        "Only the weakest curvature is looked at.",
        hint="Along the strongest one the walk may run away.",
    ),
    beta_of_the_wrong_sign=slip(
        {"half**2 - beta": "half**2 + beta"},
        "The constant term of the quadratic equation has the wrong sign.",
        hint="theta_(t+1) = (1 + beta - ...) theta_t - beta theta_(t-1). Bring all to one side.",
    ),
    middle_without_beta=slip(
        {"(1 + beta - lr": "(1 - lr"},
        "beta is missing in the middle term.",
        hint="theta_t comes in twice: as the place, and in the last step, theta_t - theta_(t-1).",
    ),
    rate_of_nesterov=slip(
        {
            "half = (1 + beta - lr * (1 - beta) * curvatures) / 2": (
                "kept = 1 - lr * (1 - beta) * curvatures\n    half = (1 + beta) * kept / 2"
            ),
            "half**2 - beta": "half**2 - beta * kept",
        },
        "This is Nesterov's rate: the gradient is taken at the look-ahead point.",
        hint="momentum_step takes the gradient at theta.",
    ),
    one_number_a_direction=slip(
        {
            "float(np.max(np.abs([half + root, half - root])))": (
                "np.max(np.abs([half + root, half - root]), axis=0)"
            )
        },
        "There is a number for each direction; in the long run the slowest one decides.",
        hint="One number is asked: the largest of them.",
    ),
    one_number_a_sign=slip(
        {
            "float(np.max(np.abs([half + root, half - root])))": (
                "np.max(np.abs([half + root, half - root]), axis=1)"
            )
        },
        "There is a number for each sign of the root; in the long run the larger one decides.",
        hint="One number is asked: the largest of all roots, in size.",
    ),
    all_numbers=slip(
        {
            "float(np.max(np.abs([half + root, half - root])))": (
                "np.abs([half + root, half - root])"
            )
        },
        "These are the sizes of all roots; in the long run the largest one decides.",
        hint="One number is asked: np.max of them.",
    ),
    squared=slip(
        {
            "float(np.max(np.abs([half + root, half - root])))": (
                "float(np.max(np.abs([half + root, half - root])) ** 2)"
            )
        },
        "This is the factor of the loss; the distance shrinks by its root.",
        hint="A loss is the square of a distance.",
    ),
)


@momentum_rate.property(
    "It is near, as a number is that was read off a walk.",
    hint="The roots of the equation for theta_(t+1) give it exactly: no walk is needed.",
)
def not_only_near(answer, case):
    off = abs(answer / case.expected - 1)
    return not 1e-5 < off < 0.05


@exercise(
    points=5,
    hints=(
        "Write down what momentum_step does to theta alone, without the velocity: the last step "
        "says what lr * velocity was.",
        "theta_(t+1) - theta_t = beta * (theta_t - theta_(t-1)) - a * curvature * theta_t, with "
        "a = lr * (1 - beta). Each three points in a row give one equation for beta and a.",
        "Two equations are enough, all of them are better: np.linalg.lstsq on the columns "
        "theta_t - theta_(t-1) and -curvature * theta_t. Then lr = a / (1 - beta).",
    ),
)
def read_walk(thetas: Array, curvature: float) -> tuple[float, float]:
    """The learning rate and beta of a walk that somebody else took.

    The walk was made by momentum_step on the loss curvature * theta ** 2 / 2, of one parameter.
    You have a piece of it: points that follow each other, from anywhere on the way. The velocity
    before the first of them was not written down, and need not have been zero.

    Parameters
    ----------
    thetas : array of shape (k,), k at least 6, points of the walk in their order
    curvature : above 0

    Returns
    -------
    lr, beta : two floats, in this order.

    Source: lecture D (the expansion of momentum), turned round.
    """
    steps = np.diff(thetas)
    inside = thetas[1:-1]
    columns = np.column_stack([steps[:-1], -curvature * inside])
    beta, a = np.linalg.lstsq(columns, steps[1:], rcond=None)[0]
    return float(a / (1 - beta)), float(beta)


def _piece(rng, low: float, high: float) -> dict:
    """A piece of a walk; `low` and `high` as for a setting of momentum_rate."""
    made = _setting(rng, low, high)
    lr, beta, curvature = made["lr"], made["beta"], made["curvatures"][0]
    theta = np.array([rng.uniform(1, 2)])
    velocity = rng.uniform(0.5, 1) * curvature * theta
    points = [theta[0]]
    for _ in range(rng.integers(6, 9)):
        theta, velocity = momentum_step.reference(theta, velocity, curvature * theta, lr, beta)
        points.append(theta[0])
    return dict(thetas=np.array(points), curvature=curvature)


@read_walk.cases
def swinging_piece(rng):
    """A walk that swings."""
    return Case(_piece(rng, 0.15, 0.6), rtol=1e-6)


@read_walk.cases
def growing_piece(rng):
    """A walk that runs away."""
    return Case(_piece(rng, 1.15, 1.3), rtol=1e-6)


def _from_rest(thetas, curvature):
    a = (thetas[0] - thetas[1]) / (curvature * thetas[0])
    beta = (thetas[2] - thetas[1] + a * curvature * thetas[1]) / (thetas[1] - thetas[0])
    return float(a / (1 - beta)), float(beta)


_SLOPE = "lr is off by a factor of 2, as if the gradient were not curvature * theta."
_NO_HALF = "The gradient of curvature * theta ** 2 / 2 is curvature * theta: the 2 cancels."

read_walk.slips(
    rate_of_the_other_form=slip(
        {"float(a / (1 - beta))": "float(a)"},
        "The learning rate is that of PyTorch's form; momentum_step has a factor 1 - beta.",
        hint="What the equations give is a = lr * (1 - beta).",
    ),
    rate_translated_backwards=slip(
        {"a / (1 - beta)": "a * (1 - beta)"},
        "The learning rate is translated the wrong way.",
        hint="a = lr * (1 - beta): solve for lr.",
    ),
    order_of_answers=slip(
        {"return float(a / (1 - beta)), float(beta)": "return float(beta), float(a / (1 - beta))"},
        "The two answers are in the wrong order: lr comes first, then beta.",
        hint="The last line is return lr, beta.",
    ),
    taken_from_rest=slip(
        _from_rest,
        "This takes the first point for the start of a walk at rest; it is from anywhere on the "
        "way.",
        hint="The first step holds an old velocity too. Use only triples of points.",
    ),
    curvature_forgotten=slip(
        {"-curvature * inside": "-inside"},
        "The curvature does not come in: the gradient is curvature * theta.",
        hint="A walk with twice the curvature and half the lr looks the same.",
    ),
    pull_at_the_new_point=slip(
        {"inside = thetas[1:-1]": "inside = thetas[2:]"},
        "The gradient is taken at the point that the step leads to; it is taken where it starts.",
        hint="The step from theta_t has the gradient at theta_t.",
    ),
    pull_at_the_old_point=slip(
        {"inside = thetas[1:-1]": "inside = thetas[:-2]"},
        "The gradient is taken one point too early.",
        hint="The step from theta_t has the gradient at theta_t, and beta times the step that led "
        "to theta_t.",
    ),
    beta_of_the_other_sign=slip(
        {
            "    return float(a / (1 - beta)), float(beta)": (
                "    middle = 1 + beta - a * curvature\n"
                "    return float((1 - beta - middle) / (1 + beta) / curvature), float(-beta)"
            )
        },
        "beta has the wrong sign.",
        hint="theta_(t+1) = (1 + beta - a * curvature) theta_t - beta theta_(t-1): the number "
        "before theta_(t-1) is minus beta.",
    ),
    middle_not_taken_apart=slip(
        {"a / (1 - beta)": "(a - beta / curvature) / (1 - beta)"},
        "lr is read off as if the number before theta_t were 1 - lr * (1 - beta) * curvature.",
        hint="theta_t comes in twice: as the place, and in the last step. So beta is in there too.",
    ),
    sign_of_the_pull=slip(
        {"-curvature * inside": "curvature * inside"},
        "The learning rate has the wrong sign.",
        hint="The step goes against the gradient.",
    ),
    pull_left_out=slip(
        lambda thetas, curvature: (
            float(1 / curvature),
            float(np.diff(thetas)[:-1] @ np.diff(thetas)[1:] / np.sum(np.diff(thetas)[:-1] ** 2)),
        ),
        "beta is read off as if each step were beta times the last one, without a gradient.",
        hint="A step has two parts: what it keeps of the last one, and the new gradient.",
    ),
    sign_of_beta_alone=slip(
        {"float(a / (1 - beta)), float(beta)": "float(a / (1 - beta)), float(-beta)"},
        "beta has the wrong sign; lr is right.",
        hint="theta_(t+1) = (1 + beta - a * curvature) theta_t - beta theta_(t-1): the number "
        "before theta_(t-1) is minus beta.",
    ),
    gradient_halved=slip({"-curvature * inside": "-curvature / 2 * inside"}, _SLOPE, hint=_NO_HALF),
    gradient_doubled=slip(
        {"-curvature * inside": "-2 * curvature * inside"}, _SLOPE, hint=_NO_HALF
    ),
    as_lstsq_gives_them=slip(
        {"return float(a / (1 - beta)), float(beta)": "return beta, a"},
        "These are the two numbers of the equations, beta and lr * (1 - beta), in this order.",
        hint="lr comes first, and is the second of them divided by 1 - beta.",
    ),
)


@read_walk.property(
    "They are near, as numbers are that a search on a grid found.",
    hint="Each three points in a row give an equation in beta and lr * (1 - beta): two of them "
    "give both exactly.",
)
def both_exactly(answer, case):
    off = np.abs(np.array(answer) / np.array(case.expected) - 1)
    return not 1e-6 < np.max(off) < 0.05
