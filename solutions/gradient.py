"""Chapter 2, the gradient: references, cases and known mistakes."""

from collections.abc import Callable

import numpy as np

from autograder.exercise import Case, exercise, public
from autograder.problems import bowl, bowl_slope, constant, rotated, spd_matrix
from autograder.slips import slip

Array = np.ndarray


@public
def ripples(w):
    """sum(sin(w * theta)) + prod(theta): no polynomial, and its variables are coupled."""

    def value(theta):
        return np.sum(np.sin(w * theta)) + np.prod(theta)

    return value


@public
def ripples_slope(w):
    """The gradient of sum(cosh(w * theta)), as a function of theta."""

    def slope(theta):
        return w * np.sinh(w * theta)

    return slope


@public
def valley(minimum, power, tilt, floor):
    """floor + |t - minimum| ** power, and `tilt` times as steep on the right of the minimum."""

    def height(t):
        distance = t - minimum
        return floor + np.where(distance > 0, tilt, 1.0) * np.abs(distance) ** power

    return height


@exercise(
    points=2,
    whole=("theta",),
    rtol=1e-6,
    atol=1e-8,
    hints=(
        "Change one component of theta at a time; how many times do you call f in all?",
        "For component i, go up by h and down by h from the same point, and look at the rise.",
        "The rise from theta - h e_i to theta + h e_i is over a run of 2 h.",
    ),
)
def numerical_gradient(f: Callable, theta: Array, h: float = 1e-5) -> Array:
    """Estimate the gradient of f at theta by central differences.

    Component i is (f(theta + h e_i) - f(theta - h e_i)) / (2 h), where e_i is the i-th unit
    vector. The error falls as h ** 2.

    Parameters
    ----------
    f : function of an array of shape (d,), returns a number
    theta : array of shape (d,); whole numbers are taken as float64
    h : half the distance between the two points

    Returns
    -------
    array of shape (d,), float64. theta itself is left as it was.

    Source: Nocedal and Wright, Numerical Optimization, section 8.1.
    """
    theta = np.asarray(theta, dtype=np.float64)
    gradient = np.zeros_like(theta)
    for i in range(theta.size):
        step = np.zeros_like(theta)
        step[i] = h
        gradient[i] = (f(theta + step) - f(theta - step)) / (2 * h)
    return gradient


@numerical_gradient.cases
def quadratic(rng):
    """A quadratic bowl in a few dimensions, the default h."""
    d = rng.integers(2, 5)
    # Coupled on every draw: a component that is not put back then shows in the next slope.
    A = spd_matrix(rng, d) + 3 * np.ones((d, d))
    return dict(f=bowl(A, rng.normal(size=d)), theta=rng.normal(size=d))


@numerical_gradient.cases
def wide_step(rng):
    """A wide step h on a function that is no polynomial."""
    d = rng.integers(2, 5)
    theta = rng.uniform(0.5, 1.5, d)
    return dict(f=ripples(rng.uniform(1, 3, d)), theta=theta, h=rng.uniform(0.05, 0.2))


numerical_gradient.slips(
    forward_difference=slip(
        {"f(theta - step)": "f(theta)", "(2 * h)": "h"},
        "This is the forward difference: it looks only ahead of theta.",
        hint="Its error falls as h; looking both ways, from theta - h to theta + h, makes it h ** "
        "2.",
    ),
    run_of_one_h=slip(
        {"(2 * h)": "h"},
        "The rise is divided by h, but the two points are 2 h apart.",
        hint="How far is it from theta - h to theta + h?",
    ),
    h_of_its_own=slip(
        {"step[i] = h": "step[i] = 1e-5", "(2 * h)": "(2 * 1e-5)"},
        "h is not used: a number of your own stands in its place.",
        hint="Whoever calls chooses h. Write h wherever a step is taken or divided by.",
    ),
    one_number_for_all=slip(
        lambda f, theta, h=1e-5: (f(theta + h) - f(theta - h)) / (2 * h),
        "All components of theta are moved at once, and one number comes back.",
        hint="theta + h adds h to every component. Move one at a time: d slopes, in an array.",
    ),
    all_at_once=slip(
        {"step[i] = h": "step[:] = h"},
        "All components of theta are moved at once.",
        hint="A partial derivative moves one component and holds the others: theta + h adds h to "
        "all.",
    ),
    not_put_back=slip(
        {"/ (2 * h)": "/ (2 * h)\n        theta = theta - step"},
        "A component that was moved is not put back before the next one is moved.",
        hint="Work on a fresh copy of theta for each component.",
    ),
    backward_difference=slip(
        {"f(theta + step)": "f(theta)", "(2 * h)": "h"},
        "This is the backward difference: it looks only behind theta.",
        hint="Its error falls as h; looking both ways, from theta - h to theta + h, makes it h ** "
        "2.",
    ),
    brackets_missing=slip(
        {"(2 * h)": "2 * h"},
        "... / 2 * h divides by 2, then multiplies by h: brackets are missing.",
        hint="Python works from left to right here. Divide by (2 * h).",
    ),
    behind_minus_ahead=slip(
        {"theta + step": "theta - step", "theta - step": "theta + step"},
        "The sign is reversed: the height behind theta stands first.",
        hint="Where f rises, the slope is positive: ahead minus behind.",
    ),
)


numerical_gradient.remark(
    "SciPy's own difference quotient gives the number; writing it yourself shows where it "
    "comes from.",
    uses=("approx_fprime", "approx_derivative", "derivative"),
)


@exercise(
    points=2,
    whole=(
        "theta",
        "X",
        "y",
    ),
    hints=(
        "Write the loss for one row first: 1/2 (x.theta - y) ** 2. What is its derivative?",
        "Every row contributes its error times its own x; the columns of X collect them.",
        "X.T @ (X @ theta - y), then remember that the loss is a mean.",
    ),
)
def linear_gradient(theta: Array, X: Array, y: Array) -> Array:
    """Gradient of half the mean squared error of a linear model.

    The loss is 1 / (2 n) * sum((X @ theta - y) ** 2).

    Parameters
    ----------
    theta : array of shape (d,)
    X : array of shape (n, d), one example a row
    y : array of shape (n,)

    Returns
    -------
    array of shape (d,): the direction in which the loss rises fastest.

    Source: lecture C, with the minus sign that its slide leaves out put right.
    """
    return X.T @ (X @ theta - y) / len(y)


