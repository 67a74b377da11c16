"""The examiner on a real sandbox: scores are those of an ordinary kernel, and a failure costs only its own points."""

import json
import random
import textwrap
from dataclasses import replace
from functools import partial

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers.cell_values import ANSWER, CELL_ENDS, POINTS
from helpers.cell_values import SETUP as VALUES
from helpers.machines import busy
from helpers.paths import ROOT
from helpers.sandboxes import FOR_EVER
from nnkit.check.context import checking
from nnkit.check.notebook.command import check_notebook
from nnkit.check.notebook.runner import run
from nnkit.check.points import earn_points
from nnkit_grader.conversations.memory import ConversationMemory
from nnkit_grader.conversations.tree import ConversationTree
from nnkit_grader.course import assignment as assignments
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_operators
from nnkit_grader.course.planted_answers import read_answers
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission, refuse_submission
from nnkit_grader.examiner.run_cell import reseed_generators
from nnkit_grader.intake.submission import RefusedSubmission, Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.record.results import Result
from nnkit_grader.sandbox import Child, Limits, choose_sandbox

FILES = {"tables/two.csv": b"1,2", "course_helpers.py": b"def triple(x): return 3 * x"}
SECONDS = TimeLimits(cell=2.0, whole=60.0)
SETUP = """
    import numpy as np
    from nnkit.check import check_backward, check_gradient, check_value, partial_credit
    rng = np.random.default_rng(0)
"""
DOUBLE = """
    class Double:
        def forward(self, x):
            return 2 * x, None
        def backward(self, upstream, cache):
            return 2 * upstream
"""
TEST_DOUBLE = "assert check_backward(Double(), rng.normal(size=3), of=lambda x: 2 * x)"


@pytest.fixture(scope="module")
def sandbox():
    with choose_sandbox() as made:
        yield made


@pytest.fixture
def graded(sandbox):
    """Grade one submission: cells of the course as (id, kind, source), and the learner's versions by id."""
    start = partial(sandbox.start, Limits(turn=FOR_EVER))

    def grade(cells, answers=(), seed=1, seconds=SECONDS, order=(), added=()):
        made = tuple(map(_course_cell, cells))
        operators = frozenset().union(*(find_operators(c.source) for c in made if c.kind == "answer"))
        course = Assignment("ps", "ps", made, {"data.txt": b"7"}, course_files=FILES, operators=operators)
        answers = {name: textwrap.dedent(source) for name, source in dict(answers).items()}
        theirs = [SubmittedCell(c.id, c.kind, c.cell_type, answers.get(c.id, c.released)) for c in course.cells]
        theirs[:0] = [SubmittedCell(f"added-{i}", "added", "code", textwrap.dedent(s)) for i, s in enumerate(added)]
        return examine_submission(course, Submission(tuple(theirs), files=course.files), start, seed, seconds)

    return grade


def _course_cell(cell):
    name, kind, source = cell
    text = textwrap.dedent(source)
    points = 4.0 if kind == "test" else 0.0
    released = text.partition("### BEGIN")[0]
    return CourseCell(name, name, kind, text, released, points, "code", inside="nnkit: inside" in text)


def cell(result, name):
    return next(c for c in result.cells if c.id == name)


def one(answer, test, **options):
    """Return the cells of a course with a single exercise."""
    return [("setup", "given", SETUP), ("answer", "answer", answer), ("test", "test", test)]


def test_a_right_answer_gets_its_points(graded):
    result = graded(one(DOUBLE, TEST_DOUBLE))
    assert result.scores() == {"test": 4.0}
    assert cell(result, "test").outputs[0]["text"].startswith("✓ Double.backward")
    assert result.events == ()


