"""The exchange: a real hub, the real service, nbgrader's own steps; and attempts at what is not allowed."""

from __future__ import annotations

import asyncio
import io
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from nbgrader.api import Gradebook
from nbgrader.exchange import ExchangeError
from nbgrader.server_extensions.assignment_list import handlers
from nbgrader.utils import parse_utc
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from helpers import classes, exchanges
from nnkit import cli
from nnkit_grader.course import release as courses
from nnkit_hub.exchange import archive, client, receipts, shares
from nnkit_hub.exchange.archive import Refusal, require_name
from nnkit_hub.exchange.assignment_labels import format_label, parse_label
from nnkit_hub.exchange.service import create_auth, create_exchange_application
from nnkit_hub.exchange.shares import (
    MAX_IDLE_CONNECTIONS,
    MAX_USER_REQUESTS,
    MAX_USER_UPLOADS,
    Busy,
    ExchangeServer,
    Shares,
)
from nnkit_hub.exchange.store import TIME_FORMAT, Store, StoreLocked

pytestmark = pytest.mark.hub
COURSE, HW = exchanges.COURSE, classes.NAME
TA, STRANGER, NOBODY = "tom", "eve", "mallory"
LEARNERS = ("ann", "bob", "cleo")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[exchanges.Hub]:
    groups = exchanges.create_groups(COURSE, LEARNERS, [TA]) | exchanges.create_groups("other", [STRANGER], ["prof"])
    users = (*LEARNERS, TA, STRANGER, "prof", NOBODY)
    with exchanges.run_hub(tmp_path_factory.mktemp("hub"), users, groups) as running:
        yield running


