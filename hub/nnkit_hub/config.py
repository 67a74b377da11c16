"""One function sets up a hub with courses on it, whatever log-ins and servers it has.

    configure(c, site, PAMAuthenticator)        # c is what jupyterhub_config.py gets from get_config()

What is not here, `make hub` and hub/deploy/machine/jupyterhub_config.py say themselves: how people log in, and what
starts their servers.
"""

from __future__ import annotations

import sys
from typing import Any

from nnkit_hub.people import admit
from nnkit_hub.roles import EXCHANGE, account, culling, page
from nnkit_hub.servers import prepare, write_settings
from nnkit_hub.services import services, tied
from nnkit_hub.site import Site


def configure(c: Any, site: Site, authenticator: type[Any]) -> None:
    """Write the settings of `site` into a JupyterHub's configuration. Raises ValueError for a fault of the roster."""
    site.folder.mkdir(parents=True, exist_ok=True)
    write_settings(site.settings)
    _addresses(c, site)
    c.JupyterHub.authenticator_class = authenticator
    admit(c, site.courses, site.roster)
    c.JupyterHub.load_roles.append(culling())
    _services(c, site)
    c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
    c.Spawner.default_url = "/lab"
    c.Spawner.pre_spawn_hook = prepare(
        site.settings, site.courses, site.lectures, f"{site.address(EXCHANGE)}/services/{EXCHANGE}/"
    )
    c.Spawner.http_timeout = 60


def _addresses(c: Any, site: Site) -> None:
    c.JupyterHub.bind_url = f"http://{site.ip}:{site.port('public')}"
    c.JupyterHub.hub_bind_url = site.address("hub")
    c.JupyterHub.db_url = f"sqlite:///{site.folder / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(site.folder / "cookie_secret")
    c.ConfigurableHTTPProxy.api_url = site.address("proxy")
    c.ConfigurableHTTPProxy.command = list(site.proxy)
    c.ConfigurableHTTPProxy.pid_file = str(site.folder / "proxy.pid")


def _services(c: Any, site: Site) -> None:
    users = {EXCHANGE: "nnkit-exchange"} | {page(course): account(course) for course in site.courses}
    culler = {"name": "idle-culler", "command": tied(["jupyterhub_idle_culler", f"--timeout={site.idle}"])}
    found = services(site.courses, site.exchange, site.address, users if site.unix_users else {})
    c.JupyterHub.services = [*found, culler]
