"""What a hostile cell gets, for each thing that it may try: `probe` runs all of it in a sandbox.

As a module it prints what came out as JSON, for a test that needs another user.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from autograder.engine.interface import Limits
from autograder.engine.warm.handle import SandboxedRunner
from autograder.project import find_project

LIMITS = Limits(
    cpu_seconds=2, scratch_bytes=8 * 2**20, scratch_files=50, threads=16, file_bytes=5 * 2**20
)
LIBC = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"


@dataclass
class World:
    """What a submission must not reach: a secret file, somebody who listens everywhere, and a
    process that has nothing to do with it."""

    canary: Path
    port: int
    abstract: str
    listening: list[socket.socket]
    bystander: psutil.Popen

    def untouched(self) -> bool:
        """Nobody called, nobody was killed, and the file is as it was, with nothing beside it."""
        for listener in self.listening:
            listener.setblocking(False)
            try:
                listener.recv(1) if listener.type == socket.SOCK_DGRAM else listener.accept()
            except BlockingIOError:
                continue
            return False
        beside = sorted(path.name for path in self.canary.parent.glob("canary*"))
        return (
            self.canary.read_text() == "secret"
            and beside == ["canary", "canary.socket"]
            and self.bystander.poll() is None
        )


@contextlib.contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Put all of that up; the file is in `folder`."""
    canary = folder / "canary"
    canary.write_text("secret")
    canary.chmod(0o666)
    abstract = f"\0autograder-{secrets.token_hex(4)}"
    tcp, udp, named, unnamed = (
        socket.socket(),
        socket.socket(type=socket.SOCK_DGRAM),
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_UNIX),
    )
    bystander = psutil.Popen(["sleep", "1000"])
    try:
        with tcp, udp, named, unnamed:
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())
            named.bind(f"{canary}.socket")
            unnamed.bind(abstract)
            for listener in (tcp, named, unnamed):
                listener.listen()
            port = tcp.getsockname()[1]
            yield World(canary, port, abstract, [tcp, udp, named, unnamed], bystander)
    finally:
        bystander.kill()
        bystander.wait()


def tries(canary: Path, port: int, abstract: str) -> dict[str, tuple[str, set[str]]]:
    """By name: a cell, and what it may end in (an exception's name, or what it prints).

    canary: a file that a submission has no business with. port, abstract: where somebody listens,
    on the loopback interface and as an abstract Unix socket.
    """
    root = find_project().root
    no_file = {"FileNotFoundError", "PermissionError"}
    refused = {"OSError", "PermissionError"}
    no_socket = {"ConnectionRefusedError", "PermissionError", "OSError", "FileNotFoundError"}
    connect = "import socket; socket.socket(socket.{f}, socket.{k}).{do}"
    tcp = f"connect(('127.0.0.1', {port}))"
    udp = f"sendto(b'x', ('127.0.0.1', {port}))"
    return {
        "tcp": (connect.format(f="AF_INET", k="SOCK_STREAM", do=tcp), no_socket),
        "udp": (connect.format(f="AF_INET", k="SOCK_DGRAM", do=udp), no_socket),
        "abstract socket": (
            connect.format(f="AF_UNIX", k="SOCK_STREAM", do=f"connect({abstract!r})"),
            no_socket,
        ),
        "unix socket": (
            connect.format(f="AF_UNIX", k="SOCK_STREAM", do=f"connect('{canary}.socket')"),
            no_socket,
        ),
        "dns": ("import socket; socket.getaddrinfo('example.org', 80)", {"gaierror"}),
        "netlink": ("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", refused),
        "vsock": ("import socket; socket.socket(40, socket.SOCK_STREAM)", refused),
        "read a file": (f"open('{canary}').read()", no_file),
        "read solutions": (f"import os; os.listdir('{root}/solutions')", no_file),
        "read the gradebook": (f"import os; os.listdir('{root}/grading')", no_file),
        "read git": (f"import os; os.listdir('{root}/.git')", no_file),
        "read passwords": ("open('/etc/shadow').read()", no_file),
        "proc": ("import os; os.listdir('/proc')", no_file),
        "sys": ("import os; os.listdir('/sys')", no_file),
        "environment": ("import os; print(os.environ.get('AUTOGRADER_CANARY'))", {"None\n"}),
        "write beside": (f"open('{canary}', 'w').write('mine')", no_file),
        "write to python": (
            "import numpy; open(numpy.__file__, 'a').write('#')",
            {"OSError", "PermissionError"},
        ),
        "write to the package": (
            "import autograder; open(autograder.__file__, 'a').write('#')",
            {"OSError", "PermissionError"},
        ),
        "write to the root": ("open('/x', 'w')", refused),
        "fork": ("import os; os.fork()", refused),
        "program": ("import subprocess; subprocess.run(['/bin/true'])", refused),
        "kill the keeper": ("import os, signal; os.kill(1, signal.SIGKILL)", refused),
        "kill everybody": (
            "import os, signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept OSError: pass\nprint(1)",
            {"1\n"},
        ),
        "ptrace": (LIBC + "print(libc.ptrace(16, 1, 0, 0), ctypes.get_errno())", {"-1 1\n"}),
        "unshare": (LIBC + "print(libc.unshare(0x10000000), ctypes.get_errno())", {"-1 1\n"}),
        "mount": (
            LIBC + "print(libc.mount(b'a', b'/tmp', b'tmpfs', 0, None), ctypes.get_errno())",
            {"-1 1\n"},
        ),
        "memfd": ("import os; os.memfd_create('x')", refused),
        "shared memory": (
            LIBC + "print(libc.shmget(0, 4096, 512), ctypes.get_errno())",
            {"-1 1\n"},
        ),
        "become root": ("import os; os.setuid(0); print(os.getuid())", refused),
        "memory": ("x = bytearray(2**36)", {"MemoryError"}),
        "large file": ("open('a', 'wb').write(bytes(2**23))", {"OSError"}),
        "disk": (
            "for i in range(9):\n"
            "    with open(f'd{i}', 'wb', buffering=0) as f:\n"
            "        assert f.write(bytes(2**22)) == 2**22, 'No space left on device'",
            {"OSError", "AssertionError"},
        ),
        "inodes": (
            "import os\nfor i in range(9): os.path.exists(f'd{i}') and os.remove(f'd{i}')\n"
            "for i in range(100): open(f'i{i}', 'w')",
            {"OSError"},
        ),
        "threads": (
            "import threading, time\n"
            "for _ in range(2000): threading.Thread(target=time.sleep, args=(1,)).start()",
            {"RuntimeError"},
        ),
        "still alive": ("print(6 * 7)", {"42\n"}),
        "processor": (
            "import signal\nfor n in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):\n"
            "    signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
            {"KernelDied"},
        ),
        "alive again": ("print(6 * 7)", {"42\n"}),
    }


def probe(canary: Path, port: int, abstract: str) -> dict[str, str]:
    """What each try came to."""
    came = {}
    with SandboxedRunner().open(None, LIMITS) as session:
        for name, (source, _allowed) in tries(canary, port, abstract).items():
            outputs = session.execute(source).outputs
            output = outputs[-1] if outputs else {}
            came[name] = output.get("ename") or output.get("text", "")
    return came


if __name__ == "__main__":
    print(json.dumps(probe(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
