"""A hub for real classes on one machine, set up by the commands of docs/admin.md: real users, folders, log-ins through
PAM, and the variables and the umask of a systemd unit."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import hubs
from helpers.machine_hub import Machine, machine_hub, wait_for_hub

pytestmark = [
    pytest.mark.hub,
    pytest.mark.skipif(os.geteuid() != 0, reason="creates Unix users, in a namespace of its own: needs root"),
]
FIND_SERVERS = "pgrep -f 'jupyterhub[.]singleuser' || true"
GRADEBOOK = "srv/nnkit/nnkit/gradebook.db"


@dataclass
class Class:
    """A machine with a hub, a learner and a grader, whose servers are running."""

    machine: Machine
    hub: hubs.Hub
    ada: hubs.Visitor
    tom: hubs.Visitor

    def call_formgrader(self, step: str) -> None:
        answer = self.tom.call("POST", f"formgrader/api/{step}", hubs.GRADER)
        assert answer.ok, answer.text
        assert answer.json()["success"], answer.text

    def log_in_again(self) -> None:
        """Log in after a restart of the hub, as both."""
        port = int(self.hub.address.rsplit(":", 1)[1])
        self.hub = wait_for_hub(self.machine, port, dict.fromkeys(self.hub.passwords, ""))
        self.ada, self.tom = self.hub.log_in("ada"), self.hub.log_in("tom")

    def read_submission(self) -> dict[str, Any]:
        """Return Formgrader's row on ada's ps1: score, status, time."""
        answer = self.tom.call("GET", "formgrader/api/submission/ps1/ada", hubs.GRADER)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(scope="module")
def there() -> Iterator[Class]:
    folder = Path(tempfile.mkdtemp(prefix="nnkit-machine-"))
    with machine_hub(folder, {"ada": "learner", "tom": "grader"}) as (machine, hub):
        ada, tom = hub.log_in("ada"), hub.log_in("tom")
        ada.start_server()
        tom.start_server(hubs.GRADER)
        yield Class(machine, hub, ada, tom)


def test_the_gradebook_has_a_version_from_the_roster_or_the_first_assignment(there: Class) -> None:
    assert_one_version(there)
    there.machine.run(f"rm /{GRADEBOOK}")
    for step in ("assign", "release"):
        there.call_formgrader(f"assignment/ps1/{step}")
    assert_one_version(there)


def assert_one_version(there: Class) -> None:
    with closing(sqlite3.connect(there.machine.folder / GRADEBOOK)) as book:
        assert len(book.execute("select version_num from alembic_version").fetchall()) == 1


def test_a_terminal_finds_the_programs_of_the_environment(there: Class) -> None:
    for who, owner in ((there.ada, ""), (there.tom, hubs.GRADER)):
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(lambda who=who, owner=owner: asyncio.run(_ask_terminal(who, owner))).result()
        assert "/opt/nnkit/venv/bin/nnkit" in found
        assert "/opt/nnkit/venv/bin/alembic" in found


async def _ask_terminal(who: hubs.Visitor, owner: str) -> str:
    name = who.call("POST", "api/terminals", owner).json()["name"]
    shown = ""
    async with who.open_socket(f"/user/{owner or who.name}/terminals/websocket/{name}") as socket:
        await socket.write_message(json.dumps(["stdin", "which nnkit alembic; echo end''ed\r"]))
        while "ended" not in shown:
            message = await asyncio.wait_for(socket.read_message(), 60)
            assert isinstance(message, str)
            kind, *content = json.loads(message)
            shown += content[0] if kind == "stdout" else ""
    who.call("DELETE", f"api/terminals/{name}", owner)
    return shown


def test_a_learner_reads_the_lectures_and_nothing_else_of_the_course(there: Class) -> None:
    places = "/opt/nnkit/course /etc/nnkit /srv/nnkit/nnkit /var/lib/nnkit-exchange /home/grader-nnkit /home/tom"
    seen = there.machine.run(
        f"find {places} /opt/nnkit/lectures /var/lib/nnkit-hub -type f -readable 2>/dev/null || true", "ada"
    )
    folders = {str(Path(path).parent) for path in seen.splitlines()}
    assert {folder for folder in folders if not folder.startswith("/var/lib/nnkit-hub/settings/")} == {
        "/opt/nnkit/lectures"
    }
    for place in places.split():
        assert "Permission denied" in there.machine.run(f"ls {place}", "ada", check=False)
    assert "00" in there.ada.run("import os; print(sorted(os.listdir('notebooks')))")


def test_the_guides_changes_of_the_roster_work(there: Class) -> None:
    (changes,) = there.machine.read_guide("Change who is in the class")
    output = there.machine.run(changes)
    for sentence in ("eve is now a learner in nnkit.", "eve is eva in the gradebook of nnkit.", "eva is no longer in"):
        assert sentence in output
    owners = there.machine.run("stat -c %U /srv/nnkit/nnkit/gradebook.db /srv/nnkit/nnkit/students.csv")
    assert set(owners.split()) == {hubs.GRADER}


def test_a_backup_restores_under_a_graders_running_server(there: Class) -> None:
    assert "receipt" in there.ada.run(hubs.HAND_IN).lower()
    for step in ("assignment/ps1/collect", "submission/ps1/ada/autograde"):
        there.call_formgrader(step)
    first, restore = there.machine.read_guide("Backup and restore")
    there.machine.run(first)
    former = there.read_submission()
    there.ada.run(hubs.HAND_IN)
    there.call_formgrader("assignment/ps1/collect")
    there.machine.run(restore)
    there.log_in_again()
    there.tom.start_server(hubs.GRADER)
    assert there.read_submission() == former
    there.call_formgrader("submission/ps1/ada/autograde")
    assert len(list((there.machine.folder / "var/lib/nnkit-exchange/courses/nnkit/submissions/ps1/ada").iterdir())) == 1


def test_an_upgrade_stops_servers_and_brings_a_gradebook_without_a_version_up_to_date(there: Class) -> None:
    stop, upgrade, stamp = there.machine.read_guide("Upgrade")
    assert there.machine.run(FIND_SERVERS)
    there.machine.run(stop)
    assert there.machine.run(FIND_SERVERS) == ""
    grades = "select count(*), sum(auto_score) from grade"
    with closing(sqlite3.connect(there.machine.folder / GRADEBOOK)) as book:
        former = book.execute(grades).fetchall()
        book.execute("drop table alembic_version")
    assert "duplicate column name" in there.machine.run(upgrade, check=False)
    there.machine.run(stamp)
    there.machine.run(upgrade)
    with closing(sqlite3.connect(there.machine.folder / GRADEBOOK)) as book:
        assert book.execute(grades).fetchall() == former
    there.log_in_again()
    assert there.tom.get("/services/course-nnkit/").status_code == 200
