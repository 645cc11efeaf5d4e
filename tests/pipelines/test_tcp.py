"""`--input tcp://` and `fixfeed gateway` store what peers send, once, whatever is killed."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from fixfeed.pipelines.fixfeed import main
from tests.pipelines.jobs import children
from tests.pipelines.peers import LOCAL, Peers, Process, in_database, in_spool, job, numbered
from tests.pipelines.test_follow import wait_until

EVERYTHING = {f"{peer}-{number}" for peer in range(20) for number in range(100)}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "spool", f"sqlite:///{tmp_path}/f.db"


def test_what_twenty_peers_send_is_stored_once_up_to_the_moment_the_job_is_stopped(place):
    spool, uri = place
    one = job(spool, uri)
    peers = Peers(one.port)
    peers.join()
    with socket.create_connection(("127.0.0.1", one.port())) as last:
        last.sendall(numbered(20, 1) + numbered(20, 2)[:-5])
        wait_until(lambda: "20-1" in in_spool(spool))
        with socket.create_connection(("127.0.0.1", one.port())) as other:
            other.sendall(b"hello\n\nGET / HTTP/1.1\n\0\n8")
        wait_until(lambda: b"GET" in b"".join(path.read_bytes() for path in spool.rglob("*.log")))
        summary = one.stopped()
    assert in_database(uri) == dict.fromkeys([*EVERYTHING, "20-1"], 1)
    (counts,) = summary["sinks"].values()
    assert (counts["read"], counts["stored"]) == (2004, 2001)
    # Lines of text are no failures; what is no text is one, and so is the beginning of a message.
    assert (counts["skipped"], counts["failed"]) == (2, {"truncated": 2, "not_text": 1})
    names = {path.parent.name for path in spool.glob("*/*/index")}
    assert len(names) == 22


def test_what_a_gateway_received_until_it_was_killed_is_stored_and_another_goes_on(place):
    spool, uri = place
    one = job(spool, uri)
    one.port()
    peers = Peers(one.port, pause=0.02)
    for round_ in (1, 2):
        wait_until(lambda round_=round_: len(in_database(uri)) > 300 * round_)
        (gateway,) = children(one.process.pid)
        os.kill(gateway, signal.SIGKILL)
        wait_until(lambda round_=round_: len(one.ports) > round_)
    peers.join()
    (counts,) = one.stopped()["sinks"].values()
    assert in_database(uri) == in_spool(spool)
    assert set(in_database(uri).values()) == {1}
    assert counts["read"] == counts["stored"] + sum(counts["failed"].values())
    assert sum("the gateway ended (killed by signal 9)" in line for line in one.lines) == 2


def test_a_gateway_of_its_own_outlives_jobs_that_are_killed(place):
    spool, uri = place
    gateway = Process("gateway", LOCAL, "--spool", spool)
    peers = Peers(gateway.port, pause=0.06)
    for _ in range(2):
        before = len(in_database(uri))
        one = job(spool, uri, source=f"spool:{spool}")
        wait_until(lambda before=before: len(in_database(uri)) >= min(before + 50, 2000))
        one.killed()
    peers.join()
    gateway.stopped()
    one = job(spool, uri, "--for", "1s", source=f"spool:{spool}")
    assert one.process.wait(60) == 0
    assert in_database(uri) == dict.fromkeys(EVERYTHING, 1)
    assert len(list(spool.glob("*/*/index"))) == 20  # no connection was touched


def test_a_gateway_ends_with_its_job_and_the_next_run_stores_what_that_has_not(place):
    spool, uri = place
    one = job(spool, uri)
    peers = Peers(one.port, count=3, messages=1 << 30, pause=0.001)
    wait_until(lambda: len(in_database(uri)) > 50)
    (gateway,) = children(one.process.pid)
    one.killed()
    peers.over.set()
    peers.join()
    wait_until(lambda: not os.path.exists(f"/proc/{gateway}"))
    two = job(spool, uri)
    two.port()
    wait_until(lambda: len(in_database(uri)) == len(in_spool(spool)))
    two.stopped()
    assert in_database(uri) == in_spool(spool)


def test_a_full_disk_stops_reading_until_there_is_room(place):
    spool, _ = place
    gateway = Process("gateway", LOCAL, "--spool", spool)
    port = gateway.port()
    limits = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    room = 1 << 20  # a file has no more, as if the disk were full
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (room, limits[1]))
    count = 40_000
    data = b"".join(numbered(1, number) for number in range(count))
    sent = threading.Event()

    def send():
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            one.recv(1)
        sent.set()

    threading.Thread(target=send).start()
    wait_until(lambda: any("has no room" in line for line in gateway.lines))
    assert not sent.wait(0.5)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, limits)
    assert sent.wait(60)
    gateway.stopped()
    assert any("has room again" in line for line in gateway.lines)
    (connection,) = (path.parent for path in spool.glob("*/*/index"))
    assert b"".join(path.read_bytes() for path in sorted(connection.glob("*.log"))) == data


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("tcp://0.0.0.0", "names no address to listen to; write tcp://0.0.0.0:9876"),
        ("tcp://0.0.0.0:99999", "names no address to listen to"),
        ("tcp://0.0.0.0:9876?max-conections=5", "did you mean max-connections?"),
        ("tcp://0.0.0.0:9876?max-connections=0", "expected a whole number, 1 or more"),
        ("tcp://0.0.0.0:9876?idle=5", "expected a length of time such as"),
        ("tcp://0.0.0.0:9876?allow=10.0.0.300", "expected addresses or networks such as 10.0.0.7"),
        ("tcp://0.0.0.0:9876?cert=x.pem", "cert is for tls://, found tcp://"),
        ("tls://0.0.0.0:9876", "needs a certificate: tls://0.0.0.0:9876?cert=server.pem"),
        ("tls://0.0.0.0:9876?cert=no.pem", "cert is 'no.pem', and there is no such file"),
        ("TCP://0.0.0.0:9876", "did you mean tcp://0.0.0.0:9876?"),
        ("tpc://0.0.0.0:9876", "did you mean tcp://0.0.0.0:9876?"),
    ],
)
def test_an_address_that_is_wrong_is_answered_with_the_right_one(uri, text, capfd):
    for words in (["--input", uri], ["gateway", uri]):
        assert main(words) == 2
        assert text in capfd.readouterr().err.replace("\n", " ")


def test_what_does_not_go_together_is_refused(tmp_path, capsys):
    for words, text in (
        (["--input", LOCAL, "--input", f"spool:{tmp_path}/spool"], "start two jobs"),
        (["--input", LOCAL, "--input", LOCAL], "is named twice"),
        (["--input", "spool:"], "wants one folder that fixfeed gateway writes"),
        (["--input", "spool:a", "--input", "spool:b"], "wants one folder"),
    ):
        assert main(words) == 2
        assert text in capsys.readouterr().err.replace("\n", " ")


def test_a_port_that_is_taken_ends_the_job_with_a_sentence(place, capfd):
    spool, uri = place
    with socket.create_server(("127.0.0.1", 0)) as taken:
        source = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        words = ["--input", source, "--spool", str(spool), "--output", uri]
        assert main(words) == 2
    assert f"cannot listen to {source}: " in capfd.readouterr().err


def test_a_job_that_is_stopped_while_it_loads_begins_nothing(tmp_path):
    heeds = "import fixfeed.pipelines.early_signals as e, sys; f = e.asking; "
    heeds += "e.asking = lambda: (print('now', flush=True), f())[1]; "
    heeds += "from fixfeed.pipelines.fixfeed import main; sys.exit(main())"
    words = ["--json", "--quiet", "--input", LOCAL, "--output", "sqlite:///f.db"]
    one = subprocess.Popen(
        [sys.executable, "-c", heeds, *words], cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert one.stdout.readline() == b"now\n"
    time.sleep(0.2)
    one.send_signal(signal.SIGTERM)
    out, _ = one.communicate(timeout=60)
    summary = json.loads(out.splitlines()[-1])
    assert (one.returncode, summary["exit_code"]) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_job_receives_before_its_database_is_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"postgresql://fixfeed@127.0.0.1:{free.getsockname()[1]}/postgres"
        one = job(tmp_path / "spool", uri)
        try:
            with socket.create_connection(("127.0.0.1", one.port())) as peer:
                peer.sendall(numbered(1, 1))
                wait_until(lambda: "1-1" in in_spool(tmp_path / "spool"))
        finally:
            one.killed()
