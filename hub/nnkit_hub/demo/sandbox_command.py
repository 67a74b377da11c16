"""The wall around a learner's server: it sees Python, the system's programs, its settings and its own home folder.

All servers of `make hub` run as one Unix user, so the rights of files keep nobody out; a mount namespace does. The
network stays, since the hub speaks to a server through it: what listens there asks for a token.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from nnkit_grader.sandbox import visible_paths

_OF_ETC = ("hosts", "resolv.conf", "nsswitch.conf", "passwd", "group", "ssl", "ca-certificates", "pki", "mime.types")
SECONDS = 20.0


def command(home: Path, readable: Iterable[Path] = ()) -> list[str]:
    """What comes before a server's own command. Raises FileNotFoundError where bubblewrap is not installed."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bubblewrap is not installed")
    seen = _least([*visible_paths.list_readable(), *_of_the_server(), *(path.resolve() for path in readable)])
    links = dict(visible_paths.list_links(seen))
    words = [bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    for path in seen:
        words += ["--symlink", links[path], str(path)] if path in links else ["--ro-bind", str(path), str(path)]
    return [*words, "--bind", str(home), str(home), "--chdir", str(home), "--"]


def _of_the_server() -> list[Path]:
    """What a server needs beyond what a submission does: which extensions there are, and names of hosts and users."""
    wanted = [Path("/etc", name) for name in _OF_ETC]
    wanted += [Path(prefix, "etc", "jupyter") for prefix in (sys.prefix, sys.base_prefix)]
    return [path for path in wanted if path.exists()]


def _least(paths: list[Path]) -> list[Path]:
    """Without those that lie in another."""
    every = {path.absolute() for path in paths}
    return sorted(path for path in every if not every & set(path.parents))


def fault(folder: Path) -> str:
    """Why no jail can be built here; "" where one can. `folder` is one that exists."""
    try:
        done = subprocess.run(
            [*command(folder), sys.executable, "-c", ""], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        return str(trouble)
    told = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return told[-1] if done.returncode else ""
