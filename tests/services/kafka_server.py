"""A real Kafka broker for tests and benchmarks, with its own folder and ports.

python -m tests.services.kafka_server     # prints what to try, runs until its input ends
"""

import base64
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from tests.services.ports import free_port

USER, PASSWORD = "bob", "bob-secret"
"""Who may use the listener `sasl`, by SCRAM-SHA-512."""

TOPIC, PARTITIONS = "fix.raw", 4
"""What the broker has that people try."""

_QUIET = logging.getLogger("tests.kafka")  # a client prints that its broker was stopped
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_LISTENERS = {"plain": "PLAINTEXT", "tls": "SSL", "sasl": "SASL_SSL", "controller": "CONTROLLER"}
_HEAP = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # starts in half the time

_HEADER, _IN_BATCH = 12, 60  # bytes of a batch: offset and length, and what is before its records

_PROPERTIES = """
process.roles=broker,controller
node.id=1
listeners={listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
controller.quorum.bootstrap.servers={controller}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
min.insync.replicas=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=200
log.retention.ms=-1
log.retention.check.interval.ms=500
log.segment.delete.delay.ms=0
num.network.threads=2
num.io.threads=4
# A broker that was killed is back in 5 s; with the usual times, in 14 s.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=300
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.backoff.max.ms=300
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
"""

_LOG = """
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m%n%throwable
rootLogger.level=info
rootLogger.appenderRef.console.ref=console
"""


