"""The sandbox, attacked from inside: each test runs the code of a hostile submission and checks the outcome."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.machines import busy
from helpers.paths import ROOT
from helpers.sandboxes import FOR_EVER, SITUATIONS, BareContainerSandbox, ContainedSandbox, list_processes
from nnkit_grader.sandbox import (
    KINDS,
    Child,
    Limits,
    Sandbox,
    SandboxError,
    choose_sandbox,
    landlock,
    usage,
    visible_paths,
)
from nnkit_grader.sandbox.syscalls import ALLOWED, BY_ARGUMENT, DENIED

pytestmark = pytest.mark.escape

SERVED = '''
"""Runs the text that comes in, a JSON string a line, and answers with its `result`, or with what it raised."""
import json, traceback

def serve(channel, scratch):
    space = {"channel": channel, "scratch": scratch}
    with channel.makefile("rw") as lines:
        for line in lines:
            try:
                exec(json.loads(line), space)
                answer = space.pop("result", "did it")
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            lines.write(json.dumps(answer) + "\\n")
            lines.flush()
'''

SYSCALL = """
import ctypes, os
from nnkit_grader.sandbox.syscalls import BY_ARGUMENT, DENIED
from nnkit_grader.sandbox.system import find_column
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    number = {**DENIED, **BY_ARGUMENT}[name][find_column()]
    ctypes.set_errno(0)
    value = libc.syscall(number, *map(ctypes.c_long, arguments))
    if value < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return value
