"""Attacks on the machine: files, processes, network, other submissions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostile import Attack

NATIVE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
"""


def beside(folder: Path, places: Mapping[str, Any]) -> None:
    """Hand in files that are named like modules and start-up files."""
    for name in (
        "numpy.py",
        "msgpack.py",
        "sitecustomize.py",
        "usercustomize.py",
        "ipykernel_launcher.py",
        "x.pth",
        "nnkit.py",
    ):
        (folder / name).write_text(f"import os; os.system('touch /tmp/nnkit_attack_{name[:3]}')\nraise SystemExit\n")
    (folder / "IPython").mkdir()
    (folder / "IPython/__init__.py").write_text("raise SystemExit")


MACHINE_ATTACKS = [
    Attack(
        "the gradebook",
        "Opens the gradebook, to read and to write its grade.",
        """
        import sqlite3
        tell(lambda: open(GRADEBOOK, "rb").read())
        def forged():
            with sqlite3.connect(GRADEBOOK) as book:
                book.execute("UPDATE grade SET score = 38")
                return book.execute("SELECT * FROM grade").fetchall()
        tell(forged)
        """,
        gains="secret",
    ),
    Attack("solutions", "Reads the instructor's notebook.", "tell(lambda: open(SOLUTION).read())", gains="secret"),
    Attack("others' submissions", "Reads what another handed in.", "tell(lambda: open(OTHER).read())", gains="secret"),
    Attack(
        "looking around",
        "Walks through every folder that may hold something, for notebooks and databases.",
        """
        import os, itertools
        for top in (COURSE, os.path.dirname(COURSE), "/work", "/root", "/home", "/tmp", "/var", "/srv", "/run", ".."):
            tell(lambda: os.listdir(top))
            for place, folders, files in itertools.islice(os.walk(top), 30):
                for name in files:
                    if name.endswith((".ipynb", ".db", ".json")) and os.path.isfile(os.path.join(place, name)):
                        tell(lambda: open(os.path.join(place, name)).read())
        """,
        gains="secret",
    ),
    Attack(
        "environment",
        "Reads the environment of this and of other processes.",
        """
        import os, glob
        tell(lambda: dict(os.environ))
        for number in ("self", "1", str(GRADER), str(os.getppid())):
            tell(lambda: open(f"/proc/{number}/environ").read())
        """,
        gains="secret",
    ),
    Attack(
        "/proc",
        "Looks at other processes through /proc: their files, memory, roots and folders.",
        """
        import os, glob
        for number in {"1", str(GRADER), str(os.getppid()), *(str(n) for n in range(2, 40))}:
            for what in ("fd", "root", "cwd", "task"):
                tell(lambda: os.listdir(f"/proc/{number}/{what}"))
                tell(lambda: open(f"/proc/{number}/root{GRADEBOOK}", "rb").read())
            for what in ("mem", "maps", "cmdline", "environ"):
                tell(lambda: open(f"/proc/{number}/{what}", "rb").read(9999))
        """,
        gains="secret",
    ),
    Attack(
        "a neighbour's scratch",
        "Reads and writes the folder of a submission that runs at the same time.",
        """
        import glob, os
        tell(lambda: open(NEIGHBOUR + "/answer").read())
        tell(lambda: open(NEIGHBOUR + "/planted", "w"))
        tell(lambda: [open(name).read() for name in glob.glob("/tmp/*/answer") + glob.glob("../*/answer")])
        tell(lambda: os.rename(NEIGHBOUR, "/tmp/gone"))
        tell(lambda: os.symlink(NEIGHBOUR, "link") or os.listdir("link"))
        """,
    ),
    Attack(
        "links out of the scratch",
        "Makes links to what it must not reach, and reads and writes through them.",
        """
        import os, shutil
        for i, target in enumerate((GRADEBOOK, SOLUTION, OTHER)):
            tell(lambda: os.link(target, f"hard{i}") or open(f"hard{i}").read())
            tell(lambda: os.symlink(target, f"soft{i}") or open(f"soft{i}").read())
            tell(lambda: open(f"soft{i}", "a").write("x"))
        """,
        gains="secret",
    ),
    Attack(
        "modes, owners and times",
        "Changes mode, owner, times and length of files that it cannot open.",
        """
        import os
        for path in (GRADEBOOK, SOLUTION, COURSE):
            tell(lambda: os.chmod(path, 0o777))
            tell(lambda: os.chown(path, 65534, 65534))
            tell(lambda: os.utime(path, (1, 1)))
            tell(lambda: os.truncate(path, 0))
            tell(lambda: os.unlink(path))
            tell(lambda: os.rename(path, path + "x"))
            tell(lambda: os.setxattr(path, "user.x", b"1"))
        """,
    ),
    Attack(
        "loopback",
        "Connects to a server on the same machine, by every way to name it.",
        """
        import socket, urllib.request
        for host in ("127.0.0.1", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1"):
            tell(lambda: socket.create_connection((host, TCP), timeout=1))
        tell(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", UDP)))
        tell(lambda: urllib.request.urlopen(f"http://127.0.0.1:{TCP}", timeout=1))
        """,
        gains="connection",
    ),
    Attack(
        "network",
        "Reaches for the outside: names, addresses, raw packets, a server of its own.",
        """
        import socket
        tell(lambda: socket.gethostbyname("example.com"))
        tell(lambda: socket.create_connection(("1.1.1.1", 53), timeout=1))
        for name in ("INET", "INET6", "PACKET", "NETLINK", "VSOCK", "ALG", "UNIX", "BLUETOOTH"):
            family = getattr(socket, f"AF_{name}", 0)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
                tell(lambda: print("GOT", socket.socket(family, kind)))
        tell(lambda: socket.create_server(("0.0.0.0", 0)))
        """,
    ),
    Attack(
        "unix sockets",
        "Connects to sockets with a path and with an abstract name.",
        """
        import socket
        for address in (UNIX, ABSTRACT, "/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0"):
            tell(lambda: socket.socket(socket.AF_UNIX).connect(address))
        pair = socket.socketpair()
        tell(lambda: pair[0].connect(UNIX))
        tell(lambda: pair[0].sendto(b"x", ABSTRACT))
        """,
        gains="connection",
    ),
    Attack(
        "killing others",
        "Sends signals to the grader, the warm process, its group, its neighbours and everybody.",
        """
        import os, signal
        for number in {GRADER, os.getppid(), 1} - {os.getpid()}:
            for signum in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
                tell(lambda: os.kill(number, signum) or print("GOT a signal through"))
        for number in {-1, *range(2, 60), *range(GRADER - 20, GRADER + 200)} - {os.getpid()}:
            tell(lambda: os.kill(number, 0) or print("GOT a process that may be killed"))  # asks only
        """,
    ),
    Attack(
        "killing its group",
        "Kills its process group, and so whoever is in it.",
        "import os, signal; os.killpg(0, signal.SIGKILL)",
    ),
    Attack(
        "tracing others",
        "Attaches to the grader and reads its memory by system calls.",
        NATIVE
        + """
tell(lambda: libc.ptrace(16, GRADER, 0, 0))
tell(lambda: libc.process_vm_readv(GRADER, 0, 0, 0, 0, 0))
tell(lambda: os.pidfd_open(GRADER))
tell(lambda: libc.syscall(438, 3, 0, 0))
""",
    ),
    Attack(
        "programs",
        "Starts programs in every way that Python knows, and a process that is left behind.",
        """
        import os, subprocess, multiprocessing
        left_behind = "import time; time.sleep(1); open('/tmp/nnkit_attack_left_behind', 'w')"
        tell(lambda: subprocess.Popen(["python3", "-c", left_behind], start_new_session=True))
        tell(lambda: os.system("touch /tmp/nnkit_attack_system"))
        tell(lambda: os.posix_spawn("/bin/touch", ["touch", "/tmp/nnkit_attack_spawn"], {}))
        tell(lambda: os.execv("/bin/touch", ["touch", "/tmp/nnkit_attack_exec"]))
        tell(lambda: multiprocessing.Process(target=open, args=("/tmp/nnkit_attack_process", "w")).start())
        """,
    ),
    Attack(
        "shell magic", "Runs a program by IPython's own means.", "get_ipython().system('touch /tmp/nnkit_attack_magic')"
    ),
    Attack(
        "shared memory and queues",
        "Talks to other processes through shared memory, semaphores and message queues.",
        NATIVE
        + """
from multiprocessing import shared_memory
tell(lambda: shared_memory.SharedMemory("nnkit_attack", create=True, size=10))
tell(lambda: libc.shmget(0x6E6E, 4096, 0o1666) >= 0 and print("GOT IPC"))
tell(lambda: open("/dev/shm/nnkit_attack", "w"))
tell(lambda: os.memfd_create("x"))
tell(lambda: os.mkfifo("/tmp/nnkit_attack_fifo"))
""",
    ),
    Attack(
        "holding up others",
        "Takes a lease on its files, fills pipes with the kernel's memory, and writes out every disk, over and over.",
        NATIVE
        + """
import fcntl, time
tell(lambda: fcntl.fcntl(open("leased", "w"), 1024, fcntl.F_WRLCK) == 0 and print("GOT a lease"))
tell(lambda: fcntl.fcntl(os.pipe()[1], 1031, 2**20) and print("GOT the kernel's memory"))
until = time.monotonic() + 0.3
while time.monotonic() < until:
    libc.sync(); libc.syncfs(1)
""",
    ),
    Attack(
        "planted modules",
        "Writes files named like modules to the scratch and wherever Python looks, then has the process started anew.",
        """
        import os, site
        for place in (".", os.environ["HOME"], PACKAGES, os.path.dirname(__import__("nnkit").__file__),
                      os.path.dirname(__import__("nnkit_grader").__file__), "/tmp",
                      site.getusersitepackages(), ".ipython/profile_default/startup"):
            for name in ("numpy.py", "msgpack.py", "sitecustomize.py", "usercustomize.py", "nnkit.py",
                         "nnkit_attack.pth", "nnkit_attack.py"):
                try:
                    os.makedirs(place, exist_ok=True)
                    open(os.path.join(place, name), "w").write("raise SystemExit")
                except OSError:
                    pass
        """,
        answers={"square": "import os\nos._exit(0)"},
    ),
    Attack(
        "modules beside the notebook",
        "Hands in files named like modules, start-up files and packages.",
        folder=beside,
    ),
    Attack(
        "the warm process's memory",
        "Changes NumPy, nnkit and the constants that it shares with the process it was forked from.",
        """
        import ctypes, gc
        import numpy as np, nnkit, nnkit.check, nnkit_grader.rpc.codec as codec
        codec.MAX_NESTING_LEVELS, codec.MAX_FRAME_PARTS, codec.DTYPES = 2**60, 2**60, frozenset(["|O"])
        np.add, np.multiply = np.multiply, np.add
        for module in (nnkit.check, codec):
            for name in list(vars(module)):
                if callable(getattr(module, name)):
                    setattr(module, name, None)
        """,
    ),
    Attack(
        "every open file",
        "Writes an end, a score and noise to every file descriptor that it may have inherited.",
        """
        import os
        for number in range(3, 64):
            for text in (b'{"ended": "exit status 0", "pid": 1, "score": 38}', os.urandom(500)):
                try: os.write(number, text)
                except OSError: pass
        """,
        score=3.0,
    ),
    Attack(
        "privileges",
        "Becomes root, mounts, changes its root, leaves its namespaces, lifts its limits.",
        NATIVE
        + """
import resource
for name in dir(resource):
    if name.startswith("RLIMIT_"):
        tell(lambda: resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY,) * 2))
tell(lambda: os.setuid(0)); tell(lambda: os.setgid(0)); tell(lambda: os.chroot("/tmp")); tell(lambda: os.nice(-20))
tell(lambda: print("GOT", libc.unshare(0x10000000)) if libc.unshare(0x10000000) == 0 else None)
tell(lambda: print("GOT", libc.mount(b"/", b".", b"", 4096, 0)) if libc.mount(b"/", b".", b"", 4096, 0) == 0 else None)
""",
    ),
]
