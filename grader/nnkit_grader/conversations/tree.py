"""The tree of the conversations that test cells have had with learners' processes, each with its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_TREE_BYTES = 128 << 20
"""Memory of one worker's tree. What comes later is judged anew: the frequent answers of a class come early."""
NODE_BYTES = 400
"""Memory of a node besides its message and the replies to it, with Python's own."""


@dataclass(slots=True)
class Question:
    """A message to a learner's process, and what follows each reply that it has got: a question, or the outcome."""

    message: bytes
    replies: dict[bytes, Question | bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """A whole conversation of a test cell, and the outcome, which is JSON."""

    key: bytes
    messages: tuple[bytes, ...]
    """Messages sent and received, in turn."""
    outcome: bytes


class ConversationTree:
    """Conversations by key and replies. Replies are compared as bytes, which hold types, shapes and every bit."""

    def __init__(self, max_bytes: int = MAX_TREE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        """Bytes of memory that it takes, about."""
        self._roots: dict[bytes, Question | bytes] = {}
        self._messages: dict[bytes, bytes] = {}
        """Each message once: most conversations of a test cell ask the same."""

    def find(self, key: bytes) -> Question | bytes | None:
        """Return how the conversations with this key begin, or the outcome of a test that asks nothing."""
        return self._roots.get(key)

    def add(self, conversation: Conversation) -> bool:
        """Add a conversation. Returns False if it is known, if it does not fit, or if it contradicts another one."""
        messages = conversation.messages
        if self.size > self.max_bytes or len(messages) % 2:
            return False
        place: dict[bytes, Question | bytes] = self._roots
        step = conversation.key
        for message, reply in zip(messages[::2], messages[1::2]):
            node = place.get(step)
            if node is None:
                node = self._plant(place, step, message)
            if isinstance(node, bytes) or node.message != message:
                return False
            place, step = node.replies, reply
        if step in place:
            return False
        place[step] = conversation.outcome
        self.size += len(step) + len(conversation.outcome) + NODE_BYTES
        return True

    def _plant(self, place: dict[bytes, Question | bytes], step: bytes, message: bytes) -> Question:
        self.size += len(step) + NODE_BYTES + (0 if message in self._messages else len(message))
        planted = Question(self._messages.setdefault(message, message))
        place[step] = planted
        return planted


def pack(conversations: Sequence[Conversation]) -> list[list[object]]:
    """Return conversations as plain data."""
    return [[one.key, list(one.messages), one.outcome] for one in conversations]


def unpack(data: Sequence[Sequence[object]]) -> list[Conversation]:
    """Return the conversations that `pack` made plain. Raises ValueError for anything else."""
    found = []
    for key, messages, outcome in data:
        if not (isinstance(key, bytes) and isinstance(outcome, bytes) and isinstance(messages, list)):
            raise ValueError("These are no conversations.")
        if not all(isinstance(message, bytes) for message in messages):
            raise ValueError("These are no conversations.")
        found.append(Conversation(key, tuple(messages), outcome))
    return found