"""

# ---- the sandboxes that are tried

STRICTEST = ("bwrap-ordinary", "kernel-contained")
"""The fewest rights that a process has in either kind."""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    folder.chmod(0o755)
    (folder / "served_text.py").write_text(SERVED)
    (folder / "served_text.py").chmod(0o644)
    return folder


@pytest.fixture(scope="module", params=list(SITUATIONS))
def sandbox(request: pytest.FixtureRequest, modules: Path) -> Iterator[Sandbox]:
    make, kind = SITUATIONS[request.param]
    with make(kind, serves="served_text", modules=[modules]) as made:
        yield made


@contextlib.contextmanager
def started(sandbox: Sandbox, **limits: int) -> Iterator[Child]:
    child = sandbox.start(Limits(**{"turn": FOR_EVER, **limits}))
    try:
        yield child
    finally:
        child.kill()


def ask(child: Child, code: str) -> Any:
    """What `code` leaves in `result`, or the exception's text; None if the process ended meanwhile."""
    child.channel.settimeout(300)
    child.channel.sendall(json.dumps(textwrap.dedent(code)).encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = child.channel.recv(65536)
        if not part:
            return None
        answer += part
    return json.loads(answer)


def eventually(truth: Callable[[], Any], seconds: float = 300) -> Any:
    """What `truth` gives as soon as it is true, else what it gives after `seconds`."""
    until = time.monotonic() + seconds
    while not (found := truth()) and time.monotonic() < until:
        time.sleep(0.01)
    return found


def end_of(child: Child) -> str | None:
    return eventually(child.check_end)


def state(number: int) -> list[str]:
    """Return the state, the parent's id, ... of a process; nothing if it does not exist."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return []


def alive(number: int) -> bool:
    return state(number)[:1] not in ([], ["Z"])


def family(number: int) -> set[int]:
    """Return all descendants of `number` that are not zombies, and itself."""
    states = {int(folder.name): state(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    parents = {each: int(words[1]) for each, words in states.items() if words and words[0] != "Z"}
    found = {number} & set(parents)
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


# ---- what a submission needs works


def test_numpy_matplotlib_jax_and_asyncio_work_inside(sandbox: Sandbox, request: pytest.FixtureRequest) -> None:
    with started(sandbox) as child:
        assert ask(child, "import numpy as np; result = float(np.linalg.norm(np.ones((50, 50)), 2))") == pytest.approx(
            50
        )
        picture = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.title('$x^2$'); plt.savefig('a.png')"
        assert ask(child, picture + "; result = open('a.png', 'rb').read(4)[1:].decode()") == "PNG"
        jitted = """
            import jax, jax.numpy as jnp
            result = float(jax.jit(jax.grad(lambda x: (x @ x).sum()))(jnp.ones((9, 9)))[0, 0])
        """
        if request.node.callspec.params["sandbox"] in STRICTEST:  # JAX takes seconds to come up
            assert ask(child, jitted) == 18.0
        assert ask(child, "import asyncio; result = asyncio.run(asyncio.sleep(0, 'slept'))") == "slept"
        threads = "from concurrent.futures import ThreadPoolExecutor as P; result = sum(P(8).map(int, range(50)))"
        assert ask(child, threads) == 1225


def test_a_lazy_import_works_inside(sandbox: Sandbox) -> None:
    with started(sandbox) as child:
        assert ask(child, "import sqlite3, xmlrpc.client, nnkit.view; result = 'imported'") == "imported"


def test_a_child_starts_in_hundredths_of_a_second(sandbox: Sandbox) -> None:
    """Where a new Python needs tenths for NumPy alone."""
    times = []
    for _ in range(8):
        before = time.perf_counter()
        child = sandbox.start()
        times.append(time.perf_counter() - before)
        child.kill()
    assert min(times) < max(0.1, new_python()), times


@functools.cache
def new_python() -> float:
    """Seconds in which a new Python has imported NumPy."""
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.perf_counter() - before


def test_who_computes_for_long_leaves_the_machine_to_others(sandbox: Sandbox) -> None:
    with started(sandbox, turn=500) as child:
        number = child._number or max(list_processes(sandbox))
        assert alive(number)
        ask(child, "import threading, time; threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()")
        assert not leaves_the_machine(number)  # a thread that starts later has the priority of its parent
        child.channel.sendall(json.dumps("while True: pass").encode() + b"\n")
        assert eventually(lambda: leaves_the_machine(number))
        assert eventually(lambda: list_priorities(number) == {usage.NICE_LEVEL})
    assert not alive(number)


def list_priorities(number: int) -> set[int]:
    """Return the priorities of a process's threads; none if one of them ends meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        return {os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir(f"/proc/{number}/task")}
    return set()


def leaves_the_machine(number: int) -> bool:
    with contextlib.suppress(OSError):
        return f"nice {usage.NICE_LEVEL}\n" in Path(f"/proc/{number}/autogroup").read_text()
    return os.getpriority(os.PRIO_PROCESS, number) == usage.NICE_LEVEL


SPIN_IN_A_THREAD = """
import threading
def spin():
    while True: pass
threading.Thread(target=spin).run() if SAME else threading.Thread(target=spin).start() or threading.Event().wait()
"""


@pytest.mark.parametrize("same", [True, False])
def test_waiting_for_a_busy_machine_is_told(sandbox: Sandbox, same: bool) -> None:
    with started(sandbox) as child, busy():
        code = SPIN_IN_A_THREAD.replace("SAME", str(same))
        child.channel.sendall(json.dumps(code).encode() + b"\n")
        assert eventually(lambda: child.measure_wait() > 0.2)
    assert child.measure_wait() > 0.2  # it has ended, and its number may be another's


def test_the_environment_is_new(sandbox: Sandbox) -> None:
    with started(sandbox) as child:
        assert set(ask(child, "import os; result = dict(os.environ)")) == set(visible_paths.make_environment(Path("/")))
        assert ask(child, "result = [str(scratch), os.environ['HOME'], os.getcwd()]; result = len(set(result))") == 1


# ---- walls that can be tried one after the other

SECRET = "the gradebook's password"

CLIMBS = {
    "an internet socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "a datagram socket": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "a unix socket": "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "a netlink socket": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "loopback": "import socket; socket.create_connection(('127.0.0.1', PORT))",
    "an abstract unix socket": "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT)",
    "a pair that could send to others": "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "turning the channel to loopback": (
        "import struct; address = struct.pack('=H', 2) + struct.pack('>H4s8x', PORT, bytes([127, 0, 0, 1]))\n"
        "call('connect', channel.fileno(), ctypes.addressof(ctypes.create_string_buffer(address)), 16)"
    ),
    "sending an open file": "import socket; socket.send_fds(channel, [b' '], [0])",
    "out-of-band data": "import socket; channel.send(b'x', socket.MSG_OOB)",
    "reading a secret": "result = open(SECRET).read()",
    "reading the solutions": "result = open(SOLUTIONS).read()",
    "listing the course": "result = os.listdir(COURSE)",
    "listing home": "result = os.listdir(HOME)",
    "reading passwd": "result = open('/etc/passwd').read()",
    "listing /": "result = os.listdir('/')",
    "listing /tmp": "result = os.listdir('/tmp')",
    "listing /proc": "result = os.listdir('/proc')",
    "listing /dev/shm": "result = os.listdir('/dev/shm')",
    "its own environment": "result = open('/proc/self/environ').read()",
    "the network's connections": "result = open('/proc/self/net/tcp').read()",
    "the machine's mounts": "result = open('/proc/self/mountinfo').read()",
    "the environment of process 1": "result = open('/proc/1/environ').read()",
    "the memory of the grader": "result = open(f'/proc/{GRADER}/mem').read(1)",
    "the files of the warm process": "result = os.listdir(f'/proc/{WARM}/fd')",
    "the command line of a sibling": "result = open(f'/proc/{SIBLING}/cmdline').read()",
    "the root of the warm process": "result = os.listdir(f'/proc/{WARM}/root/')",
    "a sibling's scratch": "result = os.listdir(BESIDE)",
    "writing to a sibling's scratch": "open(BESIDE + '/x', 'w')",
    "writing to /tmp": "open('/tmp/nnkit-was-here', 'w')",
    "writing to nnkit": "open(PACKAGE + '/planted.py', 'w')",
    "writing to the libraries": "open(LIBRARIES + '/planted.pth', 'w')",
    "leaving by a link": "os.symlink('/etc', 'link'); result = os.listdir('link/fonts/..')",
    "leaving by a hard link": "os.link('/etc/passwd', 'linked')",
    "changing a mode": "os.chmod(SECRET, 0o777)",
    "changing times": "os.utime(SECRET, (1, 1))",
    "cutting a file": "os.truncate(SECRET, 0)",
    "watching a folder": "call('inotify_init1', 0)",
    "a FIFO": "os.mkfifo('fifo')",
    "killing the grader": "os.kill(GRADER, 9)",
    "killing the warm process": "os.kill(WARM, 9)",
    "killing a sibling": "os.kill(SIBLING, 9)",
    "killing everything": "os.kill(-1, 9)",
    "killing a thread of another": "call('tgkill', WARM, WARM, 9)",
    "holding up who opens its file": "import fcntl; fcntl.fcntl(open('file', 'w'), 1024, fcntl.F_WRLCK)",
    "the kernel's memory for a pipe": "import fcntl; r, w = os.pipe(); fcntl.fcntl(w, 1031, 2**20)",
    "having a signal sent": "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, 8, GRADER)",
    "tracing": "call('ptrace', 16, GRADER, 0, 0)",
    "reading memory": "call('process_vm_readv', GRADER, 0, 0, 0, 0, 0)",
    "a handle on the grader": "os.pidfd_open(GRADER)",
    "the grader's limits": "import resource; resource.prlimit(GRADER, resource.RLIMIT_CPU, (1, 1))",
    "its own limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (9999, 9999))",
    "fork": "os.fork()",
    "vfork": "call('fork'), call('vfork')",
    "clone": "call('clone', 17, 0, 0, 0, 0)",
    "clone into namespaces": "call('clone', 0x10000000 | 0x10000 | 0x900, 0, 0, 0, 0)",
    "clone3": "call('clone3', 0, 0)",
    "a program": "import subprocess; subprocess.run(['/bin/true'])",
    "becoming a program": "os.execv('/bin/true', ['true'])",
    "a shell": "result = os.system('true'); assert result == 0, 'no shell'",
    "a session": "os.setsid()",
    "outliving the warm process": "import ctypes; assert ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0, 'refused'",
    "becoming readable": "import ctypes; assert ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0, 'refused'",
    "being root": "os.setuid(0); open('/etc/shadow')",
    "namespaces": "call('unshare', 0x10000000)",
    "a mount": "call('mount', 0, 0, 0, 0, 0)",
    "another root": "os.chroot('.')",
    "io_uring": "call('io_uring_setup', 1, 0)",
    "memory beyond its limit": "os.memfd_create('hidden')",
    "the terminal": "import fcntl; fcntl.ioctl(0, 0x5412, b'x')",
    "processors of others": "os.sched_setaffinity(0, [0])",
    "an execution of what it writes": "open('run', 'w').write('#!/bin/sh'); os.chmod('run', 0o700)",
}


