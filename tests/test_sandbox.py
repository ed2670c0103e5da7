"""The walls around a submission: what it may try, who may raise them, what is said where not."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy
import psutil
import pytest

import autograder
from autograder.engine.interface import Call, CellResult, Limits, NoSandbox
from autograder.engine.trusted.asking import Patience
from autograder.engine.trusted.plain import PlainRunner
from autograder.engine.trusted.session import StartError, font_lists
from autograder.engine.walls import memory
from autograder.engine.walls.jail import SCRATCH
from autograder.engine.walls.memory import make_room, remove_room
from autograder.engine.warm.handle import START, SandboxedRunner, require_sandbox
from autograder.judging.sets import find_set
from autograder.judging.verdict import TimedOut
from autograder.project import find_project
from autograder.release.notebook import instructor_notebook
from tests.conftest import until
from tests.walled import World, open_world, probe, tries

HERE = Path(__file__).parent
# A machine that refuses some of it cannot show that it holds: the refusal itself is tested below.
REFUSED = SandboxedRunner().refused
walled = pytest.mark.skipif(bool(REFUSED), reason=f"this kernel refuses: {REFUSED}")
GROUPS = make_room()
if GROUPS:
    remove_room(GROUPS)
grouped = pytest.mark.skipif(GROUPS is None, reason="control groups are somebody else's here")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """What a submission must not reach, and a secret in the environment."""
    monkeypatch.setenv("AUTOGRADER_CANARY", "secret")
    with open_world(tmp_path) as found:
        yield found


def amiss(world: World, came: dict[str, str]) -> dict[str, str]:
    """The tries that came to something else than they may."""
    allowed = tries(world.canary, world.port, world.abstract)
    assert came.keys() == allowed.keys()
    return {name: got for name, got in came.items() if got not in allowed[name][1]}


@walled
def test_a_submission_reaches_nothing(world: World) -> None:
    """As whoever runs the tests."""
    before = Path("/proc/self/mountinfo").read_text()
    assert amiss(world, probe(world.canary, world.port, world.abstract)) == {}
    assert world.untouched()
    assert Path("/proc/self/mountinfo").read_text() == before


def as_ordinary_user(
    folder: Path, *arguments: str
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run Python as somebody who is not root; what came of it, and their home."""
    home = folder / "home"
    home.mkdir()
    for path in (home, *list(folder.parents)[:3], folder):
        path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, HERE / "as_user.py", "12345", *arguments],
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, home


@walled
@as_root
def test_what_an_ordinary_user_grades_reaches_nothing(world: World, tmp_path: Path) -> None:
    """No right of root is needed for the walls."""
    world_at = (str(world.canary), str(world.port), world.abstract[1:])
    done, home = as_ordinary_user(tmp_path, "-m", "tests.walled", *world_at)
    assert done.returncode == 0, done.stderr
    assert amiss(world, json.loads(done.stdout)) == {}
    assert world.untouched()
    assert [path.name for path in home.iterdir() if path.name.startswith("autograder-")] == []


HOLDING = """
from autograder.engine.interface import Limits
from autograder.engine.warm.handle import SandboxedRunner
hold = '''
import os, socket
pairs, fd = [], os.open('/dev/null', os.O_RDONLY)
try:
    while True:
        pairs.append(socket.socketpair())
        socket.send_fds(pairs[-1][0], [b'x'], [fd] * 50)
except OSError as error:
    print(error.errno)
'''
runner = SandboxedRunner()
with runner.open(None, Limits()) as one:
    print(one.execute(hold).outputs[0]["text"].strip())
    with runner.open(None, Limits()) as other:
        print(other.execute("print(1)").outputs[0]["text"].strip())
"""


@walled
@as_root
def test_who_holds_a_users_last_descriptors_keeps_no_other_session_from_starting(
    tmp_path: Path,
) -> None:
    """The kernel counts those that are on their way for all of a user's processes."""
    done, _home = as_ordinary_user(tmp_path, "-c", HOLDING)
    assert done.stdout.split() == [str(errno.ETOOMANYREFS), "1"], done.stderr


@walled
@as_root
def test_root_in_a_container_that_may_not_mount_has_walls_all_the_same(world: World) -> None:
    """In a user namespace, as an ordinary user has."""
    program = (
        "import ctypes, json, os, struct, sys\n"
        "from autograder.engine.walls import kernel\n"
        "libc = ctypes.CDLL(None)\n"
        # What a container's root has by default: no right to mount among it.
        "kept = sum(1 << n for n in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))\n"
        "for n in range(41):\n    kept >> n & 1 or kernel.prctl(kernel.PR_CAPBSET_DROP, n)\n"
        "low, high = kept & 0xFFFFFFFF, kept >> 32\n"
        "header = struct.pack('=Ii', kernel.CAPABILITY_VERSION, 0)\n"
        "data = struct.pack('=6I', low, low, 0, high, high, 0)\n"
        "assert libc.syscall(kernel.SYS_CAPSET[os.uname().machine], header, data) == 0\n"
        "from tests.walled import probe\n"
        "print(json.dumps(probe(sys.argv[1], int(sys.argv[2]), sys.argv[3])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, world.canary, str(world.port), world.abstract[1:]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=find_project().root,
    )
    assert done.returncode == 0, done.stderr
    # Root it is: of a namespace in which it may do nothing.
    assert amiss(world, json.loads(done.stdout)) == {"become root": "0\n"}
    assert world.untouched()


