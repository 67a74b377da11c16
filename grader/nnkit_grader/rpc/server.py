"""The server on the learner's side: runs in the sandbox among the learner's own code, and is never trusted.

It runs the submission's cells in IPython's shell and answers the examiner's requests about what they have defined. A
learner may change anything here: the result is a reply, and the examiner checks every reply.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import signal
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nnkit.check.context import checking, sharing_context
from nnkit.check.evidence import calls, guarded_call
from nnkit.check.notebook.ipython_shell import CellShell, make_shell
from nnkit.check.points import earn_points, read_value
from nnkit.language import VARIABLE
from nnkit.streams import BoundedStream, OutputBudget
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.descriptions import describe_exception, describe_object
from nnkit_grader.rpc.fit_outputs import fit_outputs
from nnkit_grader.rpc.framing import CannotSend, FrameStream, StreamClosed
from nnkit_grader.rpc.operations import OPERATIONS

MAX_KEPT_ARRAYS = 1024
"""Arrays that were sent and can come back as their number; more than the examiner remembers."""

POSTPONED_SIGNALS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGINT)
"""Signals by which code limits its own time."""

MISSING = object()

RESETS = ("reset", "reset_selective")
"""Magics that delete names. In the middle of a notebook they would cost the exercises above their points."""

_shell: CellShell | None = None


def prepare() -> None:
    """Make what every child needs once before the fork: imports, and a shell."""
    global _shell
    _shell = make_learner_shell()


def make_learner_shell() -> CellShell:
    """Return a shell in which the magics that delete names only say so."""
    shell = make_shell()
    for name in RESETS:
        shell.ipython.register_magic_function(functools.partial(_keep_names, name), "line", name)
    return shell


def _keep_names(magic: str, line: str) -> None:
    print(f"%{magic} is not run when a notebook is graded: all names stay.", file=sys.stderr)


def serve(channel: socket.socket, scratch: Path) -> None:
    """Answer requests until the examiner hangs up."""
    shell = _shell or make_learner_shell()
    sys.path[:] = [place for place in sys.path if place and Path(place) != scratch]
    sys.path.append("")  # the working folder comes last: a module that a cell writes shadows no other
    with checking(clock=measure_work), sharing_context():
        LearnerServer(channel, shell, scratch).serve()
    os._exit(0)  # without the learner's clean-up functions


def measure_work() -> float:
    """Return the seconds that this process has computed, by which checks in learners' code count their time.

    So neither the examiner, which they may ask for values, nor a busy machine takes any of it.
    """
    return time.process_time()


@contextlib.contextmanager
def postpone_signals() -> Iterator[None]:
    """Context manager in which alarms and interrupts wait: a question must not be left before its answer."""
    here = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in POSTPONED_SIGNALS} if here else {}
    own = {number: handler for number, handler in handlers.items() if callable(handler)}
    waiting: list[tuple[int, Any]] = []
    try:
        for number in own:
            signal.signal(number, lambda *given: waiting.append(given))
        yield
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
        for received, frame in waiting:
            own[signal.Signals(received)](received, frame)


class LearnerServer:
    """Answers the examiner's requests about the learner's code."""

    def __init__(self, channel: socket.socket, shell: CellShell, scratch: Path):
        self.stream, self.shell, self.scratch = FrameStream(channel), shell, scratch
        self.objects: list[Any] = []
        self.arrays: OrderedDict[int, tuple[Any, bytes]] = OrderedDict()
        self.classes: list[type] = []
        self.sent = 0
        self.numbers: dict[int, int] = {}
        """The numbers of objects that were sent, by id; `objects` keeps them alive."""
        self.replaced: dict[str, Any] = {}
        """Values of names that a test has bound anew or deleted: they return when it has ended."""
        self.printed: list[str] = []
        """Texts that calls have printed while a test listens."""
        self.asking = threading.RLock()
        """Held while the examiner is asked something: threads ask one after the other."""

    def serve(self) -> None:
        """Answer requests until the examiner hangs up."""
        while True:
            try:
                word, *parts = self.stream.receive()
            except StreamClosed:
                return
            self.reply(getattr(self, f"do_{word}")(*parts))

    def reply(self, reply: list[Any]) -> None:
        self.stream.send(reply)

    # ---- requests

    def do_language(self, code: str) -> list[Any]:
        os.environ[VARIABLE] = code  # of the learner's own checks, and of what they start
        return ["done"]

    def do_files(self, names: list[str], contents: list[bytes]) -> list[Any]:
        for name, content in zip(names, contents):
            (self.scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (self.scratch / name).write_bytes(content)
            if name.endswith(".py") and str(self.scratch) not in sys.path:  # a module of the course is found first
                sys.path.insert(0, str(self.scratch))
        return ["done"]

    def do_cell(self, count: int, source: str) -> list[Any]:
        importlib.invalidate_caches()  # the cell above may have written a module a moment ago
        run = self.shell.run(count, source)
        ended = type(run.error).__name__ if run.error is not None else ""
        return ["done", ended, self.encode(fit_outputs(run.outputs))]

    def do_missing(self, names: list[str]) -> list[Any]:
        return ["done", [name for name in names if name not in self.shell.user_ns]]

    def do_test(self, count: int, source: str, points: float) -> list[Any]:
        run = self.shell.run(count, source)
        score = 0.0 if run.error is not None else earn_points(read_value(run.value), points)
        return ["done", float(score), self.encode(fit_outputs(run.outputs))]

    def do_forget(self, objects: bool) -> list[Any]:
        self.arrays.clear()
        self.sent = 0
        if objects:
            self.objects.clear()
            self.numbers.clear()
        while self.replaced:
            name, value = self.replaced.popitem()
            self.shell.user_ns[name] = value
            if value is MISSING:
                del self.shell.user_ns[name]
        return ["done"]

    def do_get(self, target: list[Any]) -> list[Any]:
        try:
            return ["value", self.encode(self.read_target(*target)), [], False]
        except BaseException as fault:
            return ["raised", self.encode(describe_exception(fault)), []]

    def read_target(self, how: str, what: Any, key: Any = None) -> Any:
        """Return a name's value, or an object's attribute, item, length, iterator or next item."""
        if how == "name":
            return self.look_up(what)
        thing = self.objects[what]
        if how == "attribute":
            return getattr(thing, key)
        if how == "item":
            return thing[codec.decode(key, self)]
        if how == "length":
            return len(thing)
        if how == "iterator":
            return _Stepper(iter(thing))
        return (thing if isinstance(thing, _Stepper) else _Stepper(thing)).step()

    def do_set(self, number: int, name: str, value: Any) -> list[Any]:
        try:
            setattr(self.objects[number], name, codec.decode(value, self))
            return ["value", None, [], False]
        except BaseException as fault:
            return ["raised", self.encode(describe_exception(fault)), []]

    def do_operate(self, name: str, args: Any) -> list[Any]:
        try:
            with self.shell.quiet:
                return ["value", self.encode(OPERATIONS[name](*codec.decode(args, self))), [], False]
        except BaseException as fault:
            return ["raised", self.encode(describe_exception(fault)), []]

    def do_bind(self, name: str, value: Any) -> list[Any]:
        self.replaced.setdefault(name, self.shell.user_ns.get(name, MISSING))
        self.shell.user_ns[name] = codec.decode(value, self)
        return ["done"]

    def do_unbind(self, name: str) -> list[Any]:
        self.replaced.setdefault(name, self.shell.user_ns.get(name, MISSING))
        self.shell.user_ns.pop(name, None)
        return ["done"]

    def do_printed(self) -> list[Any]:
        printed, self.printed = "".join(self.printed), []
        return ["done", printed]

    def look_up(self, name: str) -> Any:
        if name not in self.shell.user_ns:
            raise NameError(f"name {name!r} is not defined")
        return self.shell.user_ns[name]

    def do_call(self, target: list[Any], args: Any, kwargs: Any, points: Any, heard: bool = False) -> list[Any]:
        log = codec.ArgumentLog()
        given, named = codec.decode(args, self, log), codec.decode(kwargs, self, log)
        if not heard:
            return self.make_call(target, (given, named or {}), log, points)[1]
        quiet, self.shell.quiet = self.shell.quiet, contextlib.nullcontext()  # type: ignore[assignment]
        try:
            stream = BoundedStream(self.printed.append, OutputBudget(codec.MAX_TEXT_CHARACTERS))
            with contextlib.redirect_stdout(stream):
                return self.make_call(target, (given, named or {}), log, points)[1]
        finally:
            self.shell.quiet = quiet

    def do_calls(self, row: list[Any]) -> list[Any]:
        returned: list[Any] = []
        replies = []
        first: calls.FirstBytes = {}
        for target, args, parts in row:
            with calls.noting_float_faults() as seen:
                value, mutated, reply = self.call_with_results(returned, target, args, parts, first)
            returned.append(value)
            replies.append([mutated, sorted(seen), reply])
        return ["done", *replies]

    def call_with_results(
        self, returned: list[Any], target: list[Any], args: Any, parts: list[list[int]], first: calls.FirstBytes
    ) -> tuple[Any, str, Any]:
        """Make one call of a batch, some of whose arguments are parts of the results before it.

        Returns its value, what it did to these parts (see `nnkit.check.remote.CallResult`), and the reply.
        """
        log = codec.ArgumentLog()
        given = list(codec.decode(args, self, log))
        try:
            for position, call, item in parts:
                given[position] = returned[call][item]
        except Exception as fault:  # the earlier call failed, or its result has no such part
            return None, "", ["raised", self.encode(describe_exception(fault)), []]
        before = [first.setdefault((call, item), calls.array_bytes(given[k])) for k, call, item in parts]
        value, reply = self.make_call(target, (given, {}), log, None)
        mutated = (calls.find_mutation(given[position], kept) for (position, _, _), kept in zip(parts, before))
        return value, max(mutated, default=""), reply

    def make_call(self, target: list[Any], given: Any, log: codec.ArgumentLog, points: Any) -> tuple[Any, list[Any]]:
        """Make a call; return its value and the reply."""
        value, measured = None, [False]
        try:
            function = self.objects[target[0]]
            function = getattr(function, target[1]) if target[1] else function
            with self.shell.quiet:
                value = self.call_watched(function, given, points, measured)
        except BaseException as fault:
            return None, ["raised", self.encode(describe_exception(fault)), self.find_changes(log)]
        changes = self.find_changes(log)
        try:
            return value, ["value", self.encode(value), changes, measured[0]]
        except CannotSend as fault:
            return value, ["raised", self.encode(describe_exception(TypeError(str(fault)))), changes]

    def call_watched(self, function: Callable[..., Any], given: Any, points: Any, measured: list[bool]) -> Any:
        """Make a call; if the examiner asks for it, find out whether it differentiates numerically."""
        if points is None:
            return function(*given[0], **given[1])
        returned: list[Any] = []
        measured[0] = guarded_call.measures_derivative(
            lambda: returned.append(function(*given[0], **given[1])), (), codec.decode(points, self)
        )
        return returned[0] if returned else function(*given[0], **given[1])  # a profiler is running already

    def find_changes(self, log: codec.ArgumentLog) -> list[Any]:
        """Return the arguments that a call has changed."""
        arrays = [
            ["array", i, self.encode(array)]
            for i, (array, raw) in enumerate(log.arrays)
            if isinstance(array, np.ndarray) and codec.read_bytes(array) != raw
        ]
        containers = [
            ["container", i, self.encode(after)]
            for i, (after, before) in enumerate(log.containers)
            if not _same_parts(after, before)
        ]
        return arrays + containers

    def encode(self, value: Any) -> Any:
        return codec.encode(value, self)

    # ---- codec.ObjectTable

    def number_array(self, array: Any, raw: bytes) -> int:
        self.sent += 1
        self.arrays[self.sent] = array, raw
        if len(self.arrays) > MAX_KEPT_ARRAYS:
            self.arrays.popitem(last=False)
        return self.sent

    def find_number(self, array: np.ndarray, raw: bytes) -> int | None:
        return None

    def encode_object(self, value: Any) -> list[Any] | None:
        array = codec.read_array(value)
        if array is not None:
            raw = codec.read_bytes(array)
            return [codec.ARRAY, array.dtype.str, list(array.shape), raw, self.number_array(value, raw)]
        if isinstance(value, np.str_ | np.bytes_):
            return self.encode(value.item())  # type: ignore[no-any-return]
        number = self.numbers.setdefault(id(value), len(self.objects))
        if number == len(self.objects):
            self.objects.append(value)
        return [codec.OBJECT, number, *describe_object(value)]

    def number_class(self, kind: type) -> int:
        if kind not in self.classes:
            self.classes.append(kind)
        return self.classes.index(kind)

    def find_class(self, number: int, name: str, fields: list[str]) -> Callable[..., Any]:
        return self.classes[number] if number >= 0 else lambda *parts: parts

    def add_array(self, array: np.ndarray, number: int, raw: bytes) -> None:
        pass

    def find_array(self, number: int) -> Any:
        return self.arrays[number][0]

    def decode_object(self, tag: int, parts: list[Any]) -> Any:
        if tag == codec.CALLBACK:
            return self.make_callback(*parts)
        thing = self.objects[parts[0]]
        return getattr(thing, parts[1]) if parts[1] else thing

    def make_callback(self, number: int, name: str) -> Callable[..., Any]:
        """Return a function that asks the examiner for its value."""

        def function(*args: Any) -> Any:
            request = ["callback", number, self.encode(args)]
            with self.asking, postpone_signals():
                self.reply(request)
                word, *parts = self.stream.receive()
                while word not in ("value", "raised"):  # the examiner's function calls code of this side
                    self.reply(getattr(self, f"do_{word}")(*parts))
                    word, *parts = self.stream.receive()
            if word == "raised":
                raise RuntimeError(f"{parts[0]}: {parts[1]}")
            return codec.decode(parts[0], self)

        function.__name__ = name
        return function


class _Stepper:
    """An iterator that returns its end as a value."""

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