WITHOUT_WALLS = [
    "an internet socket", "a datagram socket", "a unix socket", "loopback", "an abstract unix socket",
    "a pair that could send to others", "sending an open file", "reading a secret", "reading the solutions",
    "listing the course", "listing home", "reading passwd", "listing /", "listing /tmp", "listing /proc",
    "its own environment", "the network's connections", "the machine's mounts", "a sibling's scratch",
    "writing to a sibling's scratch", "changing a mode", "changing times", "watching a folder", "a FIFO",
    "having a signal sent", "a handle on the grader", "a program", "a shell", "memory beyond its limit",
    "outliving the warm process", "becoming readable", "processors of others", "holding up who opens its file",
    "the kernel's memory for a pipe",
]  # fmt: skip
"""Harmless attacks that must succeed where there is no wall: otherwise their failure proves nothing."""


OF_THE_CONTAINER = [
    "reading passwd", "listing /", "listing /tmp", "listing /proc", "the network's connections",
    "the machine's mounts", "leaving by a link", "the command line of a sibling",
]  # fmt: skip
"""What a container shows of itself, and not of the machine, where the kernel has no Landlock."""


def climb_all(sandbox: Sandbox, home: Path, climbs: dict[str, str]) -> dict[str, Any]:
    """Return the outcome of each attack, all tried by one child; another child runs beside it."""
    secret = home / "password"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    with contextlib.ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = open_ones.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0nnkit-{os.getpid()}")
        abstract.listen()
        sibling = open_ones.enter_context(started(sandbox))
        beside = ask(sibling, "open('answer', 'w').write('mine'); result = str(scratch)")
        relatives = sorted(family(sandbox._process.pid))
        if sandbox.kind == "container":  # it has numbers of its own
            relatives = [ask(sibling, "import os; result = os.getppid()"), sibling.walls["pid"]]
        child = open_ones.enter_context(started(sandbox))
        names = {
            "PORT": listener.getsockname()[1], "ABSTRACT": f"nnkit-{os.getpid()}", "SECRET": str(secret),
            "SOLUTIONS": str(ROOT / "solutions/ps1/ps1.ipynb"), "COURSE": str(ROOT), "HOME": str(Path.home()),
            "PACKAGE": str(visible_paths.PACKAGES[0]), "LIBRARIES": visible_paths.list_library_folders()[0],
            "GRADER": os.getpid(), "WARM": relatives[-2], "SIBLING": relatives[-1], "BESIDE": beside,
        }  # fmt: skip
        ask(child, SYSCALL + "\n".join(f"{name} = {value!r}" for name, value in names.items()))
        answers = {name: ask(child, code) for name, code in climbs.items()}
        answers["the secret"] = secret.read_text(), oct(secret.stat().st_mode), secret.stat().st_mtime > 1000
        answers["the sibling"] = sibling.check_end(), ask(sibling, "result = open('answer').read()")
        answers["the child"] = child.check_end()
        return answers


