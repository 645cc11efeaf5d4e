"""The topics of a destination: checked before anything is sent, and made if that is asked for."""

import time
from collections.abc import Iterable, Sequence

from fixfeed.io.kafka.client import Cluster, KafkaTrouble
from fixfeed.io.kafka.destination import Accepts, Destination
from fixfeed.io.kafka.whole_topic import end_of

__all__ = ["RIGHTS_ON_PROGRESS", "check_topics"]

RIGHTS_ON_PROGRESS: Sequence[str] = ("READ", "WRITE")
"""What a client has to be allowed on the topic of a ledger; on the others, WRITE."""

_PATIENCE = 8.0  # seconds until a new topic is seen
_TAKEN = 1_000_000
"""So many bytes of a record a topic takes unless it was told otherwise."""

_OF_PROGRESS = {"cleanup.policy": "compact", "segment.bytes": str(16 << 20)}
"""What the ledger said before goes soon, so that it is read quickly."""

_LEAST_OF_PROGRESS = 32 << 10  # a fact of the ledger, with its notes
_LEAST_OF_FAILURES = 1000  # a failure can be cut, but not the name of its source


def check_topics(destination: Destination, *, make: bool = True) -> dict[str, Accepts]:
    """Return which records each topic takes; {} if some are still to be made.

    With `make` those that are missing are made if the destination asks for it. Raises
    `KafkaTrouble` if the brokers do not answer, and for one that is missing otherwise, may not be
    written, takes no records of the size of those of a ledger or of failures, or would forget them;
    and if that of messages is gone, and the ledger remembers what was sent to it.
    """
    cluster = Cluster(destination.address)
    cluster.identity()  # if nobody can be asked, it says why
    missing = _missing(cluster, destination)
    if destination.topic in missing and destination.progress not in missing:
        _check_never_sent(destination)
    if missing and not destination.create:
        raise _not_there(missing, destination)
    if missing and not make:
        return {}
    for topic in missing:
        ledger = topic == destination.progress
        partitions = 1 if ledger else destination.partitions
        cluster.make(topic, partitions, _OF_PROGRESS if ledger else {})
    deadline = time.monotonic() + _PATIENCE
    while missing and (missing := _missing(cluster, destination)):
        if time.monotonic() > deadline:
            raise KafkaTrouble(f"{destination.place}: {missing[0]} was made and is not seen")
        time.sleep(0.05)
    return {topic: _accepted(cluster, topic, destination) for topic in destination.topics}


def _missing(cluster: Cluster, destination: Destination) -> list[str]:
    """Return the topics that are not there; raise `KafkaTrouble` for other trouble with one."""
    progress = destination.progress
    others = [one for one in destination.topics if one != progress]
    topics = cluster.topics(others, rights=["WRITE"])
    topics |= cluster.topics([progress], rights=RIGHTS_ON_PROGRESS)
    missing = []
    for name, found in topics.items():
        if isinstance(found, KafkaTrouble):
            if not found.gone:
                raise found
            missing.append(name)
        elif name == progress and found.partitions != 1:
            raise KafkaTrouble(
                f"{destination.place}: the topic {name} has {found.partitions} partitions, and "
                "what was sent is remembered in one; write to another topic, or make that one "
                f"anew: {_command(name, destination)}",
                lasting=True,
            )
    return missing


def _check_never_sent(destination: Destination) -> None:
    """Raise `KafkaTrouble` if the ledger has anything of a topic of messages that is gone."""
    topic, progress = destination.topic, destination.progress
    if end_of(destination.address, progress):
        raise KafkaTrouble(
            f"{destination.place}: there is no topic {topic} any more, and {progress} remembers "
            f"what was sent to it, which is not sent again: to begin anew, delete {progress} too; "
            f"to go on without it, make the topic: {_command(topic, destination)}",
            lasting=True,
        )


def _not_there(topics: Iterable[str], destination: Destination) -> KafkaTrouble:
    names = list(topics)
    commands = "; ".join(_command(topic, destination) for topic in names)
    return KafkaTrouble(
        f"{destination.place}: there is no topic {' and none '.join(names)}; add create=true to "
        f"its parameters, or make them: {commands}",
        lasting=True,
    )


def _command(topic: str, destination: Destination) -> str:
    servers = destination.address.servers
    command = f"kafka-topics.sh --bootstrap-server {servers} --create --topic {topic}"
    if topic == destination.progress:
        command += " --partitions 1"
        command += "".join(f" --config {word}={value}" for word, value in _OF_PROGRESS.items())
    return command


def _accepted(cluster: Cluster, topic: str, destination: Destination) -> Accepts:
    """Return which records a topic takes; raise `KafkaTrouble` if it cannot be what it is for."""
    settings = cluster.settings(topic)
    policy = settings.get("cleanup.policy")
    if topic == destination.progress and policy not in ("compact", None):
        raise _unfit(
            destination,
            f"the topic {topic} would forget what was sent, as its cleanup.policy is {policy}",
            f"--topic {topic} --add-config cleanup.policy=compact",
        )
    is_compacted = "compact" in (policy or "").split(",")
    if topic == destination.failures and is_compacted:
        raise _unfit(
            destination,
            f"the topic {topic} would forget all failures of a source but the last, as its "
            f"cleanup.policy is {policy}",
            f"--topic {topic} --add-config cleanup.policy=delete",
        )
    known = settings.get("max.message.bytes")
    least = {
        destination.progress: _LEAST_OF_PROGRESS,
        destination.failures: _LEAST_OF_FAILURES,
    }.get(topic, 0)
    if known is not None and int(known) < least:
        raise _unfit(
            destination,
            f"the topic {topic} takes records of {int(known):,} bytes at most, and has to take "
            f"{least:,}",
            f"--topic {topic} --add-config max.message.bytes={_TAKEN}",
        )
    told = destination.address.properties.get("message.max.bytes")
    size = min((int(one) for one in (told, known) if one is not None), default=_TAKEN)
    return Accepts(size, keyless=not is_compacted)


def _unfit(destination: Destination, what: str, change: str) -> KafkaTrouble:
    command = f"kafka-configs.sh --bootstrap-server {destination.address.servers} --alter {change}"
    return KafkaTrouble(f"{destination.place}: {what}; change that: {command}", lasting=True)
