"""One submission's use of the tree: talk to the learner's process as others did before, and learn what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nnkit_grader.conversations.outcome import TestOutcome
from nnkit_grader.conversations.snapshot import CannotSnapshot, snapshot
from nnkit_grader.conversations.tree import Conversation, ConversationTree, Question
from nnkit_grader.rpc.connection import Connection
from nnkit_grader.rpc.framing import BadReply, StreamClosed

MAX_LEARNED_BYTES = 2 << 20
"""Bytes of the conversations that one submission may add to the tree."""
MAX_MESSAGE_BYTES = 1 << 15
"""Bytes of a message that is learned: it fits into the channel at once, so that sending it never waits."""


@dataclass(frozen=True)
class TestPlace:
    """A test cell of a submission that is about to run."""

    connection: Connection
    key: bytes
    seen: bytes
    """A snapshot of the given values that the cell reads."""


class ConversationMemory:
    """The conversations that one examination knows and learns; without a tree, none."""

    def __init__(self, tree: ConversationTree | None = None):
        self.tree = tree
        self.learned: list[Conversation] = []
        self.recalled = 0
        """Test cells that did not run, since their conversation was known."""
        self._size = 0

    def find_place(
        self, connection: Connection | None, cell: tuple[Any, ...], given: Mapping[str, Any]
    ) -> TestPlace | None:
        """Return the place of a test cell, or None where it must run as if there were no memory.

        `cell` says what the outcome depends on besides the replies and the values in `given`: tests, seed, cell.
        """
        if self.tree is None or connection is None or connection.lost or not connection.has_no_past:
            return None
        try:
            seen = snapshot(given)
        except CannotSnapshot:
            return None
        key = hashlib.sha256(repr(cell).encode() + b"\0" + seen).digest()
        return TestPlace(connection, key, seen)

    def recall(self, place: TestPlace, deadline: float) -> TestOutcome | None:
        """Have a test cell's conversation as it is known, and return its outcome.

        Returns None at the first reply that is new, or not there by the deadline; then the stream repeats to the test
        cell what was said.
        """
        assert self.tree is not None
        stream, said = place.connection.stream, list[bytes]()
        stream.deadline = deadline
        node = self.tree.find(place.key)
        with suppress(TimeoutError, StreamClosed, BadReply):  # the test cell will meet it again
            while isinstance(node, Question):
                stream.send_payload(node.message)
                said.append(node.message)
                said.append(stream.receive_payload())
                node = node.replies.get(said[-1])
        if isinstance(node, bytes):
            self.recalled += 1
            return TestOutcome.from_bytes(node)
        stream.start_noting(said)
        return None

    def forget(self) -> None:
        """Use no memory for the rest of this submission; what it has taught stays."""
        self.tree = None

    def learn(self, place: TestPlace, given: Mapping[str, Any], outcome: TestOutcome) -> None:
        """Learn the conversation that a test cell has had, unless it left something that later cells could see."""
        messages = place.connection.stream.stop_noting()
        if messages is None or place.connection.lost or max(map(len, messages[::2]), default=0) > MAX_MESSAGE_BYTES:
            return
        # The process may keep a test's function, and which one that is is not in the replies.
        if place.connection.functions_given or place.connection.has_classes:
            return
        if place.connection.holds_objects():  # the process keeps them until no test uses them
            return
        try:
            learned = Conversation(place.key, tuple(messages), outcome.to_bytes())
            if snapshot(given) != place.seen:
                return
        except (CannotSnapshot, TypeError, ValueError):
            return
        size = sum(map(len, messages)) + len(learned.outcome)
        if self._size + size <= MAX_LEARNED_BYTES:
            self._size += size
            self.learned.append(learned)
