"""Helm, which tests/services/install_services.sh builds, and the chart of deploy/helm."""

import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import yaml

__all__ = ["CHART", "EXAMPLE", "flink_schema", "helm", "rendered"]

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "fixfeed"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_OPERATOR = _CACHE / "fixfeed-tests/flink-operator/flink-kubernetes-operator-api-1.10.0.jar"
_BUILT = _CACHE / "fixfeed-tests" / "go" / "helm-v3.19.5"
EXAMPLE: dict[str, Any] = yaml.safe_load(
    re.findall(r"^```yaml\n(.*?)^```", (CHART / "README.md").read_text(), re.M | re.S)[0]
)
"""The values that the README shows."""


def helm(*words: object, values: Any = None) -> subprocess.CompletedProcess[str]:
    """Run helm with values."""
    if not _BUILT.exists():
        raise RuntimeError("helm is not built; run: make services")
    command = [_BUILT, *map(str, words), "--values", "-"]
    given = yaml.safe_dump(values or {})
    return subprocess.run(command, input=given, capture_output=True, text=True)


def rendered(values: Any = None, release: str = "fixfeed") -> dict[tuple[str, str], Any]:
    """Return the objects that the chart makes of values, by kind and name."""
    done = helm("template", release, CHART, "--namespace", "trading", values=values)
    assert done.returncode == 0, done.stderr
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    objects = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(objects) == len(found)
    return objects


def flink_schema() -> dict[str, Any]:
    """Return the schema of a FlinkDeployment, as Flink's operator has it, without further words."""
    name = "META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"
    with zipfile.ZipFile(_OPERATOR) as jar:
        definition = yaml.load(jar.read(name), yaml.CSafeLoader)
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    _close(schema["properties"]["spec"])
    return schema


def _close(schema: dict[str, Any]) -> None:
    """Have a schema refuse words that it does not name, as Kubernetes drops them in silence."""
    if "properties" in schema:
        schema["additionalProperties"] = False
    for one in (*schema.get("properties", {}).values(), schema.get("items")):
        if isinstance(one, dict):
            _close(one)
