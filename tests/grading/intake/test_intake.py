"""Whatever is handed in becomes a submission or a sentence: cells by id, marks, bytes, files, and 5,000 damages."""

from __future__ import annotations

import base64
import codecs
import copy
import json
import os
import pickle
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from fuzz.damage import damaged
from helpers.made import ANSWER, TEST, WORDS, cell, made
from helpers.paths import ROOT
from nnkit_grader.course import release
from nnkit_grader.course.assignment import Assignment, load_assignment
from nnkit_grader.intake.match_cells import find_unmoved
from nnkit_grader.intake.open_submission import open_submission
from nnkit_grader.intake.parse_notebook import MAX_CELL_CHARACTERS, MAX_NOTEBOOK_CELLS
from nnkit_grader.intake.read_json import MAX_FILE_BYTES, MAX_LISTS_AND_OBJECTS, MAX_NOTEBOOK_BYTES
from nnkit_grader.intake.safe_folder import SafeFolder, UnreadableSubmission
from nnkit_grader.intake.submission import RefusedSubmission, Submission, repair_notebook

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()

SECOND = cell("def g(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION", "g", solution=True)
TEST_SECOND = cell("assert g(1) == 1", "test-g", grade=True, points=1)
LOCKED = cell("limit = 3", "limit", locked=True)
COURSE = (
    *(cell("# Title", "title", "markdown"), cell("import math", "setup"), LOCKED, ANSWER, TEST),
    *(cell("And *g*.", "g-text", "markdown"), SECOND, TEST_SECOND, WORDS),
)
IDS = ["title", "setup", "limit", "f", "t", "g-text", "g", "test-g", "w"]

Cells = list[dict[str, Any]]


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    folder = made(tmp_path_factory.mktemp("course"), *COURSE, nnkit={"files": ["data.csv"]})
    (folder / "solutions/hw/data.csv").write_text("given", encoding="utf-8")
    return load_assignment(folder, "hw")


@pytest.fixture
def cells(assignment: Assignment) -> Cells:
    """What a diligent learner hands in."""
    answered = [{**copy.deepcopy(c), "source": own.released} for c, own in zip(COURSE, assignment.cells)]
    answered[3]["source"], answered[6]["source"], answered[8]["source"] = "f = abs", "g = abs", "It is so."
    return answered


def written(cells: Any, **changes: Any) -> bytes:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **changes}).encode()


def submitted(cells: Any, assignment: Assignment, **changes: Any) -> Submission:
    read = repair_notebook(written(cells, **changes), assignment)
    assert isinstance(read, Submission), read
    return read


def refused(raw: bytes, assignment: Assignment) -> str:
    read = repair_notebook(raw, assignment)
    assert isinstance(read, RefusedSubmission)
    return read.sentence


def ids(submission: Submission) -> list[str]:
    return [c.id for c in submission.cells]


def sources(submission: Submission) -> dict[str, str]:
    return {c.id: c.source for c in submission.cells}


# ---- cells ------------------------------------------------------------------------------------------


def test_a_good_submission_comes_through_as_it_is(cells: Cells, assignment: Assignment) -> None:
    read = submitted(cells, assignment)
    assert ids(read) == IDS
    assert [c.kind for c in read.cells] == [c.kind for c in assignment.cells]
    assert [c.source for c in read.cells] == [c["source"] for c in cells]
    assert (read.repairs, read.needs_review) == ((), ())
    assert read.files == {"data.csv": b"given"}


def test_a_learners_test_never_runs(cells: Cells, assignment: Assignment) -> None:
    cells[4]["source"] = "print('all is well')"
    cells[2]["source"] = "limit = 10**9"
    read = submitted(cells, assignment)
    assert sources(read)["t"] == "assert f(1) == 1"
    assert sources(read)["limit"] == "limit = 3"
    assert read.repairs == ("The cells 'limit', 't' were edited: the course's version counts.",)


def test_line_ends_and_blank_lines_are_no_edit(cells: Cells, assignment: Assignment) -> None:
    cells[4]["source"] = "assert f(1) == 1\r\n\r\n"
    assert submitted(cells, assignment).repairs == ()


