"""The two ends of the pipe through which a container's fork server is reached.

    Sandbox ⇄ sockets ⇄ host end ⇄ stdin and stdout of `docker run` ⇄ guest end ⇄ sockets ⇄ fork server

Sockets cannot be handed through a pipe, or into the virtual machine where containers run on macOS. So both ends number
the children, and send what comes from a child's two sockets in frames. A child sends no more than `WINDOW_BYTES` ahead
of what has been read of it, so that none fills the memory of the other end or keeps the rest waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

import nnkit
from nnkit_grader.sandbox import container, visible_paths
from nnkit_grader.sandbox.sandbox import FORK_SERVER_PROGRAM, MAX_WARM_UP_SECONDS, receive_first
from nnkit_grader.sandbox.usage import ThreadWaits

READY, OPEN, DATA, READ, END, MESSAGE, HANG_UP = range(7)
"""Kinds of frames: the guest's version; a new child; bytes of its channel; a number of them that were read; the end of
its channel in this direction; a message on its leash; the end of its leash."""
WINDOW_BYTES = 2**18
"""Bytes of one channel that may be under way in one direction."""
MAX_QUEUED_BYTES = 2**20
"""Bytes that wait for the pipe, above which no channel is read."""
MAX_FRAME_BYTES = 2**20
REPORT_SECONDS = 0.25
"""Time between two reports on how long children have waited for a busy machine."""
_HEADER = struct.Struct(">BII")
_COUNT = struct.Struct(">I")


class RelayError(RuntimeError):
    """The other end sent what it must not send."""


@dataclass
class Stream:
    """One child's two sockets at this end of the pipe."""

    channel: socket.socket
    leash: socket.socket
    pending: bytearray = field(default_factory=bytearray)
    """Bytes from the other end that the channel has not taken yet."""
    window: int = WINDOW_BYTES
    """Bytes of the channel that may still be sent."""
    is_read: bool = True
    """False after the end of what comes from the channel."""
    is_written: bool = True
    """False after the end of what goes to the channel."""
    ends: bool = False
    """True if nothing follows `pending`."""
    hung_up: bool = False
    """True when the child has ended, and its leash too."""
    let_go: bool = False
    """True when the grader has ended the leash."""
    waits: ThreadWaits | None = None
    """Time for which the child waited for a busy machine; known in the container alone."""
    reported: float = 0.0


