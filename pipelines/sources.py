"""The table of sources: the kinds of --input, and how each is found."""

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.files.find import File, Unreadable, file_at, find_files
from fixfeed.io.files.following import FollowedFiles, Register
from fixfeed.io.files.globs import find
from fixfeed.io.files.open_files import most_open
from fixfeed.io.files.remote import EXTRAS
from fixfeed.io.files.replaying import ReplayedFiles
from fixfeed.io.kafka.address import read_uri
from fixfeed.io.live.feed import SpoolFeed
from fixfeed.io.live.spool import DEFAULT
from fixfeed.io.redaction import redact
from fixfeed.io.stream import Feed, Stored
from fixfeed.pipelines.gateway_process import GatewayProcess
from fixfeed.pipelines.listeners import LISTENING, listener_of, once_each
from fixfeed.pipelines.option import Option, UsageError
from fixfeed.pipelines.pace import PACE, pace_of
from fixfeed.pipelines.standard_input import spool
from fixfeed.pipelines.uris import UnknownPlace, split_uri
from fixfeed.transforms.nearest import nearest
from fixfeed.transforms.protocol import Protocol

__all__ = ["SOURCES", "Found", "Named", "Reading", "Source", "SourceKind", "Stream", "sources_of"]

Found = tuple[list[File], list[Unreadable]]
"""The files to read, and those that cannot be read."""


class Ledgers(Register, Stored, typing.Protocol):
    """The ledgers of all sinks, as streams ask them."""


@dataclass(frozen=True)
class Reading:
    """How a stream is read.

    It ends once `stop` returns true. `say` is given a sentence about what people should know, and
    `longest` is the largest number of bytes of a message. `spool` is where what comes from networks
    is made durable, and `keep` for how many seconds it stays there once it is stored. A message may
    wait `commit_after` seconds for others. While `paused` returns true, a stream that has a clock
    stops it.
    """

    protocol: Protocol
    ledgers: Ledgers
    stop: Callable[[], bool]
    say: Callable[[str], None]
    longest: int
    spool: Path
    keep: float
    commit_after: float
    paused: Callable[[], bool] = lambda: False


Stream = Callable[[Reading], Feed]
"""Makes the feed of a stream."""