def test_an_edited_given_cell_stays_the_learners(cells: Cells, assignment: Assignment) -> None:
    cells[1]["source"] = "import math, cmath"
    assert sources(submitted(cells, assignment))["setup"] == "import math, cmath"


def test_what_is_missing_is_there_again(cells: Cells, assignment: Assignment) -> None:
    kept = [c for c in cells if c["id"] not in ("setup", "f", "t", "w")]
    read = submitted(kept, assignment)
    assert ids(read) == IDS
    assert sources(read)["setup"] == "import math"
    assert sources(read)["f"] == sources(read)["w"] == ""
    assert read.repairs == (
        "The cells 'f', 'w' were missing.",
        "The cells 'setup', 't' were missing and put back.",
    )


def test_nothing_at_all_is_a_submission_without_answers(assignment: Assignment) -> None:
    assert ids(submitted([], assignment)) == IDS


def test_of_copies_the_first_counts_and_the_others_are_added(cells: Cells, assignment: Assignment) -> None:
    again = {**copy.deepcopy(cells[3]), "source": "f = None"}
    read = submitted([*cells[:4], again, *cells[4:]], assignment)
    assert ids(read) == [*IDS[:4], "added-1", *IDS[4:]]
    assert sources(read)["f"] == "f = abs"
    assert read.repairs == ("The cell 'f' was duplicated: only one copy counts.",)


def test_a_copy_above_does_not_take_the_place_of_the_cell(cells: Cells, assignment: Assignment) -> None:
    """As Jupyter copies: with nbgrader's metadata, and an id of its own."""
    above = {**copy.deepcopy(cells[3]), "id": "fresh", "source": "f = None"}
    read = submitted([above, *cells], assignment)
    assert ids(read) == ["fresh", *IDS]
    assert sources(read)["f"] == "f = abs"


def test_a_copy_without_ids_counts_where_the_course_has_it(cells: Cells, assignment: Assignment) -> None:
    without = [{key: value for key, value in c.items() if key != "id"} for c in cells]
    above = {**copy.deepcopy(without[3]), "source": "f = None"}
    assert sources(submitted([above, *without], assignment))["f"] == "f = abs"


def test_a_cell_cut_and_pasted_is_known_by_nbgraders_id(cells: Cells, assignment: Assignment) -> None:
    cells[3]["id"] = "pasted"
    read = submitted(cells, assignment)
    assert ids(read) == IDS
    assert sources(read)["f"] == "f = abs"
    assert read.repairs == ("The cell 'f' was renamed: the course's id counts.",)


def test_a_notebook_of_an_older_minor_version_has_no_ids(cells: Cells, assignment: Assignment) -> None:
    without = [{key: value for key, value in c.items() if key != "id"} for c in cells]
    read = submitted(without, assignment, nbformat_minor=4)
    assert ids(read) == IDS
    assert (read.repairs, sources(read)["f"]) == ((), "f = abs")


def test_moved_cells_go_back(cells: Cells, assignment: Assignment) -> None:
    test = cells.pop(4)
    read = submitted([test, *cells], assignment)
    assert ids(read) == IDS
    assert read.repairs == ("The cell 't' was moved and put back in place.",)
    assert ids(submitted(cells[::-1], assignment)) == IDS


def test_added_cells_stay_behind_the_cell_that_they_followed(cells: Cells, assignment: Assignment) -> None:
    helper, top, end = cell("h = 1", "helper"), cell("a = 1", "top"), cell("z = 1", "end")
    read = submitted([top, *cells[:4], helper, *cells[4:], end], assignment)
    assert ids(read) == ["top", *IDS[:4], "helper", *IDS[4:], "end"]
    assert {c.kind for c in read.cells if c.id in ("top", "helper", "end")} == {"added"}


