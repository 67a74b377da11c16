"""Settings of a server: those of its role, the exchange's address, and the folder it opens.

Each role has a folder on JUPYTER_CONFIG_PATH, so there is no file per user, and users cannot change it. The settings
only hide what a role does not need: permissions come from the hub's scopes, the exchange and file permissions.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnkit_hub.roles import PERMISSION_CACHE_SECONDS, get_course_account

KERNEL_IDLE_SECONDS = 3600
"""Time after which an idle kernel is stopped."""
RUNTIME_ROOT = Path("/run/nnkit-servers")
"""Folder of `create_runtime_folder`."""
LEARNER, GRADER = "learner", "grader"

_DISABLED_LAB_EXTENSIONS = {
    # Formgrader opens in its own tab: its extension would use a frame, which the hub forbids.
    LEARNER: ("formgrader", "create-assignment", "course-list"),
    GRADER: ("formgrader", "course-list", "assignment-list"),
}
_DISABLED_SERVER_EXTENSIONS = {
    LEARNER: ("formgrader", "course_list"),
    GRADER: ("course_list", "assignment_list"),
}
_NBGRADER_CONFIG = '''"""nbgrader's tools on this hub; a course's own configuration has precedence."""

from nnkit_hub.exchange import client

c = get_config()  # noqa: F821
client.install(c)

# Limits of a cell in Validate, the same as in grading.
c.ExecutePreprocessor.timeout = 30
c.ExecutePreprocessor.interrupt_on_timeout = True
c.ExecutePreprocessor.shutdown_kernel = "immediate"
'''
_LECTURES_CONFIG = '''"""Copies the lectures into the server owner's home folder; existing files stay as they are."""

from nnkit_hub.lectures import copy_lectures

c = get_config()  # noqa: F821
copy_lectures()
'''


def write_settings(folder: Path) -> None:
    """Write the settings of both roles below `folder`, readable for every user, whatever the umask."""
    for role in (LEARNER, GRADER):
        for name, content in render_settings(role).items():
            path = folder / role / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            path.chmod(0o644)
            for above in (path.parent, folder / role, folder):
                above.chmod(0o755)


def render_settings(role: str) -> dict[str, str]:
    """Return file name → content for a role."""
    off = {f"@jupyter/nbgrader:{name}": True for name in _DISABLED_LAB_EXTENSIONS[role]}
    off["@jupyterlab/apputils-extension:announcements"] = True
    wrapped = {"@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"lineWrap": True}}}
    extensions = {f"nbgrader.server_extensions.{name}": False for name in _DISABLED_SERVER_EXTENSIONS[role]}
    # By default, terminals run a login shell, whose /etc/profile replaces the PATH that the hub has set.
    terminals = {"shell_command": ["/bin/bash"]}
    server: dict[str, Any] = {"ServerApp": {"jpserver_extensions": extensions, "terminado_settings": terminals}}
    # An open tab would keep a kernel's memory for ever; one that computes is not idle.
    culling = {"cull_idle_timeout": KERNEL_IDLE_SECONDS, "cull_interval": 300, "cull_connected": True}
    server["MappingKernelManager"] = culling
    if role == GRADER:  # other people than its owner enter it, until they leave the course
        server["HubOAuth"] = {"cache_max_age": PERMISSION_CACHE_SECONDS}
    files = {
        "labconfig/page_config.json": json.dumps({"disabledExtensions": off}, indent=2),
        "labconfig/default_setting_overrides.json": json.dumps(wrapped, indent=2),
        "jupyter_server_config.json": json.dumps(server, indent=2),
        "nbgrader_config.py": _NBGRADER_CONFIG,
    }
    return files | ({"jupyter_server_config.py": _LECTURES_CONFIG} if role == LEARNER else {})


def create_runtime_folder(user: str) -> str:
    """Create a folder in memory for this Unix user alone, and return its path. For a hub that runs as root.

    A folder that a former user of this name has left is replaced: the new one could not read the files in it.
    """
    folder, owner = RUNTIME_ROOT / user, pwd.getpwnam(user)
    RUNTIME_ROOT.mkdir(exist_ok=True)
    RUNTIME_ROOT.chmod(0o711)
    if folder.exists() and folder.stat().st_uid != owner.pw_uid:
        shutil.rmtree(folder, ignore_errors=True)  # a process of the former user may still write there
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return str(folder)


def create_spawn_hook(
    folder: Path,
    courses: Mapping[str, Path],
    lectures: Path | None,
    exchange: str,
    runtime: Callable[[str], str] | None = None,
) -> Callable[[Any], None]:
    """Return the hook that sets up a server before it starts.

    `folder` holds the settings of the roles, and `exchange` is the address of the exchange's service. `runtime`
    returns the folder for files that a server cannot start without, by the user's name; by default it is in the home
    folder, and a server on a full one does not start.
    """
    accounts = {get_course_account(course): path for course, path in courses.items()}

    def hook(spawner: Any) -> None:
        role = GRADER if spawner.user.name in accounts else LEARNER
        path = [str(folder / role)]
        if role == GRADER:
            course = accounts[spawner.user.name]
            spawner.notebook_dir = str(course)
            path.insert(0, str(course))  # so that its nbgrader_config.py is used in every folder
        elif lectures:
            spawner.environment["NNKIT_LECTURES"] = str(lectures)
        spawner.environment["JUPYTER_CONFIG_PATH"] = ":".join(path)
        if runtime:
            spawner.environment["JUPYTER_RUNTIME_DIR"] = runtime(spawner.user.name)
        spawner.environment["NNKIT_EXCHANGE_URL"] = exchange

    return hook
