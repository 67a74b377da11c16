"""A machine of its own for a hub with real users, set up by the commands of docs/admin.md.

Root sees the file system through overlays in a mount namespace, and a /run of its own: users, folders and log-ins are
real there, and leave no trace here. The network is this machine's.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from helpers.guides import read_blocks
from helpers.hubs import Hub, unit_environment
from helpers.paths import ROOT
from nnkit_hub.demo.demo_folder import is_port_free

GUIDE = ROOT / "docs" / "admin.md"
OVERLAID = ("etc", "home", "opt", "srv", "var", "root", "usr", "backup")
COPIED = ("notebooks/", "solutions/", "hub/deploy/", "nbgrader_config.py", "tests/corpus/")
"""What the tests need of the clone."""
KEEP_RUNNING = "while true; do sleep 1000 & wait; done"
"""As process 1 of its namespace, a shell also waits for orphans that end."""
COURSE = Path("opt/nnkit/course")
"""Place of the clone on the machine."""
FORMER_PATH = "/opt/nnkit/former"
"""Place of the packages of a former commit."""
PASSWORD = "correct horse"
MAX_START_SECONDS = 600.0


class Machine:
    """The namespaces, and a shell in them for root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}
        """Variables of `run`, beside those of a systemd unit."""
        mounts = ["set -e", "mount --make-rprivate /", "mount -t tmpfs tmpfs /run"]
        for name in OVERLAID:
            (folder / name).mkdir()
            (folder / f".{name}").mkdir()
            lower = f"/{name}" if Path("/", name).exists() else ""
            if lower:
                places = f"lowerdir={lower},upperdir={folder / name},workdir={folder / f'.{name}'}"
                mounts.append(f"mount -t overlay overlay -o {places} /{name}")
        self.output = folder / "output"
        with self.output.open("ab") as log:
            self.init = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                 "\n".join([*mounts, "chmod 0711 /root", f"touch {folder / 'ready'}", KEEP_RUNNING])],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._wait_until_mounted()

    def _wait_until_mounted(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and self.init.poll() is None:
            if (self.folder / "ready").exists():
                children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
                self.inside = int(children[0])
                return
            time.sleep(0.05)
        raise AssertionError(self.output.read_text())

    def run(self, commands: str, user: str = "root", check: bool = True) -> str:
        """Return the output of commands in a shell like that of a log-in with umask 077."""
        words = ["nsenter", "--target", str(self.inside), "--mount", "--pid", "--wd=/"]
        words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user != "root" else []
        script = f"set -e -o pipefail\numask 077\n{commands}"
        done = subprocess.run(
            [*words, "bash", "-c", script], env=unit_environment() | self.variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{commands}\n{done.stdout}"
        return done.stdout

    def read_guide(self, section: str) -> list[str]:
        """Return the command blocks of a section of the guide, except those that it marks."""
        return [block.text for block in read_blocks(GUIDE) if block.section == section and not block.why_not]

    def close(self) -> None:
        self.init.kill()
        self.init.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def machine_hub(folder: Path, users: dict[str, str], commit: str = "") -> Iterator[tuple[Machine, Hub]]:
    """Context manager that sets up a machine by the guide, with user → role on the roster, and runs its hub.

    With a commit, that version is installed, until `upgrade_files`.
    """
    machine = Machine(folder)
    try:
        install(machine, commit)
        (create_account,) = machine.read_guide("The course and its account")
        write_roster, add_people, fill_gradebook = machine.read_guide("The class")
        copy_files, start = machine.read_guide("The hub")
        machine.run(create_account)
        machine.run(write_roster)
        lines = ["course,user,role", *(f"nnkit,{user},{role}" for user, role in users.items())]
        (folder / "etc/nnkit/roster.csv").write_text("".join(f"{line}\n" for line in lines))
        machine.run(add_people)
        machine.run(fill_gradebook)
        machine.run("".join(f"echo '{user}:{PASSWORD}' | chpasswd\n" for user in users))
        machine.run(copy_files)
        public = edit_settings(machine)
        machine.run(start)
        yield machine, wait_for_hub(machine, public, users)
    finally:
        machine.close()


def install(machine: Machine, commit: str = "") -> None:
    """Do what the guide's first commands do, without a network: this Python's packages, and a copy of the clone."""
    machine.run(f"mkdir -p /opt/nnkit /backup && chmod 755 /opt/nnkit && ln -s {sys.prefix} /opt/nnkit/venv")
    if commit:
        copy_commit(machine, commit)
    else:
        copy_clone(machine)
    systemctl = f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("systemctl.py")} "$@"\n'
    machine.run(
        f"umask 022; cat > /usr/local/bin/systemctl <<'EOF'\n{systemctl}EOF\nchmod 755 /usr/local/bin/systemctl"
    )
    (close,) = machine.read_guide("Install")
    assert "sandbox" in machine.run(close)


def copy_clone(machine: Machine) -> None:
    """Copy what the tests need of the clone to its place."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in files.decode().split("\0"):
        if name.startswith(COPIED) and (ROOT / name).is_file():
            target = machine.folder / COURSE / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)


def copy_commit(machine: Machine, commit: str) -> None:
    """Copy the clone as it was at a commit to its place; its packages come before this Python's."""
    (machine.folder / COURSE).mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", machine.folder / COURSE], input=archive, check=True)
    machine.run(
        f"umask 022 && mkdir {FORMER_PATH} && cd /opt/nnkit/course\n"
        f"cp -r nnkit grader/nnkit_grader hub/nnkit_hub {FORMER_PATH}/"
    )
    machine.variables["PYTHONPATH"] = FORMER_PATH


def upgrade_files(machine: Machine) -> None:
    """Do what `git pull` and `pip install` do, without a network: the hub that starts next is of this version."""
    machine.run(f"rm -r /opt/nnkit/course {FORMER_PATH} && sed -i /^PYTHONPATH=/d /etc/nnkit/hub.env")
    del machine.variables["PYTHONPATH"]
    copy_clone(machine)
    machine.run("chmod 0700 /opt/nnkit/course")


def edit_settings(machine: Machine) -> int:
    """Change the example's settings to a hub without HTTPS on free ports, and return its port."""
    public, proxy, hub, exchange = choose_ports()
    settings = {"IP": "127.0.0.1", "PORT": public, "PROXY_PORT": proxy, "HUB_PORT": hub, "EXCHANGE_PORT": exchange}
    path = machine.folder / "etc/nnkit/hub.env"
    example = [
        line for line in path.read_text().splitlines() if not line.startswith(("NNKIT_HUB_TLS", "NNKIT_HUB_REDIRECT"))
    ]
    changed = [f"NNKIT_HUB_{name}={value}" for name, value in {**settings, "SPAWNER": "local"}.items()]
    given = [f"{name}={value}" for name, value in machine.variables.items()]
    path.write_text("".join(f"{line}\n" for line in [*example, *changed, *given]))
    return public


def choose_ports() -> range:
    """Return four free ports, with a free one after them. The system gives them to no other program in the meantime.

    A hub that is stopped and started again needs the same ones: they are below those that a program gets which asks
    for any port.
    """
    while True:
        first = random.randrange(20_000, 32_000, 5)
        if all(is_port_free(port) for port in range(first, first + 5)):
            return range(first, first + 4)


def wait_for_hub(machine: Machine, port: int, users: dict[str, str]) -> Hub:
    """Wait until the hub answers, and return it."""
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + MAX_START_SECONDS
    while time.monotonic() < until:
        try:
            requests.get(f"{address}/hub/health", timeout=5).raise_for_status()
            return Hub(machine.folder, address, machine.init, "", dict.fromkeys(users, PASSWORD))  # type: ignore[arg-type]
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(machine.run("tail -c 3000 /var/log/nnkit-hub.log"))
