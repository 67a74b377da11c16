"""`nnkit bundle`: the zip that learners get, with no answers, no hidden tests and no tools of graders.

    course folder → fresh release of solutions/ → equal to assignments/? → files by name → no outputs → zip

What stands in the zip is a list of what learners need, not of what they must not see: a new folder of the
course stays out until it is named here. The same course gives the same bytes.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

TOP = "nnkit-course"
"""The folder that unpacking makes."""

ALONG = ("LICENSE", "environment.yml", "postBuild", "pyproject.toml", "requirements.lock", "docs/learner.md")
FOLDERS = ("notebooks", "nnkit", ".jupyter/learner")
OUT = ("nnkit/grading", "nnkit/hub")
"""Below the folders, what is for graders and hubs only."""

TARGETS = (
    *("demo", "hub", "hub-clean", "test", "test-fast", "test-nightly", "release", "bundle", "lock"),
    *("$(VENV)/.dev", "$(VENV)/.hub"),
)
"""Targets of the Makefile that need what the zip has not."""

Files = dict[str, bytes]
"""Path in the zip, below its top folder → content."""

README = """# nnkit

Learn backpropagation by writing it: lectures to play with, and assignments in which each derivative that you write is
checked at once.

## Start

With Python 3.11 or later and make, in this folder:

```
make lab
```

With conda:

```
conda env create -f environment.yml
conda activate nnkit
jupyter lab --ServerApp.root_dir=. --LabApp.news_url=None notebooks/00_start_here.ipynb
```

With neither make nor conda (on Windows, write `.venv\\Scripts` for `.venv/bin`):

```
python3 -m venv .venv
.venv/bin/pip install -c requirements.lock -e ".[learn,grading]"
.venv/bin/jupyter lab --ServerApp.root_dir=. --LabApp.news_url=None notebooks/00_start_here.ipynb
```

Each installs what the course needs, which takes a few minutes and the network, and opens the first lecture. If
something does not work, `make doctor` (or `nnkit doctor`) tells what is missing and the command that mends it.

## Go on

| folder | holds |
|---|---|
| `notebooks/` | the lectures, numbered in reading order |
| `assignments/` | the assignments; work in these files, they are yours |
| `nnkit/` | the package that the lectures and the assignments use |

`nnkit check assignments/ps1/ps1.ipynb` (after `make lab`: `.venv/bin/nnkit check ...`) tells which exercises pass.
[docs/learner.md](docs/learner.md) has the rest: how to do an assignment, and how to read what a check tells.

BSD 3-Clause for the code, CC BY 4.0 for the lessons: see [LICENSE](LICENSE).
"""


def bundle(course: Path, to: Path) -> list[str]:
    """Write the zip of this course folder; returns the paths in it. Raises ValueError if assignments/ is stale."""
    files = contents(course)
    packed = zipped(files)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(packed)
    return sorted(files)


def contents(course: Path) -> Files:
    """What learners get. Assignments are those of a fresh release, so nobody's work in assignments/ comes along."""
    files = released(course)
    if not files or files != _below(course, "assignments"):
        raise ValueError("assignments/ is not what solutions/ make: run `make release`, and look at what changed.")
    for folder in FOLDERS:
        files |= _below(course, folder)
    lectures = [name for name in files if name.startswith("notebooks/") and name.endswith(".ipynb")]
    files |= {name: without_outputs(files[name]) for name in lectures}
    files |= {name: (course / name).read_bytes() for name in ALONG}
    files["README.md"] = README.encode()
    files["Makefile"] = learners_makefile((course / "Makefile").read_text(encoding="utf-8")).encode()
    return files


def released(course: Path) -> Files:
    """assignments/ as a release of solutions/ makes it now."""
    from nnkit.grading.course import release

    with tempfile.TemporaryDirectory() as scratch:
        release(course, Path(scratch) / "assignments")
        return _below(Path(scratch), "assignments")


def _below(course: Path, folder: str) -> Files:
    """The files of a folder without caches, hidden files, and what is for graders."""
    return {path.relative_to(course).as_posix(): path.read_bytes() for path in _paths(course, course / folder)}


def _paths(course: Path, folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inner, outer = path.relative_to(folder).parts, path.relative_to(course).as_posix()
        hidden = any(part.startswith((".", "__pycache__")) or part.endswith(("~", ".pyc")) for part in inner)
        if path.is_file() and not hidden and not outer.startswith(tuple(f"{name}/" for name in OUT)):
            yield path


def without_outputs(notebook: bytes) -> bytes:
    """The notebook as if nobody had run it; the author has, perhaps."""
    content = json.loads(notebook)
    content["metadata"].pop("widgets", None)  # what sliders showed
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def learners_makefile(text: str) -> str:
    """The course's Makefile without the targets of authors and graders."""
    heads = tuple(f"{target}:" for target in TARGETS)
    kept = "\n\n".join(block for block in text.split("\n\n") if not block.startswith(heads))
    return re.sub(r"(?m)(?<=^\.PHONY:)( .*)$", lambda line: _without(line[1], TARGETS), kept)


def _without(words: str, gone: tuple[str, ...]) -> str:
    return "".join(f" {word}" for word in words.split() if word not in gone)


def zipped(files: Files) -> bytes:
    """A zip of these files, sorted, all of the same time and mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{TOP}/{name}")  # of 1980-01-01
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()
