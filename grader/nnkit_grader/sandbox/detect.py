"""Which sandbox works on this machine."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Sequence

from nnkit_grader.sandbox import bwrap, landlock, system
from nnkit_grader.sandbox.sandbox import WARM, Sandbox, SandboxError

KINDS = ("bwrap", "kernel", "none")
"""From the strongest to no protection at all."""

ADVICE = (
    "Use a Linux machine with kernel 5.13 or later and install bubblewrap (sudo apt-get install bubblewrap), or let "
    "submissions read your files and use your network: --sandbox none."
)


def choose(wanted: str = "auto", warm: Sequence[str] = WARM) -> Sandbox:
    """The sandbox of that kind, or ("auto") the strongest that works here, tried with a process that locks itself in;
    `warm` as for `Sandbox`.

    Raises `SandboxError` if it does not work; "auto" never gives "none".
    """
    if wanted not in (*KINDS, "auto"):
        raise SandboxError(f"There is no sandbox {wanted!r}: it is auto, {', '.join(KINDS[:-1])} or {KINDS[-1]}.")
    reasons = []
    for kind in ("bwrap", "kernel") if wanted == "auto" else (wanted,):
        reason = missing(kind)
        if not reason:
            try:
                return _tried(kind, warm)
            except SandboxError as error:
                reason = str(error).rstrip(".")
        reasons.append(reason)
    raise SandboxError(f"Submissions cannot be locked in here: {'; '.join(dict.fromkeys(reasons))}. {ADVICE}")


def missing(kind: str) -> str:
    """What that kind of sandbox needs and this machine does not have, as part of a sentence; "" if all is there."""
    if platform.system() != "Linux":
        return f"a sandbox needs Linux, and this is {platform.system()}"
    if system.machine() is None:
        return f"the sandbox knows the machines {' and '.join(system.MACHINES)}, and not {platform.machine()}"
    if kind == "bwrap" and bwrap.program() is None:
        return "bubblewrap is not installed"
    if kind != "none" and not landlock.version():
        return "this kernel has no Landlock, or it is turned off"
    return ""


def _tried(kind: str, warm: Sequence[str]) -> Sandbox:
    sandbox = Sandbox(kind, warm=warm)
    with contextlib.ExitStack() as undo:
        undo.callback(sandbox.close)
        sandbox.start().kill()
        undo.pop_all()
    return sandbox