class Named(NamedTuple):
    """A source as --input names it: its text without parameters, and their values by word."""

    text: str
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A source of a run.

    `look(protocol)` returns what there is to read and consumes nothing. `find(protocol, folder,
    stop)` returns what the run is to read. Input that can be read only once is copied into
    `folder`, the run's own, to its end or until `stop` returns true.

    A source without end is a `stream`: `stream(reading)` gives what comes, and `find` is not used.
    """

    look: Callable[[Protocol], Found]
    find: Callable[[Protocol, Path, Callable[[], bool]], Found]
    stream: Stream | None = None


@dataclass(frozen=True)
class SourceKind:
    """Makes a source of texts of --input.

    `make(named)` makes one source of all texts of this kind. `parameters` are those that a text may
    have, None if a question mark is part of it.
    """

    make: Callable[[Sequence[Named]], Source]
    example: str
    parameters: Sequence[Option] | None = ()


def _files(named: Sequence[Named]) -> Source:
    patterns = [one.text for one in named]
    for pattern in patterns:
        _check_scheme(pattern)
    return Source(
        lambda protocol: find_files(patterns, protocol),
        lambda protocol, _folder, _stop: find_files(patterns, protocol),
    )


def _standard_input(_named: Sequence[Named]) -> Source:
    def find(protocol: Protocol, folder: Path, stop: Callable[[], bool]) -> Found:
        spooled = spool(folder, stop)
        if isinstance(spooled, Unreadable):
            return [], [spooled]
        return [file_at(spooled, STANDARD_INPUT, protocol)], []

    return Source(lambda _protocol: ([], []), find)


def _follow(named: Sequence[Named]) -> Source:
    patterns = [one.text.removeprefix(_FOLLOW) for one in named]
    for pattern in patterns:
        if "://" in pattern or not pattern:
            raise UnknownPlace(
                f"{_FOLLOW}{redact(pattern)} names no local files; write follow:logs/*.log, and "
                "read files elsewhere, whole, without follow:"
            )

    def look(protocol: Protocol) -> Found:
        there = [pattern for pattern in patterns if find(pattern).paths]
        return find_files(there, protocol)

    return Source(
        look,
        lambda protocol, _folder, _stop: look(protocol),
        lambda reading: FollowedFiles(
            patterns,
            reading.protocol,
            reading.ledgers,
            stop=reading.stop,
            say=reading.say,
            longest=reading.longest,
        ),
    )


def _kafka(named: Sequence[Named]) -> Source:
    if len(named) > 1:
        raise UnknownPlace(
            "one job reads from one Kafka: name several topics in one URI, with commas between, "
            "and start another job for other brokers"
        )
    try:
        from fixfeed.io.kafka.beginning import read_from
        from fixfeed.io.kafka.client import Cluster, KafkaTrouble
        from fixfeed.io.kafka.topics import OURS, KafkaTopics, patterns_of
    except ModuleNotFoundError as error:
        raise UnknownPlace(str(error)) from error
    try:
        address = read_uri(named[0].text, own=["group", "from"], ours=OURS)
        read_from(address.own.get("from", "earliest"))
        patterns_of(address.topics)
    except ValueError as error:
        raise UnknownPlace(str(error)) from error

    def look(_protocol: Protocol) -> Found:
        try:
            topics = Cluster(address).topics([t for t in address.topics if not t.startswith("^")])
        except KafkaTrouble as trouble:
            return [], [Unreadable(address.shown, str(trouble))]
        wrong = [one for one in topics.values() if isinstance(one, KafkaTrouble)]
        return [], [Unreadable(address.shown, str(one)) for one in wrong]

    def stream(reading: Reading) -> Feed:
        try:
            return KafkaTopics(
                address,
                reading.protocol,
                reading.ledgers,
                stop=reading.stop,
                say=reading.say,
                longest=reading.longest,
            )
        except KafkaTrouble as trouble:
            raise UnknownPlace(str(trouble)) from trouble

    return Source(look, lambda protocol, _folder, _stop: look(protocol), stream)


def _listen(named: Sequence[Named]) -> Source:
    listeners = once_each(listener_of(*one) for one in named)

    def stream(reading: Reading) -> Feed:
        gateway = GatewayProcess(listeners, reading.spool, reading.say)
        return _spooled(reading.spool, reading, [one.folder for one in listeners], gateway)

    return Source(_nothing, lambda protocol, _folder, _stop: _nothing(protocol), stream)


def _spool(named: Sequence[Named]) -> Source:
    folders = [Path(one.text.removeprefix(_SPOOL)) for one in named]
    if len(folders) > 1 or not named[0].text.removeprefix(_SPOOL) or folders[0].is_file():
        raise UnknownPlace(
            f"{_SPOOL} wants one folder that fixfeed gateway writes, such as {_SPOOL}{DEFAULT}, "
            f"found {' and '.join(redact(one.text) for one in named)}"
        )
    return Source(
        _nothing,
        lambda protocol, _folder, _stop: _nothing(protocol),
        lambda reading: _spooled(folders[0], reading),
    )


def _spooled(
    folder: Path,
    reading: Reading,
    addresses: Sequence[str] | None = None,
    gateway: GatewayProcess | None = None,
) -> Feed:
    return SpoolFeed(
        folder,
        addresses,
        reading.protocol,
        reading.ledgers,
        stop=reading.stop,
        say=reading.say,
        keep=reading.keep,
        longest=reading.longest,
        gather=reading.commit_after,
        gateway=gateway,
    )


def _nothing(_protocol: Protocol) -> Found:
    return [], []


def _replay(named: Sequence[Named]) -> Source:
    patterns = [one.text.removeprefix(_REPLAY) for one in named]
    for pattern in patterns:
        if not pattern:
            raise UnknownPlace(f"{_REPLAY} names no logs; write replay:logs/day.log?speed=10")
        _check_scheme(pattern)
    pace = pace_of([one.given for one in named])

    def look(protocol: Protocol) -> Found:
        return find_files(patterns, protocol)

    def stream(reading: Reading) -> Feed:
        files, unreadable = look(reading.protocol)
        if len(files) > most_open():
            raise UsageError(
                f"a replay holds all its files open: found {len(files):,}, and {most_open():,} are "
                "possible here; replay them day by day, or raise the limit (ulimit -n)"
            )
        return ReplayedFiles(
            files,
            reading.protocol,
            reading.ledgers,
            pace,
            stop=reading.stop,
            paused=reading.paused,
            say=reading.say,
            unreadable=unreadable,
        )

    return Source(look, lambda protocol, _folder, _stop: look(protocol), stream)


_FILES = "file"
_FOLLOW = "follow:"
_SPOOL = "spool:"
_LISTENING = ("tcp", "tls")
_REPLAY = "replay:"
SOURCES: dict[str, SourceKind] = {
    _FILES: SourceKind(_files, "logs/*.log.gz", None),
    STANDARD_INPUT: SourceKind(_standard_input, "-", None),
    "follow": SourceKind(_follow, "follow:logs/*.log", None),
    "kafka": SourceKind(_kafka, "kafka://host:9092/topic", None),
    "tcp": SourceKind(_listen, "tcp://0.0.0.0:9876", LISTENING),
    "spool": SourceKind(_spool, "spool:fixfeed-spool", None),
    "replay": SourceKind(_replay, "replay:logs/day.log?speed=10", PACE),
}
"""Scheme -> kind of source. A text without one of these schemes is a path, a pattern, or a URL of
Beam's file systems. `tls` is of the kind `tcp`."""


def sources_of(texts: Sequence[str]) -> list[Source]:
    """Return the sources that texts name, in the order of the table; nothing is opened.

    Raises `UnknownPlace` for a parameter that a kind does not have.
    """
    found: dict[str, list[Named]] = {}
    for text in texts:
        kind = _kind(text)
        known = SOURCES[kind].parameters
        named = Named(text, {}) if known is None else Named(*split_uri(text, known))
        found.setdefault(kind, []).append(named)
    return [kind.make(found[name]) for name, kind in SOURCES.items() if name in found]


def _check_scheme(pattern: str) -> None:
    scheme, mark, rest = pattern.partition("://")
    if not mark or scheme in EXTRAS:
        return
    if scheme == "file":
        raise UnknownPlace(f"{redact(pattern)!r} names a file; write its path: {redact(rest)}")
    near = nearest(scheme, [*EXTRAS, *_LISTENING], cutoff=0.5)
    guess = f"; did you mean {redact(f'{near}://{rest}')}?" if near else ""
    examples = ", ".join([*(kind.example for kind in SOURCES.values()), "s3://bucket/day.log"])
    raise UnknownPlace(f"input {redact(pattern)!r} is none of {examples}{guess}")


def _kind(text: str) -> str:
    scheme, colon, _ = text.partition(":")
    if text == STANDARD_INPUT or (colon and scheme in SOURCES):
        return scheme
    if scheme in _LISTENING and colon:
        return "tcp"
    return _FILES
