"""Frames on a stream: each is a length (4 bytes, big-endian) and that many bytes of msgpack.

An exchange is many small frames, and most of its cost is system calls. So the kernel watches the deadline, and a frame
that arrives in one piece is read in one piece.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgpack

MAX_FRAME_BYTES = 64 << 20
MAX_FRAME_PARTS = 500_000
"""Parts of one list, and of all lists of a frame together."""
MAX_RECEIVED_BYTES = 1 << 30
"""Bytes of all frames received before `reset_received`: the receiver may have to keep them until then."""
CHUNK_BYTES = 1 << 16
"""Bytes that are requested at a time: few enough that their buffer costs no system call."""


class BadReply(Exception):
    """The other side broke the protocol; the message says how."""


class StreamClosed(Exception):
    """The other side has closed the stream."""


class CannotSend(TypeError):
    """A value is neither plain data nor can its number be sent."""


class _PartCounter:
    """Counts parts while msgpack still reads: an empty list takes one byte on the wire, and sixty in memory."""

    def __init__(self) -> None:
        self.parts = 0

    def list(self, parts: list[Any]) -> list[Any]:
        self.parts += 1 + len(parts)
        if self.parts > 2 * MAX_FRAME_PARTS:  # a list counts by itself, and as a part
            raise ValueError
        return parts


class FrameStream:
    """Sends and receives the frames of one stream."""

    def __init__(self, channel: socket.socket, clock: Callable[[], float] = time.monotonic):
        self.channel, self.clock = channel, clock
        self._packer = msgpack.Packer()
        self._buffer = bytearray()
        self._deadline: float | None = None
        self._in_time_until = 0.0
        """A time of time.monotonic() before which the deadline cannot pass; a look at `clock` costs more."""
        self._received = 0

    @property
    def deadline(self) -> float | None:
        """Time by which the other side must have answered, as `clock` counts; None for no limit.

        The clock may stand still, but must not run ahead of time.monotonic().
        """
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        if deadline != self._deadline:
            self._deadline = deadline
            self._set_timeout(0.0 if deadline is None else max(1e-3, self._measure_left(deadline)))

    def _set_timeout(self, left: float) -> None:
        """Have the kernel end a call of the channel after this many seconds; 0 for never."""
        seconds = struct.pack("ll", int(left), int(left % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.channel.setsockopt(socket.SOL_SOCKET, option, seconds)

    def send(self, tree: Any) -> None:
        """Write one frame. Raises StreamClosed, TimeoutError, and CannotSend if the frame is too large."""
        payload: bytes = self._packer.pack(tree)
        if len(payload) > MAX_FRAME_BYTES:
            raise CannotSend(
                f"{len(payload) / 1e6:.0f} MB are more than can be sent at once ({MAX_FRAME_BYTES >> 20} MB)."
            )
        self.send_payload(payload)

    def send_payload(self, payload: bytes) -> None:
        """Write one frame that has been encoded. Raises StreamClosed and TimeoutError."""
        frame, sent = memoryview(len(payload).to_bytes(4, "big") + payload), 0
        while sent < len(frame):
            self._check_deadline()
            try:  # piece by piece: the kernel's timeout starts again whenever the other side has read something
                sent += self.channel.send(frame[sent : sent + CHUNK_BYTES])
            except BlockingIOError:
                self._check_deadline()
            except (BrokenPipeError, ConnectionResetError):
                raise StreamClosed from None

    def receive(self) -> Any:
        """Read one frame. Raises StreamClosed, TimeoutError, BadReply."""
        return _decode_payload(self.receive_payload())

    def receive_payload(self) -> bytes:
        """Read one frame and return its bytes. Raises StreamClosed, BadReply, and TimeoutError.

        After TimeoutError it may be called again, and goes on with the same frame.
        """
        self._read_until(4)
        length = int.from_bytes(self._buffer[:4], "big")
        if length > MAX_FRAME_BYTES:
            raise BadReply(f"a reply of {length} bytes is larger than {MAX_FRAME_BYTES}.")
        if self._received + length > MAX_RECEIVED_BYTES:
            raise BadReply(f"its replies are larger than {MAX_RECEIVED_BYTES >> 20} MB in all.")
        self._read_until(4 + length)
        self._received += length
        payload = bytes(memoryview(self._buffer)[4 : 4 + length])
        del self._buffer[: 4 + length]
        return payload

    def reset_received(self) -> None:
        """Start counting received bytes anew: the receiver has let go of what came before."""
        self._received = 0

    def _check_deadline(self) -> None:
        """Raise TimeoutError if the deadline has passed, else give the kernel the time that is left."""
        if self._deadline is None or time.monotonic() < self._in_time_until:
            return
        if (left := self._measure_left(self._deadline)) <= 0:
            raise TimeoutError
        self._set_timeout(max(1e-3, left))

    def _measure_left(self, deadline: float) -> float:
        """Return the seconds until a deadline."""
        now = time.monotonic()
        left = deadline - self.clock()
        self._in_time_until = now + left
        return left

    def _read_until(self, count: int) -> None:
        """Read until this many bytes have arrived."""
        while len(self._buffer) < count:
            self._check_deadline()
            try:
                part = self.channel.recv(max(CHUNK_BYTES, count - len(self._buffer)))
            except BlockingIOError:
                self._check_deadline()
                continue
            except ConnectionResetError:
                part = b""
            if not part:
                raise StreamClosed
            self._buffer += part


def _decode_payload(payload: bytes) -> Any:
    """Return the tree in the bytes of a frame. Raises BadReply."""
    length = len(payload)
    try:
        return msgpack.unpackb(
            payload,
            list_hook=_PartCounter().list if length > MAX_FRAME_PARTS else None,  # fewer bytes are fewer parts
            max_array_len=min(MAX_FRAME_PARTS, length),
            max_map_len=0,
            max_ext_len=0,
            max_str_len=1 << 20,
            max_bin_len=MAX_FRAME_BYTES,
        )
    except Exception as fault:  # msgpack raises half a dozen kinds, ValueError and RecursionError among them
        raise BadReply(f"a reply that is not msgpack ({type(fault).__name__}).") from None
