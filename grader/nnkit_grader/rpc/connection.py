"""The connection from the examiner to one learner's process: requests, replies and callbacks as plain data (`codec`).

Changes that the learner's code made to its arguments are made to the caller's too, so that a test sees a changed input;
an exception is raised again here, as its nearest built-in kind.
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from nnkit.check.remote import FLOAT_FAULTS, Call, CallResult, ResultRef
from nnkit.language import say
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.framing import BadReply, StreamClosed
from nnkit_grader.rpc.operations import RESULT_TYPES
from nnkit_grader.rpc.proxies import RemoteIterator, RemoteProxy
from nnkit_grader.rpc.recorded_stream import RecordedStream
from nnkit_grader.rpc.signatures import make_identifier, parse_method, rebuild_exception

MAX_REMEMBERED_ARRAYS = 256
"""Received arrays that can be sent back as their number; the learner's side keeps more."""
MAX_CLASSES = 1000
MAX_FIELDS = 100
MAX_METHODS = 500

CALLBACK_REQUESTS = ("call", "calls", "get", "set", "operate")
"""Requests during which the learner's code may call functions of a test cell: those of a test, whose time is
limited."""


class ProcessLost(BaseException):
    """The learner's process cannot answer any more: it ended, was too slow, or broke the protocol.

    Not an Exception: test cells and checks must not catch it.
    """