def _regression(rng, n: int, d: int) -> dict:
    return dict(theta=rng.normal(size=d), X=rng.normal(size=(n, d)), y=rng.normal(size=n))


@linear_gradient.cases
def tall(rng):
    """More examples than parameters."""
    return _regression(rng, n=rng.integers(6, 12), d=rng.integers(2, 4))


@linear_gradient.cases
def wide(rng):
    """More parameters than examples."""
    return _regression(rng, n=rng.integers(2, 4), d=rng.integers(5, 8))


linear_gradient.slips(
    wrong_sign=slip(
        {"X @ theta - y": "y - X @ theta"},
        "The sign is reversed: this is the direction in which the loss falls.",
        hint="Was it X (Y - f(X))? The derivative of -f(X) brings a minus with it.",
    ),
    no_mean=slip(
        {" / len(y)": ""},
        "The errors are summed; the loss is their mean, so 1/n is missing.",
        hint="Divide by the number of examples, len(y).",
    ),
    not_halved=slip(
        {"X.T": "2 * X.T"},
        "This is the gradient of the mean squared error; the loss here is half of it.",
        hint="The 1/2 in the loss is there to cancel the 2 that the square brings down.",
    ),
    twice_the_sum=slip(
        {"X.T": "2 * X.T", " / len(y)": ""},
        "This is the gradient of the sum of squares; the loss here is half of their mean.",
        hint="2 X.T @ (X @ theta - y) belongs to the sum. The half and the mean make it 1 / n.",
    ),
    mean_over_parameters=slip(
        {"len(y)": "len(theta)"},
        "The sum is divided by the number of parameters, not of examples.",
        hint="The mean is over rows: X has n rows and d columns.",
    ),
)


@exercise(
    points=2,
    whole=("theta0",),
    hints=(
        "How many points does a walk of `steps` steps visit?",
        "Make room for steps + 1 rows, put theta0 in the first, fill the others one by one.",
        "Each new row is the row before it minus lr times the gradient at the row before it.",
    ),
)
def gradient_descent(grad: Callable, theta0: Array, lr: float, steps: int) -> Array:
    """Walk downhill: theta <- theta - lr * grad(theta), again and again.

    Parameters
    ----------
    grad : function of an array of shape (d,), returns the gradient, shape (d,)
    theta0 : array of shape (d,), where the walk starts
    lr : step size (learning rate)
    steps : number of steps, 0 or more

    Returns
    -------
    array of shape (steps + 1, d): every point of the walk, the start included.

    Source: Cauchy (1847); lecture C.
    """
    trajectory = np.zeros((steps + 1, len(theta0)))
    trajectory[0] = theta0
    for t in range(steps):
        trajectory[t + 1] = trajectory[t] - lr * grad(trajectory[t])
    return trajectory


@gradient_descent.cases
def in_a_bowl(rng):
    """A few steps in a quadratic bowl."""
    d = rng.integers(2, 5)
    grad = bowl_slope(spd_matrix(rng, d), rng.normal(size=d))
    lr = rng.uniform(0.05, 0.2)
    return dict(grad=grad, theta0=rng.normal(size=d), lr=lr, steps=rng.integers(3, 8))


@gradient_descent.cases
def curved(rng):
    """A gradient that is not linear in theta."""
    d = rng.integers(1, 4)
    grad = ripples_slope(rng.uniform(0.5, 1.0, d))
    lr = rng.uniform(0.05, 0.2)
    return dict(grad=grad, theta0=rng.uniform(-2, 2, d), lr=lr, steps=rng.integers(3, 8))


@gradient_descent.cases
def from_the_minimum(rng):
    """The walk starts at the minimum, and stays there."""
    d = rng.integers(2, 5)
    A, minimum = spd_matrix(rng, d), rng.uniform(0.5, 2, d)
    grad, steps = bowl_slope(A, A @ minimum), rng.integers(3, 8)
    return dict(grad=grad, theta0=minimum, lr=rng.uniform(0.05, 0.2), steps=steps)


@gradient_descent.cases
def no_step_and_one_step(rng):
    """steps = 0 gives the start alone; steps = 1 adds one row."""
    for steps in (0, 1):
        grad = bowl_slope(spd_matrix(rng, 2), rng.normal(size=2))
        yield dict(grad=grad, theta0=rng.normal(size=2), lr=0.1, steps=steps)