@pytest.fixture(scope="module")
def climbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return climb_all(sandbox, tmp_path_factory.mktemp("home"), CLIMBS)


@pytest.mark.parametrize("climb", list(CLIMBS))
def test_a_wall_holds(sandbox: Sandbox, climbed: dict[str, Any], climb: str, tmp_path: Path) -> None:
    answer = str(climbed[climb])
    if isinstance(sandbox, BareContainerSandbox) and climb in OF_THE_CONTAINER:
        program = f"import os; SIBLING = {os.getpid()}\n{CLIMBS[climb]}\nprint(result, end='')"
        here = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert answer != here.stdout
        return
    assert re.match("(PermissionError|OSError|FileNotFoundError|ValueError|AssertionError): ", answer), answer


def test_nothing_came_of_all_climbs(climbed: dict[str, Any]) -> None:
    assert climbed["the secret"] == (SECRET, "0o100644", True)
    assert climbed["the sibling"] == (None, "mine")
    assert climbed["the child"] is None


def test_the_climbs_succeed_where_there_is_no_wall(modules: Path, tmp_path: Path) -> None:
    with Sandbox("none", serves="served_text", modules=[modules]) as sandbox:
        answers = climb_all(sandbox, tmp_path, {name: CLIMBS[name] for name in WITHOUT_WALLS})
    assert {name: str(answers[name]) for name in WITHOUT_WALLS if "Error" in str(answers[name])[:30]} == {}
    assert answers["the secret"] == (SECRET, "0o100777", False)


