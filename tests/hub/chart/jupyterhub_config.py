"""JupyterHub configuration as Zero to JupyterHub makes it of values, as far as hub/deploy/kubernetes sets any.

The values are in the file $VALUES, as JSON. The chart's own configuration does the same in the hub's pod.
"""

import json
import os
from pathlib import Path

values = json.loads(Path(os.environ["VALUES"]).read_text(encoding="utf-8"))


def get_config(key, default=None):
    """Return the value at a.b.c."""
    found = values
    for part in key.split("."):
        found = found.get(part, default) if isinstance(found, dict) else default
    return found


TRAITS = {
    "cpu_guarantee": "cpu.guarantee",
    "cpu_limit": "cpu.limit",
    "mem_guarantee": "memory.guarantee",
    "mem_limit": "memory.limit",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
    "default_url": "defaultUrl",
    "extra_labels": "extraLabels",
    "environment": "extraEnv",
    "fs_gid": "fsGid",
    "profile_list": "profileList",
    "start_timeout": "startTimeout",
    "uid": "uid",
}
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"  # noqa: F821
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]  # noqa: F821
c.KubeSpawner.image = "{name}:{tag}".format(**get_config("singleuser.image"))  # noqa: F821
for trait, key in TRAITS.items():
    if (value := get_config(f"singleuser.{key}")) is not None:
        setattr(c.KubeSpawner, trait, value)  # noqa: F821
c.KubeSpawner.extra_labels["hub.jupyter.org/network-access-hub"] = "true"  # noqa: F821
c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "claim-{user_server}"}}]  # noqa: F821
c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": "/home/jovyan"}]  # noqa: F821

c.JupyterHub.load_roles = []  # noqa: F821
c.JupyterHub.services = [  # noqa: F821
    {"name": key, "api_token": f"token-of-{key}", **service} for key, service in get_config("hub.services", {}).items()
]
for name, settings in get_config("hub.config", {}).items():
    c[name].update(settings)  # noqa: F821
for _, fragment in sorted(get_config("hub.extraConfig", {}).items()):
    exec(fragment)