gradient_descent.slips(
    uphill=slip(
        {"- lr": "+ lr"},
        "The walk goes uphill: the gradient is added, not subtracted.",
        hint="The gradient points where the function rises fastest. Which way do you want to go?",
    ),
    start_missing=slip(
        lambda grad, theta0, lr, steps: np.array([*gradient_descent(grad, theta0, lr, steps)][1:]),
        "The start is missing from the trajectory.",
        hint="The first row is theta0 itself, so there are steps + 1 rows.",
    ),
    every_row_the_last=slip(
        {"return trajectory": "return np.array([trajectory[-1]] * (steps + 1))"},
        "Every row is the last point: the same array was changed in place and stored again and "
        "again.",
        hint="theta -= ... changes the array that you stored before; theta = theta - ... makes a "
        "new.",
    ),
    every_later_row_the_last=slip(
        {"return trajectory": "return np.array([theta0, *[trajectory[-1]] * steps])"},
        "Every row but the first is the last point: one array was changed in place and stored "
        "again and again.",
        hint="theta -= ... changes the array that you stored before; theta = theta - ... makes a "
        "new.",
    ),
    stopped_early=slip(
        lambda grad, theta0, lr, steps: np.array(
            [
                theta
                for k, theta in enumerate(gradient_descent(grad, theta0, lr, steps))
                if k == 0 or np.linalg.norm(grad(theta)) > 1e-8
            ]
        ),
        "The walk stops where the gradient is small; it must have steps + 1 rows all the same.",
        hint="The docstring says how many steps are taken. A walk at the minimum stays there.",
    ),
    gradient_of_the_start=slip(
        {"grad(trajectory[t])": "grad(trajectory[0])"},
        "Every step uses the gradient at the start.",
        hint="Ask for the gradient where you stand now, inside the loop.",
    ),
    only_the_end=slip(
        {"return trajectory": "return trajectory[-1]"},
        "Only the end of the walk comes back, not every point on the way.",
        hint="Keep theta0 and each new theta as a row; the answer has steps + 1 rows.",
    ),
    one_step_too_many=slip(
        lambda grad, theta0, lr, steps: gradient_descent(grad, theta0, lr, steps + 1),
        "It walks one step too many.",
        hint="steps + 1 is the number of points; the start is one of them.",
    ),
    one_step_too_few=slip(
        lambda grad, theta0, lr, steps: gradient_descent(grad, theta0, lr, steps)[: max(1, steps)],
        "It walks one step too few.",
        hint="range(1, steps) has steps - 1 numbers. The walk has steps + 1 points.",
    ),
    last_row_left_empty=slip(
        {"in range(steps)": "in range(steps - 1)"},
        "The last row is still zeros: the loop ends one step too soon.",
        hint="range(1, steps) has steps - 1 numbers. The last row to fill is trajectory[steps].",
    ),
    without_lr=slip(
        {"lr * ": ""},
        "lr is left out: each step is as long as the gradient.",
        hint="theta - lr * grad(theta)",
    ),
)


@exercise(
    points=2,
    by_value=False,
    # Every search asks phi dozens of times: a draw of each kind says enough.
    draws=1,
    hints=(
        "Two inner points c < d split the bracket in three. What does phi(c) < phi(d) rule out?",
        "If phi(c) < phi(d), the minimum cannot lie to the right of d: the new bracket is [a, d].",
        "Shrink until b - a is at most tol, and return a point inside.",
    ),
)
def bracketing_line_search(phi: Callable, a: float, b: float, tol: float) -> float:
    """Find the minimum of phi along a line by shrinking a bracket around it.

    Compare phi at two inner points, and throw away the end of the bracket in which the minimum
    cannot lie; stop when the bracket is no longer than tol. Any choice of inner points will do.

    Parameters
    ----------
    phi : function of a number, with a single minimum in [a, b]
    a, b : the ends of the bracket, a < b
    tol : how far from the minimum the answer may be, in units of t

    Returns
    -------
    float within tol of the minimum.

    Source: lecture D; golden section, Kiefer (1953).
    """
    shrink = (np.sqrt(5) - 1) / 2
    while b - a > tol:
        c, d = b - shrink * (b - a), a + shrink * (b - a)
        if phi(c) < phi(d):
            b = d
        else:
            a = c
    return (a + b) / 2


def _line_cases(rng, low: float, high: float, power: float, tilt: float, tol: float):
    """Valleys whose minimum lies between these shares of the bracket's length from its left end.

    Many brackets and a coarse tol besides that one: who stops a little too soon, or takes tol for
    a share of b, is right by chance in some of them, and not in all.
    """
    for start in (rng.uniform(-3, 0), *rng.uniform(30, 90, 6)):
        b = start + rng.uniform(2, 6)
        minimum = start + rng.uniform(low, high) * (b - start)
        floor = float(rng.choice([-1, 1]) * rng.uniform(1, 4))
        args = dict(phi=valley(minimum, power, tilt, floor), a=start, b=b, tol=tol)
        yield Case(args, {"minimum": minimum}, atol=2 * tol)
        tol, tilt = 0.2, float(rng.choice([0.1, 10]))


@bracketing_line_search.cases
def near_the_left_end(rng):
    """The minimum lies in the left fifth of the bracket."""
    return _line_cases(rng, 0.05, 0.2, 2, 1.0, 1e-4)


@bracketing_line_search.cases
def near_the_right_end(rng):
    """The minimum lies in the right fifth of the bracket."""
    return _line_cases(rng, 0.8, 0.95, 2, 1.0, 1e-4)


@bracketing_line_search.cases
def lopsided(rng):
    """Steeper on one side than on the other, with a corner at the minimum."""
    return _line_cases(rng, 0.25, 0.3, 1, float(rng.uniform(2, 4)), 1e-4)


@bracketing_line_search.cases
def flat_bottom(rng):
    """So flat at the bottom that phi hardly changes there."""
    return _line_cases(rng, 0.1, 0.25, 4, 1.0, 1e-2)


@bracketing_line_search.property(
    "The answer is further than tol from the minimum.",
    hint="Go on until the bracket itself is no longer than tol.",
)
def close_to_the_minimum(answer, case):
    return abs(float(answer) - case.facts["minimum"]) <= case.args["tol"] * (1 + 1e-9)


@bracketing_line_search.property(
    "phi is asked at very many points: a grid is no bracket.",
    hint="Compare phi at two inner points at a time; a few dozen comparisons are plenty.",
)
def few_single_points(answer, case):
    calls, args = case.calls["phi"], case.args
    halvings = np.log2((args["b"] - args["a"]) / args["tol"])
    return len(calls) <= 40 * halvings and all(np.ndim(point) == 0 for (point,), _ in calls)


# Where the mistaken searches cut the bracket: into thirds.
_GOLDEN = "b - shrink * (b - a), a + shrink * (b - a)"
_THIRDS = "a + (b - a) / 3, b - (b - a) / 3"

bracketing_line_search.slips(
    wrong_side=slip(
        {_GOLDEN: _THIRDS, "b = d": "a = c", "a = c": "b = d"},
        "The bracket is shrunk on the wrong side: the minimum was thrown away.",
        hint="If phi(c) < phi(d), phi rises from c to d, so the minimum is left of d: keep [a, d].",
    ),
    value_not_place=slip(
        {"return (a + b) / 2": "return float(phi((a + b) / 2))"},
        "This is the value of phi at its minimum, not the place where it lies.",
        hint="Return the point inside the last bracket, not phi of it.",
    ),
    middle_of_the_start=slip(
        lambda phi, a, b, tol: (a + b) / 2,
        "The bracket is never shrunk: this is the middle of the first one.",
        hint="Repeat the comparison while b - a is larger than tol.",
    ),
    shrunk_once=slip(
        {_GOLDEN: _THIRDS, "while": "if"},
        "The bracket is shrunk once, and then the search is over.",
        hint="The comparison belongs into a loop: while b - a > tol.",
    ),
)


