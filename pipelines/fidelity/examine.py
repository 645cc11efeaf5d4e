"""Reads logs with both and compares the readings, message by message."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from fixfeed.io.files.find import File, cut_ranges
from fixfeed.io.files.ranges import with_context
from fixfeed.io.files.reading import read_blocks
from fixfeed.pipelines.fidelity.compare import Difference, compare
from fixfeed.pipelines.fidelity.copies import Copy, as_text, copy_of, delimiter_of, split
from fixfeed.pipelines.fidelity.kinds import UNEXPLAINED
from fixfeed.pipelines.fidelity.levels import Key, level_of_answer, level_of_json
from fixfeed.pipelines.fidelity.quickfix_reader import QuickFix
from fixfeed.pipelines.fidelity.structure import APPL_VER_IDS, Structure, data_lengths, names_of
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.dictionary.choose import Dictionaries
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.secrets.masking import UNMASKED

__all__ = ["Example", "Found", "examine"]

_EXAMPLES = 3
_UNEXPLAINED = 20


@dataclass(frozen=True, slots=True)
class Example:
    """A message of a kind: its file and position, and the difference, if there is one."""

    file: str
    position: int
    difference: Difference | None


@dataclass
class Found:
    """The result of a comparison.

    `messages` were compared; `alike` of them were given to QuickFIX unchanged and read alike by
    both. `failures` could not be read as messages by fixfeed. `fields` and `entries` of groups are
    those of QuickFIX's reading. By kind, which may be `UNEXPLAINED`, there are the number of
    messages, the number of differences and the first examples.
    """

    messages: int = 0
    failures: int = 0
    alike: int = 0
    fields: int = 0
    entries: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))

    @property
    def unexplained(self) -> int:
        """The number of messages with a difference that no kind explains."""
        return self.by_kind[UNEXPLAINED]

    def add(
        self, file: str, position: int, kinds: set[str], differences: Sequence[Difference]
    ) -> None:
        """Count a message with its kinds and differences."""
        self.messages += 1
        kinds = kinds | {one.kind or UNEXPLAINED for one in differences}
        self.alike += not kinds
        self.by_kind.update(kinds)
        for kind in kinds:
            own = [one for one in differences if (one.kind or UNEXPLAINED) == kind]
            self.differences[kind] += len(own)
            shown = own if kind == UNEXPLAINED else own[:1]
            examples = [Example(file, position, one) for one in shown]
            examples = examples or [Example(file, position, None)]
            room = (_UNEXPLAINED if kind == UNEXPLAINED else _EXAMPLES) - len(self.examples[kind])
            self.examples[kind] += examples[:room]


class _Message(NamedTuple):
    """The keys of a message's fields in order, and its copy, with the names of its dictionaries."""

    keys: list[Key]
    copy: Copy
    names: list[str]


class _Log:
    """The state of one log while its messages are copied."""

    def __init__(self, name: str, folder: Path, ours: Path, tags: Mapping[str, int]):
        self.name = name
        self.tags = tags
        self._folder, self._ours = folder, ours
        self._structures: dict[tuple[str, ...], tuple[Structure, Structure | None]] = {}
        self._logged_on: dict[frozenset[str], str] = {}

    def message(self, raw: bytes, delimiter: bytes) -> _Message:
        """Copy the next message of the log; `delimiter` is the log's."""
        delimiter = delimiter_of(raw, delimiter)
        if len(delimiter) > 1:
            # `^A` inside data means one byte as well.
            raw, delimiter = raw.replace(delimiter, b"\x01"), b"\x01"
        found = split(raw, delimiter, data_lengths(self._folder))
        first = {key: as_text(value) for key, value in reversed(found)}
        session = frozenset([first.get(49, ""), first.get(56, "")])
        if first.get(35) == "A" and first.get(1137) in APPL_VER_IDS:
            # It holds in both directions, up to the next Logon with another version.
            self._logged_on[session] = first[1137]
        appl_ver_ids = [first.get(1128, ""), self._logged_on.get(session, "")]
        names = names_of(first.get(8, ""), appl_ver_ids)
        if tuple(names) not in self._structures:
            ours = None if self._ours == self._folder else Structure(self._ours, names)
            self._structures[*names] = Structure(self._folder, names), ours
        copy = copy_of(found, delimiter, *self._structures[*names])
        if names == ["FIXT11", "FIXT11"]:
            copy.repairs.add("unknown_version")
        return _Message([key for key, _ in found], copy, names)


