"""Peers of a gateway in tests, and what a spool and a database have of what they sent."""

import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress

from tests.pipelines.jobs import FIXFEED
from tests.services.stored import rows_in
from tests.transforms.fix.messages import encode

LOCAL = "tcp://127.0.0.1:0"

NUMBERED = re.compile(rb"\x01112=([0-9]+-[0-9]+)\x0110=\d{3}\x01")


def numbered(peer, number):
    """Return a message that says whose it is, and which one."""
    return encode([(35, b"0"), (34, b"%d" % number), (112, b"%d-%d" % (peer, number))])


class Process:
    """A gateway or a job, and what it says on standard error."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [*FIXFEED, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.lines = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stderr:
            self.lines.append(line.decode())

    @property
    def ports(self):
        """The ports that it listened to, one after the other."""
        text = "".join(self.lines)
        return [int(port) for port in re.findall(r"listening to tcp://127.0.0.1:(\d+)", text)]

    def port(self):
        """Wait for the port that it listens to. Raises `ConnectionError` if it ends instead."""
        while not self.ports and self.process.poll() is None:
            time.sleep(0.05)
        if not self.ports:
            raise ConnectionError(self.lines)
        return self.ports[-1]

    def stopped(self):
        self.process.send_signal(signal.SIGTERM)
        out = self.process.stdout.read()
        assert self.process.wait(60) == 0, self.lines
        return json.loads(out) if out else None

    def killed(self):
        self.process.kill()
        self.process.wait()


def job(spool, uri, *words, source=LOCAL):
    return Process(
        "--json", "--quiet", "--input", source, "--spool", spool, "--output", uri, *words
    )


class Peers:
    """Threads that send numbered messages, cut anywhere, and connect again when they have to.

    `port()` is asked before each attempt to connect. There are `pause` seconds for each message.
    """

    def __init__(self, port, *, count=20, messages=100, pause=0.0, host="127.0.0.1"):
        self._port = port
        self._host = host
        self._messages = messages
        self._pause = pause
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(one,)) for one in range(count)]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def _send(self, peer):
        number = 0
        while number < self._messages and not self.over.is_set():
            with suppress(OSError), socket.create_connection((self._host, self._port()), 5) as one:
                while number < self._messages and not self.over.is_set():
                    # What is in flight when a gateway dies is gone, so it has its number alone.
                    batch = [numbered(peer, n) for n in range(number, number + 1 + peer)]
                    batch = batch[: self._messages - number]
                    number += len(batch)
                    data = b"".join(batch)
                    cut = (7 * number) % len(data)
                    one.sendall(data[:cut])
                    if self._pause:
                        time.sleep(self._pause * len(batch))
                    one.sendall(data[cut:])
                one.shutdown(socket.SHUT_WR)
                one.recv(1)
                return
            time.sleep(0.05)


def in_spool(spool):
    """Return how often each numbered message is in the connections of a spool."""
    found = Counter()
    for index in spool.glob("*/*/index"):
        segments = sorted(index.parent.glob("*.log"))
        data = b"".join(path.read_bytes() for path in segments)
        found.update(one.decode() for one in NUMBERED.findall(data))
    return found


def in_database(uri):
    """Return how often each numbered message is in a database."""
    texts = map(str, rows_in(uri, "fields"))
    return Counter(one[0] for text in texts if (one := re.search(r"[0-9]+-[0-9]+", text)))