bracketing_line_search.remark(
    "SciPy's search finds it too; the exercise is to see how a bracket shrinks.",
    uses=("minimize_scalar", "golden", "fminbound", "brent"),
)


@exercise(
    points=2,
    whole=("H",),
    hints=(
        "Which numbers tell how much a symmetric matrix curves in each of its own directions?",
        "np.linalg.eigvalsh gives the eigenvalues of a symmetric matrix.",
        "A convex function may be flat in a direction: an eigenvalue of 0 is allowed.",
    ),
)
def is_convex_hessian(H: Array, tol: float = 1e-10) -> bool:
    """Tell whether a function with this Hessian curves downwards nowhere.

    That is so when every eigenvalue of H is at least zero, up to rounding.

    Parameters
    ----------
    H : symmetric array of shape (d, d)
    tol : an eigenvalue counts as zero or more if it is at least -tol

    Returns
    -------
    bool

    Source: Boyd and Vandenberghe, Convex Optimization, section 3.1.4. Lecture D tests the
    determinant, which is positive for -I in two dimensions.
    """
    return bool(np.linalg.eigvalsh(H)[0] >= -tol)


@is_convex_hessian.cases
def plain(rng):
    """A bowl and a saddle."""
    d = rng.integers(2, 5)
    # So steep that they are a bowl and a saddle in whole numbers, too, where no entry is 0.
    yield dict(H=spd_matrix(rng, d) + 3 * np.eye(d))
    signs = np.ones(d)
    signs[rng.integers(d)] = -1
    yield dict(H=np.diag(signs * rng.uniform(3, 5, d)))


@is_convex_hessian.cases
def two_negative(rng):
    """Curved downwards in two directions: the determinant is positive all the same."""
    yield dict(H=rotated(rng, rng.uniform(1, 3, 2)))
    yield dict(H=rotated(rng, -rng.uniform(1, 3, 2)))
    # A negative trace: at least one entry of the diagonal is negative, on every draw.
    yield dict(H=rotated(rng, np.append(rng.uniform(1, 2, 2), -rng.uniform(2.1, 3, 2))))


@is_convex_hessian.cases
def flat_direction(rng):
    """One direction in which the function is flat, or nearly."""
    v = rng.integers(1, 4, 3).astype(np.float64)
    yield dict(H=np.outer(v, v))
    # Curved downwards in so few directions that nobody meets one of them by trying.
    steep = 10 * v
    yield dict(H=np.outer(steep, steep) - rng.uniform(1e-9, 1e-8) * np.eye(3))
    yield dict(H=np.diag([0.0, -1.0]))
    yield dict(H=rotated(rng, np.array([0.0, -1.0])))


@is_convex_hessian.cases
def one_direction_of_many(rng):
    """In one direction of eight it curves downwards, and little; then in none."""
    for least in (-1e-3, 1e-3):
        yield dict(H=rotated(rng, np.append(rng.uniform(1, 3, 7), least)))


@is_convex_hessian.cases
def positive_diagonal(rng):
    """A positive diagonal does not make a bowl."""
    a = rng.uniform(1, 2)
    off = a * rng.uniform(1.5, 2)
    yield dict(H=np.array([[a, off], [off, a]]))
    yield dict(H=np.array([[a, a / 2], [a / 2, a]]))
    # Two negative eigenvalues: the determinant is positive too.
    yield dict(H=np.full((3, 3), off) + (a - off) * np.eye(3))


@is_convex_hessian.cases
def own_tolerance(rng):
    """The caller says what counts as zero."""
    small = rng.uniform(6e-3, 9e-3)
    H = np.ones((2, 2)) - small * np.eye(2)
    yield dict(H=H, tol=1e-2)
    yield dict(H=H, tol=1e-4)


def _some_directions(H, tol=1e-10):
    x = np.random.default_rng(0).normal(size=(1000, len(H)))
    return bool(np.all(np.sum(x @ H * x, axis=1) >= -tol))


is_convex_hessian.slips(
    determinant_test=slip(
        {"np.linalg.eigvalsh(H)[0]": "np.linalg.det(H)"},
        "This tests the determinant, which is the product of the eigenvalues.",
        hint="-I in two dimensions has determinant 1 and curves downwards everywhere. Two negative "
        "eigenvalues make a positive product: look at each of them.",
    ),
    strictly_positive=slip(
        {">= -tol": "> max(tol, 1e-10)"},
        "An eigenvalue of zero is refused; a convex function may be flat in a direction.",
        hint="At least zero, up to tol: eigenvalue >= -tol.",
    ),
    diagonal_test=slip(
        {"np.linalg.eigvalsh(H)[0]": "np.min(np.diag(H))"},
        "Only the diagonal is looked at.",
        hint="[[1, 2], [2, 1]] has a positive diagonal and an eigenvalue of -1.",
    ),
    leading_minors=slip(
        lambda H, tol=1e-10: all(np.linalg.det(H[:k, :k]) >= -tol for k in range(1, len(H) + 1)),
        "The leading minors are tested; that they are at least 0 does not make it convex.",
        hint="diag(0, -1) has the minors 0 and 0, and curves downwards. Look at the eigenvalues.",
    ),
    directions_at_random=slip(
        _some_directions,
        "Some directions are tried; the one in which it curves downwards may not be among them.",
        hint="x @ H @ x is smallest in the direction of an eigenvector: the smallest eigenvalue "
        "tells for all directions at once.",
    ),
    any_eigenvalue=slip(
        {"[0]": "[-1]"},
        "One eigenvalue that is large enough is taken for all of them.",
        hint="Every one must be at least -tol; the smallest decides.",
    ),
    tol_unused=slip(
        {"-tol": "-1e-10"},
        "The argument tol is not used.",
        hint="Compare with -tol, not with a number of your own.",
    ),
)


