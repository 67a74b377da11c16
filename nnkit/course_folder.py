"""`nnkit start` and `nnkit lab`: the lectures and assignments that ship with the package, in a learner's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnkit.atomic_files import replace_file
from nnkit.language import say, say_count

FIRST_LECTURE = "notebooks/00_start_here.ipynb"
FOLDERS = ("notebooks", "assignments")
"""The folders of the course that learners get."""

COLAB_CELL = """\
# On Colab, and wherever nnkit is missing, this cell installs it.
try:
    import nnkit
except ModuleNotFoundError:
    %pip install --quiet {requirement}"""


@dataclass(frozen=True)
class StartedCourse:
    """The result of laying the course into a folder: paths relative to it."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that were there and differ from the course's: the learner's work."""


def find_course() -> Path:
    """Return the folder with the lectures: of the installed package or, in a clone of the course, the clone.

    Raises FileNotFoundError if neither has them.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "course", package.parent):
        if (folder / FIRST_LECTURE).is_file():
            return folder
    raise FileNotFoundError(say("this copy of nnkit has no lectures: install it from its wheel, or clone the course."))


def start_course(folder: Path, colab: str = "") -> StartedCourse:
    """Write the lectures and assignments into a folder, and leave every file that is there as it is.

    `colab` is a requirement such as "nnkit[learn] @ https://…": a first cell of each new notebook installs it where it
    is missing.
    Raises FileNotFoundError if `folder` is not a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise FileNotFoundError(say("{folder} is not a folder.", folder=folder))
    written, kept = [], []
    for name, content in _read_course(find_course(), colab):
        path = folder / name
        if not path.exists():
            replace_file(path, content, lasting=False)
            written.append(name)
        elif path.read_bytes() != content:
            kept.append(name)
    return StartedCourse(tuple(written), tuple(kept))


def describe_start(folder: Path, started: StartedCourse) -> str:
    """Return what `nnkit start` prints."""
    count = len(started.written)
    written = say_count(
        "Wrote {number} notebook into {folder}.", "Wrote {number} notebooks into {folder}.", count, folder=folder
    )
    lines = [written if count else say("{folder} already has the whole course.", folder=folder)]
    if started.kept:
        lines.append(
            say("Kept as they are, because they differ from the course's: {files}.", files=", ".join(started.kept))
        )
    where = "" if folder.resolve() == Path.cwd() else f" {_quote(str(folder))}"
    return "\n".join([*lines, say("Open the first lecture: nnkit lab{where}", where=where)])


def open_lab(folder: Path) -> int:
    """Open JupyterLab on the first lecture of a folder, and return its exit status when it ends.

    Raises FileNotFoundError if the folder has no lectures, ModuleNotFoundError without JupyterLab.
    """
    if not (folder / FIRST_LECTURE).is_file():
        raise FileNotFoundError(
            say(
                "there is no course in {folder}: `nnkit start {quoted}` lays it there.",
                folder=folder,
                quoted=_quote(str(folder)),
            )
        )
    import jupyterlab  # noqa: F401  # without it, the command says what to install

    settings = find_course() / ".jupyter/learner"
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={folder.resolve()}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # as is usual in a container
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": str(settings)}
    return subprocess.run([*command, str(folder.resolve() / FIRST_LECTURE)], env=environment, check=False).returncode


def _read_course(course: Path, colab: str) -> Iterator[tuple[str, bytes]]:
    """Yield the notebooks of the course, by their paths."""
    for folder in FOLDERS:
        for path in sorted((course / folder).rglob("*.ipynb")):
            name = path.relative_to(course)
            if not any(part.startswith(".") for part in name.parts):
                content = path.read_bytes()
                yield name.as_posix(), add_install_cell(content, colab) if colab else content


def add_install_cell(notebook: bytes, requirement: str) -> bytes:
    """Return a notebook with a first cell that installs a requirement where nnkit is missing."""
    content = json.loads(notebook)
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "install",
        "metadata": {},
        "outputs": [],
        "source": COLAB_CELL.format(requirement=f'"{requirement}"').splitlines(keepends=True),
    }
    content["cells"].insert(0, cell)
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _quote(text: str) -> str:
    """Return a path as a shell takes it, on Windows too."""
    return f'"{text}"' if " " in text else text
