"""Chapter 2, the gradient: references, cases and known mistakes."""

from collections.abc import Callable

import numpy as np

from autograder.exercise import Case, exercise, public
from autograder.problems import bowl, bowl_slope, constant, rotated, spd_matrix

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
def valley(minimum, power, tilt):
    """One minimum at `minimum`: |t - minimum| ** power, `tilt` times as steep on its right."""

    def height(t):
        distance = t - minimum
        return np.where(distance > 0, tilt, 1.0) * np.abs(distance) ** power

    return height


@exercise(
    points=2,
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
    d = int(rng.integers(2, 5))
    # Coupled on every draw: a component that is not put back then shows in the next slope.
    A = spd_matrix(rng, d) + 3 * np.ones((d, d))
    return dict(f=bowl(A, rng.normal(size=d)), theta=rng.normal(size=d))


@numerical_gradient.cases
def wide_step(rng):
    """A wide step h on a function that is no polynomial."""
    d = int(rng.integers(2, 5))
    theta = rng.uniform(0.5, 1.5, d)
    return dict(f=ripples(rng.uniform(1, 3, d)), theta=theta, h=float(rng.uniform(0.05, 0.2)))


@numerical_gradient.cases
def whole_numbers(rng):
    """theta holds whole numbers."""
    theta = rng.integers(1, 5, 3)
    return dict(f=ripples(rng.uniform(1, 3, 3)), theta=theta, h=1e-2)


@numerical_gradient.mistake(
    "This is the forward difference: it looks only ahead of theta.",
    hint="Its error falls as h; looking both ways, from theta - h to theta + h, makes it h ** 2.",
)
def forward_difference(f, theta, h=1e-5):
    theta = np.asarray(theta, dtype=np.float64)
    return np.array([(f(theta + h * e) - f(theta)) / h for e in np.eye(theta.size)])


@numerical_gradient.mistake(
    "The rise is divided by h, but the two points are 2 h apart.",
    hint="How far is it from theta - h to theta + h?",
)
def run_of_one_h(f, theta, h=1e-5):
    theta = np.asarray(theta, dtype=np.float64)
    return np.array([(f(theta + h * e) - f(theta - h * e)) / h for e in np.eye(theta.size)])


@numerical_gradient.mistake(
    "All components of theta are moved at once.",
    hint="A partial derivative moves one component and holds the others: theta + h adds h to all.",
)
def all_at_once(f, theta, h=1e-5):
    theta = np.asarray(theta, dtype=np.float64)
    return np.full(theta.size, (f(theta + h) - f(theta - h)) / (2 * h))


@numerical_gradient.mistake(
    "A component that was moved is not put back before the next one is moved.",
    hint="Work on a fresh copy of theta for each component.",
)
def not_put_back(f, theta, h=1e-5):
    theta = np.array(theta, dtype=np.float64)
    gradient = np.zeros_like(theta)
    for i in range(theta.size):
        theta[i] += h
        up = f(theta)
        theta[i] -= 2 * h
        gradient[i] = (up - f(theta)) / (2 * h)
    return gradient


@numerical_gradient.mistake(
    "theta holds whole numbers, and h is lost when it is added to one of them in place.",
    hint="Turn theta into float64 first: np.asarray(theta, dtype=np.float64).",
)
def whole_number_theta(f, theta, h=1e-5):
    gradient = np.zeros(theta.size)
    for i in range(theta.size):
        up, down = theta.copy(), theta.copy()
        up[i] = up[i] + h
        down[i] = down[i] - h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


@numerical_gradient.mistake(
    "This is the backward difference: it looks only behind theta.",
    hint="Its error falls as h; looking both ways, from theta - h to theta + h, makes it h ** 2.",
)
def backward_difference(f, theta, h=1e-5):
    theta = np.asarray(theta, dtype=np.float64)
    return np.array([(f(theta) - f(theta - h * e)) / h for e in np.eye(theta.size)])


@numerical_gradient.mistake(
    "... / 2 * h divides by 2, then multiplies by h: brackets are missing.",
    hint="Python works from left to right here. Divide by (2 * h).",
)
def brackets_missing(f, theta, h=1e-5):
    return numerical_gradient.reference(f, theta, h) * h**2


@numerical_gradient.mistake(
    "The sign is reversed: the height behind theta stands first.",
    hint="Where f rises, the slope is positive: ahead minus behind.",
)
def behind_minus_ahead(f, theta, h=1e-5):
    return -numerical_gradient.reference(f, theta, h)


for shortcut in ("approx_fprime", "approx_derivative", "derivative"):
    numerical_gradient.remark(
        "SciPy's own difference quotient gives the number; writing it yourself shows where it "
        "comes from.",
        uses=shortcut,
    )


@exercise(
    points=2,
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


@linear_gradient.cases
def tall(rng):
    """More examples than parameters."""
    n, d = int(rng.integers(6, 12)), int(rng.integers(2, 4))
    return dict(theta=rng.normal(size=d), X=rng.normal(size=(n, d)), y=rng.normal(size=n))


@linear_gradient.cases
def wide(rng):
    """More parameters than examples."""
    n, d = int(rng.integers(2, 4)), int(rng.integers(5, 8))
    return dict(theta=rng.normal(size=d), X=rng.normal(size=(n, d)), y=rng.normal(size=n))


@linear_gradient.mistake(
    "The sign is reversed: this is the direction in which the loss falls.",
    hint="Lecture C prints X (Y - f(X)); the derivative of -f(X) brings a minus with it.",
)
def wrong_sign(theta, X, y):
    return X.T @ (y - X @ theta) / len(y)


@linear_gradient.mistake(
    "The errors are summed; the loss is their mean, so 1/n is missing.",
    hint="Divide by the number of examples, len(y).",
)
def no_mean(theta, X, y):
    return X.T @ (X @ theta - y)


@linear_gradient.mistake(
    "This is the gradient of the mean squared error; the loss here is half of it.",
    hint="The 1/2 in the loss is there to cancel the 2 that the square brings down.",
)
def not_halved(theta, X, y):
    return 2 * X.T @ (X @ theta - y) / len(y)


@linear_gradient.mistake(
    "The sum is divided by the number of parameters, not of examples.",
    hint="The mean is over rows: X has n rows and d columns.",
)
def mean_over_parameters(theta, X, y):
    return X.T @ (X @ theta - y) / len(theta)


@exercise(
    points=3,
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
    d = int(rng.integers(2, 5))
    grad = bowl_slope(spd_matrix(rng, d), rng.normal(size=d))
    lr = float(rng.uniform(0.05, 0.2))
    return dict(grad=grad, theta0=rng.normal(size=d), lr=lr, steps=int(rng.integers(3, 8)))


@gradient_descent.cases
def curved(rng):
    """A gradient that is not linear in theta."""
    d = int(rng.integers(1, 4))
    grad = ripples_slope(rng.uniform(0.5, 1.0, d))
    lr = float(rng.uniform(0.05, 0.2))
    return dict(grad=grad, theta0=rng.uniform(-2, 2, d), lr=lr, steps=int(rng.integers(3, 8)))


@gradient_descent.cases
def no_step_and_one_step(rng):
    """steps = 0 gives the start alone; steps = 1 adds one row."""
    for steps in (0, 1):
        grad = bowl_slope(spd_matrix(rng, 2), rng.normal(size=2))
        yield dict(grad=grad, theta0=rng.normal(size=2), lr=0.1, steps=steps)


@gradient_descent.mistake(
    "The walk goes uphill: the gradient is added, not subtracted.",
    hint="The gradient points where the function rises fastest. Which way do you want to go?",
)
def uphill(grad, theta0, lr, steps):
    rows = [np.array(theta0, dtype=np.float64)]
    for _ in range(steps):
        rows.append(rows[-1] + lr * grad(rows[-1]))
    return np.array(rows)


@gradient_descent.mistake(
    "The start is missing from the trajectory.",
    hint="The first row is theta0 itself, so there are steps + 1 rows.",
)
def start_missing(grad, theta0, lr, steps):
    theta, rows = np.array(theta0, dtype=np.float64), []
    for _ in range(steps):
        theta = theta - lr * grad(theta)
        rows.append(theta)
    return np.array(rows)


@gradient_descent.mistake(
    "Every row is the last point: the same array was changed in place and stored again and again.",
    hint="theta -= ... changes the array that you stored before; theta = theta - ... makes a new.",
)
def every_row_the_last(grad, theta0, lr, steps):
    theta, rows = np.array(theta0, dtype=np.float64), []
    rows.append(theta)
    for _ in range(steps):
        theta -= lr * grad(theta)
        rows.append(theta)
    return np.array(rows)


@gradient_descent.mistake(
    "Every step uses the gradient at the start.",
    hint="Ask for the gradient where you stand now, inside the loop.",
)
def gradient_of_the_start(grad, theta0, lr, steps):
    slope = grad(np.array(theta0, dtype=np.float64))
    return np.array([theta0 - t * lr * slope for t in range(steps + 1)])


@gradient_descent.mistake(
    "Only the end of the walk comes back, not every point on the way.",
    hint="Keep theta0 and each new theta as a row; the answer has steps + 1 rows.",
)
def only_the_end(grad, theta0, lr, steps):
    return gradient_descent.reference(grad, theta0, lr, steps)[-1]


@gradient_descent.mistake(
    "It walks one step too many.",
    hint="steps + 1 is the number of points; the start is one of them.",
)
def one_step_too_many(grad, theta0, lr, steps):
    return gradient_descent.reference(grad, theta0, lr, steps + 1)


@gradient_descent.mistake(
    "lr is left out: each step is as long as the gradient.",
    hint="theta - lr * grad(theta)",
)
def without_lr(grad, theta0, lr, steps):
    return gradient_descent.reference(grad, theta0, 1.0, steps)


@exercise(
    points=3,
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


def _line_case(rng, share: float, power: float, tilt: float, tol: float) -> Case:
    """A valley whose minimum lies at `share` of the bracket's length from its left end."""
    a = float(rng.uniform(-3, 0))
    b = a + float(rng.uniform(2, 6))
    minimum = a + share * (b - a)
    return Case(
        dict(phi=valley(minimum, power, tilt), a=a, b=b, tol=tol),
        facts={"minimum": minimum},
        atol=2 * tol,
    )


@bracketing_line_search.cases
def near_the_left_end(rng):
    """The minimum lies in the left fifth of the bracket."""
    return _line_case(rng, rng.uniform(0.05, 0.2), 2, 1.0, 1e-4)


@bracketing_line_search.cases
def near_the_right_end(rng):
    """The minimum lies in the right fifth of the bracket."""
    return _line_case(rng, rng.uniform(0.8, 0.95), 2, 1.0, 1e-4)


@bracketing_line_search.cases
def lopsided(rng):
    """Steeper on one side than on the other, with a corner at the minimum."""
    return _line_case(rng, rng.uniform(0.25, 0.3), 1, float(rng.uniform(2, 4)), 1e-4)


@bracketing_line_search.cases
def flat_bottom(rng):
    """So flat at the bottom that phi hardly changes there."""
    return _line_case(rng, rng.uniform(0.1, 0.25), 4, 1.0, 1e-2)


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
    calls = case.calls["phi"]
    return len(calls) <= 1000 and all(np.ndim(point) == 0 for (point,), _ in calls)


@bracketing_line_search.mistake(
    "The bracket is shrunk on the wrong side: the minimum was thrown away.",
    hint="If phi(c) < phi(d), phi rises from c to d, so the minimum is left of d: keep [a, d].",
)
def wrong_side(phi, a, b, tol):
    while b - a > tol:
        c, d = a + (b - a) / 3, b - (b - a) / 3
        if phi(c) < phi(d):
            a = c
        else:
            b = d
    return (a + b) / 2


@bracketing_line_search.mistake(
    "This is the value of phi at its minimum, not the place where it lies.",
    hint="Return the point inside the last bracket, not phi of it.",
)
def value_not_place(phi, a, b, tol):
    return float(phi(bracketing_line_search.reference(phi, a, b, tol)))


@bracketing_line_search.mistake(
    "The bracket is never shrunk: this is the middle of the first one.",
    hint="Repeat the comparison while b - a is larger than tol.",
)
def middle_of_the_start(phi, a, b, tol):
    return (a + b) / 2


@bracketing_line_search.mistake(
    "The bracket is shrunk once, and then the search is over.",
    hint="The comparison belongs into a loop: while b - a > tol.",
)
def shrunk_once(phi, a, b, tol):
    c, d = a + (b - a) / 3, b - (b - a) / 3
    a, b = (a, d) if phi(c) < phi(d) else (c, b)
    return (a + b) / 2


for shortcut in ("minimize_scalar", "golden", "fminbound", "brent"):
    bracketing_line_search.remark(
        "SciPy's search finds it too; the exercise is to see how a bracket shrinks.",
        uses=shortcut,
    )


@exercise(
    points=2,
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
    d = int(rng.integers(2, 5))
    yield dict(H=spd_matrix(rng, d))
    signs = np.ones(d)
    signs[rng.integers(d)] = -1
    yield dict(H=np.diag(signs * rng.uniform(1, 3, d)))


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
    yield dict(H=np.outer(v, v) - float(rng.uniform(1e-6, 1e-3)) * np.eye(3))


@is_convex_hessian.cases
def positive_diagonal(rng):
    """A positive diagonal does not make a bowl."""
    a = float(rng.uniform(1, 2))
    off = a * float(rng.uniform(1.5, 2))
    yield dict(H=np.array([[a, off], [off, a]]))
    yield dict(H=np.array([[a, a / 2], [a / 2, a]]))
    # Two negative eigenvalues: the determinant is positive too.
    yield dict(H=np.full((3, 3), off) + (a - off) * np.eye(3))


@is_convex_hessian.cases
def own_tolerance(rng):
    """The caller says what counts as zero."""
    small = float(rng.uniform(1e-3, 5e-3))
    H = np.ones((2, 2)) - small * np.eye(2)
    yield dict(H=H, tol=1e-2)
    yield dict(H=H, tol=1e-4)


@is_convex_hessian.mistake(
    "This tests the determinant, which is the product of the eigenvalues.",
    hint="-I in two dimensions has determinant 1 and curves downwards everywhere. Two negative "
    "eigenvalues make a positive product: look at each of them.",
)
def determinant_test(H, tol=1e-10):
    return bool(np.linalg.det(H) >= -tol)


@is_convex_hessian.mistake(
    "An eigenvalue of zero is refused; a convex function may be flat in a direction.",
    hint="At least zero, up to tol: eigenvalue >= -tol.",
)
def strictly_positive(H, tol=1e-10):
    return bool(np.linalg.eigvalsh(H)[0] > max(tol, 1e-10))


@is_convex_hessian.mistake(
    "Only the diagonal is looked at.",
    hint="[[1, 2], [2, 1]] has a positive diagonal and an eigenvalue of -1.",
)
def diagonal_test(H, tol=1e-10):
    return bool(np.all(np.diag(H) >= -tol))


@is_convex_hessian.mistake(
    "One eigenvalue that is large enough is taken for all of them.",
    hint="Every one must be at least -tol; the smallest decides.",
)
def any_eigenvalue(H, tol=1e-10):
    return bool(np.any(np.linalg.eigvalsh(H) >= -tol))


@is_convex_hessian.mistake(
    "The argument tol is not used.",
    hint="Compare with -tol, not with a number of your own.",
)
def tol_unused(H, tol=1e-10):
    return bool(np.linalg.eigvalsh(H)[0] >= -1e-10)


@exercise(
    points=1,
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
    n = int(rng.integers(3, 8))
    return dict(theta=rng.uniform([-4, 8], [4, 20]), x=rng.uniform(-14, 14, n))


@gabor.cases
def tails(rng):
    """Inputs so far out that the envelope decides."""
    n = int(rng.integers(3, 8))
    return dict(theta=rng.uniform([2, 10], [6, 20]), x=rng.uniform(5, 9, n))


@gabor.mistake(
    "The factor 0.06 before theta[1] is missing.",
    hint="u = theta[0] + 0.06 * theta[1] * x",
)
def no_scale(theta, x):
    u = theta[0] + theta[1] * x
    return np.sin(u) * np.exp(-(u**2) / 32)


@gabor.mistake(
    "The envelope depends on x; it is a function of u.",
    hint="The bell moves and narrows with theta as the wave does: exp(-u ** 2 / 32).",
)
def envelope_of_x(theta, x):
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(-(x**2) / 32)


@gabor.mistake(
    "The envelope is missing: this is the wave alone.",
    hint="Multiply by exp(-u ** 2 / 32).",
)
def no_envelope(theta, x):
    return np.sin(theta[0] + 0.06 * theta[1] * x)


@gabor.mistake(
    "In the envelope u is not squared.",
    hint="In Python -u**2 is -(u ** 2); a bell needs the square.",
)
def envelope_not_squared(theta, x):
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(-u / 32)


@gabor.mistake(
    "In the envelope the 32 is squared too: that is (u / 32) ** 2.",
    hint="Square u alone, then divide by 32.",
)
def quotient_squared(theta, x):
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(-((u / 32) ** 2))


@gabor.mistake(
    "The minus in the envelope is missing: it grows where it should fade.",
    hint="A bell is highest at u = 0 and falls to both sides: exp(-u ** 2 / 32).",
)
def envelope_grows(theta, x):
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(u**2 / 32)


@exercise(
    points=3,
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
    return _gabor_data(rng, int(rng.integers(3, 6)))


@gabor_gradient.cases
def many_points(rng):
    """As many points as the chapter's data set has."""
    return _gabor_data(rng, int(rng.integers(25, 30)))


@gabor_gradient.mistake(
    "The product rule is forgotten: the envelope is treated as if it were constant.",
    hint="sin(u) * exp(-u ** 2 / 32) depends on u in both factors.",
)
def envelope_constant(theta, x, y):
    u = theta[0] + 0.06 * theta[1] * x
    bell = np.exp(-(u**2) / 32)
    pull = 2 * (np.sin(u) * bell - y) * np.cos(u) * bell
    return np.array([np.sum(pull), np.sum(pull * 0.06 * x)])


@gabor_gradient.mistake(
    "This is the gradient of the mean; the loss here is the sum.",
    hint="Everywhere else in the course losses are means. This one is the lecture's, a sum.",
)
def mean_not_sum(theta, x, y):
    return gabor_gradient.reference(theta, x, y) / len(x)


@gabor_gradient.mistake(
    "The factor 2 of the square's derivative is missing.",
    hint="The loss has no 1/2 in front, so the 2 stays.",
)
def no_factor_two(theta, x, y):
    return gabor_gradient.reference(theta, x, y) / 2


@gabor_gradient.mistake(
    "In the derivative by theta[1] the factor 0.06 is missing.",
    hint="u = theta[0] + 0.06 * theta[1] * x: differentiate it by theta[1].",
)
def inner_scale_missing(theta, x, y):
    return gabor_gradient.reference(theta, x, y) * np.array([1.0, 1 / 0.06])


@gabor_gradient.mistake(
    "The sign is reversed: the error is prediction minus y.",
    hint="(y - prediction) ** 2 is the same loss, but its derivative brings a minus with it.",
)
def error_reversed(theta, x, y):
    return -gabor_gradient.reference(theta, x, y)


@gabor_gradient.mistake(
    "The derivative of the envelope lacks a factor 2: of u ** 2 / 32 it is u / 16.",
    hint="The derivative of u ** 2 is 2 u, and 2 u / 32 is u / 16.",
)
def envelope_slope_halved(theta, x, y):
    u = theta[0] + 0.06 * theta[1] * x
    wave, bell = np.sin(u), np.exp(-(u**2) / 32)
    pull = 2 * (wave * bell - y) * (np.cos(u) - wave * u / 32) * bell
    return np.array([np.sum(pull), np.sum(pull * 0.06 * x)])


@gabor_gradient.mistake(
    "In the derivative by theta[1] the factor x is missing.",
    hint="u = theta[0] + 0.06 * theta[1] * x: differentiate it by theta[1].",
)
def inner_x_missing(theta, x, y):
    by_offset = gabor_gradient.reference(theta, x, y)[0]
    return by_offset * np.array([1.0, 0.06])


@exercise(
    points=2,
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
    d = int(rng.integers(2, 5))
    A, b = spd_matrix(rng, d), rng.normal(size=d)
    return dict(grad=bowl_slope(A, b), hessian=constant(A), theta=rng.normal(size=d))


@newton_step.cases
def curvature_changes(rng):
    """The Hessian depends on where you stand, and need not be that of a bowl."""
    d = int(rng.integers(2, 4))
    A = rotated(rng, rng.uniform(1, 3, d) * np.append(-1.0, np.ones(d - 1)))
    return dict(
        grad=ripples_slope(rng.uniform(0.5, 1.0, d)),
        hessian=curvature(A, rng.uniform(4, 6, d)),
        theta=rng.uniform(1, 2, d),
    )


@newton_step.cases
def singular(rng):
    """A Hessian that cannot be solved with, and one that can."""
    k = float(2 ** rng.integers(0, 4))
    H = k * np.array([[1.0, 2.0], [2.0, 4.0]])
    theta, b = rng.normal(size=2), rng.normal(size=2)
    yield dict(grad=bowl_slope(np.eye(2), b), hessian=constant(H), theta=theta)
    yield dict(grad=bowl_slope(np.eye(2), b), hessian=constant(H + np.eye(2)), theta=theta)


newton_step.remark(
    "np.linalg.inv gives the right answer; np.linalg.solve gets there with a third of the work "
    "and less rounding, because it never makes the inverse.",
    uses="inv",
)


@newton_step.mistake(
    "The step goes the wrong way: it is added, not subtracted.",
    hint="The gradient points uphill, and H turns and scales it. Subtract.",
)
def step_added(grad, hessian, theta):
    return theta + np.linalg.solve(hessian(theta), grad(theta))


@newton_step.mistake(
    "The gradient is multiplied by the Hessian; the step solves H s = g.",
    hint="Where the curvature is large the step must be small: divide, in the sense of matrices.",
)
def multiplied(grad, hessian, theta):
    return theta - hessian(theta) @ grad(theta)


@newton_step.mistake(
    "Only the diagonal of the Hessian is used.",
    hint="Dividing by np.diag(H) ignores how the components pull on each other.",
)
def diagonal_only(grad, hessian, theta):
    return theta - grad(theta) / np.diag(hessian(theta))


@newton_step.mistake(
    "A singular Hessian is passed over in silence by the pseudo-inverse or least squares.",
    hint="The docstring promises LinAlgError there; np.linalg.solve raises it by itself.",
)
def pseudo_inverse(grad, hessian, theta):
    return theta - np.linalg.pinv(hessian(theta)) @ grad(theta)


@newton_step.mistake(
    "This is the step alone; the new theta is wanted.",
    hint="theta minus the solution s of H s = g.",
)
def step_alone(grad, hessian, theta):
    return np.linalg.solve(hessian(theta), grad(theta))


@exercise(
    points=2,
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
    s = rng.normal(size=d)
    return dict(H=H, s=s, y=spd_matrix(rng, d) @ s)


@bfgs_update.cases
def from_identity(rng):
    """The first update, from the identity."""
    d = int(rng.integers(2, 5))
    return _bfgs_case(rng, d, np.eye(d))


@bfgs_update.cases
def in_mid_run(rng):
    """An update in mid run, from an estimate that is no longer the identity."""
    d = int(rng.integers(2, 5))
    return _bfgs_case(rng, d, spd_matrix(rng, d))


@bfgs_update.mistake(
    "s and y are swapped: this updates the Hessian, not its inverse.",
    hint="The inverse Hessian takes a change of gradient y to a step s.",
)
def swapped(H, s, y):
    return bfgs_update.reference(H, y, s)


@bfgs_update.mistake(
    "The last term, rho s s^T, is missing.",
    hint="Without it the new H takes y to zero instead of to s.",
)
def last_term_missing(H, s, y):
    left = np.eye(len(s)) - np.outer(s, y) / (y @ s)
    return left @ H @ left.T


@bfgs_update.mistake(
    "H is multiplied on the left only, so the result is not symmetric.",
    hint="The factor on the right is the transpose of the one on the left: I - rho y s^T.",
)
def left_only(H, s, y):
    rho = 1 / (y @ s)
    return (np.eye(len(s)) - rho * np.outer(s, y)) @ H + rho * np.outer(s, s)


@bfgs_update.mistake(
    "rho is 1 / (y @ y); it must be 1 / (y @ s).",
    hint="Only with y @ s does the new H take y to s.",
)
def rho_of_y(H, s, y):
    rho = 1 / (y @ y)
    left = np.eye(len(s)) - rho * np.outer(s, y)
    return left @ H @ left.T + rho * np.outer(s, s)


@bfgs_update.mistake(
    "The outer products are the wrong way round: y s^T stands on the left.",
    hint="np.outer(a, b)[i, j] is a[i] * b[j]; the left factor is I - rho * np.outer(s, y).",
)
def outer_reversed(H, s, y):
    rho = 1 / (y @ s)
    left = np.eye(len(s)) - rho * np.outer(y, s)
    return left @ H @ left.T + rho * np.outer(s, s)


@bfgs_update.mistake(
    "In place of the identity stands the number 1, which NumPy adds to every entry.",
    hint="I is a matrix, np.eye(d): ones on the diagonal, zeros elsewhere.",
)
def one_for_identity(H, s, y):
    rho = 1 / (y @ s)
    left = 1 - rho * np.outer(s, y)
    return left @ H @ left.T + rho * np.outer(s, s)


@bfgs_update.mistake(
    "In the last term rho is missing.",
    hint="rho stands in all three places: rho s s^T.",
)
def last_term_without_rho(H, s, y):
    left = np.eye(len(s)) - np.outer(s, y) / (y @ s)
    return left @ H @ left.T + np.outer(s, s)