VECTOR = """
    class Vector:
        '''A pair of numbers.'''
        def __init__(self, *parts): self.parts = parts
        def __eq__(self, other): return self.parts == other.parts
        def __add__(self, other): return Vector(*(a + b for a, b in zip(self.parts, other.parts)))
        def __mul__(self, factor): return Vector(*(factor * a for a in self.parts))
        __rmul__ = __mul__
        def __lt__(self, other): return self.parts < other.parts
        def __len__(self): return len(self.parts)
        def __getitem__(self, i): return self.parts[i]
        def __repr__(self): return f"Vector{self.parts}"
        def __contains__(self, x): return x in self.parts
        def __enter__(self): return self
        def __exit__(self, *_): pass
        def itself(self): return self
    class Pair(Vector): pass
"""
SQUARES = """
    def square(x): return x * x
    def squares(n): return [square(i) for i in range(n)]
    def shout(word): print(word.upper())
"""
VECTOR_TESTS = (
    "a, b = Vector(1, 2), Vector(3, 4)\nassert a + b == Vector(4, 6)\nassert 2 * a == a * 2 == Vector(2, 4)",
    "a, b = Vector(1, 2), Vector(1, 3)\nassert a != b\nassert a < b\nassert sorted([Vector(2), Vector(1)])[0][0] == 1",
    "assert repr(Vector(1, 2)) == str(Vector(1, 2)) == f'{Vector(1, 2)}' == 'Vector(1, 2)'",
    "a = Vector(1, 2)\nassert 2 in a\nassert 5 not in a\nassert list(a) == [1, 2]\nassert len(a) == 2",
    "assert isinstance(Vector(1), Vector)\nassert isinstance(Pair(1), Vector)\nassert not isinstance(Vector(1), Pair)",
    "assert issubclass(Pair, Vector)\nassert not isinstance(3, Vector)\na = Vector(1)\nassert a.itself() is a",
    "with Vector(1, 2) as a:\n    assert a.parts == (1, 2)\nassert Vector.__doc__ == 'A pair of numbers.'",
    "a = b = Vector(1)\na += Vector(2)\nassert a == Vector(3)\nassert b == Vector(1)",
)
SQUARES_TESTS = (
    """
    kept = square
    del square
    try:
        squares(3)
    except NameError:
        pass
    else:
        raise AssertionError("squares does not use square")
    finally:
        square = kept
    assert squares(3) == [0, 1, 4]
    """,
    """
    from unittest.mock import patch
    with patch("__main__.square", return_value=7) as fake:
        assert squares(2) == [7, 7]
    assert fake.call_count == 2
    assert squares(2) == [0, 1]
    """,
    """
    import inspect
    assert "for" in inspect.getsource(squares)
    assert "square" in globals() and "cube" not in globals()
    """,
    """
    import contextlib, io
    with contextlib.redirect_stdout(io.StringIO()) as heard:
        shout("hi")
    assert heard.getvalue() == "HI\\n"
    """,
    "def square(x): return 5\nassert squares(2) == [5, 5]",
    "assert squares(2) == [0, 1]",
)


@pytest.mark.parametrize(
    ("answer", "tests"), [(VECTOR, VECTOR_TESTS), (SQUARES, SQUARES_TESTS)], ids=["class", "names"]
)
def test_what_a_test_may_do_with_the_learners_objects_and_names(graded, answer, tests):
    names = [f"test-{number}" for number in range(len(tests))]
    cells = [("answer", "answer", answer), *((name, "test", test) for name, test in zip(names, tests))]
    result = graded(cells)
    assert {c.id: c.trouble for c in result.cells if c.trouble} == {}
    assert result.scores() == dict.fromkeys(names, 4.0)
    wrong = answer.replace("a + b for", "a - b for").replace("x * x", "x").replace("upper", "lower")
    assert graded(cells, {"answer": wrong}).score < result.score


CHEAT = """
    class Any:
        def __eq__(self, other): return True
        __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __eq__
        def __sub__(self, other): return self
        __add__ = __abs__ = __sub__
        def __float__(self): return 4.0
        def __instancecheck__(self, other): return True
    def double(x): return Any()
"""


@pytest.mark.parametrize("kind", ["plain", "vector"])
@pytest.mark.parametrize(
    "test", ["assert double(2) == 4", "assert abs(double(2) - 4) < 1e-9", "assert [double(2)] == [4]"]
)
def test_an_object_that_claims_to_be_what_a_test_expects_gains_nothing(graded, kind, test):
    course = [("answer", "answer", (VECTOR if kind == "vector" else "") + "    def double(x): return 2 * x")]
    cells = [*course, ("test", "test", test)]
    assert graded(cells).score == 4.0
    assert graded(cells, {"answer": CHEAT}).score == 0.0


