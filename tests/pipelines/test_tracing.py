"""Spans of commits and requests reach a collector, and say how much there was, never what."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fixfeed.dashboard.api.access import Access
from fixfeed.io import tracing
from fixfeed.pipelines.fixfeed import main
from tests.pipelines.jobs import FIXFEED, write_logs
from tests.pipelines.test_follow import append
from tests.services.ports import free_port


@contextmanager
def collector():
    """Run a collector; give its address and what it has got."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()


def spans_in(bodies):
    """Return the spans with their attributes, by name."""
    found = {}
    for path, body in bodies:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for one in scope.spans:
                    values = {
                        each.key: each.value.int_value or each.value.string_value
                        for each in one.attributes
                    }
                    found.setdefault(one.name, []).append((one, values))
    return found


@pytest.fixture
def made(monkeypatch):
    """The spans that this process has made."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter.get_finished_spans


def test_commits_of_all_workers_are_spans_of_the_run(tmp_path, select):
    uri = f"sqlite:///{tmp_path}/secret-name.db"
    words = ["--input", write_logs(tmp_path, chunks=1), "--output", uri, "--workers", "2"]
    with collector() as (address, bodies):
        words += ["--trace", address, "--no-derive", "--quiet"]
        done = subprocess.run([*FIXFEED, *words], capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    found = spans_in(bodies)
    assert set(found) == {"run", "commit"}
    ((run, about),) = found["run"]
    assert "fixfeed.exit_code" in about
    for one, _ in found["commit"]:
        assert (one.trace_id, one.parent_span_id) == (run.trace_id, run.span_id)
        assert run.start_time_unix_nano < one.start_time_unix_nano < one.end_time_unix_nano
    commits = [values for _, values in found["commit"]]
    assert {values["fixfeed.sink"] for values in commits} == {"sqlite"}
    ((stored,),) = select(uri, "select count(*) from messages")
    assert sum(values["fixfeed.messages"] for values in commits) == stored
    sent = b"".join(body for _, body in bodies)
    assert b"secret-name" not in sent
    assert b"8=FIX" not in sent


def test_a_collector_that_is_away_costs_one_sentence(tmp_path):
    append(tmp_path / "a.log", 1)
    away = f"http://127.0.0.1:{free_port()}"
    words = ["--input", "a.log", "--output", "jsonl:a.jsonl", "--trace", away, "--quiet"]
    done = subprocess.run([*FIXFEED, *words], capture_output=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0
    assert done.stderr.decode() == f"fixfeed: spans cannot be sent to {away}, and are lost\n"


def test_a_request_is_a_span_without_what_was_asked_for(made):
    app = FastAPI()

    @app.get("/messages/{message}")
    def message(message: int) -> int:
        return message

    client = TestClient(Access(app, readers=None, per_minute=10), base_url="http://127.0.0.1")
    assert client.get("/messages/7001").json() == 7001
    assert client.get("/messages/x7001").status_code == 422
    for one, status in zip(made(), (200, 422), strict=True):
        assert one.name == "request"
        assert dict(one.attributes) == {
            "http.request.method": "GET",
            "http.route": "/messages/{message}",
            "http.response.status_code": status,
        }


def test_a_span_that_fails_has_the_kind_of_its_error_and_not_its_text(made):
    with pytest.raises(ValueError, match="8=FIX"), tracing.span("commit", messages=1):
        raise ValueError("8=FIX.4.4|35=D|")
    (one,) = made()
    assert one.status.description == "ValueError"
    assert not one.events


def test_without_a_collector_nothing_is_measured_or_loaded():
    code = "import sys, fixfeed.io.tracing as t\nwith t.span('a') as b: b['c'] = 1\n"
    code += "sys.exit('opentelemetry' in sys.modules or t.here() is not None)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_it_is_named(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(tracing, "_tracer", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    append(tmp_path / "a.log", 1)
    words = ["--input", f"{tmp_path}/a.log", "--output", f"jsonl:{tmp_path}/a.jsonl"]
    assert main([*words, "--trace", "http://127.0.0.1:4318"]) == 2
    assert "pip install 'fixfeed[tracing]'" in capfd.readouterr().err


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "http://bob:secret@host", "grpc://host:4317"])
def test_an_address_that_is_none_is_refused_without_its_password(url, capfd):
    assert main(["--input", "a.log", "--trace", url]) == 2
    text = " ".join(capfd.readouterr().err.split())
    assert "expected the address of a collector" in text
    assert "secret" not in text
