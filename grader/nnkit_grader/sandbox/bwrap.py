"""The wall around the warm process that bubblewrap builds (https://github.com/containers/bubblewrap)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from nnkit_grader.sandbox import visible_paths

_KEPT = ("SETUID", "SETGID", "KILL", "DAC_OVERRIDE", "FOWNER")
"""What root keeps inside, to make each child an ordinary user and to clean up after it; a child keeps none."""


def program() -> str | None:
    return shutil.which("bwrap")


def command(readable: list[Path], environment: Mapping[str, str]) -> list[str]:
    """The command up to the program to be run; raises `FileNotFoundError` where bubblewrap is not installed."""
    bwrap = program()
    if bwrap is None:
        raise FileNotFoundError("bubblewrap is not installed")
    words = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv"]
    words += [word for name, value in environment.items() for word in ("--setenv", name, value)]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    words += [word for name in _KEPT for word in ("--cap-add", f"CAP_{name}") if os.geteuid() == 0]
    links = dict(visible_paths.top_links(readable))
    folders = {folder for place in readable for folder in place.parents} - {Path("/"), Path("/tmp")}
    for folder in sorted(folders):  # else only root could pass through some of them
        words += ["--perms", "0755", "--dir", str(folder)]
    for place in readable:
        words += ["--symlink", links[place], str(place)] if place in links else ["--ro-bind", str(place), str(place)]
    return [*words, "--chdir", "/"]
