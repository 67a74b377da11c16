"""Configuration of a hub with courses, for any way to log in and to start servers.

    configure(c, site, PAMAuthenticator)        # in jupyterhub_config.py, where c = get_config()

`make hub` and hub/deploy/machine/jupyterhub_config.py add the rest themselves: how people log in, and what starts
their servers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nnkit_hub.people import configure_people
from nnkit_hub.roles import EXCHANGE_SERVICE, build_culler_role, get_course_account, get_page_service
from nnkit_hub.servers import create_runtime_folder, create_spawn_hook, write_settings
from nnkit_hub.services import build_service_command, build_services
from nnkit_hub.site import Site


def configure(c: Any, site: Site, authenticator: type[Any]) -> None:
    """Write the settings of `site` into a JupyterHub's configuration. Raises ValueError if the roster has a fault."""
    site.folder.mkdir(parents=True, exist_ok=True)
    write_settings(site.settings)
    _set_addresses(c, site)
    c.JupyterHub.authenticator_class = authenticator
    configure_people(c, site.courses, site.roster, site.contact)
    c.JupyterHub.load_roles.append(build_culler_role())
    _set_services(c, site)
    c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
    # A systemd unit's PATH has no environment: without this, servers' terminals and nbgrader find no programs of it.
    c.Spawner.environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    c.Spawner.default_url = "/lab"
    c.Spawner.pre_spawn_hook = create_spawn_hook(
        site.settings,
        site.courses,
        site.lectures,
        f"{site.get_address(EXCHANGE_SERVICE)}/services/{EXCHANGE_SERVICE}/",
        create_runtime_folder if site.unix_users else None,
    )
    c.Spawner.http_timeout = 60


def _set_addresses(c: Any, site: Site) -> None:
    c.JupyterHub.bind_url = f"http://{site.ip}:{site.get_port('public')}"
    c.JupyterHub.hub_bind_url = site.get_address("hub")
    c.JupyterHub.db_url = f"sqlite:///{site.folder / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(site.folder / "cookie_secret")
    c.ConfigurableHTTPProxy.api_url = site.get_address("proxy")
    c.ConfigurableHTTPProxy.command = list(site.proxy)
    c.ConfigurableHTTPProxy.pid_file = str(site.folder / "proxy.pid")


def _set_services(c: Any, site: Site) -> None:
    users = {EXCHANGE_SERVICE: "nnkit-exchange"} | {
        get_page_service(course): get_course_account(course) for course in site.courses
    }
    culler = {
        "name": "idle-culler",
        "command": build_service_command(
            ["jupyterhub_idle_culler", f"--timeout={site.idle_seconds}", f"--max-age={site.max_age_seconds}"]
        ),
    }
    given = users if site.unix_users else {}
    services = build_services(site.courses, site.exchange, site.get_address, given, site.contact)
    c.JupyterHub.services = [*services, culler]