def test_a_missing_test_runs_after_what_the_learner_added(cells: Cells, assignment: Assignment) -> None:
    """And a missing given cell before it, so that the learner's own has the last word."""
    own = cell("def h(x): return x", "own-h")
    kept = [c for c in cells if c["id"] not in ("g", "test-g")]
    read = submitted([*kept[:6], own, *kept[6:]], assignment)
    assert ids(read) == [*IDS[:7], "own-h", *IDS[7:]]


def test_a_cell_of_another_type_is_what_the_course_has(cells: Cells, assignment: Assignment) -> None:
    cells[3]["cell_type"], cells[8]["cell_type"], cells[0]["cell_type"] = "markdown", "code", "raw"
    read = submitted(cells, assignment)
    assert [c.cell_type for c in read.cells] == [c.cell_type for c in assignment.cells]
    assert read.repairs == ("The cells 'title', 'f', 'w' were changed to another type: the course's type counts.",)


def test_a_raw_cell_is_shown_as_it_was_typed(cells: Cells, assignment: Assignment) -> None:
    """nbconvert puts the text of raw cells into its page as HTML."""
    raw = {"cell_type": "raw", "id": "raw", "metadata": {}, "source": "<script>\n\nalert(1)"}
    added = submitted([*cells, raw], assignment).cells[-1]
    assert (added.cell_type, added.source) == ("markdown", "    <script>\n    \n    alert(1)\n")


def test_no_added_cell_has_the_id_of_another(cells: Cells, assignment: Assignment) -> None:
    strange: list[Any] = ["t", "same", "same", "a b", "", "x" * 65, None, 3, ["f"], "added-1", "\ud800"]
    extra = [{"cell_type": "code", "id": id, "metadata": {}, "source": ""} for id in strange]
    read = submitted([*cells, *extra], assignment)
    assert len(set(ids(read))) == len(read.cells) == len(IDS) + len(strange)
    own = [c.id for c in read.cells if c.kind == "added"]
    assert own[1] == "same"
    assert own[9] == "added-1"
    nbformat.validate(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(id=id) for id in own]))


def test_pictures_in_words_are_kept_if_they_are_pictures(cells: Cells, assignment: Assignment) -> None:
    cells[8]["attachments"] = {
        "good.png": {"image/png": PNG},
        "lie.png": {"image/png": base64.b64encode(b"<svg onload=alert(1)>").decode()},
        "page": {"text/html": "<script>"},
        "odd": 3,
    }
    assert submitted(cells, assignment).cells[8].attachments == {"good.png": {"image/png": PNG}}


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_run_in_place_against_trying_all(seed: int) -> None:
    rng = random.Random(seed)
    claimed = dict(enumerate(rng.sample(range(20), 8)))
    runs = [[n for n in range(8) if chosen >> n & 1] for chosen in range(256)]
    rising = [run for run in runs if [claimed[n] for n in run] == sorted(claimed[n] for n in run)]
    found = sorted(find_unmoved(claimed))
    assert found in rising
    assert len(found) == max(map(len, rising))


# ---- nbgrader's metadata ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"points": 100}, "points is 100"),
        ({"points": True}, "points is True"),
        ({"schema_version": 99}, "schema_version is 99"),
        ({"schema_version": "3"}, "schema_version is '3'"),
        ({"solution": True}, "solution is True"),
        ({"grade": False}, "grade is False"),
        ({"locked": [1]}, "locked is [1]"),
        ({"task": "\ud800"}, "task is '\\ud800'"),
        ({"grade_id": "f"}, "grade_id is 'f'"),
        ({"grade_id": None}, "grade_id is None"),
    ],
)
def test_forged_metadata_changes_nothing_and_is_told(
    change: dict[str, Any], told: str, cells: Cells, assignment: Assignment
) -> None:
    cells[4]["metadata"]["nbgrader"].update(change)
    read = submitted(cells, assignment)
    assert read.needs_review == (f"nbgrader's metadata of 't' was changed: {told}.",)
    assert "The cell 't' was handed in with changed nbgrader metadata: the course's metadata counts." in read.repairs
    assert [(c.id, c.kind, c.source) for c in read.cells] == [
        (own.id, own.kind, c["source"]) for own, c in zip(assignment.cells, cells)
    ]