def examine(
    files: Sequence[File],
    folder: Path,
    dictionaries: Dictionaries,
    advance: Callable[[int], None] = lambda _: None,
    *,
    quickfix_folder: Path | None = None,
) -> Found:
    """Read the files with both and return the result.

    fixfeed reads with `dictionaries`, and `folder` has the same as XML files. QuickFIX reads with
    these, or with those in `quickfix_folder`. `advance` is called with the bytes of each finished
    block.
    """
    found = Found()
    tags = {field.name: tag for tag, field in merged().fields.items()}
    for one in dictionaries.own:
        tags |= {name: int(tag) for tag, (name, *_) in one.definition["fields"].items()}
    theirs = quickfix_folder or folder
    with QuickFix(theirs) as quickfix:
        for file in files:
            log = _Log(file.name, theirs, folder, tags)
            ranges = cut_ranges(file, ())
            for part in with_context(ranges) if ranges else ():
                for block in read_blocks(part):
                    batch = parse_block(
                        block, fields="all", dictionaries=dictionaries, masking=UNMASKED
                    )
                    _examine_batch(batch, block.layout, log, quickfix, found)
                    advance(len(block.data))
    return found


def _examine_batch(
    batch: Batch, delimiter: bytes, log: _Log, quickfix: QuickFix, found: Found
) -> None:
    found.failures += batch.failures.num_rows
    rows = batch.messages.select(["position", "raw", "fields", "defects"]).to_pylist()
    messages = [log.message(row["raw"], delimiter) for row in rows]
    answers = quickfix.read([(message.copy.text, message.names) for message in messages])
    for row, message, answer in zip(rows, messages, answers, strict=True):
        kinds = set(message.copy.repairs)
        differences: list[Difference] = []
        if "refused" in answer:
            why = [f"refused: {answer['refused']}"]
            kind = "msg_type_again" if "msg_type_again" in kinds else ""
            differences.append(Difference("", "message", ["read"], why, kind))
        else:
            differences += _framing_differences(message, row["defects"] or "", answer, kinds)
            theirs = level_of_answer(answer)
            fields, entries = theirs.size()
            found.fields += fields
            found.entries += entries
            ours = level_of_json(orjson.loads(row["fields"]), log.tags)
            differences += compare(ours, theirs, message.copy)
        found.add(log.name, row["position"], kinds, differences)


def _framing_differences(
    message: _Message, defects: str, answer: dict[str, Any], kinds: set[str]
) -> Iterator[Difference]:
    """Yield the cases where only one of the two takes BodyLength or CheckSum for wrong.

    If both do, it is one of the `kinds`. QuickFIX computes them from its copy, so a copy that
    differs from the message proves nothing.
    """
    keys = message.keys
    framed = keys[:2] == [8, 9] and keys[-1] == 10
    if message.copy.repairs or not framed or any(keys.count(tag) > 1 for tag in (8, 9, 10)):
        return
    length, check_sum = message.copy.values[9][0], message.copy.values[10][0]
    found = set(defects.split(","))
    for kind, tag, ours, theirs in (
        (
            "body_length",
            9,
            "body_length" in found,
            not length.isdigit() or int(length) != answer["body_length"],
        ),
        (
            "check_sum",
            10,
            bool(found & {"check_sum", "check_sum_delimiter"}),
            check_sum != f"{answer['check_sum']:03d}",
        ),
    ):
        if ours and theirs:
            kinds.add(kind)
        elif ours != theirs:
            words = {True: ["wrong"], False: ["right"]}
            yield Difference("", tag, words[ours], words[theirs], "")