@exercise(
    points=4,
    rtol=1e-2,
    # Each kind has two bowls, one of them steeper.
    draws=1,
    hints=(
        "The cliff stands at 2 / L. What is L a property of, and can you see that from outside?",
        "In a quadratic bowl the gradient is linear in theta. How does it change when you move "
        "by one along one axis? That is a column of the Hessian.",
        "H[:, i] is grad(e_i) minus grad(0), with e_i a row of np.eye(d). L is the largest of the "
        "eigenvalues that np.linalg.eigvalsh gives.",
    ),
)
def largest_learning_rate(grad: Callable, d: int) -> float:
    """The learning rate above which gradient descent diverges, in a bowl that one may only feel.

    The loss is a quadratic bowl in d parameters. Neither its Hessian nor the place of its minimum
    is known; all there is to ask is the gradient, at any place and as often as is reasonable.

    Parameters
    ----------
    grad : function of an array of shape (d,), returns the gradient there, shape (d,)
    d : number of parameters, 2 or more

    Returns
    -------
    float, right to one per cent: below it descent converges from every start, above it descent
    diverges from nearly every start.

    Source: chapter 2, the learning rate; Nocedal and Wright, section 3.3.
    """
    level = grad(np.zeros(d))
    H = np.array([grad(axis) - level for axis in np.eye(d)])
    return float(2 / np.linalg.eigvalsh((H + H.T) / 2)[-1])


def _felt(rng, d: int, far: float, **more):
    """Two bowls, so that no one answer is right for both."""
    for L in (rng.uniform(3, 4), rng.uniform(5, 6)):
        yield _bowl(rng, L, d, far, **more)


def _bowl(rng, L: float, d: int, far: float, twice: bool = False, steep: int = 0) -> dict:
    """A bowl with one steepest direction (or two), askew to all axes and to their middle.

    steep: so many of the last parameters have it, and nothing to do with the others.
    """
    rest = rng.uniform(0.3, 1.5, d - 1)
    if twice:
        # Of two that are equal to the last digit np.linalg.eigvals may make a complex pair.
        rest[-1] = 0.999 * L
    flat = d - (steep or d)
    curvatures = np.append(rest, L)
    A = np.zeros((d, d))
    while True:
        A[:flat, :flat] = rotated(rng, curvatures[:flat])
        A[flat:, flat:] = rotated(rng, curvatures[flat:])
        grad = bowl_slope(A, far * rng.choice([-1, 1], d) * rng.uniform(1, 2, d))
        middle = np.ones(d) / np.sqrt(d)
        once = A @ middle
        seen = max(np.diag(A).max(), middle @ A @ middle, once @ A @ once / (once @ once))
        # Nor do the gradients along the axes, taken for columns, happen to have it.
        taken = np.linalg.eigvals(A + grad(np.zeros(d))).real.max()
        # np.linalg.eigvals begins with the largest, unless it can tell groups apart.
        first, *_, last = np.abs(np.linalg.eigvals(A).real / L - 1) < 0.1
        in_order = bool(first) == (not steep) and not last
        if seen < 0.9 * L and abs(taken - L) > 0.1 * L and in_order:
            return dict(grad=grad, d=d)


@largest_learning_rate.cases
def a_few_parameters(rng):
    """Three or four parameters."""
    return _felt(rng, int(rng.integers(3, 5)), 1.0)


@largest_learning_rate.cases
def a_minimum_far_away(rng):
    """The minimum is far from where you would begin."""
    return _felt(rng, int(rng.integers(5, 7)), 30.0, steep=3)


@largest_learning_rate.cases
def many_parameters(rng):
    """Eight to eleven parameters, of which the first have nothing to do with the last four."""
    return _felt(rng, int(rng.integers(8, 12)), 3.0, steep=4)


@largest_learning_rate.cases
def equally_steep(rng):
    """Two directions share the strongest curvature."""
    return _felt(rng, int(rng.integers(5, 7)), 1.0, twice=True)


_CURVATURES = "np.linalg.eigvalsh((H + H.T) / 2)"


def _no_level(strongest: str):
    """The gradients for a Hessian: it is not symmetric, and each way to its largest curvature
    gives another number."""
    return slip(
        {" - level": "", f"{_CURVATURES}[-1]": strongest},
        "The gradients themselves are taken for columns of the Hessian.",
        hint="The gradient at 0 is not 0 unless the minimum is there. How much does it *change*?",
    )


def _unsorted(place: str):
    """One of the eigenvalues by its place, where they come in no order."""
    return slip(
        {f"{_CURVATURES}[-1]": f"np.linalg.eigvals(H).real[{place}]"},
        "One eigenvalue is taken by its place, but np.linalg.eigvals and np.linalg.eig do not sort "
        "them.",
        hint="The largest stands first quite often, and not always. np.linalg.eigvalsh sorts, from "
        "the smallest to the largest; np.max does without an order.",
    )


def _iterated_gradients(grad, d):
    v = np.ones(d)
    for _ in range(300):
        v = grad(v) / np.linalg.norm(grad(v))
    return float(2 / np.linalg.norm(grad(v)))


def _after_one_step(grad, d):
    level = grad(np.zeros(d))
    direction = grad(np.ones(d)) - level
    strength = direction @ (grad(direction) - level) / (direction @ direction)
    return float(2 / strength)


