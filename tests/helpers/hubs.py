"""A demo hub for tests, and visitors who log in and use it without a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from helpers.paths import ROOT

COURSE = "nnkit"
GRADER = f"grader-{COURSE}"
TA, LEARNERS = "tom", ("ada", "ben", "cleo")
MAX_WAIT_SECONDS = 600.0
UNIT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of a systemd unit."""
HAND_IN = """!cd ~ && nbgrader fetch_assignment ps1 --course nnkit 2>&1 | tail -1
!cd ~ && nbgrader submit ps1 --course nnkit 2>&1 | tail -3
"""


@dataclass
class Hub:
    """A running demo hub."""

    folder: Path
    address: str
    process: subprocess.Popen[str]
    output: str
    passwords: dict[str, str] = field(default_factory=dict)

    def log_in(self, name: str) -> Visitor:
        """Log in as a user."""
        return Visitor(self, name)

    def get_service_address(self, name: str) -> str:
        port = json.loads((self.folder / "ports.json").read_text())[name]
        return f"http://127.0.0.1:{port}/services/{name}/"

    @contextmanager
    def without_members(self, *names: str) -> Iterator[None]:
        """Context manager in which these people are not on the roster."""
        path = self.folder / "roster.csv"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if line.split(",")[1] not in names))
        try:
            yield
        finally:
            path.write_text("".join(lines))

    def read_log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")


@contextmanager
def demo_hub(folder: Path, python: str = sys.executable, port: int = 0) -> Iterator[Hub]:
    """Context manager that runs `nnkit hub` in this folder, and stops it as Ctrl-C does."""
    hub = start_hub(folder, python, port or free_port())
    try:
        yield hub
    finally:
        stop_hub(hub)


