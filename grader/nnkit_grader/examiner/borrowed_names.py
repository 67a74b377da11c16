"""Names that a test cell defines and learners' code uses, as it may in a notebook, where all cells share their names.

The learner's process gets them as the released text of the test defines them: hidden tests never go there. A name is
lent only if that changes nothing else: the statement that binds it calls none of the learner's functions, draws no
random numbers, and replaces no name that the learner's cells or Python define.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TypeGuard

from nnkit.check.notebook.code_text import parse_code
from nnkit_grader.course.assignment import Assignment
from nnkit_grader.course.bound_names import find_bound_names, find_global_reads, list_names
from nnkit_grader.intake.submission import MAX_SEARCHED_NOTEBOOK_CHARACTERS, Submission
from nnkit_grader.intake.submitted_cell import SubmittedCell

ARRAY_MAKERS = {"arange", "array", "asarray", "eye", "full", "identity", "linspace", "ones", "zeros"}
"""NumPy's functions that make an array of literals."""
ARRAY_METHODS = {"astype", "reshape"}
NUMBER_TYPES = {"bool", "complex", "float", "int"}
PYTHONS = frozenset(dir(builtins))


@dataclass(frozen=True)
class Loan:
    """A statement of a test cell that the learner's process may run, and the names that it binds."""

    names: frozenset[str]
    source: str


@dataclass(frozen=True)
class BorrowedNames:
    """The names of a test cell that cells in the learner's process use and do not define."""

    before: tuple[Loan, ...]
    """Functions, classes, imports and literals: there when the test runs."""
    after: tuple[Loan, ...]
    """Objects of the learner's classes, and names that the test binds more than once: there when the test has run."""
    whole: bool
    """True if the course's own cells need the test's names, so that its whole released text runs after it."""


def find_borrowed(assignment: Assignment, submission: Submission) -> dict[str, BorrowedNames]:
    """Return what each test cell lends to the learner's process, by the cell's id."""
    code = [cell for cell in submission.cells if cell.cell_type == "code" and cell.kind != "test"]
    inside = [cell.source for cell in assignment.cells if cell.inside]
    sources = [*map(_read_source, code), *inside]
    if sum(map(len, sources)) > MAX_SEARCHED_NOTEBOOK_CHARACTERS:
        return {}
    missing = _find_missing(sources)
    by_course = _find_missing(
        [c.source for c in assignment.cells if c.cell_type == "code" and c.kind != "test"] + inside
    )
    learners = _unite_bound(_read_source(cell) for cell in code if cell.kind != "given")
    taken = _unite_bound(sources) | PYTHONS | assignment.answer_names
    classes = set().union(*(list_names(_find_classes, source) for source in sources))
    found = {}
    for cell in assignment.cells:
        if cell.kind == "test" and not cell.inside and (used := missing & find_bound_names(cell.released)):
            loans = _LoanFinder(cell.released, taken, learners, classes).find_loans(used)
            found[cell.id] = BorrowedNames(*loans, whole=bool(used & by_course))
    return found


def _read_source(cell: SubmittedCell) -> str:
    return cell.source if cell.repaired is None else cell.repaired


def _find_missing(sources: Sequence[str]) -> Set[str]:
    """Return the names that cells use, and neither they nor Python define."""
    used = set().union(*(list_names(find_global_reads, source) for source in sources))
    return used - _unite_bound(sources) - PYTHONS


def _unite_bound(sources: Iterable[str]) -> Set[str]:
    return set[str]().union(*(list_names(find_bound_names, source) for source in sources))


def _find_classes(source: str) -> set[str]:
    return {statement.name for statement in parse_code(source).body if isinstance(statement, ast.ClassDef)}


