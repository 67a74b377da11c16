"""hub/deploy/kubernetes without a cluster: values against the chart, manifests against Kubernetes, and the network."""

from __future__ import annotations

import json
import os
from itertools import permutations
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from helpers import clusters
from helpers.clusters import SIZES, can_reach, change_value, find_weaknesses, list_policies

pytestmark = pytest.mark.slow

CHARTS = Path(os.environ.get("NNKIT_CHARTS", clusters.ROOT.parent / "shared" / "charts"))
SCHEMA = CHARTS / "zero-to-jupyterhub.values.schema.yaml"
CHECKED = json.loads((clusters.CHART / "checked.json").read_text(encoding="utf-8"))
"""Size → digest of its values when they were last checked against the chart's schema without a fault."""

MANIFESTS = clusters.load_manifests()
ROSTER = "course,user,role\nnnkit,ada,learner\nnnkit,tom,grader\n"


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hub")
    return clusters.render_pods(clusters.load_values(), ROSTER, folder, "ada", "ada=gpu", "grader-nnkit")


# -- values against the chart ----------------------------------------------------------------------------------


def faults(values: dict[str, Any], size: str) -> list[str]:
    """Return the schema's faults; without the schema, compare the values with those that were checked.

    The schema comes with the chart: `helm show`, or NNKIT_CHARTS=FOLDER, with the file named as above.
    """
    if not SCHEMA.exists():
        return (
            []
            if CHECKED[size] == clusters.hash_values(values)
            else ["they are not the values that were checked against the schema"]
        )
    validator = jsonschema.Draft7Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    chart = yaml.safe_load(SCHEMA.with_name("zero-to-jupyterhub.values.yaml").read_text(encoding="utf-8"))
    return [
        f"{'.'.join(map(str, e.path))}: {e.message}"
        for e in validator.iter_errors(clusters.merge_values(chart, values))
    ]


@pytest.mark.parametrize("size", SIZES)
def test_values_are_what_the_chart_takes(size: str) -> None:
    values = clusters.load_values(size)
    assert faults(values, size) == []
    assert CHECKED[size] == clusters.hash_values(values), (
        f"write {clusters.hash_values(values)} into tests/hub/chart/checked.json"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("singleuser.imge", {"name": "nnkit"}),
        ("singleuser.memory.limit", ["2G"]),
        ("singleuser.networkPolicy.egres", []),
        ("singleuser.image.tag", 2027),
        ("hub.services", ["exchange"]),
        ("hub.db.type", "postgresql"),
        ("proxy.https.type", "acme"),
        ("cull.timeout", "an hour"),
        ("exchange", {"enabled": True}),
    ],
)
def test_planted_wrong_values_are_found(path: str, value: Any) -> None:
    assert faults(change_value(clusters.load_values(), path, value), "30")


# -- the pods that the hub makes of them ---------------------------------------------------------------------


def environment(pod: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in pod["spec"]["containers"][0]["env"]}


def test_a_learners_pod(pods: dict[str, dict[str, Any]]) -> None:
    given = environment(pods["ada"])
    assert given["JUPYTER_CONFIG_PATH"] == "/opt/nnkit/settings/learner"
    assert given["NNKIT_EXCHANGE_URL"] == "http://exchange:8090/services/exchange/"
    assert "NNKIT_GRADEBOOK" not in given
    assert [volume["name"] for volume in pods["ada"]["spec"]["volumes"]] == ["home"]
    assert "nvidia.com/gpu" not in pods["ada"]["spec"]["containers"][0]["resources"]["limits"]


