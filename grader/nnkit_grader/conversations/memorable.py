"""The test cells whose outcome depends on nothing but the replies, found in the course's source without running it.

A cell is memorable if all that it reads is plain: its own names, the learner's, Python's pure functions, modules that
only compute, and what given cells made of these. It reads no name that another test binds, binds none that any other
cell reads, and has no magics. All cells before it that see replies must compute only, too, but for a few modules that
look and change nothing: no setting of the process, as NumPy's way to print or a filter of warnings, may depend on the
replies. Any other test cell is judged for each submission anew, as always.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nnkit.check.notebook.code_text import parse_code
from nnkit_grader.course.assignment import Assignment, CourseCell
from nnkit_grader.course.bound_names import find_bound_names, find_global_reads, list_early_reads

PURE_MODULES = {
    *("cmath", "collections", "copy", "fractions", "functools", "itertools", "math", "nnkit", "numpy", "operator"),
    *("statistics", "string", "typing"),
}
"""Modules that compute, and neither read a clock or a file nor keep what they were given."""
LOOKING_MODULES = {"contextlib", "inspect", "io", "json", "re", "time"}
"""Modules that see more than their arguments, and change nothing that another cell sees."""
IMPURE_BUILTINS = {
    *(
        "__import__",
        "breakpoint",
        "compile",
        "copyright",
        "credits",
        "delattr",
        "dir",
        "eval",
        "exec",
        "exit",
        "getattr",
    ),
    *("globals", "hasattr", "hash", "help", "id", "input", "license", "locals", "object", "open", "quit"),
    *("setattr", "vars"),
}
"""Python's functions that see more than their arguments, or take names as text."""
NAME_FINDERS = {"__import__", "compile", "dir", "eval", "exec", "globals", "locals", "vars"}
"""Python's functions that find a notebook's names by their text."""
PURE_BUILTINS = {name for name in dir(builtins) if not name.startswith("_")} - IMPURE_BUILTINS
SETTING_ATTRIBUTES = {
    *("register_renderer", "set_default_printstyle", "set_display", "set_lecture", "set_printoptions"),
    *("set_string_function", "setbufsize", "seterr", "seterrcall"),
}
"""Attributes of pure modules that change how all that comes later computes or prints."""
SETTING_BUILTINS = {"delattr", "setattr"}
IMPURE_ATTRIBUTES = SETTING_ATTRIBUTES | {
    *("MT19937", "PCG64", "PCG64DXSM", "Philox", "RandomState", "SFC64", "SeedSequence", "datetime64"),
    *("empty", "empty_like", "setflags"),
    *("DataSource", "ctypeslib", "f2py", "fromfile", "genfromtxt", "get_printoptions", "lib", "load", "loadtxt"),
    *("memmap", "open", "open_memmap", "printoptions", "save", "savetxt", "savez", "savez_compressed", "test"),
    *("testing", "tofile"),
    *("check_notebook", "cli", "data", "doctor", "figures", "load_digits", "plugins", "view"),
}
"""Attributes of pure modules and their objects that reach outside, or that change how others compute."""


@dataclass(frozen=True)
class MemorableCell:
    """A test cell whose outcome depends on the replies, and on the given names that it reads."""

    given: frozenset[str]
    """Names of given cells that it reads, itself or through their functions."""
    values: frozenset[str]
    """Those of `given` that stand for values, which may hold no code; the others are functions and imports."""


def find_memorable(assignment: Assignment) -> Mapping[str, MemorableCell]:
    """Return the memorable test cells of an assignment, by id."""
    return _find_memorable(tuple((c.id, c.kind, c.source, c.inside) for c in assignment.cells if c.cell_type == "code"))


@lru_cache(8)
def _find_memorable(cells: tuple[tuple[str, str, str, bool], ...]) -> Mapping[str, MemorableCell]:
    course = [CourseCell(name, "", kind, source, source, inside=inside) for name, kind, source, inside in cells]  # type: ignore[arg-type]
    try:
        if any(map(_reaches_for_names, course)):
            return {}
        reader = _CourseReader(course)
        tests = [cell for cell in reader.list_before_changes() if cell.kind == "test" and not cell.inside]
        found = {cell.id: reader.read_test(cell) for cell in tests}
    except (SyntaxError, ValueError, RecursionError):
        return {}
    return {name: memorable for name, memorable in found.items() if memorable}


