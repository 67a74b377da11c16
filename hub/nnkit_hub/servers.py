"""What a server gets before it starts: the settings of its role, the exchange's address, and where it opens.

Roles are told apart by folders on JUPYTER_CONFIG_PATH, so there is no file a user, and a user cannot change them. They
are for comfort: what somebody may do is decided by the hub's scopes, the exchange, and the rights of files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnkit_hub.roles import account

LEARNER, GRADER = "learner", "grader"

_LAB = {
    # Formgrader opens in a tab of its own: the hub forbids frames, and the extension shows it in one.
    LEARNER: ("formgrader", "create-assignment", "course-list"),
    GRADER: ("formgrader", "course-list", "assignment-list"),
}
_SERVER = {
    LEARNER: ("formgrader", "course_list"),
    GRADER: ("course_list", "assignment_list"),
}
_NBGRADER = '''"""How nbgrader's tools work on this hub; a course's own configuration comes on top."""

from nnkit_hub.exchange import client

c = get_config()  # noqa: F821
client.install(c)

# What Validate allows a cell, as in grading.
c.ExecutePreprocessor.timeout = 30
c.ExecutePreprocessor.interrupt_on_timeout = True
c.ExecutePreprocessor.shutdown_kernel = "immediate"
'''
_LECTURES = '''"""Lay the lectures into the home folder of whoever's server this is; what is there stays as it is."""

from nnkit_hub.lectures import lay_out

c = get_config()  # noqa: F821
lay_out()
'''


def write_settings(folder: Path) -> None:
    """Write the settings of both roles below `folder`, for every user to read, whatever the umask."""
    for role in (LEARNER, GRADER):
        for name, content in settings(role).items():
            place = folder / role / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content, encoding="utf-8")
            place.chmod(0o644)
            for above in (place.parent, folder / role, folder):
                above.chmod(0o755)


def settings(role: str) -> dict[str, str]:
    """File name → content."""
    off = {f"@jupyter/nbgrader:{name}": True for name in _LAB[role]}
    off["@jupyterlab/apputils-extension:announcements"] = True
    extensions = {f"nbgrader.server_extensions.{name}": False for name in _SERVER[role]}
    found = {
        "labconfig/page_config.json": json.dumps({"disabledExtensions": off}, indent=2),
        "jupyter_server_config.json": json.dumps({"ServerApp": {"jpserver_extensions": extensions}}, indent=2),
        "nbgrader_config.py": _NBGRADER,
    }
    return found | ({"jupyter_server_config.py": _LECTURES} if role == LEARNER else {})


def prepare(folder: Path, courses: Mapping[str, Path], lectures: Path | None, exchange: str) -> Callable[[Any], None]:
    """The hook that sets a server up: `folder` has the settings, `exchange` is the address of its service."""
    accounts = {account(course): place for course, place in courses.items()}

    def hook(spawner: Any) -> None:
        role = GRADER if spawner.user.name in accounts else LEARNER
        path = [str(folder / role)]
        if role == GRADER:
            course = accounts[spawner.user.name]
            spawner.notebook_dir = str(course)
            path.insert(0, str(course))  # for its nbgrader_config.py, wherever a command is typed
        elif lectures:
            spawner.environment["NNKIT_LECTURES"] = str(lectures)
        spawner.environment["JUPYTER_CONFIG_PATH"] = ":".join(path)
        spawner.environment["NNKIT_EXCHANGE_URL"] = exchange

    return hook