def test_a_test_finds_files_and_modules_of_the_course_and_knows_who_runs_it(graded):
    answer = (
        "from course_helpers import triple\ntotal = triple(sum(map(int, open('tables/two.csv').read().split(','))))"
    )
    test = """
        import os
        from course_helpers import triple
        assert open("data.txt").read() == "7" and open("tables/two.csv").read() == "1,2"
        assert total == triple(3) and os.environ["NBGRADER_EXECUTION"] == "autograde"
    """
    assert graded(one(answer, test)).score == 4.0
    assert graded(one(answer, "### nnkit: inside\n" + textwrap.dedent(test))).score == 4.0


def test_a_test_inside_runs_beside_the_learners_code_as_in_nbgrader(graded):
    """A generator's frame, a subclass of the learner's class and its exceptions do not leave their process."""
    answer = "class Broke(Exception): pass\ndef pay():\n    raise Broke\nclass Purse:\n    def open(self): return 2"
    test = """
        # nnkit: inside
        class Big(Purse):
            def open(self): return 2 * super().open()
        try:
            pay()
        except Broke as fault:
            assert type(fault) is Broke
        Big().open() - 1
    """
    after = ("test-after", "test", "assert Big().open() == 4")
    result = graded([*one(answer, test), after])
    assert result.scores() == {"test": 3.0, "test-after": 4.0}
    wrong = graded([*one(answer, test), after], {"answer": answer.replace("return 2", "return 'no'")})
    assert wrong.scores() == {"test": 0.0, "test-after": 0.0}
    assert "TypeError" in cell(wrong, "test").trouble
    ended = one(answer, "# nnkit: inside\nimport os\nos._exit(0)")
    lost = graded([*ended, ("t", "test", "assert Purse().open() == 2")])
    assert lost.scores() == {"test": 0.0, "t": 4.0}


@pytest.mark.parametrize(
    "data",
    ["x = np.random.default_rng(0).normal(size=3)", "np.random.seed(4)\nx = np.random.rand(3)", "x = rng.random(3)"],
)
def test_numbers_that_a_given_cell_draws_are_the_same_for_the_answer_and_its_test(graded, data):
    given = [("setup", "given", SETUP), ("data", "given", data), ("more", "given", "y = rng.normal()")]
    cells = [*given, ("answer", "answer", "mean = x.mean() + y"), ("test", "test", "assert mean == x.mean() + y")]
    assert graded(cells).score == 4.0
    guessed = "assert np.random.default_rng(3).random() == 0.08564916714362436"
    guessed_next = "assert rng.random() in np.random.default_rng(0).random(9)"
    tests = [("test", "test", guessed), ("next", "test", guessed_next)]
    assert graded([*cells[:-1], *tests]).score == 0.0


def test_a_source_with_stubs_only_grades(graded):
    """Its author's cells bind no name of the learner's; `square` is one all the same, and `np` is not."""
    stub = "# YOUR CODE HERE\nraise NotImplementedError()"
    test = "import numpy as np\nassert square(3) == 9 and np.square(4) == 16\nlen([x for x in (total, 2) if x])"
    cells = one(stub, test)
    assert graded(cells, {"answer": "def square(x): return x * x\ntotal = 1"}).score == 2.0
    assert graded(cells, {"answer": "def square(x): return x\ntotal = 1"}).score == 0.0
    assert graded(cells).score == 0.0
    cheat = "class np:\n    square = lambda x: 16\ndef square(x): return 9\ndef len(x): return 4\ntotal = 0"
    assert graded(cells, {"answer": cheat}).score == 1.0


def test_a_wrong_answer_gets_none_and_its_mistake_is_named(graded):
    result = graded(one(DOUBLE, TEST_DOUBLE), {"answer": DOUBLE.replace("return 2 * upstream", "return -2 * upstream")})
    assert result.score == 0.0
    (verdict,) = cell(result, "test").verdicts
    assert verdict["mistakes"] == ["sign"]
    kinds = [output["output_type"] for output in cell(result, "test").outputs]
    assert kinds == ["display_data", "error"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "NameError: name 'Double' is not defined"),
        ("class Double:\n    def forward(self, x): return 2 * x,", "AttributeError"),
        ("def Double(:", "NameError: name 'Double' is not defined"),
        ("Double = 3", "TypeError"),
        ("raise SystemExit", "NameError: name 'Double' is not defined"),
        ("del Double", "NameError: name 'Double' is not defined"),
    ],
    ids=["missing", "half", "no Python", "a number", "exit", "deleted"],
)
def test_an_answer_that_is_none_costs_its_own_points(graded, answer, told):
    cells = [*one(DOUBLE, TEST_DOUBLE), ("more", "answer", "seven = 7"), ("test-more", "test", "assert seven == 7")]
    result = graded(cells, {"answer": answer})
    assert result.scores() == {"test": 0.0, "test-more": 4.0}
    said = cell(result, "test").trouble or cell(result, "test").verdicts[0]["headline"]
    assert told in said or "has no method 'backward'" in said


