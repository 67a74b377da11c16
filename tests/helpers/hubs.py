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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from helpers.paths import ROOT

COURSE = "nnkit"
GRADER = f"grader-{COURSE}"
TA, LEARNERS = "tom", ("ada", "ben", "cleo")
MAX_WAIT_SECONDS = 600.0
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
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
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
            time.sleep(1)
        raise AssertionError(f"the server of {of} did not start: {answer.status_code} {answer.text[-300:]}")

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

    async def _run(self, path: str, code: str) -> str:
        prepared = self.web.prepare_request(requests.Request("GET", self.hub.address + path))
        address = self.hub.address.replace("http", "ws", 1) + path
        socket = await websocket_connect(HTTPRequest(address, headers={"Cookie": prepared.headers["Cookie"]}))
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test", "username": self.name}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": {**header, "version": "5.3"}, "parent_header": {}, "metadata": {}, "content": content}
        await socket.write_message(json.dumps({**message, "channel": "shell", "buffers": []}))
        try:
            return await asyncio.wait_for(_collect_output(socket, header["msg_id"]), MAX_WAIT_SECONDS)
        finally:
            socket.close()
            while await socket.read_message() is not None:
                pass


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


def is_alive(pid: int) -> bool:
    """Return True if a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


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
