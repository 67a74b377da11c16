"""`nnkit bundle`: the zip that learners get, without answers, hidden tests and graders' tools.

    course folder → fresh release of solutions/ → equal to assignments/? → files by name → no outputs → zip

The contents are a list of what learners need, not of what they must not see: a new folder of the course stays
out until it is named here. The same course gives the same bytes.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from nnkit_grader.course.config import require_course
from nnkit_grader.course.layout import CourseLayout

TOP_FOLDER = "nnkit-course"
"""The folder that unpacking the zip makes."""

SINGLE_FILES = (
    *("LICENSE", "postBuild", "pyproject.toml", "requirements.lock"),
    *("docs/learner.md", "docs/check.md", "docs/verdict.md"),
)
WHOLE_FOLDERS = ("notebooks", "nnkit", ".jupyter/learner")

GRADERS_TARGETS = (
    *("demo", "hub", "hub-clean", "test", "test-fast", "test-nightly", "ci", "test-term", "release", "bundle", "site"),
    *("dist", "smoke", "sandbox-image", "lock", "$(VENV)/.dev", "$(VENV)/.hub", "$(VENV)/.site", "$(IN).built"),
)
"""Targets of the Makefile that need what is not in the zip."""

Files = dict[str, bytes]
"""Path in the zip, below its top folder → content."""

LEARNERS_README = "README.learners.md"
"""The file that is README.md in the zip."""


def write_bundle(course: Path, to: Path) -> list[str]:
    """Write the zip of a course folder; return the paths in it. Raises ValueError if assignments/ is stale."""
    files = collect_files(course)
    packed = zip_files(files)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(packed)
    return sorted(files)


def collect_files(course: Path) -> Files:
    """Return the files of the zip. Its assignments come from a fresh release, so no work in assignments/ gets in."""
    if not (course / "assignments").is_dir():
        _require_parts(course)
    files = read_fresh_release(course)
    if not files or files != read_folder(course, "assignments"):
        raise ValueError("assignments/ is not what solutions/ make: run `make release`, and look at what changed.")
    _require_parts(course)
    for folder in WHOLE_FOLDERS:
        files |= read_folder(course, folder)
    lectures = [name for name in files if name.startswith("notebooks/") and name.endswith(".ipynb")]
    files |= {name: strip_outputs(files[name]) for name in lectures}
    files |= {name: (course / name).read_bytes() for name in SINGLE_FILES}
    files["README.md"] = (course / LEARNERS_README).read_bytes()
    files["environment.yml"] = trim_environment((course / "environment.yml").read_text(encoding="utf-8")).encode()
    files["Makefile"] = trim_makefile((course / "Makefile").read_text(encoding="utf-8")).encode()
    return files


def _require_parts(course: Path) -> None:
    """Raise FileNotFoundError for a folder that is no course, and ValueError for a course without nnkit's lectures."""
    require_course(course)
    parts = (*WHOLE_FOLDERS, *SINGLE_FILES, LEARNERS_README, "environment.yml", "Makefile")
    if missing := [name for name in parts if not (course / name).exists()]:
        release = CourseLayout.from_course(course).release
        raise ValueError(
            f"{course.resolve()} has no {missing[0]}: `nnkit bundle` packs nnkit's own course, with its lectures. Of a "
            f"course of your own, `nnkit release` writes what learners get into {release}/: hand that out."
        )


def read_fresh_release(course: Path) -> Files:
    """Return assignments/ as a release of solutions/ makes it now."""
    from nnkit_grader.course.release import release_assignments

    with tempfile.TemporaryDirectory() as scratch:
        release_assignments(course, Path(scratch) / "assignments")
        return read_folder(Path(scratch), "assignments")


def read_folder(course: Path, folder: str) -> Files:
    """Return the files of a folder, without caches and hidden files."""
    return {path.relative_to(course).as_posix(): path.read_bytes() for path in _list_files(course / folder)}


def _list_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inner = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__pycache__")) or part.endswith(("~", ".pyc")) for part in inner)
        if path.is_file() and not hidden:
            yield path


def strip_outputs(notebook: bytes) -> bytes:
    """Return the notebook without the outputs and counts of a run."""
    content = json.loads(notebook)
    content["metadata"].pop("widgets", None)  # what sliders showed
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def trim_environment(text: str) -> str:
    """Return the course's environment.yml without what only graders need: its section "grade" and their package."""
    section = re.compile(r"  # grade\b.*?(?=  - pip:)", re.DOTALL)
    return section.sub("", text).replace("      - -e ./grader\n", "")


def trim_makefile(text: str) -> str:
    """Return the course's Makefile without the targets of authors and graders."""
    heads = tuple(f"{target}:" for target in GRADERS_TARGETS)
    kept = "\n\n".join(block for block in text.split("\n\n") if not block.startswith(heads))
    return re.sub(r"(?m)(?<=^\.PHONY:)( .*)$", lambda line: _drop_words(line[1], GRADERS_TARGETS), kept)


def _drop_words(words: str, gone: tuple[str, ...]) -> str:
    return "".join(f" {word}" for word in words.split() if word not in gone)


def zip_files(files: Files) -> bytes:
    """Return a zip of the files: sorted, all with the same time and mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{TOP_FOLDER}/{name}")  # of 1980-01-01
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()
