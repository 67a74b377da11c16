"""Attempts of a learner on a hub that must fail; and a hub that is killed in the middle of its work."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from helpers import hubs

pytestmark = pytest.mark.hub
ASK = """
import json, os, requests
def ask(method, path, base={base!r}, **options):
    headers = {{"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"], **options.pop("headers", {{}})}}
    answer = requests.request(method, base + path, headers=headers, timeout=300, **options)
    return answer.status_code, answer.text[:2000]
"""


class Class:
    """A hub on which ada has handed in ps1, and ben looks around."""

    def __init__(self, hub: hubs.Hub):
        self.hub = hub
        self.ada, self.ben, self.tom = (hub.log_in(name) for name in ("ada", "ben", "tom"))
        self.ada.start_server()
        self.ben.start_server()
        self.tom.start_server(hubs.GRADER)
        self.output = self.ada.run(hubs.HAND_IN)

    def call(self, who: hubs.Visitor, base: str, *calls: str, of: str = "") -> list[tuple[int, str]]:
        """Return the answers to calls like `ask("GET", "users")` from a kernel in a user's server."""
        code = ASK.format(base=base) + "".join(f"print(json.dumps({call}))\n" for call in calls)
        return [tuple(json.loads(line)) for line in who.run(code, of).splitlines()]

    @property
    def exchange(self) -> str:
        return self.hub.get_service_address("exchange")


@pytest.fixture(scope="module")
def there(demo_hub: hubs.Hub) -> Class:
    return Class(demo_hub)


PAGES = [f"/user/{hubs.GRADER}/formgrader", "/services/course-nnkit/", "/services/course-nnkit/report/ps1"]


@pytest.mark.parametrize("page", [*PAGES, f"/user/{hubs.GRADER}/lab", "/user/ada/lab", "/user/ada/api/contents"])
def test_a_learner_opens_no_page_of_graders_or_of_another_learner(there: Class, page: str) -> None:
    assert there.ben.get(page).status_code == 403


def test_a_grader_opens_them_but_no_learners_server(there: Class) -> None:
    opened = [there.tom.get(page).status_code for page in PAGES[:2]]
    assert opened == [200, 200]
    assert there.tom.get("/user/ada/lab").status_code == 403
    assert there.tom.get("/services/course-nnkit/report/../../gradebook.db").status_code == 404
    assert there.tom.get("/services/course-nnkit/report/..%2Fgradebook.db").status_code == 404


def test_a_page_that_is_not_there_or_not_for_them_leads_back(there: Class) -> None:
    for page, status in (("/hub/nothing", 404), ("/user/ada/lab", 403)):
        answer = there.ben.get(page)
        assert (answer.status_code, "Back to the hub" in answer.text) == (status, True), page
    answer = there.tom.get("/services/course-nnkit/nothing")
    assert (answer.status_code, "Log out" in answer.text) == (404, True)


def test_formgraders_links_to_folders_lead_to_its_own_server(there: Class) -> None:
    from_formgrader = {"Referer": f"{there.hub.address}/user/{hubs.GRADER}/formgrader/manage_assignments"}
    opened = there.tom.get("/tree/./solutions/ps1", headers=from_formgrader)
    assert opened.status_code == 200
    assert opened.url == f"{there.hub.address}/user/{hubs.GRADER}/lab/tree/solutions/ps1"
    assert there.tom.get("/tree/./solutions/ps1").status_code == 404
    for elsewhere in (
        "http://example.org/else/user/x/formgrader",
        f"{there.hub.address}//example.org/user/x/formgrader",
    ):
        assert there.tom.get("/tree/solutions", headers={"Referer": elsewhere}).status_code == 404, elsewhere


