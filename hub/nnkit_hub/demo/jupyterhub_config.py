"""Configuration of the hub of `make hub`; demo_hub.py passes the folder in NNKIT_HUB."""

import json
import os
from pathlib import Path

from nnkit_hub.config import configure
from nnkit_hub.demo.demo_folder import create_site
from nnkit_hub.demo.demo_people import DemoAuthenticator, load_logins
from nnkit_hub.demo.demo_servers import DemoSpawner

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (JupyterHub provides it)

folder = Path(os.environ["NNKIT_HUB"])
given = json.loads(os.environ["NNKIT_HUB_GIVEN"])
here = create_site(folder, tuple(given["proxy"]), given["ports"])
configure(c, here, DemoAuthenticator)

c.DemoAuthenticator.logins = load_logins(folder / "logins.json")
c.JupyterHub.spawner_class = DemoSpawner
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "homes" / "{username}")
c.DemoSpawner.sandboxed = given["sandboxed"]
c.DemoSpawner.readable = [str(here.settings), str(folder / "lectures")]
