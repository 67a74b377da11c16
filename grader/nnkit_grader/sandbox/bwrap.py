"""The wall that bubblewrap builds around the fork server (https://github.com/containers/bubblewrap)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from nnkit_grader.sandbox import visible_paths

KEPT_CAPABILITIES = ("SETUID", "SETGID", "KILL", "DAC_OVERRIDE", "FOWNER", "SYS_NICE")
"""Capabilities that root keeps inside, to make each child an ordinary user and to clean up; a child keeps none."""


def find_program() -> str | None:
    """Return the path of bubblewrap; None if it is not installed."""
    return shutil.which("bwrap")


def build_command(readable: list[Path], environment: Mapping[str, str]) -> list[str]:
    """Return the command before the program that it runs. Raises FileNotFoundError if bubblewrap is not installed."""
    bwrap = find_program()
    if bwrap is None:
        raise FileNotFoundError("bubblewrap is not installed")
    words = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv"]
    words += [word for name, value in environment.items() for word in ("--setenv", name, value)]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    words += [word for name in KEPT_CAPABILITIES for word in ("--cap-add", f"CAP_{name}") if os.geteuid() == 0]
    links = dict(visible_paths.list_links(readable))
    folders = {folder for path in readable for folder in path.parents} - {Path("/"), Path("/tmp")}
    for folder in sorted(folders):  # otherwise only root could pass through some of them
        words += ["--perms", "0755", "--dir", str(folder)]
    for path in readable:
        words += ["--symlink", links[path], str(path)] if path in links else ["--ro-bind", str(path), str(path)]
    return [*words, "--chdir", "/"]
