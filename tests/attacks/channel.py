"""Attacks that find the learner's end of the connection and take it over."""

import textwrap

from hostile import HONEST, Attack, solutions

FOUND = """
import gc, struct, threading, time, msgpack
import numpy as np
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.server import LearnerServer
ours = next(thing for thing in gc.get_objects() if isinstance(thing, LearnerServer))
channel = ours.stream.channel
honest = {name: getattr(LearnerServer, name) for name in dir(LearnerServer)}
def packed(reply):
    text = msgpack.packb(reply)
    return struct.pack(">I", len(text)) + text
"""
"""Code that finds the server object and the socket on which it answers."""


def hostile_call(statements: str) -> str:
    """Return code that answers calls of the square gate's methods by these statements, and all others honestly."""
    return f"""
def make_call(self, target, given, log, points):
    if type(self.objects[target[0]]).__name__ == "SquareGate":
{textwrap.indent(textwrap.dedent(statements), "        ")}
    return honest["make_call"](self, target, given, log, points)
LearnerServer.make_call = make_call
"""


def replying(name: str, tries: str, reply: str) -> Attack:
    """Return an attack that answers calls by `reply`."""
    answers = {"square": solutions()["square"]}
    return Attack(name, tries, FOUND + hostile_call(f"return None, {reply}"), answers=answers)


def replying_to_batches(name: str, tries: str, reply: str) -> Attack:
    """Return an attack that answers batches of calls of the square gate's methods by the frame `reply`."""
    source = f"""
def do_calls(self, row):
    square = type(self.objects[row[0][0][0]]).__name__ == "SquareGate"
    honestly = honest["do_calls"](self, row)
    return {reply} if square else honestly
LearnerServer.do_calls = do_calls
"""
    return Attack(name, tries, FOUND + source, answers={"square": solutions()["square"]})


def sending(name: str, tries: str, statements: str, score: float = HONEST) -> Attack:
    """Return an attack that writes bytes to the channel directly during a call."""
    answers = {"square": solutions()["square"]}
    return Attack(name, tries, FOUND + hostile_call(statements), answers=answers, score=score)


def showing(name: str, tries: str, outputs: str) -> Attack:
    """Return an attack in which the next cell's outputs are this tree."""
    source = f"""
def do_cell(self, count, source):
    LearnerServer.do_cell = honest["do_cell"]
    return ["done", "", {outputs}]
LearnerServer.do_cell = do_cell
"""
    first = FOUND + source
    return Attack(name, tries, first, behind="test-multiply")


def value(tree: str) -> str:
    return f'["value", {tree}, [], False]'


def changing(what: str, count: int = 1) -> str:
    return f'["value", 1.0, [{what}] * {count}, False]'
