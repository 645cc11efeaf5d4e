"""Clients of Kafka: what they have in common, and what is wrong when they reach nothing.

librdkafka answers a request that fails with little more than "Failed to get metadata". The cause
comes another way, to `error_cb`; `Cluster` puts the two together into one sentence.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fixfeed.io.kafka.address import Address, about_property
from fixfeed.io.kafka.topic_ids import as_told
from fixfeed.io.redaction import redact_text
from fixfeed.transforms.nearest import did_you_mean

try:
    from confluent_kafka import (
        Consumer,
        KafkaError,
        KafkaException,
        Message,
        Producer,
        TopicCollection,
        TopicPartition,
    )
    from confluent_kafka.admin import (
        AclOperation,
        AdminClient,
        ConfigResource,
        NewTopic,
        ResourceType,
    )
except ImportError as error:
    raise ModuleNotFoundError(
        "Kafka needs the library confluent-kafka; install it with: pip install 'fixfeed[kafka]'"
    ) from error

__all__ = [
    "QUIET",
    "Cluster",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "KafkaTrouble",
    "Message",
    "Producer",
    "Topic",
    "TopicPartition",
    "consumer_of",
    "is_damage",
    "is_lasting",
    "no_rights",
    "reason_of",
]

T = TypeVar("T")

QUIET = logging.getLogger("fixfeed.kafka")
"""The logger of all clients: librdkafka would print what it does to standard error."""
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False

_PATIENCE = 8.0  # seconds to wait for a broker
_FIRST = 6.0  # the same for its first answer: a job has to have started as well in ten seconds
_STEP = 1.0
_GRACE = 0.5  # seconds in which the cause of an error may still come
_CAUSES = (
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError._RESOLVE,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
)
"""Errors that waiting does not mend."""
_DAMAGE = (
    KafkaError._BAD_COMPRESSION,
    KafkaError._BAD_MSG,
    KafkaError._NOT_IMPLEMENTED,
    KafkaError._UNDERFLOW,
)
"""What damaged records are called: their check sum, what they are compressed to, their version."""
_OF_CONSUMERS: Mapping[str, Any] = {"check.crcs": True, "fetch.max.bytes": 2 << 20}
_BESIDE = (".failures", ".progress")
"""The ends of names of topics that outputs have beside that of messages: seldom meant."""
_TOO_LATE = (KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError.REQUEST_TIMED_OUT)
_NO_TLS = "PLAINTEXT broker listener"
_NO_CERTIFICATE = ("certificate required", "bad certificate")
"""What librdkafka says of more of them."""


class KafkaTrouble(Exception):
    """Brokers cannot be asked, or refuse; the text says which it is and what to do, in a line.

    With `lasting`, trying again will not help as long as nobody does something. `gone` means that
    a topic is not there.
    """

    def __init__(self, text: str, *, lasting: bool = False, gone: bool = False):
        """Store the text."""
        super().__init__(redact_text(" ".join(text.split())))
        self.lasting = lasting
        self.gone = gone


@dataclass(frozen=True)
class Topic:
    """A topic as it is now: its id, `` if the broker tells none, and its number of partitions.

    `leaderless` are the numbers of those that no broker leads: all that have them are away.
    """

    name: str
    topic_id: str
    partitions: int
    leaderless: tuple[int, ...] = ()


class Cluster:
    """The brokers of an address, asked about themselves and their topics. Not for two threads."""

    def __init__(self, address: Address):
        """Connect in the background. Raises `KafkaTrouble` for a property that is wrong."""
        self._address = address
        self._heard: list[KafkaError] = []
        self._connect()

    def _connect(self) -> None:
        """Have a client that has met no broker yet.

        One that has may go on waiting for a broker that is gone, while others answer: the one that
        it took for the controller.
        """
        self._admin = _made(AdminClient, self._address, {"error_cb": self._heard.append})

    def identity(self, patience: float = _FIRST) -> str:
        """Return the id of the cluster. Raises `KafkaTrouble` two seconds after `patience`."""

        def described() -> Any:
            return self._admin.describe_cluster(request_timeout=_STEP).result(_STEP + _GRACE)

        return str(self._asked(described, patience).cluster_id or "")

    def so_far(self) -> KafkaTrouble:
        """Return what is wrong as far as is known, while nobody has answered yet."""
        self._admin.poll(0)
        return self._trouble(None)

    def names(self) -> list[str]:
        """Return the names of all topics that may be seen, without Kafka's own."""
        topics = self._asked(lambda: self._admin.list_topics(timeout=_STEP)).topics
        return sorted(name for name in topics if not name.startswith("__"))

    def topics(
        self, names: Collection[str], *, rights: Sequence[str] = ("READ",)
    ) -> dict[str, "Topic | KafkaTrouble"]:
        """Return each topic, or what is wrong with it: it is not there, or a right is missing.

        Raises `KafkaTrouble` if nobody answers. No topic is made by asking.
        """
        try:
            answers = self._described(names)
        except (KafkaException, TimeoutError):
            self._connect()
            try:
                answers = self._described(names)
            except (KafkaException, TimeoutError) as error:
                self._admin.poll(_GRACE if not self._heard else 0)
                raise self._trouble(_asked_of(error)) from None
        found: dict[str, Topic | KafkaTrouble] = {}
        for name, told in answers.items():
            if isinstance(told, KafkaError):
                found[name] = self._topic_trouble(name, told, rights)
                continue
            may = told.authorized_operations
            has_all = not may or AclOperation.ALL in may
            lacking = [one for one in rights if not has_all and AclOperation[one] not in may]
            if lacking:
                what = " or ".join(one.lower() for one in lacking)
                found[name] = no_rights(self._address, name, what, lacking)
            else:
                leaderless = [one.id for one in told.partitions if one.leader is None]
                found[name] = Topic(
                    name, as_told(told.topic_id), len(told.partitions), tuple(leaderless)
                )
        return found

    def _described(self, names: Collection[str]) -> dict[str, Any]:
        """Return what brokers say of each topic, be it an error.

        Raises `KafkaException` for what librdkafka says itself: no broker has been asked, and
        `TimeoutError` if it says nothing, as after a time in which the process stood still.
        """
        futures = self._asked(
            lambda: self._admin.describe_topics(
                TopicCollection(list(names)),
                include_authorized_operations=True,
                request_timeout=_PATIENCE / 2,
            )
        )
        answers: dict[str, Any] = {}
        for name, future in futures.items():
            try:
                answers[name] = future.result(_PATIENCE / 2 + _STEP)
            except KafkaException as error:
                if error.args[0].code() < 0:
                    raise
                answers[name] = error.args[0]
        return answers

    def make(self, name: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic, with as many partitions as is usual there if `partitions` is -1.

        It is no trouble if it is there already. Raises `KafkaTrouble`.
        """
        topic = NewTopic(name, partitions, config=dict(config))
        try:
            self._admin.create_topics([topic])[name].result(_PATIENCE)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise KafkaTrouble(
                    f"{self._address.shown}: cannot make the topic {name}: {error.args[0].str()}",
                    lasting=True,
                ) from None
        except TimeoutError:
            raise KafkaTrouble(
                f"{self._address.shown}: no answer whether the topic {name} was made"
            ) from None

    def settings(self, name: str) -> Mapping[str, str]:
        """Return the settings of a topic, {} if this client may not look at them."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        try:
            found = self._admin.describe_configs([resource])[resource].result(_PATIENCE)
        except (KafkaException, TimeoutError):
            return {}
        return {word: str(entry.value) for word, entry in found.items()}

    def _topic_trouble(self, name: str, error: KafkaError, rights: Sequence[str]) -> KafkaTrouble:
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            names = [one for one in self.names() if one != name]
            if not name.endswith(_BESIDE):
                names = [one for one in names if not one.endswith(_BESIDE)]
            near = did_you_mean(name, names)
            return KafkaTrouble(
                f"{self._address.shown}: there is no topic {name}{near}", lasting=True, gone=True
            )
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return no_rights(self._address, name, "see", rights)
        return KafkaTrouble(f"{self._address.shown}: topic {name}: {error.str()}")

    def _asked(self, ask: Callable[[], T], patience: float = _PATIENCE) -> T:
        """Return the answer to a question, asked again until it comes or the cause is known."""
        self._heard.clear()
        deadline = time.monotonic() + patience
        while True:
            try:
                return ask()
            except (KafkaException, TimeoutError) as error:
                self._admin.poll(_GRACE if not self._heard else 0)
                known = any(map(is_lasting, self._heard))
                if known or time.monotonic() > deadline:
                    raise self._trouble(_asked_of(error)) from None

    def _trouble(self, asked: KafkaError | None) -> KafkaTrouble:
        cause = max(self._heard, key=_weight, default=asked)
        text = reason_of(cause, self._address.properties) if cause else "there is no answer"
        lasting = cause is not None and is_lasting(cause)
        return KafkaTrouble(f"{self._address.shown}: {text}", lasting=lasting)


def _asked_of(error: KafkaException | TimeoutError) -> KafkaError | None:
    return error.args[0] if isinstance(error, KafkaException) else None


def no_rights(address: Address, topic: str, what: str, rights: Sequence[str]) -> KafkaTrouble:
    """Return the trouble with a topic that this client may not `what`, for want of rights."""
    user = address.properties.get("sasl.username")
    who = f"user {user}" if user else "this client"
    return KafkaTrouble(
        f"{address.shown}: {who} may not {what} the topic {topic}; have the "
        f"right{'s' * (len(rights) > 1)} {' and '.join(rights)} granted on it (kafka-acls --add)",
        lasting=True,
    )


def consumer_of(address: Address, settings: Mapping[str, Any]) -> Consumer:
    """Return a consumer at an address. Raises `KafkaTrouble` for a property that is wrong.

    Unless the address says otherwise (`check.crcs`) it checks what it fetches, as Java's does: else
    damaged bytes would be read as records. That takes no time that could be measured.
    It holds what `queued.max.messages.kbytes` says, and what one fetch more has, which is counted
    while it is compressed: so `fetch.max.bytes` is small (measured: 391 MiB that are 11 MiB with
    zstd, in 40 partitions, take 890 MiB with the usual 50 MiB a fetch, and 190 with 2 MiB).
    """
    ours = {name: address.properties.get(name, value) for name, value in _OF_CONSUMERS.items()}
    return _made(Consumer, address, {**ours, **settings})


def _made(kind: Callable[..., T], address: Address, settings: Mapping[str, Any]) -> T:
    try:
        return kind({"logger": QUIET, **address.client, **settings})
    except KafkaException as error:
        text = about_property(error.args[0].str(), address.doubtful)
        if "GSSAPI" in text:
            text = "name how the password is checked, as in sasl.mechanism=SCRAM-SHA-512"
        raise KafkaTrouble(f"{address.shown}: {text}", lasting=True) from None


def is_lasting(error: KafkaError) -> bool:
    """Return whether an error is one that waiting does not mend."""
    return error.code() in _CAUSES or any(one in error.str() for one in (_NO_TLS, *_NO_CERTIFICATE))


def is_damage(error: KafkaError) -> bool:
    """Return whether an error of a partition says that what is stored of it is damaged."""
    return error.code() in _DAMAGE


def _weight(error: KafkaError) -> int:
    """Return how much an error says: the cause, then what it was that failed, then nothing."""
    if is_lasting(error):
        return 2
    return 0 if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT) else 1


