"""A program named `docker` that answers as Docker does, and runs what it is given in bubblewrap, without an image.

It shows that both ends of the relay and the fork server work through the pipes of an engine. Whether an engine's
container holds is tried where there is one: tests/helpers/sandboxes.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from nnkit_grader.sandbox import bwrap, visible_paths

VALUED = ("--pull", "--log-driver", "--name", "--network", "--ipc", "--hostname", "--workdir", "--user", "--tmpfs",
          "--cap-drop", "--cap-add", "--security-opt", "--pids-limit", "--memory", "--cpus", "--env", "--volume",
          "--entrypoint")  # fmt: skip
"""Options of `run` that a value follows."""


def main(words: list[str]) -> NoReturn:
    """Answer `info` and `image inspect`, or run a command as `run` is asked to."""
    if words[0] == "info":
        print(json.dumps({"NCPU": os.cpu_count(), "MemTotal": 8 * 2**30}))
    elif words[0] == "run":
        run(words[1:])
    sys.exit(0)


def run(words: list[str]) -> NoReturn:
    """Run the command behind the image's name. Raises ValueError for an option that Docker might not know."""
    options: dict[str, list[str]] = {}
    while words[0].startswith("-"):
        name = words.pop(0)
        if name in VALUED:
            options.setdefault(name, []).append(words.pop(0))
        elif name not in ("--rm", "--interactive", "--read-only"):
            raise ValueError(name)
    _, *arguments = words
    folders = [Path(volume.split(":")[1]) for volume in options.get("--volume", [])]
    environment = dict(variable.split("=", 1) for variable in options["--env"])
    command = bwrap.build_command([*visible_paths.list_readable(), *folders], environment)
    command += ["--perms", "0711", "--tmpfs", options["--tmpfs"][0].split(":")[0]]
    command += ["--cap-add", "CAP_CHOWN"] if os.geteuid() == 0 else []
    os.execv(command[0], [*command, sys.executable, *arguments])


def install(folder: Path) -> None:
    """Make the program in this folder."""
    roots = [str(Path(__file__).parents[1]), *map(str, visible_paths.list_import_roots())]
    program = folder / "docker"
    program.write_text(
        f"#!{sys.executable}\nimport sys; sys.path.extend({roots!r})\n"
        "from helpers import stand_in_engine; stand_in_engine.main(sys.argv[1:])\n"
    )
    program.chmod(0o755)