@pytest.mark.parametrize("metadata", [None, 3, [], {}, {"nbgrader": 3}, {"nbgrader": None}])
def test_lost_metadata_is_mended(metadata: Any, cells: Cells, assignment: Assignment) -> None:
    for each in cells:
        each["metadata"] = metadata
    read = submitted(cells, assignment)
    assert ids(read) == IDS
    assert read.needs_review == ()
    assert read.repairs == (
        "The cells 'limit', 'f', 't', 'g', 'test-g' and 1 more were handed in "
        "without nbgrader's metadata: the course's metadata counts.",
    )


def test_a_made_up_test_gives_no_points_and_is_told(cells: Cells, assignment: Assignment) -> None:
    gift = cell("100", "gift", grade=True, points=100)
    read = submitted([*cells, gift], assignment)
    assert read.cells[-1].kind == "added"
    assert read.needs_review == ("1 cell that the course does not have claims points.",)


def test_older_metadata_of_nbgraders_is_no_forgery(cells: Cells, assignment: Assignment) -> None:
    cells[4]["metadata"]["nbgrader"]["schema_version"] = 1
    assert submitted(cells, assignment).needs_review == ()


# ---- bytes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_other_encodings_are_read_if_they_say_so(
    mark: bytes, encoding: str, cells: Cells, assignment: Assignment
) -> None:
    cells[8]["source"] = "Größe × 🙂"
    text = written(cells).decode()
    read = repair_notebook(mark + text.encode(encoding), assignment)
    assert isinstance(read, Submission)
    assert sources(read)["w"] == "Größe × 🙂"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "The notebook is empty."),
        (b" \n\t", "The notebook is empty."),
        (b'{"cells": [', "The notebook is not JSON (line 1): was it cut off?"),
        (b"PK\x03\x04", "The file is not a notebook, but a ZIP file."),
        (b"\x1f\x8b\x08{", "The file is not a notebook, but a gzip file."),
        (b"# %%\nneeds = {}", "The file is not a notebook: it has no list of cells."),
        (b"# %%\nneeds = {1: 2}", "The file is not a notebook: it begins with '# %%\\nneeds = {1: 2}'."),
        (b'{"cells": "\xe4"}', "The file is not a notebook: it has no list of cells."),
        (codecs.BOM_UTF16_LE + b"\x00", "The notebook is not text in UTF-16 (at byte 2)."),
        (b"[]", "The file is not a notebook: it has no list of cells."),
        (b"null", "The file is not a notebook: it has no list of cells."),
        (b'{"cells": {"0": {}}}', "The file is not a notebook: it has no list of cells."),
        (b"[" * 100_000, "The notebook is nested too deeply: more than 100 brackets within one another."),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "The notebook is nested too deeply: more than 100 brackets"),
        (
            b"[" + b"[]," * (MAX_LISTS_AND_OBJECTS + 1) + b"[]]",
            f"The notebook has more than {MAX_LISTS_AND_OBJECTS} lists and objects.",
        ),
        (b" " * (MAX_NOTEBOOK_BYTES + 1), "The notebook is larger than 20 MB without its outputs."),
        (
            written([{}] * (MAX_NOTEBOOK_CELLS + 1)),
            f"The notebook has {MAX_NOTEBOOK_CELLS + 1} cells; at most {MAX_NOTEBOOK_CELLS} are read.",
        ),
        (
            written([{"source": "x" * (MAX_CELL_CHARACTERS + 1)}]),
            f"A cell has {MAX_CELL_CHARACTERS + 1} characters; at most {MAX_CELL_CHARACTERS} are read.",
        ),
        (written([{"source": ["x" * MAX_CELL_CHARACTERS, "x"]}]), f"A cell has {MAX_CELL_CHARACTERS + 1} characters"),
    ],
)
def test_what_is_no_notebook_is_refused_with_a_sentence(raw: bytes, told: str, assignment: Assignment) -> None:
    assert refused(raw, assignment).startswith(told)


