"""Jobs that a real Prometheus scrapes: a stream whose gateway was killed, and a batch run."""

import datetime
import os
import re
import signal
import socket
from contextlib import contextmanager

from tests.pipelines.jobs import children
from tests.pipelines.peers import LOCAL, Process
from tests.pipelines.test_follow import wait_until
from tests.services.stored import rows_in
from tests.transforms.fix.messages import encode

METRICS = ("--metrics-port", "0")


def url_of(job):
    """Wait until a job or gateway says where its metrics are."""

    def found():
        return re.search(r"metrics are at (http://\S+)", "".join(job.lines))

    wait_until(lambda: found() or job.process.poll() is not None)
    assert found(), job.lines
    return found()[1]


def message(session, number):
    """Return a heartbeat sent now."""
    now = f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H:%M:%S.%f}"[:-3].encode()
    return encode([(35, b"0"), (34, b"%d" % number), (49, session), (56, b"US"), (52, now)])


def send(port, data):
    """Send bytes, and wait until the gateway has received all of them."""
    with socket.create_connection(("127.0.0.1", port), 30) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)


@contextmanager
def stream(folder, uri, watching):
    """Run a stream that stores what peers send, whose gateway is killed in between.

    `watching` scrapes it. Three sessions send 40 messages each, the last of which has a wrong
    CheckSum, and some text; B leaves out two numbers.
    """
    job = Process(
        "--json",
        "--quiet",
        "--input",
        LOCAL,
        "--spool",
        folder / "spool",
        "--output",
        uri,
        *METRICS,
    )
    try:
        watching.scrape("stream", url_of(job))
        watching.until('fixfeed_messages_read_total{instance="stream"}')
        for session in (b"A", b"B", b"C"):
            numbers = [*range(1, 20), *range(20 if session != b"B" else 22, 40)]
            data = b"".join(message(session, number) for number in numbers)
            wrong = message(session, 40)
            data += wrong[:-4] + b"%03d\x01" % ((int(wrong[-4:-1]) + 1) % 256)
            if session == b"C":
                (gateway,) = children(job.process.pid)
                wait_until(lambda: len(rows_in(uri, "message_id")) == 78)
                before = len(job.ports)
                os.kill(gateway, signal.SIGKILL)
                wait_until(lambda before=before: len(job.ports) > before)
                data += b"49=C\x0156=US\x01\n"
            send(job.port(), data)
        wait_until(lambda: len(rows_in(uri, "message_id")) == 118)
        yield job
    finally:
        job.process.send_signal(signal.SIGTERM)
        job.process.wait(60)
