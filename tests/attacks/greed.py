"""Attacks that take more than their share: time, memory, disk, output."""

from tests.attacks.attack import Attack, tries

SMALL = {"scratch_bytes": 8 * 2**20, "scratch_files": 100, "file_bytes": 5 * 2**20}
SOON = {"cell_seconds": 0.4}
CALL_SOON = {"call_seconds": 0.3, "timeouts": 1}
# Where C code holds on, no interrupt helps: the process is killed after a grace of two seconds.
DEAF = "try: time.sleep(9)\n        except BaseException: pass"

GREED = [
    Attack(
        "threads",
        "starts threads without end",
        tries(
            "import threading, time\nfor _ in range(2000): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()"
        ),
        refused=("RuntimeError",),
        limits={"threads": 16},
    ),
    Attack(
        "threads_everywhere",
        "takes all processors from the others, by threads on each of them",
        tries("import os; os.sched_setaffinity(0, range(os.cpu_count()))"),
        refused=("PermissionError",),
    ),
    Attack(
        "pipes",
        "takes memory in pipes, which no limit counts",
        tries("import fcntl, os; fcntl.fcntl(os.pipe()[1], 1031, 2**20)"),
        refused=("PermissionError",),
    ),
    Attack(
        "memory",
        "takes memory without end",
        tries("hog = []\nwhile True: hog.append(np.ones(10**7))"),
        refused=("MemoryError", "_ArrayMemoryError"),
        limits={"memory_bytes": 300 * 2**20},
    ),
    Attack(
        "memory_at_once",
        "takes more memory than there is",
        tries("bytearray(2**44)"),
        refused=("MemoryError",),
    ),
    Attack(
        "memory_in_a_call",
        "the same while it is judged",
        cells={
            "gabor": "def gabor(theta, x):\n    hog = []\n    while True: hog.append(np.ones(10**7))"
        },
        costs=("gabor",),
        limits={"memory_bytes": 300 * 2**20},
    ),
    Attack(
        "disk",
        "fills the disk",
        tries(
            "for i in range(50):\n    with open(f'd{i}', 'wb', buffering=0) as f:\n        if f.write(bytes(2**20)) < 2**20: raise OSError('full')"
        ),
        refused=("OSError",),
        limits=SMALL,
    ),
    Attack(
        "inodes",
        "makes files without end",
        tries("for i in range(10**5): open(f'i{i}', 'w').close()"),
        refused=("OSError",),
        limits=SMALL,
    ),
    Attack(
        "folders",
        "makes folders in folders without end",
        tries("import os\nwhile True: os.mkdir('d'); os.chdir('d')"),
        refused=("OSError",),
        limits=SMALL,
    ),
    Attack(
        "sparse_file",
        "makes a file that says it is large",
        tries("open('a', 'wb').truncate(2**50)"),
        refused=("OSError",),
    ),
    Attack(
        "zip_bomb",
        "unpacks an archive that grows a thousandfold",
        tries(
            "import io, zipfile\nb = io.BytesIO()\nwith zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a', bytes(2**26))\nzipfile.ZipFile(b).extractall()"
        ),
        refused=("OSError",),
        limits=SMALL,
    ),
    Attack(
        "descriptors",
        "opens files without end",
        tries("import os\nkept = [os.dup(0) for _ in range(10**5)]"),
        refused=("OSError",),
    ),
    Attack(
        "print_flood",
        "prints without end",
        "while True: print('x' * 1000)",
        limits=SOON,
        told=("too long: cut here",),
    ),
    Attack(
        "error_stream_flood",
        "the same to the other stream",
        "import sys\nfor _ in range(20_000): sys.stderr.write('y' * 100)",
        told=("too long: cut here",),
    ),
    Attack(
        "display_flood",
        "shows things without end",
        "for i in range(10_000): display(i)",
        told=("too long: cut here",),
    ),
    Attack(
        "flood_in_pieces",
        "prints much in each of many cells",
        "from IPython import get_ipython\nprint('z' * 900_000)",
        last="print('z' * 900_000)",
        limits={"notebook_output_bytes": 50_000},
    ),
    Attack(
        "traceback_flood",
        "an exception whose traceback and message have no end",
        "class E(Exception):\n    def __str__(self): return 'm' * 10**7\ndef f(n):\n    if n == 0: raise E\n    f(n - 1)\nf(300)",
    ),
    Attack(
        "traceback_chain",
        "a chain of a thousand exceptions",
        "def f(n):\n    try:\n        if n: f(n - 1)\n        else: 1 / 0\n    except Exception as e:\n        raise ValueError('c' * 1000) from e\nf(40)",
    ),
    Attack(
        "endless",
        "never ends",
        "while True: pass",
        limits=SOON,
        told=("still running after 0.4 seconds",),
    ),
    Attack(
        "endless_and_deaf",
        "never ends, whatever signal comes",
        "import signal, time\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass",
        limits=SOON,
        told=("still running after 0.4 seconds",),
    ),
    Attack(
        "endless_in_c",
        "never ends within one operation",
        "x = 10 ** (10 ** 8)",
        limits=SOON,
        told=("still running after 0.4 seconds",),
    ),
    Attack(
        "endless_pattern",
        "a pattern that takes for ever",
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
        limits=SOON,
        told=("still running after 0.4 seconds",),
    ),
    Attack(
        "endless_call",
        "never ends while it is judged",
        cells={"gabor": "def gabor(theta, x):\n    while True: pass"},
        costs=("gabor",),
        limits=CALL_SOON,
        told=("still running",),
    ),
    Attack(
        "endless_deaf_call",
        "the same, deaf to signals",
        cells={"gabor": f"import time\ndef gabor(theta, x):\n    while True:\n        {DEAF}"},
        costs=("gabor",),
        limits=CALL_SOON,
        told=("still running",),
    ),
    Attack(
        "endless_answer",
        "an answer whose looking at never ends",
        cells={
            "gabor": "class A:\n    def __getattr__(self, n):\n        while True: pass\n    @property\n    def __class__(self):\n        while True: pass\ndef gabor(theta, x): return A()"
        },
        costs=("gabor",),
        limits=CALL_SOON,
    ),
    Attack(
        "all_day",
        "every cell and call nearly as long as it may",
        "import time; time.sleep(1.2)",
        limits={"notebook_seconds": 1.0},
        costs=("numerical_gradient", "linear_gradient", "gabor"),
    ),
    Attack(
        "recursion",
        "recurses until the stack is full",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nclass R:\n    def __repr__(self): return repr([self])\nrepr(R())",
        told=("Python itself stopped",),
    ),
    Attack(
        "deep_source", "a cell that the compiler cannot swallow", "x = " + "(" * 5000 + ")" * 5000
    ),
    Attack("long_source", "a cell of many lines", "\n".join(["x = 1"] * 20_000)),
]
