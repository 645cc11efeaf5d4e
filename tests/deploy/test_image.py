"""The Dockerfile is linted, and builds what the package and the services need."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVICES = {"aws", "dashboard", "kafka", "tracing"}


@pytest.fixture(scope="module")
def stages():
    """The instructions of each stage, as (keyword, rest) with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    words = [tuple(line.split(" ", 1)) for line in lines if line]
    starts = [number for number, (keyword, _) in enumerate(words) if keyword == "FROM"]
    return [words[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def test_hadolint_finds_nothing():
    program = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_both_stages_have_the_same_pinned_base(stages):
    bases = [rest.split()[0] for keyword, rest in (stage[0] for stage in stages)]
    assert set(bases) == {"docker.io/library/python:${PYTHON}"}
    (tag,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    version = re.fullmatch(r"3\.(\d+)\.\d+-slim-\w+", tag)
    assert version
    assert int(version[1]) >= int(PROJECT["requires-python"].removeprefix(">=3."))


def test_the_image_has_the_extras_of_services(stages):
    (extras,) = [rest for keyword, rest in stages[0] if rest.startswith("EXTRAS=")]
    assert set(extras.removeprefix("EXTRAS=").split(",")) == SERVICES
    assert set(PROJECT["optional-dependencies"]) > SERVICES


def test_nothing_runs_as_root_and_signals_reach_the_command(stages):
    image = stages[-1]
    assert [rest for keyword, rest in image if keyword == "USER"] == ["10001:10001"]
    after = [keyword for keyword, _ in image[image.index(("USER", "10001:10001")) :]]
    assert not {"RUN", "COPY", "ADD"} & set(after)
    commands = {keyword: rest for keyword, rest in image if keyword in ("ENTRYPOINT", "CMD")}
    assert json.loads(commands["ENTRYPOINT"]) == ["fixfeed"]
    assert isinstance(json.loads(commands["CMD"]), list)


def test_what_is_copied_is_what_the_package_is_built_of_and_reaches_the_builder(stages):
    copied = [
        word
        for stage in stages
        for keyword, rest in stage
        if keyword == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    ]
    assert all((ROOT / word).exists() for word in copied)
    packages = re.findall(r'"fixfeed[.\w]*": "(\w+)",', (ROOT / "setup.py").read_text())
    assert set(packages) >= {"io", "transforms"}
    assert {*packages, "setup.py", "pyproject.toml", PROJECT["readme"]} <= set(copied)
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(copied)


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_the_health_check_of_the_image_says_what_it_was_answered(path):
    """A server answers with 200 for /live, with 503 for /ready."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/live" else 503)
            self.end_headers()
            self.wfile.write(b"the reason")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [sys.executable, DOCKERFILE.parent / "healthy.py"]
            + [f"http://127.0.0.1:{server.server_port}{path}"],
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert done.returncode == (path == "/ready")
    assert "the reason" in done.stdout + done.stderr
