"""What `systemctl` does for the guide, on a machine without systemd: units run with the variables and the umask that
their file gives them, and nothing else. `python systemctl.py VERB UNIT ...`"""

from __future__ import annotations

import configparser
import fnmatch
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MAX_STOP_SECONDS = 90.0


def start_unit(name: str) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(f"/etc/systemd/system/{name}.service")
    service = unit["Service"]
    environment = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8"}
    lines = [service["Environment"], *Path(service["EnvironmentFile"]).read_text().splitlines()]
    environment |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for above, kind in (("/var/lib", "State"), ("/run", "Runtime")):
        if f"{kind}Directory" not in service:
            continue
        folder = Path(above, service[f"{kind}Directory"])
        folder.mkdir(exist_ok=True)
        folder.chmod(int(service[f"{kind}DirectoryMode"], 8))
    with Path(f"/var/log/{name}.log").open("ab") as log:
        subprocess.Popen(
            shlex.split(service["ExecStart"]), cwd=service["WorkingDirectory"], env=environment, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, umask=int(service["UMask"], 8), start_new_session=True,
        )  # fmt: skip


def find_unit(name: str) -> list[int]:
    """Return the processes of a unit: the hub itself, or servers of users."""
    wanted = b"jupyterhub\0-f" if name == "nnkit-hub" else b"jupyterhub.singleuser"
    return [pid for pid, words in list_commands() if wanted in words and b"die_with_parent" not in words]


def list_commands() -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes()
            except OSError:
                continue


def stop_unit(name: str) -> None:
    assert name == "nnkit-hub" or fnmatch.fnmatch("jupyter-ada-singleuser", name), f"no unit is called {name}"
    until = time.monotonic() + MAX_STOP_SECONDS
    number = signal.SIGTERM
    while left := find_unit(name):
        if time.monotonic() > until:
            number = signal.SIGKILL
        for pid in left:
            os.kill(pid, number)
        for _ in range(50):
            if not find_unit(name):
                break
            time.sleep(0.1)


def kill_unit(name: str) -> None:
    """Do what `systemctl kill --signal=KILL --kill-whom=main` does."""
    for pid in find_unit(name):
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    verb, *names = [word for word in sys.argv[1:] if word != "--now"]
    for name in names:
        {"start": start_unit, "enable": start_unit, "stop": stop_unit, "kill": kill_unit}[verb](name)


if __name__ == "__main__":
    main()