largest_learning_rate.slips(
    gradients_for_columns=_no_level(f"{_CURVATURES}[-1]"),
    gradients_for_rows=_no_level("np.linalg.eigvalsh(H)[-1]"),
    gradients_for_a_lower_half=_no_level("np.linalg.eigvalsh(H.T)[-1]"),
    gradients_for_any_matrix=_no_level("np.max(np.linalg.eigvals(H).real)"),
    gradients_for_a_norm=_no_level("np.linalg.norm(H, 2)"),
    one_over_L=slip(
        {"(2 /": "(1 /"},
        "This is half of it: 1 / L.",
        hint="At 1 / L the steepest direction is done in one step. It may overshoot, as long as "
        "it lands nearer than it was.",
    ),
    flattest_decides=slip(
        {"[-1]": "[0]"},
        "This looks at the smallest curvature; the largest one decides.",
        hint="The factor 1 - lr * curvature is the first to leave -1 to 1 where it is steepest.",
    ),
    first_eigenvalue=_unsorted("0"),
    last_eigenvalue=_unsorted("-1"),
    best_not_largest=slip(
        {f"2 / {_CURVATURES}[-1]": f"2 / {_CURVATURES}[[0, -1]].sum()"},
        "This is the best learning rate, 2 / (mu + L), not the largest.",
        hint="Asked is where descent begins to diverge: 2 / L.",
    ),
    diagonal_alone=slip(
        {f"{_CURVATURES}[-1]": "np.diag(H).max()"},
        "Only the curvatures along the axes are looked at; the steepest direction lies askew.",
        hint="You have the whole matrix. Which numbers tell its strongest curvature?",
    ),
    one_direction=slip(
        {f"{_CURVATURES}[-1]": "np.sum(H) * d ** -1.0"},
        "The curvature is measured along one direction only, that in which all components grow "
        "alike.",
        hint="It is steepest along an eigenvector, and nobody told you which. Ask along each axis.",
    ),
    gradients_iterated=slip(
        _iterated_gradients,
        "The gradients themselves are iterated; an iteration needs the Hessian times a direction.",
        hint="The gradient at 0 is not 0 unless the minimum is there. grad(v) - grad(0) is H @ v.",
    ),
    largest_row_sum=slip(
        {f"{_CURVATURES}[-1]": "np.abs(H).sum(axis=1).max()"},
        "This is the largest sum of sizes in a row: no curvature is above it, and none may reach "
        "it.",
        hint="np.linalg.eigvalsh gives the curvatures themselves.",
    ),
    one_rate_a_direction=slip(
        {f"float(2 / {_CURVATURES}[-1])": f"2 / {_CURVATURES}"},
        "There is a learning rate for each direction; descent has one for all of them.",
        hint="It diverges where one direction does. Which of them allows the least?",
    ),
    sum_of_curvatures=slip(
        {f"{_CURVATURES}[-1]": f"{_CURVATURES}.sum()"},
        "The curvatures of all directions are added up.",
        hint="Descent diverges where one direction does; the steepest one is enough.",
    ),
    all_numbers_of_the_matrix=slip(
        {f"{_CURVATURES}[-1]": "np.linalg.norm(H)"},
        "This is the root of the sum of all squares in the Hessian, larger than any one curvature.",
        hint="np.linalg.norm(H) is Frobenius's. The strongest curvature is the largest eigenvalue.",
    ),
    fraction_upside_down=slip(
        {"2 / np": "0.5 * np"},
        "The fraction is upside down: this is L / 2.",
        hint="The stronger the curvature, the smaller the step must be.",
    ),
    curvature_itself=slip(
        {"2 / np": "1.0 * np"},
        "This is L, the strongest curvature; the learning rate is asked.",
        hint="The stronger the curvature, the smaller the step must be.",
    ),
    steepest_not_found=slip(
        _after_one_step,
        "The curvature comes out too small, as if the steepest direction had not been found.",
        hint="An iteration goes on until its number stands still: how many steps are yours? Who "
        "tries directions at random hardly ever hits the steepest.",
    ),
)


@largest_learning_rate.property(mistake="steepest_not_found")
def as_steep_as_it_gets(answer, case):
    """No direction is steeper than the steepest: a search that ends early ends below it."""
    return answer <= 1.0101 * case.expected


@exercise(
    points=1,
    whole=(
        "theta",
        "x",
    ),
    hints=(
        "Compute u once and give it a name; both factors use it.",
        "The wave is np.sin(u), its envelope np.exp(-u ** 2 / 32).",
    ),
)
def gabor(theta: Array, x: Array) -> Array:
    """The Gabor model: a wave under a bell-shaped envelope.

    sin(u) * exp(-u ** 2 / 32) with u = theta[0] + 0.06 * theta[1] * x.

    Parameters
    ----------
    theta : array of shape (2,), the offset and the frequency
    x : array of shape (n,)

    Returns
    -------
    array of shape (n,)

    Source: lecture D, after Gabor (1946).
    """
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(-(u**2) / 32)


@gabor.cases
def typical(rng):
    """Parameters and inputs of the chapter's size."""
    n = rng.integers(3, 8)
    return dict(theta=rng.uniform([-4, 8], [4, 20]), x=rng.uniform(-14, 14, n))


@gabor.cases
def tails(rng):
    """Inputs so far out that the envelope decides."""
    n = rng.integers(3, 8)
    return dict(theta=rng.uniform([2, 10], [6, 20]), x=rng.uniform(5, 9, n))


gabor.slips(
    no_scale=slip(
        {"0.06 * ": ""},
        "The factor 0.06 before theta[1] is missing.",
        hint="u = theta[0] + 0.06 * theta[1] * x",
    ),
    envelope_of_x=slip(
        {"u**2": "x**2"},
        "The envelope depends on x; it is a function of u.",
        hint="The bell moves and narrows with theta as the wave does: exp(-u ** 2 / 32).",
    ),
    no_envelope=slip(
        {" * np.exp(-(u**2) / 32)": ""},
        "The envelope is missing: this is the wave alone.",
        hint="Multiply by exp(-u ** 2 / 32).",
    ),
    envelope_not_squared=slip(
        {"-(u**2)": "-u"},
        "In the envelope u is not squared.",
        hint="In Python -u**2 is -(u ** 2); a bell needs the square.",
    ),
    quotient_squared=slip(
        {"(u**2) / 32": "((u / 32) ** 2)"},
        "In the envelope the 32 is squared too: that is (u / 32) ** 2.",
        hint="Square u alone, then divide by 32.",
    ),
    envelope_grows=slip(
        {"-(u**2)": "u**2"},
        "The minus in the envelope is missing: it grows where it should fade.",
        hint="A bell is highest at u = 0 and falls to both sides: exp(-u ** 2 / 32).",
    ),
)


