"""A term on a hub, in one command: `python tests/hub/term.py` (as root; about ten minutes).

A class of twelve on a machine that docs/admin.md sets up, with the previous commit: release, hand-ins, an upgrade to
this one, changes of the roster, a second TA, an extension and a late hand-in, a full home folder, kill -9, grades,
backup and restore. In the end, each score and each receipt must be what it should be.

`python tests/hub/term.py STEP ...` takes only some steps, between the release and that end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import requests

from helpers import hubs
from helpers.machine_hub import PASSWORD, Machine, machine_hub, upgrade_files, wait_for_hub

LEARNERS = [f"l{number:02}" for number in range(1, 13)]
NNKIT = "/opt/nnkit/venv/bin/nnkit"
COURSE = "/srv/nnkit/nnkit"
MAX_REMOVAL_SECONDS = 60.0
"""Time within which those who are no longer on the roster must be out: docs/admin.md says 15 s, on an idle machine."""
AT_ONCE = 3
"""Learners who work at the same time."""
POINTS = 3.0
"""Points of the exercise that `ANSWER` solves."""
ANSWER = """
import json, pathlib
path = pathlib.Path.home() / "nnkit/ps1/ps1.ipynb"
book = json.loads(path.read_text())
for cell in book["cells"]:
    if "class MultiplyGate" in "".join(cell["source"]):
        cell["source"] = '''class MultiplyGate:
    def forward(self, x, y):
        return x * y, (x, y)

    def backward(self, upstream, cache):
        x, y = cache
        return upstream * y, upstream * x
'''
path.write_text(json.dumps(book))
"""
FETCH = "!cd ~ && nbgrader fetch_assignment ps1 --course nnkit 2>&1 | tail -2\n"
SUBMIT = "!cd ~ && nbgrader submit ps1 --course nnkit 2>&1 | tail -4\n"
READ_SCORES = f"""
import json
from nbgrader.api import Gradebook
with Gradebook("sqlite:///{COURSE}/gradebook.db", "nnkit") as book:
    found = book.assignment_submissions("ps1")
    print(json.dumps({{one.student.id: one.score for one in found if one.timestamp}}))
"""
SET_DUE_DATE = f"""
from datetime import datetime
from nbgrader.api import Gradebook
with Gradebook("sqlite:///{COURSE}/gradebook.db", "nnkit") as book:
    book.update_or_create_assignment("ps1", duedate=datetime.fromisoformat("%s"))
"""


class Term:
    """The hub, its visitors, and what should be true in the end."""

    def __init__(self, machine: Machine, hub: hubs.Hub) -> None:
        self.machine, self.hub = machine, hub
        self.port = int(hub.address.rsplit(":", 1)[1])
        self.receipts: Counter[str] = Counter()
        """Receipts that each learner has."""
        self.scores: dict[str, float] = {}
        """The score that each learner who handed in should have."""

    def hand_in(self, name: str, answer: bool = False) -> str:
        """Start a learner's server, fetch ps1 the first time, submit it, and stop the server."""
        visitor = self.hub.log_in(name)
        visitor.start_server()
        output = visitor.run(("" if name in self.scores else FETCH) + (ANSWER if answer else "") + SUBMIT)
        self.scores.setdefault(name, 0.0)
        if "Your receipt" in output:
            self.receipts[name] += 1
            self.scores[name] = POINTS if answer else self.scores[name]
        visitor.stop_server()
        return output

    def require_submission(self, name: str, answer: bool = False) -> None:
        """Have a learner hand in, unless they have."""
        if not self.receipts[name]:
            output = self.hand_in(name, answer)
            assert "Your receipt" in output, f"{name}: {output}"

    def run_python(self, code: str) -> str:
        return self.machine.run(f"cd {COURSE} && /opt/nnkit/venv/bin/python - <<'EOF'\n{code}\nEOF", hubs.GRADER)

    def set_due_date(self, when: datetime) -> None:
        self.run_python(SET_DUE_DATE % f"{when:%Y-%m-%d %H:%M:%S}")

    def assert_scores(self) -> None:
        found = json.loads(self.run_python(READ_SCORES))
        assert found == self.scores, (found, self.scores)

    def call_formgrader(self, step: str) -> None:
        answer = self.tom.call("POST", f"formgrader/api/{step}", hubs.GRADER)
        assert answer.ok, answer.text
        assert answer.json()["success"], answer.text

    def restart(self) -> None:
        """Wait until the hub answers that was started again, and open Formgrader in it."""
        self.hub = wait_for_hub(self.machine, self.port, self.hub.passwords)
        self.open_formgrader()

    def open_formgrader(self) -> None:
        self.tom = self.hub.log_in("tom")
        self.tom.start_server(hubs.GRADER)

    def add_person(self, name: str, *words: str) -> None:
        self.machine.run(f"{NNKIT} roster add {name} {' '.join(words)}")
        _, add_people, _ = self.machine.read_guide("The class")
        self.machine.run(add_people)
        self.machine.run(f"echo '{name}:{PASSWORD}' | chpasswd")
        self.hub.passwords[name] = PASSWORD

    def drop_person(self, visitor: hubs.Visitor, page: str) -> None:
        """Drop a person, and wait until the hub or a service refuses them a page that they have seen."""
        assert visitor.get(page).status_code == 200
        self.machine.run(f"{NNKIT} roster drop {visitor.name}")
        until = time.monotonic() + MAX_REMOVAL_SECONDS
        while visitor.get(page, allow_redirects=False).status_code not in (302, 403):
            assert time.monotonic() < until, f"{visitor.name} was dropped, and still sees {page}"
            time.sleep(0.5)


