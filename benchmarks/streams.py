"""Measures what peers send until it is stored: rates, latency, and what waiting costs.

python -m benchmarks.run --only streams
"""

import json
import os
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.paced import paced

__all__ = ["idle", "latency", "stored_from_peers", "streams"]

PEERS = 20
_SECONDS = 10.0
_POLL = 0.005
_CLAIMED = 139_534  # messages a second that the seed system, an engine, claims to send

_MESSAGE = re.compile(rb"8=FIX.*?\x0110=\d{3}\x01\n?", re.DOTALL)


class Job:
    """A job that stores what peers send into SQLite, in a folder."""

    def __init__(self, folder: Path):
        """Start it, and wait until it listens and its database is there."""
        self.database = folder / "stream.db"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fixfeed", "--quiet", "--json"]
            + ["--input", "tcp://127.0.0.1:0", "--spool", str(folder / "spool")]
            + ["--output", f"sqlite:///{self.database}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr
        line = self._process.stderr.readline().decode()
        found = re.search(r"listening to tcp://127.0.0.1:(\d+)", line)
        assert found, line
        self.port = int(found[1])
        while not _has_tables(self.database):
            assert self._process.poll() is None
            time.sleep(_POLL)

    def processor_seconds(self) -> float:
        """Return the processor time of the job and its gateway so far."""
        ticks = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            fields = status.read_text().rpartition(")")[2].split()
            if self._process.pid in (int(status.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> dict:
        """Stop it; return its summary."""
        self._process.send_signal(signal.SIGTERM)
        return json.loads(self._process.communicate(timeout=60)[0])


def _has_tables(database: Path) -> bool:
    """Return whether a job has made its tables: the gateway listens before that."""
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = "select count(*) from sqlite_master where name = 'source_identities'"
        return bool(connection.execute(tables).fetchone()[0])


@contextmanager
def _progress(database: Path):
    """Give a function that returns how far each connection is stored, by the port of the peer."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ports: dict[int, int] = {}

        def ends() -> dict[int, int]:
            rows = connection.execute(
                'select source_id, max("end") from progress group by source_id'
            ).fetchall()
            if any(source not in ports for source, _ in rows):
                for source, name in connection.execute(
                    "select source_id, name from source_identities"
                ):
                    found = re.search(r" from .*:(\d+) at ", name)
                    assert found
                    ports[source] = int(found[1])
            return {ports[source]: end for source, end in rows}

        yield ends


def stored_from_peers(pieces: Sequence[Path], folder: Path) -> float:
    """Send each file over a connection, all at once; return the seconds until all is stored."""
    job = Job(folder)
    sockets = [socket.create_connection(("127.0.0.1", job.port)) for _ in pieces]

    def send(one: socket.socket, piece: Path) -> None:
        with open(piece, "rb") as file:
            one.sendfile(file)

    wanted = sum(piece.stat().st_size for piece in pieces)
    begin = time.monotonic()
    threads = [
        threading.Thread(target=send, args=pair) for pair in zip(sockets, pieces, strict=True)
    ]
    for thread in threads:
        thread.start()
    with _progress(job.database) as ends:
        while sum(ends().values()) < wanted:
            time.sleep(0.02)
    seconds = time.monotonic() - begin
    for thread in threads:
        thread.join()
    for one in sockets:
        one.close()
    job.stop()
    return seconds


def latency(messages: Sequence[bytes], rate: int, folder: Path) -> list[float]:
    """Send so many messages a second over all connections; return seconds until each is stored."""
    job = Job(folder)
    sockets = [socket.create_connection(("127.0.0.1", job.port)) for _ in range(PEERS)]
    ports = [one.getsockname()[1] for one in sockets]
    sent: dict[int, list[tuple[int, float]]] = {port: [] for port in ports}
    over = threading.Event()

    positions = [0] * PEERS

    def send(number: int) -> None:
        peer = number % PEERS
        data = messages[number % len(messages)]
        positions[peer] += len(data)
        sent[ports[peer]].append((positions[peer], time.monotonic()))
        sockets[peer].sendall(data)

    def send_all() -> None:
        paced(range(int(_SECONDS * rate)), rate, send)
        for one in sockets:
            one.close()  # what would wait for more, as of a damaged message, waits no longer
        over.set()

    thread = threading.Thread(target=send_all)
    thread.start()
    taken = []
    seen = dict.fromkeys(sent, 0)
    with _progress(job.database) as ends:
        while not over.is_set() or any(seen[port] < len(sent[port]) for port in sent):
            found, now = ends(), time.monotonic()
            for port, end in found.items():
                times = sent[port]
                while seen[port] < len(times) and times[seen[port]][0] <= end:
                    taken.append(now - times[seen[port]][1])
                    seen[port] += 1
            time.sleep(_POLL)
    thread.join()
    job.stop()
    return taken


def idle(folder: Path) -> float:
    """Return the share of a core that a job takes whose connections are silent."""
    job = Job(folder)
    sockets = [socket.create_connection(("127.0.0.1", job.port)) for _ in range(PEERS)]
    for one in sockets:
        one.sendall(b"8=FIX")
    time.sleep(3)
    before = job.processor_seconds()
    time.sleep(_SECONDS)
    share = (job.processor_seconds() - before) / _SECONDS
    for one in sockets:
        one.close()
    job.stop()
    return share


def _pieces(log: Path, folder: Path) -> list[Path]:
    """Cut a log into one piece a peer, at ends of lines."""
    lines = log.read_bytes().splitlines(keepends=True)
    size = -(-len(lines) // PEERS)
    pieces = []
    for peer in range(PEERS):
        pieces.append(folder / f"{peer}.log")
        pieces[-1].write_bytes(b"".join(lines[peer * size : (peer + 1) * size]))
    return pieces


def streams(
    log: Path,
    messages: int,
    folder: Path,
    from_file: Callable[[Path, Path], float],
    in_turns: Callable[..., list[float]],
) -> None:
    """Print the tables; `from_file(log, folder)` gives the seconds of the same bytes as a file."""
    place = folder / "pieces"
    place.mkdir()
    pieces = _pieces(log, place)
    sent, read = in_turns(
        lambda one: stored_from_peers(pieces, one), lambda one: from_file(log, one)
    )
    print("| into SQLite | messages/s | ratio |")
    print("|---|--:|--:|")
    print(f"| from {PEERS} peers at full speed | {messages / sent:,.0f} | {read / sent:.2f} |")
    print(f"| the same bytes from a file | {messages / read:,.0f} | 1.00 |")
    print(f"| what the seed system claims to send | {_CLAIMED:,} | |\n", flush=True)
    with open(log, "rb") as file:
        texts = _MESSAGE.findall(file.read(8 << 20))
    print("| messages/s | socket to committed row, median | p99 | worst |")
    print("|--:|--:|--:|--:|")
    for rate in (1_000, 10_000):
        one = folder / f"at-{rate}"
        one.mkdir()
        taken = sorted(latency(texts, rate, one))
        cuts = statistics.quantiles(taken, n=100)
        print(
            f"| {rate:,} | {cuts[49] * 1000:.0f} ms | {cuts[98] * 1000:.0f} ms"
            f" | {taken[-1] * 1000:.0f} ms |",
            flush=True,
        )
    silent = folder / "idle"
    silent.mkdir()
    print(f"\n{PEERS} silent connections take {idle(silent):.1%} of a core\n", flush=True)
