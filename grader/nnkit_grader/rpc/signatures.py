"""Signatures and exceptions rebuilt from the plain words in which a learner's process describes them."""

from __future__ import annotations

import builtins
import inspect
import keyword
import unicodedata
from collections.abc import Iterator
from typing import Any

from nnkit.arrays import ShapeError
from nnkit_grader.rpc.framing import BadReply


def parse_method(parts: Any) -> tuple[str, inspect.Signature]:
    """Return a method's name and signature, from [name, [[parameter, kind, has a default], ...]]."""
    if type(parts) is not list or len(parts) != 2 or type(parts[1]) is not list or len(parts[1]) > 100:
        raise BadReply("a method of the wrong form.")
    return make_identifier(parts[0], ""), inspect.Signature(
        list(_parse_parameters(parts[1])), __validate_parameters__=False
    )


def _parse_parameters(described: list[Any]) -> Iterator[inspect.Parameter]:
    for parts in described:
        if type(parts) is not list or len(parts) != 3 or parts[1] not in (0, 1, 2, 3, 4):
            raise BadReply("a parameter of the wrong form.")
        kind = tuple(inspect._ParameterKind)[parts[1]]
        starred = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        default = None if parts[2] is True and not starred else inspect.Parameter.empty
        yield inspect.Parameter(make_identifier(parts[0], "x"), kind, default=default)


def make_identifier(name: Any, otherwise: str) -> str:
    """Return a name if it is a Python identifier that stands for itself, else `otherwise`."""
    fine = type(name) is str and len(name) <= 80 and name.isidentifier() and not keyword.iskeyword(name)
    return name if fine and unicodedata.is_normalized("NFKC", name) else otherwise  # two names must not become one


def rebuild_exception(fault: Any) -> BaseException:
    """Return an exception with the name and text of the learner's, of its nearest built-in kind."""
    if type(fault) is not tuple or len(fault) != 5 or not all(type(part) is str for part in fault):
        raise BadReply("an exception of the wrong form.")
    name, base, text, line, trace = fault
    kind = _find_builtin(base)
    name = make_identifier(name, kind.__name__)
    if name == "ShapeError" and kind is ValueError:
        kind = ShapeError
    if name != kind.__name__:
        kind = type(name, (kind,), {"__module__": "__main__"})
    rebuilt = kind(text[:2000])
    rebuilt.learners_line, rebuilt.learners_trace = line[:200], trace[:20_000]  # type: ignore[attr-defined]
    return rebuilt


def _find_builtin(name: str) -> type[BaseException]:
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)) or issubclass(
        kind, KeyboardInterrupt | GeneratorExit | StopIteration | StopAsyncIteration | Warning | BaseExceptionGroup
    ):
        return Exception
    return Exception if issubclass(kind, UnicodeError) else kind  # a UnicodeError takes five arguments