def release(term: Term) -> None:
    term.open_formgrader()
    term.call_formgrader("assignment/ps1/assign")
    term.set_due_date(datetime.now(UTC) + timedelta(days=1))
    term.call_formgrader("assignment/ps1/release")


def hand_in(term: Term) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: term.require_submission(name, answer=name < "l04"), LEARNERS[:6]))


def upgrade(term: Term) -> None:
    """Upgrade from the previous commit, with a grade in its gradebook."""
    term.require_submission("l01", answer=True)
    term.call_formgrader("assignment/ps1/collect")
    term.call_formgrader("submission/ps1/l01/autograde")
    stop, upgrade, _ = term.machine.read_guide("Upgrade")
    term.machine.run(stop)
    upgrade_files(term.machine)
    term.machine.run(upgrade)
    term.restart()
    scored = term.tom.call("GET", "formgrader/api/submission/ps1/l01", hubs.GRADER).json()
    assert scored["score"] == POINTS, scored


def change_roster(term: Term) -> None:
    """Drop one learner, add one, rename one."""
    term.require_submission("l02", answer=True)
    term.drop_person(term.hub.log_in("l06"), "/hub/home")
    term.add_person("lin", "--first-name", "Lin", "--section", "B")
    term.require_submission("lin", answer=True)
    term.machine.run("usermod --login lee --home /home/lee --move-home l02 && groupmod --new-name lee l02")
    term.machine.run(f"{NNKIT} roster rename l02 lee --course {COURSE} --exchange /var/lib/nnkit-exchange")
    term.hub.passwords["lee"] = PASSWORD
    term.receipts["lee"], term.scores["lee"] = term.receipts.pop("l02"), term.scores.pop("l02")
    assert "Your receipt" in term.hand_in("lee")


def lend_ta(term: Term) -> None:
    """Have a second TA for a while."""
    term.add_person("uma", "--role", "grader")
    term.drop_person(term.hub.log_in("uma"), "/services/course-nnkit/")


def hand_in_late(term: Term) -> None:
    """Extend the due date for one learner; another one is asked before handing in late."""
    for name in ("l03", "l04"):
        term.require_submission(name, answer=name == "l03")
    term.open_formgrader()
    term.set_due_date(datetime.now(UTC) - timedelta(hours=1))
    term.call_formgrader("assignment/ps1/collect")  # this sends the due date to the exchange
    output = term.tom.run(f"!cd {COURSE} && nnkit roster extend l03 ps1 --days 2 --course .\n", hubs.GRADER)
    assert "is due for l03" in output, output
    assert "Your receipt" in term.hand_in("l03")
    assert "would count as late" in term.hand_in("l04")
    assert "Your receipt" in term.hand_in("l04", answer=True)
    term.set_due_date(datetime.now(UTC) + timedelta(days=1))
    term.call_formgrader("assignment/ps1/collect")


