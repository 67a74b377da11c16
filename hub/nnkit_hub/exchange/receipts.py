"""Receipts: what was handed in, by whom and when, signed by the exchange.

A receipt is JSON: kind, course, assignment, user, time (the exchange's clock), files with size and SHA-256, the
exchange's public key, and an Ed25519 signature over all of it. A public-key signature, since whoever doubts a receipt
can then check it without asking the exchange for a secret, and whoever can check one cannot make one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnkit_hub.exchange.archive import HEAD_BYTES, Refused, found, pieces, require_name, require_path

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUBMISSION = "submission"
NAME = "receipt.json"
PROVEN, DISPROVEN, UNKNOWN = 0, 1, 3
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} UTC", re.ASCII)
ADDRESS = "NNKIT_EXCHANGE_URL"
"""The variable with the exchange's address, on a hub."""


def sign(fields: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The receipt with these fields, by the exchange whose private key it is."""
    receipt = {**fields, "key": public(key)}
    return {**receipt, "signature": base64.b64encode(key.sign(_signed(receipt))).decode()}


def public(key: Ed25519PrivateKey) -> str:
    """The public half of a key, as text of 44 characters."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _signed(receipt: Mapping[str, Any]) -> bytes:
    """What the signature is over: every field but itself, in one way of writing."""
    fields = {name: value for name, value in receipt.items() if name != "signature"}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def holds(receipt: Mapping[str, Any]) -> bool:
    """Whether the signature is of this receipt, by the key in it. Whose key that is, is another question."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(receipt["key"], validate=True))
        key.verify(base64.b64decode(receipt["signature"], validate=True), _signed(receipt))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def read(path: Path) -> dict[str, Any]:
    """The receipt in a file. Raises ValueError with a sentence where it is none."""
    with path.open("rb") as file:
        text = file.read(HEAD_BYTES)
    try:
        receipt = json.loads(text)
        for name in ("course", "assignment", "user"):
            require_name(receipt[name], f"a {name}")
        sizes = [receipt["files"][require_path(name)]["bytes"] for name in receipt["files"]]
        hashes = [told["sha256"] for told in receipt["files"].values()]
        fits = receipt["kind"] == SUBMISSION and bool(TIME.fullmatch(receipt["time"])) and bool(sizes)
        fits = fits and all(type(size) is int for size in sizes) and all(isinstance(told, str) for told in hashes)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ValueError(f"{path} is not a receipt of a submission.")
    return dict(receipt)


def differences(receipt: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """(file, how it differs from what was handed in) for each file below the folder that does."""
    try:
        here = set(found(folder))
    except (Refused, OSError):
        here = set()
    for path, told in receipt["files"].items():
        if not os.path.lexists(folder / path):
            yield path, "is not here"
        elif _hash(folder, path, told["bytes"]) != told["sha256"]:
            yield path, "is not what was handed in"
    for path in sorted(here - set(receipt["files"])):
        yield path, "was not handed in"


def _hash(folder: Path, path: str, size: int) -> str:
    """A file's SHA-256; nothing where it is no plain file of this size."""
    digest = hashlib.sha256()
    try:
        if (folder / path).lstat().st_size != size:
            return ""
        for piece in pieces(folder, path, size):
            digest.update(piece)
    except (Refused, OSError):
        return ""
    return digest.hexdigest()


def key_of_exchange() -> str:
    """The public key of the exchange of this hub; "" away from a hub, or where it does not answer."""
    address = os.environ.get(ADDRESS, "")
    if not address.startswith(("http://", "https://")):
        return ""
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/key", timeout=10) as answer:
            return str(answer.read(100).decode().strip())
    except (OSError, ValueError):
        return ""


def examine(path: Path, folder: Path | None = None, key: str = "") -> tuple[list[str], int]:
    """What a receipt proves, in sentences, and the exit status: PROVEN, DISPROVEN or UNKNOWN.

    `folder` has the files to compare (default: those beside the receipt); `key` is the exchange's public key
    (default: asked of the exchange). Raises FileNotFoundError and ValueError.
    """
    receipt = read(path)
    folder = folder or path.parent
    lines = [f"{receipt['assignment']} of {receipt['course']}, from {receipt['user']}, at {receipt['time']}:"]
    odd = dict(differences(receipt, folder))
    told = {**{name: "is what was handed in" for name in receipt["files"]}, **odd}
    width = max(map(len, told))
    lines += [f"  {name:<{width}}  {how}" for name, how in told.items()]
    sentence, status = _judged(receipt, key or key_of_exchange())
    others = sum(name in odd for name in receipt["files"])
    if others and status != DISPROVEN:
        count = f"{others} of {len(receipt['files'])} files {'is' if others == 1 else 'are'}"
        return [*lines, sentence, f"But {count} not what was handed in."], DISPROVEN
    return [*lines, sentence], status


def _judged(receipt: Mapping[str, Any], key: str) -> tuple[str, int]:
    if not holds(receipt):
        return "The signature does not hold: this receipt was changed, or the exchange did not give it.", DISPROVEN
    if not key:
        sentence = "The receipt is whole. Whether its key is the exchange's cannot be told here: run this on the hub,"
        return f"{sentence} or give the exchange's key with --key. It was signed with {receipt['key']}.", UNKNOWN
    if key != receipt["key"]:
        return "The signature is not the exchange's: it was made with another key.", DISPROVEN
    return "The signature holds: the exchange gave this receipt, and nothing in it has changed since.", PROVEN
