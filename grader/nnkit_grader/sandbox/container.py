"""The wall that Docker or Podman builds around the fork server, for machines without Landlock or bubblewrap."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nnkit
from nnkit_grader.sandbox import visible_paths
from nnkit_grader.sandbox.bwrap import KEPT_CAPABILITIES

ENGINES = ("docker", "podman")
IMAGE_VARIABLE = "NNKIT_SANDBOX_IMAGE"
"""The environment variable that names another image than `get_image` does; the course image of a hub will do."""
SCRATCH = "/scratch"
"""The only folder in the container that is not read-only; children cannot write to it, but to folders of their own."""
MAX_SCRATCH_BYTES = 2**31
"""Disk for all children together; each has less."""
MAX_PROCESSES = 4096
MEMORY_SHARE = 0.8
"""Part of the engine's memory that the container may hold."""
MAX_ANSWER_SECONDS = 20.0
"""Time in which the engine must answer a question."""
GUEST_PROGRAM = "from nnkit_grader.sandbox import relay; relay.serve_guest()"


@dataclass(frozen=True)
class Engine:
    """A container engine that answers, and the machine on which it runs containers."""

    program: str
    is_podman: bool
    cpus: int
    memory: int
    """In bytes."""


def get_image() -> str:
    """Return the name of the image whose Python runs submissions."""
    return os.environ.get(IMAGE_VARIABLE) or f"nnkit-sandbox:{nnkit.__version__}"


def find_engine() -> Engine | None:
    """Return the first of `ENGINES` that answers; None if none does."""
    for program in filter(None, map(shutil.which, ENGINES)):
        answer = _ask([program, "info", "--format", "{{json .}}"])
        try:
            found = json.loads(answer or "{}")
            host = found.get("host")  # Podman's, also under the name of docker
            cpus, memory = (host["cpus"], host["memTotal"]) if host else (found["NCPU"], found["MemTotal"])
        except (ValueError, KeyError):
            continue
        if cpus and memory:  # Docker answers 0 if only its client is there
            return Engine(program, host is not None, cpus, memory)
    return None


def find_missing() -> str:
    """Return what a container needs and the machine lacks, as a clause; "" if nothing is missing."""
    engine = find_engine()
    if engine is None:
        return "neither Docker nor Podman answers"
    if _ask([engine.program, "image", "inspect", "--format", "{{.Id}}", get_image()]) is None:
        return f"{Path(engine.program).name} has no image {get_image()}"
    return ""


def build_command(
    engine: Engine, environment: Mapping[str, str], modules: Sequence[str], arguments: Sequence[str]
) -> list[str]:
    """Return the command that runs the guest end of the relay, with these arguments, in a container.

    `modules` are folders of the machine that the container sees, too.
    """
    words = [engine.program, "run", "--rm", "--interactive", "--pull", "never", "--log-driver", "none"]
    words += ["--name", f"nnkit-sandbox-{secrets.token_hex(8)}"]
    words += ["--network", "none", "--ipc", "none", "--hostname", "sandbox", "--workdir", "/", "--user", "0:0"]
    words += ["--read-only", *(["--read-only-tmpfs=false"] if engine.is_podman else [])]
    words += ["--tmpfs", f"{SCRATCH}:rw,nosuid,nodev,noexec,size={MAX_SCRATCH_BYTES},mode=0711"]
    words += ["--cap-drop", "ALL", *(word for name in (*KEPT_CAPABILITIES, "CHOWN") for word in ("--cap-add", name))]
    words += ["--security-opt", "no-new-privileges", "--pids-limit", str(MAX_PROCESSES)]
    words += ["--memory", str(int(MEMORY_SHARE * engine.memory)), "--cpus", str(engine.cpus)]
    words += [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    words += [word for folder in modules for word in ("--volume", f"{folder}:{folder}:ro")]
    words += ["--entrypoint", "python", get_image(), "-I", "-c", GUEST_PROGRAM]
    return [*words, *arguments]


def make_environment() -> dict[str, str]:
    """Return the environment variables of the fork server that are not the image's."""
    environment = visible_paths.make_environment(Path(SCRATCH))
    del environment["PATH"]
    return environment


def _ask(command: Sequence[str]) -> str | None:
    """Return what a command prints; None if it fails or does not answer."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MAX_ANSWER_SECONDS,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
