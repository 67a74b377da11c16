"""Receipts: what was handed in, by whom and when, signed by the exchange.

A receipt is JSON: kind, course, assignment, user, time (the exchange's clock), files with size and SHA-256, the
exchange's public key, and an Ed25519 signature of all of it. A public-key signature lets everyone check a receipt
without a secret of the exchange, and lets no one else make one.
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

from nnkit.language import say, say_count
from nnkit.text import measure_width, pad
from nnkit_hub.exchange.archive import MAX_HEADER_BYTES, Refusal, list_files, read_chunks, require_name, require_path

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUBMISSION_KIND = "submission"
WHOSE = ("assignment", "course", "user", "time")
PROVEN, DISPROVEN, UNKNOWN = 0, 1, 3
TIME_PATTERN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} UTC", re.ASCII)
ADDRESS_VARIABLE = "NNKIT_EXCHANGE_URL"
"""Environment variable with the exchange's address, on a hub."""


def sign_receipt(fields: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return the receipt with these fields, signed with the exchange's private key."""
    receipt = {**fields, "key": encode_public_key(key)}
    return {**receipt, "signature": base64.b64encode(key.sign(_encode_signed_fields(receipt))).decode()}


def encode_public_key(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key, as text of 44 characters."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _encode_signed_fields(receipt: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: every field but the signature, in canonical JSON."""
    fields = {name: value for name, value in receipt.items() if name != "signature"}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def has_valid_signature(receipt: Mapping[str, Any]) -> bool:
    """Return True if the signature fits the receipt and the key in it, which may be anyone's key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(receipt["key"], validate=True))
        key.verify(base64.b64decode(receipt["signature"], validate=True), _encode_signed_fields(receipt))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def read_receipt(path: Path) -> dict[str, Any]:
    """Return the receipt in a file. Raises ValueError with a sentence if it is not one."""
    with path.open("rb") as file:
        text = file.read(MAX_HEADER_BYTES)
    try:
        receipt = json.loads(text)
        for name in ("course", "assignment", "user"):
            require_name(receipt[name], f"a {name}")
        sizes = [receipt["files"][require_path(name)]["bytes"] for name in receipt["files"]]
        hashes = [entry["sha256"] for entry in receipt["files"].values()]
        fits = receipt["kind"] == SUBMISSION_KIND and bool(TIME_PATTERN.fullmatch(receipt["time"])) and bool(sizes)
        fits = fits and all(type(size) is int for size in sizes) and all(isinstance(digest, str) for digest in hashes)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ValueError(say("{path} is not a receipt of a submission.", path=path))
    return dict(receipt)


def find_differences(receipt: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, how it differs from what was handed in) for each file that differs."""
    try:
        here = set(list_files(folder))
    except (Refusal, OSError):
        here = set()
    for path, entry in receipt["files"].items():
        if not os.path.lexists(folder / path):
            yield path, say("is not here")
        elif _hash_file(folder, path, entry["bytes"]) != entry["sha256"]:
            yield path, say("is not what was handed in")
    for path in sorted(here - set(receipt["files"])):
        yield path, say("was not handed in")


def _hash_file(folder: Path, path: str, size: int) -> str:
    """Return a file's SHA-256; "" if it is not a regular file of this size."""
    digest = hashlib.sha256()
    try:
        if (folder / path).lstat().st_size != size:
            return ""
        for chunk in read_chunks(folder, path, size):
            digest.update(chunk)
    except (Refusal, OSError):
        return ""
    return digest.hexdigest()


def fetch_public_key() -> str:
    """Return the public key of this hub's exchange; "" if there is no hub, or no answer."""
    address = os.environ.get(ADDRESS_VARIABLE, "")
    if not address.startswith(("http://", "https://")):
        return ""
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/key", timeout=10) as answer:
            return str(answer.read(100).decode().strip())
    except (OSError, ValueError):
        return ""


def check_receipt(path: Path, folder: Path | None = None, key: str = "") -> tuple[list[str], int]:
    """Return sentences on what a receipt proves, and the exit status: PROVEN, DISPROVEN or UNKNOWN.

    `folder` has the files to compare (default: those next to the receipt); `key` is the exchange's public key (default:
    ask the exchange for it). Raises FileNotFoundError and ValueError.
    """
    receipt = read_receipt(path)
    folder = folder or path.parent
    lines = [say("{assignment} of {course}, from {user}, at {time}:", **{key: receipt[key] for key in WHOSE})]
    changed = dict(find_differences(receipt, folder))
    states = {**{name: say("is what was handed in") for name in receipt["files"]}, **changed}
    width = max(map(measure_width, states))
    lines += [f"  {pad(name, width)}  {state}" for name, state in states.items()]
    sentence, status = _judge_signature(receipt, key or fetch_public_key())
    number = sum(name in changed for name in receipt["files"])
    if number and status != DISPROVEN:
        but = say_count(
            "But {number} of {all} files is not what was handed in.",
            "But {number} of {all} files are not what was handed in.",
            number,
            all=len(receipt["files"]),
        )
        return [*lines, sentence, but], DISPROVEN
    return [*lines, sentence], status


def _judge_signature(receipt: Mapping[str, Any], key: str) -> tuple[str, int]:
    if not has_valid_signature(receipt):
        return say(
            "The signature is not valid: this receipt was changed, or did not come from the exchange."
        ), DISPROVEN
    if not key:
        sentence = say(
            "The receipt is intact, but its key cannot be compared with the exchange's here: run this on the hub, or "
            "give the exchange's key with --key. It was signed with {key}.",
            key=receipt["key"],
        )
        return sentence, UNKNOWN
    if key != receipt["key"]:
        return say("The signature is not the exchange's: it was made with another key."), DISPROVEN
    return say("The signature is valid: the exchange issued this receipt, and nothing in it has changed since."), PROVEN