class Relay:
    """One end: frames on a pipe, and sockets for each child. Ends when the pipe does."""

    def __init__(self, reading: int, writing: int):
        self.reading, self.writing = reading, writing
        self.streams: dict[int, Stream] = {}
        self.incoming, self.outgoing = bytearray(), bytearray()
        self.selector = selectors.DefaultSelector()
        self.watched: dict[int, int] = {}
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)

    # ---- the loop

    def serve_once(self, seconds: float | None) -> None:
        """Wait for something to do, for at most this time, and do it. Raises EOFError at the end of the pipe."""
        self._watch()
        for key, events in self.selector.select(seconds):
            if key.fileobj in self.watched:  # otherwise an earlier one of this round has closed it
                key.data(events)

    def list_wanted(self) -> dict[int, tuple[int, Callable[[int], None]]]:
        """Return file → events to wait for, and what to call then."""
        wanted: dict[int, tuple[int, Callable[[int], None]]] = {}
        wanted[self.reading] = (selectors.EVENT_READ, lambda _: self.read_pipe())
        if self.outgoing:
            wanted[self.writing] = (selectors.EVENT_WRITE, lambda _: self.write_pipe())
        for number, stream in self.streams.items():
            reads = stream.is_read and stream.window > 0 and len(self.outgoing) < MAX_QUEUED_BYTES
            events = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if stream.pending else 0)
            if events:
                wanted[stream.channel.fileno()] = (events, partial(self.move, number))
            if not stream.hung_up and not stream.let_go:
                wanted[stream.leash.fileno()] = (selectors.EVENT_READ, partial(self.read_leash, number))
        return wanted

    def _watch(self) -> None:
        wanted = self.list_wanted()
        for file in [file for file in self.watched if file not in wanted]:
            self.forget(file)
        for file, (events, act) in wanted.items():
            if file in self.watched:
                self.selector.modify(file, events, act)
            else:
                self.selector.register(file, events, act)
            self.watched[file] = events

    def forget(self, file: int) -> None:
        """Wait for nothing more from this file."""
        if self.watched.pop(file, None) is not None:
            self.selector.unregister(file)

    # ---- the pipe

    def send(self, kind: int, number: int, content: bytes = b"") -> None:
        """Queue a frame."""
        self.outgoing += _HEADER.pack(kind, number, len(content)) + content

    def write_pipe(self) -> None:
        """Write what the pipe takes. Raises EOFError if it is closed."""
        try:
            del self.outgoing[: os.write(self.writing, self.outgoing[: 2**16])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise EOFError from None

    def read_pipe(self) -> None:
        """Read some of the pipe and handle the frames that are complete. Raises EOFError at its end, RelayError."""
        try:
            part = os.read(self.reading, 2**16)
        except BlockingIOError:
            return
        if not part:
            raise EOFError
        self.incoming += part
        while len(self.incoming) >= _HEADER.size:
            kind, number, size = _HEADER.unpack_from(self.incoming)
            if size > MAX_FRAME_BYTES:
                raise RelayError(f"a frame of {size} bytes")
            if len(self.incoming) < _HEADER.size + size:
                return
            content = bytes(self.incoming[_HEADER.size : _HEADER.size + size])
            del self.incoming[: _HEADER.size + size]
            self.handle(kind, number, content)

    def handle(self, kind: int, number: int, content: bytes) -> None:
        """Act on a frame; one for a child that is gone here, but not yet at the other end, says nothing new."""
        stream = self.streams.get(number)
        if stream is None:
            return
        if kind == DATA:
            stream.pending += content
            if len(stream.pending) > WINDOW_BYTES:
                raise RelayError("more bytes than were asked for")
            self.write_channel(number, stream)
        elif kind == READ:
            stream.window += _COUNT.unpack(content)[0]
            if stream.window > WINDOW_BYTES:
                raise RelayError("more bytes are said to be read than were sent")
        elif kind == END:
            stream.ends = True
            self.write_channel(number, stream)
        elif kind == MESSAGE:
            self.pass_message(stream, content)
        elif kind == HANG_UP:
            self.hang_up(number, stream)

    # ---- a child's channel

    def move(self, number: int, events: int) -> None:
        """Move bytes between a child's channel and the pipe."""
        stream = self.streams[number]
        if events & selectors.EVENT_WRITE:
            self.write_channel(number, stream)
        if events & selectors.EVENT_READ and number in self.streams:
            self.read_channel(number, stream)

    def read_channel(self, number: int, stream: Stream) -> None:
        """Send on what the channel has, as far as the window allows."""
        try:
            part = stream.channel.recv(min(stream.window, 2**16))
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if part:
            stream.window -= len(part)
            self.send(DATA, number, part)
        else:
            stream.is_read = False
            self.send(END, number)
            self.close_if_done(number, stream)

    def write_channel(self, number: int, stream: Stream) -> None:
        """Write what the channel takes, and tell the other end."""
        sent = 0
        try:
            if stream.pending:
                sent = stream.channel.send(stream.pending)
        except BlockingIOError:
            return
        except OSError:  # no one reads it any more
            sent = len(stream.pending)
        if sent:
            del stream.pending[:sent]
            self.send(READ, number, _COUNT.pack(sent))
        if stream.ends and not stream.pending and stream.is_written:
            stream.is_written = False
            with contextlib.suppress(OSError):
                stream.channel.shutdown(socket.SHUT_WR)
            self.close_if_done(number, stream)

    # ---- a child's leash

    def add(self, number: int, channel: socket.socket, leash: socket.socket) -> Stream:
        """Relay these two sockets from now on."""
        channel.setblocking(False)
        leash.setblocking(False)
        stream = self.streams[number] = Stream(channel, leash)
        return stream

    def read_leash(self, number: int, _: int) -> None:
        """Send on what the leash says."""
        raise NotImplementedError

    def pass_message(self, stream: Stream, content: bytes) -> None:
        """Say on the leash what the other end has said."""
        raise NotImplementedError

    def hang_up(self, number: int, stream: Stream) -> None:
        """End the leash here because it has ended at the other end."""
        raise NotImplementedError

    def close_if_done(self, number: int, stream: Stream) -> None:
        """Forget a child both of whose sockets have ended."""
        if stream.hung_up and not stream.is_read and not stream.is_written:
            for closing in (stream.channel, stream.leash):
                if closing.fileno() >= 0:
                    self.forget(closing.fileno())
                    closing.close()
            del self.streams[number]


class HostEnd(Relay):
    """The end beside the grader: takes requests from a `Sandbox`, as the fork server would."""

    def __init__(self, control: int, engine: subprocess.Popen[bytes]):
        assert engine.stdin is not None
        assert engine.stdout is not None
        super().__init__(engine.stdout.fileno(), engine.stdin.fileno())
        self.control = socket.socket(fileno=control)
        self.last = 0

    def list_wanted(self) -> dict[int, tuple[int, Callable[[int], None]]]:
        return {**super().list_wanted(), self.control.fileno(): (selectors.EVENT_READ, lambda _: self.read_control())}

    def read_control(self) -> None:
        """Pass on a request for a child. Raises EOFError if the grader has hung up."""
        request, files, _, _ = socket.recv_fds(self.control, 65536, 2)
        if not request:
            raise EOFError
        channel, leash = (socket.socket(fileno=file) for file in files)
        self.last += 1
        self.add(self.last, channel, leash)
        self.send(OPEN, self.last, request)

    def handle(self, kind: int, number: int, content: bytes) -> None:
        if kind == READY:
            if content.decode() != nnkit.__version__:
                raise RelayError(
                    f"the image has nnkit {content.decode()}, and this is {nnkit.__version__}: build it anew"
                )
            self.control.sendall(b"ready\n")
        super().handle(kind, number, content)

    def read_leash(self, number: int, _: int) -> None:
        """Find out that the grader has let go of a child; it says nothing on the leash."""
        stream = self.streams[number]
        stream.let_go = True
        self.forget(stream.leash.fileno())
        self.send(HANG_UP, number)

    def pass_message(self, stream: Stream, content: bytes) -> None:
        with contextlib.suppress(OSError):
            stream.leash.sendall(content + b"\n")

    def hang_up(self, number: int, stream: Stream) -> None:
        if stream.leash.fileno() >= 0:
            self.forget(stream.leash.fileno())
            stream.leash.close()
        stream.hung_up = True
        self.close_if_done(number, stream)


class GuestEnd(Relay):
    """The end in the container: asks the fork server for children, as a `Sandbox` would."""

    def __init__(self, control: socket.socket):
        super().__init__(0, 1)
        self.control = control
        self.next_report = 0.0

    def list_wanted(self) -> dict[int, tuple[int, Callable[[int], None]]]:
        return {**super().list_wanted(), self.control.fileno(): (selectors.EVENT_READ, lambda _: self.read_control())}

    def read_control(self) -> None:
        """Raise EOFError: the fork server, which says nothing more, has died."""
        raise EOFError

    def handle(self, kind: int, number: int, content: bytes) -> None:
        if kind == OPEN:
            self.open(number, content)
        super().handle(kind, number, content)

    def open(self, number: int, request: bytes) -> None:
        """Ask the fork server for a child."""
        channel, theirs = socket.socketpair()
        leash, their_leash = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        leash.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with theirs, their_leash:
            socket.send_fds(self.control, [request], [theirs.fileno(), their_leash.fileno()])
        self.add(number, channel, leash)

    def read_leash(self, number: int, _: int) -> None:
        stream = self.streams[number]
        if stream.waits is None:
            message, child = receive_first(stream.leash)
            stream.waits = ThreadWaits(child)
        else:
            message = stream.leash.recv(65536)
        if message:
            self.send(MESSAGE, number, message)
        else:
            self.forget(stream.leash.fileno())
            stream.hung_up = True
            self.send(HANG_UP, number)
            self.close_if_done(number, stream)

    def hang_up(self, number: int, stream: Stream) -> None:
        with contextlib.suppress(OSError):
            stream.leash.shutdown(socket.SHUT_WR)

    def report_waits(self) -> None:
        """Tell the grader how long children have waited for a busy machine."""
        if time.monotonic() < self.next_report:
            return
        self.next_report = time.monotonic() + REPORT_SECONDS
        for number, stream in self.streams.items():
            if stream.waits is not None and not stream.hung_up:
                waited = stream.waits.measure()
                if waited > stream.reported + 0.01:
                    stream.reported = waited
                    self.send(MESSAGE, number, json.dumps({"waited": waited}).encode())


def serve_host() -> None:
    """Run an engine's command, and relay between it and the sandbox whose socket's number is on the command line."""
    command, control = json.loads(sys.argv.pop()), int(sys.argv.pop())
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as engine:
        end = HostEnd(control, engine)
        try:
            while True:
                end.serve_once(None)
        except (EOFError, OSError):
            return
        except (RelayError, ValueError, struct.error) as fault:
            engine.kill()
            print(fault, file=sys.stderr, flush=True)


def serve_guest() -> NoReturn:
    """Start a fork server with the settings on the command line, and relay between it and stdin and stdout."""
    wanted = json.loads(sys.argv.pop())
    modules: list[str] = wanted.pop("modules")
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    readable = [str(path) for path in (*visible_paths.list_readable(), *modules)]
    rest = {"control": theirs.fileno(), "kind": "container", "base": container.SCRATCH, "readable": readable}
    command = [sys.executable, "-I", "-c", FORK_SERVER_PROGRAM, json.dumps({**wanted, **rest}), json.dumps(modules)]
    with theirs:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    control.settimeout(MAX_WARM_UP_SECONDS)
    with contextlib.suppress(OSError, EOFError):
        if control.recv(64) == b"ready":
            end = GuestEnd(control)
            end.send(READY, 0, nnkit.__version__.encode())
            while True:
                end.serve_once(REPORT_SECONDS if end.streams else None)
                end.report_waits()
    os._exit(1)  # as the first process of the container, it takes all others along
