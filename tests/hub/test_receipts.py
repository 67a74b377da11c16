"""A receipt proves what was handed in; changed or forged ones are found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nnkit import cli
from nnkit_hub.exchange import receipts
from nnkit_hub.exchange.receipts import DISPROVEN, PROVEN, UNKNOWN

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = receipts.encode_public_key(KEY)
FIELDS = {
    "kind": "submission",
    "course": "nnkit",
    "assignment": "ps1",
    "user": "ann",
    "time": "2026-11-24 15:58:23.948203 UTC",
    "files": {
        "ps1.ipynb": {"bytes": 2, "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
        "data/a.csv": {"bytes": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    },
}


@pytest.fixture(autouse=True)
def away_from_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(receipts.ADDRESS_VARIABLE, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("")
    (tmp_path / "ps1.ipynb").write_text("{}")
    write(tmp_path, receipts.sign_receipt(FIELDS, KEY))
    return tmp_path


def write(folder: Path, receipt: Any) -> Path:
    path = folder / "receipt.json"
    path.write_text(json.dumps(receipt))
    return path


def test_a_receipt_is_described_in_plain_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["receipt", str(folder / "receipt.json"), "--key", PUBLIC]) == PROVEN
    assert capsys.readouterr().out.splitlines() == [
        "ps1 of nnkit, from ann, at 2026-11-24 15:58:23.948203 UTC:",
        "  ps1.ipynb   is what was handed in",
        "  data/a.csv  is what was handed in",
        "The signature is valid: the exchange issued this receipt, and nothing in it has changed since.",
    ]


def test_other_files_are_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "ps1.ipynb").write_text("[]")
    (folder / "data" / "a.csv").unlink()
    (folder / "extra.txt").write_text("")
    lines, status = receipts.check_receipt(folder / "receipt.json", key=PUBLIC)
    assert status == DISPROVEN
    assert lines[1:4] == [
        "  ps1.ipynb   is not what was handed in",
        "  data/a.csv  is not here",
        "  extra.txt   was not handed in",
    ]
    assert lines[-2].startswith("The signature is valid")
    assert lines[-1] == "But 2 of 2 files are not what was handed in."


def test_an_extra_file_disproves_nothing(folder: Path) -> None:
    (folder / "extra.txt").write_text("")
    assert receipts.check_receipt(folder / "receipt.json", key=PUBLIC)[1] == PROVEN


@pytest.mark.parametrize("other", ["link", "folder"])
def test_a_link_or_a_folder_is_not_the_file(folder: Path, other: str) -> None:
    path = folder / "ps1.ipynb"
    path.rename(folder / "there")
    path.symlink_to(folder / "there") if other == "link" else path.mkdir()
    assert receipts.check_receipt(folder / "receipt.json", key=PUBLIC)[1] == DISPROVEN


CHANGES: dict[str, Any] = {
    "course": "other",
    "assignment": "ps2",
    "user": "bob",
    "time": "2026-11-23 15:58:23.948203 UTC",
    "files": {**FIELDS["files"], "ps1.ipynb": {"bytes": 2, "sha256": "00"}},  # type: ignore[dict-item]
    "key": receipts.encode_public_key(Ed25519PrivateKey.from_private_bytes(b"o" * 32)),
    "signature": base64.b64encode(b"s" * 64).decode(),
    "more": "than there was",
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("key", [PUBLIC, ""], ids=["with the key", "without"])
def test_any_change_breaks_the_signature(folder: Path, field: str, key: str) -> None:
    path = write(folder, {**receipts.sign_receipt(FIELDS, KEY), field: CHANGES[field]})
    lines, status = receipts.check_receipt(path, key=key)
    assert status == DISPROVEN
    assert lines[-1].startswith("The signature is not valid")


@pytest.mark.parametrize("field", ["key", "signature"])
@pytest.mark.parametrize("value", [None, 3, "", "?", "QUFB", "Ä"])
def test_an_odd_signature_does_not_hold(field: str, value: Any) -> None:
    assert not receipts.has_valid_signature({**receipts.sign_receipt(FIELDS, KEY), field: value})


def test_a_receipt_by_another_key_is_not_the_exchanges(folder: Path) -> None:
    forged = receipts.sign_receipt({**FIELDS, "user": "bob"}, Ed25519PrivateKey.generate())
    lines, status = receipts.check_receipt(write(folder, forged), key=PUBLIC)
    assert status == DISPROVEN
    assert lines[-1] == "The signature is not the exchange's: it was made with another key."


def test_without_the_exchanges_key_nothing_is_claimed(folder: Path) -> None:
    lines, status = receipts.check_receipt(folder / "receipt.json")
    assert status == UNKNOWN
    assert "cannot be compared with the exchange's here" in lines[-1]
    assert PUBLIC in lines[-1]


NO_RECEIPTS = {
    "no JSON": b"hello",
    "no object": b"[]",
    "nothing": b"",
    "brackets": b"[" * 100_000,
    "a path that leaves": {**FIELDS, "files": {"../../etc/passwd": {"bytes": 1, "sha256": ""}}},
    "a name that writes on the screen": {**FIELDS, "user": "ann\x1b[2J"},
    "a name that is a number": {**FIELDS, "user": 3},
    "a release": {**FIELDS, "kind": "release"},
    "a time that is none": {**FIELDS, "time": "soon"},
    "no files": {**FIELDS, "files": {}},
    "a size that is none": {**FIELDS, "files": {"a": {"bytes": "1", "sha256": ""}}},
}


@pytest.mark.parametrize("what", NO_RECEIPTS)
def test_other_files_are_not_taken_for_receipts(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    content: Any = NO_RECEIPTS[what]
    path = tmp_path / "receipt.json"
    path.write_bytes(
        content if isinstance(content, bytes) else json.dumps(receipts.sign_receipt(content, KEY)).encode()
    )
    assert cli.main(["receipt", str(path), "--key", PUBLIC]) == 2
    assert capsys.readouterr().err == f"nnkit: {path} is not a receipt of a submission.\n"


def test_a_missing_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["receipt", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
