"""The table of sources: the kinds of --input, and how each is found."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.files.find import Unreadable, file_at, find_files
from fixfeed.io.files.following import FollowedFiles
from fixfeed.io.files.globs import find
from fixfeed.io.files.open_files import most_open
from fixfeed.io.files.remote import EXTRAS
from fixfeed.io.files.replaying import ReplayedFiles
from fixfeed.io.redaction import redact
from fixfeed.io.stream import Feed
from fixfeed.pipelines.kafka_input import kafka_source
from fixfeed.pipelines.listeners import LISTENING
from fixfeed.pipelines.live_input import listening_source, spool_source
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.pace import PACE, pace_of
from fixfeed.pipelines.source import Found, Named, Reading, Source, SourceKind
from fixfeed.pipelines.standard_input import spool
from fixfeed.pipelines.uris import UnknownPlace, split_uri
from fixfeed.transforms.nearest import nearest
from fixfeed.transforms.protocol import Protocol

__all__ = ["SOURCES", "sources_of"]


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
        if pattern.startswith("//"):
            path = redact(pattern.lstrip("/"))
            raise UnknownPlace(
                f"{_FOLLOW}{redact(pattern)} is no URL: write {_FOLLOW}{path}, or {_FOLLOW}/{path} "
                "for a path from the root"
            )
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
_LISTENING = ("tcp", "tls")
_REPLAY = "replay:"
SOURCES: dict[str, SourceKind] = {
    _FILES: SourceKind(_files, "logs/*.log.gz", None),
    STANDARD_INPUT: SourceKind(_standard_input, "-", None),
    "follow": SourceKind(_follow, "follow:logs/*.log", None),
    "kafka": SourceKind(kafka_source, "kafka://host:9092/topic", None),
    "tcp": SourceKind(listening_source, "tcp://0.0.0.0:9876", LISTENING),
    "spool": SourceKind(spool_source, "spool:fixfeed-spool", None),
    "replay": SourceKind(_replay, "replay:logs/day.log?speed=10", PACE),
}
"""Scheme -> kind of source. A text without one of these schemes is a path, a pattern, or a URL of
Beam's file systems. `tls` is of the kind `tcp`."""


def sources_of(
    texts: Sequence[str], kafka: Mapping[str, Any] = MappingProxyType({})
) -> list[Source]:
    """Return the sources that texts name, in the order of the table; nothing is opened.

    `kafka` are the options of a run that hold for all of Kafka, by word. Raises `UnknownPlace` for
    a parameter that a kind does not have.
    """
    found: dict[str, list[Named]] = {}
    for text in texts:
        kind = _kind(text)
        known = SOURCES[kind].parameters
        named = Named(text, kafka) if known is None else Named(*split_uri(text, known))
        found.setdefault(kind, []).append(named)
    return [kind.make(found[name]) for name, kind in SOURCES.items() if name in found]


def _check_scheme(pattern: str) -> None:
    scheme, mark, rest = pattern.partition("://")
    if not mark or scheme in EXTRAS:
        return
    if scheme == "file":
        raise UnknownPlace(f"{redact(pattern)!r} names a file; write its path: {redact(rest)}")
    near = nearest(scheme.lower(), [*EXTRAS, *_LISTENING, "kafka"], cutoff=0.5)
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