class _LoanFinder:
    """The statements of a test cell that may run in the learner's process."""

    def __init__(self, source: str, taken: Set[str], learners: Set[str], classes: Set[str]):
        self.taken, self.learners, self.classes = taken, learners, classes
        self.statements = parse_code(source).body
        bound = [(part, find_bound_names(ast.unparse(part))) for part in self.statements]
        self.times = Counter(name for _, names in bound for name in names)
        """Number of statements that bind each name: the value of one that several bind changes as the test goes on."""
        more = set[str]().union(*(names for part, names in bound if not self.is_plain(part)))
        self.unlendable = {name for name in more if self.times[name] > 1}
        """Names that are bound again, once by a statement that does more than that."""

    def find_loans(self, used: Set[str]) -> tuple[tuple[Loan, ...], tuple[Loan, ...]]:
        """Return the statements that bind these names and those that they need: before and after the test."""
        wanted, before = set(used), -1
        while len(wanted) > before:
            before = len(wanted)
            plain = [
                self.lend(part, wanted) for part in self.statements if self.is_plain(part) and not self.is_again(part)
            ]
            made = [self.lend(part, wanted) for part in self.statements if self.is_object(part) or self.is_again(part)]
            wanted |= set().union(*(find_global_reads(loan.source) for loan in filter(None, [*plain, *made])))
        return tuple(filter(None, plain)), tuple(filter(None, made))

    def lend(self, statement: ast.stmt, wanted: Set[str]) -> Loan | None:
        """Return a statement as a loan, an import with the wanted names only; None if it binds what it may not."""
        if isinstance(statement, ast.ImportFrom):
            names = [alias for alias in statement.names if (alias.asname or alias.name) in wanted - self.taken]
            statement = ast.ImportFrom(statement.module, names, statement.level)
        elif isinstance(statement, ast.Import):
            roots = ((alias, alias.asname or alias.name.partition(".")[0]) for alias in statement.names)
            statement = ast.Import([alias for alias, root in roots if root in wanted - self.taken])
        if isinstance(statement, ast.Import | ast.ImportFrom) and not statement.names:
            return None
        source = ast.unparse(statement)
        names_bound = find_bound_names(source)
        free = all(name not in self.taken and name not in self.unlendable for name in names_bound)
        return Loan(names_bound, source) if free and names_bound & wanted else None

    def is_again(self, statement: ast.stmt) -> bool:
        """Return whether a plain statement binds a name that has another value earlier or later in the test."""
        return self.is_plain(statement) and any(
            self.times[name] > 1 for name in find_bound_names(ast.unparse(statement))
        )

    def is_plain(self, statement: ast.stmt) -> bool:
        """Return whether to bind a name is all that a statement does."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return True
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            notes = [
                statement.returns,
                *(node.annotation for node in ast.walk(statement.args) if isinstance(node, ast.arg)),
            ]
            return (
                all(map(self.is_trusted, statement.decorator_list))
                and _has_literal_defaults(statement.args)
                and all(map(_calls_nothing, notes))
            )
        if isinstance(statement, ast.ClassDef):
            outer = [*statement.decorator_list, *statement.bases]
            return (
                not statement.keywords
                and all(map(self.is_trusted, outer))
                and all(map(self.is_in_class, statement.body))
            )
        return _is_assignment(statement) and _is_literal(statement.value)

    def is_in_class(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.AnnAssign) and statement.value is None:
            return isinstance(statement.target, ast.Name) and _calls_nothing(statement.annotation)
        if isinstance(statement, ast.Expr):
            return isinstance(statement.value, ast.Constant)
        return isinstance(statement, ast.Pass) or self.is_plain(statement)

    def is_trusted(self, node: ast.expr) -> bool:
        """Return whether a decorator or base is by its name none of the learner's."""
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            return self.is_trusted(node.func) and all(map(_is_literal, arguments))
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id not in self.learners

    def is_object(self, statement: ast.stmt) -> bool:
        """Return whether a statement makes an object of a class, of literals and names."""
        if not (_is_assignment(statement) and isinstance(call := statement.value, ast.Call)):
            return False
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        is_class = isinstance(call.func, ast.Name) and call.func.id in self.classes
        return is_class and all(isinstance(node, ast.Name) or _is_literal(node) for node in arguments)


def _is_assignment(statement: ast.stmt) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    """Return whether a statement binds names, and sets no part of an object."""
    if isinstance(statement, ast.AnnAssign):
        return isinstance(statement.target, ast.Name) and _calls_nothing(statement.annotation)
    return isinstance(statement, ast.Assign) and all(map(_is_name, statement.targets))


def _is_name(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) or (isinstance(target, ast.Tuple) and all(map(_is_name, target.elts)))


def _has_literal_defaults(arguments: ast.arguments) -> bool:
    return all(map(_is_literal, [*arguments.defaults, *filter(None, arguments.kw_defaults)]))


def _calls_nothing(annotation: ast.expr | None) -> bool:
    nodes = ast.walk(annotation) if annotation else ()
    return not any(isinstance(node, ast.Call | ast.NamedExpr | ast.Await) for node in nodes)


def _is_literal(node: ast.expr | None) -> bool:
    """Return whether a value is a literal, an array of literals, or a lambda."""
    match node:
        case ast.Constant():
            return True
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(map(_is_literal, parts))
        case ast.Dict(keys=keys, values=values):
            return all(map(_is_literal, [*keys, *values]))
        case ast.UnaryOp(operand=operand):
            return _is_literal(operand)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left) and _is_literal(right)
        case ast.Lambda(args=parameters):
            return _has_literal_defaults(parameters)
        case ast.Attribute(value=ast.Name(id="np" | "numpy")):
            return True
        case ast.Attribute(value=ast.Call() as call, attr="T"):
            return _is_literal(call)
        case ast.Call(func=ast.Attribute(value=owner, attr=method), args=args, keywords=keywords):
            by_numpy = isinstance(owner, ast.Name) and owner.id in ("np", "numpy") and method in ARRAY_MAKERS
            of_array = isinstance(owner, ast.Call) and method in ARRAY_METHODS and _is_literal(owner)
            arguments = [*args, *(keyword.value for keyword in keywords)]
            return (by_numpy or of_array) and all(_is_literal(part) or _is_number_type(part) for part in arguments)
    return False


def _is_number_type(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in NUMBER_TYPES