def test_each_call_in_the_table_is_denied(sandbox: Sandbox) -> None:
    with started(sandbox) as child:
        ask(child, SYSCALL)
        code = """
            result = {}
            for name in DENIED:
                try:
                    result[name] = call(name, 0, 0, 0, 0, 0, 0) if DENIED[name][find_column()] is not None else 1
                except OSError as error:
                    result[name] = error.errno
        """
        assert set(ask(child, code).items()) == {(name, 1) for name in DENIED}  # 1: EPERM
        assert child.check_end() is None


def test_a_call_on_no_list_is_refused(sandbox: Sandbox) -> None:
    """Zero copies, memory policies, and what a newer kernel adds."""
    with started(sandbox) as child:
        ask(child, SYSCALL)
        code = """
            from nnkit_grader.sandbox.syscalls import ALLOWED
            listed = {numbers[find_column()] for numbers in {**ALLOWED, **DENIED, **BY_ARGUMENT}.values()}
            result = []
            for number in set(range(500)) - listed - {335, 336}:  # probes: they kill their caller and no one else
                ctypes.set_errno(0)
                if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 38:  # 38: ENOSYS
                    result.append(number)
        """
        assert ask(child, code) == []
    assert len({*ALLOWED, *DENIED, *BY_ARGUMENT}) == len(ALLOWED) + len(DENIED) + len(BY_ARGUMENT)


@pytest.mark.parametrize("way", ["x32", "int 0x80"])
def test_another_set_of_calls_is_the_end(sandbox: Sandbox, way: str) -> None:
    if platform.machine() != "x86_64":
        assert platform.machine() == "aarch64", "only x86_64 has other sets of calls"
        return
    text = {
        "x32": "import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)",
        "int 0x80": """
            import ctypes, mmap
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(bytes.fromhex("b8 14 00 00 00 cd 80 c3"))
            ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        """,
    }
    with started(sandbox) as child:
        assert ask(child, text[way]) is None
        assert end_of(child) == f"killed by signal {int(signal.SIGSYS)}"


def test_no_open_file_is_inherited(sandbox: Sandbox) -> None:
    code = """
        import os
        result = []
        for number in range(3, 2000):
            try:
                os.fstat(number)
                result.append(number)
            except OSError:
                pass
        result = result == [channel.fileno()]
    """
    with started(sandbox) as child:
        assert ask(child, code) is True


def test_all_walls_that_the_machine_allows_are_there(sandbox: Sandbox) -> None:
    bare = isinstance(sandbox, ContainedSandbox | BareContainerSandbox)
    contained = sandbox.kind == "container"
    with started(sandbox) as child:
        assert child.walls["landlock"] == ("Landlock" in sandbox.description) == (not bare or not contained)
        assert (child.walls["namespaces"], child.walls["own_disk"]) == (not bare, not bare)
        assert ("namespaces" in sandbox.description, "bubblewrap" in sandbox.description) == (
            not bare,
            sandbox.kind == "bwrap",
        )
        assert ("container" in sandbox.description) == contained
        place = "/scratch" if contained else "/tmp"
        assert (ask(child, "result = str(scratch.parent)") == place) == (not bare or contained)
        assert ask(child, "import os; result = os.getuid()") != 0 or (bare and not contained)
        assert (ask(child, "import os; result = os.getpid()") < 300) == (not bare or contained)


def test_no_privilege_is_left(sandbox: Sandbox) -> None:
    with started(sandbox) as child:
        status = ask(child, "import os; result = open('/proc/self/status').read()")
        lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(lines["CapEff"], 16) == int(lines["CapPrm"], 16) == int(lines["CapAmb"], 16) == 0
        assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")


# ---- bounds


def test_memory(sandbox: Sandbox) -> None:
    with started(sandbox, memory=600 * 2**20) as child:
        assert "Unable to allocate" in ask(child, "import numpy; x = numpy.ones(2**28)")
        assert ask(child, "x = []\nwhile True: x.append(bytearray(2**24))").startswith("MemoryError")
        assert ask(child, "del x; import mmap; mmap.mmap(-1, 2**31)").startswith("OSError")
    with started(sandbox, resident=400 * 2**20) as child:
        assert ask(child, "import numpy; reserved = numpy.empty(2**28); result = 1") == 1, "reserved, but not used"
        ask(child, "reserved[:] = 1; import time; time.sleep(9)")
        assert end_of(child) == "used more than 400 MiB of memory"