def test_the_tries_are_no_empty_threat(world: World) -> None:
    """Without walls the same cells get what they want: the test above could fail."""
    wanted = ("read a file", "tcp", "fork")
    chosen = tries(world.canary, world.port, world.abstract)
    with SandboxedRunner(walls=False).open(None, Limits()) as session:
        got = {name: session.execute(chosen[name][0]).status for name in wanted}
    assert got == dict.fromkeys(wanted, "ok")
    assert not world.untouched()


@walled
def test_sessions_at_once_do_not_see_each_other() -> None:
    """Neither files, nor processes, nor sockets."""
    runner = SandboxedRunner()
    with runner.open(None, Limits()) as one, runner.open(None, Limits()) as other:
        one.execute(
            "import os, socket\nopen('/tmp/mine', 'w').write('x')\n"
            "s = socket.socket(socket.AF_UNIX); s.bind('\\0mine'); s.listen()\nprint(os.getuid())"
        )
        seen = other.execute(
            "import os, socket\nprint(os.path.exists('/tmp/mine'), os.listdir('.'))\n"
            "c = socket.socket(socket.AF_UNIX)\n"
            "try: c.connect('\\0mine')\nexcept OSError as error: print(type(error).__name__)"
        )
        assert seen.outputs[0]["text"] == "False []\nConnectionRefusedError\n"


@walled
def test_a_refused_process_is_named_and_what_was_defined_is_still_graded() -> None:
    """In a cell, and in a call."""
    with SandboxedRunner().open(None, Limits()) as session:
        session.execute("def f(x): return x + 1\ndef g():\n    import os\n    return os.fork()")
        refused = session.execute("!ls")
        assert refused.status == "ok" and "no program can be started" in text(refused)
        assert text(session.execute("print(_exit_code)")) == "126\n"
        named = session.execute("import os; os.fork()")
        assert "start another process" in named.reason
        assert named.reason in named.outputs[-1]["traceback"]
        snapshot = session.snapshot()
        session.close()
        assert snapshot.call(Call("f", {"x": 1.0}, ["x"])).value == 2.0
        assert snapshot.call(Call("g", {}, [])).value.name == "PermissionError"


