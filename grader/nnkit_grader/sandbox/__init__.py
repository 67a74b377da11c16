"""The sandbox: submissions run without network, see only Python and a folder of their own, and have limits.

A `Sandbox` has one warm process that has imported NumPy, JAX and the rest, and forks it for each submission:

>>> with choose_sandbox() as sandbox:                  # doctest: +SKIP
...     child = sandbox.start(Limits(cpu=30))
...     child.channel.sendall(b"...")          # nnkit_grader.rpc.server answers
...     child.kill()
"""

from __future__ import annotations

from nnkit_grader.sandbox.detect import KINDS, choose_sandbox
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.sandbox.sandbox import PRELOADABLE_MODULES, Child, Sandbox, SandboxError

__all__ = ["KINDS", "PRELOADABLE_MODULES", "Child", "Limits", "Sandbox", "SandboxError", "choose_sandbox"]
