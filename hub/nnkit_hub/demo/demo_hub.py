"""`nnkit hub`: start the hub, print the log-ins, and stop everything at Ctrl-C."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import IO

from nnkit_hub.demo import sandbox_command
from nnkit_hub.demo.demo_folder import is_port_free, prepare_folder
from nnkit_hub.demo.demo_people import DEMO_CLASS, load_logins
from nnkit_hub.site import Site

CONFIG = Path(__file__).with_name("jupyterhub_config.py")
MAX_START_SECONDS = 120.0
MAX_STOP_SECONDS = 90.0
ROLE_NAMES = {"grader": "the TA", "learner": "a learner"}


def run_demo_hub(source: Path, folder: Path, port: int) -> int:
    """Run the demo hub until Ctrl-C or SIGTERM. Raises OSError, RuntimeError or ValueError with a sentence."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        _lock_folder(lock, folder)
        if not is_port_free(port) and not _has_running_proxy(folder):
            raise RuntimeError(f"port {port} is in use: choose another, for example `make hub PORT={port + 1}`.")
        print("setting up the hub ...", flush=True)
        site = prepare_folder(folder, source, port)
        fault = sandbox_command.find_fault(folder)
        hub = _start_hub(site, folder, not fault, lock)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            _wait_until_up(hub, site, folder)
            print(describe_hub(site, folder, fault), flush=True)
            hub.wait()
            raise RuntimeError(f"the hub ended unexpectedly; {folder / 'hub.log'} says why.")
        except KeyboardInterrupt:
            print("\nstopping the hub and its servers ...", flush=True)
        finally:
            _stop_hub(hub)
    return 0


def describe_hub(site: Site, folder: Path, fault: str) -> str:
    """Return the text with the address, the log-ins and hints."""
    lines = [f"The hub is at {site.get_address('public')}", ""]
    for user, password in load_logins(folder / "logins.json").items():
        lines.append(f"  log in as {user:<6}with {password:<14}{ROLE_NAMES[DEMO_CLASS[user]]}")
    lines += ["", "To be two people at once, use two browsers or a private window."]
    if fault:
        lines.append(f"Servers are not walled off from each other, because bubblewrap does not work here: {fault}")
    lines.append(f"Ctrl-C stops it, `make hub` continues where it was, `make hub-clean` deletes {folder}.")
    return "\n".join(lines)


def _lock_folder(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RuntimeError(
            f"a hub is already running in {folder}: stop it first (Ctrl-C where it was started)."
        ) from None


def _has_running_proxy(folder: Path) -> bool:
    """Return True if the proxy of a killed hub is still running; the next hub will stop it."""
    try:
        pid = int((folder / "state" / "proxy.pid").read_text())
        words = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except (OSError, ValueError):
        return False
    return str(folder / "proxy") in words.stdout


def _start_hub(site: Site, folder: Path, sandboxed: bool, lock: IO[str]) -> subprocess.Popen[bytes]:
    """Start the hub's process, which shares the lock and ends if this process is killed."""
    given = {"proxy": list(site.proxy), "ports": dict(site.ports), "sandboxed": sandboxed}
    environment = {**os.environ, "NNKIT_HUB": str(folder), "NNKIT_HUB_GIVEN": json.dumps(given)}
    bin = Path(sys.executable).parent
    environment["PATH"] = f"{bin}{os.pathsep}{environment.get('PATH', '')}"
    command = [sys.executable, "-m", "nnkit_hub.die_with_parent", sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)]
    with (folder / "hub.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=site.folder.parent, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, pass_fds=[lock.fileno()],
        )  # fmt: skip


def _wait_until_up(hub: subprocess.Popen[bytes], site: Site, folder: Path) -> None:
    until = time.monotonic() + MAX_START_SECONDS
    while time.monotonic() < until:
        if hub.poll() is not None:
            raise RuntimeError(f"the hub did not start; the end of {folder / 'hub.log'} says why.")
        try:
            with urllib.request.urlopen(f"{site.get_address('public')}/hub/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the hub did not answer within {MAX_START_SECONDS:g} s; {folder / 'hub.log'} says why.")


def _stop_hub(hub: subprocess.Popen[bytes]) -> None:
    """Ask the hub to stop its servers, services and proxy and then itself; kill it if that takes too long."""
    if hub.poll() is None:
        hub.terminate()
        try:
            hub.wait(MAX_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()