COMPUTES = "def seven():\n    import time\n    while time.process_time() < 0.6: pass\n    return 7"


@pytest.mark.slow
@pytest.mark.parametrize("counted", [True, False])
def test_a_busy_machine_costs_no_points(graded, monkeypatch, counted):
    """Time spent waiting for the machine does not count; otherwise this answer would be too slow."""
    if not counted:
        monkeypatch.setattr(Child, "measure_wait", lambda self: 0.0)
    longer = COMPUTES.replace("0.6", "1.0")  # the examiner waits as well, and for that there is room up to the limit
    with busy():
        result = graded(one(longer, "assert seven() == 7"), seconds=TimeLimits(cell=1.8, whole=30.0))
    assert result.score == (4.0 if counted else 0.0)


@pytest.mark.slow
def test_a_busy_machine_costs_no_points_while_a_test_computes(graded):
    """A checker of a learner's calls functions of the test, which wait for the machine too."""
    burning = COMPUTES.replace("time.process_time() < 0.6", "time.process_time() < start + 0.6").replace(
        "    while", "    start = time.process_time()\n    while"
    )
    with busy():
        cells = one("def call(f):\n    return f()", f"{burning}\n\nassert call(seven) == 7")
        result = graded(cells, seconds=TimeLimits(cell=1.1, whole=30.0))
    assert result.score == 4.0


@pytest.mark.slow
def test_a_checks_own_limit_goes_by_the_same_clock(graded):
    slow = COMPUTES.replace("seven()", "seven(x)").replace("return 7", "return x, 1.0")
    with busy(), checking(seconds=1.2):
        result = graded(one(slow, "assert check_gradient(seven, 2.0)"), seconds=TimeLimits(cell=10.0, whole=30.0))
    assert result.score == 4.0


def test_partial_credit_is_the_last_expression(graded):
    half = "partial_credit(4, check_value(a, 1), check_value(b, 2))"
    result = graded(one("a, b = 1, 2", half), {"answer": "a, b = 1, 3"})
    assert result.score == 2.0
    assert cell(result, "test").outputs[-1]["data"]["text/plain"] == "2.0"


def test_a_test_cell_gives_the_same_points_as_nnkit_check(graded, tmp_path):
    """For every value that it can end with, through both commands' own paths."""
    tests = {f"test-{number}": end.source for number, end in enumerate(CELL_ENDS)}
    course = [("setup", "given", VALUES), ("answer", "answer", ANSWER)]
    result = graded([*course, *((name, "test", source) for name, source in tests.items())])
    cells = [new_code_cell(VALUES), new_code_cell(ANSWER)]
    for name, source in tests.items():
        mark = {
            "grade": True,
            "solution": False,
            "grade_id": name,
            "points": POINTS,
            "locked": True,
            "schema_version": 3,
        }
        cells.append(new_code_cell(source, metadata={"nbgrader": mark}))
    nbformat.write(new_notebook(cells=cells), tmp_path / "values.ipynb")
    checked = {row.exercise.id: row.points for row in check_notebook(tmp_path / "values.ipynb").results}
    assert result.scores() == checked == {f"test-{number}": end.points for number, end in enumerate(CELL_ENDS)}
    (bad,) = (c for c in result.cells if c.source == "'0.5'")
    assert bad.trouble.startswith("its test ends with the text '0.5'")


