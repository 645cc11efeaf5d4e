"""A real Prometheus for tests, with its own folder and port."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.ports import free_port

__all__ = ["RULES", "Prometheus", "prometheus", "promtool"]

RULES = Path(__file__).parents[2] / "deploy" / "prometheus"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_UNPACKED = _CACHE / "fixfeed-tests" / "prometheus" / "usr" / "bin"
_CONFIGURATION = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 1s}}
rule_files: [{rules}/rules.yml, {rules}/alerts.yml]
scrape_configs:
  - job_name: fixfeed
    file_sd_configs: [{{files: [targets/*.json], refresh_interval: 1s}}]
"""


def _program(name: str) -> str:
    found = shutil.which(name) or str(_UNPACKED / name)
    if not Path(found).exists():
        raise RuntimeError(f"{name} is not installed; run: make services")
    return found


def promtool(*words: object) -> str:
    """Run promtool; return what it says. Raises `AssertionError` with that if it finds a fault."""
    command = [_program("promtool"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    """A server with the rules of `deploy/`, which scrapes four times a second, at `address`."""

    def __init__(self, folder: Path):
        """Start it; its data are in `folder`."""
        self._targets = folder / "targets"
        self._targets.mkdir()
        (folder / "prometheus.yml").write_text(_CONFIGURATION.format(rules=RULES))
        self.address = f"127.0.0.1:{free_port()}"
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                [
                    _program("prometheus"),
                    "--config.file=prometheus.yml",
                    "--storage.tsdb.path=data",
                    f"--web.listen-address={self.address}",
                    "--log.level=error",
                ],
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 60
        while not self._is_ready():
            assert self._process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def scrape(self, instance: str, url: str) -> None:
        """Scrape what is at a URL from now on."""
        target = {"targets": [urllib.parse.urlsplit(url).netloc], "labels": {"instance": instance}}
        new = self._targets / f"{instance}.new"
        new.write_text(json.dumps([target]))
        new.rename(self._targets / f"{instance}.json")

    def asked(self, path: str, **parameters: str) -> dict:
        """Return the data of an answer of the API. Raises `AssertionError` if it is an error."""
        words = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{words}") as found:
                answer = json.load(found)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def query(self, expression: str) -> dict[tuple[str, ...], float]:
        """Return the values now by the values of labels, without names of job and instance."""
        found = self.asked("query", query=expression)["result"]
        own = ("__name__", "instance", "job")
        return {
            tuple(value for name, value in sorted(one["metric"].items()) if name not in own): float(
                one["value"][1]
            )
            for one in found
        }

    def until(self, expression: str, seconds: float = 60) -> dict[tuple[str, ...], float]:
        """Wait until a query has an answer, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, expression
            time.sleep(0.2)
        return found

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def prometheus() -> Iterator[Prometheus]:
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="fixfeed-prometheus-") as folder:
        running = Prometheus(Path(folder))
        try:
            yield running
        finally:
            running.stop()
