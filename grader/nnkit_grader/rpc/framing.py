"""Frames on a stream: each is a length (4 bytes, big-endian) and as many bytes of msgpack.

An exchange is many small frames, and system calls are what it costs: the kernel keeps the deadline, and a frame is
read in one piece wherever it has come in one piece.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgpack

LARGEST = 64 << 20
"""Bytes of one frame."""
MOST = 500_000
"""Parts of one list, and of all lists of a frame together."""
IN_ALL = 1 << 30
"""Bytes of all frames that come before `forget`: the one who gets them may have to keep them until then."""
AT_ONCE = 1 << 16
"""Bytes that are asked for at a time: few enough that room for them costs no system call."""


class BadReply(Exception):
    """The other side sent what is not in the protocol; the text says what."""


class Closed(Exception):
    """The other side has gone."""


class CannotCross(TypeError):
    """This value is neither plain data nor can it be left where it is."""


class _Counted:
    """Counts while msgpack still reads: an empty list takes one byte on the wire, and sixty in memory."""

    def __init__(self) -> None:
        self.parts = 0

    def list(self, parts: list[Any]) -> list[Any]:
        self.parts += 1 + len(parts)
        if self.parts > 2 * MOST:  # a list counts by itself, and as a part
            raise ValueError
        return parts


class Frames:
    """Both directions of one stream."""

    def __init__(self, channel: socket.socket, clock: Callable[[], float] = time.monotonic):
        self.channel, self.clock = channel, clock
        self._packer = msgpack.Packer()
        self._came = bytearray()
        self._deadline: float | None = None
        self._received = 0

    @property
    def deadline(self) -> float | None:
        """When the other side must have answered, by `clock`, which may stand still but not run ahead of
        time.monotonic(); None: whenever it likes."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        if deadline != self._deadline:
            self._deadline = deadline
            self._wake(0.0 if deadline is None else max(1e-3, deadline - self.clock()))

    def _wake(self, left: float) -> None:
        """Let a call of the channel end after so many seconds; 0: never."""
        seconds = struct.pack("ll", int(left), int(left % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.channel.setsockopt(socket.SOL_SOCKET, option, seconds)

    def send(self, tree: Any) -> None:
        """Write one frame. Raises Closed, TimeoutError, and CannotCross for one that is too large."""
        payload: bytes = self._packer.pack(tree)
        if len(payload) > LARGEST:
            raise CannotCross(f"{len(payload) / 1e6:.0f} MB are more than may cross at once ({LARGEST >> 20} MB).")
        frame, sent = memoryview(len(payload).to_bytes(4, "big") + payload), 0
        while sent < len(frame):
            self._in_time()
            try:  # piece by piece: the kernel's patience begins anew with all that is read on the other side
                sent += self.channel.send(frame[sent : sent + AT_ONCE])
            except BlockingIOError:
                self._in_time()
            except (BrokenPipeError, ConnectionResetError):
                raise Closed from None

    def receive(self) -> Any:
        """Read one frame. Raises Closed, TimeoutError, BadReply."""
        self._await(4)
        length = int.from_bytes(self._came[:4], "big")
        if length > LARGEST:
            raise BadReply(f"a reply of {length} bytes is larger than {LARGEST}.")
        self._received += length
        if self._received > IN_ALL:
            raise BadReply(f"its replies are larger than {IN_ALL >> 20} MB in all.")
        self._await(4 + length)
        payload = bytes(memoryview(self._came)[4 : 4 + length])
        del self._came[: 4 + length]
        try:
            return msgpack.unpackb(
                payload,
                list_hook=_Counted().list if length > MOST else None,  # fewer bytes are fewer parts
                max_array_len=min(MOST, length),
                max_map_len=0,
                max_ext_len=0,
                max_str_len=1 << 20,
                max_bin_len=LARGEST,
            )
        except Exception as fault:  # msgpack raises half a dozen kinds, ValueError and RecursionError among them
            raise BadReply(f"a reply that is not msgpack ({type(fault).__name__}).") from None

    def forget(self) -> None:
        """What has come before is not kept any more."""
        self._received = 0

    def _in_time(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        if (left := self._deadline - self.clock()) <= 0:
            raise TimeoutError
        self._wake(max(1e-3, left))

    def _await(self, count: int) -> None:
        """Read on until so many bytes have come."""
        while len(self._came) < count:
            self._in_time()
            try:
                part = self.channel.recv(max(AT_ONCE, count - len(self._came)))
            except BlockingIOError:
                self._in_time()
                continue
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            self._came += part
