"""The services of deploy/compose fit Compose's schema, fixfeed's own parsers and each other."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.deploy.command_lines import read_service
from tests.services.prometheus_server import promtool

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
FILE = FOLDER / "compose.yaml"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
_VARIABLE = re.compile(r"\$\{(\w+)(:[-?])([^}]*)\}")


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(FILE.read_text())["services"]


@pytest.fixture(scope="module")
def ours(services):
    """What our own containers are told: command and what its parser made of the words."""
    return {
        name: read_service(service["command"])
        for name, service in services.items()
        if service["image"].startswith("fixfeed:")
    }


def ports_of(service):
    """Return (address, port of the host, port of the container) of each that is published."""
    return [_VARIABLE.sub(r"\3", text).rsplit(":", 2) for text in service.get("ports", ())]


def test_the_file_fits_the_schema_of_compose():
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_fixfeed_understands_what_its_services_are_told(ours):
    assert {name: command for name, (command, _) in ours.items()} == {
        "gateway": "gateway",
        "job": "run",
        "dashboard": "dashboard",
    }


def test_images_have_one_version_and_that_of_fixfeed_is_the_package_s(services):
    images = {_VARIABLE.sub(r"\3", one["image"]) for one in services.values()}
    assert f"fixfeed:{VERSION}" in images
    assert f"fixfeed:{VERSION}" in (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    for image in images - {f"fixfeed:{VERSION}"}:
        assert re.fullmatch(r"docker\.io/[\w/]+:v?\d+\.\d+[\w.-]*", image)


def test_the_job_stores_what_the_gateway_writes(services, ours):
    spool = str(ours["gateway"][1]["spool"])
    assert ours["job"][1].input == (f"spool:{spool}",)
    for name in ("gateway", "job"):
        assert services[name]["volumes"] == [f"spool:{spool}"]


def test_the_dashboard_shows_what_the_job_stores(services, ours):
    (uri,) = [one for one in ours["job"][1].output if one.startswith("postgresql")]
    assert ours["dashboard"][1]["uri"] == uri
    server = services["postgresql"]["environment"]
    assert uri == f"postgresql://{server['POSTGRES_USER']}@postgresql/{server['POSTGRES_DB']}"
    for name in ("job", "dashboard"):
        assert services[name]["environment"]["PGPASSWORD"] == server["POSTGRES_PASSWORD"]


def test_kafka_is_advertised_under_the_name_that_the_job_uses(services, ours):
    (uri,) = [one for one in ours["job"][1].output if one.startswith("kafka")]
    told = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert uri.partition("://")[2].partition("/")[0] == told.removeprefix("PLAINTEXT://")


def test_ports_that_are_named_are_listened_to(services, ours):
    listener = ours["gateway"][1]["listeners"][0]
    dashboard = ours["dashboard"][1]
    listened = {
        "gateway": {listener.port},
        "dashboard": {dashboard["port"]},
        "prometheus": {9090},
        "grafana": {3000},
    }
    assert {
        name: {int(port) for *_, port in ports_of(one)}
        for name, one in services.items()
        if "ports" in one
    } == listened
    # Who publishes a port has to listen at more than the loopback of the container.
    assert {listener.host, dashboard["host"]} == {"0.0.0.0"}
    checked = {
        name: re.search(r"127\.0\.0\.1:(\d+)", " ".join(services[name]["healthcheck"]["test"]))
        for name in ("gateway", "job", "dashboard", "prometheus", "grafana")
    }
    job = ours["job"][1]
    assert {name: int(found[1]) for name, found in checked.items()} == {
        "gateway": ours["gateway"][1]["metrics"][1],
        "job": job.health_port[1],
        "dashboard": dashboard["port"],
        "prometheus": 9090,
        "grafana": 3000,
    }


def test_only_this_machine_reaches_the_ports(services):
    published = [one for service in services.values() for one in ports_of(service)]
    assert len(published) == 4
    assert {address for address, *_ in published} == {"127.0.0.1"}


def test_no_other_site_can_have_a_browser_read_the_dashboard(ours):
    assert ours["dashboard"][1]["allow_host"] == ["127.0.0.1", "localhost"]


def test_prometheus_scrapes_every_service_that_has_metrics(ours):
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    targets = {
        target
        for job in told["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    job, gateway = ours["job"][1], ours["gateway"][1]
    assert targets == {f"job:{job.metrics_port}", f"gateway:{gateway['metrics'][1]}"}
    assert {job.metrics_host, gateway["metrics"][0]} == {"0.0.0.0"}


def test_prometheus_takes_its_files_where_they_are_mounted(services, tmp_path):
    for volume in services["prometheus"]["volumes"][:3]:
        here, there, _ = volume.split(":")
        (tmp_path / Path(there).name).write_text((FOLDER / here).read_text())
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")


def test_grafana_finds_prometheus_and_the_dashboards(services):
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    provisioned = yaml.safe_load((FOLDER / "grafana/dashboards/fixfeed.yaml").read_text())
    (provider,) = provisioned["providers"]
    assert mounted["../grafana"] == provider["options"]["path"]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).parent == Path(mounted["../grafana"])
    assert (ROOT / "deploy" / "grafana" / Path(home).name).exists()
    source = yaml.safe_load((FOLDER / "grafana/datasources/prometheus.yaml").read_text())
    (prometheus,) = source["datasources"]
    assert (prometheus["url"], prometheus["isDefault"]) == ("http://prometheus:9090", True)


def test_every_file_and_volume_that_is_mounted_is_there(services):
    volumes = yaml.safe_load(FILE.read_text())["volumes"]
    for service in services.values():
        for mounted in service.get("volumes", ()):
            name = mounted.partition(":")[0]
            assert (FOLDER / name).exists() if name.startswith(".") else name in volumes


def test_services_wait_for_those_they_need_until_they_are_healthy(services):
    assert {name: set(one.get("depends_on", ())) for name, one in services.items()} == {
        "gateway": set(),
        "job": {"gateway", "kafka", "postgresql"},
        "dashboard": {"job"},
        "postgresql": set(),
        "kafka": set(),
        "prometheus": set(),
        "grafana": {"prometheus"},
    }
    for service in services.values():
        assert service["healthcheck"]["test"][0] == "CMD"
        for needed in service.get("depends_on", {}).values():
            assert needed == {"condition": "service_healthy"}


def test_passwords_come_from_the_environment_and_are_asked_for(services):
    given = [
        (word, str(value))
        for service in services.values()
        for word, value in service.get("environment", {}).items()
        if "PASSWORD" in word
    ]
    assert len(given) == 4
    for word, value in given:
        variable, mark, _ = _VARIABLE.fullmatch(value).groups()
        assert (mark, variable.endswith("_PASSWORD")) == (":?", True), word
    written = (ROOT / "tools" / "compose.sh").read_text()
    assert {_VARIABLE.fullmatch(value)[1] for _, value in given} == set(
        re.findall(r"([A-Z]+_PASSWORD)=%s", written)
    )
    commands = [word for one in services.values() for word in one.get("command", ())]
    assert not [word for word in commands if re.search(r"password|//[^/]*:[^/]*@", word)]


def test_our_containers_can_write_their_volumes_alone(services):
    for name in ("gateway", "job", "dashboard"):
        service = services[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]
