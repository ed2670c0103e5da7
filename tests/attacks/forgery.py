"""Attacks on the conversation: frames, descriptors, values that are none."""

from tests.attacks.attack import SPEAK, Attack

# What takes long to send is not waited for.
SOON = {"call_seconds": 0.5, "timeouts": 1}
DIED = ("Python itself stopped",)
RIGHT = "    u = theta[0] + 0.06 * theta[1] * x\n    return np.sin(u) * np.exp(-(u**2) / 32)\n"


def answers(body: str, **options: object) -> Attack:
    """gabor, judged with a body of the learner's, earns nothing."""
    name, aim = str(options.pop("name")), str(options.pop("aim"))
    code = f"{SPEAK}\ndef gabor(theta, x):\n" + "".join(f"    {x}\n" for x in body.splitlines())
    return Attack(name, aim, cells={"gabor": code}, costs=("gabor",), **options)  # type: ignore[arg-type]


FRAMES = [
    Attack(
        "garbage", "writes garbage to the judge's socket", SPEAK + "raw(b'\\xff' * 100)", told=DIED
    ),
    Attack(
        "half_a_frame",
        "promises a frame and does not finish it",
        SPEAK + "raw((1000).to_bytes(4, 'big') + b'{')",
        limits={"cell_seconds": 0.5},
    ),
    Attack(
        "huge_frame",
        "promises a frame beyond all bounds",
        SPEAK + "raw((2**31).to_bytes(4, 'big'))",
        told=DIED,
    ),
    Attack(
        "deep_frame",
        "a frame of brackets without end",
        SPEAK + "raw((10**6).to_bytes(4, 'big') + b'[' * 10**6)",
        told=DIED,
    ),
    Attack(
        "early_done",
        "says that the cell is over before it is, and has nothing of it",
        SPEAK + "speak({'done': True})",
        costs=("gabor", "linear_gradient", "numerical_gradient"),
    ),
    Attack(
        "forged_outputs",
        "outputs of the wrong kinds",
        SPEAK
        + "speak({'out': 'display', 'data': {'text/html': 5, 'image/png': [1]}, 'metadata': {}, 'id': [1]})\nspeak({'out': 'stream', 'name': 'stdout', 'text': '\\ud800'})",
    ),
    Attack(
        "forged_verdict",
        "says what a right check would say",
        SPEAK
        + "speak({'out': 'result', 'data': {'text/plain': '1.0'}, 'metadata': {}, 'count': 1})",
        cells={"gabor": "def gabor(theta, x): return x"},
        costs=("gabor",),
    ),
    Attack(
        "negative_sizes",
        "arrays of less than no bytes",
        SPEAK + "speak({'out': 'stream', 'name': 'stdout', 'text': 'x', 'blobs': [-1]})",
        told=DIED,
    ),
    Attack(
        "many_sizes",
        "a million arrays",
        SPEAK + "speak({'out': 'stream', 'name': 'stdout', 'text': 'x', 'blobs': [0] * 10**6})",
        told=DIED,
    ),
    Attack(
        "forged_pid",
        "lets the judge kill somebody else",
        SPEAK + "for pid in ($BYSTANDER, 1, -1): speak({'forked': pid})",
    ),
    Attack(
        "closed_descriptors", "closes everything", "import os; os.closerange(0, 4096)", told=DIED
    ),
    Attack(
        "second_socket",
        "puts another file in the place of the judge's socket",
        SPEAK + "for fd in sockets(): os.dup2(os.open('/dev/null', 2), fd)",
    ),
    Attack(
        "kept_socket",
        "keeps a copy of the socket and talks between the judge's questions",
        SPEAK
        + "import threading, time\nfds = [os.dup(fd) for fd in sockets()]\ndef talk():\n    while True:\n        for fd in fds:\n            try: os.write(fd, (2).to_bytes(4, 'big') + b'{}')\n            except OSError: pass\n        time.sleep(0.01)\nthreading.Thread(target=talk, daemon=True).start()",
        # By chance it spoils a snapshot, or the cell, or nothing.
        loses=("gabor", "linear_gradient", "numerical_gradient"),
    ),
]

