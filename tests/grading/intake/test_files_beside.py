"""Files beside a notebook: pictures that it shows, and others, which are not used and named."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from helpers import classes
from nnkit_grader.course.assignment import Assignment, load_assignment
from nnkit_grader.intake.files_beside import MAX_PICTURE_BYTES
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.intake.submission import Submission
from nnkit_grader.sanitize.markdown import clean_markdown

PICTURES = {
    "plot.png": b"\x89PNG\r\n\x1a\n1",
    "my plot.JPG": b"\xff\xd8\xff1",
    "img/a.gif": b"GIF89a1",
    "b.webp": b"RIFF1234WEBP",
    "draw.svg": b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg"></svg>',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return classes.course(tmp_path / "course")


def open_with(folder: Path, files: dict[str, bytes], **answers: str) -> Submission:
    """Hand in right answers, or these in place of some, with files beside the notebook."""
    place = classes.hand_in(folder, "ada", {**classes.RIGHT, **answers}).parent
    for name, content in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)
    opened = open_submission(place, assignment(folder))
    assert isinstance(opened, Submission)
    return opened


def assignment(folder: Path) -> Assignment:
    return load_assignment(folder, classes.NAME)


def show(opened: Submission) -> str:
    (cell,) = (cell for cell in opened.cells if cell.kind == "written")
    return clean_markdown(cell.source, cell.attachments)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plot.png", "See ![my plot](plot.png)."),
        ("plot.png", "See ![my plot](./plot.png 'a title')."),
        ("plot.png", '<img src="plot.png" width="400"/>'),
        ("my plot.JPG", "![](my%20plot.JPG)"),
        ("my plot.JPG", "![](<my plot.JPG>)"),
        ("img/a.gif", "![][a]\n\n[a]: img/a.gif"),
        ("img/a.gif", "![](img\\a.gif)"),
        ("b.webp", "<center><img alt='b' src=b.webp></center>"),
        ("draw.svg", "![a drawing](draw.svg)"),
    ],
)
def test_a_picture_that_markdown_shows_reaches_the_page(folder: Path, name: str, text: str) -> None:
    opened = open_with(folder, {name: PICTURES[name]}, why=text)
    assert base64.b64encode(PICTURES[name]).decode() in show(opened)
    assert opened.repairs == ()
    assert opened.digest != open_with(folder, {name: PICTURES[name] + b" "}, why=text).digest


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("fake.png", b"<html><script>", "'fake.png' is not shown: it is not the picture that its name says."),
        ("fake.svg", b"<html><script>", "'fake.svg' is not shown: it is not the picture that its name says."),
        ("big.png", PICTURES["plot.png"] * (MAX_PICTURE_BYTES // 8), "'big.png' is larger than 5 MB."),
    ],
)
def test_a_picture_that_is_none_is_not_shown_and_said(folder: Path, name: str, content: bytes, said: str) -> None:
    opened = open_with(folder, {name: content}, why=f"![]({name})")
    assert "data:" not in show(opened)
    (told,) = opened.repairs
    assert said in told


def test_a_picture_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PICTURES["plot.png"])
    place = classes.hand_in(folder, "ada", {**classes.RIGHT, "why": "![](a.png) ![](in/secret.png)"}).parent
    (place / "a.png").symlink_to(tmp_path / "secret.png")
    (place / "in").symlink_to(tmp_path)
    opened = open_submission(place, assignment(folder))
    assert isinstance(opened, Submission)
    assert "data:" not in show(opened)
    assert "'a.png' is a symbolic link, not a file." in opened.repairs[0]


def test_code_finds_the_picture_that_it_opens(folder: Path) -> None:
    opened = open_with(folder, PICTURES, double=f"show('plot.png', 'draw.svg')\n{classes.DOUBLE}")
    assert opened.files == {"plot.png": PICTURES["plot.png"]}


def test_every_other_file_is_named(folder: Path) -> None:
    files = {"data.csv": b"1", "sub/notes.txt": b"", ".DS_Store": b"", "__pycache__/a.pyc": b""}
    files |= {"timestamp.txt": b"", "receipt.json": b"{}"}  # the exchange's
    opened = open_with(folder, files)
    assert opened.repairs[0] == "'data.csv', 'sub/notes.txt' were not used: the assignment does not list them."
    assert opened.doubts == {}


@pytest.mark.parametrize(
    "line", ["import helpers", "from helpers import double", "import numpy, helpers as h", "%run helpers.py"]
)
def test_a_module_that_the_notebook_imports_needs_review(folder: Path, line: str) -> None:
    opened = open_with(folder, {"helpers.py": b"raise SystemExit"}, double=f"{line}\n{classes.DOUBLE}")
    assert opened.repairs[0].startswith("'helpers.py' was not used")
    told = "The notebook imports 'helpers.py', which lay beside it and was not used."
    assert opened.doubts == dict.fromkeys(("test-double", "test-triple", "why"), told)
    assert opened.needs_review == ()
    assert "helpers.py" not in opened.files
    assert open_with(folder, {"helpers.py": b""}, double=f"# helpers\n{classes.DOUBLE}").doubts == {}
