"""`python -m nnkit_hub.die_with_parent PROGRAM ...`: run a program that ends when the process that started it does.

A hub that is killed leaves its services running on their ports, and the next one cannot start them.
"""

from __future__ import annotations

import os
import signal
import sys

from nnkit_grader.sandbox.system import PR_SET_PDEATHSIG, find_column, prctl


def main(command: list[str]) -> None:
    """Become this program; where the system cannot tie it (not Linux), it runs untied."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends a service; a hub in the background of a shell ignores it
    parent = os.getppid()
    if find_column() is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("nnkit_hub.die_with_parent: the hub has ended.")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
