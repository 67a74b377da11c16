"""The folder of `make hub`, which only its owner can enter.

course/         the course folder, with the gradebook; it belongs to the course's account
homes/USER/     home folders
exchange/       released and submitted work
state/          the hub's database, secrets and settings
proxy/          configurable-http-proxy
logins.json  roster.csv  ports.json  hub.log  lock
"""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

from nnkit_hub.demo.demo_people import COURSE, DEMO_CLASS, load_logins
from nnkit_hub.roles import get_course_account
from nnkit_hub.roster import HEADER
from nnkit_hub.site import Site

RELEASED_ASSIGNMENT = "ps1"


def prepare_folder(folder: Path, source: Path, public: int) -> Site:
    """Create what is missing, from the course folder `source`; the hub will listen on port `public`.

    Raises OSError, RuntimeError or ValueError with a sentence.
    """
    from nnkit_hub import proxy

    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    command = tuple(proxy.install_proxy(folder / "proxy"))
    load_logins(folder / "logins.json")
    _write_roster(folder / "roster.csv")
    course = _copy_course(folder, source)
    lectures = folder / "lectures"
    if not lectures.exists():
        shutil.copytree(source / "notebooks", lectures, ignore=shutil.ignore_patterns(".*"))
    _release_assignment(folder / "exchange", course)
    ports = _choose_ports(folder / "ports.json") | {"public": public}
    return create_site(folder, command, ports)


def create_site(folder: Path, command: tuple[str, ...], ports: dict[str, int]) -> Site:
    """Return the settings of the hub in this folder."""
    return Site(
        folder=folder / "state",
        courses={COURSE: folder / "course"},
        roster=folder / "roster.csv",
        proxy=command,
        exchange=folder / "exchange",
        lectures=folder / "lectures",
        ports=ports,
    )


def _write_roster(path: Path) -> None:
    if not path.exists():
        lines = [HEADER, *([COURSE, user, role] for user, role in DEMO_CLASS.items())]
        path.write_text("".join(f"{','.join(line)}\n" for line in lines))


def _copy_course(folder: Path, source: Path) -> Path:
    """Return the course folder. It is created at the first start; later the graders' changes are kept."""
    from nnkit_grader.course.release import copy_course, generate_assignments

    target, fresh = folder / "course", folder / "course.new"
    if not target.exists():
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        copy_course(source, fresh)
        generate_assignments(fresh)
        fresh.rename(target)
    return target


def _release_assignment(exchange: Path, course: Path) -> None:
    """Release the first assignment, writing to the store directly: the exchange is not running yet."""
    from nnkit_hub.exchange.archive import list_files, pack_files
    from nnkit_hub.exchange.store import Store

    store = Store(exchange)
    folder = store.get_folder(COURSE, "released", RELEASED_ASSIGNMENT)
    if not store.read_newest(folder):
        assignment = course / "assignments" / RELEASED_ASSIGNMENT
        fields = {
            "kind": "release",
            "course": COURSE,
            "assignment": RELEASED_ASSIGNMENT,
            "user": get_course_account(COURSE),
        }
        with pack_files(assignment, list_files(assignment)) as archive:
            store.add(folder, fields, archive)
    store.close()


def _choose_ports(path: Path) -> dict[str, int]:
    """Return the ports of the hub's parts, the same at each start, because running servers know them."""
    names = ("proxy", "hub", "exchange", f"course-{COURSE}")
    if not path.exists():
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
        path.write_text(json.dumps({name: each.getsockname()[1] for name, each in zip(names, sockets)}))
        for each in sockets:
            each.close()
    return dict(json.loads(path.read_text()))


def is_port_free(port: int) -> bool:
    """Return True if a server could listen on this port of the loopback interface."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
