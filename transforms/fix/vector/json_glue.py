"""The JSON text between the values of two fields that follow each other, by their places."""

from typing import NamedTuple

import orjson

from fixfeed.transforms.fix.dictionary.version import BODY, HEADER, Scope, with_tag_keys

__all__ = [
    "BAD",
    "DOUBT",
    "NEW",
    "NO_FIELD",
    "STRAY",
    "WHOLE_ROW",
    "PairText",
    "Slot",
    "pair_text",
    "row_end",
]

NEW, BAD, DOUBT, STRAY = 1, 2, 4, 8
"""Flags of a pair: the second field begins an entry; only the scalar parser can tell; the order of
an entry is in doubt; the second field is not a member of the group that it is in."""

_SECTIONS = "Header", "Body", "Trailer"


class Slot(NamedTuple):
    """A field's place: its level (`scope`, None if there is no field), its tag and name.

    `position` is that among the members of the level, -1 for a field that is not one of them. If a
    repeated tag makes an array, `kind` is `[` for the first of its fields and `,` for the others.
    `order` is the part of the message; for a field that is not a member, that of the next field.

    The slot of 453 NoPartyIDs in an order, as in `35=D|453=1|448=X`:

    >>> from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
    >>> order = BUILT_IN.choose("FIX.4.4", "", "->", {}).scope("D")
    >>> counted = Slot(order, 453, "NoPartyIDs", order.position[453], order=BODY)
    >>> counted.key, counted.end, counted.depth
    ('"NoPartyIDs":[', ']', 0)

    That of 448 PartyID is one level below, where it is the first member:

    >>> party = Slot(counted.inner, 448, "PartyID", 0, order=BODY)
    >>> party.key, party.end, party.depth
    ('"PartyID":"', '"', 1)
    """

    scope: Scope | None
    tag: int = 0
    name: str = ""
    position: int = -1
    kind: str = ""
    order: int = 0

    @property
    def inner(self) -> Scope | None:
        """The scope of the group that the field counts."""
        return self.scope.members.get(self.tag) if self.scope and self.position >= 0 else None

    @property
    def depth(self) -> int:
        """How many groups the field is in."""
        return self.scope.depth if self.scope else 0

    @property
    def section(self) -> int:
        """The part of the message that the field is written in."""
        return self.order if self.position >= 0 else min(self.order, BODY)

    @property
    def key(self) -> str:
        """The text from the name to the value."""
        opening = "[" if self.inner else '["' if self.kind else '"'
        return f"{orjson.dumps(self.name).decode()}:{opening}"

    @property
    def end(self) -> str:
        """The text that closes the value."""
        return "]" if self.inner else '"]' if self.kind == "," else '"'


NO_FIELD = Slot(None)
"""Comes before the first row and after the last one."""

WHOLE_ROW = Slot(None, name="whole row")
"""A row whose JSON is known already."""


class PairText(NamedTuple):
    """Flags, and the text between two values: in one object, and in one with the message's parts.

    The text before the first row's first field begins the row, that after the last row ends it.

    Of `8=FIX.4.4|35=D|55=A|...` the pair of MsgType (35, header) and Symbol (55, body):

    >>> from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
    >>> order = BUILT_IN.choose("FIX.4.4", "", "->", {}).scope("D")
    >>> msg_type = Slot(order, 35, "MsgType", order.position[35], order=HEADER)
    >>> symbol = Slot(order, 55, "Symbol", order.position[55], order=BODY)
    >>> pair_text(msg_type, symbol, start=False)
    PairText(flags=0, plain='","Symbol":"', parts='"},"Body":{"Symbol":"')

    The other way round they cannot be written in parts, so the scalar parser has to do it:

    >>> pair_text(symbol, msg_type, start=False).flags == BAD
    True
    """

    flags: int
    plain: str
    parts: str


def pair_text(before: Slot, slot: Slot, *, start: bool) -> PairText:
    """Return the text between the value of `before` and that of `slot`.

    `start` means that `slot` begins a row, and `before` is the last field of the row before. In one
    object tags without a name have the key `tag_key`, in parts their number, as the standard says.
    """
    pair = _pair_text(before, slot, start=start)
    return pair._replace(plain=with_tag_keys(pair.plain.encode()).decode())


def _pair_text(before: Slot, slot: Slot, *, start: bool) -> PairText:
    if start:
        plain, parts = row_end(before)
        if slot.scope is None:
            return PairText(0, plain, parts)
        opening = '{"Header":{' + _to_section(HEADER, slot.section, "")
        flags = BAD if slot.depth else 0
        return PairText(flags, f"{plain}{{{slot.key}", f"{parts}{opening}{slot.key}")
    if before.scope is None or slot.scope is None:
        return PairText(BAD, "", "")
    if slot.kind == ",":
        return PairText(0, '","', '","')
    return _within_row(before, slot)


def _within_row(before: Slot, slot: Slot) -> PairText:
    begins = slot.depth > 0 and slot.position >= 0 and slot.tag == slot.scope.first  # type: ignore[union-attr]
    if before.inner and before.inner is slot.scope:
        # The first field of the first entry.
        if not begins:
            return PairText(BAD, "", "")
        return PairText(NEW, "{" + slot.key, "{" + slot.key)
    # `last` is the position of the last member before this one at the level of this one.
    text, last = before.end, before.position
    scope: Scope | None = before.scope
    while scope is not slot.scope and scope is not None and scope.parent:
        text += "}]"
        last = scope.parent.position[scope.count]
        scope = scope.parent
    if scope is not slot.scope or slot.scope is None:
        return PairText(BAD, "", "")
    if begins:
        text += "},{" + slot.key
        return PairText(NEW, text, text)
    if slot.depth:
        flags = 0
        strangers = slot.position < 0 and before.position < 0 and before.scope is slot.scope
        if strangers or (slot.position >= 0 and (last < 0 or slot.position <= last)):
            flags = DOUBT
        if slot.position < 0:
            flags |= STRAY
        text += "," + slot.key
        return PairText(flags, text, text)
    if slot.section < before.section:
        # Parts can be written as they come only if they are in their order.
        return PairText(BAD, "", "")
    return PairText(
        0,
        f"{text},{slot.key}",
        text + _to_section(before.section, slot.section, ",") + slot.key,
    )


def _to_section(at: int, to: int, same: str) -> str:
    """Return the text that leads from inside one part of the message into another."""
    if at == to:
        return same
    text = "}"
    for section in range(at + 1, to):
        text += f',"{_SECTIONS[section]}":{{}}'
    return text + f',"{_SECTIONS[to]}":{{'


def row_end(last: Slot) -> tuple[str, str]:
    """Return the text from the last value of a row to its end, plain and in parts."""
    if last.scope is None:
        return "", ""
    text = last.end + "}]" * last.depth
    rest = "".join(f',"{name}":{{}}' for name in _SECTIONS[last.section + 1 :])
    return text + "}", f"{text}}}{rest}}}"