VALUES = [
    answers(
        "speak({'answer': 1.0})\nspeak({'answer': 1.0})\nreturn 1.0",
        name="two_answers",
        aim="answers twice, so that the next case is answered already",
    ),
    answers(
        "speak({'oracle': 'gabor', 'args': []})\nreturn 1.0",
        name="oracle_not_given",
        aim="asks the reference itself for the answer",
    ),
    answers(
        "speak({'oracle': 'theta', 'args': [1]})\nreturn 1.0",
        name="oracle_of_an_array",
        aim="calls an argument that is no function",
    ),
    answers(
        "import io\nhead = io.BytesIO()\nnp.lib.format.write_array_header_1_0(head, {'descr': '<f8', 'fortran_order': False, 'shape': (9**9,)})\ndata = head.getvalue() + b'x' * 8\nspeak({'answer': {'$': 'array', 'blob': 0}, 'blobs': [len(data)]}, data)\nreturn 1.0",
        name="lying_header",
        aim="an array whose header promises more than there is",
    ),
    answers(
        "speak({'answer': {'$': 'array', 'blob': 0}, 'blobs': [80]}, b'\\x93NUMPY\\x01\\x00\\x3e\\x00' + b\"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}          \\n\" + b'cos\\nsyst')\nreturn 1.0",
        name="pickled_array",
        aim="an array of objects, to be unpickled by the judge",
    ),
    answers(
        "speak({'answer': {'$': 'array', 'blob': 0}, 'blobs': [70000000]})\nreturn 1.0",
        name="huge_array",
        aim="an array beyond all bounds",
    ),
    answers(
        "speak({'answer': {'$': 'array', 'blob': 7}})\nreturn 1.0",
        name="absent_array",
        aim="an array that was not sent",
    ),
    answers(
        "speak({'answer': {'$': 'array', 'dtype': '<f8', 'shape': [-1, 0], 'data': []}})\nreturn 1.0",
        name="negative_shape",
        aim="an array of negative size",
    ),
    answers(
        "speak({'answer': {'$': 'class', 'name': 'os.system'}})\nreturn 1.0",
        name="unknown_value",
        aim="a value of a kind that there is not",
    ),
    answers(
        "return np.array([object(), [1]], dtype=object)",
        name="object_array",
        aim="an array of objects",
    ),
    answers(
        "class P:\n    def __reduce__(self): return (print, ('x',))\nreturn [P()]",
        name="pickle",
        aim="an object that does something when it is unpickled",
    ),
    answers("a = []\na.append(a)\nreturn a", name="cyclic", aim="a list that holds itself"),
    answers("return 'x' * 10**8", name="huge_text", aim="a text of a hundred megabytes"),
    answers("return 10 ** 5000", name="huge_integer", aim="an integer that no array holds"),
    answers("return list(range(10**6))", name="long_list", aim="a list beyond all bounds"),
    answers(
        "return {k * (2**61 - 1): k for k in range(20_000)}",
        name="one_hash",
        aim="a dict whose keys share a hash",
        limits=SOON,
    ),
    answers(
        "return np.broadcast_to(np.zeros(1), (10**6, 10**6))",
        name="broadcast",
        aim="an array that is small in memory and huge when sent",
        limits=SOON,
    ),
    answers(
        "return np.zeros(len(x), dtype=[('a', 'f8')])",
        name="structured",
        aim="an array with fields",
    ),
    answers(
        "def endless():\n    while True: yield 1\nreturn endless()",
        name="endless_iterable",
        aim="an iterator that never ends",
    ),
    answers(
        "import os\nos.closerange(3, 4096)\nreturn 1.0",
        name="closed_in_a_call",
        aim="closes the socket while it is judged",
    ),
    answers(
        "import os\nos._exit(0)", name="exit_in_a_call", aim="ends the process while it is judged"
    ),
    answers(
        "import ctypes\nctypes.string_at(0)",
        name="crash_in_a_call",
        aim="crashes while it is judged",
    ),
]
