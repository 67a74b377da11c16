"""The sandbox of a learner's server: it sees Python, the system's programs, its settings and its own home folder.

All servers of `make hub` run as one Unix user, so file permissions do not separate them; a mount namespace does. The
network stays, since the hub needs it to reach the server; whatever listens there asks for a token.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import nnkit_hub
from nnkit_grader.sandbox import visible_paths

_ETC_FILES = ("hosts", "resolv.conf", "nsswitch.conf", "passwd", "group", "ssl", "ca-certificates", "pki", "mime.types")
MAX_TRIAL_SECONDS = 20.0


def build_command(home: Path, readable: Iterable[Path] = ()) -> list[str]:
    """Return the words before a server's own command. Raises FileNotFoundError if bubblewrap is not installed."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bubblewrap is not installed")
    seen = _remove_nested(
        [*visible_paths.list_readable(), *_list_server_paths(), *(path.resolve() for path in readable)]
    )
    links = dict(visible_paths.list_links(seen))
    words = [bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    for path in seen:
        words += ["--symlink", links[path], str(path)] if path in links else ["--ro-bind", str(path), str(path)]
    return [*words, "--bind", str(home), str(home), "--chdir", str(home), "--"]


def _list_server_paths() -> list[Path]:
    """Return what a server reads beyond what a submission does: nnkit_hub, extensions, names of hosts and users."""
    wanted = [Path(nnkit_hub.__path__[0]), *(Path("/etc", name) for name in _ETC_FILES)]
    wanted += [Path(prefix, "etc", "jupyter") for prefix in (sys.prefix, sys.base_prefix)]
    return [path for path in wanted if path.exists()]


def _remove_nested(paths: list[Path]) -> list[Path]:
    """Return the paths without those that lie below another."""
    every = {path.absolute() for path in paths}
    return sorted(path for path in every if not every & set(path.parents))


def find_fault(folder: Path) -> str:
    """Return why no sandbox works here, or "" if one does. `folder` must exist."""
    try:
        done = subprocess.run(
            [*build_command(folder), sys.executable, "-c", ""],
            capture_output=True,
            text=True,
            timeout=MAX_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return lines[-1] if done.returncode else ""