def test_a_pod_with_a_gpu(pods: dict[str, dict[str, Any]]) -> None:
    container = pods["ada=gpu"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "-gpu@sha256:" in container["image"]


def test_the_pod_of_a_courses_account(pods: dict[str, dict[str, Any]]) -> None:
    """It has the course's folder, on the node of the course's page, and the gradebook's address from the Secret."""
    spec, page = pods["grader-nnkit"]["spec"], clusters.list_templates(MANIFESTS)["course-nnkit"]
    given = environment(pods["grader-nnkit"])
    assert given["JUPYTER_CONFIG_PATH"] == "/srv/courses/nnkit:/opt/nnkit/settings/grader"
    assert given["NNKIT_GRADEBOOK"] == {"secretKeyRef": {"name": "gradebook", "key": "nnkit"}}
    assert given["NNKIT_GRADEBOOK"] == environment(page)["NNKIT_GRADEBOOK"]
    disks = [v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"]]
    assert disks == ["claim-grader-nnkit", page["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]]
    mounts = {m["name"]: m["mountPath"] for m in spec["containers"][0]["volumeMounts"]}
    assert mounts["course"] == page["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]
    (beside,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert beside["labelSelector"]["matchLabels"].items() <= page["metadata"]["labels"].items()


def test_the_hub_does_not_start_with_a_fault_in_the_roster(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no course 'nnkti'"):
        clusters.render_pods(clusters.load_values(), "course,user,role\nnnkti,ada,learner\n", tmp_path, "ada")


# -- manifests against Kubernetes ------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_manifests_are_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_pods_are_what_kubernetes_takes(pods: dict[str, dict[str, Any]]) -> None:
    for pod in pods.values():
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("path", ["spec.replcas", "spec.template.spec.containers", "spec.selector"])
def test_planted_wrong_manifests_are_found(path: str) -> None:
    deployment = next(m for m in MANIFESTS if m["kind"] == "Deployment")
    wrong = change_value(deployment, path, "two")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_every_container_is_locked_up(pods: dict[str, dict[str, Any]]) -> None:
    for template in clusters.list_templates(MANIFESTS).values():
        assert find_weaknesses(template["spec"]) == []
    for pod in pods.values():
        assert find_weaknesses(pod["spec"], root_is_writable=True) == []


@pytest.mark.parametrize(
    ("at", "key", "value"),
    [
        ("spec", "automountServiceAccountToken", True),
        ("spec", "securityContext", {"runAsNonRoot": True, "runAsUser": 0}),
        ("container", "securityContext", {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
        ("container", "resources", {"requests": {"cpu": 1, "memory": "1Gi"}}),
    ],
)
def test_a_planted_weakness_is_found(at: str, key: str, value: Any) -> None:
    spec = json.loads(json.dumps(clusters.list_templates(MANIFESTS)["exchange"]["spec"]))
    (spec if at == "spec" else spec["containers"][0])[key] = value
    assert find_weaknesses(spec)


# -- names that must agree -------------------------------------------------------------------------------------


def test_what_one_file_names_another_has() -> None:
    values, templates = clusters.load_values(), clusters.list_templates(MANIFESTS)
    services = {m["metadata"]["name"]: m["spec"] for m in MANIFESTS if m["kind"] == "Service"}
    for name in values["hub"]["services"].keys() - {"prometheus"}:  # which runs elsewhere
        given = environment(templates[name])
        (token,) = given["JUPYTERHUB_API_TOKEN"].values()
        assert token == {"name": "hub", "key": f"hub.services.{name}.apiToken"}
        assert given["JUPYTERHUB_SERVICE_NAME"] == name
        assert given["JUPYTERHUB_SERVICE_PREFIX"] == f"/services/{name}/"
        assert given["JUPYTERHUB_SERVICE_URL"] == f"http://0.0.0.0:{services[name]['ports'][0]['port']}"
    for name, service in services.items():
        assert service["selector"].items() <= templates[name]["metadata"]["labels"].items()
        ports = {port["name"]: port["containerPort"] for port in templates[name]["spec"]["containers"][0]["ports"]}
        assert [ports[port["targetPort"]] for port in service["ports"]] == [port["port"] for port in service["ports"]]
    images = {container["image"] for t in templates.values() for container in t["spec"]["containers"]}
    assert images == {image["name"] for image in clusters.load("kustomization.yaml")["images"]}
    claims = {m["metadata"]["name"] for m in MANIFESTS if m["kind"] == "PersistentVolumeClaim"}
    used = [v.get("persistentVolumeClaim") for t in templates.values() for v in t["spec"]["volumes"]]
    assert {claim["claimName"] for claim in used if claim} == claims


# -- network policies ------------------------------------------------------------------------------------------

PORTS = {"exchange": 8090, "course-nnkit": 8070, "dask-scheduler": 8786, "dask-worker": 8788, "postgres": 5432}
WAYS = {
    ("ada", "exchange"),
    ("grader-nnkit", "exchange"),
    ("grader-nnkit", "postgres"),
    ("grader-nnkit", "dask-scheduler"),
    ("hub", "course-nnkit"),
    ("proxy", "course-nnkit"),
    ("course-nnkit", "postgres"),
    ("dask-worker", "dask-scheduler"),
    ("dask-scheduler", "dask-worker"),
}


def ways(
    pods: dict[str, dict[str, Any]], values: dict[str, Any], manifests: list[dict[str, Any]]
) -> set[tuple[str, str]]:
    labels = {name: template["metadata"]["labels"] for name, template in clusters.list_templates(manifests).items()}
    labels |= {name: pod["metadata"]["labels"] for name, pod in pods.items() if "=" not in name}
    labels["stranger"] = {"app": "something-else-in-this-namespace"}
    for component in ("hub", "proxy"):
        labels[component] = {"app": "jupyterhub", "component": component, **values[component]["labels"]}
    rules = list_policies(values, manifests)
    return {
        (a, b) for a, b in permutations(labels, 2) if b in PORTS and can_reach(rules, labels[a], labels[b], PORTS[b])
    }


def test_only_these_ways_are_open(pods: dict[str, dict[str, Any]]) -> None:
    assert ways(pods, clusters.load_values(), MANIFESTS) == WAYS


def test_services_reach_the_hub_and_no_address_is_open() -> None:
    hub = {"app": "jupyterhub", "component": "hub", "hub.jupyter.org/network-access-hub": "true"}
    rules = list_policies(clusters.load_values(), MANIFESTS)
    for name in ("exchange", "course-nnkit"):
        labels = clusters.list_templates(MANIFESTS)[name]["metadata"]["labels"]
        assert labels["hub.jupyter.org/network-access-hub"] == "true"  # the chart lets these in
        assert can_reach(rules, labels, hub, 8081)
    assert "ipBlock" not in json.dumps(rules)
    assert "ipBlock" in json.dumps(
        list_policies(
            change_value(clusters.load_values(), "singleuser.networkPolicy.egressAllowRules.privateIPs", True),
            MANIFESTS,
        )
    )


@pytest.mark.parametrize("name", [m["metadata"]["name"] for m in MANIFESTS if m["kind"] == "NetworkPolicy"])
def test_without_a_policy_other_ways_are_open(name: str, pods: dict[str, dict[str, Any]]) -> None:
    """Each policy is needed."""
    fewer = [m for m in MANIFESTS if not (m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == name)]
    assert ways(pods, clusters.load_values(), fewer) != WAYS


def test_a_way_that_is_opened_too_wide_is_found(pods: dict[str, dict[str, Any]]) -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}  # as ngshare's documentation has it
    wide = change_value(clusters.load_values(), "singleuser.networkPolicy.egress", [rule])
    unguarded = [m for m in MANIFESTS if not (m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == "postgres")]
    assert ("ada", "postgres") in ways(pods, wide, unguarded)
