"""Test cells that depend on more than the replies are judged anew: by names, values, magics, time and padding."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from unittest.mock import patch

import numpy as np
import pytest

from nnkit.language import speaking
from nnkit_grader.conversations.memorable import find_memorable
from nnkit_grader.conversations.memory import MAX_LEARNED_BYTES, ConversationMemory
from nnkit_grader.conversations.tree import Conversation, ConversationTree
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission
from nnkit_grader.intake.submission import Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.record.results import Result
from nnkit_grader.sandbox import Child, Sandbox, choose_sandbox

Cells = Sequence[tuple[str, str, str]]

SQUARE = "def f(x):\n    return x * x"
IDENTITY = "def f(x):\n    return x"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with choose_sandbox() as made:
        yield made


class Class:
    """Submissions to one course that share a memory."""

    def __init__(self, sandbox: Sandbox, cells: Cells, remembers: bool = True):
        self.sandbox, self.cells = sandbox, cells
        parts = tuple(CourseCell(n, n, k, s, s, 2.0 * (k == "test")) for n, k, s in cells)  # type: ignore[arg-type]
        self.course = Assignment("ps", "ps", parts, {}, frozenset(n for n, k, _ in cells if k == "answer"))
        self.tree = ConversationTree() if remembers else None
        self.starts = 0
        self.memory = ConversationMemory()

    def start(self) -> Child:
        self.starts += 1
        return self.sandbox.start()

    def examine(self, **answers: str) -> Result:
        sources = ((n, k, answers.get(n, s)) for n, k, s in self.cells)
        cells = tuple(SubmittedCell(n, k, "code", s) for n, k, s in sources)  # type: ignore[arg-type]
        self.starts, self.memory = 0, ConversationMemory(self.tree)
        limits = TimeLimits(cell=4.0, whole=60.0)
        # As in a fork of its own: no setting stays.
        with np.printoptions(), np.errstate(), warnings.catch_warnings(), patch.dict(vars(np)):
            warnings.simplefilter("ignore")
            result = examine_submission(self.course, Submission(cells), self.start, 7, limits, memory=self.memory)
        if self.tree is not None:
            for conversation in self.memory.learned:
                self.tree.add(conversation)
        return result


F = ("f", "answer", SQUARE)
G = ("g", "answer", "def g(x):\n    return x + 1")
CLOSURE = """
def make():
    n = [0]
    def count():
        n[0] += 1
        return n[0]
    return count
count = make()
"""
COUNTED = """
class Gate:
    alive = 0
    def __init__(self):
        Gate.alive += 1
    def __del__(self):
        Gate.alive -= 1
    def double(self, x):
        return 2 * x
def count():
    return Gate.alive
"""
LOGARITHM = "import numpy as np\nassert np.log(g(-1.0)) < 0"
PATCH = """
from unittest.mock import patch
patcher = patch("numpy.square", side_effect=AssertionError)
patcher.start()
assert f(3) == 9
stopped = patcher.stop()
"""
REPLACE = """
def strict():
    global close
    def close(a, b):
        return a == b
assert f(3) == 9
strict()
"""
TIMES = """
calls = 0
def f(x):
    global calls
    calls += 1
    return {} * x
def count():
    return calls
"""
TWICE = """
a, b = f(1), g(1)
def limit():
    return 9
c = 1 / a
def limit():
    return 1
d = 1 / b
"""
KEEP = """
kept = []
def apply(g, x):
    kept.append(g)
    return g(x)
def first(x):
    return kept[0](x)
def ok(x):
    return x != {}
