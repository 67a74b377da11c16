"""hub/deploy/machine: its configuration sets only options that JupyterHub and its parts have, and few permissions."""

from __future__ import annotations

import configparser
import os
import pwd
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator, PAMAuthenticator
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.spawner import Spawner
from systemdspawner import SystemdSpawner
from traitlets.config import Config, PyFileConfigLoader

from helpers.guides import read_blocks
from helpers.paths import ROOT
from nnkit_hub import proxy, servers

DEPLOY = ROOT / "hub" / "deploy" / "machine"
CLASSES = (JupyterHub, Authenticator, PAMAuthenticator, ConfigurableHTTPProxy, Spawner, SystemdSpawner)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The example's variables, with folders of the test."""
    text = (DEPLOY / "hub.env.example").read_text()
    variables = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    roster = tmp_path / "roster.csv"
    roster.write_text("course,user,role\nnnkit,ada,learner\nother,tom,grader\n")
    variables |= {"NNKIT_HUB_ROSTER": str(roster), "NNKIT_HUB_FOLDER": str(tmp_path / "hub")}
    variables["NNKIT_HUB_COURSES"] = "nnkit=/srv/nnkit/nnkit,other=/srv/nnkit/other"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(proxy, "install_proxy", lambda folder: ["configurable-http-proxy"])  # npm has a test of its own
    return variables


def load_configuration() -> Config:
    return PyFileConfigLoader("jupyterhub_config.py", path=str(DEPLOY)).load_config()


def find_unknown(c: Config) -> set[str]:
    """Return the settings that none of the classes has."""
    known = {cls.__name__: set(cls.class_trait_names(config=True)) for cls in CLASSES}
    return {
        f"{name}.{option}" for name, section in c.items() for option in section if option not in known.get(name, ())
    }


def test_every_setting_is_one_that_its_class_has(environment: dict[str, str]) -> None:
    c = load_configuration()
    assert find_unknown(c) == set()
    c.Spawner.mem_limits = "2G"
    assert find_unknown(c) == {"Spawner.mem_limits"}


def test_limits_https_and_accounts_are_as_the_environment_says(environment: dict[str, str]) -> None:
    c = load_configuration()
    assert c.JupyterHub.bind_url == "https://0.0.0.0:443"
    assert c.JupyterHub.ssl_key == environment["NNKIT_HUB_TLS_KEY"]
    assert (c.SystemdSpawner.mem_limit, c.SystemdSpawner.cpu_limit) == ("2G", 2.0)
    users = {service["name"]: service.get("user") for service in c.JupyterHub.services}
    accounts = {f"course-{name}": f"grader-{name}" for name in ("nnkit", "other")}
    assert users == {"exchange": "nnkit-exchange", "idle-culler": None, **accounts}
    assert len({service["url"] for service in c.JupyterHub.services if "url" in service}) == 3
    assert not any(service.get("admin") or "api_token" in service for service in c.JupyterHub.services)


def test_without_a_certificate_it_answers_only_to_this_machine(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NNKIT_HUB_TLS_CERT")
    with pytest.raises(ValueError, match="without HTTPS"):
        load_configuration()
    monkeypatch.setenv("NNKIT_HUB_IP", "127.0.0.1")
    assert load_configuration().JupyterHub.bind_url == "http://127.0.0.1:443"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nnkit,eve,boss", "line 4: a role is learner or grader"),
        ("ps9,eve,learner", "no course 'ps9'"),
        ("a,b", "2 fields"),
    ],
)
def test_a_fault_in_the_roster_is_reported(environment: dict[str, str], line: str, sentence: str) -> None:
    with Path(environment["NNKIT_HUB_ROSTER"]).open("a") as roster:
        roster.write(f"{line}\n")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_configuration()


def test_no_scope_reaches_further_than_it_must(environment: dict[str, str]) -> None:
    roles: Any = load_configuration().JupyterHub.load_roles  # a lazy list, which JupyterHub adds to its own, empty one
    granted = {role["name"]: set(role["scopes"]) for role in roles.get_value([])}
    assert not any(scope.startswith("admin") for scopes in granted.values() for scope in scopes)
    assert granted["learn-nnkit"] == {"access:services!service=exchange"}
    assert all("!" in scope for name, scopes in granted.items() if name != "idle-culler" for scope in scopes)
    assert not any("other" in scope for scope in granted["grade-nnkit"])


RUN_SECTIONS = {
    "Install",
    "The course and its account",
    "The class",
    "The hub",
    "Change who is in the class",
    "Backup and restore",
    "Upgrade",
}
"""Sections of the guide for one machine whose commands test_hub_machine.py runs."""


def test_every_command_of_the_guide_is_run_or_says_why_not() -> None:
    text = (ROOT / "docs" / "admin.md").read_text()
    sections = re.findall(r"^### (.+)$", text.partition("\n## What to look at")[0], re.M)
    blocks = [block for block in read_blocks(ROOT / "docs" / "admin.md") if block.section in sections]
    assert {block.section for block in blocks if not block.why_not} == RUN_SECTIONS
    assert all(block.why_not.startswith(("needs", "does not end")) for block in blocks if block.why_not)


def test_the_unit_and_the_guide_agree_with_the_files() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(DEPLOY / "nnkit-hub.service")
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[-1].endswith("/hub/deploy/machine/jupyterhub_config.py")
    assert unit["Service"]["UMask"] == "0077"
    runtime = {name: value for name, value in unit["Service"].items() if name.startswith("RuntimeDirectory")}
    assert Path("/run", runtime["RuntimeDirectory"]) == servers.RUNTIME_ROOT
    assert (runtime["RuntimeDirectoryMode"], runtime["RuntimeDirectoryPreserve"]) == ("0711", "yes")
    guide = (ROOT / "docs" / "admin.md").read_text()
    assert words[0] in guide
    for variable in re.findall(r"NNKIT_HUB_\w+", guide):
        config = (DEPLOY / "jupyterhub_config.py").read_text()
        assert f'"{variable.removeprefix("NNKIT_HUB_")}"' in config or f'"{variable}"' in config, variable


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")
def test_a_new_user_does_not_inherit_a_former_ones_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "RUNTIME_ROOT", tmp_path / "servers")
    folder, owner = Path(servers.create_runtime_folder("nobody")), pwd.getpwnam("nobody").pw_uid
    (folder / "jupyter_cookie_secret").write_text("x")
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (owner, 0o700)
    servers.create_runtime_folder("nobody")
    assert len(list(folder.iterdir())) == 1
    os.chown(folder, 12345, 12345)  # whose name was given to another user since then
    servers.create_runtime_folder("nobody")
    assert (folder.stat().st_uid, list(folder.iterdir())) == (owner, [])