class Connection:
    """The connection to one learner's process; after `ProcessLost` it is of no more use."""

    def __init__(
        self,
        channel: socket.socket,
        clock: Callable[[], float] = time.monotonic,
        operators: Set[str] = frozenset(),
        listens: Callable[[], bool] = lambda: False,
    ):
        self.stream = RecordedStream(channel, clock)
        self.operators = operators
        """Special methods of the course's own classes, as "__add__": operators that tests may use."""
        self._listens = listens
        """Function that returns whether a test listens to what a call prints."""
        self.closed = False
        """True if it was lost because the process closed its end."""
        self.lost = ""
        """Reason why it was lost, as a clause; "" while it is in use."""
        self._arrays: OrderedDict[int, tuple[np.ndarray, int, bytes]] = OrderedDict()
        self._classes: dict[int, type] = {}
        """Classes made for the learner's named tuples, by number."""
        self._callbacks: list[Callable[..., Any]] = []
        self._callback_numbers: dict[int, int] = {}
        self.has_forgotten = True
        """True if the numbers of objects began anew after the last test."""
        self._watching: list[Any] | None = None
        self.seen_measuring = False
        self._proxies: WeakValueDictionary[int, RemoteProxy] = WeakValueDictionary()
        """The learner's objects that are in use here, by number: one object there is one object here."""

    # ---- requests

    def request(self, *words: Any) -> Any:
        """Send a request of plain words, answer callbacks until the reply comes, and return its parts."""
        if self.lost:
            raise ProcessLost(self.lost)
        try:
            self.stream.send(list(words))
            while True:
                reply = self.stream.receive()
                if type(reply) is not list or not reply or type(reply[0]) is not str:
                    raise BadReply("a reply without a word.")
                if reply[0] != "callback" or words[0] not in CALLBACK_REQUESTS:
                    return reply
                answer = self._answer_callback(reply[1:])
                if self.lost:  # the callback called the learner's code, and lost the connection
                    raise ProcessLost(self.lost)
                self.stream.send(answer)
        except BaseException as fault:  # after a signal in the middle of a reply the stream is out of step, too
            self.lost = self.lost or _describe_loss(fault)
            self.closed = isinstance(fault, StreamClosed)
            if isinstance(fault, StreamClosed | BadReply | TimeoutError):
                raise ProcessLost(self.lost) from None
            raise

    def run_cell(self, count: int, source: str) -> list[dict[str, Any]]:
        """Run a cell of the learner's and return its outputs, whatever they claim to be."""
        with self._distrust():
            word, _, outputs = self.request("cell", count, source)
            listed = codec.decode_plain(outputs, self)
            if word != "done" or type(listed) is not list or not all(type(output) is dict for output in listed):
                raise BadReply("outputs that are not a list of outputs.")
            return listed

    def find_missing(self, names: Sequence[str]) -> set[str]:
        """Return those of these names that the learner's cells have not defined."""
        with self._distrust():
            word, missing = self.request("missing", list(names))
            if word != "done" or type(missing) is not list or not all(type(name) is str for name in missing):
                raise BadReply("missing names that are not a list of names.")
            return set(names) & set(missing)

    def run_test(self, count: int, source: str, points: float) -> tuple[float, list[dict[str, Any]]]:
        """Run a test cell among the learner's and return the score and the outputs that it claims to have."""
        with self._distrust():
            word, score, outputs = self.request("test", count, source, points)
            listed = codec.decode_plain(outputs, self)
            if word != "done" or type(listed) is not list or not all(type(output) is dict for output in listed):
                raise BadReply("outputs that are not a list of outputs.")
            if type(score) is not float or not 0 <= score <= points:
                raise BadReply("a score that is none.")
            return score, listed

    @contextmanager
    def _distrust(self) -> Iterator[None]:
        """Context manager in which an inconsistent reply ends the connection."""
        try:
            yield
        except Exception as fault:
            reply = fault if isinstance(fault, BadReply) else BadReply("a reply with the wrong parts.")
            raise ProcessLost(self._lose(reply)) from None

    def _lose(self, reply: BadReply) -> str:
        """Give the connection up; return the reason."""
        self.lost = _describe_loss(reply)
        return self.lost

    def call(self, target: list[Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call the function that `target` names; return its value, or raise what it raised."""
        log = codec.ArgumentLog()
        tree = [codec.encode(tuple(args), self, log), codec.encode(kwargs, self, log) if kwargs else None]
        watched = None if self._watching is None else codec.encode(self._watching, self)
        if not self._listens():
            return self._read_outcome(self.request("call", target, *tree, watched), log)
        reply = self.request("call", target, *tree, watched, True)
        word, printed = self.request("printed")
        if word != "done" or type(printed) is not str:
            raise ProcessLost(self._lose(BadReply("printed text that is no text.")))
        sys.stdout.write(printed)
        return self._read_outcome(reply, log)

    def call_batch(self, calls: Sequence[Call]) -> list[CallResult] | None:
        """Make these calls in one message and return the results; None if a function is not the learner's."""
        logs, requests = [codec.ArgumentLog() for _ in calls], []
        for (function, args), log in zip(calls, logs):
            if not isinstance(function, RemoteProxy) or function._connection is not self:
                return None
            parts = [[k, x.call, x.item] for k, x in enumerate(args) if isinstance(x, ResultRef)]
            plain = tuple(None if isinstance(x, ResultRef) else x for x in args)
            requests.append([[function._number, function._path], codec.encode(plain, self, log), parts])
        word, *replies = self.request("calls", requests)
        with self._distrust():
            if word != "done" or len(replies) != len(calls):
                raise BadReply("more or fewer answers than calls.")
            return [self._read_result(args, reply, log) for (_, args), reply, log in zip(calls, replies, logs)]

    def _read_result(self, given: tuple[Any, ...], reply: list[Any], log: codec.ArgumentLog) -> CallResult:
        mutated, float_faults, outcome = reply
        if type(float_faults) is not list or not FLOAT_FAULTS.issuperset(map(str, float_faults)):
            raise BadReply("arithmetic that failed in an unknown way.")
        if mutated not in ("", "added", "changed", "taken"):
            raise BadReply("a call that mutated something in an unknown way.")
        try:
            returned = self._read_outcome(outcome, log)
            return CallResult(given, returned, mutated=mutated, float_faults=frozenset(map(str, float_faults)))
        except (Exception, SystemExit) as fault:
            return CallResult(given, fault=fault)

    def get(self, target: list[Any]) -> Any:
        """Return the value of a name, an attribute, an item ... (`target` says which)."""
        return self._read_outcome(self.request("get", target), codec.ArgumentLog())

    def set(self, number: int, name: str, value: Any) -> None:
        """Set an attribute of an object in the learner's process, or raise what that raised."""
        self._read_outcome(self.request("set", number, name, codec.encode(value, self)), codec.ArgumentLog())

    def operate(self, name: str, *args: Any) -> Any:
        """Return the value of an operation on learner's objects (`operations`), or raise what it raised."""
        value = self._read_outcome(self.request("operate", name, codec.encode(args, self)), codec.ArgumentLog())
        kind = RESULT_TYPES.get(name)
        if kind is not None and type(value) is not kind:
            raise TypeError(f"the learner's {name} should give a {kind.__name__}")
        return value

    def bind(self, name: str, value: Any) -> None:
        """Have a name stand for this function or object in the learner's process."""
        self.request("bind", name, codec.encode(value, self))

    def unbind(self, name: str) -> None:
        """Delete a name in the learner's process."""
        self.request("unbind", name)

    def _read_outcome(self, reply: list[Any], log: codec.ArgumentLog) -> Any:
        with self._distrust():
            word, tree, changes, *seen = reply
            if word not in ("value", "raised") or [type(part) for part in seen] != [bool] * (word == "value"):
                raise BadReply("a reply of the wrong kind.")
            self.seen_measuring |= any(seen)
            self._apply_changes(changes, log)
            value = codec.decode(tree, self)
            fault = rebuild_exception(value) if word == "raised" else None
        if fault is not None:
            try:
                raise fault
            finally:
                del fault  # with it this frame and the exception would hold each other, and what the caller holds
        return value

    def _apply_changes(self, changes: Any, log: codec.ArgumentLog) -> None:
        """Make the changes here that the call made to its arguments there."""
        if type(changes) is not list or len(changes) > len(log.arrays) + len(log.containers):
            raise BadReply("changes that are not a list, or more than what was sent.")
        for change in changes:
            if type(change) is not list or len(change) != 3 or type(change[1]) is not int:
                raise BadReply("a change of the wrong form.")
            kind, position, tree = change
            among: list[Any] = log.arrays if kind == "array" else log.containers
            if not 0 <= position < len(among):
                raise BadReply("a change of something that was not sent.")
            _copy_into(among[position][0], codec.decode(tree, self))

    @contextmanager
    def watching(self, points: Sequence[Any]) -> Iterator[None]:
        """Context manager in which each call is watched; see `guarded_call.measures_derivative`."""
        self._watching, self.seen_measuring = list(points), False
        try:
            yield
        finally:
            self._watching = None

    def forget_arrays(self) -> None:
        """Have both sides let go of the arrays that were sent, and of the objects too if none is in use here.

        The numbers of either then begin anew: they do not tell how much was sent before.
        """
        self._arrays.clear()
        self.stream.reset_received()
        self.has_forgotten = not self.holds_objects()
        self.request("forget", self.has_forgotten)

    def holds_objects(self) -> bool:
        """Return whether objects of the process are in use here."""
        if self._proxies:
            gc.collect()  # what a test that failed has left may be in a cycle with its traceback
        return bool(self._proxies)

    @property
    def has_no_past(self) -> bool:
        """True if nothing that came from the process before is in use here, so that no number refers to it."""
        return self.has_forgotten and not (self._proxies or self._arrays or self._classes)

    @property
    def has_classes(self) -> bool:
        """True if named tuples have come from the process: their classes are known here by number."""
        return bool(self._classes)

    @property
    def functions_given(self) -> int:
        """The number of functions of test cells that the process was given, and may keep."""
        return len(self._callbacks)

    # ---- callbacks: functions of a test cell that were passed to the learner's code

    def _answer_callback(self, parts: list[Any]) -> list[Any]:
        if len(parts) != 2 or type(parts[0]) is not int or not 0 <= parts[0] < len(self._callbacks):
            raise BadReply("a call of a function that was not given.")
        args = codec.decode(parts[1], self)
        if type(args) is not tuple:
            raise BadReply("a call without arguments.")
        try:
            return ["value", codec.encode(self._callbacks[parts[0]](*args), self)]
        except Exception as fault:
            return ["raised", type(fault).__name__, str(fault)[:500]]

    # ---- codec.ObjectTable

    def number_array(self, array: np.ndarray, raw: bytes) -> int:
        return -1

    def find_number(self, array: np.ndarray, raw: bytes) -> int | None:
        entry = self._arrays.get(id(array))
        return entry[1] if entry is not None and entry[0] is array and raw == entry[2] else None

    def encode_object(self, value: Any) -> list[Any] | None:
        if isinstance(value, RemoteProxy):
            return [codec.OBJECT, value._number, value._path] if value._connection is self else None
        array = codec.read_array(value)
        if array is not None:
            return codec.encode(array, self)  # type: ignore[no-any-return]
        if callable(value):
            number = self._callback_numbers.setdefault(id(value), len(self._callbacks))
            if number == len(self._callbacks):
                self._callbacks.append(value)  # for good: an object of the learner's may keep it
            return [codec.CALLBACK, number, make_identifier(getattr(value, "__name__", ""), "function")]
        return None

    def number_class(self, kind: type) -> int:
        return next((number for number, known in self._classes.items() if known is kind), -1)

    def find_class(self, number: int, name: str, fields: list[str]) -> Callable[..., Any]:
        if number not in self._classes:
            if len(fields) > MAX_FIELDS or len(self._classes) > MAX_CLASSES:
                raise BadReply("too many named tuples, or one with too many fields.")
            if any(make_identifier(field, "") == "" for field in fields):
                raise BadReply("a named tuple of the wrong form.")
            self._classes[number] = namedtuple(make_identifier(name, "Named"), fields)
        return self._classes[number]

    def add_array(self, array: np.ndarray, number: int, raw: bytes) -> None:
        if number >= 0:
            self._arrays[id(array)] = array, number, raw
            if len(self._arrays) > MAX_REMEMBERED_ARRAYS:
                self._arrays.popitem(last=False)

    def find_array(self, number: int) -> Any:
        raise BadReply("an array that was never sent.")

    def decode_object(self, tag: int, parts: list[Any]) -> RemoteProxy:
        if tag != codec.OBJECT or len(parts) != 4 or type(parts[0]) is not int:
            raise BadReply("an object of the wrong form.")
        number, kind, name, methods = parts
        if kind not in ("function", "class", "object", "iterator"):
            raise BadReply("an object of an unknown kind.")
        if type(methods) is not list or len(methods) > MAX_METHODS:
            raise BadReply("an object of the wrong form.")
        known = self._proxies.get(number)
        if known is not None:
            return known
        base = RemoteIterator if kind == "iterator" else RemoteProxy
        made = type(make_identifier(name, "object"), (base,), {"__slots__": (), "__doc__": base.documentation})
        proxy = made(self, number, kind, make_identifier(name, kind), dict(map(parse_method, methods)))
        self._proxies[number] = proxy
        return proxy  # type: ignore[no-any-return]


def _copy_into(mine: Any, new: Any) -> None:
    if isinstance(mine, np.ndarray):
        if isinstance(new, np.ndarray) and new.shape == mine.shape and new.dtype == mine.dtype and mine.flags.writeable:
            mine[...] = new
    elif isinstance(mine, list) and isinstance(new, list):
        mine[:] = new
    elif isinstance(mine, dict) and isinstance(new, dict):
        mine.clear()
        mine.update(new)


def _describe_loss(fault: BaseException) -> str:
    if isinstance(fault, StreamClosed):
        return say("the process that runs this submission ended")
    if isinstance(fault, BadReply):
        return say("the process that runs this submission answered out of order: {fault}", fault=str(fault).rstrip("."))
    if isinstance(fault, TimeoutError):
        return say("the time was up")
    return say("a call was interrupted")
