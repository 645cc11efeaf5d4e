"""The services of Compose work together, told what Compose tells them, on real servers here."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.pipelines.jobs import FIXFEED
from tests.pipelines.test_follow import wait_until
from tests.services.ports import free_port
from tests.services.stored import rows_in
from tests.transforms.fix.messages import encode

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]


@contextmanager
def running(name, here, folder):
    """Run a service in a folder; stop it by a signal, which it has to end well after.

    `here` has what is elsewhere on this machine than in Compose.
    """
    words = [word for word in SERVICES[name]["command"] if "kafka://" not in word]
    for there, instead in here.items():
        words = [word.replace(there, str(instead)) for word in words]
    process = subprocess.Popen(
        [*FIXFEED, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()


def healthy(name, here):
    """Run the health check of a service, as Compose does; return whether it is healthy."""
    *_, url = SERVICES[name]["healthcheck"]["test"]
    for there, instead in here.items():
        url = url.replace(there, str(instead))
    script = DEPLOY / "docker" / "healthy.py"
    return subprocess.run([sys.executable, script, url], capture_output=True).returncode == 0


def test_what_peers_send_is_in_the_database_and_on_the_pages(postgresql, tmp_path):
    here = {
        "/var/lib/fixfeed/spool": tmp_path / "spool",
        "postgresql://fixfeed@postgresql/fixfeed": postgresql,
        **{port: free_port() for port in ("9876", "9465", "9464", "8080", "8501")},
    }
    folder = tmp_path / "current"
    folder.mkdir()
    sent = b"".join(encode([(35, b"0"), (49, b"A"), (56, b"B"), (34, n)]) for n in (b"1", b"2"))
    assert not healthy("job", here)
    with (
        running("gateway", here, folder),
        running("job", here, folder),
        running("dashboard", here, folder),
    ):
        for name in ("gateway", "job", "dashboard"):
            wait_until(lambda name=name: healthy(name, here))
        with socket.create_connection(("127.0.0.1", here["9876"]), 30) as peer:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)
        wait_until(lambda: len(rows_in(postgresql, "msg_seq_num")) == 2)
        api = f"http://127.0.0.1:{here['8501']}/api/messages/count"
        with urllib.request.urlopen(api) as answer:
            assert json.load(answer) == {"messages": 2}
        elsewhere = urllib.request.Request(api, headers={"Host": "elsewhere.example.com"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(elsewhere)
    assert sorted(rows_in(postgresql, "msg_seq_num")) == [1, 2]
    assert os.listdir(folder) == []
