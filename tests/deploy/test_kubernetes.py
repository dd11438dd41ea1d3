"""The Kubernetes manifests: read, and asked what must hold whatever the cluster."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import yaml

from gateway_auth.config import load
from gateway_auth.server.supervisor import STOP_SECONDS
from tests.deploy.proxies import DEPLOY
from tests.deploy.test_container import PINNED, POSTGRESQL, SECRETS

FOLDER = DEPLOY / "kubernetes"
Manifest = dict[str, Any]


def manifests() -> dict[str, Manifest]:
    """Every manifest by its kind."""
    documents = [d for path in sorted(FOLDER.glob("*.yaml")) for d in yaml.safe_load_all(path.read_text("utf-8"))]
    found = {document["kind"]: document for document in documents}
    assert len(found) == len(documents)
    return found


def container() -> Manifest:
    """The one container."""
    (only,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_they_are_all_there_and_all_listed() -> None:
    kinds = {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap"}
    found = manifests()
    assert found.keys() == kinds | {"Kustomization"}
    listed = set(found["Kustomization"]["resources"])
    assert listed == {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert {found[kind]["metadata"]["name"] for kind in kinds} == {"gateway-auth"}


def test_nothing_runs_as_root_or_writes_to_its_image() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10_000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_is_asked_whether_it_lives_and_may_serve() -> None:
    only = container()
    assert only["livenessProbe"]["httpGet"]["path"] == "/.gateway/healthz"
    assert only["readinessProbe"]["httpGet"]["path"] == "/.gateway/readyz"
    assert only["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in only["resources"]["limits"]
    assert PINNED.fullmatch(only["image"])


def test_it_is_given_longer_to_end_than_requests_may_take() -> None:
    seconds = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert (
        manifests()["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > STOP_SECONDS + seconds
    )


def test_secrets_come_by_reference_and_stand_nowhere() -> None:
    assert all(set(variable) == {"name", "valueFrom"} for variable in container()["env"])
    assert all(set(variable["valueFrom"]) == {"secretKeyRef"} for variable in container()["env"])
    text = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.yaml"))
    assert "kind: Secret" not in text
    assert not re.search(r"://[^/\s]+:[^/\s]+@", text)


def test_the_configuration_loads_without_a_warning() -> None:
    text = manifests()["ConfigMap"]["data"]["gateway.toml"]
    configuration = load(tomllib.loads(text), environ=SECRETS | POSTGRESQL)
    assert [str(warning) for warning in configuration.warnings] == []


def test_everything_selects_the_gateway() -> None:
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "gateway-auth"
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == container()["ports"][0]["name"]


def test_some_replica_is_always_left() -> None:
    found = manifests()
    least = found["HorizontalPodAutoscaler"]["spec"]["minReplicas"]
    assert least >= 2
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] < least
    assert found["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_network_is_closed_but_for_what_is_listed() -> None:
    policy = manifests()["NetworkPolicy"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert all(rule["ports"] for rule in (*policy["ingress"], *policy["egress"]))
    blocks = [peer["ipBlock"] for rule in policy["egress"] for peer in rule["to"] if "ipBlock" in peer]
    # The address where clouds give out the machine's own credentials.
    assert all("169.254.0.0/16" in block["except"] for block in blocks)
