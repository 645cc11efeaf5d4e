"""Kills, outages, full disks, hostile peers and 5,000 logs, for minutes: `make torture`.

What the suite proves in seconds (tests/pipelines/test_tcp.py), at length. Each part ends with what
was counted; the exit code is 1 if a message was lost or stored twice. Needs PostgreSQL, and root
for the small disks, which are left out otherwise. `--only memory` shows the memory of a stream, for
as many `--minutes` as are asked for.
"""

import argparse
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.pipelines.jobs import children
from tests.pipelines.peers import Peers, Process, in_database, in_spool, job, numbered
from tests.services.postgresql_server import Server

PEERS = 20
LOG = 99  # what a log has instead of a peer
_LONGEST = 1800  # seconds for a part to end


def main():
    """Run all parts; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=20, help="of each kind")
    options.add_argument("--messages", type=int, default=200_000)
    options.add_argument("--outage", type=float, default=30.0, help="seconds without PostgreSQL")
    options.add_argument("--files", type=int, default=5_000, help="logs that are watched")
    options.add_argument("--minutes", type=int, default=15, help="of --only memory")
    options.add_argument("--only", choices=[*PARTS, *ALONE])
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    good = True
    for name in [given.only] if given.only else PARTS:
        with tempfile.TemporaryDirectory(prefix="fixfeed-torture-", dir="/tmp") as folder:
            good = (PARTS | ALONE)[name](given, Path(folder)) and good
    return 0 if good else 1


def say(text):
    print(text, flush=True)


def wait_for(true, what):
    deadline = time.monotonic() + _LONGEST
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"in vain: {what}")
        time.sleep(0.2)


class Log(threading.Thread):
    """A log that grows, and is rotated now and then."""

    def __init__(self, folder, rng):
        super().__init__()
        folder.mkdir()
        self._path = folder / "day.log"
        self._rng = rng
        self.over = threading.Event()
        self.written = 0

    def run(self):
        rotations = 0
        while not self.over.is_set():
            with open(self._path, "ab", buffering=0) as file:
                for _ in range(20):
                    line = numbered(LOG, self.written) + b"\n"
                    cut = self._rng.randrange(len(line))
                    file.write(line[:cut])
                    file.write(line[cut:])
                    self.written += 1
            if self._path.stat().st_size > 100_000:
                rotations += 1
                self._path.rename(f"{self._path}.{rotations}")
            time.sleep(0.1)


def kills(given, folder):
    """Kill the job, its gateway and both, while peers send, a log grows, and PostgreSQL stops."""
    with tempfile.TemporaryDirectory(prefix="fixfeed-torture-pg-", dir="/tmp") as place:
        return killed(given, folder, Server(place))


def killed(given, folder, server):
    rng = random.Random(given.seed)
    spool = folder / "spool"
    server.start()
    say(f"kills: {given.kills} each of the gateway, of the job and of both, seed {given.seed}")
    current = [job(spool, server.uri)]
    following = [follow(folder, server.uri)]
    log = Log(folder / "logs", rng)
    log.start()
    peers = Peers(
        lambda: current[0].port(),
        count=PEERS,
        messages=given.messages // PEERS,
        pause=12 * given.kills * PEERS / given.messages,
    )
    counts = Counter()
    try:
        for kind in ("gateway", "job", "both"):
            for _ in range(given.kills):
                before = sum(in_spool(spool).values())
                if rng.random() < 0.8:  # the others come while a job begins
                    wait_for(
                        lambda before=before: (
                            sum(in_spool(spool).values()) > before
                            or current[0].process.poll() is not None
                            or not any(thread.is_alive() for thread in peers.threads)
                        ),
                        "something is received",
                    )
                time.sleep(rng.uniform(0.0, 3.0))
                kill(kind, current, following, lambda: job(spool, server.uri), folder, server.uri)
                counts[kind] += 1
            say(f"  {counts[kind]} kills of {kind}, {sum(in_spool(spool).values()):,} received")
            if kind == "gateway":
                server.stop(signal.SIGINT)
                time.sleep(given.outage)
                server.start()
                say(f"  PostgreSQL was away for {given.outage:.0f} s")
        while any(thread.is_alive() for thread in peers.threads):
            if current[0].process.poll() is not None:
                say(f"  a job ended by itself: {current[0].lines[-3:]}")
                current[0] = job(spool, server.uri)
            time.sleep(0.5)
        log.over.set()
        log.join()
        expected = in_spool(spool) + Counter(f"{LOG}-{n}" for n in range(log.written))
        wait_for(lambda: len(in_database(server.uri)) >= len(expected), "all messages are stored")
        current[0].stopped()
        following[0].stopped()
        stored = in_database(server.uri)
    finally:
        peers.over.set()
        log.over.set()
        for one in (*current, *following):
            one.killed()
        server.stop()
    return told(
        expected=expected,
        stored=stored,
        sent=given.messages,
        log=log.written,
        spool=in_spool(spool),
    )


def follow(folder, uri):
    return Process("--json", "--quiet", "--input", f"follow:{folder}/logs/*", "--output", uri)


def kill(kind, current, following, begin, folder, uri):
    one = current[0]
    if one.process.poll() is not None:
        current[0] = begin()
        return
    gateways = [pid for pid in children(one.process.pid) if "gateway" in command_of(pid)]
    if kind != "job":
        for pid in gateways:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if kind != "gateway":
        one.killed()
        following[0].killed()
        current[0] = begin()
        following[0] = follow(folder, uri)


def command_of(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def told(*, expected, stored, sent, log, spool):
    lost = set(expected) - set(stored)
    twice = [one for one, count in stored.items() if count > 1]
    strange = set(stored) - set(expected)
    say(
        f"  {sent:,} sent by peers, {sum(spool.values()):,} received, {log:,} lines of a log; "
        f"{sum(stored.values()):,} stored: {len(lost)} lost, {len(twice)} twice, "
        f"{len(strange)} from nowhere"
    )
    return not (lost or twice or strange)


@contextmanager
def small_disk(folder, megabytes):
    """Mount a disk of this size, nearly full of one file, `filler`."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disks(given, folder):
    """Fill the disk of the spool, and then that of the database."""
    if os.geteuid():
        say("full disks: left out, as they need root")
        return True
    return full_disk("spool", folder) and full_disk("database", folder)