def test_brackets_in_strings_are_not_depth(cells: Cells, assignment: Assignment) -> None:
    cells[3]["source"] = '"\\"' + "[" * 1000 + '\\\\"' + "{" * 1000
    assert sources(submitted(cells, assignment))["f"] == cells[3]["source"]


def test_quotes_without_an_end_take_no_time(assignment: Assignment) -> None:
    started = time.process_time()
    for raw in (b'{"' + b'\\"' * 5_000_000, b'"' * 10_000_000, b"\\" * 10_000_000, b'["' + b"7" * 10_000_000):
        assert refused(raw, assignment)
    assert time.process_time() - started < 5


def test_huge_numbers_and_what_is_not_a_number_are_read(cells: Cells, assignment: Assignment) -> None:
    digits = "9" * 1_000_000
    text = written(cells).decode().replace('"metadata": {}', f'"metadata": {{"a": {digits}, "b": NaN, "c": 1e999}}', 1)
    started = time.process_time()
    assert isinstance(repair_notebook(text.encode(), assignment), Submission)
    assert time.process_time() - started < 1


def test_half_characters_and_zeros_do_not_reach_the_grader(cells: Cells, assignment: Assignment) -> None:
    cells[3]["source"] = "a\ud800b\x00c"
    found = sources(submitted(cells, assignment))["f"]
    assert found == "a\ufffdb\ufffdc"
    found.encode()


def test_sources_that_are_no_text(cells: Cells, assignment: Assignment) -> None:
    for one, source in zip((cells[3], cells[6], cells[8]), (3, {"a": 1}, ["good", None, ["bad"], "!"])):
        one["source"] = source
    read = submitted(cells, assignment)
    assert [sources(read)[name] for name in ("f", "g", "w")] == ["", "", "good!"]
    assert read.repairs == ("Cells whose source is not text were read as empty (3 times).",)


def test_what_is_no_cell_is_left_out(cells: Cells, assignment: Assignment) -> None:
    read = submitted([None, *cells, 3, [cells[3]], "f"], assignment)
    assert ids(read) == IDS
    assert read.repairs == ("Entries that are not cells were left out (4 times).",)


@pytest.mark.parametrize("version", [99, None, "4", 4.5, True, [4]])
def test_a_version_of_the_future_is_read_as_todays(version: Any, cells: Cells, assignment: Assignment) -> None:
    read = submitted(cells, assignment, nbformat=version)
    assert ids(read) == IDS
    assert read.repairs == (f"The notebook claims to be in nbformat {version!r}; it was read as nbformat 4.",)


def test_version_3_is_read_as_nbformat_upgrades_it(cells: Cells, assignment: Assignment) -> None:
    notebook = nbformat.from_dict(json.loads(written([*cells, cell("## Sub\ntext", "x", "markdown")])))
    old = nbformat.convert(notebook, 3)
    old.worksheets[0].cells.append(nbformat.v3.new_heading_cell("A heading", level=2))
    raw = json.dumps(old).encode()
    new = nbformat.convert(old, 4)
    read = repair_notebook(raw, assignment)
    assert isinstance(read, Submission)
    assert [(c.cell_type, c.source) for c in read.cells] == [(c.cell_type, c.source) for c in new.cells]
    assert read.repairs[0] == "The notebook is in nbformat 3 and was read as nbformat 4."


# ---- files ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, cells: Cells) -> Path:
    place = tmp_path / "submitted/ada/hw"
    place.mkdir(parents=True)
    (place / "hw.ipynb").write_bytes(written(cells))
    return place


def taken(folder: Path, assignment: Assignment) -> Submission:
    read = open_submission(folder, assignment)
    assert isinstance(read, Submission), read
    return read


def turned_away(folder: Path, assignment: Assignment) -> str:
    started = time.process_time()
    read = open_submission(folder, assignment)
    assert isinstance(read, RefusedSubmission)
    assert time.process_time() - started < 1
    return read.sentence


def test_a_folder_is_taken_in(folder: Path, assignment: Assignment) -> None:
    (folder / "timestamp.txt").write_text("2026-11-24 15:58:23.948203 UTC\n", encoding="utf-8")
    read = taken(folder, assignment)
    assert ids(read) == IDS
    assert read.timestamp == "2026-11-24 15:58:23.948203 UTC"
    assert read.repairs == ()