@pytest.mark.parametrize(
    "source",
    [
        "1.5\n%matplotlib inline",
        "1.5\n!true",
        "if True:\n    %matplotlib inline\n1.5",
        "text = '''\n% of\n'''\nlen(text) - 4",
        "(11\n % 4)",
    ],
)
def test_a_magic_is_a_line_without_a_value_as_in_nnkit_check(graded, tmp_path, source):
    course = [("test", "test", source)]
    (outcome,) = run([source], tmp_path)
    assert outcome.error == ""
    assert graded(course).scores() == {"test": earn_points(outcome.value, POINTS)}


def test_a_check_in_a_thread_of_the_test_cell_counts_too(graded):
    """A new thread has the same listeners, process and clock."""
    test = """
        import threading
        def run():
            try:
                verdicts.append(bool(check_backward(Double(), rng.normal(size=3), of=lambda x: 2 * x)))
            except AssertionError:
                pass
            partial_credit(1, check_value(1, 2))
        verdicts = []
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert verdicts == [True]
    """
    result = cell(graded(one(DOUBLE, test)), "test")
    assert result.score == 4.0
    assert [verdict["passed"] for verdict in result.verdicts] == [False]


def test_a_value_that_cannot_be_printed_costs_its_own_points(graded):
    silent = "class Silent:\n    def __repr__(self):\n        raise ValueError('no')"
    result = graded([("silent", "given", silent), ("test", "test", "Silent()"), ("more", "test", "assert True")])
    assert result.scores() == {"test": 0.0, "more": 4.0}
    assert cell(result, "test").outputs[-1]["data"] == {"text/plain": "a Silent"}


def test_a_bare_verdict_is_shown_and_counts(graded):
    result = graded(one("a = 1", "check_value(a, 2)"))
    assert result.score == 0.0
    assert [verdict["passed"] for verdict in cell(result, "test").verdicts] == [False]
    assert cell(result, "test").bad_value == ""


def test_the_learners_process_never_has_the_hidden_tests(graded):
    test = """
        assert look("visible part")
        ### BEGIN HIDDEN TESTS
        assert not look("hidden" + " part")
        ### END HIDDEN TESTS
        visible_part = 1
    """
    answer = """
        def look(text):
            import gc, sys
            texts = [o for o in gc.get_objects() if isinstance(o, dict)]
            return text in "visible part" and not any("hidden part" in str(d.get("In", "")) for d in texts)
    """
    assert graded(one(answer, test)).score == 4.0


def test_the_courses_given_cells_count_in_the_tests(graded):
    cells = [
        ("helper", "given", "def right():\n    return 5"),
        *one("def five():\n    return right()", "assert five() == right()"),
    ]
    assert graded(cells).score == 4.0
    assert graded(cells, {"helper": "def right():\n    return 6"}).score == 0.0  # theirs is 6, the course's is 5


def test_given_cells_may_use_the_answers(graded):
    cells = [
        ("setup", "given", SETUP),
        ("answer", "answer", DOUBLE),
        ("parts", "given", "double = Double()"),
        ("test", "test", "assert double.forward(3.0)[0] == 6.0"),
    ]
    assert graded(cells).score == 4.0


def test_cells_may_use_what_a_test_cell_defines(graded):
    cells = [
        ("first", "answer", "a = 1"),
        ("test", "test", "helper = 5\nassert a == 1"),
        ("second", "answer", "b = helper + a"),
        ("test-second", "test", "assert b == 6"),
    ]
    assert graded(cells).scores() == {"test": 4.0, "test-second": 4.0}


def test_a_name_is_what_it_is_when_its_test_runs(graded):
    cells = [
        ("first", "answer", "a = 1"),
        ("test", "test", "assert a == 1"),
        ("second", "answer", "a = 2"),
        ("test-second", "test", "assert a == 2"),
    ]
    assert graded(cells).score == 8.0


def test_a_test_that_takes_a_name_of_the_learners_has_its_own(graded):
    cells = [
        ("first", "answer", "def f():\n    return 1"),
        ("test", "test", "g = f\ndef f():\n    return 2\nassert (g(), f()) == (1, 2)"),
    ]
    assert graded(cells).score == 4.0


def test_added_cells_run_where_they_stand(graded):
    result = graded(one("def five():\n    return helper", "assert five() == 5"), added=["helper = 5"])
    assert result.score == 4.0
    assert cell(result, "added-0").kind == "added"


