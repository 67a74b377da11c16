"""Shares of the exchange that each user may take at a time: requests, uploads, and connections that wait."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

MAX_USER_REQUESTS = 6
MAX_USER_UPLOADS = 2
MAX_IDLE_CONNECTIONS = 500
"""Connections without a request by a known user; if there are more, the oldest is closed."""
MAX_IDLE_SECONDS = 15.0
"""Time for a request's header to arrive, and for a connection to wait for the next request."""


class Busy(Exception):
    """A user has as much under way as one user may; the message is a sentence for them."""


class Shares:
    """The requests and uploads that each user has under way. For one thread."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()

    def take(self, user: str, upload: bool) -> Share:
        """Return the share of one more request. Raises Busy if the user has too many under way."""
        if self.requests[user] >= MAX_USER_REQUESTS:
            raise Busy(f"You have {MAX_USER_REQUESTS} requests under way: wait until one of them has ended.")
        if upload and self.uploads[user] >= MAX_USER_UPLOADS:
            raise Busy(f"You are handing in {MAX_USER_UPLOADS} times at once: wait until one of them has ended.")
        return Share([self.requests, self.uploads] if upload else [self.requests], user)


class Share:
    """One request's part of its user's share, until it is given back."""

    def __init__(self, counters: list[Counter[str]], user: str) -> None:
        self.counters, self.user = counters, user
        for counter in counters:
            counter[user] += 1

    def give_back(self) -> None:
        """End the request's part; the second time, do nothing."""
        for counter in self.counters:
            counter[self.user] -= 1
            if not counter[self.user]:
                del counter[self.user]
        self.counters = []


class ExchangeServer(HTTPServer):
    """An HTTP server on which connections without a request cannot crowd out the others."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        kwargs["idle_connection_timeout"] = MAX_IDLE_SECONDS
        super().initialize(*args, **kwargs)
        self.idle: dict[IOStream, None] = {}
        """Connections without a request by a known user, oldest first."""

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        self.mark_idle(stream)
        super().handle_stream(stream, address)

    def mark_idle(self, stream: IOStream) -> None:
        """Note that a connection has no request, and close the oldest such connections if there are too many."""
        self.idle.pop(stream, None)
        self.idle[stream] = None
        if len(self.idle) > MAX_IDLE_CONNECTIONS:
            self.idle = {each: None for each in self.idle if not each.closed()}
        while len(self.idle) > MAX_IDLE_CONNECTIONS:
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            oldest.close()

    def mark_busy(self, stream: IOStream) -> None:
        """Note that a connection has a request by a known user."""
        self.idle.pop(stream, None)
