"""One message, field by field, for people."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.decode.problems import Message, Problem, find_problems
from fixfeed.transforms.fix.dictionary.codes import NAMED_BY
from fixfeed.transforms.fix.dictionary.version import VersionDictionary
from fixfeed.transforms.fix.framing.original import single_byte
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.fields import Field, decode, facts_of, split_fields
from fixfeed.transforms.fix.scalar.groups import Mark, nest
from fixfeed.transforms.fix.scalar.masking import mask_message
from fixfeed.transforms.fix.scalar.message import dictionary_key, texts_of
from fixfeed.transforms.fix.scalar.validation import SEVERAL

__all__ = ["DecodedField", "DecodedMessage", "decode_message"]


_BEGIN_STRING = 8
"""Its value is a name already."""


class DecodedField(NamedTuple):
    """A field of a message.

    `tag` is the text before `=`, `` if there is none; `name` is that of the dictionary, the tag if
    it has none. `text` is the value, masked if it is a secret; `meaning` what the value is called,
    `` if it has no name. `depth` counts the groups that it is in; `entry` is the number of the
    entry that it begins, 0 if it begins none.
    """

    tag: str
    name: str
    text: str
    meaning: str
    depth: int
    entry: int
    problems: tuple[Problem, ...]


class DecodedMessage(NamedTuple):
    """A message: its row in a batch, its type by name, its problems, its fields in their order."""

    row: Mapping[str, Any]
    type_name: str
    problems: tuple[Problem, ...]
    fields: tuple[DecodedField, ...]


def decode_message(
    data: bytes,
    delimiter: bytes,
    row: Mapping[str, Any],
    reading: Reading,
    meanings: Meanings,
    logged_on: Mapping[str, str],
    *,
    stored: bool = False,
) -> DecodedMessage:
    r"""Return the fields of a message, nested as its JSON is (`scalar.groups`), in their order.

    `data` are its bytes as they came, `row` its row in the batch that was read with `reading` and
    `logged_on`, whose secrets are masked, and whose defects are those told here. If they are
    `stored` bytes, what is secret is masked in them already.

    >>> from fixfeed.transforms.fix.dictionary.codes import Codes
    >>> row = {"masked": None, "defects": None, "begin_string": "FIX.4.4"}
    >>> data = b"8=FIX.4.4|9=21|35=D|54=1|78=1|79=A|10=000|"
    >>> message = decode_message(data, b"|", row, Reading(), Meanings(Codes()), {})
    >>> message.type_name
    'NewOrderSingle'
    >>> for field in message.fields[3:6]:
    ...     print(field[:6])
    ('54', 'Side', '1', 'Buy', 0, 0)
    ('78', 'NoAllocs', '1', '', 0, 0)
    ('79', 'AllocAccount', 'A', '', 1, 1)
    """
    if len(delimiter) > 1:
        data, delimiter = single_byte(data, delimiter), b"\x01"
    data_tags = reading.dictionaries.data_tags
    fields: Sequence[Field]
    fields, _ = split_fields(data, delimiter, data_tags)
    by_tag = {field.tag: field.value for field in reversed(fields)}
    dictionary = reading.dictionaries.choose(*dictionary_key(by_tag), logged_on)
    msg_type = decode(by_tag[b"35"])
    tags, texts = _content(fields, by_tag)
    places, marks = _places(tags, texts, dictionary, msg_type)
    validated = reading.validate == "dictionary" and dictionary.is_known
    split = Message(
        data,
        delimiter,
        fields,
        tags,
        texts,
        msg_type,
        dictionary,
        data_tags,
        marks,
        places.keys(),
        validated,
    )
    problems = find_problems(
        split,
        [kind for kind in (row["defects"] or "").split(",") if kind],
        secret=bool(row["masked"]),
    )
    masked = None
    if row["masked"] and not stored:
        masked = mask_message(data, delimiter, fields, reading.masking, data_tags)
    if masked:
        left = {field.start: number for number, field in enumerate(masked.fields)}
        problems = _moved(problems, {n: left.get(one.start, -1) for n, one in enumerate(fields)})
        fields = masked.fields
        tags, texts = _content(fields, by_tag)
        places, _ = _places(tags, texts, dictionary, msg_type)
    keys = [row.get(name) for name in NAMED_BY]
    decoded = []
    for number, (field, tag, text) in enumerate(zip(fields, tags, texts, strict=True)):
        known = dictionary.fields.get(tag)
        name = dictionary.name(tag) if tag else decode(field.tag)
        several = known is not None and known.type in SEVERAL
        named = tag not in (0, _BEGIN_STRING)
        meaning = meanings.of(name, text, keys, several=several) if named else ""
        depth, entry = places.get(number, (0, 0))
        own = tuple(problems.get(number, ()))
        decoded.append(DecodedField(decode(field.tag), name, text, meaning, depth, entry, own))
    type_name = meanings.of("MsgType", msg_type, keys, several=False)
    return DecodedMessage(row, type_name, tuple(problems.get(-1, ())), tuple(decoded))


def _content(fields: Sequence[Field], by_tag: Mapping[bytes, bytes]) -> tuple[list[int], list[str]]:
    """Return the tags of fields, 0 for text that is none, and the texts of their values."""
    facts = [facts_of(field.tag) for field in fields]
    return [one.tag for one in facts], texts_of(fields, facts, by_tag.get(b"347"))


def _moved(
    problems: Mapping[int, Sequence[Problem]], numbers: Mapping[int, int]
) -> dict[int, list[Problem]]:
    """Return problems by the new numbers of their fields."""
    moved: dict[int, list[Problem]] = {}
    for number, own in problems.items():
        moved.setdefault(numbers.get(number, -1), []).extend(own)
    return moved


def _places(
    tags: Sequence[int], texts: Sequence[str], dictionary: VersionDictionary, msg_type: str
) -> tuple[dict[int, tuple[int, int]], list[Mark]]:
    """Return depth and entry of the fields in groups, by number, and the defects of structure."""
    # Nested under their numbers in place of their names, fields can be told apart in the entries.
    numbers = [f"#{number}" for number in range(len(tags))]
    items, marks = nest(tags, numbers, texts, dictionary, msg_type)
    places: dict[int, tuple[int, int]] = {}
    for item in items:
        if isinstance(item.value, list):
            _place_entries(item.value, 1, places)
    return places, marks


def _place_entries(
    entries: Sequence[Mapping[str, Any]], depth: int, places: dict[int, tuple[int, int]]
) -> None:
    for entry, content in enumerate(entries, 1):
        begins = entry
        for key, value in content.items():
            if key.startswith("#"):  # else it is a wrong count
                places[int(key[1:])] = depth, begins
                begins = 0
                if isinstance(value, list):
                    _place_entries(value, depth + 1, places)