def test_files_of_the_assignment_are_there(graded):
    assert graded(one("text = open('data.txt').read()", "assert text == '7'")).score == 4.0


def test_inputs_are_fresh_for_each_seed_and_the_same_for_the_same(graded):
    test = "print(list(np.random.default_rng(0).normal(size=2)), same(rng.normal()))"
    shown = [cell(graded(one("def same(x):\n    return x", test), seed=seed), "test").outputs for seed in (1, 2, 1)]
    assert shown[0] == shown[2] != shown[1]


def test_fresh_numbers_keep_the_kinds_of_seeds():
    with reseed_generators(5):
        one, other = np.random.default_rng([1, 2]), np.random.default_rng(np.random.default_rng(0))
        again = np.random.default_rng([1, 2])
    assert one.normal() == again.normal() != np.random.default_rng([1, 2]).normal()
    assert isinstance(other, np.random.Generator)
    assert np.random.default_rng(0).normal() == np.random.default_rng(0).normal()


def test_the_common_generators_are_fresh_too_and_left_as_they_were():
    draw = [np.random.normal, random.random]
    draw += [lambda: np.random.seed(3) or np.random.normal(), lambda: random.seed(3) or random.random()]
    before = [each() for each in draw]
    drawn = []
    for seed in (1, 1, 2):
        with reseed_generators(seed):
            drawn.append([each() for each in draw])
    assert drawn[0] == drawn[1]
    for numbers in zip(before, drawn[0], drawn[2]):
        assert len(set(numbers)) == 3
    assert [each() for each in draw[2:]] == before[2:]


ENDLESS = "def f():\n    while True: pass"


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ("import os\nos._exit(0)", "The cell 'answer' was stopped: the process that runs this submission ended"),
        ("while True: pass", "The cell 'answer' was stopped: the time was up"),
        (ENDLESS, "During a test, the time was up"),
        (
            "import os\ndef f():\n    os._exit(1)",
            "During a test, the process that runs this submission ended (exit status 1)",
        ),
        (
            "import ctypes\ndef f():\n    ctypes.memset(8, 0, 8)",
            "During a test, the process that runs this submission ended (killed by signal 11)",
        ),
        ("def f():\n    return f()", None),
        ("def f():\n    return 'x' * 2**40", None),
    ],
    ids=["exit", "endless cell", "endless call", "exit in a call", "crash in C", "recursion", "memory"],
)
def test_a_process_that_is_lost_costs_one_exercise(graded, answer, event):
    cells = [
        ("before", "answer", "a = 1"),
        ("test-before", "test", "assert a == 1"),
        ("answer", "answer", "def f():\n    return 5"),
        ("test", "test", "assert f() == 5"),
        ("after", "answer", "b = a + 1"),
        ("test-after", "test", "assert b == 2"),
    ]
    result = graded(cells, {"answer": answer}, seconds=TimeLimits(cell=1.0, whole=30.0))
    assert result.scores() == {"test-before": 4.0, "test": 0.0, "test-after": 4.0}
    assert (result.events[0].startswith(event)) if event else (result.events == ())


def test_cells_that_run_again_take_no_time_of_a_test(graded):
    """Two cells of up to a second each run again after the second test; the third test has a second of its own."""
    cells = [
        ("slow", "answer", "a = 1"),
        ("slow-too", "answer", "b = 2"),
        ("answer", "answer", "def f():\n    return 5"),
        ("test", "test", "assert f() == 5"),
        ("test-after", "test", "assert a + b == 3"),
    ]
    slow = {name: f"import time\ntime.sleep(0.7)\n{source}" for name, _, source in cells[:2]}
    result = graded(cells, {**slow, "answer": ENDLESS}, seconds=TimeLimits(cell=1.0, whole=30.0))
    assert result.scores() == {"test": 0.0, "test-after": 4.0}
    assert result.events == ("During a test, the time was up.",)


@pytest.mark.parametrize(
    "lost", ["import os\nos._exit(1)", "import os\ndef f():\n    os._exit(1)"], ids=["cell", "call"]
)
def test_what_a_given_cell_made_of_an_answer_outlives_the_process(graded, lost):
    cells = [
        ("double", "answer", DOUBLE),
        ("made", "given", "gates = [Double()]"),
        ("answer", "answer", "def f():\n    return 5"),
        ("test", "test", "assert f() == 5"),
        ("test-made", "test", "assert gates[0].forward(3.0)[0] == 6.0"),
    ]
    assert graded(cells).scores() == {"test": 4.0, "test-made": 4.0}
    assert graded(cells, {"answer": lost}).scores() == {"test": 0.0, "test-made": 4.0}


