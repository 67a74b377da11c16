"""Verdicts as they are shown: as text, as HTML, as JSON, and as the traceback of a failed assert."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from helpers.paths import ROOT
from nnkit.check import check_gradient, check_value, set_lecture
from nnkit.check.error_map import ErrorMap, aligned, two_numbers
from nnkit.check.verdict import Entry, Verdict, WrongDerivative

HOSTILE = "<script>alert('&\"')</script>\x1b[31m\x00\ud800\u202e]]>"
HINTS = ("What is the derivative of a difference?", "The second input gets −upstream.")
GOOD_TAGS = {
    *("div", "span", "b", "code", "details", "summary"),
    *("figure", "figcaption", "table", "tbody", "tr", "th", "td"),
}


def error_map(yours: Any, expected: Any, name: str = "dw") -> ErrorMap:
    yours, expected = np.asarray(yours, float), np.asarray(expected, float)
    return ErrorMap.of(name, yours, expected, ~np.isclose(yours, expected, rtol=1e-9, atol=0))


def wrong(yours: Any, expected: Any, name: str = "dw", **fields: Any) -> Verdict:
    """A verdict on two arrays, with the first two wrong entries of its map."""
    found = error_map(yours, expected, name)
    rows = range(len(found.wrong))
    places = [(r, c) for r in rows for c in range(len(found.wrong[r])) if found.wrong[r][c]][:2]
    entries = tuple(Entry(found.place(r, c), found.yours[r][c], found.expected[r][c]) for r, c in places)
    told = {"subject": "Affine.backward", "headline": f"{name} is wrong.", "hints": HINTS, "lesson": "lecture 4"}
    return Verdict(status="wrong", entries=entries, error_map=found, **{**told, **fields})


def one_off(shape: tuple[int, ...], at: tuple[int, ...], by: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    expected = 1 + np.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    yours = expected.copy()
    yours[at] += by
    return yours, expected


VERDICTS = {
    "right": Verdict("Multiply.backward", "right", "dx and dy agree.", notes=("1 point sits on a kink.",)),
    "not attempted": Verdict("backward", "not attempted", "it is still to be written."),
    "error": Verdict("loss", "error", "it raised ValueError.", notes=("line 3:\n    return x / 0",)),
    "0-d": wrong(-2.0, 2.0),
    "1-d": wrong(*one_off((3,), (1,))),
    "2-d": wrong(*one_off((3, 4), (1, 2)), mistakes=("sign", "factor-2")),
    "3-d": wrong(*one_off((2, 3, 4), (1, 0, 2))),
    "a long vector": wrong(*one_off((50,), (20,))),
    "a column": wrong(*one_off((50, 1), (20, 0))),
    "blocks": wrong(*one_off((40, 20), (17, 3))),
    "a window": wrong(*one_off((200, 70), (150, 69))),
    "empty": wrong(np.zeros((0, 3)), np.zeros((0, 3))),
    "nan": wrong([np.nan, np.inf, 1.0], [1.0, 2.0, -np.inf], largest_error=np.inf),
    "hostile": wrong(
        *([1.0, 2.0], [1.0, 3.0], HOSTILE),
        **{"subject": HOSTILE, "headline": HOSTILE, "lesson": HOSTILE},
        **{"hints": (HOSTILE, HOSTILE), "notes": (HOSTILE,), "where": HOSTILE, "mistakes": (HOSTILE,)},
    ),
}
every_verdict = pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS.keys())


def parsed(verdict: Verdict) -> ElementTree.Element:
    return ElementTree.fromstring(verdict._repr_html_())


def text_of(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-12, 0.731058579, 1.0, 1234567.0, 1e300])
@pytest.mark.parametrize("error", [1e-6, 1e-9, 1e-15])
def test_a_small_error_is_seen(scale: float, error: float) -> None:
    yours, expected = two_numbers(scale * (1 + error), scale)
    assert yours != expected


def test_numbers_are_no_longer_than_they_must_be() -> None:
    assert two_numbers(0.1 + 0.2, 0.4) == ("0.3", "0.4")
    assert two_numbers(1 / 3, 2 / 3) == ("0.333333", "0.666667")
    assert two_numbers(1.0, 1.0) == ("1", "1")
    assert two_numbers(float("nan"), -0.0) == ("nan", "0")


def test_decimal_points_stand_below_one_another() -> None:
    assert aligned(["1.25", "-10", "nan", "2e-07", "inf"]) == ["  1.25 ", "-10    ", "nan    ", "  2e-07", "inf    "]


# -- the map ---------------------------------------------------------------------------------------


def test_a_map_of_any_rank_knows_its_places() -> None:
    assert error_map(1.0, 2.0).place(0, 0) == "dw"
    assert error_map([1.0, 2.0], [1.0, 3.0]).place(0, 1) == "dw[1]"
    assert error_map(*one_off((2, 3, 4), (1, 0, 2))).place(3, 2) == "dw[1, 0, 2]"
    assert [c.where for c in error_map(*one_off((2, 3, 4), (1, 0, 2))).grid().cells if c.wrong] == ["dw[1, 0, 2]"]


def test_a_large_array_is_cropped_to_the_first_wrong_entry() -> None:
    found = error_map(*one_off((200, 70), (150, 69)))
    assert (len(found.wrong), len(found.wrong[0])) == (64, 64)
    assert (found.start, found.wrongs, found.whole) == ((128, 6), 1, False)
    assert found.place(150 - 128, 69 - 6) == "dw[150, 69]"
    assert found.yours[150 - 128][69 - 6] == found.expected[150 - 128][69 - 6] + 1


def test_blocks_cover_every_entry_once_and_tell_where_they_are() -> None:
    grid = error_map(*one_off((40, 20), (17, 3))).grid()
    assert grid.block == (3, 2)
    assert sum(cell.entries for cell in grid.cells) == 800
    assert len(grid.rows) <= 16
    assert all(len(row) <= 16 for row in grid.rows)
    assert [cell.words() for cell in grid.cells if cell.wrong] == [
        "dw[15, 2] to dw[17, 3]: 1 of 6 entries wrong, the first: yours 345, expected 344"
    ]


@pytest.mark.parametrize("shape", [(50,), (50, 1), (1, 50)])
def test_a_long_vector_is_wrapped_and_not_shown_in_blocks(shape: tuple[int, ...]) -> None:
    grid = error_map(*one_off(shape, tuple(min(20, n - 1) for n in shape))).grid()
    assert [len(row) for row in grid.rows] == [16, 16, 16, 2]
    assert grid.row_labels == ("0+", "16+", "32+", "48+")
    assert [cell.mark for cell in grid.cells].index("✗") == 20


def test_marks_tell_wrong_from_not_a_number() -> None:
    marks = [cell.mark for cell in error_map([1, 2, np.nan, np.inf], [1, 3, 1, 1]).grid().cells]
    assert marks == ["·", "✗", "!", "!"]


# -- text ------------------------------------------------------------------------------------------


def test_the_text_says_everything_in_order() -> None:
    yours, expected = one_off((2, 3), (1, 2), by=1e-6)
    yours[0, 1] = -10
    verdict = wrong(yours, expected, notes=("1 point sits on a kink.",))
    assert (
        str(verdict)
        == """\
