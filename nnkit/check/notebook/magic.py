"""`%%check`: try a derivative against the numerical one, in any cell of any notebook.

    %load_ext nnkit

    %%check x=2.0, y=-4.0
    value = x * y + x**2
    dx = y + 2 * x
    dy = x

The rule: the line names the inputs and a point; the cell computes `value`, and for each input x its gradient
`dx`. Where the value is an array, or stands inside of a larger expression, `upstream` is the gradient of the
loss with respect to it, ready (and random) as soon as `value` is there: `dx = upstream * y`.

A cell that does not assign `value` is about the last function or class that it defines:

    %%check x=2.0, y=3.0
    class Multiply:
        def forward(self, x, y): ...
        def backward(self, upstream, cache): ...

and any other name can stand before the inputs: `%%check f(x=2.0, y=-4.0)` for a cell that computes `f`, and
`%check f(x=2.0, y=-4.0)`, a line of its own, for a function or class `f` of an earlier cell.

The cell runs many times, so draw random numbers on the line (which is computed once) or in an earlier cell.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from nnkit.check.api.gate_checks import check_gradient
from nnkit.check.api.layer_checks import check_backward
from nnkit.check.context import current_context
from nnkit.check.evidence.limits import OutOfTime, time_limit
from nnkit.check.verdict import Verdict
from nnkit.language import say, to_say
from nnkit.own_lines import find_own_line
from nnkit.text import join_ands

EXAMPLE = to_say("Write the inputs and a point, as in: %%check x=2.0, y=rng.normal(size=3)")


def register(shell: Any) -> None:
    """Make `%%check` known to this shell."""

    @no_var_expand
    def check(line: str, cell: str = "") -> Verdict:
        return check_cell(shell, line, cell)

    check.__doc__ = __doc__
    shell.register_magic_function(check, "line_cell", "check")


def check_cell(shell: Any, line: str, cell: str) -> Verdict:
    """Run `%%check`. Raises UsageError, which IPython prints as one line, if the line is wrong."""
    subject, expressions = _parse(line)
    try:
        body = ast.parse(shell.transform_cell(cell), filename="<the cell>").body
    except SyntaxError as fault:
        sentence = say("line {line} is not Python: {message}.", line=(fault.lineno or 0) + 1, message=fault.msg)
        return Verdict(subject or say("the cell"), "error", sentence)
    subject = subject or _subject(body)
    inputs = {name: _evaluate(name, text, shell.user_ns) for name, text in expressions.items()}
    try:
        if _assigns(body, subject):
            return _CellGate(shell.user_ns, subject, inputs, body).check()
        if subject not in _defined(body) and not _is_function(shell.user_ns.get(subject)):
            raise CellError(_nothing(subject))
        _run(body, shell.user_ns)
    except NotImplementedError:
        return Verdict(subject, "not attempted", say("not attempted yet."))
    except CellError as fault:
        return Verdict(subject, "error", str(fault))
    return _check_object(subject, shell.user_ns, inputs)


# ---- the line ---------------------------------------------------------------------------------------


def _parse(line: str) -> tuple[str, dict[str, str]]:
    """Split "f(x=2.0)" into "f" and {"x": "2.0"}; without a name, into "" and the same."""
    try:
        call = ast.parse(line.strip() or "_", mode="eval").body
        named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    except SyntaxError:
        named = False
    try:
        call = call if named else ast.parse(f"_({line})", mode="eval").body
    except SyntaxError as fault:
        raise UsageError(
            say(
                "{line!r} is not Python: {message}. {example}",
                line=line.strip(),
                message=fault.msg,
                example=say(EXAMPLE),
            )
        ) from None
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    if call.args or not call.keywords or any(keyword.arg is None for keyword in call.keywords):
        raise UsageError(say("Each input needs a name and a value. {example}", example=say(EXAMPLE)))
    inputs = {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}
    if len(inputs) < len(call.keywords):
        raise UsageError(say("An input is there twice. {example}", example=say(EXAMPLE)))
    return call.func.id if named else "", inputs


def _evaluate(name: str, text: str, names: dict[str, Any]) -> Any:
    try:
        value = eval(text, names)
        array = np.array(float(value) if isinstance(value, int) else value)
    except Exception as fault:
        raise UsageError(
            say(
                "{name}={text} cannot be computed: {exception}: {fault}",
                name=name,
                text=text,
                exception=type(fault).__name__,
                fault=fault,
            )
        ) from None
    if array.dtype.kind not in "biuf":
        raise UsageError(
            say(
                "{name} must be a number or an array of numbers, not a {type}. {example}",
                name=name,
                type=type(value).__name__,
                example=say(EXAMPLE),
            )
        )
    return array[()]


# ---- the cell ---------------------------------------------------------------------------------------


class CellError(Exception):
    """A fault of the cell, in one sentence; lines are counted as a notebook shows them."""


def _subject(body: Sequence[ast.stmt]) -> str:
    """Return the name that the cell is about: `value` if it assigns that, else its last function or class."""
    defined = _defined(body)
    return defined[-1] if defined and not _assigns(body, "value") else "value"


def _defined(body: Sequence[ast.stmt]) -> list[str]:
    return [s.name for s in body if isinstance(s, ast.FunctionDef | ast.ClassDef)]


def _is_function(thing: Any) -> bool:
    return callable(thing) or hasattr(thing, "backward")


def _nothing(subject: str) -> str:
    if subject == "value":
        return say("the cell must assign `value`; or say what it computes, as in %%check f(x=2.0).")
    return say(
        "there is no `{subject}`: the cell must assign it, or a cell define it as a function or a class.",
        subject=subject,
    )


def _assigns(body: Sequence[ast.stmt], name: str) -> int:
    """Return the number of statements up to the last that assigns `name`; 0 if none does."""
    last = 0
    for count, statement in enumerate(body, 1):
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            stored = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            last = count if name in stored else last
    return last


def _run(statements: Sequence[ast.stmt], names: dict[str, Any]) -> None:
    try:
        code = compile(ast.Module(list(statements), []), "<the cell>", "exec")
        exec(code, names)
    except NotImplementedError:
        raise
    except (Exception, SystemExit) as fault:
        raise CellError(
            say(
                "line {line} stopped with {exception}: {fault}",
                line=_line(fault) + 1,
                exception=type(fault).__name__,
                fault=fault,
            )
        ) from fault


def _line(fault: BaseException) -> int:
    if isinstance(fault, SyntaxError):
        return fault.lineno or 0
    return find_own_line(fault, lambda frame: frame.f_code.co_filename == "<the cell>").number


class _Names:
    """A notebook's names as a gate's cache: nothing to look into, nothing to copy."""

    def __init__(self, names: dict[str, Any]):
        self.names = names

    def __deepcopy__(self, memo: Any) -> _Names:
        return self


class _CellGate:
    """A cell as a gate: up to the last line that assigns the value it is a forward, after that a backward.

    Both run in the notebook's own names, so that a function of an earlier cell sees the same inputs as the
    cell itself; each of the many runs starts from the names that were there before the first.
    """

    def __init__(self, names: dict[str, Any], subject: str, inputs: dict[str, Any], body: list[ast.stmt]):
        self.names, self.subject, self.inputs = names, subject, inputs
        count = _assigns(body, subject)
        self.head, self.tail = body[:count], body[count:]
        used = [n for s in body for n in ast.walk(s) if isinstance(n, ast.Name)]
        self.assigned = {n.id for n in used if isinstance(n.ctx, ast.Store)}
        self.is_gate = any(n.id == "upstream" for n in used)
        for name in (subject, "upstream", *(f"d{name}" for name in inputs)):
            names.pop(name, None)  # an earlier cell's gradient does not belong to this one
        self.before = dict(names)

    def check(self) -> Verdict:
        try:
            with time_limit():
                value = self._first_run()
        except OutOfTime:
            seconds = current_context().seconds
            raise CellError(
                say("it did not end within {seconds:g} seconds: is there a loop without an end?", seconds=seconds)
            ) from None
        # Like a function's own signature, this tells the checks what the inputs are called.
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(name, kind) for name in self.inputs])
        points, of = tuple(self.inputs.values()), _signed(self.value, signature)
        if not np.shape(value) and not self.is_gate:
            function = _signed(lambda *xs: (self.value(*xs), self.backward(1.0, self.forward(*xs)[1])), signature)
            return check_gradient(function, *points, of=of, name=self.subject)
        methods = {"forward": _signed(self.forward, signature), "backward": self.backward}
        gate = type(self.subject, (), {name: staticmethod(method) for name, method in methods.items()})()
        return replace(check_backward(gate, *points, of=of), subject=self.subject)

    def _first_run(self) -> Any:
        """Run as an ordinary cell, which prints and whose names stay in the notebook; return the value."""
        self.names.update({name: np.array(x)[()] for name, x in self.inputs.items()})
        self._run_head()
        value = self.names[self.subject]
        shape = np.shape(value)
        random = shape or self.is_gate
        self.names["upstream"] = np.random.default_rng(0).normal(size=shape) if random else 1.0
        _run(self.tail, self.names)
        wanted = [f"d{name}" for name, x in self.inputs.items() if np.asarray(x).dtype.kind == "f"]
        missing = [name for name in wanted if name not in self.assigned]
        if missing:
            raise CellError(
                say(
                    "it does not compute {names}: each input on the line needs its gradient.",
                    names=join_ands(missing),
                )
            )
        return value

    def _run_head(self) -> None:
        try:
            _run(self.head, self.names)
        except CellError as fault:
            if isinstance(fault.__cause__, NameError) and fault.__cause__.name == "upstream":
                raise CellError(
                    say("`upstream` is known only below the line that assigns `{subject}`.", subject=self.subject)
                ) from None
            raise
        if self.subject not in self.names:
            raise CellError(say("it did not come to a line that assigns `{subject}`.", subject=self.subject))

    def forward(self, *inputs: Any) -> tuple[Any, _Names]:
        with self._fresh():
            self.names.update(zip(self.inputs, inputs))
            self._run_head()
            return self.names[self.subject], _Names(dict(self.names))

    def value(self, *inputs: Any) -> Any:
        return self.forward(*inputs)[0]

    def backward(self, upstream: Any, cache: _Names) -> tuple[Any, ...]:
        with self._fresh():
            self.names.update({**cache.names, "upstream": upstream})
            _run(self.tail, self.names)
            return tuple(self.names.get(f"d{name}") for name in self.inputs)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[None]:
        """Restore the names as before the first run, and afterwards those of now; what is printed is dropped."""
        now = dict(self.names)
        _replace(self.names, self.before)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            _replace(self.names, now)


def _replace(names: dict[str, Any], by: dict[str, Any]) -> None:
    for name in names.keys() - by.keys():
        del names[name]
    names.update(by)


def _signed(function: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    def signed(*inputs: Any) -> Any:
        return function(*inputs)

    signed.__signature__ = signature  # type: ignore[attr-defined]
    return signed


# ---- a function or a class --------------------------------------------------------------------------


def _check_object(subject: str, names: dict[str, Any], inputs: dict[str, Any]) -> Verdict:
    thing = names[subject]
    if isinstance(thing, type):
        try:
            thing = thing()
        except Exception as fault:
            return Verdict(
                subject,
                "error",
                say(
                    "{subject}() stopped with {exception}: {fault}",
                    subject=subject,
                    exception=type(fault).__name__,
                    fault=fault,
                ),
            )
    points = _in_order(getattr(thing, "forward", thing), inputs)
    if hasattr(thing, "forward") or hasattr(thing, "backward"):
        return check_backward(thing, *points)
    return check_gradient(thing, *points)


def _in_order(function: Any, inputs: dict[str, Any]) -> list[Any]:
    """Return the values in the order of the function's own names, if these are the same; else as they were written."""
    with contextlib.suppress(TypeError, ValueError):
        own = list(inspect.signature(function).parameters)
        if set(own) == set(inputs):
            return [inputs[name] for name in own]
    return list(inputs.values())