def test_threads(sandbox: Sandbox) -> None:
    bomb = """
        import threading, time
        for count in range(400):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    """
    with started(sandbox, threads=30) as child:
        answer = ask(child, bomb + "    time.sleep(0.002)")
        if child.walls["counted"]:
            assert answer.startswith("RuntimeError: can't start new thread")
            assert ask(child, "result = 25 <= count <= 30") is True
        else:
            assert end_of(child) == "started more than 30 threads"


def test_computing_time(sandbox: Sandbox) -> None:
    with started(sandbox, cpu=1) as child:
        assert ask(child, "while True: pass") is None
        assert end_of(child) == "used up its 1 seconds of computing time"


def test_size_of_a_file(sandbox: Sandbox) -> None:
    with started(sandbox, file_size=2**20) as child:
        assert ask(child, "open('large', 'wb').write(bytes(2**30))").startswith("OSError: [Errno 27]")
        assert ask(child, "import os; result = os.path.getsize('large')") <= 2**20


def test_disk(sandbox: Sandbox) -> None:
    flood = "for i in range(400): open(f'f{i}', 'wb').write(bytes(2**16)); import time; time.sleep(0.001)"
    with started(sandbox, disk=2**22) as child:
        answer = ask(child, flood)
        if child.walls["own_disk"]:
            assert answer.startswith("OSError: [Errno 28]")
        else:
            assert end_of(child) == "wrote more than 4 MiB"


def test_number_of_files(sandbox: Sandbox) -> None:
    with started(sandbox, disk=2**22) as child:
        answer = ask(child, "import time, os\nfor i in range(20000): os.mkdir(str(i)); time.sleep(i > 2**12)")
        if child.walls["own_disk"]:
            assert answer.startswith("OSError: [Errno 28]")
        else:
            assert end_of(child) == "made more than 256 files"


def test_open_files(sandbox: Sandbox) -> None:
    with started(sandbox, files=20) as child:
        assert ask(child, "x = [open('/dev/null') for _ in range(99)]").startswith("OSError: [Errno 24]")


# ---- ends


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("import ctypes; ctypes.string_at(0)", f"killed by signal {int(signal.SIGSEGV)}"),
    ],
)
def test_how_a_process_ended_is_told(sandbox: Sandbox, code: str, how: str) -> None:
    with started(sandbox) as child:
        assert child.check_end() is None
        assert ask(child, code) is None
        assert end_of(child) == how
        child.kill()
        assert child.check_end() == how


def test_a_killed_process_leaves_nothing_behind(sandbox: Sandbox) -> None:
    def around() -> Any:
        return list_processes(sandbox), sorted(Path(sandbox._base or "/nowhere").glob("learner-*"))

    before = around()
    child = sandbox.start()
    stubborn = """
        import atexit, os, signal, threading, time
        for number in {*signal.valid_signals()} - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN) if number < 32 else None
        threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(10**6)], daemon=True).start()
        atexit.register(time.sleep, 100)
        for _ in range(300): os.mkdir('d'), os.chdir('d')
    """
    assert ask(child, stubborn) == "did it"
    assert len(around()[0]) == len(before[0]) + 1
    started_at = time.perf_counter()
    child.kill()
    assert time.perf_counter() - started_at < 50
    assert child.check_end() == "was ended by the grader"
    child.kill()
    assert around() == before