✗ Affine.backward: dw is wrong.
    entry          yours  expected
    dw[0, 1]  -10                2
    dw[1, 2]    6.000001         6
  dw (2, 3): 2 of 6 entries wrong   (· right, ✗ wrong)
       0 1 2
    0  · ✗ ·
    1  · · ✗
  1 point sits on a kink.
  Lesson: lecture 4
  Hint: What is the derivative of a difference?
  More: The second input gets −upstream."""
    )


@pytest.mark.parametrize(("kind", "map_shown"), [("0-d", False), ("1-d", False), ("2-d", True), ("a column", True)])
def test_the_text_has_a_map_where_it_helps(kind: str, map_shown: bool) -> None:
    assert ("(· right, ✗ wrong)" in str(VERDICTS[kind])) == map_shown


def test_a_map_of_one_mark_is_said_in_words() -> None:
    text = str(wrong(np.zeros((9, 9)), np.ones((9, 9))))
    assert "dw (9, 9): 81 of 81 entries wrong." in text
    assert text.count("✗") == 1


def test_the_text_of_a_large_array_says_which_part_it_shows() -> None:
    text = str(VERDICTS["a window"])
    assert "the part from dw[128, 6] to dw[191, 69]" in text
    assert "Each mark stands for 4 × 4 entries" in text
    assert text.count("✗") == 4  # the headline, the legend, the map, the explanation of blocks


@every_verdict
def test_no_text_can_command_a_terminal(verdict: Verdict) -> None:
    text = str(verdict)
    assert text == repr(verdict)
    assert not {"\x1b", "\x00", "\u202e"} & set(text)
    text.encode()
    assert "\n" not in verdict.first_line()


# -- HTML ------------------------------------------------------------------------------------------


@every_verdict
def test_the_html_is_xml_of_plain_tags_and_inline_styles(verdict: Verdict) -> None:
    card = parsed(verdict)
    assert {element.tag for element in card.iter()} <= GOOD_TAGS
    attributes = {name for element in card.iter() for name in element.attrib}
    assert attributes <= {"class", "style", "title", "aria-label", "scope"}
    styles = " ".join(element.get("style", "") for element in card.iter())
    assert "url(" not in styles
    words = text_of(card).replace("\n", " ")
    assert verdict.first_line().partition(" ")[2] in words
    assert all(" ".join(note.split())[:20] in " ".join(words.split()) for note in verdict.notes if note != HOSTILE)


@every_verdict
def test_a_map_never_speaks_by_colour_alone(verdict: Verdict) -> None:
    for cell in parsed(verdict).iter("td"):
        if "background" in cell.get("style", ""):
            assert cell.text in "✗!"
            assert "wrong" in cell.get("title", "")
            assert cell.get("title") == cell.get("aria-label")


def test_a_cell_tells_its_numbers() -> None:
    titles = [cell.get("title") for cell in parsed(VERDICTS["3-d"]).iter("td") if cell.get("title")]
    assert titles == ["dw[1, 0, 2] is wrong: yours 16, expected 15"]


def test_a_cell_is_stronger_where_the_error_is_larger() -> None:
    cells = list(parsed(wrong([1.0, 1.05, 1.3, 1.001, 1.0 + 1], [0.0 + 1, 1, 1, 1, 1])).iter("td"))
    sizes = [cell.get("style", "").partition("font-size:")[2][:2] for cell in cells if cell.get("title")]
    assert sizes == ["11", "14", "9p", "17"]


@every_verdict
def test_hints_are_folded_each_within_the_one_before(verdict: Verdict) -> None:
    card, hints = parsed(verdict), len(verdict.hints)
    found = list(card.iter("details"))
    assert len(found) == hints
    assert all("open" not in details.attrib for details in found)
    assert len(card.findall(".//details//details")) == max(hints - 1, 0)
    assert [text_of(details[0]) for details in found] == ["Hint", "Another hint"][:hints]
    assert all(details[0].tag == "summary" for details in found)


def test_the_html_has_the_table_of_the_text() -> None:
    html = " ".join(text_of(parsed(VERDICTS["2-d"])).split())
    assert "First wrong entries" not in html  # there is one
    assert all(word in html for word in ("yours", "expected", "dw[1, 2]", "8", "7", "Lesson: lecture 4"))


def test_an_explanation_comes_before_the_lesson_and_the_hints() -> None:
    verdict = wrong(*one_off((2, 3), (1, 2)), explanation=("A difference has slope -1.",), notes=("At x = 2.",))
    parts = ("A difference has slope -1.", "At x = 2.", "Lesson:", HINTS[0], HINTS[1])
    for shown in (str(verdict), text_of(parsed(verdict))):
        places = [shown.index(part) for part in parts]
        assert places == sorted(places)
    assert verdict.to_dict()["explanation"] == ["A difference has slope -1."]


def test_the_html_stays_small() -> None:
    worst = wrong(np.random.default_rng(0).normal(size=(64, 64)), np.zeros((64, 64)))
    assert len(worst._repr_html_()) < 100_000


# -- JSON ------------------------------------------------------------------------------------------


@every_verdict
def test_json_is_strict_fits_the_schema_and_is_read_back(verdict: Verdict) -> None:
    schema = json.loads(files("nnkit.check").joinpath("verdict.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.dumps(verdict.to_dict(), allow_nan=False)
    jsonschema.Draft202012Validator(schema).validate(json.loads(written))
    again = Verdict.from_dict(json.loads(written))
    assert again.to_dict() == verdict.to_dict()
    assert str(again) == str(verdict)
    assert again._repr_html_() == verdict._repr_html_()


def test_the_schema_refuses_what_is_no_verdict() -> None:
    schema = json.loads(files("nnkit.check").joinpath("verdict.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    good = VERDICTS["2-d"].to_dict()
    for change in ({"status": "fine"}, {"passed": True}, {"largest_error": 0.5}, {"entries": None}, {"more": 1}):
        assert not validator.is_valid({**good, **change})
    assert not validator.is_valid({key: good[key] for key in good if key != "lesson"})


def test_numpy_scalars_are_written_as_numbers() -> None:
    verdict = Verdict("f", "wrong", "wrong.", np.float64(0.5), entries=(Entry("x", np.float32(1.5), np.float64(2.0)),))  # type: ignore[arg-type]
    assert verdict.to_dict()["largest_error"] == "0.5"
    assert verdict.to_dict()["entries"] == [{"where": "x", "yours": "1.5", "expected": "2.0"}]


def test_the_example_in_the_guide_is_a_verdict() -> None:
    guide = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
    example = json.loads(guide.partition("```json\n")[2].partition("```")[0])
    verdict = Verdict.from_dict(example)
    assert verdict.to_dict() == example
    assert guide.partition("```text\n")[2].partition("```")[0].strip() == str(verdict)


# -- the traceback ---------------------------------------------------------------------------------


def raised(verdict: Verdict) -> WrongDerivative:
    with pytest.raises(WrongDerivative) as caught:
        assert verdict
    return caught.value


def test_outside_a_notebook_the_traceback_is_the_text() -> None:
    verdict = VERDICTS["2-d"]
    assert raised(verdict)._render_traceback_() == str(verdict).splitlines()


def test_a_verdict_that_cannot_be_displayed_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised(VERDICTS["2-d"])

    def fail(self: object) -> bool:
        raise RuntimeError

    monkeypatch.setattr(WrongDerivative, "_shown_in_notebook", fail)
    assert error._render_traceback_() == str(error).splitlines()


def test_the_error_survives_a_pickle() -> None:
    error = raised(VERDICTS["2-d"])
    assert pickle.loads(pickle.dumps(error)).verdict == error.verdict


CELL = """
from nnkit.check.verdict import Verdict
assert Verdict("Subtract.backward", "wrong", "dy is wrong.", hints=("Mind the minus.", "It is −upstream."))
"""


def test_ipython_in_a_terminal_prints_the_text_once(tmp_path: Path) -> None:
    script = tmp_path / "cell.ipy"
    script.write_text(CELL, encoding="utf-8")
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", f"--ipython-dir={tmp_path}"]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, check=False, timeout=600)
    output = done.stdout + done.stderr
    assert [output.count(line) for line in ("dy is wrong.", "Mind the minus.", "It is −upstream.")] == [1, 1, 1]


def test_a_kernel_displays_the_card_once_and_nbgrader_sees_an_error() -> None:
    import nbformat
    from nbgrader.utils import determine_grade

    from helpers.kernels import Client

    marks = {"grade": True, "solution": False, "locked": True, "points": 2, "grade_id": "a", "schema_version": 3}
    notebook = nbformat.v4.new_notebook()
    for code in (CELL, CELL + "\nprint('never')"):
        notebook.cells.append(nbformat.v4.new_code_cell(code, metadata={"nbgrader": marks}))
    Client(notebook, allow_errors=True, timeout=600, kernel_name="python3").execute()
    for cell in notebook.cells:
        assert [output.output_type for output in cell.outputs] == ["display_data", "error"]
        card, error = cell.outputs
        ElementTree.fromstring(card.data["text/html"])
        assert card.data["text/plain"].endswith("More: It is −upstream.")
        assert error.ename == "WrongDerivative"
        assert error.traceback == ["✗ Subtract.backward: dy is wrong."]
        assert determine_grade(cell) == (0, 2)


def test_a_course_says_where_a_wrong_value_is_explained() -> None:
    lesson = "lecture 03, Broadcasting and the bias"
    assert check_value([1.0, 3.0], [1, 2], lesson=lesson).lesson == lesson
    assert check_value(1.0, [1, 2], lesson=lesson).lesson == lesson
    assert check_value([1.0, 3.0], [1, 2]).lesson == "lecture 00, Predict, then run"
    assert check_value(lambda: 1 / 0, 1, lesson=lesson).lesson != lesson  # what it raised has a lesson of its own
    assert not check_value(2, 2, lesson=lesson).lesson


def test_the_lessons_of_later_lectures_are_marked() -> None:
    def ask() -> str:
        return check_gradient(lambda x: (np.sum(x**2), x.sum()), np.array([1.0, 2.0])).lesson

    lesson = ask()
    try:
        set_lecture(0)
        assert ask() == f"{lesson} (comes later)"
        set_lecture(1)
        assert ask() == lesson
    finally:
        set_lecture(math.inf)
