"""A real hub with the values of hub/deploy/kubernetes; the exchange and a course's page run as in the manifests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from helpers import clusters
from helpers.clusters import change_value
from nnkit_hub.exchange.archive import Refusal
from nnkit_hub.exchange.calls import ExchangeClient
from nnkit_hub.kubernetes import EXCHANGE_URL

pytestmark = pytest.mark.hub
PYTHON = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
USERS = {"token-of-ada": "ada", "token-of-tom": "tom", "token-of-eve": "eve"}
ROSTER = "course,user,role\nnnkit,ada,learner\nnnkit,tom,grader\n"
CONFIG = f"""
from jupyterhub.proxy import Proxy
from traitlets.config import Config

load_subconfig({str(clusters.CHART / "jupyterhub_config.py")!r})


class NoProxy(Proxy):
    '''The chart's proxy is a pod of its own; here there is none.'''

    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {{}}


c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.api_tokens = {USERS!r}
c.JupyterHub.db_url = "sqlite://"
"""


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Name → address of the hub, the exchange and the course's page."""
    folder = tmp_path_factory.mktemp("kubernetes")
    ports = dict(zip(("hub", "exchange", "course-nnkit"), free_ports(3)))
    found = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    values = change_value(clusters.load_values(), "custom.roster", str(folder / "roster.csv"))
    values = change_value(values, "hub.config.JupyterHub.authenticator_class", "dummy")
    values = change_value(values, "hub.config.JupyterHub.hub_bind_url", found["hub"])
    values = change_value(values, "hub.services.course-nnkit.url", found["course-nnkit"])
    (folder / "roster.csv").write_text(ROSTER)
    (folder / "values.json").write_text(json.dumps(values))
    (folder / "jupyterhub_config.py").write_text(CONFIG)
    course = folder / "course"
    (course / "solutions").mkdir(parents=True)
    (course / "nbgrader_config.py").write_bytes((clusters.ROOT / "nbgrader_config.py").read_bytes())

    hub = [sys.executable, "-m", "jupyterhub", "--config", str(folder / "jupyterhub_config.py")]
    running = [run(folder, "hub", hub, {"VALUES": str(folder / "values.json")})]
    try:
        wait_for(f"{found['hub']}/hub/api/", running[0], folder / "hub.log")
        for name, place in (("exchange", folder / "exchange"), ("course-nnkit", course)):
            command, environment = as_in_the_pod(name, place, found)
            running.append(run(folder, name, command, environment))
            wait_for(found[name], running[-1], folder / f"{name}.log")
        yield found
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(60)


def run(folder: Path, name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment | PYTHON, stdout=log, stderr=subprocess.STDOUT)


def as_in_the_pod(name: str, place: Path, addresses: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return (command, environment) of the manifest's container, with the addresses and folders of this machine."""
    (container,) = clusters.list_templates(clusters.load_manifests())[name]["spec"]["containers"]
    command = [sys.executable if word == "python" else word for word in container["args"]]
    command[command.index("--folder") + 1] = str(place)
    environment = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    port = container["ports"][0]["containerPort"]
    for key, value in environment.items():
        value = value.replace("http://hub:8081", addresses["hub"])
        environment[key] = value.replace(f"http://0.0.0.0:{port}", addresses[name])
    assert f"{addresses['hub']}/hub/api" in environment.values()
    assert addresses[name] in environment.values()
    return command, {**environment, "JUPYTERHUB_API_TOKEN": f"token-of-{name}"}


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            requests.get(address, timeout=5, allow_redirects=False)
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer: {log.read_text()[-2000:]}")


# -- the exchange ----------------------------------------------------------------------------------------------


def connect(addresses: dict[str, str], user: str) -> ExchangeClient:
    """Return a client of the exchange at the path that servers get, but on this machine."""
    path = EXCHANGE_URL.removeprefix("http://exchange:8090")
    return ExchangeClient(f"{addresses['exchange']}{path}", f"token-of-{user}")


def test_the_exchange_knows_the_courses_of_those_on_the_roster(addresses: dict[str, str]) -> None:
    for user, role in (("ada", "learner"), ("tom", "grader")):
        with connect(addresses, user) as client:
            assert client.request() == {"user": user, "courses": {"nnkit": role}}


@pytest.mark.parametrize("user", ["eve", "nobody"])
def test_the_exchange_refuses_who_is_not_on_the_roster(addresses: dict[str, str], user: str) -> None:
    with connect(addresses, user) as client, pytest.raises(Refusal):
        client.request()


# -- the course's page -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "statuses"),
    # Eve is not on the roster: seconds after its start, the hub revokes her token, and the page asks her to log in.
    [("tom", {200}), ("ada", {403}), ("eve", {403, 302}), ("nobody", {302})],
)
def test_only_graders_open_the_courses_page(addresses: dict[str, str], user: str, statuses: set[int]) -> None:
    answer = requests.get(
        f"{addresses['course-nnkit']}/services/course-nnkit/",
        headers={"Authorization": f"token token-of-{user}"}, timeout=60, allow_redirects=False,
    )  # fmt: skip
    assert answer.status_code in statuses, answer.text
    assert ("/hub/spawn/grader-nnkit" in answer.text) == (statuses == {200})


# -- the hub ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ("ada", "users", 403),
        ("ada", "users/tom", 404),
        ("tom", "users/ada", 404),
        ("tom", "users/grader-nnkit", 200),
        ("ada", "users/grader-nnkit", 404),
        ("ada", "services", 403),
        ("ada", "proxy", 403),
    ],
)
def test_nobody_is_an_admin(addresses: dict[str, str], user: str, path: str, status: int) -> None:
    answer = requests.get(
        f"{addresses['hub']}/hub/api/{path}", headers={"Authorization": f"token token-of-{user}"}, timeout=60
    )
    assert answer.status_code == status, answer.text


def test_a_grader_logs_in_to_the_page(addresses: dict[str, str]) -> None:
    """The test follows redirects itself, in place of the proxy that knows which address is whose."""
    web = requests.Session()
    web.headers["Sec-Fetch-Mode"] = "navigate"
    web.get(f"{addresses['hub']}/hub/login", timeout=60)
    who = {"username": "tom", "password": "", "_xsrf": web.cookies["_xsrf"]}
    web.post(f"{addresses['hub']}/hub/login", data=who, timeout=60, allow_redirects=False)
    place = "/services/course-nnkit/"
    for _ in range(5):
        part = "hub" if place.startswith("/hub/") else "course-nnkit"
        answer = web.get(addresses[part] + place, timeout=60, allow_redirects=False)
        if not answer.is_redirect:
            break
        place = answer.headers["Location"]
    assert answer.status_code == 200, answer.text
    assert "Formgrader" in answer.text
