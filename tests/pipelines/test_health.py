"""A stream tells over HTTP how it is, from its start, whatever its database does."""

import json
import pickle
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest

from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.pipelines.fixfeed import main
from fixfeed.pipelines.health import Health, served
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.this_process import Registered
from tests.pipelines.test_follow import FIXFEED, append, numbers_in, wait_until
from tests.services.postgresql_server import Server


def asked(address, path="ready"):
    """Return the status and the answer."""
    try:
        with urllib.request.urlopen(f"{address}/{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Job:
    """A job from an input into a database; `said` is what it has said so far."""

    def __init__(self, source, uri, *words):
        words = ["--input", source, "--output", uri, "--quiet", "--json", *words]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*FIXFEED, *words], stdout=pipe, stderr=pipe)
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.said += line.decode()

    def address(self):
        wait_until(lambda: "/ready" in self.said or self.process.poll() is not None)
        return re.search(r"(http://\S+)/ready", self.said)[1]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out = self.process.stdout.read()
        return self.process.wait(timeout=60), json.loads(out)


def test_a_stream_waits_for_its_database_from_the_start_and_says_so(tmp_path):
    append(tmp_path / "a.log", 1)
    with tempfile.TemporaryDirectory(prefix="fixfeed-pg-", dir="/tmp") as folder:
        server = Server(folder)
        server.start()
        server.stop(signal.SIGINT)
        job = Job(f"follow:{tmp_path}/*.log", server.uri, "--health-port", "127.0.0.1:0")
        try:
            address = job.address()
            wait_until(lambda: asked(address)[1]["away"])
            status, found = asked(address)
            assert (status, found["ready"], found["connected"]) == (503, False, False)
            assert "cannot connect to" in found["away"][0]["error"]
            assert found["away"][0]["error"] in found["why"]
            assert asked(address, "live") == (200, {"live": True})
            server.start()
            wait_until(lambda: numbers_in(server.uri) == {1: 1})
            wait_until(lambda: asked(address)[1]["last_commit"][server.uri])
            status, found = asked(address)
            assert (status, found["why"], found["away"]) == (200, [], [])
            assert found["reading"] == "following 1 file"
            server.stop(signal.SIGINT)
            append(tmp_path / "a.log", 2)
            wait_until(lambda: asked(address)[0] == 503)
            first = asked(address)[1]["away"][0]
            time.sleep(1)
            (later,) = asked(address)[1]["away"]
            assert later["since"] == first["since"]
            assert later["seconds"] >= first["seconds"] + 1
            server.start()
            wait_until(lambda: asked(address)[0] == 200)
            code, summary = job.end()
        finally:
            job.process.kill()
            server.stop()
    assert code == 0
    assert summary["sinks"][server.uri]["stored"] == 2
    assert job.said.count("meanwhile it is tried again and again") == 2
    assert job.said.count("it goes on: what had failed has worked") == 2


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("{base}nowhere", "does not exist"),
        ("postgresql://fixfeed@no-such-host.invalid/db", "could not translate host name"),
        ("postgresql://localhost:notaport/db", "invalid"),
    ],
)
def test_a_wrong_database_ends_a_stream_at_once(uri, text, postgresql, tmp_path, capfd):
    base = re.sub(r"/[^/]*$", "/", postgresql.partition("?")[0])
    words = ["--input", f"follow:{tmp_path}/*.log", "--quiet"]
    assert main([*words, "--output", uri.format(base=base)]) == 2
    err = capfd.readouterr().err
    assert text in err
    assert "tried again" not in err


def test_a_batch_run_answers_too(tmp_path, capfd):
    append(tmp_path / "a.log", 1)
    words = ["--input", f"{tmp_path}/a.log", "--output", f"sqlite:///{tmp_path}/f.db", "--quiet"]
    assert main([*words, "--health-port", "0"]) == 0
    assert re.search(r"health is told at http://127\.0\.0\.1:\d+/ready", capfd.readouterr().err)


@pytest.mark.parametrize("port", ["http", "99999", "::1:80", "-1"])
def test_a_wrong_port_is_refused(port, capsys):
    assert main(["--input", "follow:*.log", f"--health-port={port}"]) == 2
    assert "expected a port such as 8080" in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def health():
    return Health(["one", "two"], longest=0.2, stopping=lambda: False)


def test_it_is_not_ready_while_something_waits_for_long(health):
    health.connected = True
    health.came()
    health.came()
    health.stored("one", 2)
    health.stored("two", 1)
    time.sleep(0.3)
    found = health.report()
    assert not found["ready"]
    assert found["waiting_seconds"]["one"] == 0 < 0.3 <= found["waiting_seconds"]["two"]
    assert found["why"] == ["something has waited for 0 s to be stored in two"]
    health.stored("two", 1)
    assert health.report()["ready"]


def test_it_knows_since_when_a_sink_is_away_and_shows_no_password(health):
    copy = pickle.loads(pickle.dumps(health))
    copy.connected = True
    copy.failed("one", SinkFailed("cannot write to postgresql://user:secret@host/db"))
    before = health.report()["away"]
    health.failed("one", SinkFailed("another"))
    (after,) = health.report()["away"]
    assert "secret" not in str(before)
    assert after["error"] == "another"
    assert after["since"] == before[0]["since"]
    health.works("one")
    assert health.report()["ready"]


def test_it_is_served_until_the_end_at_an_address_of_its_own(health):
    said = []
    with served(("127.0.0.1", 0), health, said.append):
        address = re.search(r"(http://\S+)/ready", said[0])[1]
        assert asked(address)[0] == 503
        assert asked(address, "other") == (404, {"error": "there are /live and /ready"})
        taken = int(address.rpartition(":")[2])
        with (
            pytest.raises(UsageError, match="cannot listen at"),
            served(("127.0.0.1", taken), health, said.append),
        ):
            pass
    with pytest.raises(urllib.error.URLError):
        asked(address)


def test_a_copy_of_what_is_registered_sees_what_is_registered_later():
    ids = {"a": 1}
    copy = pickle.loads(pickle.dumps(Registered(ids)))
    ids["b"] = 2
    assert dict(copy) == {"a": 1, "b": 2}