def fill_home(term: Term) -> None:
    """Hand in from a full home folder, and fetch the receipt later."""
    term.require_submission("l05")
    run = term.machine.run
    run("cp -a /home/l05 /var/tmp/l05 && mount -t tmpfs -o size=64m,mode=0700 tmpfs /home/l05")
    run("chown l05: /home/l05 && cp -a /var/tmp/l05/. /home/l05/ && cat /dev/zero > /home/l05/full || true")
    visitor = term.hub.log_in("l05")
    visitor.start_server()
    output = visitor.run(SUBMIT)
    assert "its receipt could not be saved" in output, output
    run("rm /home/l05/full")
    output = visitor.run("!cd ~ && nnkit receipt --fetch nnkit/ps1\n")
    assert "receipt.json" in output, output
    term.receipts["l05"] += 1
    visitor.stop_server()
    run("cp -a /home/l05/nnkit /var/tmp/l05/ && umount -l /home/l05 && cp -a /var/tmp/l05/. /home/l05/")


def kill_hub(term: Term) -> None:
    """Kill the hub under an open server, which goes on."""
    visitor = term.hub.log_in("l07")
    visitor.start_server()
    term.machine.run("systemctl kill nnkit-hub && systemctl start nnkit-hub")
    term.restart()
    assert visitor.call("GET", "api/status").status_code == 200
    visitor.stop_server()


def grade(term: Term) -> None:
    term.machine.run(f"rm -rf {COURSE}/submitted")  # of those who were renamed, or have handed in again
    term.call_formgrader("assignment/ps1/collect")
    term.machine.run(f"cd {COURSE} && PATH=/opt/nnkit/venv/bin:$PATH nnkit autograde ps1", hubs.GRADER)
    term.assert_scores()


def back_up(term: Term) -> None:
    """Back up and restore, under a running server of the course account; receipts go on with the same key."""
    save, restore = term.machine.read_guide("Backup and restore")
    term.machine.run(save)
    term.machine.run(restore)
    term.restart()
    term.require_submission("l08", answer=True)
    grade(term)


STEPS: dict[str, Callable[[Term], None]] = {
    step.__name__: step
    for step in (hand_in, upgrade, change_roster, lend_ta, hand_in_late, fill_home, kill_hub, grade, back_up)
}


def check_receipts(term: Term) -> None:
    """Check that each learner has the receipts that they should have, and that all are valid."""
    key = requests.get(f"{term.hub.address}/services/exchange/key", timeout=60).text
    for name, number in term.receipts.items():
        found = sorted((term.machine.folder / "home" / name / "nnkit/ps1/receipts").glob("*/receipt.json"))
        assert len(found) == number, (name, number, found)
        for path in found:
            place = f"/home/{path.relative_to(term.machine.folder / 'home')}"
            assert "The signature is valid" in term.machine.run(f"{NNKIT} receipt '{place}' --key {key}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"default: all of {', '.join(STEPS)}")
    parser.add_argument("--former", default="HEAD~1", metavar="COMMIT", help="upgrade from this one (default: HEAD~1)")
    args = parser.parse_args()
    if unknown := set(args.steps) - set(STEPS):
        parser.error(f"no step is called {', '.join(sorted(unknown))}")
    chosen = [name for name in STEPS if not args.steps or name in args.steps]
    people = {**dict.fromkeys(LEARNERS, "learner"), "tom": "grader"}
    former = args.former if "upgrade" in chosen else ""
    begun = time.monotonic()
    with machine_hub(Path(tempfile.mkdtemp(prefix="nnkit-term-")), people, former) as (machine, hub):
        term = Term(machine, hub)
        end = [step for step in (grade,) if chosen[-1] not in ("grade", "back_up")]
        for step in [release, *(STEPS[name] for name in chosen), *end, check_receipts]:
            try:
                step(term)
            except BaseException:
                print(machine.run("tail -n 30 /var/log/nnkit-hub.log", check=False))
                raise
            print(f"{time.monotonic() - begun:6.0f} s  {step.__name__}", flush=True)
    print("Every score and every receipt is what it should be.")


if __name__ == "__main__":
    main()
