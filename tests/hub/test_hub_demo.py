"""`make hub` before the first log-in: what prevents a start is one sentence; the roster; the proxy."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError
from traitlets.config import Config

from nnkit import cli
from nnkit_hub import proxy
from nnkit_hub.authenticators import create_roster_authenticator
from nnkit_hub.course_page import PageHandler
from nnkit_hub.demo import sandbox_command
from nnkit_hub.demo.demo_folder import create_site, is_port_free
from nnkit_hub.demo.demo_hub import describe_hub
from nnkit_hub.people import configure_people
from nnkit_hub.reports import ReportCache
from nnkit_hub.roster import Roster
from nnkit_hub.roster_watch import RosterWatch


def fail_to_start(folder: Path, capsys: pytest.CaptureFixture[str], port: int = 8000) -> str:
    """Return the message of `nnkit hub` when it does not start."""
    assert cli.main(["hub", "--folder", str(folder), "--port", str(port)]) == 2
    return capsys.readouterr().err


def test_a_port_in_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert not is_port_free(port)
        message = fail_to_start(tmp_path / "hub", capsys, port)
    assert message == f"nnkit: port {port} is in use: choose another, for example `make hub PORT={port + 1}`.\n"


def test_a_second_hub_in_one_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "a hub is already running in" in fail_to_start(tmp_path, capsys)


def test_a_proxy_that_npm_cannot_bring_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "registry": "http://127.0.0.1:9",
        "cache": str(tmp_path / "cache"),
        "fetch_retries": "0",
    }.items():
        monkeypatch.setenv(f"npm_config_{name}", value)
    with pytest.raises(RuntimeError, match="could not be installed from npm; is there a network"):
        proxy.install_proxy(tmp_path / "proxy")
    assert not (tmp_path / "proxy" / "node_modules").exists()


def test_where_there_is_no_node_the_wheels_node_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    node, npm = proxy.find_node()
    assert npm[0] == node
    version = subprocess.run([*npm, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.strip()[0].isdigit()
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.19.0\n")
    old.chmod(0o755)
    (tmp_path / "npm").symlink_to(old)
    assert proxy.find_node()[0] == node  # not the old one


def test_without_a_sandbox_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = create_site(tmp_path, ("proxy",), {"public": 8000})
    assert sandbox_command.find_fault(tmp_path) == ""
    assert "walled" not in describe_hub(here, tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    fault = sandbox_command.find_fault(tmp_path)
    assert fault == "bubblewrap is not installed"
    described = describe_hub(here, tmp_path, fault)
    assert f"not walled off from each other, because bubblewrap does not work here: {fault}" in described


def test_a_roster_gives_groups_and_keeps_out_all_others(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text("course,user,role\na,ada,learner\nb,ada,grader\na, Tom ,grader\n")
    roster = Roster(path, ["a", "b"])
    assert roster.find_groups("ada") == ["formgrade-b", "nbgrader-a"]
    assert roster.find_groups("tom") == ["formgrade-a"]
    assert roster.find_groups("grader-b") == ["formgrade-b"]
    authenticator = create_roster_authenticator(Authenticator, roster)()
    login = {"name": "x"}
    assert authenticator.check_allowed("ada", login) is True
    for name in ("eve", "grader-a"):
        with pytest.raises(HTTPError, match=f"403: .*You logged in as {name}, and no course here has a member"):
            authenticator.check_allowed(name, login)
    assert authenticator.check_allowed("grader-a") is True  # when the hub creates it, without a log-in
    assert asyncio.run(authenticator.refresh_user(SimpleNamespace(name="eve"))) is False
    path.write_text("course,user,role\na,eve,learner\n")
    assert asyncio.run(authenticator.refresh_user(SimpleNamespace(name="eve")))["groups"] == ["nbgrader-a"]
    assert asyncio.run(authenticator.refresh_user(SimpleNamespace(name="ada"))) is False
    path.write_text("nonsense")
    assert roster.find_groups("eve") == ["nbgrader-a"]  # the previous content


def test_removals_wait_until_the_file_is_the_same_twice(tmp_path: Path) -> None:
    path, line = tmp_path / "roster.csv", "a,{},learner\n"
    path.write_text("course,user,role\n" + line.format("ada") + line.format("ben"))
    roster = Roster(path, ["a"])
    whole = roster.read_settled_groups()
    assert whole.keys() == {"ada", "ben", "grader-a"}
    half = "course,user,role\n" + line.format("ada")
    path.write_text(half)  # a copy that has just begun: it is valid
    assert roster.read_settled_groups() is whole
    path.write_text(half + "a,b")
    for _ in range(3):
        assert roster.read_settled_groups() is whole, "a file with a fault, after one that was seen once"
    path.write_text(half)
    assert roster.read_settled_groups() is whole
    assert roster.read_settled_groups().keys() == {"ada", "grader-a"}


def test_only_those_who_have_something_to_lose_are_logged_out(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("course,user,role\n")
    db = orm.new_session_factory("sqlite:///:memory:")()
    for name in ("ben", "eve"):
        db.add(orm.User(name=name))
    ben, eve = db.query(orm.User).order_by(orm.User.name)
    db.add(orm.APIToken(user=ben, hashed="x", prefix="x"))
    db.commit()
    cookies = ben.cookie_id, eve.cookie_id
    watch = RosterWatch(SimpleNamespace(db=db, users={}), Roster(tmp_path / "roster.csv", ["a"]))
    asyncio.run(watch.check())
    db.rollback()
    assert (ben.api_tokens, ben.cookie_id == cookies[0], eve.cookie_id == cookies[1]) == ([], False, True)
    db.close()
    db.get_bind().dispose()


class RefusingHandler(PageHandler):
    """A page of a course for a person who no longer grades it."""

    def get_current_user(self) -> None:
        """Return None, as JupyterHub does once it has refused the person."""

    def get(self) -> None:
        raise HTTPError(403)


def test_a_refused_grader_reads_whom_to_ask(tmp_path: Path) -> None:
    given = {"course": "a", "reports": ReportCache(tmp_path), "contact": "Ada & Ben"}

    async def open_page() -> HTTPResponse:
        server = HTTPServer(Application([("/", RefusingHandler, given)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        server.add_socket(listening)
        try:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            return await AsyncHTTPClient().fetch(address, raise_error=False)
        finally:
            server.stop()

    answer = asyncio.run(open_page())
    sentence = "You are not a grader of this course. If you should be, ask Ada &amp; Ben."
    assert (answer.code, sentence in answer.body.decode()) == (403, True)


def test_pages_keep_the_sites_own_variables(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("course,user,role\n")
    for own in ({}, {"announcement": "exam on Monday"}):
        c = Config()
        if own:
            c.JupyterHub.template_vars = dict(own)
        c.JupyterHub.authenticator_class = "dummy"
        configure_people(c, ["a"], tmp_path / "roster.csv", "Ada")
        assert JupyterHub(config=c).template_vars == {**own, "contact": "Ada"}


def test_the_sandbox_shows_only_folders_that_exist(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    (tmp_path.parent / "others").write_text("x")
    code = f"import os, nnkit_hub; print(*map(os.path.exists, ('{tmp_path}/mine', '{tmp_path.parent}/others')))"
    words = [*sandbox_command.build_command(tmp_path), sys.executable, "-c", code]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert output == ["True", "False"]
