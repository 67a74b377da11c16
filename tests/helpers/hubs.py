"""What tests on a real hub share: a demo hub of their own, and visitors who log in and use it without a browser."""

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
SECONDS = 600.0
HAND_IN = """!cd ~ && nbgrader fetch_assignment ps1 --course nnkit 2>&1 | tail -1
!cd ~ && nbgrader submit ps1 --course nnkit 2>&1 | tail -3
"""


@dataclass
class Hub:
    """A demo hub that runs."""

    folder: Path
    address: str
    process: subprocess.Popen[str]
    said: str
    passwords: dict[str, str] = field(default_factory=dict)

    def visitor(self, name: str) -> Visitor:
        """Somebody who has logged in."""
        return Visitor(self, name)

    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")


@contextmanager
def demo_hub(folder: Path, python: str = sys.executable, port: int = 0) -> Iterator[Hub]:
    """`nnkit hub` in this folder, stopped at the end as by Ctrl-C."""
    hub = start(folder, python, port or free_port())
    try:
        yield hub
    finally:
        stop(hub)


def start(folder: Path, python: str, port: int) -> Hub:
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
    said = "".join(lines)
    address = re.search(r"http://\S+", said)
    if not address:
        process.communicate(timeout=300)
        raise AssertionError(said)
    return Hub(folder, address[0], process, said, dict(re.findall(r"log in as (\S+)\s+with (\S+)", said)))


def stop(hub: Hub) -> str:
    """As Ctrl-C does; what was said meanwhile."""
    if hub.process.poll() is None:
        hub.process.send_signal(signal.SIGINT)
    said, _ = hub.process.communicate(timeout=300)
    return said


def python_with(jupyterhub: str) -> str:
    """A Python that is like this one, but for its JupyterHub; kept in build/hubs."""
    place = ROOT / "build" / "hubs" / f"{jupyterhub}-{sys.version_info.minor}"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--no-deps", f"jupyterhub=={jupyterhub}"], check=True)
        (own,) = place.glob("lib/python*/site-packages")
        # What is not in it comes from this Python's packages, which come later on the path.
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
    """Somebody who has logged in, and asks for pages as a browser does."""

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
        """Start a server and enter it, as a browser does."""
        of = of or self.name
        self.get(f"/hub/spawn/{of}")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            answer = self.get(f"/user/{of}/lab")
            if "/oauth2/authorize" in answer.url:  # another's server: the hub asks whether that is meant
                fields = re.findall(r'<input[^>]*?name="(\w+)"[^>]*?value="([^"]*)"', answer.text)
                answer = self.web.post(answer.url, data=fields, headers={"Referer": answer.url}, timeout=300)
            if answer.ok and "jupyter-config-data" in answer.text:
                return
            time.sleep(1)
        raise AssertionError(f"the server of {of} did not start: {answer.status_code} {answer.text[-300:]}")

    def call(self, method: str, path: str, of: str = "", **options: Any) -> requests.Response:
        """A request to somebody's server, as a page on it makes it."""
        base = f"/user/{of or self.name}/"
        tokens = [cookie.value for cookie in self.web.cookies if cookie.name == "_xsrf" and cookie.path == base]
        headers = {"X-XSRFToken": (tokens or [""])[0] or "", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        return self.web.request(method, f"{self.hub.address}{base}{path}", headers=headers, timeout=300, **options)

    def run(self, code: str, of: str = "") -> str:
        """What Python code prints in a kernel of somebody's server."""
        started = self.call("POST", "api/kernels", of, json={"name": "python3"})
        assert started.status_code == 201, f"{started.status_code} {started.text}"
        kernel = started.json()["id"]
        try:
            return asyncio.run(self._run(f"/user/{of or self.name}/api/kernels/{kernel}/channels", code))
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
            return await asyncio.wait_for(_printed(socket, header["msg_id"]), SECONDS)
        finally:
            socket.close()
            while await socket.read_message() is not None:
                pass


async def _printed(socket: Any, message: str) -> str:
    printed = ""
    while True:
        told = await socket.read_message()
        assert told is not None, "the kernel's connection was closed"
        if not isinstance(told, str):
            continue
        answer = json.loads(told)
        if answer["parent_header"].get("msg_id") != message:
            continue
        kind, content = answer["msg_type"], answer["content"]
        printed += content["text"] if kind == "stream" else ""
        if kind == "error":
            printed += "\n".join(content["traceback"])
        if kind == "status" and content["execution_state"] == "idle":
            return printed


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def processes_below(folder: Path) -> list[int]:
    """The processes that have this folder in their command or their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in told and alive(int(entry.name)):
                found.append(int(entry.name))
    return found
