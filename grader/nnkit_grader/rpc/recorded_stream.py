"""A stream that notes what is said on it, and can repeat to its user what was said before, without saying it again.

messages = [sent, received, sent, received, ...]        bytes of frames, in the order in which they crossed
"""

from __future__ import annotations

from collections.abc import Sequence

from nnkit_grader.rpc.framing import FrameStream, StreamClosed

MAX_CONVERSATION_BYTES = 1 << 18
"""Bytes of all messages that are noted; a longer conversation is not."""
MAX_CONVERSATION_MESSAGES = 10_000


class RecordedStream(FrameStream):
    """A stream whose messages can be noted from some point on.

    While it repeats, its user must send what was sent before. One that sends something else is not a function of the
    replies: `diverged` is set, and the stream counts as closed, since the other side was asked other things.
    """

    _messages: list[bytes] | None = None
    _position = 0
    """The index of the next message; less than their number while they are repeated."""
    _size = 0
    diverged = False

    def start_noting(self, said: Sequence[bytes] = ()) -> None:
        """Note messages from now on; those in `said`, the last of which may await its reply, are repeated first."""
        self._messages, self._position, self._size = list(said), 0, sum(map(len, said))

    def stop_noting(self) -> list[bytes] | None:
        """Return the messages that were noted, and note no more; None if they were too many or too long."""
        messages, self._messages = self._messages, None
        return messages

    @property
    def repeats(self) -> bool:
        """Return whether its user has not yet asked for all that was said before."""
        return self._messages is not None and self._position < len(self._messages)

    def send_payload(self, payload: bytes) -> None:
        """Write one frame that has been encoded, unless it was sent before."""
        if self._messages is not None and self.repeats:
            self.diverged = self.diverged or self._messages[self._position] != payload
            if self.diverged:
                raise StreamClosed
            self._position += 1
            return
        super().send_payload(payload)
        self._note(payload)

    def receive_payload(self) -> bytes:
        """Read one frame and return its bytes: one that was received before, or a new one."""
        if self._messages is not None and self.repeats:
            self._position += 1
            return self._messages[self._position - 1]
        payload = super().receive_payload()
        self._note(payload)
        return payload

    def _note(self, payload: bytes) -> None:
        if self._messages is None:
            return
        self._messages.append(payload)
        self._position += 1
        self._size += len(payload)
        if self._size > MAX_CONVERSATION_BYTES or self._position > MAX_CONVERSATION_MESSAGES:
            self._messages = None
