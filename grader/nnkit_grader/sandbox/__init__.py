"""Where submissions run: without network, seeing Python and a folder of their own, bounded in all they use.

A `Sandbox` holds one warm process that has imported NumPy, JAX and the rest, and forks it for each submission:

>>> with choose() as sandbox:                  # doctest: +SKIP
...     child = sandbox.start(Limits(cpu=30))
...     child.channel.sendall(b"...")          # nnkit_grader.rpc.server answers
...     child.kill()
"""

from __future__ import annotations

from nnkit_grader.sandbox.detect import KINDS, choose
from nnkit_grader.sandbox.limits import Limits
from nnkit_grader.sandbox.sandbox import WARM, Child, Sandbox, SandboxError

__all__ = ["KINDS", "WARM", "Child", "Limits", "Sandbox", "SandboxError", "choose"]
