"""Values with which a test cell of 4 points can end: what each earns here and with nbgrader, and why if they differ."""

from __future__ import annotations

from typing import Any, NamedTuple

POINTS = 4.0
REFUSED = "refused"
"""Marks a value for which nbgrader stops the grading."""
SETUP = """
import sys
from decimal import Decimal
from fractions import Fraction
import jax
import matplotlib
import numpy as np
from IPython.display import HTML
from nnkit.check import check_value
matplotlib.use("agg")
import matplotlib.pyplot as plt
class Number:
    def __float__(self): return 3.0
class Text:
    def __repr__(self): return "3.0"
class Float(float): pass
"""


class CellEnd(NamedTuple):
    """The end of a test cell."""

    source: str
    points: float
    nbgrader: Any = None
    """nbgrader's points; None: the same."""
    reason: str = ""
    """Why these points differ from nbgrader's."""


NUMPY = "since NumPy 2 its text is not that of a number"
NONSENSE = "not a number of points: nbgrader gives all for it"
OTHER_NUMBER = "its text is not that of a number, but it is one"

CELL_ENDS = (
    CellEnd("None", 4.0),
    CellEnd("x = 1", 4.0),
    CellEnd("assert True", 4.0),
    CellEnd("print(1.0)", 4.0),
    CellEnd("0", 0.0),
    CellEnd("3", 3.0),
    CellEnd("4", 4.0),
    CellEnd("0.0", 0.0),
    CellEnd("-0.0", 0.0),
    CellEnd("1.5", 1.5),
    CellEnd("4.0", 4.0),
    CellEnd("1e-3", 1e-3),
    CellEnd("1.5;", 1.5, 4.0, "a semicolon hides the number from nbgrader, not from us"),
    CellEnd("4.000000000001", 4.0, REFUSED, "an excess by rounding is full marks"),
    CellEnd("np.float64(1.5)", 1.5, 4.0, NUMPY),
    CellEnd("np.float32(0.5)", 0.5, 4.0, NUMPY),
    CellEnd("np.int64(2)", 2.0, 4.0, NUMPY),
    CellEnd("np.float64(9.0)", 0.0, 4.0, NUMPY),
    CellEnd("np.array(1.5)", 1.5, 4.0, "a 0-d array is a number"),
    CellEnd("np.array([1.5])", 0.0, 4.0, NONSENSE),
    CellEnd("np.array([1.0, 2.0])", 0.0, 4.0, NONSENSE),
    CellEnd("np.array(True)", 0.0, 4.0, NONSENSE),
    CellEnd("[1.5]", 0.0, 4.0, NONSENSE),
    CellEnd("(1.0, 2.0)", 0.0, 4.0, NONSENSE),
    CellEnd("[[1, 2], [3, 4]]", 0.0, 4.0, NONSENSE),
    CellEnd("{}", 4.0),
    CellEnd("[]", 4.0),
    CellEnd("plt.figure()", 4.0),
    CellEnd("plt.plot([1, 2])", 4.0),
    CellEnd("plt.hist([1, 2])", 4.0),
    CellEnd("plt.gca().set_title('passed')", 4.0),
    CellEnd("plt.subplots(2)[1]", 4.0),
    CellEnd("HTML('<b>passed</b>')", 4.0),
    CellEnd("np.float64", 4.0),
    CellEnd("check_value(1, 1)", 4.0),
    CellEnd("check_value(1, 2)", 0.0, 4.0, "a verdict that did not pass gives nothing, asserted or not"),
    CellEnd("True", 0.0, 4.0, NONSENSE),
    CellEnd("False", 0.0, 4.0, NONSENSE),
    CellEnd("np.bool_(True)", 0.0, 4.0, NONSENSE),
    CellEnd("float('nan')", 0.0, 4.0, NONSENSE),
    CellEnd("np.nan", 0.0, 4.0, NONSENSE),
    CellEnd("np.float64('nan')", 0.0, 4.0, NONSENSE),
    CellEnd("float('inf')", 0.0, REFUSED, "too large: one cell costs its own points, not the whole notebook's"),
    CellEnd("float('-inf')", 0.0, 4.0, NONSENSE),
    CellEnd("-1", 0.0, 4.0, NONSENSE),
    CellEnd("-1.5", 0.0, 4.0, NONSENSE),
    CellEnd("5", 0.0, REFUSED, "too large: one cell costs its own points, not the whole notebook's"),
    CellEnd("10**400", 0.0, REFUSED, "too large: one cell costs its own points, not the whole notebook's"),
    CellEnd("-10**400", 0.0, 4.0, NONSENSE),
    CellEnd("'0.5'", 0.0, 4.0, NONSENSE),
    CellEnd("'nan'", 0.0, 4.0, NONSENSE),
    CellEnd("'passed'.title()", 4.0),
    CellEnd("b'1'", 0.0, 4.0, NONSENSE),
    CellEnd("b'passed'", 4.0),
    CellEnd("2j", 0.0, 4.0, NONSENSE),
    CellEnd("...", 0.0, 4.0, NONSENSE),
    CellEnd("NotImplemented", 0.0, 4.0, NONSENSE),
    CellEnd("Fraction(1, 2)", 0.5, 4.0, OTHER_NUMBER),
    CellEnd("Decimal('0.5')", 0.5, 4.0, OTHER_NUMBER),
    CellEnd("Decimal('sNaN')", 0.0, 4.0, NONSENSE),
    CellEnd("jax.numpy.array(1.5)", 1.5, 4.0, OTHER_NUMBER),
    CellEnd("jax.numpy.array(3)", 3.0, 4.0, OTHER_NUMBER),
    CellEnd("jax.numpy.array(True)", 0.0, 4.0, NONSENSE),
    CellEnd("jax.numpy.ones(2)", 0.0, 4.0, NONSENSE),
    CellEnd("np.nextafter(np.float32(4), np.float32(5))", 4.0),
    CellEnd("Number()", 0.0, 4.0, NONSENSE),
    CellEnd("Text()", 0.0, 3.0, "an object is not the number that its text spells"),
    CellEnd("Float(3.0)", 0.0, 3.0, "a class can say of itself what it likes"),
    CellEnd("learned", 0.0, 4.0, NONSENSE),
    CellEnd("Learned", 0.0, 4.0, NONSENSE),
    CellEnd("Learned.__float__", 0.0, 4.0, NONSENSE),
    CellEnd("assert False", 0.0),
    CellEnd("1 / 0", 0.0),
    CellEnd("raise SystemExit", 0.0),
    CellEnd("print('late', file=sys.stderr)", 4.0, 0.0, "a text on stderr says nothing about the answer"),
    CellEnd("print('late', file=sys.stderr)\n3.0", 3.0, 0.0, "a text on stderr says nothing about the answer"),
)
ANSWER = "class Learned:\n    def __float__(self): return 4.0\n    __repr__ = lambda self: '4'\nlearned = Learned()"
"""A learner's cell, of which the row `learned` uses a name."""