OF_ALL_FILES = {
    "/": {"usr", "bin", "sbin", "lib", "lib32", "lib64", "dev", "etc", "tmp", SCRATCH.name},
    "/dev": {"null", "zero", "full", "random", "urandom", "pts", "ptmx"},
    "/etc": {"passwd", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"}
    | {"fonts", "localtime"},
}
ITS_RIGHTS = """
import ctypes, os, socket, struct
libc, rights = ctypes.CDLL(None), ctypes.create_string_buffer(24)
assert libc.capget(struct.pack("=Ii", 0x20080522, 0), rights) == 0
print(os.getuid(), any(rights.raw), libc.prctl(39, 0, 0, 0, 0), socket.gethostname())
"""


@walled
def test_what_it_is_shown_of_this_machine_and_what_it_may_do_there() -> None:
    """Of a virtual environment, which may have been made in the course's own folder, programs and
    libraries; and a user that nobody is, without capabilities or a way to more."""
    canary = Path(sys.prefix) / f"canary-{secrets.token_hex(8)}"
    canary.write_text("secret")
    ours = {Path(p) for p in (sys.prefix, sys.base_prefix, Path(autograder.__file__).parent)}
    shown = {**OF_ALL_FILES, "/": OF_ALL_FILES["/"] | {path.parts[1] for path in ours}}
    if not sys.base_prefix.startswith(str(find_project().root)):
        root = find_project().root
        shown[str(root)] = {p.relative_to(root).parts[0] for p in ours if p.is_relative_to(root)}
    try:
        with SandboxedRunner().open(None, Limits(scratch_bytes=2**20)) as session:
            result = session.execute(f"import os\nprint(os.path.exists({str(canary)!r}))")
            assert text(result) == "False\n"
            for folder, names in shown.items():
                found = text(session.execute(f"print(*os.listdir({folder!r}), sep='\\n')"))
                assert found.split("\n")[:-1] and set(found.split("\n")[:-1]) <= names, folder
            user, has_rights, no_more, host = text(session.execute(ITS_RIGHTS)).split()
            assert (has_rights, no_more, host) == ("False", "1", "notebook")
            assert int(user) not in {p.pw_uid for p in pwd.getpwall()} - {os.getuid() or -1}
            full = session.execute("open('a', 'wb').write(bytes(2**21))")
            assert full.reason == "A submission may write 1 MB in 10000 files."
    finally:
        canary.unlink()


ALONE = """
import os, sys
from autograder.engine.walls import kernel
from autograder.engine.warm import start
assert not {"numpy", "matplotlib", "IPython"} & sys.modules.keys(), "walls first, libraries after"
os.chdir(sys.argv[1])
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
kernel.landlock([os.open("/", os.O_PATH)], [os.open("mine", os.O_PATH)])
open("mine/new", "w").write(open("secret").read())
for attempt in (
    lambda: open("secret", "a"), lambda: open("new", "w"), lambda: os.mkdir("d"),
    lambda: os.remove("secret"), lambda: os.symlink("a", "b"), lambda: os.mkfifo("pipe"),
    lambda: os.rename("mine/new", "new"), lambda: os.truncate("secret", 0),
):
    try: attempt()
    except OSError: print("refused")
"""


@walled
def test_landlock_alone_lets_all_be_read_and_nothing_be_written_elsewhere(tmp_path: Path) -> None:
    """Whatever the mounts allow, and also to root."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "secret").write_text("secret")
    command = [sys.executable, "-c", ALONE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["refused"] * 8, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "new", "secret"]
    assert (tmp_path / "mine" / "new").read_text() == "secret"


@walled
def test_with_processes_allowed_programs_run() -> None:
    """And are gone with the session."""
    mark = f"1000.{secrets.randbelow(10**9)}"
    with SandboxedRunner().open(None, Limits(processes=4)) as session:
        result = session.execute(
            f"import subprocess\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"
            "print(subprocess.run(['id', '-un'], capture_output=True, text=True).returncode >= 0)"
        )
        assert result.status == "ok"
        assert [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or ())]
    left = [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or ())]
    assert left == []


AT_HOME = """
import os, sys
from autograder.cli import main
from autograder.engine.interface import Limits
from autograder.engine.warm.handle import SandboxedRunner
with SandboxedRunner().open(None, Limits()) as session:
    for source in (
        "import autograder, os, sys; print(sys.prefix, autograder.__file__)",
        "open('/tmp/mine', 'w').write('x'); print(os.listdir(os.environ['TMPDIR']))",
        "import tempfile; f = tempfile.TemporaryFile(); print(f.tell())",
        "print(os.path.exists(sys.prefix + '/../solutions'))",
        "open(os.path.dirname(autograder.__file__) + '/mine', 'w')",
    ):
        outputs = session.execute(source).outputs
        print((outputs[0].get("text") or outputs[0]["ename"]).strip(), file=sys.stderr)
sys.exit(main(["grade-notebook", sys.argv[1], "--assignment", "gradient", "--seed", "1"]))
"""


@walled
@as_root
@pytest.mark.parametrize(
    ("place", "user"),
    [
        ("/tmp/a course", ["tests/as_user.py", "12345"]),
        *((place, []) for place in ("/tmp/course", "/scratch/c", "/dev/shm/c", "/etc/c")),
    ],
)
def test_a_course_is_graded_wherever_it_lies(place: str, user: list[str], tmp_path: Path) -> None:
    """Below every path, too, that the room makes for itself; and it is no more open there."""
    notebook = tmp_path / "answers.ipynb"
    nbformat.write(instructor_notebook(find_set("gradient")), notebook)
    home = tmp_path / "home"
    cache = home / "autograder" / "matplotlib"
    cache.mkdir(parents=True)
    for font_list in font_lists():
        shutil.copy(font_list, cache)
    for folder in (cache, cache.parent, home, *list(tmp_path.parents)[:3], tmp_path):
        folder.chmod(0o777)
    done = subprocess.run(
        [sys.executable, HERE / "elsewhere.py", place, *user, "-c", AT_HOME, str(notebook)],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "20 of 20 points" in done.stdout
    where, written, temporary, seen, refused = done.stderr.splitlines()[:5]
    assert where == f"{place}/.venv {place}/autograder/__init__.py", done.stderr
    assert "'mine'" in written and temporary == "0" and seen == "False"
    assert refused in ("OSError", "PermissionError")


def left_of(program: str, folder: Path) -> tuple[str, list[Path]]:
    """What a program printed that ends by SIGKILL, and the files that there are in its folder for
    temporary ones when its warm process is gone."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    # Where it may make its folder stands among the warm process's arguments.
    left = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in str(p.info["cmdline"])]
    assert psutil.wait_procs(left, timeout=20)[1] == []
    return done.stdout.strip(), list(folder.iterdir())


