"""Requests to the exchange from a server of the hub, whose environment has the address and the token."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import requests

from nnkit.language import say, to_say
from nnkit_hub.exchange.archive import CHUNK_BYTES, Refusal, unpack_files
from nnkit_hub.exchange.receipts import ADDRESS_VARIABLE

TIMEOUT_SECONDS = (10, 300)
"""Timeouts to connect to the exchange, and between two chunks of its answer."""
NO_ANSWER = to_say("The exchange does not answer: try again in a minute, and tell your teachers if this continues.")


class ExchangeClient:
    """The exchange, as the owner of a token sees it. Every method raises Refusal.

    `address` and `token` default to those in the environment.
    """

    def __init__(self, address: str = "", token: str = "") -> None:
        self.address = (address or os.environ.get(ADDRESS_VARIABLE, "")).rstrip("/")
        self.token = token or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        self.session = requests.Session()
        # The exchange is local: use no proxy, and no name and password from a .netrc.
        self.session.trust_env = False

    def __enter__(self) -> ExchangeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def request(self, *path: str, method: str = "GET", **query: str) -> dict[str, Any]:
        """Return the answer to a request without files."""
        with self._send_request(method, path, query) as answer:
            return dict(answer.json())

    def upload(self, method: str, path: tuple[str, ...], archive: IO[bytes]) -> dict[str, Any]:
        """Send an archive, and return its receipt."""
        with self._send_request(method, path, body=archive) as answer:
            return dict(answer.json())

    def download(self, path: tuple[str, ...], folder: Path) -> dict[str, Any]:
        """Write the files at a path of the exchange into a new folder, and return their receipt."""
        with tempfile.TemporaryFile() as archive:
            with self._send_request("GET", path) as answer:
                try:
                    for chunk in answer.iter_content(CHUNK_BYTES):
                        archive.write(chunk)
                except requests.RequestException:
                    raise Refusal(say(NO_ANSWER)) from None
            archive.seek(0)
            return unpack_files(archive, folder)[0]

    def _send_request(
        self, method: str, path: tuple[str, ...], query: Mapping[str, str] | None = None, body: IO[bytes] | None = None
    ) -> requests.Response:
        if not self.address or not self.token:
            raise Refusal(
                say(
                    "The exchange can only be reached from a server of the hub, where {variable} is set.",
                    variable=ADDRESS_VARIABLE,
                )
            )
        url = f"{self.address}/{'/'.join(quote(part, safe='') for part in path)}"
        headers = {"Authorization": f"token {self.token}"}
        try:
            answer = self.session.request(
                method, url, params=query, data=body, headers=headers, timeout=TIMEOUT_SECONDS, stream=True
            )
        except requests.RequestException:
            raise Refusal(say(NO_ANSWER)) from None
        if not answer.ok:
            with answer:
                raise Refusal(_read_message(answer))
        return answer


def _read_message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (requests.RequestException, ValueError, LookupError, TypeError):
        return say(NO_ANSWER)
