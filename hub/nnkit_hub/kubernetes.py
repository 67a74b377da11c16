"""The course on Zero to JupyterHub: `hub.extraConfig` calls `configure` in the hub's pod.

Folders are those of the image (hub/deploy/kubernetes/Dockerfile), names those of the manifests next to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from nnkit_hub.people import configure_people
from nnkit_hub.roles import get_course_account, get_page_service
from nnkit_hub.servers import create_spawn_hook

COURSES_FOLDER = Path("/srv/courses")
SETTINGS_FOLDER = Path("/opt/nnkit/settings")
LECTURES_FOLDER = Path("/opt/nnkit/notebooks")
RUNTIME_FOLDER = "/tmp/jupyter-runtime"
"""In the pod itself: a home folder may be full."""
EXCHANGE_URL = "http://exchange:8090/services/exchange/"


def configure(c: Any, courses: Collection[str], roster: str) -> None:
    """Add the people on the roster, and the settings of their servers, to what the chart has configured.

    Raises ValueError if the roster has a fault, and FileNotFoundError if it is missing.
    """
    configure_people(c, courses, Path(roster))
    folders = {course: COURSES_FOLDER / course for course in courses}
    c.Spawner.pre_spawn_hook = create_spawn_hook(
        SETTINGS_FOLDER, folders, LECTURES_FOLDER, EXCHANGE_URL, lambda user: RUNTIME_FOLDER
    )
    c.KubeSpawner.modify_pod_hook = create_pod_hook(courses)


def create_pod_hook(courses: Collection[str]) -> Callable[[Any, Any], Any]:
    """Return the hook that gives a course account's pod the course's disk and gradebook, and access to both."""
    owners = {get_course_account(course): course for course in courses}

    def hook(spawner: Any, pod: Any) -> Any:
        if spawner.user.name in owners:
            _extend_pod(pod, owners[spawner.user.name])
        return pod

    return hook


def _extend_pod(pod: Any, course: str) -> None:
    from kubernetes_asyncio.client import V1Affinity

    server, disk = pod.spec.containers[0], get_page_service(course)
    pod.metadata.labels |= {"nnkit/network-access-gradebook": "true", "nnkit/network-access-dask": "true"}
    pod.spec.volumes = [*(pod.spec.volumes or []), {"name": "course", "persistentVolumeClaim": {"claimName": disk}}]
    server.volume_mounts = [
        *(server.volume_mounts or []),
        {"name": "course", "mountPath": str(COURSES_FOLDER / course)},
    ]
    secret = {"secretKeyRef": {"name": "gradebook", "key": course}}
    server.env = [*(server.env or []), {"name": "NNKIT_GRADEBOOK", "valueFrom": secret}]
    # Only one node can attach the disk: the one with the course's page.
    pod.spec.affinity = pod.spec.affinity or V1Affinity()
    beside = {"labelSelector": {"matchLabels": {"app": disk}}, "topologyKey": "kubernetes.io/hostname"}
    pod.spec.affinity.pod_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}