@pytest.fixture(scope="module")
def staff_room(hub: exchanges.Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TA's course folder, with the assignment released through the exchange."""
    folder = classes.course(tmp_path_factory.mktemp("course"))
    courses.generate_assignments(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        exchanges.Member(hub, TA, folder, monkeypatch).run_step("ReleaseAssignment")
    return folder


Enter = Callable[..., exchanges.Member]


@pytest.fixture
def enter(hub: exchanges.Hub, staff_room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Enter:
    """A function that returns a member with a folder of their own; the TA's is the course folder."""

    def as_member(user: str) -> exchanges.Member:
        return exchanges.Member(hub, user, staff_room if user == TA else tmp_path / user, monkeypatch)

    return as_member


def read_store(hub: exchanges.Hub) -> dict[str, bytes]:
    """Return all files of the exchange."""
    top = hub.store / "courses"
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def test_from_release_to_feedback(enter: Enter, staff_room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ann, ta = enter("ann"), enter(TA)
    assert [(entry["assignment_id"], entry["status"]) for entry in ann.run_step("List")] == [(HW, "released")]
    first = ann.hand_in(double=classes.DOUBLE)
    (entry,) = ann.run_step("List")
    assert (entry["status"], entry["notebooks"][0]["path"]) == ("fetched", str(ann.work / f"{HW}.ipynb"))
    last = ann.hand_in(triple=classes.TRIPLE)
    (entry,) = ann.run_step("List", cached=True)
    assert [each["timestamp"] for each in entry["submissions"]] == [first["time"], last["time"]]
    assert not entry["submissions"][0]["has_exchange_feedback"]

    ta.run_step("Collect")
    place = staff_room / "submitted" / "ann" / HW
    assert (place / "timestamp.txt").read_text() == last["time"]
    assert receipts.check_receipt(place / "receipt.json")[1] == receipts.PROVEN
    assert cli.main(["autograde", HW, "--course", str(staff_room), "--student", "ann"]) == 0
    assert courses.sum_points(courses.read_scores(staff_room, HW)["ann"]) == 5
    with Gradebook(f"sqlite:///{staff_room}/gradebook.db", COURSE) as book:
        assert book.find_submission(HW, "ann").timestamp == parse_utc(last["time"])

    assert not [fault for _, fault in courses.write_feedback(staff_room, HW, ["ann"]) if fault]
    ta.run_step("ReleaseFeedback")
    (entry,) = ann.run_step("List", cached=True)
    assert [each["has_exchange_feedback"] for each in entry["submissions"]] == [False, True]
    ann.run_step("FetchFeedback")
    (entry,) = ann.run_step("List", cached=True)
    newest = entry["submissions"][-1]
    assert newest["has_local_feedback"]
    assert not newest["feedback_updated"]
    page = Path(newest["local_feedback_path"], f"{HW}.html")
    assert page.read_text() == (staff_room / "feedback" / "ann" / HW / f"{HW}.html").read_text()
    # Feedback that has changed can be released again.
    (staff_room / "feedback" / "ann" / HW / f"{HW}.html").write_text("better")
    ta.run_step("ReleaseFeedback")
    assert ann.run_step("List", cached=True)[0]["submissions"][-1]["feedback_updated"]
    ann.run_step("FetchFeedback")
    assert page.read_text() == "better"


def test_collect_takes_what_counts(enter: Enter, staff_room: Path) -> None:
    bob, ta = enter("bob"), enter(TA)
    place = staff_room / "submitted" / "bob" / HW / "timestamp.txt"
    first = bob.hand_in()
    ta.run_step("Collect", student="bob")
    second = bob.hand_in()
    ta.run_step("Collect", student="bob")
    assert place.read_text() == first["time"], "without --update, what was collected stays"
    ta.run_step("Collect", student="bob", update=True)
    assert place.read_text() == second["time"]
    with Gradebook(f"sqlite:///{staff_room}/gradebook.db", COURSE) as book:
        book.update_or_create_assignment(HW, duedate=parse_utc(first["time"]))
    ta.run_step("Collect", student="bob", before_duedate=True)
    assert place.read_text() == first["time"]
    assert not list((staff_room / "submitted" / "bob").glob(".new-*"))
    with Gradebook(f"sqlite:///{staff_room}/gradebook.db", COURSE) as book:
        book.update_or_create_assignment(HW, duedate=None)
    ta.run_step("Collect", student="bob")


def test_a_late_hand_in_is_asked_for_and_an_extension_counts(
    enter: Enter, staff_room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    ann, cleo, ta = enter("ann"), enter("cleo"), enter(TA)
    due = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=1)
    with Gradebook(f"sqlite:///{staff_room}/gradebook.db", COURSE) as book:
        book.update_or_create_assignment(HW, duedate=due)
        book.update_or_create_student("ann")
    ta.run_step("ReleaseAssignment", force=True)
    ta.set_environment()
    assert cli.main(["roster", "extend", "ann", HW, "--days", "2", "--course", str(staff_room)]) == 0
    extended = due + timedelta(days=2)
    assert f"{HW} is due for ann on {extended:%Y-%m-%d %H:%M} UTC.\n" in capsys.readouterr().out
    (of_ann,), (of_cleo,) = ann.run_step("List"), cleo.run_step("List")
    assert [parse_utc(entry["due"]) for entry in (of_ann, of_cleo)] == [extended, due]
    ann.hand_in()
    assert ann.run_step("List")[0]["left"] == of_ann["left"] - 1
    with pytest.raises(ExchangeError, match=f"{HW} was due on .* submit it again within 5 minutes"):
        cleo.hand_in()
    late = cleo.hand_in()
    shutil.rmtree(cleo.work / "receipts")
    assert cli.main(["receipt", str(cleo.work), "--fetch", f"{COURSE}/{HW}"]) == 0
    assert receipts.check_receipt(cleo.receipts()[-1])[1] == receipts.PROVEN
    assert receipts.read_receipt(cleo.receipts()[-1])["time"] == late["time"]
    for user, handed_in in (("ann", True), ("cleo", False)):
        ta.run_step("Collect", student=user, before_duedate=True, update=True)
        at = parse_utc((staff_room / "submitted" / user / HW / "timestamp.txt").read_text())
        assert (at <= (extended if handed_in else due)) == handed_in, user
    with Gradebook(f"sqlite:///{staff_room}/gradebook.db", COURSE) as book:
        book.update_or_create_assignment(HW, duedate=None)
    ta.run_step("Collect", student="ann")


def test_what_was_handed_in_lies_beside_the_work(enter: Enter) -> None:
    cleo = enter("cleo")
    cleo.run_step("FetchAssignment")
    (cleo.work / "data").mkdir()
    (cleo.work / "data" / "points.csv").write_text("1,2\n")
    (cleo.work / ".ipynb_checkpoints").mkdir()
    (cleo.work / ".ipynb_checkpoints" / "old.ipynb").write_text("")
    (cleo.work / "timestamp.txt").write_text("2001-01-01 00:00:00.000000 UTC")
    (cleo.work / ".DS_Store").write_text("")
    (cleo.work / "nbgrader_config.py").write_text("")
    with pytest.raises(ExchangeError, match="You are cleo, and can submit only as cleo: leave out --student"):
        cleo.run_step("Submit", student="bob")
    receipt = cleo.hand_in()
    assert set(receipt["files"]) == {f"{HW}.ipynb", "data/points.csv"}
    (cleo.work / "data" / "points.csv").write_text("3,4\n")
    again = cleo.hand_in()
    assert set(again["files"]) == set(receipt["files"])
    assert [receipts.check_receipt(path)[1] for path in cleo.receipts()] == [receipts.PROVEN] * 2
    assert receipts.check_receipt(cleo.receipts()[0], folder=cleo.work)[1] == receipts.DISPROVEN


def test_a_release_can_be_replaced_and_withdrawn(enter: Enter, staff_room: Path) -> None:
    ta, ann = enter(TA), enter("ann")
    with pytest.raises(ExchangeError, match="hw is already released: add --force"):
        ta.run_step("ReleaseAssignment")
    extra = staff_room / "assignments" / HW / "extra.txt"
    extra.write_text("new")
    ta.run_step("ReleaseAssignment", force=True)
    ann.run_step("FetchAssignment")
    assert (ann.work / "extra.txt").read_text() == "new"
    with pytest.raises(ExchangeError, match="You already have a copy"):
        ann.run_step("FetchAssignment")
    (ann.work / "extra.txt").unlink()
    (ann.work / f"{HW}.ipynb").write_text("mine")
    ann.run_step("FetchAssignment", replace_missing_files=True)
    assert (ann.work / "extra.txt").read_text() == "new"
    assert (ann.work / f"{HW}.ipynb").read_text() == "mine"
    assert [entry["status"] for entry in ta.run_step("List", remove=True)] == ["removed"]
    assert ann.run_step("List") == []
    with pytest.raises(ExchangeError, match="There is no assignment called 'hw'"):
        ann.run_step("Submit")
    with pytest.raises(ExchangeError, match="Submissions stay"):
        ta.run_step("List", remove=True, inbound=True)
    extra.unlink()
    ta.run_step("ReleaseAssignment")


def test_nbgraders_command_line_works_unchanged(enter: Enter, hub: exchanges.Hub) -> None:
    ann = enter("ann")
    lines = "from nnkit_hub.exchange import client\nclient.install(get_config())\n"
    (ann.folder / "nbgrader_config.py").write_text(lines)

    def nbgrader(*words: str) -> str:
        command = [sys.executable, "-m", "nbgrader", *words, "--course", COURSE]
        environ = hub.get_environment("ann")
        done = subprocess.run(command, cwd=ann.folder, env=environ, capture_output=True, text=True, timeout=600)
        return f"{done.returncode} {done.stderr}"

    assert "Fetched as: nnkit hw" in nbgrader("fetch_assignment", HW)
    assert "Your receipt: " in nbgrader("submit", HW)
    assert len(ann.receipts()) == 1


def test_a_label_has_name_date_and_tries() -> None:
    due, name = {"due": "2026-12-01 18:00:00.000000 UTC"}, {"assignment_id": HW}
    labels = [format_label({**name, **facts}) for facts in ({}, {"left": 0}, {"left": 1}, {**due, "left": 2})]
    assert labels == [
        HW,
        f"{HW}\u20030 tries left",
        f"{HW}\u20031 try left",
        f"{HW}\u2003due 2026-12-01 18:00 UTC, 2 tries left",
    ]
    assert {parse_label(label) for label in labels} == {HW}
    with pytest.raises(Refusal):
        require_name(labels[1], "an assignment")


def test_assignment_list_shows_labels_and_one_sentence(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test calls the functions with which nbgrader's server extension answers the page."""
    ann = enter("ann")
    lines = "from nnkit_hub.exchange import client\nclient.install(get_config())\n"
    (ann.folder / "nbgrader_config.py").write_text(lines)
    monkeypatch.setattr(handlers, "traceback", handlers.traceback)
    monkeypatch.setattr(handlers, "ExchangeError", handlers.ExchangeError)
    for name in ("list_released_assignments", "fetch_assignment", "submit_assignment"):
        monkeypatch.setattr(handlers.AssignmentList, name, getattr(handlers.AssignmentList, name))
    monkeypatch.chdir(ann.folder)
    ann.set_environment()
    page = handlers.AssignmentList()
    page.root_dir = str(ann.folder)
    assert page.list_courses() == {"success": True, "value": [COURSE]}
    (label,) = (
        entry["assignment_id"] for entry in page.list_assignments(COURSE)["value"] if entry["status"] == "released"
    )
    assert re.fullmatch(f"{HW}\u2003[0-9]+ tries left", label)
    assert page.fetch_assignment(COURSE, label) == {"success": True}
    (ann.work / "link").symlink_to("/etc/passwd")
    sentence = "'link' is a link or not a regular file: put the file itself there, or remove it."
    assert page.submit_assignment(COURSE, HW) == {"success": False, "value": sentence}
    (ann.work / "link").unlink()
    assert page.submit_assignment(COURSE, label) == {"success": True}
    monkeypatch.setenv("NNKIT_EXCHANGE_URL", f"http://127.0.0.1:{exchanges.find_free_ports(1)[0]}/services/exchange/")
    sentence = "The exchange does not answer: try again in a minute, and tell your teachers if this\ncontinues."
    assert page.list_assignments(COURSE) == {"success": False, "value": sentence}
    monkeypatch.delenv("NNKIT_EXCHANGE_URL")
    assert "can only be reached from a server of the hub" in page.list_assignments(COURSE)["value"]
    # A bug still shows its whole traceback.
    monkeypatch.setattr(client.Exchange, "list_released", None)
    ann.set_environment()
    assert "TypeError" in page.list_assignments(COURSE)["value"]


def request(hub: exchanges.Hub, user: str | None, method: str, path: str, body: bytes = b"") -> requests.Response:
    headers = {"Authorization": f"token {hub.tokens[user]}"} if user else {}
    return requests.request(method, hub.address + path, data=body, headers=headers, timeout=30)


def encode_archive(files: dict[str, bytes], **more: Any) -> bytes:
    line = archive.encode_header({"files": {name: {"bytes": len(content)} for name, content in files.items()}, **more})
    return line + b"".join(files.values())


WORK = encode_archive({"hw.ipynb": b"{}"})


@pytest.fixture(scope="module")
def of_bob(hub: exchanges.Hub, staff_room: Path) -> str:
    """A submission of Bob's, as part of an address."""
    assert staff_room
    receipt = request(hub, "bob", "POST", f"courses/{COURSE}/submissions/{HW}", WORK).json()
    place = f"{HW}/bob/{receipt['time']}"
    page = encode_archive({f"{HW}.html": b"well done"})
    assert request(hub, TA, "PUT", f"courses/{COURSE}/feedback/{place}", page).status_code == 200
    return place


INTRUDERS = {
    "another's submission": ("ann", "GET", "submissions/BOB", 403),
    "another's feedback": ("ann", "GET", "feedback/BOB", 403),
    "the list of another's work": ("ann", "GET", "submissions?user=bob", 403),
    "the list of all work": ("ann", "GET", "submissions", 403),
    "write into another's submission": ("ann", "PUT", "submissions/BOB", 403),
    "delete another's submission": ("ann", "DELETE", "submissions/BOB", 403),
    "overwrite one's own": ("bob", "PUT", "submissions/BOB", 403),
    "post to another's": ("ann", "POST", "submissions/BOB", 405),
    "a learner releases": ("ann", "PUT", "released/hw", 403),
    "a learner withdraws": ("ann", "DELETE", "released/hw", 403),
    "a learner writes feedback": ("bob", "PUT", "feedback/BOB", 403),
    "a grader overwrites a submission": (TA, "PUT", "submissions/BOB", 405),
    "a grader deletes a submission": (TA, "DELETE", "submissions/BOB", 405),
    "feedback on nothing": (TA, "PUT", "feedback/hw/bob/2001-01-01 00:00:00.000000 UTC", 400),
    "no token": (None, "GET", "released", 401),
    "no token, handing in": (None, "POST", "submissions/hw", 401),
    "a learner of another course": (STRANGER, "GET", "released/hw", 403),
    "a learner of another course hands in": (STRANGER, "POST", "submissions/hw", 403),
    "a grader of another course": ("prof", "GET", "submissions/BOB", 403),
    "a grader of another course releases": ("prof", "PUT", "released/hw", 403),
    "a user of no course": (NOBODY, "GET", "released", 403),
    "out of the store, by a grader": (TA, "PUT", "released/..%2F..%2Fhw", 400),
    "out of the store, further on": (TA, "PUT", "released/a%2F..%2F..%2F..%2Fb", 400),
    "into another's folder, by a name": (TA, "PUT", "released/a%2Fb", 400),
    "out of the store, dots": (TA, "PUT", "released/%2E%2E", 400),
    "out of the store, reading": (TA, "GET", "submissions/..%2F..%2F/bob/x", 400),
    "out of the store, listing": (TA, "GET", "submissions?assignment=../..", 400),
    "out of the store, by a user's name": (TA, "GET", "submissions?user=..%2F..", 400),
    "a hidden name": (TA, "PUT", "released/.hidden", 400),
    "a name with a line break": (TA, "PUT", "released/a%0Ab", 400),
    "what was not released": ("ann", "POST", "submissions/ps9", 404),
}


@pytest.mark.parametrize("what", INTRUDERS)
def test_intruders_are_refused(what: str, hub: exchanges.Hub, of_bob: str) -> None:
    user, method, path, status = INTRUDERS[what]
    before = read_store(hub)
    answer = request(hub, user, method, f"courses/{COURSE}/{path.replace('BOB', of_bob)}", WORK)
    assert answer.status_code == status, answer.text
    assert len(answer.json()["message"]) > 20
    assert b"well done" not in answer.content
    assert read_store(hub) == before


def test_only_a_token_of_the_hub_counts(hub: exchanges.Hub, of_bob: str) -> None:
    token = hub.tokens["bob"]
    address = f"{hub.address}courses/{COURSE}/submissions/{of_bob}"
    assert requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == 200
    assert requests.get(address, headers={"Authorization": f"token {token[:-1]}"}, timeout=30).status_code == 401
    assert requests.get(f"{address}?token={token}", timeout=30).status_code == 401
    assert requests.get(address, cookies={"exchange": token, "token": token}, timeout=30).status_code == 401
    # The same through the hub's public address.
    address_outside = address.replace(hub.given["exchange"], hub.given["public"])
    assert address_outside != address
    answer = requests.get(address_outside, headers={"Authorization": f"token {token}"}, timeout=30)
    assert (answer.status_code, answer.content.splitlines()[1]) == (200, b"{}")
    # The service's own token, the tests' registrar's, and a token that may not enter the exchange.
    headers = {"Authorization": f"token {hub.token}"}
    assert requests.get(address, headers=headers, timeout=30).status_code == 401
    narrow = hub.call_api("POST", "/users/bob/tokens", scopes=["read:users:name!user"])["token"]
    answer = requests.get(address, headers={"Authorization": f"token {narrow}"}, timeout=30)
    assert answer.status_code == 403
    assert "does not let you use the exchange" in answer.json()["message"]


def test_name_and_time_are_the_exchanges(hub: exchanges.Hub, of_bob: str) -> None:
    """Names and times in a request change nothing."""
    line = {"user": "bob", "time": "2001-01-01 00:00:00.000000 UTC", "course": "other", "kind": "release"}
    body = encode_archive({"hw.ipynb": b"{}"}, **line)
    headers = {"Authorization": f"token {hub.tokens['ann']}", "Date": "Mon, 01 Jan 2001 00:00:00 GMT"}
    headers |= {"X-Forwarded-User": "bob", "Last-Modified": headers["Date"]}
    path = f"courses/{COURSE}/submissions/{HW}?user=bob&time=2001"
    receipt = requests.post(hub.address + path, data=body, headers=headers, timeout=30).json()
    assert (receipt["user"], receipt["course"], receipt["kind"]) == ("ann", COURSE, "submission")
    assert not receipt["time"].startswith("2001")
    assert receipts.has_valid_signature(receipt)


BAD = {
    "not an archive": b"hello",
    "nothing": b"",
    "a list": b"[]\n",
    "a negative size": b'{"files": {"a": {"bytes": -1}}}\n',
    "a size that is true": b'{"files": {"a": {"bytes": true}}}\n',
    "brackets without end": b"[" * 100_000 + b"\n",
    "no files": encode_archive({}),
    "up": encode_archive({"../a": b""}),
    "up, later": encode_archive({"a/../../b": b""}),
    "absolute": encode_archive({"/etc/passwd": b""}),
    "another system's": encode_archive({"..\\a": b""}),
    "an empty part": encode_archive({"a//b": b""}),
    "a zero": encode_archive({"a\0b": b""}),
    "half a letter": encode_archive({"\ud800": b""}),
    "a long name": encode_archive({"a" * 256: b""}),
    "deep": encode_archive({"a/" * archive.MAX_PATH_PARTS + "b": b""}),
    "many": encode_archive({str(number): b"" for number in range(archive.MAX_ARCHIVE_FILES + 1)}),
    "a file that is a folder": encode_archive({"a": b"", "a/b": b""}),
    "the time": encode_archive({"timestamp.txt": b"2001-01-01 00:00:00.000000 UTC"}),
    "a receipt": encode_archive({"receipt.json": b"{}"}),
    "git's settings": encode_archive({"hw.ipynb": b"{}", ".git/config": b"[core]\n\tfsmonitor = touch /tmp/pwned"}),
    "a hidden folder further down": encode_archive({"data/.vscode/tasks.json": b"{}"}),
    "nbgrader's settings": encode_archive({"nbgrader_config.py": b"import os"}),
    "direnv's": encode_archive({".envrc": b"touch /tmp/pwned"}),
    "too short": encode_archive({"a": b"12"})[:-1],
    "too long": encode_archive({"a": b"12"}) + b"3",
    "a large one": archive.encode_header({"files": {"a": {"bytes": archive.MAX_ARCHIVE_BYTES + 1}}}),
    "another hash": archive.encode_header({"files": {"a": {"bytes": 0, "sha256": "00"}}}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_archive_is_refused_in_a_sentence(what: str, hub: exchanges.Hub, of_bob: str) -> None:
    before = read_store(hub)
    answer = request(hub, "bob", "POST", f"courses/{COURSE}/submissions/{HW}", BAD[what])
    assert answer.status_code == 400
    assert answer.json()["message"].endswith((".", "again."))
    assert read_store(hub) == before
    assert os.listdir(hub.store / "new") == []


def test_a_large_request_is_refused_before_it_is_read(hub: exchanges.Hub) -> None:
    sent = []

    def large() -> Iterator[bytes]:
        for number in range(3 * archive.MAX_ARCHIVE_BYTES // 1_000_000):
            sent.append(number)
            yield b"0" * 1_000_000

    headers = {"Authorization": f"token {hub.tokens['ann']}"}
    address = f"{hub.address}courses/{COURSE}/submissions/{HW}"
    with pytest.raises(requests.RequestException):
        requests.post(address, data=large(), headers=headers, timeout=60).raise_for_status()
    assert len(sent) < 2 * archive.MAX_ARCHIVE_BYTES // 1_000_000
    prepared = requests.Request("POST", address, headers={**headers, "Content-Length": str(10**9)}).prepare()
    with requests.Session() as session:
        assert session.send(prepared, timeout=30).status_code == 413
    assert os.listdir(hub.store / "new") == []


def open_request(hub: exchanges.Hub, user: str, length: str) -> socket.socket:
    """Return a connection on which the header of a submission has been sent, and nothing of its body."""
    where = urlsplit(hub.address)
    opened = socket.create_connection((where.hostname, where.port), timeout=30)
    head = f"POST {where.path}courses/{COURSE}/submissions/{HW} HTTP/1.1\r\nHost: exchange\r\n"
    opened.sendall(f"{head}Authorization: token {hub.tokens[user]}\r\nContent-Length: {length}\r\n\r\n".encode())
    return opened


@pytest.mark.parametrize("length", ["abc", "+5", "5_0", "-1", "٥", "1,1", "0x5"])
def test_an_odd_length_is_a_bad_request(length: str, hub: exchanges.Hub, of_bob: str) -> None:
    with open_request(hub, "ann", length) as opened:
        assert opened.recv(1000).startswith(b"HTTP/1.1 400")


def test_one_learner_takes_no_more_than_a_share(hub: exchanges.Hub, of_bob: str) -> None:
    path = f"courses/{COURSE}/submissions/{HW}"
    with ExitStack() as opened:
        waiting = [opened.enter_context(open_request(hub, "ann", str(10**8))) for _ in range(MAX_USER_UPLOADS + 1)]
        answered, *_ = select.select(waiting, [], [], 30)  # which of them was one too many, the hub decides
        assert [one.recv(1000)[:12] for one in answered] == [b"HTTP/1.1 429"]
        assert request(hub, "bob", "POST", path, WORK).status_code == 200
    until = time.monotonic() + 30
    while (answer := request(hub, "ann", "POST", path, WORK)).status_code == 429 and time.monotonic() < until:
        time.sleep(0.05)
    assert answer.status_code == 200, "what was broken off no longer counts"


def test_shares_are_given_back_once() -> None:
    held = Shares()
    taken = [held.take("ann", upload=False) for _ in range(MAX_USER_REQUESTS)]
    with pytest.raises(Busy, match="under way"):
        held.take("ann", upload=False)
    held.take("bob", upload=True).give_back()
    taken[0].give_back()
    taken[0].give_back()
    held.take("ann", upload=True)
    with pytest.raises(Busy, match="under way"):
        held.take("ann", upload=True)


def test_idle_connections_shut_nobody_out(hub: exchanges.Hub, of_bob: str) -> None:
    where = urlsplit(hub.address)
    with ExitStack() as opened:
        first, *_ = [
            opened.enter_context(socket.create_connection((where.hostname, where.port), timeout=30))
            for _ in range(MAX_IDLE_CONNECTIONS + 20)
        ]
        assert request(hub, "bob", "GET", f"courses/{COURSE}/released").status_code == 200
        assert first.recv(1) == b"", "the oldest are closed"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: slow", b"GET /key HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_silent_connection_is_closed_even_in_the_middle_of_a_header(
    sent: bytes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MAX_IDLE_SECONDS", 0.2)
    answer = asyncio.run(wait_for_end(ExchangeServer, store, sent, 30.0))
    assert answer.startswith(b"HTTP/1.1 200") if sent.endswith(b"\r\n\r\n") else answer == b""
    with pytest.raises(TimeoutError):  # tornado's own server keeps it
        asyncio.run(wait_for_end(HTTPServer, store, sent, 1.0))


async def wait_for_end(kind: type[HTTPServer], store: Store, sent: bytes, seconds: float) -> bytes:
    """Return what a server of this kind answers until it closes the connection. Raises TimeoutError."""
    server = kind(create_exchange_application("/", store, create_auth()))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), seconds)
    finally:
        writer.close()
        server.stop()
        await server.close_all_connections()


def test_links_pipes_and_large_files_do_not_travel(tmp_path: Path) -> None:
    (tmp_path / "hw.ipynb").write_text("{}")
    for name, make in (
        ("link", lambda path: path.symlink_to("/etc/passwd")),
        ("folder", lambda path: path.symlink_to("/etc")),
        ("pipe", os.mkfifo),
    ):
        make(tmp_path / name)
        with pytest.raises(Refusal, match=f"'{name}' is a link or not a regular file"):
            archive.list_files(tmp_path)
        (tmp_path / name).unlink()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(archive.MAX_ARCHIVE_BYTES)
    with pytest.raises(Refusal, match="at most 100 MB"):
        archive.list_files(tmp_path)
    (tmp_path / "large").unlink()
    deep = tmp_path.joinpath(*"abcdefgh")
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    with pytest.raises(Refusal, match="too deep"):
        archive.list_files(tmp_path)


@pytest.mark.skipif(not shutil.which("git"), reason="no git: apt-get install git")
def test_git_runs_what_a_folders_settings_say(tmp_path: Path) -> None:
    """Such settings are no harmless file: the grader's first `git status` runs what the learner wrote into them."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with (tmp_path / ".git/config").open("a") as settings:
        settings.write(f"[core]\n\tfsmonitor = touch {tmp_path}/pwned; false\n")
    subprocess.run(["git", "status"], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "pwned").exists()


def test_settings_in_a_parcel_of_an_older_exchange_are_not_collected(tmp_path: Path) -> None:
    files = {"hw.ipynb": b"{}", ".git/config": b"[core]", "src/jupyter_lab_config.py": b"1", "z.csv": b"1,2"}
    archive.unpack_files(io.BytesIO(encode_archive(files)), tmp_path / "new")
    there = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*")}
    assert there == {"hw.ipynb", "z.csv"}
    assert (tmp_path / "new" / "z.csv").read_bytes() == b"1,2"


def test_a_file_that_becomes_a_link_after_the_look_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("12345")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a").write_text("12345")
    sizes = archive.list_files(folder)
    (folder / "a").unlink()
    (folder / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(Refusal, match="cannot be read"), archive.pack_files(folder, sizes):
        pass
    (folder / "a").unlink()
    (folder / "a").write_text("1")
    with pytest.raises(Refusal, match="changed while it was read"), archive.pack_files(folder, sizes):
        pass


def test_figures_are_for_those_who_may_read_them(hub: exchanges.Hub, of_bob: str) -> None:
    assert requests.get(f"{hub.address}health", timeout=30).json()["free_bytes"] > 0
    assert request(hub, "bob", "GET", "courses/elsewhere/released", b"").status_code == 403
    headers = {"Authorization": f"token {hub.token}"}
    assert requests.request("BREW", f"{hub.address}courses/elsewhere/released", timeout=30).status_code == 405
    figures = requests.get(f"{hub.address}metrics", headers=headers, timeout=30).text
    assert 'nnkit_exchange_requests_total{request="POST submit",status="200"}' in figures
    assert 'nnkit_exchange_requests_total{request="GET releasedlist",status="403"}' in figures
    assert 'nnkit_exchange_requests_total{request="other releasedlist",status="405"}' in figures
    assert "BREW" not in figures, "a counter for each name that a client thinks of"
    assert 'nnkit_exchange_stored_bytes_total{kind="submission"}' in figures
    log = (hub.folder / "log").read_text()
    assert (
        "refused: GET /services/exchange/courses/elsewhere/released by bob: You are not in a course called 'elsewhere'."
        in log
    )
    assert request(hub, "bob", "GET", "metrics", b"").status_code == 403
    assert request(hub, None, "GET", "metrics", b"").status_code == 401


def test_no_other_user_can_enter_the_store(hub: exchanges.Hub, of_bob: str) -> None:
    assert of_bob
    assert hub.store.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in hub.store.rglob("*"))


def add(store: Store, user: str, content: bytes = b"{}", received: datetime | None = None) -> dict[str, Any]:
    place = store.get_folder(COURSE, "submissions", HW, user)
    fields = {"kind": receipts.SUBMISSION_KIND, "course": COURSE, "assignment": HW, "user": user}
    return store.add(place, fields, io.BytesIO(encode_archive({"hw.ipynb": content})), received)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def test_the_newest_counts_even_when_the_clock_is_set_back(store: Store) -> None:
    place = store.get_folder(COURSE, "submissions", HW, "ann")
    first = add(store, "ann")
    ahead = "2199-12-31 23:59:59.999999 UTC"
    (place / first["time"]).rename(place / ahead)
    assert add(store, "ann")["time"] == "2200-01-01 00:00:00.000000 UTC"


def test_the_time_is_that_of_the_last_byte_however_long_it_waits_for_a_thread(store: Store) -> None:
    arrived = datetime.now(UTC) - timedelta(seconds=37)
    assert add(store, "ann", received=arrived)["time"] == arrived.strftime(TIME_FORMAT)


def test_one_learner_cannot_fill_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place = store.get_folder(COURSE, "submissions", HW, "ann")
    monkeypatch.setattr("nnkit_hub.exchange.store.MAX_TOTAL_BYTES", 10)
    for _ in range(5):
        room = store.reserve(place, 2)
        add(store, "ann")
        room.give_back()
    with pytest.raises(Refusal, match="too often"):
        store.reserve(place, 2)
    store.reserve(store.get_folder(COURSE, "submissions", HW, "bob"), 2)


def test_what_is_on_its_way_and_what_was_refused_counts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """260 requests at once passed a limit of 200 when only what had been stored was counted."""
    place = store.get_folder(COURSE, "submissions", HW, "ann")
    monkeypatch.setattr("nnkit_hub.exchange.store.MAX_SUBMISSIONS", 3)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(store.reserve, place, 1) for _ in range(20)]
    rooms = [each.result() for each in asked if not each.exception()]
    assert len(rooms) == 3
    rooms[0].give_back()
    rooms[0].give_back()
    store.count_refused(place)
    with pytest.raises(Refusal, match="too often"):
        store.reserve(place, 1)
    rooms[1].give_back()
    store.reserve(place, 1)


def test_two_exchanges_do_not_share_a_folder(store: Store) -> None:
    with pytest.raises(StoreLocked, match="Another exchange is using"):
        Store(store.folder, max_wait_seconds=0.2)
    store.close()
    Store(store.folder, max_wait_seconds=0.2).close()


def test_a_backup_taken_at_any_time_can_be_restored(tmp_path: Path) -> None:
    """docs/exchange.md: copy the folder, and start the exchange on the copy."""
    store = Store(tmp_path / "store")
    ann, bob = add(store, "ann", b"ann's"), add(store, "bob", b"bob's")
    half = store.incoming / "half" / "files"
    half.mkdir(parents=True)
    (half / "hw.ipynb").write_text("{")
    shutil.copytree(tmp_path / "store", tmp_path / "backup")
    store.close()
    shutil.rmtree(tmp_path / "store")

    shutil.copytree(tmp_path / "backup", tmp_path / "store")
    restored = Store(tmp_path / "store")
    assert list(restored.list_submissions(COURSE)) == [{**ann, "feedback": {}}, {**bob, "feedback": {}}]
    assert os.listdir(restored.incoming) == []
    content = restored.get_folder(COURSE, "submissions", HW, "bob") / bob["time"] / "files" / "hw.ipynb"
    assert content.read_bytes() == b"bob's"
    assert receipts.encode_public_key(restored.key) == ann["key"]
    assert add(restored, "ann")["time"] > ann["time"]
    restored.close()
