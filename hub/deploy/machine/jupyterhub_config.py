"""A hub for real classes on one machine: log-ins through PAM or OAuth, a Unix user for each person (docs/admin.md).

Settings that differ from machine to machine come from the environment; hub.env.example lists them. The rest is in
nnkit_hub.config, which `make hub` uses too.
"""

import os
from pathlib import Path

from nnkit_hub import proxy
from nnkit_hub.config import configure
from nnkit_hub.roles import DEFAULT_CONTACT, build_prometheus_role
from nnkit_hub.site import DEFAULT_PORTS, Site

c = get_config()  # noqa: F821  (JupyterHub provides it)


def get_setting(name: str, otherwise: str | None = None) -> str:
    """Return a setting. Raises KeyError with its name if it is required and missing."""
    return os.environ.get(f"NNKIT_HUB_{name}") or otherwise or os.environ[f"NNKIT_HUB_{name}"]


# -- log-ins: PAM, or any OAuth provider ---------------------------------------------------------

if get_setting("LOGIN", "pam") == "oauth":
    # Client and addresses come from OAUTH_CLIENT_ID, OAUTH_CALLBACK_URL, OAUTH2_AUTHORIZE_URL, OAUTH2_TOKEN_URL and
    # OAUTH2_USERDATA_URL; systemd passes the secret on, and it is in no readable file.
    from oauthenticator.generic import GenericOAuthenticator as Authenticator

    c.GenericOAuthenticator.username_claim = get_setting("USERNAME_CLAIM", "preferred_username")
    secret = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"), "oauth_client_secret")
    if secret.exists():
        c.GenericOAuthenticator.client_secret = secret.read_text().strip()
else:
    from jupyterhub.auth import PAMAuthenticator as Authenticator

# -- the course, the exchange, who may do what ---------------------------------------------------

folder = Path(get_setting("FOLDER", "/var/lib/nnkit-hub"))
courses = {name: Path(place) for name, place in (one.split("=", 1) for one in get_setting("COURSES").split(","))}
site = Site(
    folder=folder,
    courses=courses,
    roster=Path(get_setting("ROSTER", "/etc/nnkit/roster.csv")),
    proxy=tuple(proxy.install_proxy(folder / "proxy")),
    exchange=Path(get_setting("EXCHANGE", "/var/lib/nnkit-exchange")),
    lectures=Path(os.environ["NNKIT_HUB_LECTURES"]) if "NNKIT_HUB_LECTURES" in os.environ else None,
    ip=get_setting("IP", "127.0.0.1"),
    ports={
        "public": int(get_setting("PORT", str(DEFAULT_PORTS["public"]))),
        "proxy": int(get_setting("PROXY_PORT", str(DEFAULT_PORTS["proxy"]))),
        "hub": int(get_setting("HUB_PORT", str(DEFAULT_PORTS["hub"]))),
        "exchange": int(get_setting("EXCHANGE_PORT", str(DEFAULT_PORTS["exchange"]))),
    },
    unix_users=True,
    contact=get_setting("CONTACT", DEFAULT_CONTACT),
    idle_seconds=int(get_setting("IDLE", "3600")),
    max_age_seconds=int(get_setting("MAX_AGE", "604800")),
)
configure(c, site, Authenticator)

# -- figures for Prometheus, which shows this token at /hub/metrics and /services/exchange/metrics ----

prometheus = Path(get_setting("PROMETHEUS_TOKEN", "/etc/nnkit/prometheus.token"))
if prometheus.exists():
    c.JupyterHub.services.append({"name": "prometheus", "api_token": prometheus.read_text().strip(), "display": False})
    c.JupyterHub.load_roles.append(build_prometheus_role())

# -- HTTPS ---------------------------------------------------------------------------------------

if "NNKIT_HUB_TLS_CERT" in os.environ:
    c.JupyterHub.bind_url = f"https://{site.ip}:{site.get_port('public')}"
    c.JupyterHub.ssl_cert = get_setting("TLS_CERT")
    c.JupyterHub.ssl_key = get_setting("TLS_KEY")
    # Browsers that were here once ask for HTTPS by themselves for the next half-year.
    c.JupyterHub.tornado_settings = {"headers": {"Strict-Transport-Security": "max-age=15552000"}}
    if "NNKIT_HUB_REDIRECT_PORT" in os.environ:
        c.ConfigurableHTTPProxy.command = [*site.proxy, f"--redirect-port={get_setting('REDIRECT_PORT')}"]
elif site.ip != "127.0.0.1":
    raise ValueError(
        "NNKIT_HUB_TLS_CERT and NNKIT_HUB_TLS_KEY are not set: without HTTPS the hub answers only to this "
        "machine (NNKIT_HUB_IP=127.0.0.1), behind a web server that has it."
    )

# -- servers: each in a systemd unit, which enforces its limits ----------------------------------

c.JupyterHub.cleanup_servers = False  # they survive a restart of the hub
if get_setting("SPAWNER", "systemd") == "systemd":
    c.JupyterHub.spawner_class = "systemdspawner.SystemdSpawner"
    c.SystemdSpawner.mem_limit = get_setting("MEMORY", "2G")
    c.SystemdSpawner.cpu_limit = float(get_setting("CPU", "2"))
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.disable_user_sudo = True
else:
    c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"  # enforces no limits
