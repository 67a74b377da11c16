"""`python -m nnkit_hub.die_with_parent PROGRAM ...`: run a program that ends when its parent process ends.

Otherwise a killed hub would leave its services running on their ports, and the next hub could not start its own.
"""

from __future__ import annotations

import os
import signal
import sys

from nnkit_grader.sandbox.system import PR_SET_PDEATHSIG, find_column, prctl


def main(command: list[str]) -> None:
    """Become this program. Without parent-death signals (not Linux), it runs as usual."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # services end by it; a shell's background jobs ignore it
    parent = os.getppid()
    if find_column() is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("nnkit_hub.die_with_parent: the hub has ended.")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