def _reaches_for_names(cell: CourseCell) -> bool:
    """Return whether a cell of the course may use names that its source does not show."""
    if cell.kind not in ("given", "test"):
        return False
    hidden = find_global_reads(cell.source) & NAME_FINDERS or "__main__" in cell.source
    return bool(hidden) or cell.source.lstrip().startswith("%%")


class _CourseReader:
    def __init__(self, course: Sequence[CourseCell]):
        self.course = course
        self.given: dict[str, list[str]] = {}
        """The sources of the given cells that bind a name."""
        self.shared: set[str] = set()
        """Names that given cells read, perhaps in functions that a later test calls."""
        self.learners: set[str] = set()
        for cell in course:
            self.shared |= find_global_reads(cell.source) if cell.kind == "given" else set()
            for name in find_bound_names(cell.source):
                if cell.kind == "given":
                    self.given.setdefault(name, []).append(cell.source)
                elif cell.kind != "test" or cell.inside:
                    self.learners.add(name)

    def list_before_changes(self) -> Sequence[CourseCell]:
        """Return the cells up to the first one that may change the process, depending on the replies."""
        answered = set(self.learners)
        for position, cell in enumerate(self.course):
            if cell.kind not in ("given", "test") or cell.inside:
                continue
            reads_replies = bool(find_global_reads(cell.source) & answered)
            if (cell.kind == "test" or reads_replies) and self.may_change(cell):
                return self.course[: position + 1]
            answered |= find_bound_names(cell.source) if reads_replies else set()
        return self.course

    def may_change(self, cell: CourseCell) -> bool:
        """Return whether a cell, or a given function that it reads, may change what later cells see of the process."""
        sources, seen = [cell.source], set[str]()
        while sources:
            source = sources.pop()
            if _may_change(source):
                return True
            names = (find_global_reads(source) & self.given.keys()) - seen
            seen |= names
            sources += [ast.unparse(part) for name in sorted(names) for part in self.list_bindings(name)]
        return False

    def list_bindings(self, name: str) -> list[ast.stmt]:
        """Return the statements of given cells that bind a name, of imports only the part with it."""
        statements = [s for source in self.given[name] for s in parse_code(source).body]
        parts = [part for statement in statements for part in _split_import(statement)]
        return [part for part in parts if name in find_bound_names(ast.unparse(part))]

    def read_test(self, cell: CourseCell) -> MemorableCell | None:
        bound = find_bound_names(cell.source)
        others = [other for other in self.course if other is not cell and other.kind in ("given", "test")]
        needed = set().union(*(list_early_reads(other.source) for other in others))
        tests = set().union(*(find_bound_names(other.source) for other in others if other.kind == "test"))
        early = list_early_reads(cell.source)
        if bound & (self.learners | self.shared | needed | self.given.keys()) or early & (tests | bound):
            return None
        if not _is_python(cell.source) or not _is_pure(parse_code(cell.source)):
            return None
        given: set[str] = set()
        if not self.may_read(early, given):
            return None
        return MemorableCell(frozenset(given), frozenset(filter(self.is_value, given)))

    def is_value(self, name: str) -> bool:
        """Return whether a given cell assigns to a name; else it is a function or an import, which are looked into."""
        code = (ast.Import, ast.ImportFrom, ast.FunctionDef)
        return not all(isinstance(statement, code) for statement in self.list_bindings(name))

    def may_read(self, names: frozenset[str], seen: set[str]) -> bool:
        """Return whether all of these names are pure; add those of given cells to `seen`."""
        return all(self.is_pure_name(name, seen) for name in sorted(names))

    def is_pure_name(self, name: str, seen: set[str]) -> bool:
        if name in self.learners:
            return name not in self.given
        if name not in self.given:
            return name in PURE_BUILTINS
        if name in seen:
            return True
        seen.add(name)
        bindings = self.list_bindings(name)
        if len(bindings) > 1 and not self.is_value(name):  # which one it is depends on what has run
            return False
        return all(self.is_pure_binding(name, statement, seen) for statement in bindings)

    def is_pure_binding(self, name: str, statement: ast.stmt, seen: set[str]) -> bool:
        """Return whether what a given cell binds to a name is pure: the module, function, class or value."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return _imports_pure(statement)
        if isinstance(statement, ast.FunctionDef):
            reads = find_global_reads(ast.unparse(statement)) - {name}
            return not statement.decorator_list and _is_stateless(statement) and self.may_read(reads, seen)
        return isinstance(statement, ast.Assign | ast.AnnAssign)  # its value is looked at when the cell runs


def _is_python(source: str) -> bool:
    """Return whether a cell is plain Python, without magics."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _is_stateless(function: ast.FunctionDef) -> bool:
    """Return whether a function keeps nothing from one call to the next."""
    defaults = [*function.args.defaults, *filter(None, function.args.kw_defaults)]
    if not all(isinstance(default, ast.Constant) for default in defaults):
        return False
    return _is_pure(function)


