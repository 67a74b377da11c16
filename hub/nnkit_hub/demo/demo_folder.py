"""What `make hub` keeps, all below one folder that only its owner may enter.

course/         the course folder, with the gradebook; it belongs to the course's account
homes/USER/     home folders
exchange/       what was released and handed in
state/          the hub's database, secrets and settings
proxy/          configurable-http-proxy
logins.json  roster.csv  ports.json  hub.log  lock
"""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

from nnkit_hub.demo.demo_people import CLASS, COURSE, logins
from nnkit_hub.roles import account
from nnkit_hub.roster import HEAD
from nnkit_hub.site import Site

RELEASED = "ps1"


def prepare(folder: Path, source: Path, public: int) -> Site:
    """Make what is not there yet, from the course folder `source`; the hub is to answer at the port `public`.

    Raises OSError, RuntimeError or ValueError with a sentence.
    """
    from nnkit_hub import proxy

    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    command = tuple(proxy.install(folder / "proxy"))
    logins(folder / "logins.json")
    _write_roster(folder / "roster.csv")
    course = _course(folder, source)
    lectures = folder / "lectures"
    if not lectures.exists():
        shutil.copytree(source / "notebooks", lectures, ignore=shutil.ignore_patterns(".*"))
    _release(folder / "exchange", course)
    ports = _ports(folder / "ports.json") | {"public": public}
    return site(folder, command, ports)


def site(folder: Path, command: tuple[str, ...], ports: dict[str, int]) -> Site:
    """The hub below this folder."""
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
        lines = [HEAD, *([COURSE, user, role] for user, role in CLASS.items())]
        path.write_text("".join(f"{','.join(line)}\n" for line in lines))


def _course(folder: Path, source: Path) -> Path:
    """The course folder, copied and generated at the first start; at a later one it is as its graders left it."""
    from nnkit_grader.course.release import copy_course, generate_assignments

    place, fresh = folder / "course", folder / "course.new"
    if not place.exists():
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        copy_course(source, fresh)
        generate_assignments(fresh)
        fresh.rename(place)
    return place


def _release(exchange: Path, course: Path) -> None:
    """Release the first assignment, as its grader would: straight into the store, which is not at work yet."""
    from nnkit_hub.exchange.archive import found, packed
    from nnkit_hub.exchange.store import Store

    store = Store(exchange)
    place = store.place(COURSE, "released", RELEASED)
    if not store.newest(place):
        assignment = course / "assignments" / RELEASED
        fields = {"kind": "release", "course": COURSE, "assignment": RELEASED, "user": account(COURSE)}
        with packed(assignment, found(assignment)) as parcel:
            store.add(place, fields, parcel)
    store.close()


def _ports(path: Path) -> dict[str, int]:
    """Ports of the hub's parts among themselves: the same at each start, for servers that outlive the hub know them."""
    names = ("proxy", "hub", "exchange", f"course-{COURSE}")
    if not path.exists():
        held = [socket.create_server(("127.0.0.1", 0)) for _ in names]
        path.write_text(json.dumps({name: one.getsockname()[1] for name, one in zip(names, held)}))
        for one in held:
            one.close()
    return dict(json.loads(path.read_text()))


def is_free(port: int) -> bool:
    """Whether something could listen at this port of the loopback interface."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
