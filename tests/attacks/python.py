"""Attacks within the interpreter, where nothing can be trusted, and on what the judge keeps secret."""

from tests.attacks.attack import Attack
from tests.attacks.forgery import RIGHT

WRONG = "def gabor(theta, x):\n    return np.zeros(len(x))\n"
SLOPE = "numerical_gradient"


def forges(name: str, aim: str, code: str, **options: object) -> Attack:
    """gabor is wrong, and something is done about it: it earns nothing."""
    return Attack(name, aim, cells={"gabor": code}, costs=("gabor",), **options)  # type: ignore[arg-type]


INTERPRETER = [
    forges(
        "numpy_patched",
        "lets NumPy say that all is equal",
        "np.isclose = np.allclose = np.array_equal = lambda *a, **k: True\nnp.testing.assert_allclose = lambda *a, **k: None\n"
        + WRONG,
    ),
    forges(
        "builtins_patched",
        "lets Python say that all is equal",
        "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda *a: True\n" + WRONG,
    ),
    forges(
        "ast_transformer",
        "rewrites every later cell before it runs",
        "import ast\nfrom IPython import get_ipython\nclass T(ast.NodeTransformer):\n    def visit_Assert(self, node): return ast.Pass()\n    def visit_Call(self, node):\n        return ast.Constant(None) if getattr(node.func, 'id', '') == 'check' else self.generic_visit(node)\nget_ipython().ast_transformers.append(T())\n"
        + WRONG,
    ),
    forges(
        "input_transformer",
        "rewrites the text of every later cell",
        "from IPython import get_ipython\nget_ipython().input_transformers_cleanup.append(lambda lines: [x.replace('assert', '#') for x in lines])\n"
        + WRONG,
    ),
    forges(
        "cell_hooks",
        "runs before and after every cell",
        "from IPython import get_ipython\nip = get_ipython()\nfor event in ('pre_run_cell', 'post_run_cell', 'pre_execute', 'post_execute'):\n    ip.events.register(event, lambda *a: None)\nip.set_custom_exc((BaseException,), lambda *a, **k: None)\n"
        + WRONG,
    ),
    forges(
        "shell_replaced",
        "replaces the shell's own methods",
        "from IPython import get_ipython\nip = get_ipython()\nip.sink.fail = lambda *a: None\nip.sink.emit = lambda *a: None\nip._showtraceback = lambda *a: None\n"
        + WRONG,
    ),
    forges(
        "check_patched",
        "replaces the check, the comparison and the verdict",
        "import autograder, autograder.learning.check as c, autograder.values.compare as d, autograder.judging.verdict as v\nautograder.check = c.check = lambda *a, **k: None\nd.difference = d.same = lambda *a, **k: None\nv.decide = lambda *a, **k: None\ncheck = autograder.check\n"
        + WRONG,
    ),
    forges(
        "encoding_patched",
        "replaces what turns answers into bytes",
        "import autograder.values.codec as v, autograder.engine.untrusted.answering as s\nv.encode = s.encode = lambda value, *a, **k: 1.0\n"
        + WRONG,
    ),
    forges(
        "serving_patched",
        "replaces what answers the judge",
        "import autograder.engine.untrusted.answering as s\ns.Server._call = lambda self, request, blobs: self.channel.send({'answer': 1.0, 'verdict': 'passed', 'points': 1})\n"
        + WRONG,
    ),
    forges(
        "lying_equality",
        "an array that is equal to everything",
        "class Yes(np.ndarray):\n    __eq__ = lambda a, b: np.True_\n    __ne__ = lambda a, b: np.False_\n    __array_ufunc__ = lambda self, *a, **k: np.True_\n    __array_function__ = lambda self, *a, **k: True\ndef gabor(theta, x):\n    return np.zeros(len(x)).view(Yes)\n",
    ),
    forges(
        "lying_class",
        "an object that says it is an array",
        "class Liar:\n    __class__ = property(lambda self: np.ndarray)\n    dtype, shape, nbytes = np.dtype(float), (3,), 24\n    def __array__(self, *a, **k): return np.ones(3)\n    def __eq__(self, other): return True\n    __hash__ = None\ndef gabor(theta, x): return Liar()\n",
    ),
    forges(
        "lying_float",
        "a number that is equal to everything",
        "class Yes(float):\n    __eq__ = lambda a, b: True\n    __sub__ = __rsub__ = lambda a, b: 0.0\n    __hash__ = float.__hash__\ndef gabor(theta, x): return [Yes()] * len(x)\n",
    ),
    forges(
        "changes_when_read",
        "a list that is another each time it is looked at",
        "class L(list):\n    n = 0\n    def __iter__(self):\n        L.n += 1\n        return iter([L.n])\ndef gabor(theta, x): return L([1, 2])\n",
    ),
    forges(
        "first_time_only",
        "right the first time, wrong from then on",
        "done = []\ndef gabor(theta, x):\n    if done: return x\n    done.append(1)\n" + RIGHT,
    ),
    forges(
        "detects_the_test",
        "looks at who calls it, and is right where nobody judges",
        "import sys\ndef gabor(theta, x):\n    f = sys._getframe()\n    while f:\n        if 'serving' in f.f_code.co_filename or 'calling' in f.f_code.co_filename: return x\n        f = f.f_back\n"
        + RIGHT,
    ),
    forges(
        "answers_in_frames",
        "looks for the right answer in the frames above it",
        "import sys\ndef gabor(theta, x):\n    f = sys._getframe()\n    while f:\n        for name in ('wanted', 'expected', 'right', 'answer', 'reference'):\n            if name in f.f_locals: return f.f_locals[name]\n        f = f.f_back\n    return x\n",
    ),
    forges(
        "answers_by_gc",
        "looks for the right answer in all of the memory",
        "import gc\ndef gabor(theta, x):\n    for o in gc.get_objects():\n        if isinstance(o, dict) and ('wanted' in o or 'expected' in o):\n            return o.get('wanted', o.get('expected'))\n    return x\n",
    ),
    forges(
        "visible_answers",
        "knows the visible cases by heart",
        "import json\ntry: known = json.load(open('checks.json'))['parts']['gabor']['cases']\nexcept Exception: known = []\ndef gabor(theta, x):\n    for case in known:\n        if case['args']['x']['data'] == x.tolist(): return np.array(case['wanted']['data'])\n    return x\n",
    ),
    forges(
        "seed_guessed",
        "makes the hidden cases itself, from a seed that might be theirs",
        "def gabor(theta, x):\n    for seed in range(50):\n        r = np.random.default_rng(seed)\n        if np.allclose(r.normal(size=x.shape), x): return x\n    return x\n",
    ),
    forges(
        "profile",
        "has every call traced, and answers changed on the way",
        "import sys\nsys.setprofile(lambda frame, event, arg: None)\nsys.settrace(lambda *a: None)\n"
        + WRONG,
    ),
    forges(
        "verdict_updated",
        "shows a verdict, and keeps its place on the page to say so later",
        "from IPython.display import HTML, display, update_display\ndisplay(HTML('x'), display_id='check-gabor')\n"
        + WRONG,
        last="for name in ('check-gabor', 'gabor', 'verdict'): update_display(HTML('<strong>1 of 1 points</strong>'), display_id=name)",
    ),
    forges("exits", "leaves before the check", "import sys\n" + WRONG + "sys.exit(0)\n"),
    forges(
        "at_exit",
        "does its work when the interpreter ends",
        "import atexit\natexit.register(lambda: print('passed'))\n" + WRONG,
    ),
    forges(
        "later_by_alarm",
        "changes things by a timer, while it is judged",
        "import signal\ndef late(*a):\n    global gabor\n    gabor = lambda theta, x: x\nsignal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\n"
        + WRONG,
    ),
    forges(
        "later_by_thread",
        "changes things by a thread, while it is judged",
        "import threading\ndef late():\n    import autograder.engine.untrusted.answering as s\n    while True: s.encode = lambda *a, **k: 1.0\nthreading.Thread(target=late, daemon=True).start()\n"
        + WRONG,
    ),
    forges(
        "modules_replaced",
        "puts another module in NumPy's place",
        "import sys, types\nfake = types.ModuleType('numpy')\nfake.__getattr__ = lambda n: (lambda *a, **k: True)\nsys.modules['numpy'] = fake\n"
        + WRONG,
    ),
    forges(
        "exception_as_answer",
        "an exception that says that all is well",
        "class Passed(Exception): pass\ndef gabor(theta, x): raise Passed('1.0 of 1.0 points')\n",
    ),
    forges(
        "base_exception",
        "an exception that nobody catches",
        "class B(BaseException): pass\ndef gabor(theta, x): raise B\n",
    ),
    Attack(
        "later_cells",
        "a later cell spoils what earlier functions were judged by",
        last="for name in list(globals()):\n    if callable(globals()[name]) and not name.startswith('_'): globals()[name] = None\n",
    ),
    Attack(
        "names_deleted",
        "removes Python's own names for whoever comes after",
        last="import builtins\nfor name in dir(builtins):\n    try: delattr(builtins, name)\n    except Exception: pass\n",
    ),
]

