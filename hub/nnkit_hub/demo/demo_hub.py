"""Start the hub, tell the log-ins, and stop everything at Ctrl-C: `nnkit hub`."""

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
from nnkit_hub.demo.demo_folder import is_free, prepare
from nnkit_hub.demo.demo_people import CLASS, logins
from nnkit_hub.site import Site

CONFIG = Path(__file__).with_name("jupyterhub_config.py")
START_SECONDS = 120.0
STOP_SECONDS = 90.0
IS = {"grader": "the TA", "learner": "a learner"}


def run(source: Path, folder: Path, port: int) -> int:
    """Run the demo hub until Ctrl-C or SIGTERM. Raises OSError, RuntimeError or ValueError with a sentence."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        _claim(lock, folder)
        if not is_free(port) and not _own_proxy(folder):
            raise RuntimeError(f"port {port} is in use: choose another, as in `make hub PORT={port + 1}`.")
        print("setting up the hub ...", flush=True)
        site = prepare(folder, source, port)
        fault = sandbox_command.fault(folder)
        hub = _start(site, folder, not fault, lock)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            _wait_until_up(hub, site, folder)
            print(told(site, folder, fault), flush=True)
            hub.wait()
            raise RuntimeError(f"the hub has ended by itself; {folder / 'hub.log'} says why.")
        except KeyboardInterrupt:
            print("\nstopping the hub and its servers ...", flush=True)
        finally:
            _stop(hub)
    return 0


def told(site: Site, folder: Path, fault: str) -> str:
    """The address, the log-ins, and what else somebody in front of it should know."""
    lines = [f"The hub is at {site.address('public')}", ""]
    for user, password in logins(folder / "logins.json").items():
        lines.append(f"  log in as {user:<6}with {password:<14}{IS[CLASS[user]]}")
    lines += ["", "Open it as two people at once in two browsers, or in a private window."]
    if fault:
        lines.append(f"Servers are not walled off from each other, for bubblewrap does not work here: {fault}")
    lines.append(f"Ctrl-C stops it, `make hub` goes on where it was, `make hub-clean` deletes {folder}.")
    return "\n".join(lines)


def _claim(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RuntimeError(f"a hub runs in {folder} already: stop it first (Ctrl-C where it was started).") from None


def _own_proxy(folder: Path) -> bool:
    """Whether a proxy of a hub that was killed is still there; the next hub ends it."""
    try:
        pid = int((folder / "state" / "proxy.pid").read_text())
        words = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except (OSError, ValueError):
        return False
    return str(folder / "proxy") in words.stdout


def _start(site: Site, folder: Path, walled: bool, lock: IO[str]) -> subprocess.Popen[bytes]:
    """The hub's process. It holds the lock too, and is told to stop should this process be killed."""
    given = {"proxy": list(site.proxy), "ports": dict(site.ports), "walled": walled}
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
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if hub.poll() is not None:
            raise RuntimeError(f"the hub did not start; the end of {folder / 'hub.log'} says why.")
        try:
            with urllib.request.urlopen(f"{site.address('public')}/hub/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the hub did not answer within {START_SECONDS:g} s; {folder / 'hub.log'} says why.")


def _stop(hub: subprocess.Popen[bytes]) -> None:
    """Have the hub stop its servers, its services and its proxy, and then itself."""
    if hub.poll() is None:
        hub.terminate()
        try:
            hub.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()