def start_hub(folder: Path, python: str, port: int) -> Hub:
    command = [python, "-m", "nnkit.cli", "hub", "--folder", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=unit_environment(), umask=0o077, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    output = "".join(lines)
    address = re.search(r"http://\S+", output)
    if not address:
        process.communicate(timeout=300)
        raise AssertionError(output)
    return Hub(folder, address[0], process, output, dict(re.findall(r"log in as (\S+)\s+with (\S+)", output)))


def unit_environment() -> dict[str, str]:
    """Return the variables that a systemd unit has, and npm's settings; nothing else of the tests' environment."""
    npm = {name: value for name, value in os.environ.items() if name.lower().startswith("npm_config_")}
    return {"PATH": UNIT_PATH, "HOME": str(Path.home()), "LANG": "C.UTF-8", **npm}


def stop_hub(hub: Hub) -> str:
    """Stop a hub as Ctrl-C does, and return its output since it started."""
    if hub.process.poll() is None:
        hub.process.send_signal(signal.SIGINT)
    output, _ = hub.process.communicate(timeout=300)
    return output


def build_python_with(jupyterhub: str) -> str:
    """Return a Python like this one except for its JupyterHub; it is kept in build/hubs."""
    place = ROOT / "build" / "hubs" / f"{jupyterhub}-{sys.version_info.minor}"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--no-deps", f"jupyterhub=={jupyterhub}"], check=True)
        (own,) = place.glob("lib/python*/site-packages")
        # All other packages are this Python's, which come later on the path.
        (own / "others.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        for folder in ("share/jupyter", "etc/jupyter"):
            shutil.copytree(Path(sys.prefix, folder), place / folder, copy_function=os.link, dirs_exist_ok=True)
        for script in ("nbgrader", "jupyter", "alembic", "nnkit"):
            text = Path(sys.executable).with_name(script).read_text()
            (place / "bin" / script).write_text(f"#!{python}\n{text.partition(chr(10))[2]}")
            (place / "bin" / script).chmod(0o755)
        (place / "ready").touch()
    return str(python)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Visitor:
    """A user who has logged in, and requests pages as a browser does."""

    def __init__(self, hub: Hub, name: str):
        self.hub, self.name = hub, name
        self.web = requests.Session()
        self.web.headers["Sec-Fetch-Mode"] = "navigate"
        page = self.get("/hub/login")
        fields = {"username": name, "password": hub.passwords[name], "_xsrf": self.web.cookies["_xsrf"]}
        answer = self.web.post(page.url, data=fields, timeout=300, allow_redirects=False)
        assert answer.status_code == 302, f"{name} cannot log in: {answer.status_code}"

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.web.get(self.hub.address + path, timeout=300, **options)

    def start_server(self, of: str = "") -> None:
        """Start a server and open it, as a browser does."""
        of = of or self.name
        self.get(f"/hub/spawn/{of}")
        until = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < until:
            answer = self.get(f"/user/{of}/lab")
            if "/oauth2/authorize" in answer.url:  # another user's server: the hub asks for confirmation
                fields = re.findall(r'<input[^>]*?name="(\w+)"[^>]*?value="([^"]*)"', answer.text)
                answer = self.web.post(answer.url, data=fields, headers={"Referer": answer.url}, timeout=300)
            if answer.ok and "jupyter-config-data" in answer.text:
                return
            if answer.status_code in (424, 500):  # it did not answer in a minute: the machine is busy
                self.get(f"/hub/spawn/{of}")
            time.sleep(0.2)
        raise AssertionError(f"the server of {of} did not start: {answer.status_code} {answer.text[-300:]}")

    def stop_server(self) -> None:
        """Stop the user's own server, and wait until it has ended."""
        (token,) = (one.value for one in self.web.cookies if one.name == "_xsrf" and one.path == "/hub/")
        headers = {"X-XSRFToken": token or "", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        address = f"{self.hub.address}/hub/api/users/{self.name}/server"
        while (answer := self.web.delete(address, headers=headers, timeout=300)).status_code == 202:
            time.sleep(0.5)
        assert answer.status_code in (204, 400, 404), answer.text

    def call(self, method: str, path: str, of: str = "", **options: Any) -> requests.Response:
        """Send a request to a user's server, as a page on it does."""
        base = f"/user/{of or self.name}/"
        tokens = [cookie.value for cookie in self.web.cookies if cookie.name == "_xsrf" and cookie.path == base]
        headers = {"X-XSRFToken": (tokens or [""])[0] or "", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        return self.web.request(method, f"{self.hub.address}{base}{path}", headers=headers, timeout=300, **options)

    def run(self, code: str, of: str = "") -> str:
        """Return what Python code prints in a kernel of a user's server."""
        started = self.call("POST", "api/kernels", of, json={"name": "python3"})
        assert started.status_code == 201, f"{started.status_code} {started.text}"
        kernel = started.json()["id"]
        try:
            # In a thread of its own: beside an open browser this one has Playwright's event loop.
            path = f"/user/{of or self.name}/api/kernels/{kernel}/channels"
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: asyncio.run(self._run(path, code))).result()
        finally:
            self.call("DELETE", f"api/kernels/{kernel}", of)

    @asynccontextmanager
    async def open_socket(self, path: str) -> AsyncIterator[WebSocketClientConnection]:
        """Context manager that opens a WebSocket, and waits at its end until the other side has closed it too.

        Otherwise the event loop ends first, and the connection stays open until it is collected as garbage.
        """
        prepared = self.web.prepare_request(requests.Request("GET", self.hub.address + path))
        address = self.hub.address.replace("http", "ws", 1) + path
        socket = await websocket_connect(HTTPRequest(address, headers={"Cookie": prepared.headers["Cookie"]}))
        try:
            yield socket
        finally:
            socket.close()
            while await asyncio.wait_for(socket.read_message(), MAX_WAIT_SECONDS) is not None:
                pass

    async def _run(self, path: str, code: str) -> str:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test", "username": self.name}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": {**header, "version": "5.3"}, "parent_header": {}, "metadata": {}, "content": content}
        async with self.open_socket(path) as socket:
            await socket.write_message(json.dumps({**message, "channel": "shell", "buffers": []}))
            return await asyncio.wait_for(_collect_output(socket, header["msg_id"]), MAX_WAIT_SECONDS)


async def _collect_output(socket: Any, request: str) -> str:
    printed = ""
    while True:
        message = await socket.read_message()
        assert message is not None, "the kernel's connection was closed"
        if not isinstance(message, str):
            continue
        answer = json.loads(message)
        if answer["parent_header"].get("msg_id") != request:
            continue
        kind, content = answer["msg_type"], answer["content"]
        printed += content["text"] if kind == "stream" else ""
        if kind == "error":
            printed += "\n".join(content["traceback"])
        if kind == "status" and content["execution_state"] == "idle":
            return printed


def measure_removal(hub: Hub, learner: Visitor, ta: Visitor) -> dict[str, float]:
    """Remove a learner and a TA who have servers open from the roster; return place → seconds until it refuses them."""
    token = learner.run("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()
    exchange = hub.get_service_address("exchange")
    ask: dict[str, Callable[[], requests.Response]] = {
        "exchange": lambda: requests.get(exchange, headers={"Authorization": f"token {token}"}, timeout=60),
        "server": lambda: learner.call("GET", "api/contents", allow_redirects=False),
        "hub": lambda: ta.get("/hub/token", allow_redirects=False),
        "page": lambda: ta.get(f"/services/course-{COURSE}/", allow_redirects=False),
        "formgrader": lambda: ta.call("GET", "formgrader/api/assignments", GRADER, allow_redirects=False),
    }
    assert {name: answer().status_code for name, answer in ask.items()} == dict.fromkeys(ask, 200)
    refused: dict[str, float] = {}
    with hub.without_members(learner.name, ta.name):
        begun = time.monotonic()
        while len(refused) < len(ask) and time.monotonic() < begun + 120:
            time.sleep(0.2)
            for name in ask.keys() - refused.keys():
                if ask[name]().status_code in (302, 401, 403):
                    refused[name] = time.monotonic() - begun
        home = hub.folder / "homes" / learner.name
        while find_processes(home) and time.monotonic() < begun + 120:
            time.sleep(0.2)
        assert find_processes(home) == [], "the removed learner's server goes on"
        for name in (learner.name, ta.name):
            with pytest.raises(AssertionError, match="cannot log in: 403"):
                hub.log_in(name)
    return refused


def is_alive(pid: int) -> bool:
    """Return True if a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def read_command(pid: int) -> bytes:
    """Return the words of a process's command, each of which ends with a zero byte."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def find_processes(folder: Path) -> list[int]:
    """Return the processes that have this folder in their command or their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in text and is_alive(int(entry.name)):
                found.append(int(entry.name))
    return found
