"""What a kind of --input is: how it is found, and how what comes without end is read."""

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fixfeed.io.files.find import File, Unreadable
from fixfeed.io.files.following import Register
from fixfeed.io.stream import Feed, Remembered, Stored
from fixfeed.pipelines.option import Option
from fixfeed.transforms.protocol import Protocol

if typing.TYPE_CHECKING:  # it needs the library of Kafka
    from fixfeed.io.kafka.sharded import TopicsElsewhere
    from fixfeed.io.kafka.standing import PartitionStanding

__all__ = [
    "Elsewhere",
    "Found",
    "Ledgers",
    "Named",
    "Reading",
    "Source",
    "SourceKind",
    "Standing",
    "Stream",
]

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
    stops it. `away` is given why nothing can be read, as long as that is so, and then ``. If it
    `is_over`, the run was stopped before it began, and nothing is read.
    """

    protocol: Protocol
    ledgers: Ledgers
    stop: Callable[[], bool]
    say: Callable[[str], None]
    away: Callable[[str], None]
    longest: int
    spool: Path
    keep: float
    commit_after: float
    paused: Callable[[], bool] = lambda: False
    is_over: bool = False


Stream = Callable[[Reading], Feed]
"""Makes the feed of a stream."""

Elsewhere = Callable[[Protocol, Stored, int], "TopicsElsewhere"]
"""Makes what workers of a cluster read a stream by."""


class Standing(NamedTuple):
    """How topics stand: their partitions, what is waited for, and what cannot be read."""

    partitions: Sequence["PartitionStanding"]
    waited: Sequence[str]
    unreadable: Sequence[Unreadable]


class Named(NamedTuple):
    """A source as --input names it: its text without parameters, and their values by word.

    If parameters are part of the text, the values are those that hold for all texts.
    """

    text: str
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A source of a run.

    `look(protocol)` returns what there is to read and consumes nothing. `find(protocol, folder,
    stop)` returns what the run is to read. Input that can be read only once is copied into
    `folder`, the run's own, to its end or until `stop` returns true.

    A source without end is a `stream`: `stream(reading)` gives what comes, and `find` is not used.
    One that workers of a cluster can read by themselves has `elsewhere(protocol, stored, longest)`
    too, for so many bytes of a message at most. One of topics has `standing(everywhere, sinks)`:
    given what all sinks have, and what each has by name, it tells how its topics stand, and changes
    nothing.
    """

    look: Callable[[Protocol], Found]
    find: Callable[[Protocol, Path, Callable[[], bool]], Found]
    stream: Stream | None = None
    elsewhere: Elsewhere | None = None
    standing: Callable[[Remembered, Mapping[str, Remembered]], Standing] | None = None


@dataclass(frozen=True)
class SourceKind:
    """Makes a source of texts of --input.

    `make(named)` makes one source of all texts of this kind. `parameters` are those that a text may
    have, None if a question mark is part of it.
    """

    make: Callable[[Sequence[Named]], Source]
    example: str
    parameters: Sequence[Option] | None = ()