"""
SLOW = "import time\ndef f(x):\n    time.sleep(0.1)\n    return x * x"
CARRIED: dict[str, tuple[Cells, Sequence[dict[str, str]]]] = {
    "points that add up": (
        [
            F,
            G,
            ("t1", "test", "points = 0\nif f(3) == 9: points += 1\nassert f(3) == 9"),
            ("t2", "test", "if g(1) == 2: points += 1\npoints"),
        ],
        [{}, {"f": IDENTITY}, {}],
    ),
    "an answer's name that a test binds": (
        [
            ("f", "answer", f"{SQUARE}\nresult = f(2)"),
            ("t1", "test", "result = f(3)\n1"),
            ("t2", "test", "assert result == 9"),
        ],
        [{"f": f"{IDENTITY}\nresult = f(2)"}, {}],
    ),
    "a number that grows": (
        [F, ("t1", "test", "n = f(2)\nassert n == 4"), ("t2", "test", "n += f(0)\n2")],
        [{"f": IDENTITY}, {}],
    ),
    "a builtin that a test hides": (
        [F, ("t1", "test", "sum = f(3)\n1"), ("t2", "test", "assert sum == 9")],
        [{"f": IDENTITY}, {}],
    ),
    "a name that a given cell deletes": (
        [
            F,
            ("t1", "test", "out = f(3)\nassert out == 9"),
            ("after", "given", "del out\ncases = [3]"),
            ("t2", "test", "assert f(cases[0]) == 9"),
        ],
        [{}, {}],
    ),
    "a clock under another name": (
        [
            ("setup", "given", "import time\nclock = time.perf_counter"),
            F,
            ("t", "test", "t = clock()\nok = f(3) == 9\nassert ok and clock() - t < 0.09"),
        ],
        [{"f": SLOW}, {}],
    ),
    "a function that counts its calls": (
        [
            ("setup", "given", CLOSURE),
            F,
            ("t1", "test", "assert f(count()) == 1"),
            ("t2", "test", "assert f(count()) == 4"),
        ],
        [{"f": IDENTITY}, {}],
    ),
    "a setting that an earlier test changes": (
        [
            F,
            G,
            ("t1", "test", "import numpy as np\nassert f(3) == 9\nnp.set_printoptions(precision=2)"),
            ("t2", "test", "import numpy as np\nassert str(np.array([g(0) / 3])) == '[0.33]'"),
        ],
        [{}, {"f": IDENTITY}, {}],
    ),
    "a module that an earlier test changes under another name": (
        [
            F,
            G,
            ("t1", "test", "import numpy as np\nmodule = np\nmodule.limit = f(3)\nassert module.limit == 9"),
            ("t2", "test", "import numpy as np\nassert g(8) == np.limit"),
        ],
        [{}, {}, {"f": IDENTITY}, {}],
    ),
    "a filter of warnings that an earlier test sets": (
        [
            *(F, G),
            ("t1", "test", "import warnings\nassert f(3) == 9\nwarnings.simplefilter('error')"),
            ("t2", "test", LOGARITHM),
        ],
        [{}, {"f": IDENTITY}],
    ),
    "a setting that an earlier test changes by a given function": (
        [
            ("setup", "given", "import numpy as np\ndef strict():\n    np.seterr(all='raise')"),
            *(F, G),
            ("t1", "test", "assert f(3) == 9\nstrict()"),
            ("t2", "test", "assert np.log(g(-1.0)) < 0"),
        ],
        [{}, {"f": IDENTITY}],
    ),
    "a patch that an earlier test does not take back": (
        [
            *(F, G),
            ("t1", "test", PATCH),
            ("t2", "test", "import numpy as np\nassert np.square(g(1)) == 4"),
        ],
        [{"f": IDENTITY}, {}],
    ),
    "a given function that an earlier test replaces": (
        [
            ("setup", "given", "def close(a, b):\n    return abs(a - b) < 1"),
            *(F, G),
            ("t1", "test", REPLACE),
            ("t2", "test", "assert close(g(1), 2.5)"),
        ],
        [{}, {"f": IDENTITY}],
    ),
    "a given function that a later line defines again": (
        [
            *(F, G, ("h", "answer", "def h(x):\n    return 5")),
            ("given", "given", TWICE),
            ("t", "test", "assert h(1) < limit()"),
        ],
        [{"f": "def f(x):\n    return 0"}, {"g": "def g(x):\n    return 0"}],
    ),
    "numbers that no seed gives": (
        [
            ("f", "answer", TIMES.format(3)),
            ("t1", "test", "f(1.0)\n1"),
            ("t2", "test", "import numpy as np\nx = float(np.random.RandomState().normal())\nf(x)\n1"),
            ("t3", "test", "assert count() == 2"),
        ],
        [{}, {"f": TIMES.format(4)}],
    ),
    "a function of a test that the process keeps": (
        [
            ("keep", "answer", KEEP.format(0)),
            ("t1", "test", "assert ok(1)\nassert apply(lambda v: v * v, 3) == 9"),
            ("t2", "test", "assert ok(2)\nassert apply(lambda v: v + 1, 3) == 4"),
            ("t3", "test", "assert first(5) == 25"),
        ],
        [{"keep": KEEP.format(1)}, {"keep": KEEP.format(2)}],
    ),
    "an object that a test keeps": (
        [
            ("f", "answer", COUNTED),
            ("t1", "test", "gate = Gate()\nassert gate.double(2) == 4"),
            ("t2", "test", "assert count() == 0"),
        ],
        [{}, {}],
    ),
    "a test with a magic": (
        [
            ("setup", "given", "scale = [1]"),
            F,
            ("t1", "test", "%%timeit\nscale[0] = f(3)\nassert scale[0] == 9"),
            ("t2", "test", "assert f(1) == 1 and scale[0] == 9"),
        ],
        [{}, {}],
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_not_in_the_replies_is_carried_as_without_memory(sandbox: Sandbox, name: str) -> None:
    cells, students = CARRIED[name]
    with_memory, without = Class(sandbox, cells), Class(sandbox, cells, remembers=False)
    for answers in students:
        assert with_memory.examine(**answers).scores() == without.examine(**answers).scores()
    if not students[-1]:  # the last one is right
        full = {name: 1.0 if source.endswith("\n1") else 2.0 for name, kind, source in cells if kind == "test"}
        assert with_memory.examine().scores() == full


def test_two_tests_may_use_one_name_if_each_binds_it_first(sandbox: Sandbox) -> None:
    cells = [F, ("t1", "test", "y = f(3)\nassert y == 9"), ("t2", "test", "y = f(4)\nassert y == 16")]
    remembering = Class(sandbox, cells)
    assert set(find_memorable(remembering.course)) == {"t1", "t2"}
    remembering.examine()
    assert remembering.examine().scores() == {"t1": 2.0, "t2": 2.0}
    assert remembering.memory.recalled == 2


@pytest.mark.parametrize(
    "test", ["assert f(3) == 9 and 'y' in globals()", "import __main__\nassert __main__.f(3) == 9"]
)
def test_names_that_are_found_by_their_text_end_the_memory_of_a_course(test: str) -> None:
    cells = [F, ("t1", "test", "y = f(3)"), ("t2", "test", test)]
    parts = tuple(CourseCell(n, n, k, s, s, 2.0 * (k == "test")) for n, k, s in cells)  # type: ignore[arg-type]
    assert find_memorable(Assignment("ps", "ps", parts)) == {}
    assert set(find_memorable(Assignment("ps", "ps", parts[:2]))) == {"t1"}


def test_random_numbers_of_a_test_depend_on_the_cell_with_and_without_memory(sandbox: Sandbox) -> None:
    cells = [
        ("setup", "given", "import time\nimport numpy as np\nrng = np.random.default_rng(3)"),
        F,
        ("t1", "test", "time.sleep(0)\nif f(3) == 9: rng.normal(), np.random.normal()\n2"),
        ("t2", "test", "print(rng.normal(), np.random.normal())\nassert f(3) == 9"),
    ]
    printed = set()
    for remembers in (True, False):
        ours = Class(sandbox, cells, remembers)
        printed |= {str(ours.examine(f=answer).cells[-1].outputs[0]["text"]) for answer in (SQUARE, IDENTITY)}
    assert len(printed) == 1


# ---- processes that were asked other things


def make_wrong(learned: Sequence[Conversation]) -> ConversationTree:
    """Return a tree in which the second question of each conversation is the third."""
    tree = ConversationTree()
    for one in learned:
        tree.add(Conversation(one.key, (*one.messages[:2], one.messages[4], b"no reply"), one.outcome))
    return tree


NAMES = [f"f{n}" for n in range(7)]
SEVEN: Cells = [
    cell
    for name in NAMES
    for cell in (
        (name, "answer", f"def {name}(x):\n    return x * x"),
        (f"t-{name}", "test", f"sum({name}(x) == x * x for x in (1, 2, 3)) / 1.5"),
    )
]
EXIT = "import os\ndef {}(x):\n    os._exit(0)"


@pytest.mark.parametrize("dying", [0, 5], ids=["none ends", "five end"])
def test_a_wrong_memory_costs_one_start_that_does_not_count(sandbox: Sandbox, dying: int) -> None:
    ours = Class(sandbox, SEVEN)
    ours.examine()
    ours.tree = make_wrong(ours.memory.learned)
    result = ours.examine(**{name: EXIT.format(name) for name in NAMES[1 : 1 + dying]})
    assert ours.starts == 2 + dying
    assert result.scores() == {f"t-{name}": 0.0 if name in NAMES[1 : 1 + dying] else 2.0 for name in NAMES}
    assert ours.memory.recalled == 0

    ours = Class(sandbox, SEVEN)  # control: a right memory costs none
    ours.examine()
    ours.examine()
    assert (ours.starts, ours.memory.recalled) == (1, 7)


def test_a_submission_teaches_only_its_share(sandbox: Sandbox) -> None:
    count = MAX_LEARNED_BYTES // 200_000 + 2
    large = "import numpy as np\ndef f(x):\n    return np.full(25_000, float(x))"
    tests = [(f"t{n}", "test", f"assert f({n}).shape == (25_000,)") for n in range(count)]
    ours = Class(sandbox, [("f", "answer", large), *tests])
    ours.examine()
    assert len(ours.memory.learned) == MAX_LEARNED_BYTES // 200_100 == count - 2
    ours = Class(sandbox, [("f", "answer", large), *tests[: count - 2]])  # control: each by itself is learned
    ours.examine()
    assert len(ours.memory.learned) == count - 2


def test_what_ended_for_want_of_memory_is_not_learned(sandbox: Sandbox) -> None:
    ours = Class(
        sandbox, [F, ("t1", "test", "assert f(3) == 9\nraise MemoryError"), ("t2", "test", "assert f(3) == 9")]
    )
    ours.examine()
    assert len(ours.memory.learned) == 1


def test_equal_long_doubles_are_equal_replies(sandbox: Sandbox) -> None:
    answer = """
        import numpy as np, os
        def f(x):
            raw = bytearray(np.full(3, x, np.longdouble).tobytes())
            if len(raw) == 48:
                for k in range(3):
                    raw[16 * k + 10 : 16 * k + 16] = os.urandom(6)
            return np.frombuffer(raw, np.longdouble)
    """.replace("\n        ", "\n")
    ours = Class(sandbox, [("f", "answer", answer), ("t", "test", "assert (f(2) == 2).all() and f(3)[0] == 3")])
    for _ in range(2):
        assert ours.examine().scores() == {"t": 2.0}
    assert (ours.memory.recalled, ours.starts) == (1, 1)


def test_a_verdict_in_one_language_is_not_recalled_in_another(sandbox: Sandbox) -> None:
    test = "from nnkit.check import check_value\nassert check_value(f(3), 9.0)"
    course = Class(sandbox, [F, ("t", "test", test)])
    said = {}
    for language, recalled in (("ko", 0), ("en", 0), ("ko", 1)):
        with speaking(language):
            result = course.examine(f=IDENTITY)
        assert course.memory.recalled == recalled
        text = str([cell.outputs for cell in result.cells])
        assert said.setdefault(language, text) == text
    assert "it is 1/3 of what it should be" in said["en"]
    assert "1/3입니다" in said["ko"]


MISSPELT = """
class Gate:
    def forward(self, x):
        return x * x, x
    def bakward(self, upstream, cache):
        return upstream * 2 * cache
"""


def test_a_misspelt_name_is_found_in_the_verdict_of_any_language(sandbox: Sandbox) -> None:
    test = "import numpy as np\nfrom nnkit.check import check_backward\nassert check_backward(Gate(), np.ones(2))"
    said = {}
    for language in ("ko", "en"):
        course = Class(sandbox, [("gate", "answer", MISSPELT.replace("bak", "back")), ("t", "test", test)])
        with speaking(language):
            said[language] = str(course.examine(gate=MISSPELT).cells[-1].outputs)
        assert "`bakward`" in said[language], "what is misspelt is found in both"
    assert "has no method 'backward'" in said["en"]
    assert "메서드 'backward'" in said["ko"]
