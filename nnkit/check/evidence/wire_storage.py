"""The storage behind wires: a node or an array, and parts of others that were written into it."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.check.evidence.array_gates import Pick
from nnkit.graph import Node

Content = Node | np.ndarray


class Storage:
    """The entries of a node or of an array, and what was written over them."""

    def __init__(self, content: Content) -> None:
        self.pieces: list[Content] = [content]
        self.value: Any = content.value if isinstance(content, Node) else content
        self.sources: np.ndarray | None = None
        """The number of each entry in all pieces, one after the other; None if nothing was written."""
        self.version = 0

    @property
    def has_node(self) -> bool:
        """A node is among the pieces."""
        return any(isinstance(piece, Node) for piece in self.pieces)

    def write(self, places: Any, new: Any) -> None:
        """Write a node, or values, to places: positions in the flat array."""
        content = new if isinstance(new, Node) else np.asarray(new, dtype=float)
        value = np.broadcast_to(_value_of_content(content), np.shape(places))
        if self.version == 0:
            self.value = np.array(self.value)
        if isinstance(content, Node) or self.has_node:
            self._add_piece(places, content)
        self.value.flat[np.ravel(places)] = np.ravel(value)
        self.version += 1

    def _add_piece(self, places: Any, content: Content) -> None:
        shape = np.shape(self.value)
        if self.sources is None:
            self.pieces = [x if isinstance(x, Node) else np.array(self.value) for x in self.pieces]
            self.sources = np.arange(np.size(self.value)).reshape(shape)
        start = sum(np.size(_value_of_content(piece)) for piece in self.pieces)
        size = np.shape(_value_of_content(content))
        numbers = start + np.arange(int(np.prod(size))).reshape(size)
        self.sources.flat[np.ravel(places)] = np.ravel(np.broadcast_to(numbers, np.shape(places)))
        self.pieces.append(content)

    def gather(self, sources: np.ndarray) -> Any:
        """Return the node, or the array, of entries that come from these sources."""
        ends = np.cumsum([0, *(np.size(_value_of_content(piece)) for piece in self.pieces)])
        used = np.unique(np.searchsorted(ends, sources, side="right") - 1)
        pieces = [self.pieces[k] for k in used]
        if len(pieces) == 1 and np.array_equal(sources, _number(pieces[0], ends[used[0]])):
            return pieces[0]
        starts = np.cumsum([0, *(np.size(_value_of_content(piece)) for piece in pieces)])
        owners = np.searchsorted(used, np.searchsorted(ends, sources, side="right") - 1)
        places = sources - ends[used][owners] + starts[owners]
        graph = next((piece.graph for piece in pieces if isinstance(piece, Node)), None)
        if graph is None:
            return _join_flat(places, *pieces)
        return graph.add(
            Pick(lambda *xs: _join_flat(places, *xs), "{}[…]" if len(pieces) == 1 else "np.array"), *pieces
        )


def _value_of_content(content: Content) -> Any:
    return content.value if isinstance(content, Node) else content


def _number(piece: Content, start: int) -> np.ndarray:
    shape = np.shape(_value_of_content(piece))
    return start + np.arange(int(np.prod(shape))).reshape(shape)


def _join_flat(places: np.ndarray, *pieces: Any) -> Any:
    joined: np.ndarray = np.concatenate([np.ravel(x) for x in pieces])
    return joined[places]
