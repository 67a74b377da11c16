"""The course on Zero to JupyterHub, in the hub's pod, where `hub.extraConfig` calls `configure`.

Folders are those of the image (hub/deploy/kubernetes/Dockerfile), names those of the manifests beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from nnkit_hub.people import admit
from nnkit_hub.roles import account, page
from nnkit_hub.servers import prepare

COURSES = Path("/srv/courses")
SETTINGS = Path("/opt/nnkit/settings")
LECTURES = Path("/opt/nnkit/notebooks")
EXCHANGE = "http://exchange:8090/services/exchange/"


def configure(c: Any, courses: Collection[str], roster: str) -> None:
    """Add people by the roster in that file, and what their servers get, to what the chart has set.

    Raises ValueError or FileNotFoundError where the roster has a fault or is not there.
    """
    admit(c, courses, Path(roster))
    places = {course: COURSES / course for course in courses}
    c.Spawner.pre_spawn_hook = prepare(SETTINGS, places, LECTURES, EXCHANGE)
    c.KubeSpawner.modify_pod_hook = graders_pod(courses)


def graders_pod(courses: Collection[str]) -> Callable[[Any, Any], Any]:
    """The hook that gives the pod of a course's account the course's disk and gradebook, and the way to both."""
    owners = {account(course): course for course in courses}

    def hook(spawner: Any, pod: Any) -> Any:
        if spawner.user.name in owners:
            _give(pod, owners[spawner.user.name])
        return pod

    return hook


def _give(pod: Any, course: str) -> None:
    from kubernetes_asyncio.client import V1Affinity

    server, disk = pod.spec.containers[0], page(course)
    pod.metadata.labels |= {"nnkit/network-access-gradebook": "true", "nnkit/network-access-dask": "true"}
    pod.spec.volumes = [*(pod.spec.volumes or []), {"name": "course", "persistentVolumeClaim": {"claimName": disk}}]
    server.volume_mounts = [*(server.volume_mounts or []), {"name": "course", "mountPath": str(COURSES / course)}]
    secret = {"secretKeyRef": {"name": "gradebook", "key": course}}
    server.env = [*(server.env or []), {"name": "NNKIT_GRADEBOOK", "valueFrom": secret}]
    # The disk can be at one node only: the one where the course's page is.
    pod.spec.affinity = pod.spec.affinity or V1Affinity()
    beside = {"labelSelector": {"matchLabels": {"app": disk}}, "topologyKey": "kubernetes.io/hostname"}
    pod.spec.affinity.pod_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}
