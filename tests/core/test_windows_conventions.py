"""Habits that break on Windows, as far as Linux can tell: encodings, line ends, code pages, modules of Unix."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.paths import ROOT

UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios"}


def find_faults(source: str) -> Iterator[str]:
    """Yield the reads and writes of text in the locale's encoding, and the imports of modules that Windows lacks."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: import {name}" for name in names if name in UNIX_MODULES)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {keyword.arg for keyword in node.keywords}
            text = name.endswith((".read_text", ".write_text")) or (name == "open" and "b" not in ast.unparse(node))
            if text and "encoding" not in given:
                yield f"line {node.lineno}: {name} without an encoding"


@pytest.mark.parametrize("path", sorted(ROOT.glob("nnkit/**/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_name_encodings_and_import_nothing_of_unix(path: Path) -> None:
    assert list(find_faults(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "planted", ["import fcntl", "from pwd import getpwuid", "path.read_text()", "path.write_text(x)", "open(path, 'w')"]
)
def test_a_planted_fault_is_found(planted: str) -> None:
    assert len(list(find_faults(planted))) == 1


@pytest.mark.parametrize("encoding", ["cp1252", "cp949", "ascii"])
def test_a_notebook_with_crlf_is_checked_on_a_pipe_with_a_code_page(encoding: str, tmp_path: Path) -> None:
    """As git checks it out on Windows, in a folder whose name has blanks and letters beyond ASCII."""
    folder = tmp_path / "my course é"
    folder.mkdir()
    shutil.copy(ROOT / "solutions/ps1/ps1.ipynb", folder)
    notebook = folder / "ps1.ipynb"
    notebook.write_bytes(notebook.read_bytes().replace(b"\n", b"\r\n").replace(b"\\n", b"\\r\\n"))
    command = [sys.executable, "-m", "nnkit.cli", "check", str(notebook), "--exercise", "multiply"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    assert done.stdout.startswith(b"+  3/3  1.1 Multiply (3 points)")


def test_commands_for_graders_point_to_wsl() -> None:
    """Windows has no `fcntl`."""
    program = "import sys; sys.modules['fcntl'] = None; from nnkit.cli import main; sys.exit(main(['autograde', 'x']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nnkit: this works on Linux and macOS; on Windows, run it in WSL 2 (wsl --install).\n"
