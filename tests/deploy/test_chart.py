"""The chart is linted, fits Kubernetes' schemas, and tells fixfeed what it understands."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from fixfeed.pipelines.options import read_settings
from tests.deploy.command_lines import read_service
from tests.deploy.helm import CHART, EXAMPLE, flink_schema, helm, rendered

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
WHOLE = EXAMPLE | {
    "imagePullSecrets": ["registry"],
    "gateway": EXAMPLE["gateway"]
    | {
        "updateStrategy": "OnDelete",
        "podDisruptionBudget": True,
        "storageClass": "fast",
        "nodeSelector": {"disk": "nvme"},
        "tolerations": [{"key": "trading", "operator": "Exists"}],
    },
    "job": EXAMPLE["job"] | {"secretFolders": {"ca": "/etc/ca"}},
    "dashboard": EXAMPLE["dashboard"]
    | {
        "replicas": 2,
        "hosts": ["fixfeed-dashboard"],
        "tokensSecret": "tokens",
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/auth-type": "basic"},
            "host": "fix.example.com",
            "tlsSecret": "fix-tls",
        },
    },
    "networkPolicy": {
        "peers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "viewers": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "monitoring": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
}
FROM_KAFKA = {
    "gateway": {"enabled": False},
    "dashboard": {"enabled": False},
    "job": {"options": {"input": "kafka://kafka:9092/fix.raw?group=fixfeed"}},
}
ON_FLINK = {
    "flink": {
        "enabled": True,
        "taskManagers": 3,
        "configuration": {"execution.checkpointing.dir": "s3://state/", "parallelism.default": 6},
        "secretFolders": {"ca": "/etc/ca"},
        "nodeSelector": {"pool": "flink"},
    },
    "imagePullSecrets": ["registry"],
}
SETS = {"default": {}, "whole": WHOLE, "from Kafka": FROM_KAFKA, "on Flink": ON_FLINK}
CUSTOM = ("FlinkDeployment", "ServiceMonitor")
"""Kinds of others: that of Flink has its own schema, that of Prometheus is in no registry."""


@pytest.fixture(scope="module", params=SETS)
def objects(request):
    return rendered(SETS[request.param])


@pytest.fixture(scope="module")
def whole():
    return rendered(WHOLE)


def pods(objects):
    """Return the template of the pod of each workload."""
    kinds = ("Deployment", "StatefulSet")
    return {name: one["spec"]["template"] for (kind, name), one in objects.items() if kind in kinds}


def told(objects, tmp_path):
    """Return what fixfeed's parsers make of the words of each container, by its name."""
    found = {}
    for name, pod in pods(objects).items():
        (container,) = pod["spec"]["containers"]
        words = container["args"]
        if ("ConfigMap", name) in objects:
            (tmp_path / "fixfeed.yaml").write_text(
                objects["ConfigMap", name]["data"]["fixfeed.yaml"]
            )
            words = [word.replace("/etc/fixfeed/", f"{tmp_path}/") for word in words]
        found[container["name"]] = read_service(words)[1]
    return found