def full_disk(what, folder):
    with small_disk(folder / what, 24) as disk:
        (disk / "filler").write_bytes(bytes(16 << 20))
        spool = disk / "spool" if what == "spool" else folder / "other"
        uri = f"sqlite:///{(disk if what == 'database' else folder) / 'f.db'}"
        one = job(spool, uri)
        count = 8_000
        peers = Peers(one.port, count=PEERS, messages=count, pause=0.001)
        sign = "has no room" if what == "spool" else "tried again and again"
        wait_for(lambda: any(sign in line for line in one.lines), sign)
        before = sum(in_spool(spool).values())
        time.sleep(3)
        (disk / "filler").unlink()
        grow(disk, 400)
        peers.join()
        wait_for(lambda: len(in_database(uri)) == PEERS * count, "all is stored")
        one.stopped()
        said = [line for line in one.lines if re.search("room|tried|goes on", line)]
        say(f"full disk of the {what}, after {before:,} messages:")
        say("".join(f"    {line}" for line in said).rstrip())
        received = in_spool(spool)
        return told(
            expected=received,
            stored=in_database(uri),
            sent=PEERS * count,
            log=0,
            spool=received,
        )


def grow(disk, megabytes):
    subprocess.run(["mount", "-o", f"remount,size={megabytes}m", str(disk)], check=True)


def hostile(given, folder):
    """Let peers send what is no FIX, very much, very slowly, or from very many connections."""
    spool, uri = folder / "spool", f"sqlite:///{folder}/f.db"
    one = Process(
        *("--json", "--quiet", "--input", "tcp://127.0.0.1:0?max-connections=1100"),
        *("--spool", spool, "--output", uri),
    )
    port = one.port()
    processes = [one.process.pid, *children(one.process.pid)]
    peak = dict.fromkeys(processes, 0)
    rng = random.Random(given.seed)
    over = threading.Event()

    def watch():
        while not over.wait(0.1):
            for pid in processes:
                with suppress(OSError):
                    peak[pid] = max(peak[pid], resident(pid))

    def endless():
        with socket.create_connection(("127.0.0.1", port)) as peer:
            for _ in range(100):
                peer.sendall(b"x" * (1 << 20))

    def huge():
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"8=FIX.4.4\x019=9223372036854775808\x0135=0\x01")
            peer.sendall(rng.randbytes(1 << 17))

    def slow():
        with socket.create_connection(("127.0.0.1", port)) as peer:
            for at in range(20):
                peer.sendall(numbered(50, 1)[at : at + 1])
                time.sleep(1)

    many = [socket.create_connection(("127.0.0.1", port)) for _ in range(1000)]
    for peer in many:
        peer.sendall(numbered(60, 1)[:17])
    threads = [threading.Thread(target=work) for work in (watch, endless, huge, slow)]
    for thread in threads:
        thread.start()
    peers = Peers(lambda: port, count=PEERS, messages=1000, pause=0.01)
    peers.join()
    for thread in threads[1:]:
        thread.join()
    for peer in many:
        peer.close()
    wait_for(lambda: len(in_database(uri)) == PEERS * 1000, "the other peers' messages are stored")
    octets = sum(path.stat().st_size for path in spool.glob("*/*/*.log"))
    wait_for(lambda: accounted_for(uri) == octets, "all bytes are accounted for")
    over.set()
    (counts,) = one.stopped()["sinks"].values()
    done = accounted_for(uri)
    say("hostile peers: 100 MB without a delimiter, BodyLength of 2^63, a byte a second, 1,000 cut")
    say(
        f"  {counts['stored']:,} stored, failures {counts['failed']}; "
        f"{octets:,} bytes received, {done:,} accounted for; "
        f"peak memory {peak[processes[0]]:,} MiB (job), {peak[processes[1]]:,} MiB (gateway)"
    )
    return (
        told(
            expected=in_spool(spool),
            stored=in_database(uri),
            sent=PEERS * 1000,
            log=0,
            spool=in_spool(spool),
        )
        and octets == done
    )