def test_a_process_that_is_lost_again_and_again_is_given_up(graded):
    cells = [
        (f"{kind}-{i}", kind, "a = 1" if kind == "answer" else "assert a == 1")
        for i in range(9)
        for kind in ("answer", "test")
    ]
    result = graded(cells, {f"answer-{i}": "import os\nos._exit(0)" for i in range(8)})
    assert result.score == 0.0
    assert "was lost 6 times" in cell(result, "answer-8").outputs[0]["evalue"]


def test_a_test_that_never_ends_by_itself_is_ended(graded):
    cells = [("answer", "answer", "def f():\n    return 0"), ("test", "test", "while f() == 0: pass")]
    result = graded(cells, seconds=TimeLimits(cell=0.5, whole=30.0))
    assert result.score == 0.0
    assert "not" in cell(result, "test").trouble


def test_the_whole_time_is_bounded(graded):
    cells = [(f"slow-{i}", "answer", "") for i in range(5)] + [("test", "test", "assert True")]
    slow = {f"slow-{i}": "import time\ntime.sleep(100)" for i in range(5)}
    result = graded(cells, slow, seconds=TimeLimits(cell=100.0, whole=2.5))
    assert result.seconds < 90
    assert result.events


def test_outputs_are_those_of_a_notebook(graded):
    source = """
        import sys
        print("out"); print("err", file=sys.stderr)
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        6 * 7
    """
    outputs = cell(graded([("answer", "answer", source)]), "answer").outputs
    kinds = [(output["output_type"], output.get("name"), sorted(output.get("data", {}))) for output in outputs]
    assert kinds == [
        ("stream", "stdout", []),
        ("stream", "stderr", []),
        ("execute_result", None, ["text/plain"]),
        ("display_data", None, ["image/png"]),
    ]


def test_an_error_shows_the_learners_line(graded):
    result = graded(one("def f():\n    return 1 / 0", "assert f() == 1"))
    (output,) = cell(result, "test").outputs
    assert output["ename"] == "ZeroDivisionError"
    assert "line 2 of f: return 1 / 0" in output["traceback"]


def test_a_verdict_names_the_learners_line(graded):
    answer = DOUBLE.replace("return 2 * upstream", "return upstream @ np.ones((2, 2))")
    result = graded(one(answer, TEST_DOUBLE))
    assert "in the line `return upstream @ np.ones((2, 2))`" in cell(result, "test").verdicts[0]["headline"]


def test_numerical_derivatives_are_seen_in_the_other_process(graded):
    answer = """
        class Double:
            def forward(self, x):
                return 2 * x, x
            def backward(self, upstream, cache):
                return upstream * (self.forward(cache + 1e-5)[0] - self.forward(cache - 1e-5)[0]) / 2e-5
    """
    result = graded(one(answer, "assert check_backward(Double(), np.array([1.0, 2.0]), of=lambda x: 2 * x)"))
    assert [v["mistakes"] for v in cell(result, "test").verdicts] == [["numerical-derivative"]]


def test_a_refused_file_has_no_points_and_a_sentence():
    course = assignments.load_assignment(ROOT, "ps1")
    result = refuse_submission(course, RefusedSubmission("It is not JSON.", "digest"), 3)
    assert result.score == 0.0
    assert result.refused == "It is not JSON."
    assert set(result.scores()) == {c.grade_id for c in course.cells if c.kind == "test"}


def test_a_result_survives_json(graded):
    result = graded(one(DOUBLE, TEST_DOUBLE))
    assert Result.from_json(result.to_json()) == result
    with pytest.raises(ValueError, match="format"):
        Result.from_json({**result.to_json(), "format": 0})


# ---- the course itself ------------------------------------------------------------------------------


def handed_in(course, answers, released=False):
    return Submission(
        tuple(
            SubmittedCell(
                c.id,
                c.kind,
                c.cell_type,
                answers.get(c.grade_id, c.released if released or c.kind == "test" else c.source),
            )
            for c in course.cells
        )
    )