def test_helm_lint_finds_nothing():
    done = helm("lint", "--strict", CHART, values=WHOLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 chart(s) failed" in done.stdout


@pytest.mark.parametrize("version", ["1.27", kubernetes_validate.latest_version()])
def test_objects_fit_the_schemas_of_kubernetes(objects, version):
    for (kind, _), one in objects.items():
        if kind not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


def test_fixfeed_understands_what_its_containers_are_told(objects, tmp_path):
    assert set(told(objects, tmp_path)) == {name.rpartition("-")[2] for name in pods(objects)}


def test_what_the_readme_shows_is_what_the_containers_are_told(whole, tmp_path):
    found = told(whole, tmp_path)
    plain, secure = found["gateway"]["listeners"]
    assert (plain.host, plain.port, plain.idle) == ("0.0.0.0", 9876, 300.0)
    assert [str(one) for one in plain.allow] == ["10.0.0.0/8"]
    folder = "/etc/fixfeed/tls/fix-tls"
    assert (secure.cert, secure.key, secure.client_ca) == (
        f"{folder}/tls.crt",
        f"{folder}/tls.key",
        f"{folder}/ca.crt",
    )
    assert list(found["job"].output) == EXAMPLE["job"]["options"]["output"]
    assert found["job"].mask == ("Account=drop",)
    assert "sasl.password=${env:KAFKA_PASSWORD}" in found["job"].kafka_property
    assert found["dashboard"]["uri"] == EXAMPLE["dashboard"]["uri"]
    names = ["localhost", "127.0.0.1", "fix.example.com", "fixfeed-dashboard"]
    assert found["dashboard"]["allow_host"] == names
    assert str(found["dashboard"]["tokens"]) == "/etc/fixfeed/tokens/tokens.yaml"


def test_ports_that_are_named_are_listened_to(objects, tmp_path):
    found = told(objects, tmp_path)
    listened = {}
    if "gateway" in found:
        gateway = found["gateway"]
        names = [one["name"] for one in WHOLE["gateway"]["listeners"]]
        listened["gateway"] = dict(zip(names, (o.port for o in gateway["listeners"]), strict=False))
        listened["gateway"]["metrics"] = gateway["metrics"][1]
        assert {one.host for one in gateway["listeners"]} | {gateway["metrics"][0]} == {"0.0.0.0"}
    job = found["job"]
    listened["job"] = {"health": job.health_port[1], "metrics": job.metrics_port}
    assert (job.health_port[0], job.metrics_host) == ("", "0.0.0.0")
    if "dashboard" in found:
        listened["dashboard"] = {"http": found["dashboard"]["port"]}
        assert found["dashboard"]["host"] == "0.0.0.0"
    for pod in pods(objects).values():
        (container,) = pod["spec"]["containers"]
        known = listened[container["name"]]
        assert {one["name"]: one["containerPort"] for one in container["ports"]} == known
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["port"] in known
            headers = {one["name"]: one["value"] for one in asked.get("httpHeaders", ())}
            hosts = found["dashboard"]["allow_host"] if "http" in known else [None]
            assert headers.get("Host") in hosts
        labels = pod["metadata"]["labels"].items()
        for (kind, _), one in objects.items():
            if kind == "Service" and one["spec"]["selector"].items() <= labels:
                assert {port["targetPort"] for port in one["spec"]["ports"]} <= set(known)
            if kind == "NetworkPolicy" and (
                one["spec"]["podSelector"]["matchLabels"].items() <= labels
            ):
                rules = one["spec"]["ingress"]
                named = {port["port"] for rule in rules for port in rule["ports"]}
                # Health is asked for by the node itself.
                assert named == set(known) - {"health"}


def test_every_pod_has_a_network_policy_for_both_directions(objects):
    policies = [one["spec"] for (kind, _), one in objects.items() if kind == "NetworkPolicy"]
    clusters = [kind for kind, _ in objects if kind == "FlinkDeployment"]
    assert len(policies) == len(pods(objects)) + len(clusters)
    assert all(one["policyTypes"] == ["Ingress", "Egress"] for one in policies)
    ports = {
        port["port"] for one in policies for rule in one["egress"] for port in rule.get("ports", [])
    }
    assert ports == {53, 5432, 9092, 9093}
    for rule in (rule for one in policies for rule in one["egress"]):
        # What Flink's own pods say to each other goes to any port.
        itself = [{"podSelector": {"matchLabels": {"app": "fixfeed-flink"}}}]
        assert rule.get("ports") or rule["to"] == itself


@pytest.fixture(scope="module")
def cluster():
    """The FlinkDeployment, and the container of its worker pool."""
    spec = rendered(ON_FLINK)["FlinkDeployment", "fixfeed-flink"]["spec"]
    main, pool = spec["taskManager"]["podTemplate"]["spec"]["containers"]
    # Templates are laid over each other by the order of containers.
    (first,) = spec["podTemplate"]["spec"]["containers"]
    assert main["name"] == first["name"] == "flink-main-container"
    return spec, pool


def test_a_cluster_of_flink_fits_the_schema_of_its_operator(cluster):
    spec, _ = cluster
    jsonschema.validate({"spec": spec}, flink_schema())
    assert (spec["mode"], spec["taskManager"]["replicas"]) == ("standalone", 3)
    assert spec["flinkConfiguration"] == {
        "taskmanager.numberOfTaskSlots": "2",
        "execution.checkpointing.dir": "s3://state/",
        "parallelism.default": "6",
    }


def test_each_task_manager_has_a_pool_that_fixfeed_understands_and_is_as_shut_off(cluster):
    _, pool = cluster
    name, options = read_service(pool["args"])
    assert (name, options["host"], options["port"]) == ("worker-pool", "127.0.0.1", 50000)
    assert pool["securityContext"]["runAsUser"] == 10001
    assert pool["securityContext"]["readOnlyRootFilesystem"]
    assert pool["image"] == f"fixfeed:{VERSION}"


def test_flink_is_the_version_that_the_tests_run_and_its_image_has(cluster):
    spec, _ = cluster
    pom = (ROOT / "tests" / "services" / "flink" / "pom.xml").read_text()
    (version,) = re.findall("<flink.version>(.*)</flink.version>", pom)
    assert re.fullmatch(rf".*/flink:{version}-java\d+", spec["image"])
    assert spec["flinkVersion"] == "v" + "_".join(version.split(".")[:2])


def test_networks_are_those_that_were_named(whole):
    given = WHOLE["networkPolicy"]
    rules = {
        name: [rule.get("from") for rule in one["spec"]["ingress"]]
        for (kind, name), one in whole.items()
        if kind == "NetworkPolicy"
    }
    assert rules == {
        "fixfeed-gateway": [given["peers"], given["monitoring"]],
        "fixfeed-job": [given["monitoring"]],
        "fixfeed-dashboard": [given["viewers"]],
    }


def test_the_dashboard_is_shut_off_from_other_namespaces_unless_told():
    policy = rendered()["NetworkPolicy", "fixfeed-dashboard"]["spec"]
    assert [rule["from"] for rule in policy["ingress"]] == [[{"podSelector": {}}]]


def test_nothing_runs_as_root_or_writes_beside_its_volumes(objects):
    for pod in pods(objects).values():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        claims = [one["metadata"]["name"] for one in _claims(objects, container["name"])]
        assert set(mounts.values()) == {*(one["name"] for one in spec["volumes"]), *claims}
        assert "/tmp" in mounts


def _claims(objects, name):
    found = objects.get(("StatefulSet", f"fixfeed-{name}"))
    return found["spec"]["volumeClaimTemplates"] if found else []


def test_no_variable_of_a_service_comes_into_the_environment(objects):
    """The job refuses variables FIXFEED_... that it does not know: FIXFEED_GATEWAY_PORT, say."""
    for pod in pods(objects).values():
        assert pod["spec"]["enableServiceLinks"] is False


def test_secrets_are_referred_to_and_nothing_else_is(objects):
    for pod in pods(objects).values():
        (container,) = pod["spec"]["containers"]
        for one in container.get("env", ()):
            assert set(one) == {"name", "valueFrom"} or one == {"name": "HOME", "value": "/tmp"}
        for one in container.get("env", ()):
            if "valueFrom" in one:
                assert set(one["valueFrom"]) == {"secretKeyRef"}
    assert not [name for kind, name in objects if kind == "Secret"]


def test_the_job_follows_the_spool_that_the_gateway_writes_on_its_node(whole, tmp_path):
    found = told(whole, tmp_path)
    assert found["job"].input == (f"spool:{found['gateway']['spool']}",)
    gateway, job = pods(whole)["fixfeed-gateway"], pods(whole)["fixfeed-job"]
    (claim,) = _claims(whole, "gateway")
    (volume,) = [
        one["persistentVolumeClaim"] for one in job["spec"]["volumes"] if one["name"] == "spool"
    ]
    assert volume["claimName"] == f"{claim['metadata']['name']}-fixfeed-gateway-0"
    for pod in (gateway, job):
        mounts = pod["spec"]["containers"][0]["volumeMounts"]
        assert {"name": "spool", "mountPath": str(found["gateway"]["spool"])} in mounts
    affinity = job["spec"]["affinity"]["podAffinity"]
    (near,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["topologyKey"] == "kubernetes.io/hostname"
    assert near["labelSelector"]["matchLabels"].items() <= gateway["metadata"]["labels"].items()
    # The gateway comes back to where the job still has the volume, if it can; it waits for nobody.
    affinity = gateway["spec"]["affinity"]["podAffinity"]
    assert set(affinity) == {"preferredDuringSchedulingIgnoredDuringExecution"}
    (one,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    near = one["podAffinityTerm"]
    assert near["topologyKey"] == "kubernetes.io/hostname"
    assert near["labelSelector"]["matchLabels"].items() <= job["metadata"]["labels"].items()


def test_only_one_pod_of_gateway_and_job_runs_at_a_time(whole):
    assert whole["StatefulSet", "fixfeed-gateway"]["spec"]["replicas"] == 1
    job = whole["Deployment", "fixfeed-job"]["spec"]
    assert (job["replicas"], job["strategy"]) == (1, {"type": "Recreate"})


def test_a_job_without_a_gateway_has_no_volume_of_its_and_may_run_anywhere():
    (job,) = pods(rendered(FROM_KAFKA)).values()
    assert "affinity" not in job["spec"]
    assert {one["name"] for one in job["spec"]["volumes"]} == {"options", "tmp"}


def test_another_option_of_the_job_restarts_it(whole):
    def mark(objects):
        return pods(objects)["fixfeed-job"]["metadata"]["annotations"]["fixfeed/options"]

    assert mark(whole) == mark(rendered(WHOLE))
    assert mark(whole) != mark(rendered())


def test_a_new_version_of_the_chart_alone_restarts_nothing(whole):
    """A restart of the gateway ends all connections."""
    for pod in pods(whole).values():
        assert not [label for label in pod["metadata"]["labels"].values() if VERSION in label]


def test_names_of_two_releases_differ():
    assert not set(rendered(release="one")) & set(rendered(release="two"))


def test_prometheus_is_told_of_both_services_that_have_metrics(whole):
    monitor = whole["ServiceMonitor", "fixfeed"]
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    chosen = {
        name: one["spec"]["ports"]
        for (kind, name), one in whole.items()
        if kind == "Service" and selector <= one["metadata"]["labels"].items()
    }
    assert set(chosen) == {"fixfeed-gateway-metrics", "fixfeed-job-metrics"}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert all(endpoint["port"] in {one["name"] for one in ports} for ports in chosen.values())
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_disruptions_are_bounded_where_it_makes_sense(whole):
    budgets = {name for kind, name in whole if kind == "PodDisruptionBudget"}
    assert budgets == {"fixfeed-gateway", "fixfeed-dashboard"}
    assert "PodDisruptionBudget" not in {kind for kind, _ in rendered()}


def test_the_image_is_that_of_the_package_s_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
    images = {pod["spec"]["containers"][0]["image"] for pod in pods(rendered()).values()}
    assert images == {f"fixfeed:{VERSION}"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("job.options.output", "postgresql://fixfeed:secret@db/fixfeed"),
        ("job.options.output", ["parquet:lake", "postgresql://fixfeed:secret@db/fixfeed"]),
        ("job.options.output", "postgresql://fixfeed@db/fixfeed?password=secret"),
        ("job.options.kafka-property", {"sasl.password": "secret"}),
        ("job.options.metrics-port", 1),
        ("dashboard.uri", "postgresql://fixfeed:secret@db/fixfeed"),
        ("dashboard.secrets", {"PGPASSWORD": "secret"}),
        ("job.secrets", {"FIXFEED_OUTPUT": {"secret": "a", "key": "b"}}),
        ("gateway.listeners", [{"name": "metrics", "port": 9876}]),
        ("gateway.replicas", 2),
        ("podSecurityContext.runAsNonRoot", False),
        ("flink.configuration", {"s3.secret-key": "secret"}),
        ("gatway", {}),
    ],
)
def test_the_schema_refuses_passwords_and_what_there_is_not(path, value):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.validate(values, schema)
    *folders, last = path.split(".")
    at = values
    for word in folders:
        at = at[word]
    at[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema)


def test_helm_itself_refuses_what_the_schema_does():
    done = helm("template", "x", CHART, values={"dashboard": {"uri": "postgresql://a:b@db/c"}})
    assert done.returncode != 0
    assert "/dashboard/uri" in done.stderr


def test_a_job_without_input_and_gateway_is_refused_with_a_sentence():
    done = helm("template", "x", CHART, values={"gateway": {"enabled": False}})
    assert "job.options.input: name what is to be read" in done.stderr


def test_the_readme_has_every_value(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from build_chart_readme import built, documented

    assert (CHART / "README.md").read_text() == built()
    said = {".".join(path) for path, _ in documented()}
    leaves = set(_leaves(yaml.safe_load((CHART / "values.yaml").read_text()), said))
    assert leaves == said


def _leaves(values, said, path=""):
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        if isinstance(value, dict) and here not in said:
            yield from _leaves(value, said, here)
        else:
            yield here


def test_notes_say_where_peers_send_and_which_secrets_it_needs(tmp_path):
    """Helm shows notes only of a cluster that answers, so a copy of the chart has them as data."""
    chart = shutil.copytree(CHART, tmp_path / "fixfeed")
    (chart / "templates" / "NOTES.txt").rename(chart / "notes")
    (chart / "templates" / "notes.yaml").write_text(
        'data: {{ tpl (.Files.Get "notes") . | quote }}\n'
    )
    done = helm(
        "template", "fixfeed", chart, "--show-only", "templates/notes.yaml", values=WHOLE | ON_FLINK
    )
    assert done.returncode == 0, done.stderr
    notes = yaml.safe_load(done.stdout)["data"]
    assert re.search(r"fix: port 9876, without TLS\s+fix-tls: port 9877, TLS", notes)
    assert "https://fix.example.com/" in notes
    assert "fixfeed-kafka, fixfeed-postgresql, fixfeed-reader" in notes
    (shown,) = re.findall("fixfeed (--runner .*) \\.\\.\\.", notes)
    settings = read_settings(["--input", "kafka://host/topic", *shown.split()], {})
    assert settings.runner == "FlinkRunner"
    assert "--flink_version 1.19 --flink_master 127.0.0.1:8081" in " ".join(settings.beam)
