"""Sandboxes in each situation in which they must hold: started by root, by an ordinary user, in a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from functools import cache
from pathlib import Path

import psutil

from nnkit_grader.sandbox import Sandbox, container, visible_paths

NOBODY = 65534
FOR_EVER = 10**9
"""The turn (sandbox.Limits) of a process that must reach its time limit though other tests keep the machine busy."""


class SituatedSandbox(Sandbox):
    """A sandbox in another situation: the Python code `before` runs first in the process that becomes the sandbox."""

    before = ""

    def _wall_command(self, readable: list[Path], environment: dict[str, str]) -> list[str]:
        first = textwrap.dedent(self.before) + "\nos.execve(sys.argv[1], sys.argv[1:], os.environ)"
        roots = [*map(str, visible_paths.list_import_roots())]
        head = f"import os, sys; sys.path.extend({roots!r}); readable = {[*map(str, readable)]!r}\n"
        return [sys.executable, "-I", "-c", head + first, *super()._wall_command(readable, environment)]


class OrdinarySandbox(SituatedSandbox):
    """A sandbox started by an ordinary user, in a root folder of its own because Python may be below /root."""

    before = f"""
        import json, tempfile
        from pathlib import Path
        from nnkit_grader.sandbox import lockdown, mounts
        visible = [Path(path) for path in (*readable, "/dev/tty")]
        assert mounts.enter_new_root(Path(tempfile.mkdtemp(dir="/tmp")), visible)
        base = json.loads(sys.argv[-2])["base"]  # made outside, and not visible from the new root
        os.makedirs(base, exist_ok=True)
        os.chown(base, {NOBODY}, {NOBODY})
        os.setgroups([])
        os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
        os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
        lockdown.die_with_parent()
    """


class ContainedSandbox(SituatedSandbox):
    """A sandbox where neither mounts nor namespaces are allowed, as in most containers."""

    before = """
        from nnkit_grader.sandbox import seccomp, syscalls, system
        seccomp.ALLOWED = {}
        seccomp.DENIED = {name: syscalls.DENIED[name] for name in ("unshare", "mount", "setns", "pivot_root")}
        everything = seccomp.build_filter(os.getpid())
        denied = everything[:6 + 2 * len(seccomp.DENIED)] + [(0x06, 0, 0, 0x7FFF0000)]  # allow the rest
        seccomp.build_filter = lambda pid: denied
        seccomp.install_filter()
    """


class BareContainerSandbox(Sandbox):
    """A container whose kernel has no Landlock, and which may make no namespaces, as in Docker's machine on a Mac."""

    def _container_command(self, control: int) -> list[str]:
        *before, run = super()._container_command(control)
        words = json.loads(run)
        at = words.index("--security-opt")
        return [*before, json.dumps([*words[:at], "--security-opt", f"seccomp={write_seccomp_profile()}", *words[at:]])]


def list_processes(sandbox: Sandbox) -> set[int]:
    """Return the processes of a sandbox, by their numbers on this machine: those inside, of a container."""
    if sandbox.kind != "container":
        children = psutil.Process(sandbox._process.pid).children(recursive=True)
        return {child.pid for child in children}
    engine = container.find_engine()
    assert engine is not None
    *_, run, _, _ = Path(f"/proc/{sandbox._process.pid}/cmdline").read_text().split("\0")
    name = json.loads(run)[json.loads(run).index("--name") + 1]
    asked = ["hpid"] if engine.is_podman else ["-eo", "pid"]
    listed = subprocess.run([engine.program, "top", name, *asked], capture_output=True, text=True, check=False)
    return {int(word) for word in listed.stdout.split()[1:]}


@cache
def write_seccomp_profile() -> str:
    """Write a profile for container engines that denies the calls of Landlock and of namespaces; return its path."""
    names = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "unshare", "setns", "mount"]
    denied = {"names": names, "action": "SCMP_ACT_ERRNO"}
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}, file)
    return file.name


SITUATIONS = {
    "bwrap": (Sandbox, "bwrap"),
    "kernel": (Sandbox, "kernel"),
    "bwrap-ordinary": (OrdinarySandbox if os.geteuid() == 0 else Sandbox, "bwrap"),
    "kernel-ordinary": (OrdinarySandbox if os.geteuid() == 0 else Sandbox, "kernel"),
    "kernel-contained": (ContainedSandbox, "kernel"),
}
if not container.find_missing():  # an engine answers, and has the image
    SITUATIONS |= {"container": (Sandbox, "container"), "container-bare": (BareContainerSandbox, "container")}
