"""The configuration of `make hub`; run.py says in NNKIT_HUB where."""

import json
import os
from pathlib import Path

from nnkit_hub.config import configure
from nnkit_hub.demo.demo_folder import site
from nnkit_hub.demo.demo_people import ClassAuthenticator, logins
from nnkit_hub.demo.demo_servers import ClassSpawner

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (JupyterHub provides it)

folder = Path(os.environ["NNKIT_HUB"])
given = json.loads(os.environ["NNKIT_HUB_GIVEN"])
here = site(folder, tuple(given["proxy"]), given["ports"])
configure(c, here, ClassAuthenticator)

c.ClassAuthenticator.logins = logins(folder / "logins.json")
c.JupyterHub.spawner_class = ClassSpawner
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "homes" / "{username}")
c.ClassSpawner.walled = given["walled"]
c.ClassSpawner.readable = [str(here.settings), str(folder / "lectures")]