def _imports_pure(statement: ast.Import | ast.ImportFrom) -> bool:
    """Return whether an import gives what only computes."""
    if isinstance(statement, ast.ImportFrom) and statement.level:
        return False
    module = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
    paths = [f"{module}{alias.name}".split(".") for alias in statement.names]
    return all(path[0] in PURE_MODULES and IMPURE_ATTRIBUTES.isdisjoint(path) and "*" not in path for path in paths)


def _may_change(source: str) -> bool:
    """Return whether code may change a setting of the process, or what a module or a given name has."""
    if not _is_python(source) or find_global_reads(source) & SETTING_BUILTINS:
        return True
    nodes = list(ast.walk(tree := parse_code(source)))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    if not all(map(_imports_harmless, imports)) or any(isinstance(node, ast.Global | ast.Delete) for node in nodes):
        return True
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    attributes |= {alias.name for node in imports if isinstance(node, ast.ImportFrom) for alias in node.names}
    hidden = any(name.startswith("__") for name in attributes)
    made = _find_made(tree)
    return bool(attributes & SETTING_ATTRIBUTES) or hidden or any(_sets_part(node, made) for node in nodes)


def _split_import(statement: ast.stmt) -> list[ast.stmt]:
    """Return an import as one statement for each name; other statements as they are."""
    if isinstance(statement, ast.Import):
        return [ast.Import([alias]) for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]
    return [statement]


def _imports_harmless(statement: ast.Import | ast.ImportFrom) -> bool:
    """Return whether an import gives only what computes or looks."""
    if isinstance(statement, ast.ImportFrom) and (statement.level or statement.names[0].name == "*"):
        return False
    found = [statement.module or ""] if isinstance(statement, ast.ImportFrom) else [a.name for a in statement.names]
    return all(path.partition(".")[0] in PURE_MODULES | LOOKING_MODULES for path in found)


def _is_pure(tree: ast.AST) -> bool:
    """Return whether code reaches for nothing outside, and sets nothing but its own names and parts of their values."""
    made = _find_made(tree)
    return all(_is_pure_node(node, made) for node in ast.walk(tree))


def _is_pure_node(node: ast.AST, made: set[str]) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _imports_pure(node)
    if isinstance(node, ast.Attribute) and (node.attr in IMPURE_ATTRIBUTES or node.attr.startswith("__")):
        return False
    if _sets_part(node, made):
        return False
    return not isinstance(node, ast.Global | ast.Await | ast.AsyncFor | ast.AsyncWith | ast.Delete)


def _sets_part(node: ast.AST, made: set[str]) -> bool:
    """Return whether a node sets an attribute, or an item of one, of what its code has not made itself."""
    if not isinstance(node, ast.Attribute | ast.Subscript) or isinstance(node.ctx, ast.Load):
        return False
    return any(isinstance(part, ast.Attribute) for part in ast.walk(node)) and _find_root(node) not in made


def _find_made(tree: ast.AST) -> set[str]:
    """Return the names that stand for nothing but what code makes: its classes, what it calls for, and `self`."""
    nodes = list(ast.walk(tree))
    bound = Counter(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    bound.update(node.arg for node in nodes if isinstance(node, ast.arg) and node.arg != "self")
    assigned = [node for node in nodes if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    called = Counter(target.id for node in assigned for target in node.targets if isinstance(target, ast.Name))
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return {name for name, count in called.items() if count == bound[name]} | (classes - bound.keys()) | {"self"}


def _find_root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
