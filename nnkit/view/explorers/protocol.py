"""The protocol of a live explorer's two halves: an ES module of `static/` draws, an actor in the kernel computes.

The module gets a setup (the data that rarely changes) and a state from the actor; it sends a request, and the actor
answers with a new state. A streaming actor sends its states as messages.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from nnkit.view.errors import describe_error

Json = dict[str, Any]


class Actor(Protocol):
    """The half of a live explorer that computes."""

    def start(self) -> tuple[Json, Json]:
        """Return the first setup and state."""

    def answer(self, request: Json) -> tuple[Json | None, Json]:
        """Return a new setup, or None if it is unchanged, and the state for a request."""

    def list_frozen_requests(self) -> list[Json]:
        """Return the requests that a page without a kernel can make, the first for the start; none: it has no use."""


@runtime_checkable
class StreamingActor(Protocol):
    """The half of an explorer that changes by itself, many times a second: it sends messages with buffers of bytes."""

    def start(self) -> tuple[Json, Json]:
        """Return the first setup, and as the first state {"content", "buffers"}."""

    def reply(self, request: Json) -> tuple[Json, list[bytes]]:
        """Return the content and the buffers for a request. Raises nothing."""


class InvalidRequest(ValueError):
    """A request that cannot be met; the message is for the user."""


def describe_failure(error: Exception) -> str:
    """Return the message of an InvalidRequest; for any other exception, its type and message in one line."""
    return str(error) if isinstance(error, InvalidRequest) else describe_error(error)


def parse_number(text: Any) -> float | None:
    """Return the number that a text spells, with a hyphen or a true minus sign; None if it is not a number."""
    try:
        return float(str(text).strip().replace("−", "-"))
    except ValueError:
        return None


def to_json_numbers(values: np.ndarray) -> list[float | None]:
    """Return numbers for JSON, with None for those that are not finite."""
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]
