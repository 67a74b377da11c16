from __future__ import annotations

import shlex
import sys
from pathlib import Path

from nnkit_hub.proxy import install_proxy

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m nnkit_hub.proxy FOLDER")
    try:
        print(shlex.join(install_proxy(Path(sys.argv[1]).absolute())))
    except (OSError, RuntimeError) as fault:
        sys.exit(f"nnkit: {fault}")