@pytest.mark.parametrize("content", [b"", b"soon", b"\xff", b"2026-11-24 15:58:23 UTC; rm -rf", b"9" * 1000])
def test_a_time_that_cannot_be_read_is_none(content: bytes, folder: Path, assignment: Assignment) -> None:
    (folder / "timestamp.txt").write_bytes(content)
    assert taken(folder, assignment).timestamp is None


def test_only_listed_files_come_along(folder: Path, assignment: Assignment) -> None:
    before = taken(folder, assignment)
    assert before.files == {"data.csv": b"given"}
    for name in ("numpy.py", "sitecustomize.py", "other.csv", "x.so"):
        (folder / name).write_text("import this", encoding="utf-8")
    assert taken(folder, assignment).files == before.files
    assert taken(folder, assignment).digest == before.digest
    (folder / "data.csv").write_text("mine", encoding="utf-8")
    after = taken(folder, assignment)
    assert after.files == {"data.csv": b"mine"}
    assert after.digest != before.digest


def test_the_digest_is_of_the_bytes(folder: Path, assignment: Assignment) -> None:
    first = taken(folder, assignment).digest
    assert taken(folder, assignment).digest == first
    with (folder / "hw.ipynb").open("ab") as file:
        file.write(b"\n")
    assert taken(folder, assignment).digest != first


def test_a_notebook_of_another_name_is_read_if_it_is_the_only_one(folder: Path, assignment: Assignment) -> None:
    (folder / "hw.ipynb").rename(folder / "hw (1).ipynb")
    read = taken(folder, assignment)
    assert read.repairs == ("The notebook is called 'hw (1).ipynb'; it was read as hw.ipynb.",)
    (folder / "b\u202e.ipynb").write_text("", encoding="utf-8")
    assert taken(folder, assignment).repairs[1] == "Only 'hw (1).ipynb' counts, not 'b\\u202e.ipynb'."


def test_the_rightly_named_of_several_notebooks_counts(folder: Path, assignment: Assignment) -> None:
    (folder / "hw-Copy1.ipynb").write_text("", encoding="utf-8")
    assert taken(folder, assignment).repairs == ("Only 'hw.ipynb' counts, not 'hw-Copy1.ipynb'.",)