def is_idle(group: Path) -> bool:
    """Whether a control group is there, and no process in it, or in one in it."""
    try:
        return not any(file.read_text() for file in [*group.rglob("cgroup.procs")])
    except OSError:  # it is just being removed
        return False


@pytest.mark.parametrize("walls", [pytest.param(True, marks=walled), False])
def test_nothing_is_left_of_a_judge_that_was_killed(tmp_path: Path, walls: bool) -> None:
    """No process, no folder, no mount, no control group."""
    before = set(GROUPS.parent.glob("autograder-*")) if GROUPS else set()
    program = (
        "import os, signal\n"
        "from autograder.engine.interface import Limits\n"
        "from autograder.engine.warm.handle import SandboxedRunner\n"
        f"runner = SandboxedRunner(walls={walls})\n"
        "session = runner.open(None, Limits())\n"
        "session.execute('x = 1')\n"
        "print(runner._zygotes[False].folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    folder, left = left_of(program, tmp_path)
    assert folder.startswith(str(tmp_path))
    assert left == []
    made = set(GROUPS.parent.glob("autograder-*")) - before if GROUPS else set()
    # One that another test has just made is filled, or gone, in a moment.
    until(lambda: not any(group.exists() and is_idle(group) for group in made), 20)


def test_nothing_is_left_of_a_judge_that_was_killed_as_it_began(tmp_path: Path) -> None:
    """Just before it starts the warm process, and just after."""
    for moment in ("original = lambda *a, **k: None", "original = subprocess.Popen"):
        program = (
            "import os, signal, subprocess\n"
            "from autograder.engine.warm import handle\n"
            "handle.font_lists()\n"
            f"{moment}\n"
            "def start(*arguments, **options):\n"
            "    original(*arguments, **options)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "subprocess.Popen = start\n"
            "handle.Zygote()"
        )
        assert left_of(program, tmp_path)[1] == []


def test_a_warm_process_without_a_folder_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(StartError, match=r"No such file or directory: .*gone/autograder-warm-"):
        SandboxedRunner().open(None, Limits())


# ------------------------------------------------------------------ one session and the next


def text(result: CellResult) -> str:
    """What a cell printed."""
    return "".join(o["text"] for o in result.outputs if o["output_type"] == "stream")


OPEN_FILES = """
import fcntl, os, stat, struct
def shared():
    for fd in range(64):
        try: mode = os.fstat(fd).st_mode
        except OSError: continue
        if not stat.S_ISSOCK(mode): yield fd
"""
WRITE = (
    OPEN_FILES
    + """
for fd in shared():
    try: os.lseek(fd, 0x123456789, 0)
    except OSError: pass
    try: fcntl.fcntl(fd, 37, struct.pack("hh4xqqi4x", fcntl.F_RDLCK, 0, 1 << 40, 7, 0))
    except OSError: pass
"""
)
READ = (
    OPEN_FILES
    + """
for fd in shared():
    try: print("at", os.lseek(fd, 0, 1) == 0x123456789)
    except OSError: pass
"""
)


@pytest.mark.parametrize("walls", [pytest.param(True, marks=walled), False])
def test_an_open_file_is_no_letter_to_the_next_session(walls: bool) -> None:
    """Place and locks of an open file are one for all forks that have it open."""
    runner = SandboxedRunner(walls=walls)
    with runner.open(None, Limits()) as first:
        assert first.execute(WRITE).status == "ok"
        assert "at True" in text(first.execute(READ))
        # They go on to be read from where they were.
        assert first.execute("import matplotlib.pyplot as plt; plt.plot([1]);").status == "ok"
    with runner.open(None, Limits()) as second:
        said = text(second.execute(READ))
        assert "at False" in said and "at True" not in said
    locks = Path("/proc/locks").read_text()
    assert str(1 << 40) not in locks


SPEAKING = {
    "who locks a file": "fcntl.fcntl(fd, fcntl.F_GETLK, LOCK)",
    "who locks an open file": "fcntl.fcntl(fd, 36, LOCK)",
    "a lease": "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
    "a notice": "fcntl.fcntl(folder, fcntl.F_NOTIFY, 1)",
    "a hint on a file": "fcntl.fcntl(fd, 1036, struct.pack('Q', 4))",
    "who opens a file": "call(294, 0)",
    "the time of a device": "os.utime('/dev/null')",
    "the time of a device, by its file": "os.utime(device, (7, 7))",
    "what others read": "call(327, fd, None, 0, 0, 0, 8)",
    "what others read, by its map": "call(27, ctypes.addressof(page), 4096, seen)",
    "what others read, newly": "call(451, fd, seen, seen, 0)",
    "read ahead": "call(187, fd, 0, 4096)",
    "out of memory": "call(28, ctypes.addressof(page), 4096, 21)",
    "who waits at an address": "call(202, ctypes.addressof(page), 1, 1)",
    "who waits, newly": "call(454, ctypes.addressof(page), 1, 1, 2)",
    "which processor": "os.sched_setaffinity(0, {0})",
    "half a processor": "libc.prctl(62, 1, 0, 0, 0) < 0 and fail(ctypes.get_errno())",
    "to be looked into": "libc.prctl(4, 1, 0, 0, 0) < 0 and fail(ctypes.get_errno())",
    "a large pipe": "fcntl.fcntl(os.pipe()[1], 1031, 2**20)",
}


@walled
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the calls have other numbers")
def test_two_sessions_cannot_speak_by_what_both_may_read() -> None:
    """Nor to a program of the machine, nor is any of them held up."""
    source = (
        "import ctypes, fcntl, mmap, os, struct\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "LOCK = struct.pack('hh4xqqi4x', fcntl.F_WRLCK, 0, 0, 9, 0)\n"
        "def fail(number): raise OSError(number, '')\n"
        "def call(*arguments):\n"
        "    if libc.syscall(*arguments) < 0: fail(ctypes.get_errno())\n"
        "fd, folder = os.open(os.__file__, os.O_RDONLY), os.open('/usr', os.O_RDONLY)\n"
        "device, seen = os.open('/dev/null', os.O_RDWR), ctypes.create_string_buffer(64)\n"
        "page = ctypes.c_char.from_buffer(mmap.mmap(-1, 8192))\n"
    )
    for name, attempt in SPEAKING.items():
        source += f"try: {attempt}\nexcept OSError as error: print({name!r}, error.errno)\n"
        source += f"else: print({name!r}, 'LOOT')\n"
    with SandboxedRunner().open(None, Limits()) as session:
        said = text(session.execute(source)).splitlines()
        errors = {str(n) for n in (errno.EPERM, errno.ENOSYS, errno.EROFS)}
        assert [line for line in said if line.split()[-1] not in errors] == []
        assert len(said) == len(SPEAKING)
        # What writes a disk out for everybody says that it is done, as on a folder in memory.
        done = "f = open('a', 'w'); os.sync(); os.fsync(f); os.posix_fadvise(fd, 0, 0, 4)\n"
        # Done, they would find that there is no such file: syncfs, fsync, fdatasync.
        done += "print([libc.syscall(number, -1) for number in (306, 74, 75)])"
        assert text(session.execute(done)) == "[0, 0, 0]\n"
        lite = "import sqlite3\nfor _ in range(2):\n    db = sqlite3.connect('a.db')\n"
        lite += "    db.execute('create table if not exists t(x)')\n    db.commit()"
        assert session.execute(lite).status == "ok"


WAITING = """
import ctypes, mmap, os, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_long] * 5]
at = libc.mmap(None, 4096, 1, 1, os.open(os.__file__, os.O_RDONLY), 0)
limit = (ctypes.c_long * 2)(20, 0)
def wait():
    word = ctypes.c_int.from_address(at).value
    return libc.syscall(202, ctypes.c_void_p(at), 0, word, limit, None, 0), ctypes.get_errno()
"""


@walled
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the calls have other numbers")
def test_the_end_of_a_thread_wakes_nobody_in_another_session() -> None:
    """Where it ends the kernel wakes whoever waits at an address of its choice. For the end of a
    thread of its own everybody may wait."""
    own = (
        "body = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: None)\n"
        "thread = ctypes.c_ulong()\nlibc.pthread_create(ctypes.byref(thread), None, body, None)\n"
        "print(libc.pthread_join(thread, None), wait())"
    )
    with SandboxedRunner().open(None, Limits()) as session:
        assert text(session.execute(WAITING + own)) == f"0 (-1, {errno.EAGAIN})\n"


REMEMBERED = """
import ctypes, gc, os
libc = ctypes.CDLL(None)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_long]
libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
pipe, end, found = os.pipe(), libc.sbrk(0), 0
places = {id(o) >> 20 << 20 for o in gc.get_objects()} | {end - n * 2**20 for n in range(1, 200)}
for place in places:
    for page in range(place & ~4095, (place & ~4095) + 2**20, 4096):
        # It refuses what is not there, and takes the process down with it nowhere.
        if libc.write(pipe[1], page, 4096) == 4096:
            found += os.read(pipe[0], 4096).count(b"of Amara's " + bytes([111, 119, 110]))
print("found", found)
"""


@walled
def test_nothing_of_a_submissions_files_is_in_the_memory_of_the_next(tmp_path: Path) -> None:
    """Sessions are forks of one process: what was ever in there is in all that come after."""
    (tmp_path / "helper.py").write_text("# of Amara's own\n" * 5000)
    runner = SandboxedRunner()
    with runner.open(tmp_path, Limits()) as first:
        assert text(first.execute("print(len(open('helper.py').read()))")) == "85000\n"
        # It can be found where it is; and what looks for it has it in memory itself.
        assert int(text(first.execute(REMEMBERED)).split()[1]) > 100
    with runner.open(None, Limits()) as second:
        assert int(text(second.execute(REMEMBERED)).split()[1]) < 10


@walled
def test_a_lock_on_a_device_holds_up_nobody() -> None:
    """Neither another session nor a program of the machine's."""
    lock = (
        "import fcntl\nfile = open('/dev/null', 'r+b', buffering=0)\n"
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    runner = SandboxedRunner()
    with runner.open(None, Limits()) as one, runner.open(None, Limits()) as other:
        assert [s.execute(lock).status for s in (one, other)] == ["ok", "ok"]
        with open("/dev/null", "r+b", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert one.execute(lock).status == "ok"


@walled
def test_a_page_that_is_in_memory_stays_there() -> None:
    """Else whoever reads it again would have a message."""
    library = Path(numpy.__file__)
    library.read_bytes()
    drop = "import os\nfd = os.open(np.__file__, os.O_RDONLY)\nos.posix_fadvise(fd, 0, 0, 4)"
    with SandboxedRunner().open(None, Limits()) as session:
        assert session.execute("import numpy as np\n" + drop).status == "ok"
    with library.open("rb") as file:
        assert os.preadv(file.fileno(), [bytearray(64)], 0, os.RWF_NOWAIT) == 64


HAD = """
import threading, time
end = threading.Event()
def work():
    try:
        for _ in range(3): end.is_set() or threading.Thread(target=work, daemon=True).start()
    except RuntimeError: pass
    end.wait()
try:
    while True: threading.Thread(target=work, daemon=True).start()
except RuntimeError as error: print(error)
print(threading.active_count())
"""


@walled
def test_the_limit_on_threads_is_what_it_says() -> None:
    """Also where threads start threads; and those that ended make room for others."""
    with SandboxedRunner().open(None, Limits(threads=20)) as session:
        result = session.execute(HAD)
        assert text(result).splitlines() == ["can't start new thread", "20"]
        again = "end.set()\nwhile threading.active_count() > 1: time.sleep(0.01)\nend.clear()\n"
        assert text(session.execute(again + HAD)).splitlines()[-1] == "20"
        many = "for _ in range(100):\n    t = threading.Thread(target=int); t.start(); t.join()"
        end = "end.set()\nwhile threading.active_count() > 1: time.sleep(0.01)\n"
        assert session.execute(end + many).status == "ok"
        without_end = (
            "end.clear()\nwhile True: threading.Thread(target=end.wait, daemon=True).start()"
        )
        assert session.execute(without_end).reason == "A submission may have 20 threads."


@pytest.fixture
def busy_processor() -> Iterator[None]:
    """This process, and what it starts now, has one processor, on which much is going on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    hog = [sys.executable, "-c", "while True: pass"]
    # Sessions of their own, for the kernel is fair between these.
    hogs = [psutil.Popen(hog, start_new_session=True) for _ in range(8)]
    try:
        yield
    finally:
        for process in hogs:
            process.kill()
            process.wait()
        os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("busy_processor")
@pytest.mark.parametrize("make", [SandboxedRunner, PlainRunner])
def test_who_stands_in_line_for_a_processor_is_waited_for(
    make: type[SandboxedRunner] | type[PlainRunner],
) -> None:
    """An endless loop is not; nor does it cost another call of its function what it is due."""
    work = (
        "import time\ndef work(seconds):\n    start = time.process_time()\n"
        "    while time.process_time() < start + seconds: pass\n    return 1.0\n"
    )
    with make().open(None, Limits(call_seconds=0.5, cell_seconds=0.5, timeouts=2)) as session:
        assert session.execute(work + "print(work(0.3))").status == "ok"
        assert session.execute("while True: pass").reason.endswith("An endless loop?")
        snapshot = session.snapshot()
        session.close()
        for _again in range(2):
            assert snapshot.call(Call("work", {"seconds": 0.3}, ["seconds"])).value == 1.0
        endless = snapshot.call(Call("work", {"seconds": 1e9}, ["seconds"])).value
        assert isinstance(endless, TimedOut) and endless.of == "call"
        assert snapshot.call(Call("work", {"seconds": 0.3}, ["seconds"])).value == 1.0


def test_no_more_is_given_back_than_was_stood_in_line_and_than_there_is() -> None:
    """Of cells and calls together as much as all cells may take."""
    stood = iter([4.0, 4.0, 4.3, 30.0])
    processes = SimpleNamespace(in_line=lambda pid: next(stood))
    patience = Patience(processes, most=10.0)
    given = [patience.more(7, 5.0) for _again in range(4)]
    # So little would have saved nobody; and then all that is left.
    assert given == [4.0, 0.0, 0.0, 6.0]
    assert (patience.given, patience.at_its_end) == (10.0, True)


def taken() -> int:
    """The memory of all that this process has started."""
    found = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += process.memory_full_info().pss
    return found


NO_GROUPS = "import autograder.engine.walls.memory as m; m._places = lambda told: iter(())\n"


@walled
@as_root
@pytest.mark.parametrize("by", [pytest.param("the kernel", marks=grouped), "counting"])
def test_memory_is_limited_for_all_processes_of_a_session_together(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each snapshot keeps an array that no other one has; what they share counts once."""
    if by == "counting":
        monkeypatch.setattr("autograder.engine.warm.handle.START", NO_GROUPS + START)
    mega = 2**20
    make = "import numpy as np, time\nx = np.ones(5 * 2**20)"  # 40 MB
    runner = SandboxedRunner()
    with runner.open(None, Limits(memory_bytes=150 * mega)) as session:
        assert session.execute(make).status == "ok"
        sharing = [session.snapshot() for _ in range(6)]
        assert session.execute("time.sleep(1.5)").status == "ok"
        assert all(snapshot.defines("x") and not snapshot.problem for snapshot in sharing)
    with runner.open(None, Limits(memory_bytes=150 * mega)) as session:
        before = taken()
        for _again in range(12):
            session.execute(make)
            session.snapshot()
            assert by == "counting" or taken() - before < 250 * mega
        for _again in range(60):
            if by == "the kernel" or taken() - before < 200 * mega:
                break
            session.execute("time.sleep(0.1)")
        assert taken() - before < 250 * mega
        session.execute(make)
    if by == "the kernel":
        # Together with what is written: each fits by itself.
        fill = "with open('a', 'wb') as file:\n    for _ in range(90): file.write(bytes(2**20))"
        with runner.open(None, Limits(memory_bytes=150 * mega)) as session:
            assert session.execute(fill).status == "ok"
            died = session.execute("import numpy as np; x = np.ones(17 * 2**20)")
            assert "together they had taken more than 150 MB of memory" in died.reason


def test_where_control_groups_may_be_made(tmp_path: Path) -> None:
    """In the old hierarchy below our own group, in the new one or above it, too."""
    (tmp_path / "cgroup").write_text("8:pids:/a\n4:cpu,memory:/x/a/b\n0::/u/s:1.scope\n")
    (tmp_path / "mountinfo").write_text(
        "31 23 0:28 / /fs rw,relatime shared:1 - tmpfs tmpfs rw\n"
        "35 31 0:32 /x /fs/memory rw - cgroup cgroup rw,memory,cpu\n"
        "36 31 0:33 / /fs/pids rw - cgroup cgroup rw,pids\n"
        "41 31 0:38 / /fs/new rw - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    wanted = ["/fs/memory/a/b", "/fs/new/u/s:1.scope", "/fs/new/u", "/fs/new"]
    assert [str(place) for place in memory._places(tmp_path)] == wanted
    assert list(memory._places(tmp_path / "none")) == []


KEEPING = """
from autograder.engine.interface import Limits
from autograder.engine.warm.handle import SandboxedRunner
with SandboxedRunner().open(None, Limits(memory_bytes=60 * 2**20)) as session:
    for kept in range(40):
        # Twice 16 MB, the old array and the new one, is far from what one process may have. Each is
        # a little larger: of all processes the notebook's own is the largest.
        size = 2**21 + kept * 2**15
        cell = f"import numpy as np, time; x = np.ones({size}); time.sleep(0.1)"
        if reason := session.execute(cell).reason:
            print(kept, reason)
            break
        session.snapshot()
"""


@walled
@as_root
def test_an_ordinary_user_ends_them_too_if_later(tmp_path: Path) -> None:
    """The kernel does not tell such a one what they share."""
    done, _home = as_ordinary_user(tmp_path, "-c", KEEPING)
    assert "together they had taken more than 60 MB of memory" in done.stdout, done


@walled
@as_root
def test_where_memory_runs_out_the_kernel_ends_submissions_first() -> None:
    with SandboxedRunner().open(None, Limits()) as session:
        session.execute("x = 1")
        session.snapshot()
        wanted = []
        for process in psutil.Process().children(recursive=True):
            wanted.append(Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip())
        assert wanted.count("1000") == 2
        lower = "open('/proc/self/oom_score_adj', 'w').write('0')"
        assert session.execute(lower).outputs[-1]["ename"] == "FileNotFoundError"


@walled
def test_a_notebooks_second_process_does_not_answer_for_the_keeper() -> None:
    """Whoever holds the descriptor on which the kernel asks could let any program start."""
    ask = (
        "import fcntl, struct\n"
        "for fd in range(3, 64):\n"
        "    try: fcntl.ioctl(fd, 0x40082102, struct.pack('=Q', 1))\n"
        "    except OSError as error:\n"
        "        if error.errno == 2: print('a listener', fd)\n"
        "print('looked')"
    )
    with SandboxedRunner().open(None, Limits()) as session:
        assert session.execute("x = 1").status == "ok"
        session.snapshot()
        assert session.execute("import os; os._exit(3)").status == "died"
        assert text(session.execute(ask)) == "looked\n"


def test_what_runs_before_each_snapshot_takes_the_notebooks_time() -> None:
    limits = Limits(notebook_seconds=1.0)
    hook = "import os, time; os.register_at_fork(before=lambda: time.sleep(30))"
    with SandboxedRunner().open(None, limits) as session:
        assert session.execute(hook).status == "ok"
        started = time.monotonic()
        snapshots = [session.snapshot() for _ in range(2)]
        assert time.monotonic() - started < 20
        assert all(snapshot.problem for snapshot in snapshots)
        assert "used up" in session.execute("1").reason


# ------------------------------------------------------------------ where the kernel refuses


REFUSING = """
import errno, pyseccomp, sys
made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in ("unshare", "seccomp"):
    made.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
made.load()
"""


def under_refusal(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program where the kernel refuses namespaces and filters, as in a plain container."""
    return subprocess.run(
        [sys.executable, "-c", REFUSING + program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=find_project().root,
    )


def test_a_kernel_that_refuses_is_named_and_cells_still_run() -> None:
    """Layer by layer, with its reason."""
    done = under_refusal(
        "import json\n"
        "from autograder.engine.interface import Limits\n"
        "from autograder.engine.warm.handle import SandboxedRunner\n"
        "runner = SandboxedRunner()\n"
        "with runner.open(None, Limits()) as session:\n"
        "    ran = session.execute('print(6 * 7)').outputs[0]['text']\n"
        "print(json.dumps([runner.refused, ran, runner.protects]))"
    )
    assert done.returncode == 0, done.stderr
    refused, ran, protects = json.loads(done.stdout)
    assert ran == "42\n"
    for layer in ("mount namespace", "network namespace", "process namespace"):
        assert refused[layer].endswith("Operation not permitted")
    assert "system calls" in refused
    assert "network namespace" in protects or "own rights" in protects


def test_grading_is_refused_without_a_sandbox_unless_it_is_wanted(tmp_path: Path) -> None:
    """The command says why, and what to do; nothing is graded."""
    notebook = tmp_path / "answers.ipynb"
    nbformat.write(instructor_notebook(find_set("gradient")), notebook)
    grade = "from autograder.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = ("grade-notebook", str(notebook), "--assignment", "gradient", "--seed", "1")
    refused = under_refusal(grade, *command)
    assert refused.returncode == 2 and refused.stdout == ""
    assert "network namespace (unshare: Operation not permitted)" in refused.stderr
    assert "--no-require-sandbox" in refused.stderr
    wanted = under_refusal(grade, *command, "--no-require-sandbox")
    assert wanted.returncode == 0 and "20 of 20 points" in wanted.stdout, wanted.stderr


@pytest.mark.parametrize(
    ("refusal", "calls", "ends"), [(0, 1, 0), (2, 2, 0), (1, 1, 1)], ids=["walls", "none", "failed"]
)
def test_make_course_grades_within_the_walls_and_says_where_it_cannot(
    refusal: int, calls: int, ends: int, tmp_path: Path
) -> None:
    makefile = (find_project().root / "Makefile").read_text("utf-8")
    recipe = makefile.partition("\n\t@code=")[2].partition("\n\t@touch")[0]
    command = ("code=" + recipe).replace("$(SET)", "gradient").replace("$$", "$")
    command = command.replace("$(REHEARSE) ", "")
    program = tmp_path / "autograder"
    program.write_text(
        f"#!/bin/sh\necho \"$@\" >> '{tmp_path}/log'\n"
        f'case "$*" in *--no-require-sandbox) exit 0;; *) exit {refusal};; esac\n'
    )
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = (tmp_path / "log").read_text().splitlines()
    assert asked[0] == "autograde gradient --force" and len(asked) == calls
    assert done.returncode == ends, done.stderr
    assert ("without the walls" in done.stdout) == (calls == 2)


def test_what_has_no_walls_is_no_sandbox() -> None:
    """The plain runner, and a sandbox whose walls were left out."""
    for runner in (PlainRunner(), SandboxedRunner(walls=False)):
        with pytest.raises(NoSandbox, match="--no-require-sandbox"):
            require_sandbox(runner)


@walled
def test_a_full_sandbox_is_one() -> None:
    """And says so in a sentence."""
    runner = SandboxedRunner()
    require_sandbox(runner)
    assert "sandbox" in runner.protects and "no network" in runner.protects
