"""The cluster that hub/deploy/kubernetes describes, without one: merged values, manifests, and network policies."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from helpers.paths import ROOT

FOLDER = ROOT / "hub" / "deploy" / "kubernetes"
CHART = ROOT / "tests" / "hub" / "chart"
SIZES = ("30", "300", "3000")
DNS_ONLY = {"dnsPortsKubeSystemNamespace"}


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def merge_values(*values: dict[str, Any]) -> dict[str, Any]:
    """Merge values as Helm does: maps are merged, later values replace all others."""
    found: dict[str, Any] = {}
    for given in values:
        for key, value in given.items():
            both = isinstance(value, dict) and isinstance(found.get(key), dict)
            found[key] = merge_values(found[key], value) if both else value
    return found


def load_values(size: str = "30") -> dict[str, Any]:
    return merge_values(load("values.yaml"), load(f"sizes/{size}.yaml"), load("site.example.yaml"))


def change_value(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with this value at a.b.c."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return merge_values(json.loads(json.dumps(given)), value)


def hash_values(given: Any) -> str:
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


def load_manifests() -> list[dict[str, Any]]:
    """Return the manifests that kustomization.yaml lists, in its order."""
    return [document for name in load("kustomization.yaml")["resources"] for document in load_documents(name)]


def load_documents(name: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))


def list_templates(given: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return name → the template of its pods."""
    return {d["metadata"]["name"]: d["spec"]["template"] for d in given if "template" in d["spec"]}


def render_pods(given: dict[str, Any], roster: str, folder: Path, *wanted: str) -> dict[str, dict[str, Any]]:
    """Return the pods that a real hub with these values would ask Kubernetes for: "ada", or "ada=gpu" for a profile."""
    (folder / "roster.csv").write_text(roster, encoding="utf-8")
    (folder / "values.json").write_text(json.dumps(change_value(given, "custom.roster", str(folder / "roster.csv"))))
    (folder / "kubeconfig").write_text(KUBECONFIG)
    done = subprocess.run(
        [sys.executable, CHART / "pods.py", CHART / "jupyterhub_config.py", *wanted],
        cwd=folder, env={**os.environ, "VALUES": str(folder / "values.json"), "KUBECONFIG": str(folder / "kubeconfig")},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


KUBECONFIG = """{apiVersion: v1, kind: Config, current-context: none, users: [{name: none, user: {}}],
contexts: [{name: none, context: {cluster: none, user: none}}],
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]}"""


# -- network policies ------------------------------------------------------------------------------------------

Labels = dict[str, str]


def list_policies(given: dict[str, Any], manifests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the specifications of our policies, and of those that the chart makes of the values for its own pods."""
    ours = [d["spec"] for d in manifests if d["kind"] == "NetworkPolicy"]
    chart = [
        {
            "podSelector": {"matchLabels": {"component": component}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [], "ports": [{"port": 8000}]}] if component == "proxy" else [],
            "egress": [*policy.get("egress", []), *_list_open_ranges(policy["egressAllowRules"])],
        }
        for component, policy in (
            ("singleuser-server", given["singleuser"]["networkPolicy"]),
            ("proxy", given["proxy"]["chp"]["networkPolicy"]),
        )
    ]
    return ours + chart


def _list_open_ranges(rules: dict[str, bool]) -> list[dict[str, Any]]:
    return [
        {"to": [{"ipBlock": {"cidr": name}}]} for name, is_open in rules.items() if is_open and name not in DNS_ONLY
    ]


def can_reach(policies: list[dict[str, Any]], a: Labels, b: Labels, port: int) -> bool:
    """Return True if the policies let pod `a` open a connection to `port` of pod `b`."""
    return _allowed(policies, "Egress", a, b, port) and _allowed(policies, "Ingress", b, a, port)


def _allowed(policies: list[dict[str, Any]], kind: str, pod: Labels, other: Labels, port: int) -> bool:
    applying = [p for p in policies if kind in p["policyTypes"] and _selects(p["podSelector"], pod)]
    rules = [rule for policy in applying for rule in policy.get(kind.lower()) or []]
    return not applying or any(_fits(rule, "to" if kind == "Egress" else "from", other, port) for rule in rules)


def _selects(selector: dict[str, Any], pod: Labels) -> bool:
    assert not set(selector) - {"matchLabels"}, "expressions are not read here"
    return selector.get("matchLabels", {}).items() <= pod.items()


def _fits(rule: dict[str, Any], side: str, other: Labels, port: int) -> bool:
    peers = rule.get(side)
    ports = [entry["port"] for entry in rule.get("ports", [])]
    return (not ports or port in ports) and (not peers or any(_is_peer(peer, other) for peer in peers))


def _is_peer(peer: dict[str, Any], other: Labels) -> bool:
    """Return True if a pod may be this peer: an address range is any pod's; a namespace selector means no pod here."""
    return "ipBlock" in peer or ("namespaceSelector" not in peer and _selects(peer["podSelector"], other))


# -- what a container may do -----------------------------------------------------------------------------------


def find_weaknesses(spec: dict[str, Any], root_is_writable: bool = False) -> list[str]:
    """Return a sentence on each respect in which a pod of this specification could be confined further."""
    faults = [] if spec.get("automountServiceAccountToken") is False else ["it has a token for Kubernetes"]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        resources = container.get("resources", {})
        requirements = {
            "it may be root": security.get("runAsNonRoot") is True and security.get("runAsUser", 0) != 0,
            "it may gain rights": security.get("allowPrivilegeEscalation") is False,
            "it keeps capabilities": security.get("capabilities") == {"drop": ["ALL"]},
            "it may call everything": security.get("seccompProfile") == {"type": "RuntimeDefault"},
            "it may change its image": root_is_writable or security.get("readOnlyRootFilesystem") is True,
            "its memory has no limit": "memory" in resources.get("limits", {}),
            "it asks for no memory or CPU": {"cpu", "memory"} <= set(resources.get("requests", {})),
        }
        faults += [f"{container['name']}: {sentence}" for sentence, holds in requirements.items() if not holds]
    return faults
