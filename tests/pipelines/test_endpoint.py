"""Metrics are given to whom asks, and are those that the documents name."""

import os
import re
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import numpy as np
import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fixfeed.pipelines import committed, metrics
from fixfeed.pipelines.counters import start_counting
from fixfeed.pipelines.endpoint import Endpoint
from fixfeed.pipelines.fixfeed import main
from fixfeed.pipelines.gateway_metrics import GatewayMetrics
from fixfeed.pipelines.instruments import COUNTED, GATEWAY, TOLD
from fixfeed.pipelines.option import UsageError
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.protocol import FIX
from tests.deploy.jobs import url_of
from tests.pipelines.peers import Process
from tests.pipelines.test_follow import append
from tests.transforms.fix.messages import encode

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def fetched(url):
    """Return the samples at a URL: (name, labels) -> value."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def names(samples):
    """Return the names of the metrics that samples are of."""
    return {re.sub("_(bucket|count|sum)$", "", name) for name, _ in samples}


def test_every_metric_is_in_the_document():
    for name, one in {**COUNTED, **TOLD, **GATEWAY}.items():
        labels = ", ".join(f"`{label}`" for label in one.labels)
        assert f"| `{name}` | {one.kind} | {labels} | {one.help} |" in DOCUMENT
        assert all(f"`{label}`" in DOCUMENT for label in one.labels)


def test_a_run_gives_its_last_metrics_even_if_nobody_asked_before_and_no_secret(tmp_path):
    """A password, the name of a file, a symbol and an id are in none of them."""
    sent = [(35, b"D"), (49, b"A"), (56, b"B"), (52, b"20250102-09:30:00")]
    line = b"09:30:01 " + encode([*sent, (55, b"SYM7"), (11, b"order-7")])
    (tmp_path / "secret-name.log").write_bytes(line + b"\n8=FIX.4.4|35=|junk\n")
    (tmp_path / "known.csv").write_text("symbol,desk\nSYM7,north\n")
    words = ["--input", f"{tmp_path}/secret-name.log", "--lookup", f"{tmp_path}/known.csv:symbol"]
    outputs = [f"parquet:{tmp_path}/lake", f"jsonl:{tmp_path}/a.jsonl", f"jsonl:{tmp_path}/b.jsonl"]
    words += [word for uri in outputs for word in ("--output", uri)]
    job = Process(*words, "--quiet", "--json", "--metrics-port", "0", "--metrics-wait", "1m")
    url = url_of(job)
    job.process.stdout.read(1)  # the summary: all is stored, but perhaps not yet kept
    found = fetched(url)
    while job.process.poll() is None:
        with suppress(OSError, HTTPException):  # it has just ended
            found = fetched(url)
        time.sleep(0.2)
    assert job.process.returncode == 0, job.lines
    assert set(COUNTED) - names(found) == {"fixfeed_delivery_delay_seconds"}
    assert names(found) <= {*COUNTED, *TOLD} | {one for one in names(found) if "process_" in one}
    labels = {value for _, pairs in found for name, value in pairs if name != "le"}
    allowed = {"parquet", "jsonl", "jsonl-2", "symbol", "FIX.4.4:A->B", "captured_at"}
    assert labels <= {*allowed, "sending_time", *FIX.reasons, *FIX.defects, "0.1.0"}
    assert found["fixfeed_joined_messages_total", (("lookup", "symbol"), ("sink", "parquet"))] == 1
    assert found["fixfeed_messages_stored_total", (("sink", "jsonl-2"),)] == 2


def test_a_gateway_of_its_own_gives_metrics(tmp_path):
    gateway = Process(
        "gateway", "tcp://127.0.0.1:0", "--spool", tmp_path / "spool", "--metrics-port", "0"
    )
    try:
        gateway.port()  # signals are heeded then
        found = fetched(url_of(gateway))
    finally:
        gateway.process.terminate()
        assert gateway.process.wait(60) == 0
    own = {(name, labels) for name, labels in found if name.startswith("fixfeed")}
    assert names(own) == set(GATEWAY)
    assert all(found[one] == 0 for one in own)


@pytest.mark.parametrize("port", ["http", "99999", "-1", ""])
@pytest.mark.parametrize("command", [["--input", "follow:*.log"], ["gateway", "tcp://127.0.0.1:0"]])
def test_a_wrong_port_is_refused(command, port, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main([*command, f"--metrics-port={port}"]) == 2
    text = " ".join(capfd.readouterr().err.split())
    assert "metrics-port is " in text
    assert "expected" in text


def test_an_address_that_is_taken_is_refused(tmp_path, capfd):
    first, words = Endpoint(), ["--input", f"{tmp_path}/a.log", "--output", "jsonl:-"]
    said = []
    first.listen(("127.0.0.1", 0), tuple, said.append)
    port = re.search(r":(\d+)/metrics", said[0])[1]
    append(tmp_path / "a.log", 1)
    assert main([*words, "--metrics-port", port]) == 2
    assert f"cannot listen at 127.0.0.1:{port}" in capfd.readouterr().err
    with pytest.raises(UsageError, match="metrics-port: cannot listen at"):
        Endpoint().listen(("no-such-host.invalid", 0), tuple, said.append)


def test_what_was_kept_is_given_until_it_was_fetched():
    endpoint, said, numbers = Endpoint(), [], GatewayMetrics(["tcp://a:1"])
    endpoint.wait(60, lambda: False)  # nobody can ask
    endpoint.listen(("127.0.0.1", 0), numbers.registry.collect, said.append)
    url = said[0].split()[-1]
    received = "fixfeed_gateway_received_bytes_total", (("listener", "tcp://a:1"),)
    numbers.received("tcp://a:1", 7)
    endpoint.keep()
    numbers.received("tcp://a:1", 1)
    endpoint.wait(60, lambda: True)
    endpoint.wait(0.1, lambda: False)
    assert fetched(url)[received] == 7
    endpoint.wait(60, lambda: False)


def test_many_amounts_are_observed_as_one_after_the_other():
    amounts = np.array([0.0, 0.5, 1.0, 1.0001, 7.0, 10.0, 1e9, -3.0])
    by_hand, at_once = (
        prometheus_client.Histogram("h", "", buckets=(0.5, 1, 10), registry=None) for _ in range(2)
    )
    for amount in amounts:
        by_hand.observe(max(amount, 0.0))
    committed._observe(at_once, amounts)
    (expected,), (found,) = by_hand.collect(), at_once.collect()
    assert found.samples == expected.samples


def test_of_very_many_sessions_the_first_are_told_apart(tmp_path):
    sent = [(35, b"0"), (56, b"B"), (52, b"20250102-09:30:00")]
    names = [b"A%d" % number for number in range(300)] + [b"long" * 100]
    data = b"\n".join(encode([*sent, (49, name)]) for name in names)
    start_counting(tmp_path, ["sink"], FIX)
    count = committed.Committed("sink", tmp_path, FIX.table)
    count([(FIX.parse(Block("file:/a", 0, data)), 301)])
    found = [
        one.labels["session"]
        for one in metrics._samples(tmp_path)
        if one.name == "fixfeed_session_last_received_timestamp_seconds"
    ]
    assert len(set(found)) == len(found) == 201
    assert "others" in found


def test_counters_of_a_run_that_is_over_are_nobody_elses(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    assert main(["gateway", "tcp://127.0.0.1:0", "--metrics-port=http"]) == 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.log").write_bytes(encode([(35, b"0")]) + b"\n")
    assert main(["--input", "day.log", "--quiet"]) == 0
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    assert main(["gateway", "tcp://127.0.0.1:0", "--metrics-port=http"]) == 2