def test_a_child_dies_with_the_process_that_asked_for_it(sandbox: Sandbox) -> None:
    before = list_processes(sandbox)
    told, tells = os.pipe()
    exam = os.fork()
    if exam == 0:
        child = sandbox.start()
        os.write(tells, str(ask(child, "result = 6 * 7")).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(exam, 0)
    os.close(tells)
    with open(told) as answer:
        assert answer.read() == "42"
    assert eventually(lambda: list_processes(sandbox) == before)


def test_a_killed_warm_process_takes_its_children_along_and_comes_back(sandbox: Sandbox) -> None:
    child = sandbox.start()
    relatives = family(sandbox._process.pid) | list_processes(sandbox)
    os.kill(sandbox._process.pid, signal.SIGKILL)
    assert end_of(child) == "lost its sandbox"
    assert eventually(lambda: not any(map(alive, relatives)))
    child.kill()
    with started(sandbox) as another:
        assert ask(another, "result = 1") == 1


@pytest.mark.parametrize("kind", ["bwrap", "kernel"])
def test_nothing_outlives_a_killed_grader(kind: str, modules: Path, tmp_path: Path) -> None:
    program = (
        f"import time; from pathlib import Path; from nnkit_grader.sandbox import Sandbox; "
        f"s = Sandbox({kind!r}, serves='served_text', modules=[Path({str(modules)!r})]); c = s.start(); "
        "print(s._process.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as grader:
        assert grader.stdout is not None
        relatives = family(int(grader.stdout.readline()))
        assert len(relatives) >= 2
        grader.kill()
    assert eventually(lambda: not any(map(alive, relatives)))
    assert list(tmp_path.iterdir()) == []


# ---- which sandbox


def test_auto_takes_the_strongest_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with choose_sandbox() as sandbox:
        assert (sandbox.kind, "bubblewrap" in sandbox.description) == ("bwrap", True)
    monkeypatch.setenv("PATH", "/nowhere")
    with choose_sandbox() as sandbox:
        assert (sandbox.kind, "bubblewrap" in sandbox.description) == ("kernel", False)


def test_nothing_runs_unprotected_unless_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(landlock, "read_version", lambda: 0)
    with pytest.raises(SandboxError, match=r"bubblewrap is not .*; .*no Landlock.*apt-get.*--sandbox none"):
        choose_sandbox()
    with choose_sandbox("none") as sandbox, started(sandbox) as child:
        assert "UNPROTECTED" in sandbox.description
        assert not child.walls["namespaces"]


def test_other_machines_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxError, match="supports x86_64 and aarch64, and not riscv64"):
        choose_sandbox("kernel")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(SandboxError, match="needs Linux, and this is Darwin"):
        choose_sandbox("none")


def test_a_sandbox_that_does_not_exist_is_told() -> None:
    with pytest.raises(SandboxError, match="no sandbox 'docker': choose auto, bwrap, kernel, container or none"):
        choose_sandbox("docker")
    assert KINDS == ("bwrap", "kernel", "container", "none")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import jax; jax.devices()", "threads|has started a JAX backend"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "has 2 threads",
        ),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_warm_process_that_must_not_be_forked_is_not(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "served_badly.py").write_text(text)
    with pytest.raises(SandboxError, match=sentence):
        Sandbox("kernel", serves="served_badly", modules=[tmp_path])


def test_limits_are_whole_numbers_and_survive_json() -> None:
    assert Limits.from_json(json.loads(json.dumps(Limits(cpu=3).to_json()))) == Limits(cpu=3)
    for wrong in (0, -1, 1.5, True, "4"):
        with pytest.raises(ValueError, match="limit memory must be a whole number from 1 on"):
            Limits(memory=wrong)  # type: ignore[arg-type]


def test_the_guard_counts_a_folder_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(bytes(10_000))
    (tmp_path / "deep" / "up").symlink_to("/usr")
    assert usage.measure_folder(tmp_path, 100)[1] == 4
    assert usage.measure_folder(tmp_path, 100)[0] >= 10_000
    assert usage.measure_folder(tmp_path, 2)[1] == 3
    assert usage.count_threads(os.getpid()) >= 1
    assert usage.count_threads(2**22 + 1) == 0


def test_only_python_and_the_libraries_are_readable() -> None:
    readable = visible_paths.list_readable()
    assert set(visible_paths.PACKAGES) <= set(readable)
    assert not {Path("/"), Path.home(), ROOT, ROOT / "solutions", Path(sys.prefix), Path("/etc"), Path("/tmp")} & {
        *readable
    }
    assert {*visible_paths.make_environment(Path("/x"))} <= {
        "PATH", "HOME", "TMPDIR", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
        "JAX_PLATFORMS", "JAX_ENABLE_X64", "PYTHONDONTWRITEBYTECODE", "NNKIT_CHECK_SECONDS", "NBGRADER_EXECUTION",
    }  # fmt: skip
