"""The sandbox in a container: the engine's command line, and the relay between the grader and the fork server."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import stand_in_engine
from nnkit_grader.rpc.connection import Connection
from nnkit_grader.sandbox import Limits, Sandbox, SandboxError, choose_sandbox, container, relay

pytestmark = pytest.mark.escape
ECHOES = '''
"""Sends back what comes in, or floods the channel."""
def serve(channel, scratch):
    while part := channel.recv(2**16):
        if part == b"flood":
            while True:
                channel.sendall(bytes(2**16))
        channel.sendall(part)
'''


@pytest.fixture(scope="module")
def _engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("engine")
    stand_in_engine.install(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def echoing(_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("modules")
    folder.chmod(0o755)
    (folder / "served_echo.py").write_text(ECHOES)
    with Sandbox("container", serves="served_echo", modules=[folder], preload=()) as made:
        yield made


def receive(channel: socket.socket, size: int) -> bytes:
    """Return this many bytes, or fewer if the channel ends."""
    channel.settimeout(60)
    parts = []
    while size > 0 and (part := channel.recv(min(size, 2**16))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def test_the_engine_takes_away_all_that_a_submission_does_not_need() -> None:
    engine = container.Engine("/usr/bin/docker", is_podman=False, cpus=4, memory=10 * 2**30)
    words = container.build_command(engine, {"LANG": "C"}, ["/modules"], ["{}"])
    line = " ".join(words)
    for part in (
        "run --rm --interactive --pull never --log-driver none", "--network none", "--ipc none", "--read-only",
        "--cap-drop ALL", "--security-opt no-new-privileges", "--pids-limit 4096", f"--memory {8 * 2**30}", "--cpus 4",
        "--tmpfs /scratch:rw,nosuid,nodev,noexec,size=2147483648,mode=0711", "--env LANG=C",
        "--volume /modules:/modules:ro",
    ):  # fmt: skip
        assert f" {part} " in line
    assert not {"--privileged", "--device", "--mount", "--publish", "--tty"} & {*words}
    assert "--read-only-tmpfs=false" in container.build_command(
        container.Engine("podman", is_podman=True, cpus=1, memory=2**30), {}, [], []
    )


@pytest.mark.usefixtures("_engine")
def test_auto_takes_a_container_where_the_system_is_not_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SO_PASSCRED", "SCM_CREDENTIALS"):  # as on macOS
        monkeypatch.delattr(socket, name)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with choose_sandbox(preload=()) as sandbox:
        assert (sandbox.kind, "container" in sandbox.description) == ("container", True)
        child = sandbox.start(Limits(cpu=30))
        (shown,) = Connection(child.channel).run_cell(1, "import os; print(os.getcwd())")
        assert shown["text"].startswith("/scratch/learner-")
        child.kill()
        assert child.check_end() == "was ended by the grader"


def test_without_an_engine_or_its_image_one_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"neither Docker nor Podman answers\. Install .*: make sandbox-image\.$"):
        choose_sandbox()
    (tmp_path / "podman").write_text('#!/bin/sh\n[ "$1" = info ] && echo \'{"host": {"cpus": 2, "memTotal": 5}}\'\n')
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv(container.IMAGE_VARIABLE, "other:1")
    with pytest.raises(SandboxError, match="podman has no image other:1"):
        choose_sandbox("container")


def test_bytes_come_back_as_they_were_sent(echoing: Sandbox) -> None:
    child = echoing.start()
    sent = os.urandom(5 * relay.WINDOW_BYTES)
    for start in range(0, len(sent), 2**17):
        part = sent[start : start + 2**17]
        child.channel.sendall(part)
        assert receive(child.channel, len(part)) == part
    child.channel.shutdown(socket.SHUT_WR)
    assert receive(child.channel, 1) == b""
    while child.check_end() is None:  # its channel ends before it does
        time.sleep(0.01)
    assert child.check_end() == "exit status 0"
    child.kill()


def test_a_flood_that_is_not_read_holds_up_no_one_else(echoing: Sandbox) -> None:
    flooding, honest = echoing.start(), echoing.start()
    flooding.channel.sendall(b"flood")
    receive(flooding.channel, 2**20)
    for _ in range(20):
        honest.channel.sendall(b"x" * 1000)
        assert receive(honest.channel, 1000) == b"x" * 1000
    relayed = Path(f"/proc/{echoing._process.pid}/statm").read_text().split()
    assert int(relayed[1]) * os.sysconf("SC_PAGE_SIZE") < 2**28
    for child in (flooding, honest):
        child.kill()
        assert child.check_end() == "was ended by the grader"


def test_a_dead_relay_takes_its_container_along_and_comes_back(echoing: Sandbox) -> None:
    child = echoing.start()
    os.kill(echoing._process.pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while not child.check_end() and time.monotonic() < until:
        time.sleep(0.01)
    assert child.check_end() == "lost its sandbox"
    assert receive(child.channel, 1) == b""
    child.kill()
    again = echoing.start()
    again.channel.sendall(b"hello")
    assert receive(again.channel, 5) == b"hello"
    again.kill()


def test_an_image_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = relay._HEADER.pack(relay.READY, 0, 5) + b"0.0.1"
    answers = json.dumps({"NCPU": 2, "MemTotal": 2**30})
    (tmp_path / "frame").write_bytes(frame)
    (tmp_path / "docker").write_text(
        f"#!/bin/sh\ncase $1 in info) echo '{answers}';; run) cat {tmp_path}/frame -;; esac\n"
    )
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=r"the image has nnkit 0\.0\.1, and this is .*: build it anew"):
        Sandbox("container")


def test_without_landlock_and_without_users_of_their_own_no_submission_runs(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from nnkit_grader.sandbox import Limits, landlock, lockdown\n"
        "landlock.read_version = lambda: 0\n"
        f"lockdown.raise_walls(lockdown.Confinement(Path({str(tmp_path)!r}), Limits(), None, contained=True), [])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "PermissionError: this kernel has no Landlock, and the container no users to tell" in done.stderr
