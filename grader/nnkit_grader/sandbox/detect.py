"""The choice of the strongest sandbox that works on this machine."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Sequence

from nnkit_grader.sandbox import bwrap, container, landlock, system
from nnkit_grader.sandbox.sandbox import PRELOADABLE_MODULES, Sandbox, SandboxError

KINDS = ("bwrap", "kernel", "container", "none")
"""The kinds of sandbox, from the strongest to no protection at all."""

ADVICE = (
    "Use a Linux machine with kernel 5.13 or later and install bubblewrap (sudo apt-get install bubblewrap), or "
    "install Docker or Podman and run make sandbox-image, or let submissions read your files and use your network: "
    "--sandbox none."
)
CONTAINER_ADVICE = "Install and start Docker or Podman, and build the image for submissions: make sandbox-image."


def choose_sandbox(wanted: str = "auto", preload: Sequence[str] = PRELOADABLE_MODULES) -> Sandbox:
    """Return a sandbox of the wanted kind, or ("auto") the strongest that works here; `preload` as for `Sandbox`.

    It is tried with a process that locks itself in. Raises SandboxError if it does not work; "auto" never gives "none".
    """
    if wanted not in (*KINDS, "auto"):
        raise SandboxError(f"There is no sandbox {wanted!r}: choose auto, {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
    reasons = []
    for kind in KINDS[:-1] if wanted == "auto" else (wanted,):
        reason = find_missing(kind)
        if not reason:
            try:
                return _try_sandbox(kind, preload)
            except SandboxError as error:
                reason = str(error).rstrip(".")
        reasons.append(reason)
    advice = ADVICE if platform.system() == "Linux" and wanted != "container" else CONTAINER_ADVICE
    raise SandboxError(f"No sandbox works here: {'; '.join(dict.fromkeys(reasons))}. {advice}")


def find_missing(kind: str) -> str:
    """Return what this kind of sandbox needs and the machine lacks, as a clause; "" if nothing is missing."""
    if kind == "container":
        return container.find_missing()
    if platform.system() != "Linux":
        return f"without a container, a sandbox needs Linux, and this is {platform.system()}"
    if system.find_column() is None:
        return f"the sandbox supports {' and '.join(system.MACHINES)}, and not {platform.machine()}"
    if kind == "bwrap" and bwrap.find_program() is None:
        return "bubblewrap is not installed"
    if kind != "none" and not landlock.read_version():
        return "this kernel has no Landlock, or it is turned off"
    return ""


def _try_sandbox(kind: str, preload: Sequence[str]) -> Sandbox:
    sandbox = Sandbox(kind, preload=preload)
    with contextlib.ExitStack() as undo:
        undo.callback(sandbox.close)
        sandbox.start().kill()
        undo.pop_all()
    return sandbox
