"""A real hub with the real exchange on the loopback interface: accounts, groups and tokens, but no servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from traitlets.config import Config

from helpers import classes
from nnkit_hub.exchange import client, receipts
from nnkit_hub.proxy import install_proxy
from nnkit_hub.roles import SERVER_SCOPES, get_grader_group, get_learner_group

COURSE = "nnkit"
REGISTRAR = "registrar"
CONFIG = """
import json
from nnkit_hub.roles import build_roles
given = json.load(open({given!r}))
c = get_config()
c.JupyterHub.load_groups = given["groups"]
c.JupyterHub.load_roles = [*build_roles(given["courses"]), {{"name": "registrar", "services": ["registrar"], "scopes": [
    "admin:users", "tokens", "groups", "list:users", "read:metrics", *given["scopes"]]}}]
c.JupyterHub.services = [
    {{"name": "registrar", "api_token": given["token"]}},
    {{"name": "exchange", "url": given["exchange"], "command": given["command"]}},
]
c.JupyterHub.bind_url, c.JupyterHub.hub_bind_url = given["public"], given["hub"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url, c.ConfigurableHTTPProxy.command = given["proxy"], given["proxy_command"]
c.JupyterHub.log_level = "WARN"
"""


class Hub:
    """A hub in a folder; its files survive its process."""

    def __init__(self, folder: Path, users: Sequence[str], groups: dict[str, list[str]]) -> None:
        self.folder, self.users = folder, list(users)
        public, hub, proxy, exchange = (f"http://127.0.0.1:{port}" for port in find_free_ports(4))
        self.store = folder / "exchange"
        self.hub_api, self.token = f"{hub}/hub/api", "token-of-the-tests"
        self.address = f"{exchange}/services/exchange/"
        self.given: dict[str, Any] = {
            "groups": {name: {"users": members} for name, members in groups.items()},
            "courses": sorted({name.partition("-")[2] for name in groups}),
            "scopes": [],
            "token": self.token,
            "exchange": exchange,
            "command": [sys.executable, "-m", "nnkit_hub.exchange", "--folder", str(self.store)],
            "public": public,
            "hub": hub,
            "proxy": proxy,
            "proxy_command": install_proxy(folder.parent / "proxy"),
        }
        (folder / "given.json").write_text(json.dumps(self.given))
        (folder / "config.py").write_text(CONFIG.format(given=str(folder / "given.json")))
        self.process: subprocess.Popen[bytes] | None = None
        self.tokens: dict[str, str] = {}

    def start(self) -> None:
        command = [sys.executable, "-m", "jupyterhub", "--config", str(self.folder / "config.py")]
        environ = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "cd" * 32, "JUPYTERHUB_CRYPT_KEY": "ab" * 32}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log)
        self.wait()

    def wait(self, seconds: float = 600.0) -> None:
        """Wait until the hub and the exchange answer, the exchange also at the hub's public address.

        Once a hub has finished starting, it restarts services that end.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                requests.get(self.hub_api, timeout=2).raise_for_status()
                requests.get(f"{self.address}key", timeout=2).raise_for_status()
                requests.get(f"{self.given['public']}/services/exchange/key", timeout=2).raise_for_status()
                return
            except requests.RequestException:
                time.sleep(0.05)
        raise TimeoutError((self.folder / "log").read_text()[-3000:])

    def call_api(self, method: str, path: str, **fields: Any) -> Any:
        """Send a request to the hub's own API."""
        headers = {"Authorization": f"token {self.token}"}
        answer = requests.request(method, f"{self.hub_api}{path}", json=fields, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def add_users(self) -> None:
        """Create the accounts, and tokens like those of their servers."""
        members = {user for group in self.given["groups"].values() for user in group["users"]}
        for user in sorted(set(self.users) - members):
            self.call_api("POST", f"/users/{user}")
        for user in self.users:
            may = SERVER_SCOPES if user in members else ["read:users:name!user"]
            scopes = [scope for scope in may if "!server" not in scope]
            self.tokens[user] = self.call_api("POST", f"/users/{user}/tokens", scopes=scopes)["token"]

    def get_environment(self, user: str) -> dict[str, str]:
        """Return the environment of the tests with the variables that a server of this user has."""
        mine = {"NNKIT_EXCHANGE_URL": self.address, "JUPYTERHUB_API_TOKEN": self.tokens[user], "JUPYTERHUB_USER": user}
        return {**os.environ, **mine}

    def find_services(self) -> list[psutil.Process]:
        """Return the processes of the exchange."""
        return [p for p in psutil.process_iter(["cmdline"]) if str(self.store) in (p.info["cmdline"] or [])]

    def kill_exchange(self) -> None:
        for process in self.find_services():
            process.kill()

    def kill(self) -> None:
        """Kill the hub as a power cut would: it has no time for anything."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop the hub and all that it started, even if it was killed."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(300)
        proxy = self.folder / "jupyterhub-proxy.pid"
        left = self.find_services()
        if proxy.exists() and psutil.pid_exists(int(proxy.read_text())):
            left.append(psutil.Process(int(proxy.read_text())))
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def run_hub(folder: Path, users: Sequence[str], groups: dict[str, list[str]]) -> Iterator[Hub]:
    """Context manager that runs a hub with these accounts in these groups, and a token for each."""
    hub = Hub(folder, users, groups)
    try:
        hub.start()
        hub.add_users()
        yield hub
    finally:
        hub.stop()


def find_free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def create_groups(course: str, learner: Sequence[str], grader: Sequence[str]) -> dict[str, list[str]]:
    return {get_learner_group(course): list(learner), get_grader_group(course): list(grader)}


# -- nbgrader's steps as a user ----------------------------------------------------------------------------------


class Member:
    """A user at their server: nbgrader's steps, with their token."""

    def __init__(self, hub: Hub, user: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub, self.user, self.folder, self.monkeypatch = hub, user, folder, monkeypatch
        self.work = folder / COURSE / classes.NAME
        folder.mkdir(exist_ok=True)

    def run_step(
        self, step: str, assignment: str = classes.NAME, course: str = COURSE, student: str = "*", **options: Any
    ) -> Any:
        self.set_environment()
        c = create_config()
        c.CourseDirectory.root = c.Exchange.assignment_dir = str(self.folder)
        c.CourseDirectory.course_id, c.CourseDirectory.assignment_id = course, assignment
        c.CourseDirectory.student_id = student
        given = {"coursedir": CourseDirectory(config=c), "authenticator": Authenticator(config=c), "config": c}
        app = getattr(ExchangeFactory(config=c), step)(**given)
        for name, value in options.items():
            setattr(app, name, value)
        return app.start()

    def set_environment(self) -> None:
        for name, value in self.hub.get_environment(self.user).items():
            self.monkeypatch.setenv(name, value)

    def hand_in(self, **answers: str) -> dict[str, Any]:
        """Fetch the assignment if necessary, answer it, submit it, and return the receipt."""
        if not self.work.exists():
            self.run_step("FetchAssignment")
        notebook = self.work / f"{classes.NAME}.ipynb"
        written = json.loads(notebook.read_text())
        for cell in written["cells"]:
            cell["source"] = answers.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"])
        notebook.write_text(json.dumps(written))
        self.run_step("Submit")
        return receipts.read_receipt(self.receipts()[-1])

    def receipts(self) -> list[Path]:
        return sorted((self.work / "receipts").glob("*/receipt.json"))


def create_config() -> Config:
    c = Config()
    client.install(c)
    c.CourseDirectory.source_directory, c.CourseDirectory.release_directory = "solutions", "assignments"
    return c
