"""Chapter 4, momentum: references, cases and known mistakes."""

from collections.abc import Callable

import numpy as np

from autograder.exercise import exercise, public
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
    points=4,
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
    points=4,
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
