"""The learner's side of the conversation: runs in the sandbox, among the learner's own code, and is trusted by nobody.

It runs the submission's cells in IPython's shell and answers the examiner's requests about what they have defined.
A learner may change anything here; all that comes of it is a reply that the examiner looks at like any other.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import socket
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nnkit.check.evidence import calls, guarded_call
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.framing import CannotCross, Closed, Frames
from nnkit_grader.rpc.ipython_shell import Shell, make_shell

KEPT = 1024
"""Arrays that have crossed and can come back as their number; more than the examiner remembers."""

_shell: Shell | None = None


def prepare() -> None:
    """What every child needs, made once before the fork: imports, and a shell."""
    global _shell
    _shell = make_shell()


def serve(channel: socket.socket, scratch: Path) -> None:
    """Answer requests until the examiner hangs up."""
    shell = _shell or make_shell()
    warnings.filterwarnings("ignore", message=".*is non-interactive")  # plt.show() under Agg
    sys.path[:] = [place for place in sys.path if place and Path(place) != scratch]  # no file shadows a module
    Learner(channel, shell, scratch).serve()
    os._exit(0)  # no clean-up of theirs


class Learner:
    def __init__(self, channel: socket.socket, shell: Shell, scratch: Path):
        self.frames, self.shell, self.scratch = Frames(channel), shell, scratch
        self.objects: list[Any] = []
        self.arrays: OrderedDict[int, tuple[Any, bytes]] = OrderedDict()
        self.classes: list[type] = []
        self.sent = 0

    def serve(self) -> None:
        while True:
            try:
                word, *parts = self.frames.receive()
            except Closed:
                return
            self.reply(getattr(self, f"do_{word}")(*parts))

    def reply(self, reply: list[Any]) -> None:
        self.frames.send(reply)

    # ---- requests

    def do_files(self, names: list[str], contents: list[bytes]) -> list[Any]:
        for name, content in zip(names, contents):
            (self.scratch / name).write_bytes(content)
        return ["done"]

    def do_cell(self, count: int, source: str) -> list[Any]:
        ended, outputs = self.shell.run(count, source)
        return ["done", ended, self.tree(outputs)]

    def do_forget(self) -> list[Any]:
        self.arrays.clear()
        return ["done"]

    def do_get(self, target: list[Any]) -> list[Any]:
        try:
            return ["value", self.tree(self.got(*target)), [], False]
        except BaseException as fault:
            return ["raised", self.tree(told(fault)), []]

    def got(self, how: str, what: Any, key: Any = None) -> Any:
        if how == "name":
            return self.looked_up(what)
        thing = self.objects[what]
        if how == "attribute":
            return getattr(thing, key)
        if how == "item":
            return thing[codec.from_tree(key, self)]
        if how == "length":
            return len(thing)
        if how == "iterator":
            return _Iterator(iter(thing))
        return (thing if isinstance(thing, _Iterator) else _Iterator(thing)).step()

    def do_set(self, number: int, name: str, value: Any) -> list[Any]:
        try:
            setattr(self.objects[number], name, codec.from_tree(value, self))
            return ["value", None, [], False]
        except BaseException as fault:
            return ["raised", self.tree(told(fault)), []]

    def looked_up(self, name: str) -> Any:
        if name not in self.shell.user_ns:
            raise NameError(f"name {name!r} is not defined")
        return self.shell.user_ns[name]

    def do_call(self, target: list[Any], args: Any, kwargs: Any, points: Any) -> list[Any]:
        passed = codec.Passed()
        given, named = codec.from_tree(args, self, passed), codec.from_tree(kwargs, self, passed)
        return self.called(target, (given, named or {}), passed, points)[1]

    def do_calls(self, row: list[Any]) -> list[Any]:
        returned: list[Any] = []
        replies = []
        for target, args, parts in row:
            value, *reply = self.next(returned, target, args, parts)
            returned.append(value)
            replies.append(reply)
        return ["done", *replies]

    def next(self, returned: list[Any], target: list[Any], args: Any, parts: list[list[int]]) -> tuple[Any, str, Any]:
        """One call of a row, some of whose arguments are parts of what those before it have returned: its value, what
        it did to them (see `nnkit.check.remote.CallResult`), and the reply."""
        passed = codec.Passed()
        given = list(codec.from_tree(args, self, passed))
        try:
            for position, call, item in parts:
                given[position] = returned[call][item]
        except Exception as fault:  # that call has failed, or returned nothing of the kind
            return None, "", ["raised", self.tree(told(fault)), []]
        before = [calls.array_bytes(given[position]) for position, _, _ in parts]
        value, reply = self.called(target, (given, {}), passed, None)
        mutated = (calls.find_mutation(given[position], kept) for (position, _, _), kept in zip(parts, before))
        return value, max(mutated, default=""), reply

    def called(self, target: list[Any], given: Any, passed: codec.Passed, points: Any) -> tuple[Any, list[Any]]:
        """What a call has returned, and the reply."""
        value, measured = None, [False]
        try:
            function = self.objects[target[0]]
            function = getattr(function, target[1]) if target[1] else function
            with self.shell.quiet:
                value = self.watched(function, given, points, measured)
        except BaseException as fault:
            return None, ["raised", self.tree(told(fault)), self.changes(passed)]
        changes = self.changes(passed)
        try:
            return value, ["value", self.tree(value), changes, measured[0]]
        except CannotCross as fault:
            return value, ["raised", self.tree(told(TypeError(str(fault)))), changes]

    def watched(self, function: Callable[..., Any], given: Any, points: Any, measured: list[bool]) -> Any:
        """The call; if the examiner wants to know, with a look at whether it measures a derivative."""
        if points is None:
            return function(*given[0], **given[1])
        returned: list[Any] = []
        measured[0] = guarded_call.measures_derivative(
            lambda: returned.append(function(*given[0], **given[1])), (), codec.from_tree(points, self)
        )
        return returned[0] if returned else function(*given[0], **given[1])  # somebody watches already

    def changes(self, passed: codec.Passed) -> list[Any]:
        """What a call has changed of its arguments."""
        arrays = [
            ["array", i, self.tree(array)]
            for i, (array, raw) in enumerate(passed.arrays)
            if isinstance(array, np.ndarray) and array.tobytes() != raw
        ]
        containers = [
            ["container", i, self.tree(after)]
            for i, (after, before) in enumerate(passed.containers)
            if not _same_parts(after, before)
        ]
        return arrays + containers

    def tree(self, value: Any) -> Any:
        return codec.to_tree(value, self)

    # ---- wire.Keeper

    def array_number(self, array: Any, raw: bytes) -> int:
        self.sent += 1
        self.arrays[self.sent] = array, raw
        if len(self.arrays) > KEPT:
            self.arrays.popitem(last=False)
        return self.sent

    def known(self, array: np.ndarray, raw: bytes) -> int | None:
        return None

    def outgoing(self, value: Any) -> list[Any] | None:
        array = _as_array(value)
        if array is not None:
            raw = array.tobytes()
            return [codec.ARRAY, array.dtype.str, list(array.shape), raw, self.array_number(value, raw)]
        if isinstance(value, np.str_ | np.bytes_):
            return self.tree(value.item())  # type: ignore[no-any-return]
        self.objects.append(value)
        return [codec.OBJECT, len(self.objects) - 1, *_described(value)]

    def class_number(self, kind: type) -> int:
        if kind not in self.classes:
            self.classes.append(kind)
        return self.classes.index(kind)

    def named(self, number: int, name: str, fields: list[str]) -> Callable[..., Any]:
        return self.classes[number] if number >= 0 else lambda *parts: parts

    def incoming_array(self, array: np.ndarray, number: int, raw: bytes) -> None:
        pass

    def array(self, number: int) -> Any:
        return self.arrays[number][0]

    def incoming(self, tag: int, parts: list[Any]) -> Any:
        if tag == codec.CALLBACK:
            return self.callback(*parts)
        thing = self.objects[parts[0]]
        return getattr(thing, parts[1]) if parts[1] else thing

    def callback(self, number: int, name: str) -> Callable[..., Any]:
        """A function that asks the examiner for its value."""

        def function(*args: Any) -> Any:
            self.reply(["callback", number, self.tree(args)])
            word, *parts = self.frames.receive()
            while word not in ("value", "raised"):  # it calls code of this side in its turn
                self.reply(getattr(self, f"do_{word}")(*parts))
                word, *parts = self.frames.receive()
            if word == "raised":
                raise RuntimeError(f"{parts[0]}: {parts[1]}")
            return codec.from_tree(parts[0], self)

        function.__name__ = name
        return function


class _Iterator:
    """An iterator that gives its end as a value."""

    def __init__(self, iterator: Iterator[Any]):
        self.iterator = iterator

    def step(self) -> tuple[Any, ...]:
        for value in self.iterator:
            return (value,)
        return ()


def _same_parts(after: Any, before: Any) -> bool:
    if len(after) != len(before):
        return False
    if isinstance(after, dict):
        return all(key in before and value is before[key] for key, value in after.items())
    return all(x is y for x, y in zip(after, before))


def _as_array(value: Any) -> np.ndarray | None:
    """A JAX array, a masked array, a matrix ... as an array of numbers; None for what is not one."""
    if isinstance(value, type) or not hasattr(value, "__array__") or not hasattr(value, "dtype"):
        return None
    try:
        array = np.asarray(value)
    except Exception:
        return None
    return array if type(array) is np.ndarray and array.dtype.str in codec.DTYPES else None


def _described(value: Any) -> list[Any]:
    """[kind, name, [[method, parameters], ...]]; a function's own parameters stand under "" ."""
    if isinstance(value, type):
        return ["class", value.__name__, [["", _parameters(value)]]]
    if inspect.isroutine(value) or (hasattr(value, "__name__") and callable(value)):
        return ["function", str(getattr(value, "__name__", "function")), [["", _parameters(value)]]]
    kind = type(value)
    names = [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name, None))]
    methods = [[name, _parameters(getattr(value, name, None))] for name in names[:400]]
    return ["iterator" if hasattr(kind, "__next__") else "object", kind.__name__, methods]


def _parameters(function: Any) -> list[Any]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [[p.name, int(p.kind), p.default is not p.empty] for p in list(parameters)[:100]]


def told(fault: BaseException) -> tuple[str, str, str, str, str]:
    """An exception as plain text: its name, its nearest built-in kind, its message, the learner's line, the trace."""
    kinds = [kind for kind in type(fault).__mro__ if kind.__module__ == "builtins"]
    line, trace = "", []
    for frame, number in walk(fault):
        line = linecache.getline(frame.f_code.co_filename, number).strip()
        trace.append(f"line {number} of {frame.f_code.co_name}: {line}")
    try:
        text = str(fault)
    except Exception:
        text = "(its message cannot be read)"
    return type(fault).__name__, kinds[0].__name__, text[:2000], line[:200], "\n".join(trace[-20:])


def walk(fault: BaseException) -> Iterator[tuple[Any, int]]:
    """The frames of the learner's own cells that an exception passed."""
    trace = fault.__traceback__
    while trace is not None:
        if re.match(r"<ipython-input-|<cell ", trace.tb_frame.f_code.co_filename):
            yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
