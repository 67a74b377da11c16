"""Attacks on the memory of conversations: an answer that is judged from memory is judged as without it.

Each attack meets a memory that knows the conversation of an honest submission. Its result must be the one that it gets
without a memory. The control is the same attack on a memory with a fault, or the reason why it would gain: there the
attack gets what it wants.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import numpy as np
import pytest
from channel import FOUND

from nnkit_grader.conversations.memory import ConversationMemory
from nnkit_grader.conversations.tree import Conversation, ConversationTree, Question, pack, unpack
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.examiner.examiner import TimeLimits, examine_submission
from nnkit_grader.intake.submission import Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell
from nnkit_grader.record.results import Result
from nnkit_grader.sandbox import Sandbox, choose_sandbox

pytestmark = pytest.mark.escape

SETUP = "import numpy as np\nrng = np.random.default_rng(3)"
FIRST = "def first(x):\n    return 2.0 * x"
SECOND = "def second(x):\n    return 3.0 * x"
TEST_FIRST = """
drawn = rng.normal(size=3)
sum(bool(np.array_equal(first(n * drawn), 2.0 * n * drawn)) for n in (1.0, 2.0, 4.0, 8.0))
"""
TEST_SECOND = "4 * (second(5.0) == 15.0)"
CELLS = [
    ("setup", "given", SETUP),
    ("first", "answer", FIRST),
    ("test-first", "test", TEST_FIRST),
    ("second", "answer", SECOND),
    ("test-second", "test", TEST_SECOND),
]
COURSE = Assignment("ps", "ps", tuple(CourseCell(n, n, k, s, s, 4.0 * (k == "test")) for n, k, s in CELLS))  # type: ignore[arg-type]
SECONDS = TimeLimits(cell=4.0, whole=60.0)

Examine = Callable[..., tuple[Result, int]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with choose_sandbox() as made:
        yield made


@pytest.fixture
def examine(sandbox: Sandbox) -> Examine:
    """Examine a submission; return the result, and how many of its two tests were judged from memory."""

    def run(tree: ConversationTree | None, seconds: TimeLimits = SECONDS, **answers: str) -> tuple[Result, int]:
        sources = {name: source for name, _, source in CELLS}
        sources |= {name: textwrap.dedent(source) for name, source in answers.items()}
        cells = tuple(SubmittedCell(name, kind, "code", sources[name]) for name, kind, _ in CELLS)  # type: ignore[arg-type]
        memory = ConversationMemory(tree)
        result = examine_submission(COURSE, Submission(cells), sandbox.start, 7, seconds, memory=memory)
        for conversation in memory.learned:
            assert tree is not None
            tree.add(conversation)
        return result, memory.recalled

    return run


@pytest.fixture
def known(examine: Examine) -> ConversationTree:
    """A tree that knows the honest conversations."""
    tree = ConversationTree()
    assert examine(tree)[0].scores() == {"test-first": 4.0, "test-second": 4.0}
    assert examine(tree)[1] == 2
    return tree


def comparable(result: Result) -> Any:
    """Return a result without its times."""
    data = json.loads(json.dumps(result.to_json()))
    return {**data, "seconds": 0.0, "cells": [{**cell, "seconds": 0.0} for cell in data["cells"]]}


# ---- replies that are nearly the known ones


class LenientReplies(dict[bytes, Any]):
    """A fault: replies that are compared as numbers, not as bytes."""

    def get(self, reply: bytes, default: Any = None) -> Any:
        found = (node for known, node in self.items() if np.array_equal(numbers(known), numbers(reply), equal_nan=True))
        return next(found, default)


def numbers(reply: bytes) -> np.ndarray:
    """Return the numbers in a reply, whatever their type and shape."""

    def read(tree: Any) -> list[float]:
        if isinstance(tree, list) and len(tree) == 5 and isinstance(tree[1], str) and isinstance(tree[3], bytes):
            return [*np.frombuffer(tree[3], tree[1]).astype(float)]
        if isinstance(tree, list):
            return [number for part in tree for number in read(part)]
        return [float(tree)] if isinstance(tree, bool | int | float) else []

    return np.array(read(msgpack.unpackb(reply)[:2]))


def make_lenient(tree: ConversationTree) -> None:
    waiting = [node for node in tree._roots.values() if isinstance(node, Question)]
    while waiting:
        node = waiting.pop()
        node.replies = LenientReplies(node.replies)
        waiting += [after for after in node.replies.values() if isinstance(after, Question)]


ZERO = "def second(x):\n    return {}"
NAN = "np.frombuffer(bytes.fromhex('{}0000000000f87f'), float).copy()"
NEARLY = {
    "minus zero": (ZERO.format("0.0"), ZERO.format("-0.0")),
    "NaN of another payload": (
        "import numpy as np\n" + ZERO.format(NAN.format("00")),
        "import numpy as np\n" + ZERO.format(NAN.format("01")),
    ),
    "a smaller type": (
        "import numpy as np\ndef second(x):\n    return np.array([3.0 * x])",
        "import numpy as np\ndef second(x):\n    return np.array([3.0 * x], np.float32)",
    ),
    "another shape": (
        "import numpy as np\ndef second(x):\n    return np.array([3.0 * x])",
        "import numpy as np\ndef second(x):\n    return np.array([[3.0 * x]])",
    ),
    "True for 1": (ZERO.format("1.0"), ZERO.format("True")),
}


@pytest.mark.parametrize("name", NEARLY)
def test_replies_that_are_nearly_known_are_judged_anew(examine: Examine, name: str) -> None:
    before, after = NEARLY[name]
    tree = ConversationTree()
    examine(tree, second=before)
    result, recalled = examine(tree, second=after)
    assert comparable(result) == comparable(examine(None, second=after)[0])
    assert recalled == 1  # the other exercise

    lenient = ConversationTree()
    examine(lenient, second=before)
    make_lenient(lenient)
    assert examine(lenient, second=after)[1] == 2


def test_one_wrong_bit_at_the_end_of_a_known_conversation_costs_its_points(
    examine: Examine, known: ConversationTree
) -> None:
    wrong = "import numpy as np\ndef first(x):\n    y = 2.0 * x\n    return np.nextafter(y, 9) if n() == 4 else y"
    counting = "\ncalls = []\ndef n():\n    calls.append(1)\n    return len(calls)"
    result, recalled = examine(known, first=wrong + counting)
    assert (result.scores()["test-first"], recalled) == (3.0, 1)

    short = ConversationTree()  # a fault: the last replies are not compared
    for key, root in known._roots.items():
        node, outcome = root, root
        while isinstance(outcome, Question):
            node, outcome = outcome, next(iter(outcome.replies.values()))
        assert isinstance(node, Question)
        node.replies = AnyReply(node.replies)
        short._roots[key] = root
    assert examine(short, first=wrong + counting)[0].scores()["test-first"] == 4.0


class AnyReply(dict[bytes, Any]):
    """A fault: a place where every reply counts as known."""

    def get(self, reply: bytes, default: Any = None) -> Any:
        return next(iter(self.values()))


# ---- state: what a process was asked before


STATEFUL = {
    "right at first": ("calls.append(1); return (2.0 if len(calls) <= {} else 7.0) * x", 4, 3),
    "wrong at first": ("calls.append(1); return (2.0 if len(calls) > {} else 7.0) * x", 0, 1),
    "answers by position": ("calls.append(x); return 2.0 * calls[min(len(calls) - 1, {})]", 3, 2),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_an_answer_that_counts_its_calls_is_asked_as_often_as_without_memory(
    examine: Examine, known: ConversationTree, name: str
) -> None:
    body, honest, hostile = STATEFUL[name]
    source = "calls = []\ndef first(x):\n    " + body
    with_memory, recalled = examine(known, first=source.format(hostile))
    assert comparable(with_memory) == comparable(examine(None, first=source.format(hostile))[0])
    assert (with_memory.scores()["test-first"], recalled) == (3.0, 1)

    # Control: were it asked once more or less, it would be another answer.
    assert examine(known, first=source.format(honest))[0].scores()["test-first"] == 4.0


def test_what_an_earlier_test_left_in_the_process_is_there_after_a_known_one(
    examine: Examine, known: ConversationTree
) -> None:
    first = "calls = []\ndef first(x):\n    calls.append(1)\n    return 2.0 * x"
    second = "def second(x):\n    return 3.0 * x if len(calls) == {} else 0.0"
    result, recalled = examine(known, first=first, second=second.format(4))
    assert (result.scores(), recalled) == ({"test-first": 4.0, "test-second": 4.0}, 2)

    # Control: it knows how often it was asked.
    assert examine(known, first=first, second=second.format(0))[0].scores()["test-second"] == 0.0


def test_a_known_conversation_comes_in_the_order_in_which_the_test_asks(
    examine: Examine, known: ConversationTree
) -> None:
    source = """
        seen = []
        def first(x):
            seen.append(float(x[0]))
            ahead = len(seen) > 1 and not 1.9 < seen[-1] / seen[-2] < 2.1
            return (7.0 if ahead else 2.0) * x
    """
    assert examine(known, first=source)[0].scores()["test-first"] == 4.0

    backwards = source.replace("seen[-1] / seen[-2]", "seen[-2] / seen[-1]")  # control: the order is noticed
    assert examine(known, first=backwards)[0].scores()["test-first"] == 1.0


# ---- the tree


def test_an_attackers_conversation_changes_no_other_result(examine: Examine) -> None:
    alone = [comparable(examine(None, first=source)[0]) for source in (FIRST, FIRST.replace("2.0", "2.5"))]
    tree = ConversationTree()
    for source in ("def first(x): return 7.0 * x", "def first(x): raise ValueError('mine')", "first = 3"):
        examine(tree, first=source)
    together = [comparable(examine(tree, first=source)[0]) for source in (FIRST, FIRST.replace("2.0", "2.5"))]
    assert together == alone

    poisoned = ConversationTree()  # control: an outcome in the wrong place does change it
    learned = ConversationTree()
    examine(learned)
    for key, node in learned._roots.items():
        said = []
        while isinstance(node, Question):
            reply, after = next(iter(node.replies.items()))
            said += [node.message, reply]
            node = after
        wrong = {**json.loads(node), "score": 1.0}
        poisoned.add(Conversation(key, tuple(said), json.dumps(wrong).encode()))
    assert examine(poisoned)[0].scores() == {"test-first": 1.0, "test-second": 1.0}


def test_a_conversation_that_contradicts_a_known_one_is_not_added(known: ConversationTree) -> None:
    key, root = next(iter(known._roots.items()))
    assert isinstance(root, Question)
    reply, after = next(iter(root.replies.items()))
    assert not known.add(Conversation(key, (b"another message", reply), b"{}"))
    assert not known.add(Conversation(key, (root.message, reply), b"{}"))
    assert root.replies[reply] is after
    assert known.add(Conversation(key, (root.message, b"another reply"), b"{}"))


def test_what_a_fork_has_learned_is_read_as_plain_data() -> None:
    honest = [Conversation(b"key", (b"message", b"reply"), b"{}")]
    assert unpack(msgpack.unpackb(msgpack.packb(pack(honest)))) == honest
    for forged in ([[b"key", [b"message", 7], b"{}"]], [["key", [], b"{}"]], [[b"key", b"message", b"{}"]], [[b"key"]]):
        with pytest.raises(ValueError, match=r"conversations|unpack"):
            unpack(forged)


def test_a_flood_of_conversations_ends_at_the_limit() -> None:
    tree = ConversationTree(max_bytes=100_000)
    added = [tree.add(Conversation(b"%d" % n, (b"message", b"r" * 1000), b"{}")) for n in range(1000)]
    assert 40 < sum(added) < 100
    assert tree.size < 110_000
    assert tree.find(b"0") is not None  # the first ones stay

    unbounded = ConversationTree(max_bytes=1 << 40)
    assert all(unbounded.add(Conversation(b"%d" % n, (b"message", b"r" * 1000), b"{}")) for n in range(1000))


# ---- time, ends, and frames


def test_a_known_conversation_gives_no_more_time(examine: Examine, known: ConversationTree) -> None:
    slow = "import time\ndef first(x):\n    time.sleep({})\n    return 2.0 * x"
    short = TimeLimits(cell=1.0, whole=60.0)
    result, recalled = examine(known, short, first=slow.format(0.9))
    assert (result.scores()["test-first"], recalled) == (0.0, 1)
    assert "the time was up" in " ".join(result.events)

    result, recalled = examine(known, short, first=slow.format(0.01))  # control: a little time is no offence
    assert (result.scores()["test-first"], recalled) == (4.0, 2)


@pytest.mark.parametrize("call", [1, 3])
def test_a_process_that_ends_in_a_known_conversation_fails_the_test(
    examine: Examine, known: ConversationTree, call: int
) -> None:
    dies = f"""
        import os
        calls = []
        def first(x):
            calls.append(1)
            if len(calls) == {call}: os._exit(0)
            return 2.0 * x
    """
    result, recalled = examine(known, first=dies)
    assert (result.scores(), recalled) == ({"test-first": 0.0, "test-second": 4.0}, 1)
    assert "ended" in " ".join(result.events)

    lives = dies.replace("os._exit(0)", "pass")  # control
    assert examine(known, first=lives)[0].scores()["test-first"] == 4.0


FRAMES = {
    "a reply for another call": (
        "def do_call(self, *parts):\n    kept.append(honest['do_call'](self, *parts))\n    return kept[0]",
        {"test-first": 1.0, "test-second": 0.0},
    ),
    "two replies for one call": (
        "def do_call(self, *parts):\n    self.reply(honest['do_call'](self, *parts))\n    return ['done']",
        {"test-first": 1.0, "test-second": 0.0},
    ),
    "numbers that do not begin anew": ("def do_forget(self, objects):\n    return ['done']", None),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_server_that_was_taken_over_gains_nothing_from_what_is_known(
    examine: Examine, known: ConversationTree, name: str
) -> None:
    method, scores = FRAMES[name]
    attack = f"{FOUND}\nkept = []\n{method}\nLearnerServer.{method.split('(')[0].split()[1]} = "
    attack += f"{method.split('(')[0].split()[1]}\n{FIRST}"
    result, _ = examine(known, first=attack)
    assert comparable(result) == comparable(examine(None, first=attack)[0])
    if scores is not None:
        assert result.scores()["test-first"] < 4.0  # control: the server did answer


def test_no_result_names_another_submission(examine: Examine) -> None:
    tree = ConversationTree()
    names = ("ada-lovelace", "alan-turing")
    raises = "def first(x):\n    raise ValueError('{} was here')"
    results = [json.dumps(comparable(examine(tree, first=raises.format(name))[0])) for name in names]
    assert [name in result for result in results for name in names] == [True, False, False, True]

    again = examine(tree, first=raises.format(names[0]))  # control: a result does show what its own error says
    assert (again[1], names[0] in json.dumps(comparable(again[0]))) == (2, True)


def test_a_conversation_in_which_the_process_got_a_function_is_not_learned(sandbox: Sandbox) -> None:
    # It may keep the function, and call it in a later test: who answers then?
    cells = [
        ("apply", "answer", "def apply(function, x):\n    return function(x)"),
        ("test-plain", "test", "4 * (apply(None, 2) == 3)"),
        ("test", "test", "4 * (apply(lambda x: x + 1, 2) == 3)"),
        ("test-after", "test", "4 * (apply(None, 2) == 3)"),
    ]
    course = Assignment("ps", "ps", tuple(CourseCell(n, n, k, s, s, 4.0 * (k == "test")) for n, k, s in cells))  # type: ignore[arg-type]
    theirs = Submission(tuple(SubmittedCell(n, k, "code", s) for n, k, s in cells))  # type: ignore[arg-type]
    memory = ConversationMemory(ConversationTree())
    result = examine_submission(course, theirs, sandbox.start, 7, SECONDS, memory=memory)
    assert result.scores() == {"test": 4.0, "test-plain": 0.0, "test-after": 0.0}
    assert len(memory.learned) == 1  # control: the one before
