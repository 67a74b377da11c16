"""The tree of conversations: what it finds again, and the memory that it takes for a large class."""

from __future__ import annotations

import random
import tracemalloc

from nnkit_grader.conversations.tree import Conversation, ConversationTree, Question

CALLS = 15
"""Messages of a conversation: those of ps1 have 16 on average."""


def make_conversation(number: int, rng: random.Random) -> Conversation:
    """Return what the `number`-th learner's code says: the questions are everybody's, no two replies are equal."""
    said = [part for call in range(CALLS) for part in (f"call {call}".encode() * 20, rng.randbytes(100))]
    return Conversation(bytes(32), tuple(said), b'{"score": 1.0}' * 30)


def test_a_class_of_3000_in_which_all_replies_differ_takes_no_more_memory_than_the_limit() -> None:
    rng, tree = random.Random(1), ConversationTree(max_bytes=8 << 20)
    tracemalloc.start()
    try:
        kept = sum(tree.add(make_conversation(number, rng)) for number in range(3000))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 500 < kept < 3000
    assert tree.size < 1.01 * tree.max_bytes
    assert 0.5 * tree.size < taken < 1.2 * tree.size


def test_the_first_conversations_are_found_when_the_tree_is_full() -> None:
    rng, tree = random.Random(1), ConversationTree(max_bytes=1 << 20)
    spoken = [make_conversation(number, rng) for number in range(300)]
    kept = [one for one in spoken if tree.add(one)]
    assert kept == spoken[: len(kept)]
    for conversation in kept:
        node = tree.find(conversation.key)
        for message, reply in zip(conversation.messages[::2], conversation.messages[1::2]):
            assert isinstance(node, Question)
            assert node.message == message
            node = node.replies[reply]
        assert node == conversation.outcome
