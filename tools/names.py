"""Names the values of fields, in one style, from QuickFIX's constants and the standard's texts.

A name reads as in a sentence (`Partially filled`), with abbreviations and names of fields in FIX's
spelling (`VWAP`, `Unknown ClOrdID`). QuickFIX's constants give the words; where the standard says
the same words (Orchestra of 4.2 and 4.4), its text has their hyphens and capitals as well. What is
cut, wrong or unclear in a constant is in `MENDED`.
"""

import re
from typing import Any

from mended import DATATYPES, MENDED, SHARED, SHARED_BY_ENDING
from orchestra import Orchestra
from spelling import as_sentence, spelt

__all__ = ["listed_by", "named"]

_Fields = dict[str, list[Any]]

_REMARK = re.compile(r"\s*[(\[].*|\s*[*]$")
_SIGNS = re.compile(r"[^a-z0-9]+")
_FIRST_OF_SWAPS = 40_000
_PARTS = ("Leg", "Underlying")
_MENDED_TAGS = sorted({key[0] for key in MENDED if isinstance(key, tuple)})


def named(fields: _Fields, standards: list[Orchestra]) -> dict[str, dict[str, str]]:
    """Return the name of each listed value by tag and value; `fields` are as in `union.json`."""
    texts = {}
    for one in standards:
        texts |= one.texts
    result = {}
    for tag, (_, _, values, *_) in fields.items():
        like = _like(fields, tag)
        result[tag] = {
            value: MENDED.get((like, value))
            or _name(int(tag), value, name, texts.get((int(tag), value), ""))
            for value, name in values.items()
        }
    return result


def _like(fields: _Fields, tag: str) -> int:
    """Return the tag of the mended field that lists the same values as this one, its own if none.

    A few values may be missing: FIX adds to one list first (LegSettlType, SettlType).
    """
    if int(tag) in _MENDED_TAGS:
        return int(tag)
    listed = fields[tag][2].items()
    for other in _MENDED_TAGS:
        both = listed & fields[str(other)][2].items()
        if len(both) > 4 and len(both) >= 0.8 * len(listed):
            return other
    return int(tag)


def _name(tag: int, value: str, constant: str, text: str) -> str:
    if constant in MENDED:
        return MENDED[constant]
    if tag in DATATYPES:
        return DATATYPES[tag].get(value, constant)
    said = _REMARK.sub("", text.strip('"')).strip(' ".-\u2013')
    # One word there is a constant again (`InBiddingProcess`).
    if _plain(said) == _plain(constant) and (" " in said or " " not in constant):
        return as_sentence(said)
    return spelt(constant)


def listed_by(fields: _Fields) -> dict[str, str]:
    """Return, for fields without listed values, the tag of the field that lists them.

    FIX says so in the text on the field: "Valid values: see PartyRole". Such a field has the
    other's name at the end of its own (LegSide, RootPartyRole) and its type.
    """
    tags = {name: tag for tag, (name, *_) in fields.items()}
    found = {str(tag): str(other) for tag, other in SHARED.items()}
    for tag, (name, kind, values, *_) in fields.items():
        if not values and tag not in found:
            endings = (name[at:] for at in range(1, len(name) - 3))
            other = next((one for one in endings if one in tags and _lists(fields, one, tags)), "")
            if other and fields[tags[other]][1] == kind and _shares(int(tag), name, other):
                found[tag] = tags[other]
    return found


def _lists(fields: _Fields, name: str, tags: dict[str, str]) -> bool:
    return bool(fields[tags[name]][2])


def _shares(tag: int, name: str, other: str) -> bool:
    begin = name.removesuffix(other)
    if "Cstm" in begin:
        return False
    # The many fields of swaps are alike in name, and not always in what they list.
    return tag < _FIRST_OF_SWAPS or begin in _PARTS or other in SHARED_BY_ENDING


def _plain(text: str) -> str:
    return _SIGNS.sub("", text.lower())
