"""Stand-ins: what a test cell holds in place of the learner's functions, classes and objects.

A call goes to the learner's process as plain data, and plain data comes back (`wire`). What the learner's code did to
its arguments is done to the caller's too, so that a test sees a changed input; an exception is raised here again,
as its nearest built-in kind. Nothing that a stand-in does runs code of the learner's in this process.
"""

from __future__ import annotations

import inspect
import socket
import time
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nnkit.check.remote import Call, CallResult, ResultRef
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.framing import BadReply, Closed, Frames
from nnkit_grader.rpc.signatures import identifier, method, raised

REMEMBERED = 256
"""Received arrays that can go back as their number; the learner's side keeps more."""

CALLING = ("call", "calls", "get", "set")
"""Requests during which the learner's code may call functions of a test cell: those that a test makes, whose time is
bounded."""


class Gone(BaseException):
    """The learner's process cannot answer any more: it ended, was too slow, or broke the protocol.

    Not an Exception: it must pass through whatever a test cell or a check catches.
    """


class Link:
    """One conversation with a learner's process. After `Gone` there is no further word on it."""

    def __init__(self, channel: socket.socket, clock: Callable[[], float] = time.monotonic):
        self.frames = Frames(channel, clock)
        self.closed = False
        """Whether it is because the process hung up."""
        self.lost = ""
        """Why there is no answer any more, as a sentence."""
        self._arrays: OrderedDict[int, tuple[np.ndarray, int, bytes]] = OrderedDict()
        self._classes: dict[int, type] = {}
        """Of the learner's named tuples."""
        self._callbacks: list[Callable[..., Any]] = []
        self._callback_numbers: dict[int, int] = {}
        self._watching: list[Any] | None = None
        self.seen_measuring = False

    # ---- asking

    def ask(self, *request: Any) -> Any:
        """Send a request of plain words and return the reply's parts; answers callbacks until it comes."""
        if self.lost:
            raise Gone(self.lost)
        try:
            self.frames.send(list(request))
            while True:
                reply = self.frames.receive()
                if type(reply) is not list or not reply or type(reply[0]) is not str:
                    raise BadReply("a reply without a word.")
                if reply[0] != "callback" or request[0] not in CALLING:
                    return reply
                answer = self._called_back(reply[1:])
                if self.lost:  # it called the learner's code in its turn
                    raise Gone(self.lost)
                self.frames.send(answer)
        except BaseException as fault:  # a signal in the middle of a reply loses the thread of the conversation as well
            self.lost = self.lost or _told(fault)
            self.closed = isinstance(fault, Closed)
            if isinstance(fault, Closed | BadReply | TimeoutError):
                raise Gone(self.lost) from None
            raise

    def run_cell(self, count: int, source: str) -> list[dict[str, Any]]:
        """Run a cell of the learner's; its outputs, as they claim to be."""
        with self._believing():
            word, _, outputs = self.ask("cell", count, source)
            listed = codec.plain_from_tree(outputs, self)
            if word != "done" or type(listed) is not list or not all(type(output) is dict for output in listed):
                raise BadReply("outputs that are no list of outputs.")
            return listed

    @contextmanager
    def _believing(self) -> Iterator[None]:
        """Meanwhile a reply that does not hold together ends the conversation."""
        try:
            yield
        except Exception as lie:
            self.lost = _told(lie if isinstance(lie, BadReply) else BadReply("a reply with the wrong parts."))
            raise Gone(self.lost) from None

    def call(self, target: list[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call what `target` says; returns its value, raises what it raised."""
        passed = codec.Passed()
        tree = [codec.to_tree(tuple(args), self, passed), codec.to_tree(kwargs, self, passed) if kwargs else None]
        watched = None if self._watching is None else codec.to_tree(self._watching, self)
        return self._outcome(self.ask("call", target, *tree, watched), passed)

    def call_batch(self, calls: Sequence[Call]) -> list[CallResult] | None:
        """These calls in one message; None where one is of a function that is not there."""
        passed, told = [codec.Passed() for _ in calls], []
        for (function, args), arrays in zip(calls, passed):
            if not isinstance(function, StandIn) or function._link is not self:
                return None
            parts = [[k, x.call, x.item] for k, x in enumerate(args) if isinstance(x, ResultRef)]
            plain = tuple(None if isinstance(x, ResultRef) else x for x in args)
            told.append([[function._number, function._path], codec.to_tree(plain, self, arrays), parts])
        word, *replies = self.ask("calls", told)
        with self._believing():
            if word != "done" or len(replies) != len(calls):
                raise BadReply("more or fewer answers than calls.")
            return [self._called(args, reply, arrays) for (_, args), reply, arrays in zip(calls, replies, passed)]

    def _called(self, given: tuple[Any, ...], reply: list[Any], passed: codec.Passed) -> CallResult:
        mutated, outcome = reply
        if mutated not in ("", "changed", "taken"):
            raise BadReply("a call that mutated something in an unknown way.")
        try:
            return CallResult(given, self._outcome(outcome, passed), mutated=mutated)
        except (Exception, SystemExit) as fault:
            return CallResult(given, fault=fault)

    def get(self, target: list[Any]) -> Any:
        """The value of a name, an attribute, an item ... (`target` says which)."""
        return self._outcome(self.ask("get", target), codec.Passed())

    def set(self, number: int, name: str, value: Any) -> None:
        """Give an attribute of an object a value there; raises what that raised."""
        self._outcome(self.ask("set", number, name, codec.to_tree(value, self)), codec.Passed())

    def _outcome(self, reply: list[Any], passed: codec.Passed) -> Any:
        with self._believing():
            word, tree, changes, *seen = reply
            if word not in ("value", "raised") or [type(part) for part in seen] != [bool] * (word == "value"):
                raise BadReply("a reply of the wrong kind.")
            self.seen_measuring |= any(seen)
            self._apply(changes, passed)
            value = codec.from_tree(tree, self)
            fault = raised(value) if word == "raised" else None
        if fault is not None:
            raise fault
        return value

    def _apply(self, changes: Any, passed: codec.Passed) -> None:
        """Do to the arguments here what the call did to them there."""
        if type(changes) is not list or len(changes) > len(passed.arrays) + len(passed.containers):
            raise BadReply("changes that are no list, or more than what was sent.")
        for change in changes:
            if type(change) is not list or len(change) != 3 or type(change[1]) is not int:
                raise BadReply("a change of the wrong form.")
            kind, position, tree = change
            among: list[Any] = passed.arrays if kind == "array" else passed.containers
            if not 0 <= position < len(among):
                raise BadReply("a change of something that was not sent.")
            _change(among[position][0], codec.from_tree(tree, self))

    @contextmanager
    def watching(self, points: Sequence[Any]) -> Iterator[None]:
        """Watch each call for whether it measures a derivative; see `guarded_call.measures_derivative`."""
        self._watching, self.seen_measuring = list(points), False
        try:
            yield
        finally:
            self._watching = None

    def forget(self) -> None:
        """Both sides let go of the arrays that have crossed."""
        self._arrays.clear()
        self.frames.forget()
        self.ask("forget")

    # ---- callbacks: functions of a test cell that the learner's code is given

    def _called_back(self, parts: list[Any]) -> list[Any]:
        if len(parts) != 2 or type(parts[0]) is not int or not 0 <= parts[0] < len(self._callbacks):
            raise BadReply("a call of a function that was not given.")
        args = codec.from_tree(parts[1], self)
        if type(args) is not tuple:
            raise BadReply("a call without arguments.")
        try:
            return ["value", codec.to_tree(self._callbacks[parts[0]](*args), self)]
        except Exception as fault:
            return ["raised", type(fault).__name__, str(fault)[:500]]

    # ---- wire.Keeper

    def array_number(self, array: np.ndarray, raw: bytes) -> int:
        return -1

    def known(self, array: np.ndarray, raw: bytes) -> int | None:
        entry = self._arrays.get(id(array))
        return entry[1] if entry is not None and entry[0] is array and raw == entry[2] else None

    def outgoing(self, value: Any) -> list[Any] | None:
        if isinstance(value, StandIn):
            return [codec.OBJECT, value._number, value._path] if value._link is self else None
        if callable(value):
            number = self._callback_numbers.setdefault(id(value), len(self._callbacks))
            if number == len(self._callbacks):
                self._callbacks.append(value)  # for good: an object of theirs may keep it
            return [codec.CALLBACK, number, identifier(getattr(value, "__name__", ""), "function")]
        return None

    def class_number(self, kind: type) -> int:
        return next((number for number, known in self._classes.items() if known is kind), -1)

    def named(self, number: int, name: str, fields: list[str]) -> Callable[..., Any]:
        if number not in self._classes:
            if len(fields) > 100 or len(self._classes) > 1000 or any(identifier(field, "") == "" for field in fields):
                raise BadReply("a named tuple of the wrong form.")
            self._classes[number] = namedtuple(identifier(name, "Named"), fields)
        return self._classes[number]

    def incoming_array(self, array: np.ndarray, number: int, raw: bytes) -> None:
        if number >= 0:
            self._arrays[id(array)] = array, number, raw
            if len(self._arrays) > REMEMBERED:
                self._arrays.popitem(last=False)

    def array(self, number: int) -> Any:
        raise BadReply("an array that was never sent.")

    def incoming(self, tag: int, parts: list[Any]) -> StandIn:
        if tag != codec.OBJECT or len(parts) != 4 or type(parts[0]) is not int:
            raise BadReply("an object of the wrong form.")
        number, kind, name, methods = parts
        if kind not in ("function", "class", "object", "iterator") or type(methods) is not list or len(methods) > 500:
            raise BadReply("an object of no kind.")
        base = _Iterating if kind == "iterator" else StandIn
        made = type(identifier(name, "object"), (base,), {"__slots__": ()})
        return made(self, number, kind, identifier(name, kind), dict(map(method, methods)))  # type: ignore[no-any-return]


class StandIn:
    """A learner's function, class or object, as a test cell holds it."""

    __slots__ = ("__name__", "_kind", "_link", "_methods", "_number", "_path")

    def __init__(self, link: Link, number: int, kind: str, name: str, methods: dict[str, Any], path: str = ""):
        own = {"_link": link, "_number": number, "_kind": kind, "_methods": methods, "_path": path}
        for slot, value in (own if kind in ("object", "iterator") else {**own, "__name__": name}).items():
            object.__setattr__(self, slot, value)

    @property
    def __signature__(self) -> inspect.Signature:
        return self._methods.get("") or inspect.Signature()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._link.call([self._number, self._path], args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._path:  # NumPy, copy, inspect ... ask for what they know; never the learner
            raise AttributeError(name)
        if name in self._methods:
            return StandIn(self._link, self._number, "function", name, {"": self._methods[name]}, name)
        return self._link.get(["attribute", self._number, name])

    def __setattr__(self, name: str, value: Any) -> None:
        if self._path or name in StandIn.__slots__:
            raise AttributeError(name)
        self._link.set(self._number, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._link.get(["item", self._number, codec.to_tree(key, self._link)])

    def __len__(self) -> int:
        length = self._link.get(["length", self._number])
        return length if type(length) is int and length >= 0 else 0

    def __bool__(self) -> bool:
        return True  # as of an object that says nothing else: what the learner's would say decides nothing here

    def __iter__(self) -> Iterator[Any]:
        iterator = self._link.get(["iterator", self._number])
        number = iterator._number if isinstance(iterator, StandIn) else -1
        while True:
            step = self._link.get(["next", number])
            if type(step) is not tuple or len(step) != 1:
                return
            yield step[0]

    def __repr__(self) -> str:
        return f"<the learner's {self._kind} {getattr(self, '__name__', type(self).__name__)}>"


class _Iterating(StandIn):
    """A generator, or another iterator."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        step = self._link.get(["next", self._number])
        if type(step) is not tuple or len(step) != 1:
            raise StopIteration
        return step[0]


def _change(mine: Any, new: Any) -> None:
    if isinstance(mine, np.ndarray):
        if isinstance(new, np.ndarray) and new.shape == mine.shape and new.dtype == mine.dtype and mine.flags.writeable:
            mine[...] = new
    elif isinstance(mine, list) and isinstance(new, list):
        mine[:] = new
    elif isinstance(mine, dict) and isinstance(new, dict):
        mine.clear()
        mine.update(new)


def _told(fault: BaseException) -> str:
    if isinstance(fault, Closed):
        return "the process that runs this submission ended"
    if isinstance(fault, BadReply):
        return f"the process that runs this submission answered out of order: {str(fault).rstrip('.')}"
    if isinstance(fault, TimeoutError):
        return "the time was up"
    return "a call was broken off"