def test_a_learner_starts_and_stops_nobody_elses_server(there: Class) -> None:
    token = next(cookie.value for cookie in there.ben.web.cookies if cookie.name == "_xsrf" and cookie.path == "/hub/")
    headers = {"X-XSRFToken": token or "", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    for method, user in (("POST", hubs.GRADER), ("DELETE", hubs.GRADER), ("DELETE", "ada"), ("POST", "tom")):
        path = f"{there.hub.address}/hub/api/users/{user}/server"
        assert there.ben.web.request(method, path, headers=headers, timeout=300).status_code in (403, 404)
    stopped = there.ben.web.delete(f"{there.hub.address}/hub/api/users/cleo/server", headers=headers, timeout=300)
    assert stopped.status_code in (403, 404)


def test_the_token_in_a_server_identifies_its_owner_and_no_more(there: Class) -> None:
    base = f"{there.hub.address}/hub/api/"
    me, *others = there.call(
        there.ben,
        base,
        'ask("GET", "user")',
        'ask("GET", "users")',
        'ask("GET", "users/ada")',
        'ask("GET", "groups")',
        'ask("GET", "services")',
        'ask("GET", "proxy")',
        'ask("POST", "users/eve")',
        'ask("POST", "groups/formgrade-nnkit/users", json={"users": ["ben"]})',
        'ask("POST", "users/ada/server")',
        'ask("POST", "users/ben/tokens", json={"note": "for ever"})',
        'ask("DELETE", "users/ben/server")',
        'ask("POST", "shutdown")',
    )
    assert me[0] == 200
    assert json.loads(me[1])["name"] == "ben"
    assert json.loads(me[1])["groups"] == ["nbgrader-nnkit"]
    assert {status for status, _ in others} <= {403, 404}


def test_the_exchange_serves_only_the_users_own_work(there: Class) -> None:
    assert "receipt" in there.output.lower(), there.output
    mine = 'ask("GET", "courses/nnkit/submissions?user=ada")'
    ((status, text),) = there.call(there.ada, there.exchange, mine)
    assert status == 200
    at = json.loads(text)["submissions"][0]["time"] if len(text) < 2000 else text.split('"time": "')[1].split('"')[0]
    denied = there.call(
        there.ben,
        there.exchange,
        mine,
        'ask("GET", "courses/nnkit/submissions")',
        f'ask("GET", "courses/nnkit/submissions/ps1/ada/{at}")',
        f'ask("GET", "courses/nnkit/feedback/ps1/ada/{at}")',
        f'ask("PUT", "courses/nnkit/feedback/ps1/ada/{at}", data=b"{{}}")',
        'ask("PUT", "courses/nnkit/released/ps1", data=b"{}")',
        'ask("DELETE", "courses/nnkit/released/ps1")',
        'ask("GET", "courses/other/released")',
        'ask("GET", "courses/nnkit/released", headers={"Authorization": "token 0123456789abcdef"})',
        'ask("POST", "courses/nnkit/submissions/ps1/ada", data=b"{}")',
    )
    assert [status for status, _ in denied] == [403] * 8 + [401, 404], denied


def test_name_and_time_of_a_submission_are_the_exchanges(there: Class) -> None:
    forged = """
body = b'{"files": {"ps1.ipynb": {"bytes": 2}}, "user": "ada", "time": "2020-01-01 00:00:00.000000 UTC"}\\n{}'
path = "courses/nnkit/submissions/ps1?user=ada&time=2020-01-01"
headers = {"X-Forwarded-User": "ada", "Date": "Wed, 01 Jan 2020 00:00:00 GMT"}
print(json.dumps(ask("POST", path, data=body, headers=headers)))
"""
    before = time.time()
    output = there.ben.run(ASK.format(base=there.exchange) + forged)
    status, text = json.loads(output)
    if status == 200:
        receipt = json.loads(text)
        assert receipt["user"] == "ben"
        at = time.strptime(receipt["time"][:19], "%Y-%m-%d %H:%M:%S")
        assert abs(time.mktime(at) - time.timezone - before) < 120
    else:
        assert status == 400
    ada = there.hub.folder / "exchange" / "courses" / "nnkit" / "submissions" / "ps1" / "ada"
    assert len(list(ada.iterdir())) == 1


def test_a_learners_server_sees_no_folder_but_its_own(there: Class) -> None:
    hub = there.hub.folder
    places = [hub / name for name in ("course", "exchange", "logins.json", "state/jupyterhub.sqlite", "homes/ada")]
    places += [hubs.ROOT / "solutions", hub / f"homes/{hubs.GRADER}", hub / "state/cookie_secret"]
    code = f"import os\nprint([place for place in {list(map(str, places))} if os.path.lexists(place)])\n"
    assert all(place.exists() for place in places)
    assert there.tom.run(code, hubs.GRADER).strip() == str(list(map(str, places)))  # it is not in a sandbox
    assert there.ben.run(code).strip() == "[]"
    processes = """import os
words = [open(f"/proc/{p}/cmdline", "rb").read() for p in os.listdir("/proc") if p.isdigit()]
print(sum(b"jupyterhub" in line for line in words))
"""
    assert int(there.ben.run(processes)) <= 3
    assert int(there.tom.run(processes, hubs.GRADER)) > 3


def test_who_is_dropped_from_the_roster_is_out_at_once(there: Class) -> None:
    refused = hubs.measure_removal(there.hub, there.ben, there.tom)
    assert set(refused) == {"exchange", "server", "hub", "page", "formgrader"}
    assert max(refused.values()) < 40, refused  # 15 s, and twice as long on a busy machine
    assert there.hub.log_in("ben").get("/hub/home").status_code == 200  # on the roster again


def test_a_killed_hub_continues_where_it_was(there: Class) -> None:
    work = Path(there.hub.folder / "homes" / "ada" / "nnkit" / "ps1" / "ps1.ipynb").read_bytes()
    port = int(there.hub.address.rsplit(":", 1)[1])
    (process,) = [pid for pid in hubs.find_processes(there.hub.folder) if b"jupyterhub\0-f" in hubs.read_command(pid)]
    os.kill(process, signal.SIGKILL)
    output, _ = there.hub.process.communicate(timeout=300)
    assert "the hub ended unexpectedly" in output
    again = hubs.start_hub(there.hub.folder, sys.executable, port)
    there.hub.process = again.process  # for the fixture to stop
    assert again.passwords == there.hub.passwords
    assert (there.hub.folder / "homes" / "ada" / "nnkit" / "ps1" / "ps1.ipynb").read_bytes() == work
    there.ada.start_server()
    assert "receipt" in there.ada.run(hubs.HAND_IN).lower()
    ada = there.hub.folder / "exchange" / "courses" / "nnkit" / "submissions" / "ps1" / "ada"
    assert len(list(ada.iterdir())) == 2


def test_a_hub_that_is_stopped_leaves_no_process(there: Class) -> None:
    hubs.stop_hub(there.hub)
    assert hubs.find_processes(there.hub.folder) == []
