"""A real PostgreSQL server for tests and benchmarks, with its own folder and port.

python -m tests.services.postgresql_server     # prints a URI, runs until its input ends
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from tests.services.ports import free_port

# The tests make many short-lived databases and need no durability; benchmarks keep it. Nor may
# statistics that come at any moment change the plans that tests look at.
_FAST = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum=off"]


def _program(name: str) -> str:
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")) or [shutil.which(name) or ""]
    if not found[-1]:
        raise RuntimeError(f"{name} is not installed; run: make services")
    return found[-1]


class Server:
    """A server with its data in a folder, on a port of its own; `uri` names its database."""

    def __init__(self, folder: str, *, durable: bool = False):
        """Make the data; the server is not started yet."""
        self._folder = folder
        # PostgreSQL refuses to run as root.
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        prefix = as_user if os.geteuid() == 0 else []
        if prefix:
            shutil.chown(folder, "postgres", "postgres")
        data = f"{folder}/data"
        subprocess.run(
            [*prefix, _program("initdb"), "-D", data, "-A", "trust", "-U", "fixfeed", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        port = free_port()
        self._command = [*prefix, _program("postgres"), "-D", data, "-k", folder, "-p", str(port)]
        self._command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_wal_size=4GB"]
        self._command += ["-c", "shared_buffers=256MB", *([] if durable else _FAST)]
        self.uri = f"postgresql://fixfeed@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        name = f"{self._folder}/log"
        with open(name, "ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self._folder
            )
        _wait(self.uri, self._process, name)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it with a signal, and wait until it has ended."""
        self._process.send_signal(number)
        self._process.wait()


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """Run a server and give the URI of its database `postgres`."""
    with tempfile.TemporaryDirectory(prefix="fixfeed-pg-", dir="/tmp") as folder:
        running = Server(folder, durable=durable)
        running.start()
        try:
            yield running.uri
        finally:
            running.stop()


def _wait(uri: str, process: subprocess.Popen, log: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(uri).close()
            return
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log) as lines:
                    raise RuntimeError(f"PostgreSQL did not start: {lines.read()}") from None
            time.sleep(0.05)


if __name__ == "__main__":
    with server(durable=True) as uri:
        print(uri, flush=True)
        sys.stdin.read()
