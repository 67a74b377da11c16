"""The learner's end of the conversation, found and taken over."""

import textwrap

from hostile import HONEST, Attack, solutions

FOUND = """
import gc, struct, threading, time, msgpack
import numpy as np
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.server import Learner
ours = next(thing for thing in gc.get_objects() if isinstance(thing, Learner))
channel = ours.frames.channel
honest = {name: getattr(Learner, name) for name in dir(Learner)}
def packed(reply):
    text = msgpack.packb(reply)
    return struct.pack(">I", len(text)) + text
"""
"""The object that answers, and the socket that it answers on."""


def hostile_call(statements: str) -> str:
    """Calls of the square gate's methods are answered by these statements, all others honestly."""
    return f"""
def called(self, target, given, passed, points):
    if type(self.objects[target[0]]).__name__ == "SquareGate":
{textwrap.indent(textwrap.dedent(statements), "        ")}
    return honest["called"](self, target, given, passed, points)
Learner.called = called
"""


def replying(name: str, tries: str, reply: str) -> Attack:
    """Calls are answered by `reply`."""
    answers = {"square": solutions()["square"]}
    return Attack(name, tries, FOUND + hostile_call(f"return None, {reply}"), answers=answers)


def replying_to_rows(name: str, tries: str, reply: str) -> Attack:
    """Rows of calls of the square gate's methods are answered by the frame `reply`."""
    source = f"""
def do_calls(self, row):
    square = type(self.objects[row[0][0][0]]).__name__ == "SquareGate"
    honestly = honest["do_calls"](self, row)
    return {reply} if square else honestly
Learner.do_calls = do_calls
"""
    return Attack(name, tries, FOUND + source, answers={"square": solutions()["square"]})


def sending(name: str, tries: str, statements: str, score: float = HONEST) -> Attack:
    """In calls, bytes are written to the channel directly."""
    answers = {"square": solutions()["square"]}
    return Attack(name, tries, FOUND + hostile_call(statements), answers=answers, score=score)


def showing(name: str, tries: str, outputs: str) -> Attack:
    """The next cell's outputs are this tree."""
    source = f"""
def do_cell(self, count, source):
    Learner.do_cell = honest["do_cell"]
    return ["done", "", {outputs}]
Learner.do_cell = do_cell
"""
    first = FOUND + source
    return Attack(name, tries, first, behind="test-multiply")


def value(tree: str) -> str:
    return f'["value", {tree}, [], False]'


def changing(what: str, count: int = 1) -> str:
    return f'["value", 1.0, [{what}] * {count}, False]'
