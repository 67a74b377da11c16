"""A plugin for The Littlest JupyterHub (https://tljh.jupyter.org), called by its installer and its hub. It uses

/srv/nnkit/source/            the clone that this was installed from; only root may enter it
/srv/nnkit/courses/COURSE/    a course folder, owned by the account grader-COURSE
/srv/nnkit/exchange/          released and submitted work, owned by the Unix user nnkit-exchange
/srv/nnkit/lectures/          the lectures that learners get a copy of
/srv/nnkit/settings/          the settings of servers
/srv/nnkit/roster.csv         who is in which course
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pluggy

hookimpl = pluggy.HookimplMarker("tljh")  # the same as tljh.hooks.hookimpl

BASE_FOLDER = Path("/srv/nnkit")
EXCHANGE_UNIX_USER = "nnkit-exchange"
FIRST_PORT = 8082
"""Port of the exchange on the loopback interface; the course pages use the following ones."""


@hookimpl
def tljh_extra_apt_packages() -> list[str]:
    """Install bubblewrap, for the sandbox that submissions run in, and fonts for drawings."""
    return ["bubblewrap", "fonts-dejavu-core"]


@hookimpl
def tljh_extra_user_pip_packages() -> list[str]:
    """Install the course for learners' and graders' servers, from the same folder as for the hub. Raises ValueError."""
    url = json.loads(distribution("nnkit").read_text("direct_url.json") or "{}").get("url", "")
    if not url.startswith("file:"):
        raise ValueError(
            f"nnkit must come from a clone: git clone it to {BASE_FOLDER / 'source'} (docs/admin-tljh.md)."
        )
    return [f"nnkit[learn] @ {url}", f"nnkit-grader @ {url}/grader", f"nnkit-hub @ {url}/hub"]


@hookimpl
def tljh_config_post_install(config: dict[str, Any]) -> None:
    """Set the limits of a server, and when an idle one is stopped, unless the admin has set them."""
    defaults = {"limits": {"memory": "2G", "cpu": 2}, "services": {"cull": {"timeout": 3600, "max_age": 604800}}}
    _set_defaults(config, defaults)


@hookimpl
def tljh_custom_jupyterhub_config(c: Any) -> None:
    """Set up users, folders, roster, services and servers at each start of the hub, so that new courses work."""
    from nnkit_hub.people import configure_people
    from nnkit_hub.servers import create_spawn_hook

    courses = create_layout(BASE_FOLDER)
    configure_people(c, courses, BASE_FOLDER / "roster.csv")
    _restrict_culler(c)
    c.JupyterHub.services.extend(_list_services(courses))
    address = f"http://127.0.0.1:{FIRST_PORT}/services/exchange/"
    c.Spawner.pre_spawn_hook = create_spawn_hook(BASE_FOLDER / "settings", courses, BASE_FOLDER / "lectures", address)


def _list_services(courses: dict[str, Path]) -> list[dict[str, Any]]:
    """Return the services of the exchange and the course pages, each with its own Unix user."""
    from nnkit_hub.roles import EXCHANGE_SERVICE, get_page_service
    from nnkit_hub.services import build_services

    users = {EXCHANGE_SERVICE: EXCHANGE_UNIX_USER} | {
        get_page_service(course): get_unix_account(course) for course in courses
    }
    ports = {name: FIRST_PORT + number for number, name in enumerate(users)}
    return build_services(courses, BASE_FOLDER / "exchange", lambda name: f"http://127.0.0.1:{ports[name]}", users)


def _restrict_culler(c: Any) -> None:
    """Let TLJH's idle culler stop servers and do nothing else; by default TLJH makes it an admin of the hub."""
    from nnkit_hub.roles import build_culler_role

    for service in c.JupyterHub.services:
        if service["name"] == "cull-idle" and "--cull-users" not in service["command"]:
            service["admin"] = False
            c.JupyterHub.load_roles.append({**build_culler_role(), "services": ["cull-idle"]})


# -- users and folders -----------------------------------------------------------------------------------------


def get_unix_account(course: str) -> str:
    """Return the Unix user that TLJH gives the server of the course account."""
    from nnkit_hub.roles import get_course_account

    return f"jupyter-{get_course_account(course)}"


def create_layout(base: Path) -> dict[str, Path]:
    """Create what is missing and return name → folder of each course. Raises OSError if that is not allowed."""
    from nnkit_hub.servers import write_settings

    source = base / "source"
    _ensure_folder(base, "root", 0o755)
    if source.exists():
        source.chmod(0o700)  # it contains the solutions
        shutil.copytree(source / "notebooks", base / "lectures", dirs_exist_ok=True)
    _ensure_user(EXCHANGE_UNIX_USER, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin")
    _ensure_folder(base / "exchange", EXCHANGE_UNIX_USER, 0o700)
    write_settings(base / "settings")
    if not (base / "roster.csv").exists():
        (base / "roster.csv").touch(0o600)
        (base / "roster.csv").write_text("course,user,role\n", encoding="utf-8")
    _ensure_folder(base / "courses", "root", 0o755)
    if not any((base / "courses").iterdir()):
        (base / "courses" / "nnkit").mkdir()
    courses = {folder.name: folder for folder in sorted((base / "courses").iterdir()) if folder.is_dir()}
    for course, folder in courses.items():
        _set_up_course(folder, get_unix_account(course), source)
    return courses


def _set_up_course(folder: Path, owner: str, source: Path) -> None:
    """Give a course folder to its account, after filling an empty one from the clone."""
    from nnkit_grader.course.release import copy_course

    _ensure_user(owner, "--create-home")
    if not any(folder.iterdir()) and source.exists():
        copy_course(source, folder)
        for path in folder.rglob("*"):
            shutil.chown(path, owner, owner)
    _ensure_folder(folder, owner, 0o700)


def _ensure_user(name: str, *options: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--user-group", *options, name], check=True)


def _ensure_folder(path: Path, owner: str, mode: int) -> None:
    path.mkdir(exist_ok=True, parents=True)
    shutil.chown(path, owner, owner)
    os.chmod(path, mode)


def _set_defaults(config: dict[str, Any], defaults: dict[str, Any]) -> None:
    for key, value in defaults.items():
        if isinstance(value, dict):
            _set_defaults(config.setdefault(key, {}), value)
        else:
            config.setdefault(key, value)