def accounted_for(uri):
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        return connection.execute('select sum("end" - start) from progress').fetchone()[0]


def watched(given, folder):
    """Follow very many logs, and let lines be written to some of them."""
    logs, uri = folder / "logs", f"sqlite:///{folder}/f.db"
    logs.mkdir()
    paths = [logs / f"{number}.log" for number in range(given.files)]
    for number, path in enumerate(paths):
        path.write_bytes(numbered(LOG, number) + b"\n")
    began = time.monotonic()
    one = Process("--json", "--quiet", "--input", f"follow:{logs}/*", "--output", uri)
    wait_for(lambda: len(in_database(uri)) == given.files, "all logs are stored")
    say(f"{given.files:,} logs followed, stored {time.monotonic() - began:.1f} s after the start")
    rng = random.Random(given.seed)
    count, written, delays = 3_000, {}, []
    over = threading.Event()

    def look():
        with closing(sqlite3.connect(folder / "f.db")) as connection:
            while not over.wait(0.01):
                first = min(list(written), default=None)
                if first is not None:
                    query = "select msg_seq_num from messages where msg_seq_num >= ?"
                    for (number,) in connection.execute(query, [first]).fetchall():
                        if number in written:
                            delays.append(time.monotonic() - written.pop(number))

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(given.files, given.files + count):
        written[number] = time.monotonic()
        with open(rng.choice(paths), "ab") as file:
            file.write(numbered(LOG, number) + b"\n")
        time.sleep(0.02)
    wait_for(lambda: len(delays) == count, "all lines are stored")
    over.set()
    looking.join()
    one.stopped()
    delays.sort()
    say(
        f"  {count:,} lines, one each 20 ms in any of them, stored after "
        + ", ".join(f"{delays[int(at * count) - 1]:.3f} s ({name})" for at, name in SHARES)
    )
    expected = Counter(f"{LOG}-{number}" for number in range(given.files + count))
    return told(
        expected=expected, stored=in_database(uri), sent=0, log=given.files + count, spool={}
    )


SHARES = [(0.5, "half of them"), (0.99, "99 of 100"), (1, "all")]


def memory(given, folder):
    """Let peers send 1,000 messages a second for a while, and show the memory each minute."""
    spool, uri = folder / "spool", f"sqlite:///{folder}/f.db"
    one = job(spool, uri)
    port = one.port()
    processes = {"job": one.process.pid, "gateway": children(one.process.pid)[0]}
    each = given.minutes * 60 * 1000 // PEERS
    peers = Peers(lambda: port, count=PEERS, messages=each, pause=PEERS / 1000)
    say(f"memory: {PEERS} peers, 1,000 messages a second together")
    began, minute = time.monotonic(), 0
    while any(thread.is_alive() for thread in peers.threads):
        if time.monotonic() - began >= 60 * minute:
            say(
                f"  minute {minute:2}: "
                + ", ".join(f"{name} {resident(pid)} MiB" for name, pid in processes.items())
            )
            minute += 1
        time.sleep(0.5)
    peers.join()
    wait_for(lambda: len(in_database(uri)) == PEERS * each, "all is stored")
    one.stopped()
    received = in_spool(spool)
    return told(
        expected=received, stored=in_database(uri), sent=PEERS * each, log=0, spool=received
    )


def resident(pid):
    """Return how much memory a process has, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) >> 8


PARTS = {"kills": kills, "disks": full_disks, "hostile": hostile, "watched": watched}
ALONE = {"memory": memory}

if __name__ == "__main__":
    sys.exit(main())