@pytest.mark.notebook
@pytest.mark.parametrize("name", ["ps1", "ps2", "ps3", "ps4", "ps5"])
def test_solutions_have_full_marks_and_releases_none(sandbox, name):
    course = assignments.load_assignment(ROOT, name)
    full = {c.grade_id: c.points for c in course.cells if c.kind == "test"}
    assert examine_submission(course, handed_in(course, {}), sandbox.start, 11).scores() == full
    nothing = examine_submission(course, handed_in(course, {}, released=True), sandbox.start, 13)
    assert set(nothing.scores().values()) == {0.0}
    assert nothing.events == ()


def mistakes(name):
    """The first planted mistake of each answer cell: test_answers.py has the others in this process."""
    answers = read_answers(ROOT / "solutions" / f"{name}_answers.py")
    return {answer.cell: answer for answer in reversed(answers) if answer.kind == "mistake"}


@pytest.mark.notebook
@pytest.mark.parametrize("name", ["ps1", "ps2", "ps3"])
def test_planted_mistakes_lose_their_own_points(sandbox, name):
    course = assignments.load_assignment(ROOT, name)
    full = {c.grade_id: c.points for c in course.cells if c.kind == "test"}
    planted, expected = mistakes(name), dict(full)
    for test, points in [loss for answer in planted.values() for loss in answer.loses.items()]:
        expected[test] = min(expected[test], 0.0 if points is None else full[test] - points)
    answers = {cell: answer.source for cell, answer in planted.items()}
    learning, tree = ConversationMemory(ConversationTree()), ConversationTree()
    result = examine_submission(course, handed_in(course, answers), sandbox.start, 0, memory=learning)
    assert result.scores() == expected, [a.label for a in planted.values()]
    assert all(map(tree.add, learning.learned))
    recalling, children = ConversationMemory(tree), []

    def start():
        children.append(sandbox.start())
        return children[-1]

    again = examine_submission(course, handed_in(course, answers), start, 0, memory=recalling)
    assert recalling.recalled >= len(learning.learned) / 2 > 0
    assert len(children) == 1  # no conversation went another way
    assert without_times(again) == without_times(result)  # verdicts and outputs too, judged or known


def without_times(result):
    """Return a result as JSON, without the times that it took."""
    plain = replace(result, seconds=0.0, cells=tuple(replace(c, seconds=0.0) for c in result.cells))
    return json.dumps(plain.to_json(), default=vars)


def test_a_check_in_an_answer_counts_only_the_time_that_it_computes(graded):
    answer = """
        from nnkit.check.context import checking
        def is_right(forward, backward, x):
            class Gate: pass
            gate = Gate()
            gate.forward, gate.backward = forward, backward
            with checking(seconds=0.3):
                return check_backward(gate, x).passed
    """
    test = """
        import time
        def forward(x):
            time.sleep(0.05)
            return 2 * x, None
        assert is_right(forward, lambda upstream, cache: 2 * upstream, 3.0)
    """
    assert graded(one(answer, test), seconds=TimeLimits(cell=30.0, whole=60.0)).scores() == {"test": 4.0}


@pytest.mark.parametrize(
    ("answer", "added", "sentence"),
    [
        ("def Half(x): return x / 2", "", "There is no `half`, but the cell 'answer' defines `Half`."),
        ("def half(x): return part(x)", "def part(x): return x / 2", "`part` is defined only further down, in "),
        ("def half(x): return prat(x)", "def part(x): return x / 2", ""),
    ],
)
def test_a_test_says_where_a_name_stands_that_it_misses(graded, answer, added, sentence):
    cells = [*one("pass", "assert half(4) == 2"), ("below", "given", added or "pass")]
    result = graded(cells, {"answer": answer})
    assert result.scores() == {"test": 0.0}
    assert result.doubts.get("test", "").startswith(sentence)
    assert bool(result.doubts) == bool(sentence)
    assert cell(result, "test").outputs[-1].get("text", "").startswith(sentence)


def test_a_lost_process_is_described(graded):
    result = graded(one("import os\ndef end(): os._exit(3)", "end()"))
    ended = "The test could not be finished: the process that runs this submission ended (exit status 3)."
    assert cell(result, "test").trouble == ended
