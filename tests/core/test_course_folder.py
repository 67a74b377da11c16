"""`nnkit start`: the course in a folder of the learner's, whose work is never overwritten; and the install cell."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from helpers.paths import ROOT
from nnkit import course_folder
from nnkit.cli import main
from nnkit.course_folder import describe_start, start_course

LECTURES = sorted(path.name for path in ROOT.glob("notebooks/*.ipynb"))


def test_start_writes_the_lectures_and_assignments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my course"
    assert main(["start", str(folder)]) == 0
    assert sorted(path.name for path in folder.glob("notebooks/*")) == LECTURES
    assert (folder / "assignments/ps1/ps1.ipynb").read_bytes() == (ROOT / "assignments/ps1/ps1.ipynb").read_bytes()
    assert f'nnkit lab "{folder}"' in capsys.readouterr().out


def test_work_is_never_overwritten(tmp_path: Path) -> None:
    first = start_course(tmp_path)
    work = tmp_path / "assignments/ps1/ps1.ipynb"
    work.write_text("my answers", encoding="utf-8")
    lost = tmp_path / "notebooks" / LECTURES[1]
    lost.unlink()
    again = start_course(tmp_path)
    assert len(first.written) == len(LECTURES) + 5
    assert again.written == (f"notebooks/{LECTURES[1]}",)
    assert describe_start(tmp_path, again).startswith(f"Wrote 1 notebook into {tmp_path}.\n")
    assert again.kept == ("assignments/ps1/ps1.ipynb",)
    assert work.read_text(encoding="utf-8") == "my answers"


def test_a_folder_that_is_a_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "course").write_text("")
    assert main(["start", str(tmp_path / "course")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_lab_needs_a_course(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", str(tmp_path)]) == 2
    assert f"nnkit start {tmp_path}" in capsys.readouterr().err


def test_the_install_cell_does_nothing_where_nnkit_is_there(tmp_path: Path) -> None:
    start_course(tmp_path, colab="nnkit[learn] @ https://example.org/nnkit.whl")
    notebook = nbformat.read(tmp_path / "notebooks" / LECTURES[0], as_version=4)
    nbformat.validate(notebook)
    source = notebook.cells[0].source
    assert source.endswith('%pip install --quiet "nnkit[learn] @ https://example.org/nnkit.whl"')
    from IPython.core.inputtransformer2 import TransformerManager

    exec(TransformerManager().transform_cell(source), {"get_ipython": None})
    original = json.loads((ROOT / "notebooks" / LECTURES[0]).read_text(encoding="utf-8"))
    assert [cell.id for cell in notebook.cells[1:]] == [cell["id"] for cell in original["cells"]]


@pytest.mark.slow
def test_the_wheel_has_the_course(tmp_path: Path) -> None:
    """Built as an installer does, but from what is here and without a network."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    inside = {name.removeprefix("nnkit/course/") for name in names if name.startswith("nnkit/course/")}
    assert {f"notebooks/{name}" for name in LECTURES} <= inside
    assert "assignments/ps5/ps5.ipynb" in inside
    assert ".jupyter/learner/jupyter_server_config.json" in inside
    assert not [name for name in names if "solutions" in name or name.startswith("tests")]
    assert course_folder.FIRST_LECTURE in inside
