"""The working folder of test cells, as nbgrader gives it to them: files beside the notebook, modules of the course."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from nnkit_grader.course.course_modules import import_from

EXECUTION = {"NBGRADER_EXECUTION": "autograde"}
"""Environment variable by which test cells know in nbgrader that they are being graded."""


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, by path."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@contextlib.contextmanager
def working_folder(files: Mapping[str, bytes], has_modules: bool) -> Iterator[None]:
    """Context manager in which this process works in a new folder with these files, as nbgrader's kernel does.

    With `has_modules`, modules among the files can be imported. Only the course's files may be such modules.
    """
    before, place = dict(os.environ), os.getcwd()
    with tempfile.TemporaryDirectory(prefix="nnkit-examiner-") as folder:
        write_files(Path(folder), files)
        os.environ.update(EXECUTION)
        os.chdir(folder)
        try:
            with import_from(Path(folder)) if has_modules else contextlib.nullcontext():
                yield
        finally:
            os.chdir(place)
            os.environ.clear()
            os.environ.update(before)
