"""Calls to the exchange from a server of the hub: the address and the token come from that server's environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import requests

from nnkit_hub.exchange.archive import CHUNK, Refused, unpack
from nnkit_hub.exchange.receipts import ADDRESS

SECONDS = (10, 300)
"""To reach the exchange; and between two pieces of its answer."""
SILENT = "The exchange does not answer: try again in a minute, and tell your teachers if it goes on."


class Desk:
    """The exchange, as the owner of a token sees it. Every method raises Refused.

    Without `address` and `token`, those in the environment count.
    """

    def __init__(self, address: str = "", token: str = "") -> None:
        self.address = (address or os.environ.get(ADDRESS, "")).rstrip("/")
        self.token = token or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        self.session = requests.Session()
        # The exchange is near: no proxy leads there, and no .netrc knows a better name and password.
        self.session.trust_env = False

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def ask(self, *path: str, method: str = "GET", **query: str) -> dict[str, Any]:
        """The answer to a request without files."""
        with self._call(method, path, query) as answer:
            return dict(answer.json())

    def send(self, method: str, path: tuple[str, ...], parcel: IO[bytes]) -> dict[str, Any]:
        """Hand over a parcel; returns the receipt."""
        with self._call(method, path, body=parcel) as answer:
            return dict(answer.json())

    def fetch(self, path: tuple[str, ...], folder: Path) -> dict[str, Any]:
        """Write what the exchange has there into a new folder; returns its receipt."""
        with tempfile.TemporaryFile() as parcel:
            with self._call("GET", path) as answer:
                try:
                    for piece in answer.iter_content(CHUNK):
                        parcel.write(piece)
                except requests.RequestException:
                    raise Refused(SILENT) from None
            parcel.seek(0)
            return unpack(parcel, folder)[0]

    def _call(
        self, method: str, path: tuple[str, ...], query: Mapping[str, str] | None = None, body: IO[bytes] | None = None
    ) -> requests.Response:
        if not self.address or not self.token:
            raise Refused(f"The exchange is reached from a server of the hub only, where {ADDRESS} is set.")
        url = f"{self.address}/{'/'.join(quote(part, safe='') for part in path)}"
        headers = {"Authorization": f"token {self.token}"}
        try:
            answer = self.session.request(
                method, url, params=query, data=body, headers=headers, timeout=SECONDS, stream=True
            )
        except requests.RequestException:
            raise Refused(SILENT) from None
        if not answer.ok:
            with answer:
                raise Refused(_sentence(answer))
        return answer


def _sentence(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (requests.RequestException, ValueError, LookupError, TypeError):
        return SILENT