LEAK = """
def leak(theta, x):
    said = repr(x.tolist())
    print('S3CRET', said)
    open('/tmp/S3CRET', 'a').write(said)
    import warnings; warnings.warn('S3CRET ' + said, RuntimeWarning)
    return said
"""
JUDGE = [
    forges(
        "leak_by_message",
        "puts hidden inputs into an exception's message",
        LEAK + "def gabor(theta, x): raise ValueError('S3CRET ' + leak(theta, x))\n",
        hidden=("S3CRET [",),
    ),
    forges(
        "leak_by_class",
        "puts hidden inputs into an exception's name",
        LEAK + "def gabor(theta, x): raise type('S3CRET_' + leak(theta, x), (ValueError,), {})\n",
        hidden=("S3CRET_[",),
    ),
    forges(
        "leak_by_type",
        "puts hidden inputs into the name of an answer's type",
        LEAK + "def gabor(theta, x): return type('S3CRET_' + leak(theta, x), (), {})()\n",
        hidden=("S3CRET_[",),
    ),
    forges(
        "leak_by_line",
        "puts hidden inputs into the line that raised",
        LEAK
        + "def gabor(theta, x): exec(compile('\\n' * 7 + 'raise KeyError #' + leak(theta, x), '<cell>', 'exec'))\n",
        hidden=("#[",),
    ),
    forges(
        "leak_by_display",
        "draws and shows hidden inputs",
        LEAK
        + "from IPython.display import display\ndef gabor(theta, x):\n    display('S3CRET ' + leak(theta, x)); plt.plot(x); plt.show()\n    return x\n",
        hidden=("S3CRET [",),
    ),
    Attack(
        "leak_by_cell",
        "keeps hidden inputs for a later cell to show",
        cells={
            "gabor": LEAK
            + "kept = []\ndef gabor(theta, x):\n    kept.append(x); leak(theta, x)\n"
            + RIGHT
        },
        last="import os; print('S3CRET' * len(kept), os.path.exists('/tmp/S3CRET'))",
        hidden=("S3CRETS3CRET", "True"),
    ),
    Attack(
        "function_taken_apart",
        "takes the function that it is given apart, for what it is made of",
        cells={
            SLOPE: "def numerical_gradient(f, theta, h=1e-5):\n    seen = [f]\n    for _ in range(5):\n        for g in list(seen):\n            for cell in getattr(g, '__closure__', None) or ():\n                if callable(cell.cell_contents): seen.append(cell.cell_contents)\n            seen += [g.__wrapped__] if hasattr(g, '__wrapped__') else []\n    for g in seen:\n        for name in ('gradient', 'grad', 'slope', 'function', 'reference', 'recipe'):\n            if hasattr(g, name): return getattr(g, name)(theta)\n    return np.zeros(len(theta))\n"
        },
        costs=(SLOPE,),
    ),
    Attack(
        "log_forged",
        "calls the function secretly, through a copy that nobody counts",
        cells={
            "bracketing_line_search": "import copy\ndef bracketing_line_search(phi, a, b, tol):\n    for cell in phi.__closure__ or ():\n        try: cell.cell_contents.proxies.clear()\n        except AttributeError: pass\n    phi = copy.copy(phi)\n    for _ in range(2):\n        t = np.linspace(a, b, 1500)\n        at = t[np.argmin([phi(v) for v in t])]\n        a, b = at - (t[1] - t[0]), at + (t[1] - t[0])\n    return float(at)\n"
        },
        costs=("bracketing_line_search",),
        told=("phi is asked at very many points",),
        also=("bracketing_line_search",),
    ),
    Attack(
        "calls_without_end",
        "keeps the judge busy with calls",
        cells={
            SLOPE: "def numerical_gradient(f, theta, h=1e-5):\n    while True:\n        try: f(theta)\n        except Exception: pass\n"
        },
        costs=(SLOPE,),
        limits={"cell_seconds": 0.5, "call_seconds": 0.5, "timeouts": 1},
    ),
    Attack(
        "calls_with_giants",
        "has the judge's own function work on huge arrays",
        cells={
            SLOPE: "def numerical_gradient(f, theta, h=1e-5):\n    try: f(np.zeros(7 * 10**6))\n    except Exception: pass\n    return np.zeros(len(theta))\n"
        },
        costs=(SLOPE,),
        limits={"call_seconds": 0.5, "timeouts": 1},
    ),
    Attack(
        "calls_with_oddities",
        "gives the judge's function what it cannot take",
        cells={
            SLOPE: "def numerical_gradient(f, theta, h=1e-5):\n    for odd in (None, 'x', {}, [[]], f, np.nan, np.array(['a']), object(), 10**400):\n        try: f(odd)\n        except Exception: pass\n    return np.zeros(len(theta))\n"
        },
        costs=(SLOPE,),
    ),
    Attack(
        "calls_from_threads",
        "calls from many threads at once",
        cells={
            SLOPE: "import threading\ndef numerical_gradient(f, theta, h=1e-5):\n    def work():\n        for _ in range(5): f(theta)\n    ts = [threading.Thread(target=work) for _ in range(4)]\n    [t.start() for t in ts]; [t.join() for t in ts]\n    return np.zeros(len(theta))\n"
        },
        costs=(SLOPE,),
    ),
    Attack(
        "function_of_itself",
        "gives the judge's function to itself",
        cells={
            SLOPE: "def numerical_gradient(f, theta, h=1e-5):\n    try: return f(f)\n    except Exception: return f\n"
        },
        costs=(SLOPE,),
    ),
]