def replaced_by(kind: str, path: Path, elsewhere: Path) -> None:
    path.unlink()
    if kind == "link":
        elsewhere.write_text("secret", encoding="utf-8")
        path.symlink_to(elsewhere)
    elif kind == "dangling link":
        path.symlink_to(elsewhere / "nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made_here:
            made_here.bind(str(path))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("link", "'hw.ipynb' is a symbolic link, not a file."),
        ("dangling link", "'hw.ipynb' is a symbolic link, not a file."),
        ("pipe", "'hw.ipynb' is a pipe, not a file."),
        ("folder", "'hw.ipynb' is a folder, not a file."),
        ("socket", "'hw.ipynb' is a socket, not a file."),
    ],
)
def test_only_a_plain_file_is_read(
    kind: str, told: str, folder: Path, assignment: Assignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # a socket's path must be short
    replaced_by(kind, Path("hw.ipynb"), tmp_path / "elsewhere")
    assert turned_away(folder, assignment) == told


def test_a_listed_file_must_be_plain_too(folder: Path, assignment: Assignment) -> None:
    (folder / "data.csv").symlink_to("/etc/passwd")
    assert turned_away(folder, assignment) == "'data.csv' is a symbolic link, not a file."


def test_a_device_is_not_opened() -> None:
    with (
        SafeFolder(Path("/dev")) as opened,
        pytest.raises(UnreadableSubmission, match=r"^'zero' is a device, not a file\.$"),
    ):
        opened.read_file("zero")


def test_no_folder_that_is_a_link_is_opened(folder: Path, assignment: Assignment, tmp_path: Path) -> None:
    (tmp_path / "submitted/eve").mkdir()
    (tmp_path / "submitted/eve/hw").symlink_to(folder)
    (tmp_path / "submitted/mallory").symlink_to(tmp_path / "submitted/ada")
    for student in ("eve", "mallory"):
        told = turned_away(tmp_path / "submitted" / student / "hw", assignment)
        assert told == "The submission's folder is a link or a file."


def test_what_is_not_there_is_told(folder: Path, assignment: Assignment, tmp_path: Path) -> None:
    assert turned_away(tmp_path / "submitted/bob/hw", assignment) == "There is no submission: the folder is missing."
    (folder / "hw.ipynb").unlink()
    assert turned_away(folder, assignment) == "There is no hw.ipynb in the submission: its folder is empty."


def test_a_file_is_read_no_further_than_its_limit(folder: Path, assignment: Assignment) -> None:
    with (folder / "hw.ipynb").open("wb") as file:
        file.truncate(10 * MAX_FILE_BYTES)  # sparse
    assert turned_away(folder, assignment) == "'hw.ipynb' is larger than 100 MB."


def test_an_unreadable_file_is_told(folder: Path, assignment: Assignment) -> None:
    (folder / "hw.ipynb").chmod(0)
    program = (
        "import os, sys, pickle; from pathlib import Path\n"
        "from nnkit_grader.intake.open_submission import open_submission\n"
        "folder, assignment = pickle.loads(sys.stdin.buffer.read())\n"
        "os.geteuid() or os.seteuid(65534)\n"
        "print(open_submission(Path(folder), assignment).sentence)"
    )
    for part in (folder, *folder.parents):  # pytest's own folders are for their owner only
        if os.geteuid() == 0 and os.stat(part).st_uid == 0 and part.is_relative_to("/tmp") and part != Path("/tmp"):
            part.chmod(0o755)
    packed = pickle.dumps((str(folder), assignment))
    ran = subprocess.run([sys.executable, "-c", program], input=packed, capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "'hw.ipynb' cannot be read: Permission denied."


# ---- all of it --------------------------------------------------------------------------------------


def test_1000_damaged_notebooks_each_end_in_a_submission_or_a_sentence(corpus_seed: int) -> None:
    name = release.list_assignments(ROOT)[0]
    assignment = load_assignment(ROOT, name)
    raw = (ROOT / "assignments" / name / f"{name}.ipynb").read_bytes()
    own = [c.id for c in assignment.cells]
    tests = {c.id: c.released for c in assignment.cells if c.kind == "test"}
    ends: dict[type, int] = {Submission: 0, RefusedSubmission: 0}
    for seed in range(corpus_seed, corpus_seed + 1000):
        read = repair_notebook(damaged(raw, seed), assignment)
        ends[type(read)] += 1
        if isinstance(read, RefusedSubmission):
            assert one_sentence(read.sentence), (seed, read.sentence)
            continue
        assert all(one_sentence(told) for told in (*read.repairs, *read.needs_review, *read.doubts.values())), seed
        assert [c.id for c in read.cells if c.kind != "added"] == own, seed
        assert len({c.id for c in read.cells}) == len(read.cells), seed
        assert {c.id: c.source for c in read.cells if c.kind == "test"} == tests, seed
        json.dumps([c.source for c in read.cells], ensure_ascii=False).encode()
    assert min(ends.values()) > 200, ends


def one_sentence(told: str) -> bool:
    return told.isprintable() and told.endswith((".", "?")) and len(told) < 400


def test_a_submission_is_taken_in_within_hundredths_of_a_second(tmp_path: Path) -> None:
    name = release.list_assignments(ROOT)[0]
    assignment = load_assignment(ROOT, name)
    place = tmp_path / "ada" / name
    place.mkdir(parents=True)
    (place / f"{name}.ipynb").write_bytes((ROOT / "assignments" / name / f"{name}.ipynb").read_bytes())
    times = []
    for _ in range(20):
        started = time.process_time()
        taken(place, assignment)
        times.append(time.process_time() - started)
    assert min(times) < 0.05, times