@exercise(
    points=2,
    whole=(
        "theta",
        "x",
        "y",
    ),
    rtol=1e-6,
    hints=(
        "Go link by link: loss, prediction, u, theta. What is the derivative of each?",
        "The model is a product of two functions of u; its derivative has two terms.",
        "Check yourself: numerical_gradient of the loss must give the same numbers.",
    ),
)
def gabor_gradient(theta: Array, x: Array, y: Array) -> Array:
    """Gradient of the sum of squared errors of the Gabor model.

    The loss is sum((gabor(theta, x) - y) ** 2): a sum, as in the lecture, not a mean.

    Parameters
    ----------
    theta : array of shape (2,)
    x, y : arrays of shape (n,)

    Returns
    -------
    array of shape (2,)

    Source: lecture D; the chain rule and the product rule.
    """
    u = theta[0] + 0.06 * theta[1] * x
    wave, bell = np.sin(u), np.exp(-(u**2) / 32)
    slope = (np.cos(u) - wave * u / 16) * bell
    pull = 2 * (wave * bell - y) * slope
    return np.array([np.sum(pull), np.sum(pull * 0.06 * x)])


def _gabor_data(rng, n: int) -> dict:
    return dict(
        theta=rng.uniform([-4, 8], [4, 20]), x=rng.uniform(-14, 14, n), y=rng.normal(size=n) * 0.5
    )


@gabor_gradient.cases
def few_points(rng):
    """A handful of points."""
    return _gabor_data(rng, rng.integers(3, 6))


@gabor_gradient.cases
def many_points(rng):
    """As many points as the chapter's data set has."""
    return _gabor_data(rng, rng.integers(25, 30))


gabor_gradient.slips(
    envelope_constant=slip(
        {"(np.cos(u) - wave * u / 16)": "np.cos(u)"},
        "The product rule is forgotten: the envelope is treated as if it were constant.",
        hint="sin(u) * exp(-u ** 2 / 32) depends on u in both factors.",
    ),
    mean_not_sum=slip(
        {"2 * (wave": "2 / len(x) * (wave"},
        "This is the gradient of the mean; the loss here is the sum.",
        hint="Everywhere else in the course losses are means. This one is a sum.",
    ),
    no_factor_two=slip(
        {"2 * (wave": "(wave"},
        "The factor 2 of the square's derivative is missing.",
        hint="The loss has no 1/2 in front, so the 2 stays.",
    ),
    inner_scale_missing=slip(
        {"pull * 0.06 * x": "pull * x"},
        "In the derivative by theta[1] the factor 0.06 is missing.",
        hint="u = theta[0] + 0.06 * theta[1] * x: differentiate it by theta[1].",
    ),
    error_reversed=slip(
        {"wave * bell - y": "y - wave * bell"},
        "The sign is reversed: the error is prediction minus y.",
        hint="(y - prediction) ** 2 is the same loss, but its derivative brings a minus with it.",
    ),
    envelope_slope_halved=slip(
        {"u / 16": "u / 32"},
        "The derivative of the envelope lacks a factor 2: of u ** 2 / 32 it is u / 16.",
        hint="The derivative of u ** 2 is 2 u, and 2 u / 32 is u / 16.",
    ),
    inner_x_missing=slip(
        {"pull * 0.06 * x": "pull * 0.06"},
        "In the derivative by theta[1] the factor x is missing.",
        hint="u = theta[0] + 0.06 * theta[1] * x: differentiate it by theta[1].",
    ),
)


@exercise(
    points=1,
    whole=("theta",),
    hints=(
        "On a quadratic, one step must land on the minimum, wherever it starts.",
        "The step s solves the linear system H s = g.",
        "np.linalg.solve(H, g) does that, and says LinAlgError where it cannot be done.",
    ),
)
def newton_step(grad: Callable, hessian: Callable, theta: Array) -> Array:
    """One step of Newton's method: theta minus the solution s of H s = g.

    Parameters
    ----------
    grad : function of theta, returns the gradient g, shape (d,)
    hessian : function of theta, returns the Hessian H, shape (d, d)
    theta : array of shape (d,)

    Returns
    -------
    array of shape (d,): the minimum of the parabola that touches the function at theta.

    Raises
    ------
    numpy.linalg.LinAlgError where the Hessian is singular.

    Source: Nocedal and Wright, section 2.2.
    """
    return theta - np.linalg.solve(hessian(theta), grad(theta))


@public
def curvature(A, w):
    """A Hessian that changes with theta: A plus diag(w * theta ** 2)."""

    def matrix(theta):
        return A + np.diag(w * theta**2)

    return matrix


@newton_step.cases
def to_the_bottom(rng):
    """A quadratic: one step lands on its minimum."""
    d = rng.integers(2, 5)
    A, b = spd_matrix(rng, d), rng.normal(size=d)
    return dict(grad=bowl_slope(A, b), hessian=constant(A), theta=rng.normal(size=d))


@newton_step.cases
def curvature_changes(rng):
    """The Hessian depends on where you stand, and need not be that of a bowl."""
    d = rng.integers(2, 4)
    A = rotated(rng, rng.uniform(1, 3, d) * np.append(-1.0, np.ones(d - 1)))
    return dict(
        grad=ripples_slope(rng.uniform(0.5, 1.0, d)),
        hessian=curvature(A, rng.uniform(4, 6, d)),
        theta=rng.uniform(1, 2, d),
    )


@newton_step.cases
def singular(rng):
    """A Hessian that cannot be solved with, and one that can."""
    # Powers of 4 have roots that are whole: the last pivot is 0 to the bit, by Cholesky too.
    H = 4.0 ** rng.integers(0, 3) * np.array([[1.0, 2.0], [2.0, 4.0]])
    theta, b = rng.normal(size=2), rng.normal(size=2)
    yield dict(grad=bowl_slope(np.eye(2), b), hessian=constant(H), theta=theta)
    yield dict(grad=bowl_slope(np.eye(2), b), hessian=constant(H + np.eye(2)), theta=theta)