class Server:
    """A broker with its data in a folder, on the loopback, on ports of its own.

    `plain`, `tls` and `sasl` are its addresses: without security, where anything is allowed; with
    TLS and certificates of clients (`key`, `certificate`, user `CN=fixfeed`); with TLS and SCRAM
    (`USER`, `PASSWORD`). `ca` is the file with the certificate that both are trusted by, `other_ca`
    one that signed nothing here. A topic that has an ACL is closed to whom it does not name.
    """

    def __init__(self, folder: str):
        """Make keys and data; the broker is not started yet."""
        self._folder = Path(folder)
        addresses = {name: f"127.0.0.1:{free_port()}" for name in _LISTENERS}
        self.plain, self.tls, self.sasl = (addresses[name] for name in ("plain", "tls", "sasl"))
        self._make_keys()
        (self._folder / "log4j2.properties").write_text(_LOG)
        self._settings = self._folder / "server.properties"
        listeners = [f"{_LISTENERS[name]}://{address}" for name, address in addresses.items()]
        self._settings.write_text(
            _PROPERTIES.format(
                listeners=",".join(listeners), controller=addresses["controller"], folder=folder
            )
        )
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.cluster = "A" + identity[1:]  # no dash: it would be taken for an option
        self._run(
            "kafka.tools.StorageTool", "format", "--standalone", "-t", self.cluster,
            "-c", str(self._settings),
            "--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers. After a `stop`, data and ports are the same."""
        name = self._folder / "log"
        with open(name, "wb") as log:
            self._process = subprocess.Popen(
                _java(
                    f"-Dlog4j2.configurationFile=file:{self._folder}/log4j2.properties",
                    "kafka.Kafka",
                    str(self._settings),
                ),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
            )
        deadline = time.monotonic() + 90
        while "Kafka Server started" not in name.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not start: {name.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it with a signal, and wait until it has ended."""
        self._process.send_signal(number)
        self._process.wait()

    def pause(self) -> None:
        """Have it answer nothing, until `go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it answer again."""
        self._process.send_signal(signal.SIGCONT)

    def damage(self, topic: str, batch: int) -> Callable[[], None]:
        """Damage a batch of records in partition 0, which is in the file; return what mends it."""
        path = self._folder / "data" / f"{topic}-0" / f"{0:020}.log"
        whole, at = path.read_bytes(), 0
        for _ in range(batch):
            at += _HEADER + int.from_bytes(whole[at + 8 : at + _HEADER])
        begin = at + _HEADER + _IN_BATCH
        bytes_of = bytes(octet ^ 0xFF for octet in whole[begin : begin + 8])

        def write(octets: bytes) -> None:
            with open(path, "r+b") as file:
                file.seek(begin)
                file.write(octets)

        write(bytes_of)
        return lambda: write(whole[begin : begin + 8])

    def topic(self, partitions: int = 1, **config: str) -> str:
        """Make a topic with a name of its own and return the name; `config` as `cleanup_policy`."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.make_topic(name, partitions, **config)
        return name

    def make_topic(self, name: str, partitions: int = 1, **config: str) -> None:
        """Make a topic."""
        settings = {word.replace("_", "."): value for word, value in config.items()}
        admin = self.admin()
        made = admin.create_topics([NewTopic(name, partitions, 1, config=settings)])
        made[name].result(30)

    def ends(self, topic: str) -> list[int]:
        """Return the offset after the last record of each partition of a topic."""
        client = Consumer({"bootstrap.servers": self.plain, "group.id": "ends"}, logger=_QUIET)
        partitions = client.list_topics(topic, 10).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in sorted(partitions)]
        found = [client.get_watermark_offsets(place, 10)[1] for place in places]
        client.close()
        return found

    def allow(
        self, name: str, user: str, right: str, kind: ResourceType = ResourceType.TOPIC
    ) -> Callable[[], None]:
        """Grant a right on a topic, such as `READ`, which closes the topic to all others.

        Or on a group, by its `kind`. Return what takes the right away again, and opens it.
        """
        granted = AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[right],
            AclPermissionType.ALLOW,
        )
        admin = self.admin()
        admin.create_acls([granted])[granted].result(30)
        taken = AclBindingFilter(
            kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*",
            AclOperation[right], AclPermissionType.ALLOW,
        )  # fmt: skip
        return lambda: admin.delete_acls([taken])[taken].result(30) and None

    def admin(self) -> AdminClient:
        """Return a client that may do anything. Keep it until its futures are done."""
        return AdminClient({"bootstrap.servers": self.plain}, logger=_QUIET)

    @property
    def by_certificate(self) -> Mapping[str, str]:
        """The properties of a client at `tls`."""
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": self.ca,
            "ssl.certificate.location": self.certificate,
            "ssl.key.location": self.key,
        }

    @property
    def by_password(self) -> Mapping[str, str]:
        """The properties of a client at `sasl`, without the password."""
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": self.ca,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": USER,
        }

    def _make_keys(self) -> None:
        self.ca, self.other_ca = self._own_ca("ca"), self._own_ca("other_ca")
        self.certificate, self.key = self._signed("client", "fixfeed")
        certificate, key = self._signed("broker", "localhost")
        parts = [Path(part).read_text() for part in (key, certificate, self.ca)]
        (self._folder / "broker.pem").write_text("".join(parts))

    def _own_ca(self, name: str) -> str:
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip
        return str(self._folder / f"{name}.pem")

    def _signed(self, name: str, subject: str) -> tuple[str, str]:
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            "-subj", f"/CN={subject}", "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-CA", "ca.pem", "-CAkey", "ca.key",
            "-keyout", f"{name}.key", "-out", f"{name}.crt",
        )  # fmt: skip
        return str(self._folder / f"{name}.crt"), str(self._folder / f"{name}.key")

    def _openssl(self, *words: str) -> None:
        _check(["openssl", *words], self._folder)

    def _run(self, *words: str) -> None:
        _check(_java(*words), self._folder)


@contextmanager
def server() -> Iterator[Server]:
    """Run a broker."""
    with tempfile.TemporaryDirectory(prefix="fixfeed-kafka-", dir="/tmp") as folder:
        running = Server(folder)
        running.start()
        try:
            yield running
        finally:
            running.stop(signal.SIGKILL)  # its data are not needed any more


def _java(*words: str) -> list[str]:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    jars = Path(cache) / "fixfeed-tests" / "kafka"
    if not (jars / "pom.xml").exists() or not shutil.which("java"):
        raise RuntimeError("Java or the jars of Kafka are not installed; run: make services")
    return ["java", *_HEAP, "-cp", f"{jars}/*", *words]


def _check(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")


def to_try(running: Server) -> str:
    """Return where a broker is, and commands to try, with files of properties for its listeners."""
    folder = Path(running.ca).parent
    by_password = {**running.by_password, "sasl.password": PASSWORD}
    for name, properties in (("tls", running.by_certificate), ("sasl", by_password)):
        lines = [f"{word}={value}\n" for word, value in properties.items()]
        (folder / f"{name}.properties").write_text("".join(lines))
    fixfeed = os.path.relpath(Path(sys.executable).parent / "fixfeed")
    raw = f"kafka://{running.plain}/{TOPIC}"
    by_sasl = f"kafka://{running.sasl}/{TOPIC}?properties={folder}/sasl.properties"
    return f"""\
plain  {running.plain}   anything is allowed
tls    {running.tls}   with a certificate: properties={folder}/tls.properties
sasl   {running.sasl}   with a password: properties={folder}/sasl.properties
topic  {TOPIC}, {PARTITIONS} partitions

In another terminal, in this folder:
  {fixfeed} sample --output logs
  {fixfeed} --input 'logs/*.log*' --output '{raw}?format=raw&create=true'
  {fixfeed} --input {raw} --output sqlite:///fixfeed.db
  {fixfeed} --input '{by_sasl}' --output sqlite:///fixfeed.db
The last two read until Ctrl-C.

Ctrl-D ends the broker, and what it holds is gone."""


if __name__ == "__main__":
    with server() as running:
        running.make_topic(TOPIC, PARTITIONS)
        print(to_try(running), flush=True)
        with suppress(KeyboardInterrupt):
            sys.stdin.read()