def reason_of(error: KafkaError, properties: Mapping[str, str]) -> str:
    """Return what an error of librdkafka means, and what to do about it."""
    code, text = error.code(), error.str()
    secure = properties.get("security.protocol", "PLAINTEXT").upper()
    if code in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        return (
            f"the broker does not accept user {properties.get('sasl.username', '(none)')} with "
            "this password: check sasl.username, sasl.password and sasl.mechanism"
        )
    if any(one in text for one in _NO_CERTIFICATE):
        return (
            "the broker wants a certificate of the client that it trusts: name it with "
            "ssl.certificate.location and ssl.key.location"
        )
    if code == KafkaError._SSL:
        if "verify failed" in text:
            return (
                "the certificate of the broker is not trusted: name the file with the certificate "
                "of who signed it, as in ssl.ca.location=ca.pem"
            )
        return f"TLS fails: {text}"
    if code == KafkaError._RESOLVE:
        return f"there is no such host: {text}; check the name of the broker"
    if "Connection refused" in text:
        return "nobody listens there: check host and port, and that the broker runs"
    if _NO_TLS in text:
        return "the broker speaks no TLS at this port: check the port and security.protocol"
    if code in _TOO_LATE:
        return "the brokers do not answer in time: check that they run, and the way to them"
    if secure in ("PLAINTEXT", "SASL_PLAINTEXT") and (
        code == KafkaError._ALL_BROKERS_DOWN or "Disconnected" in text or "closed" in text
    ):
        return (
            "the broker ends every connection without a word: perhaps it wants TLS or a password, "
            "as in security.protocol=SASL_SSL, or it is no Kafka broker"
        )
    if code == KafkaError._ALL_BROKERS_DOWN:
        return "no broker can be asked: check host and port, and security.protocol"
    return f"no broker can be asked: {text}"