newton_step.remark(
    "np.linalg.inv gives the right answer; np.linalg.solve gets there with a third of the work "
    "and less rounding, because it never makes the inverse.",
    uses="inv",
)


newton_step.slips(
    step_added=slip(
        {"theta -": "theta +"},
        "The step goes the wrong way: it is added, not subtracted.",
        hint="The gradient points uphill, and H turns and scales it. Subtract.",
    ),
    multiplied=slip(
        {"np.linalg.solve(hessian(theta), grad(theta))": "hessian(theta) @ grad(theta)"},
        "The gradient is multiplied by the Hessian; the step solves H s = g.",
        hint="Where the curvature is large the step must be small: divide, in the sense of "
        "matrices.",
    ),
    diagonal_only=slip(
        lambda grad, hessian, theta: theta - grad(theta) / np.diag(hessian(theta)),
        "Only the diagonal of the Hessian is used.",
        hint="Dividing by np.diag(H) ignores how the components pull on each other.",
    ),
    pseudo_inverse=slip(
        {"solve(hessian(theta), grad(theta))": "pinv(hessian(theta)) @ grad(theta)"},
        "A singular Hessian is passed over in silence by the pseudo-inverse or least squares.",
        hint="The docstring promises LinAlgError there; np.linalg.solve raises it by itself.",
    ),
    step_alone_with_its_sign=slip(
        {"theta - ": "-"},
        "This is the step alone, minus s; the new theta is wanted.",
        hint="theta minus the solution s of H s = g.",
    ),
    step_alone=slip(
        {"theta - ": ""},
        "This is the step alone; the new theta is wanted.",
        hint="theta minus the solution s of H s = g.",
    ),
)


@exercise(
    points=2,
    whole=(
        "H",
        "s",
        "y",
    ),
    hints=(
        "Compute rho = 1 / (y @ s) first; it stands in all three places.",
        "np.outer(s, y) is the matrix s y^T; s * y and s @ y are something else.",
        "The new H must satisfy H y = s (the secant equation): check it on your result.",
    ),
)
def bfgs_update(H: Array, s: Array, y: Array) -> Array:
    """The BFGS update of the inverse Hessian from one step.

    (I - rho s y^T) H (I - rho y s^T) + rho s s^T with rho = 1 / (y @ s).

    Parameters
    ----------
    H : symmetric array of shape (d, d), the inverse Hessian as it is estimated so far
    s : array of shape (d,), the step that was taken: theta_new - theta_old
    y : array of shape (d,), how the gradient changed over it; s @ y > 0

    Returns
    -------
    symmetric array of shape (d, d) that satisfies the secant equation (it takes y to s).

    Source: Nocedal and Wright, equation 6.17; Broyden, Fletcher, Goldfarb, Shanno (1970).
    """
    rho = 1 / (y @ s)
    left = np.eye(len(s)) - rho * np.outer(s, y)
    return left @ H @ left.T + rho * np.outer(s, s)


def _bfgs_case(rng, d: int, H: Array) -> dict:
    while True:
        s = rng.normal(size=d)
        y = spd_matrix(rng, d) @ s
        # s @ y is positive of the whole numbers, too, that arrays are rounded to, never to 0.
        whole = [np.copysign(np.maximum(np.rint(np.abs(v)), 1), v) for v in (s, y)]
        if whole[0] @ whole[1] > 0:
            return dict(H=H, s=s, y=y)


@bfgs_update.cases
def from_identity(rng):
    """The first update, from the identity."""
    d = rng.integers(2, 5)
    return _bfgs_case(rng, d, np.eye(d))


@bfgs_update.cases
def in_mid_run(rng):
    """An update in mid run, from an estimate that is no longer the identity."""
    d = rng.integers(2, 5)
    return _bfgs_case(rng, d, spd_matrix(rng, d))


bfgs_update.slips(
    swapped=slip(
        lambda H, s, y: bfgs_update(H, y, s),
        "s and y are swapped: this updates the Hessian, not its inverse.",
        hint="The inverse Hessian takes a change of gradient y to a step s.",
    ),
    last_term_missing=slip(
        {" + rho * np.outer(s, s)": ""},
        "The last term, rho s s^T, is missing.",
        hint="Without it the new H takes y to zero instead of to s.",
    ),
    left_only=slip(
        {" @ left.T": ""},
        "H is multiplied on the left only, so the result is not symmetric.",
        hint="The factor on the right is the transpose of the one on the left: I - rho y s^T.",
    ),
    same_factor_twice=slip(
        {"@ left.T": "@ left"},
        "The same factor stands on both sides of H: the right one must be the transpose.",
        hint="I - rho s y^T on the left, I - rho y s^T on the right.",
    ),
    entry_by_entry=slip(
        {"left @ H @ left.T": "left * H * left.T"},
        "* multiplies entry by entry; the product of matrices is @.",
        hint="left @ H @ right, with np.outer for s y^T.",
    ),
    dfp=slip(
        lambda H, s, y: H + np.outer(s, s) / (y @ s) - np.outer(H @ y, H @ y) / (y @ H @ y),
        "This is the DFP update, another one that takes y to s.",
        hint="BFGS and DFP are each other's mirror image; the docstring has the formula.",
    ),
    rho_of_y=slip(
        {"(y @ s)": "(y @ y)"},
        "rho is 1 / (y @ y); it must be 1 / (y @ s).",
        hint="Only with y @ s does the new H take y to s.",
    ),
    outer_reversed=slip(
        {"np.outer(s, y)": "np.outer(y, s)"},
        "The outer products are the wrong way round: y s^T stands on the left.",
        hint="np.outer(a, b)[i, j] is a[i] * b[j]; the left factor is I - rho * np.outer(s, y).",
    ),
    one_for_identity=slip(
        {"np.eye(len(s))": "1"},
        "In place of the identity stands the number 1, which NumPy adds to every entry.",
        hint="I is a matrix, np.eye(d): ones on the diagonal, zeros elsewhere.",
    ),
    last_term_without_rho=slip(
        {"+ rho * np": "+ np"},
        "In the last term rho is missing.",
        hint="rho stands in all three places: rho s s^T.",
    ),
)
