"""Print as JSON the pods that a hub would ask Kubernetes for: `python pods.py CONFIG USER[=PROFILE] ...`

The hub, its authenticator and KubeSpawner are the real ones; only Kubernetes is missing.
"""

import asyncio
import json
import sys

from jupyterhub.app import JupyterHub
from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client import ApiClient


async def main(config, *wanted):
    hub = JupyterHub(log_level="ERROR")
    await hub.initialize(["--config", config, "--db", "sqlite://"])
    pods = {}
    for words in wanted:
        name, _, profile = words.partition("=")
        spawner = hub.users[await hub._get_or_create_user(name, hint="pods.py")].spawners[""]
        spawner.user_options = {"profile": profile} if profile else {}
        await maybe_future(spawner.pre_spawn_hook(spawner))
        await spawner.load_user_options()
        for _ in "twice":  # a restarted server gets the same pod
            pod = await maybe_future(spawner.modify_pod_hook(spawner, await spawner.get_pod_manifest()))
        async with ApiClient() as client:
            pods[words] = client.sanitize_for_serialization(pod)
    print(json.dumps(pods))
    sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
