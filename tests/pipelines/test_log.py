"""The log has a line an event, with the same fields everywhere, and never a message."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fixfeed.pipelines import log
from fixfeed.pipelines.fixfeed import main
from tests.pipelines.jobs import FIXFEED, write_logs
from tests.transforms.fix.messages import encode


@pytest.fixture(autouse=True)
def as_before():
    """Tests run in one process, and a log is that of the process."""
    log.write_to(None)
    log.start()
    yield
    log.write_to(None)
    log.start()


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_the_same_event_as_text_and_as_json(capsys):
    log.say("it is stored", event="committed", sink="sqlite", messages=3, session=None)
    assert capsys.readouterr().err == "fixfeed: it is stored\n"
    log.start("json", program="fixfeed gateway")
    log.say("it is stored", event="committed", sink="sqlite", messages=3, session=None)
    (found,) = lines(capsys.readouterr().err)
    assert found.pop("time").endswith("Z")
    assert found.pop("process")
    assert found == {
        "level": "info",
        "program": "fixfeed gateway",
        "event": "committed",
        "text": "it is stored",
        "sink": "sqlite",
        "messages": 3,
    }


@pytest.mark.parametrize("form", log.FORMATS)
def test_neither_passwords_nor_messages_are_in_a_line(form, capsys):
    log.start(form)
    message = encode([(35, b"D"), (58, b"for your eyes only")], delimiter=b"|").decode()
    log.say(f"cannot copy {message}", traceback=f"near {message}")
    log.say("cannot write to postgresql://bob:hunter2@host/db", source="s3://key:hunter2@place")
    found = capsys.readouterr().err
    assert "eyes" not in found
    assert "hunter2" not in found
    assert "cannot copy (a message)" in found
    assert "postgresql://bob:***@host/db" in found


@pytest.mark.parametrize(
    ("form", "found"),
    [("text", "fixfeed 4f1c: db is gone\n"), ("json", '"text": "db is gone", "run": "4f1c"}\n')],
)
def test_each_line_of_a_worker_of_a_cluster_names_its_run(form, found, monkeypatch, capfd):
    monkeypatch.setattr(log._lines, "descriptor", None)
    log.start(form)
    for name, value in log.for_children(run="4f1c").items():
        monkeypatch.setenv(name, value)
    log.as_child()
    log.say("db is gone")
    assert capfd.readouterr().err.endswith(found)
    log.start(form)
    log.say("db is gone")
    assert "4f1c" not in capfd.readouterr().err


def test_every_field_is_in_the_document():
    document = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for name, meaning in log.FIELDS.items():
        assert f"| `{name}` | {meaning} |" in document


def test_lines_below_the_level_are_left_out(capsys):
    log.start(level="warning")
    log.say("quiet")
    log.say("loud", level="warning")
    assert capsys.readouterr().err == "fixfeed: loud\n"


def test_a_log_that_nobody_can_read_stops_nothing():
    code = "import os, fixfeed.pipelines.log as log; os.close(2); log.say('a'); print('goes on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_lines_of_all_processes_are_json_and_account_for_what_is_stored(tmp_path, select):
    uri = f"sqlite:///{tmp_path}/out.db"
    words = ["--input", write_logs(tmp_path, chunks=1), "--output", uri, "--workers", "2"]
    words += ["--log-format", "json", "--log-level", "debug", "--no-derive", "--quiet"]
    done = subprocess.run([*FIXFEED, *words], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    found = lines(done.stderr.decode())
    assert len({line["process"] for line in found}) == 2
    order = list(log.FIELDS)
    for line in found:
        assert set(line) <= set(order)
        assert list(line)[:6] == order[:6]
    stored, failures = Counter(), 0
    for line in found:
        assert line["sink"] == "sqlite"
        stored[line.get("session")] += line.get("messages", 0)
        failures += line.get("failures", 0)
    query = "select session, count(*), min(msg_seq_num), max(msg_seq_num) from messages group by 1"
    rows = select(uri, query)
    assert {session: count for session, count in stored.items() if count} == {
        session: count for session, count, *_ in rows
    }
    for session, _, first, last in rows:
        own = [line for line in found if line.get("session") == session and "first_seq" in line]
        assert min((line["first_seq"] for line in own), default=None) == first
        assert max((line["last_seq"] for line in own), default=None) == last
    assert [(failures,)] == select(uri, "select count(*) from failures")
    raws = [raw for (raw,) in select(uri, "select raw from messages") if len(raw) > 40]
    assert not any(raw[:40] in done.stderr for raw in raws)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--input", "nowhere/x.log", "--output", "nosuch:x"], 2, "output 'nosuch:x' is none of"),
        (["gateway", "tcp://192.0.2.1:9"], 2, "cannot listen to tcp://192.0.2.1:9"),
    ],
)
def test_an_error_is_one_line_of_json_with_its_exit_code(
    words, code, said, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--log-format", "json"]) == code
    (found,) = lines(capfd.readouterr().err)
    assert (found["event"], found["level"], found["exit_code"]) == ("error", "error", code)
    assert found["text"].startswith(said)


def test_an_error_before_the_settings_are_known_is_json_too(monkeypatch, capfd):
    assert main(["--input", "a.log", "--wrkers", "2", "--log-format=json"]) == 2
    (found,) = lines(capfd.readouterr().err)
    assert "did you mean --workers" in found["text"]
    monkeypatch.setenv("FIXFEED_LOG_FORMAT", "json")
    assert main(["--input", "a.log", "--wrkers", "2"]) == 2
    assert lines(capfd.readouterr().err)


def test_a_wrong_format_is_refused(capfd):
    assert main(["--input", "a.log", "--log-format", "xml"]) == 2
    assert "log-format is 'xml', expected text or json" in capfd.readouterr().err
