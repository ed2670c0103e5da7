"""Attacks on the judge itself: what it does for a learner in code that hears no signal.

Each of them held it for minutes once, or took it down with everybody who came after.
"""

from tests.attacks.attack import Attack

SLOPE = "numerical_gradient"
LOST = ("takes too much time or memory to be shown",)
CUT = ("cannot be shown here",)
# Formatting tags that are left open are opened again in each paragraph, with all that they hold.
OPENED = "''.join(f'<b title=\"{i:04900}\">' for i in range(98))"
SVG = "from IPython.display import display\ndef show(body): display({'image/svg+xml': '<svg xmlns=\"http://www.w3.org/2000/svg\">' + body + '</svg>'}, raw=True)\n"
HTML = "from IPython.display import HTML, display\n"
SOON = {"cell_seconds": 0.5}


def drawing(name: str, aim: str, body: str) -> Attack:
    """A drawing that a browser would never have done with."""
    return Attack(name, aim, SVG + body, told=CUT)


HELD = [
    Attack(
        "html_that_grows",
        "half a megabyte of HTML that becomes 400 when it is cleaned",
        HTML + f"display(HTML('<p>' + {OPENED} + '<p>x' * 892))",
        told=LOST,
    ),
    Attack(
        "html_that_grows_in_order",
        "the same, with every tag closed where it should be",
        HTML
        + f"display(HTML('<p>' + {OPENED.replace('4900', '500')} + '<p>x</p>' * 2500 + '</b>' * 98 + '</p>'))",
        told=LOST,
    ),
    Attack(
        "html_in_several_cells",
        "twice as much as a cell may show, in two of them",
        HTML + f"big = '<p>' + {OPENED} + '<p>x</p>' * 52_000\ndisplay(HTML(big))",
        last="display(HTML(big))",
        told=LOST,
    ),
    Attack(
        "html_too_deep",
        "tags in tags without end",
        HTML + "display(HTML('<div>' * 100_000))",
        told=LOST,
    ),
    drawing(
        "drawing_of_drawings",
        "each draws ten of the one before",
        "show('<path id=\"g0\" d=\"M0 0\"/>' + ''.join(f'<g id=\"g{i}\">' + f'<use href=\"#g{i - 1}\"/>' * 10 + '</g>' for i in range(1, 12)))",
    ),
    drawing(
        "drawing_of_one_large_thing",
        "a large thing, drawn very often",
        "show('<path id=\"g\" d=\"' + 'L1 1' * 50_000 + '\"/>' + '<use href=\"#%67\"/>' * 10_000)",
    ),
    drawing(
        "drawing_of_itself",
        "draws itself",
        'show(\'<g id="a"><use href="#a"/></g><use href="#a"/>\')',
    ),
    drawing(
        "masks_in_masks",
        "each masked by ten that are masked by the next",
        "show('<rect id=\"m0\"/>' + ''.join(f'<mask id=\"m{i}\">' + f'<rect style=\"mask: URL(#m{i - 1})\"/>' * 10 + '</mask>' for i in range(1, 12)))",
    ),
    Attack(
        "drawing_in_a_picture",
        "the same in the address of a picture",
        SVG
        + "import base64\ndef bomb(tag): return '<svg xmlns=\"http://www.w3.org/2000/svg\">' + ''.join(f'<g id=\"g{i}\">' + f'<use href=\"#g{i - 1}\"/>' * 10 + '</g>' for i in range(1, 12)) + '</svg>'\ndisplay({'text/html': '<img src=\"data:image/svg+xml;base64,' + base64.b64encode(bomb(1).encode()).decode() + '\">'}, raw=True)",
        hidden=("data:image/svg",),
    ),
    Attack(
        "json_deep_and_wide",
        "a megabyte of JSON that is written with a hundred blanks before each number",
        "from IPython.display import display\ndeep = [1] * 300_000\nfor _ in range(90): deep = [deep]\ndisplay({'application/json': deep}, raw=True)",
        told=CUT,
    ),
    Attack(
        "json_that_is_a_number",
        "a display of JSON that nobody can look into",
        "from IPython.display import display\ndisplay({'application/json': 5}, raw=True)",
    ),
    Attack(
        "import_of_many_dots",
        "a name whose parser copies it once for each of its parts",
        "import a" + ".a" * 80_000,
        limits=SOON,
    ),
    *(
        Attack(
            f"code_that_goes_deep_{name}",
            "code that a parser goes through in itself",
            code,
            limits=SOON,
        )
        for name, code in {
            "f_strings": "x = 1\nf'" + "{x}" * 100_000 + "'",
            "f_string_in_itself": "f'" + "{x:" * 2000 + "}" * 2000 + "'",
            "elif": "if 0: pass\n" + "elif 0: pass\n" * 30_000,
            "signs": "x = " + "-" * 100_000 + "1",
            "calls": "x = print" + "()" * 50_000,
            "lambdas": "x = " + "lambda: " * 20_000 + "1",
            "blocks": "".join(" " * i + "if 1:\n" for i in range(99)) + " " * 99 + "pass",
        }.items()
    ),
    Attack(
        "functions_in_a_chain",
        "six thousand functions, each of which calls the next",
        "".join(f"def f{i}(x): return f{i - 1}(x)\n" for i in range(6000)),
        cells={"gabor": "def gabor(theta, x): return f5999(x)"},
        costs=("gabor",),
    ),
    Attack(
        "function_given_matrices",
        "has the judge multiply large matrices of small numbers, which no library is quick at",
        cells={
            SLOPE: f"def {SLOPE}(f, theta, h=1e-5):\n    big = np.ones((3000, 3000), np.int8)\n    for x in (big, [big, big], (big,)):\n        try: f(x)\n        except ValueError: pass\n    return np.zeros(len(theta))\n"
        },
        costs=(SLOPE,),
        limits={"call_seconds": 3.0, "timeouts": 1},
    ),
    Attack(
        "split_of_rows_without_end",
        "a megabyte of rows, of which each was looked for among all",
        cells={
            "train_test_split": "def train_test_split(X, y, test_fraction, rng):\n    many = np.repeat(X, 130_000 // X.size + 1, axis=0)\n    return many, X[:1], np.repeat(y, len(many) // len(y)), y[:1]\n"
        },
        costs=("train_test_split",),
        also=("train_test_split",),
        of="empirical_risk",
    ),
    Attack(
        "batches_without_end",
        "as many batches as fit, each of which was compared with all",
        cells={
            "minibatches": "def minibatches(n, batch_size, rng): return [np.arange(1)] * 9000\n"
        },
        costs=("minibatches",),
        also=("minibatches",),
        of="sgd",
    ),
    Attack(
        "model_of_small_numbers",
        "has a model of the judge's multiply large matrices of small numbers",
        cells={
            "empirical_risk": "def empirical_risk(loss, model, theta, X, y):\n    big = np.ones((3000, 3000), np.int8)\n    try: model(big, big)\n    except ValueError: pass\n    return 0.0\n"
        },
        costs=("empirical_risk",),
        limits={"call_seconds": 1.0},
        also=("empirical_risk",),
        of="empirical_risk",
    ),
    Attack(
        "answer_of_rows_without_end",
        "an answer whose properties look at each pair of its parts",
        cells={
            "bracketing_line_search": "def bracketing_line_search(phi, a, b, tol): return [[a]] * 100_000\n"
        },
        costs=("bracketing_line_search",),
        also=("bracketing_line_search",),
    ),
]
