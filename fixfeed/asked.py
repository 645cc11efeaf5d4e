"""From the words of a caller to what is wanted, and how it is read."""

import os
from collections.abc import Sequence
from typing import Any, TypedDict

from fixfeed.fields import keys_of
from fixfeed.transforms.fix.dictionary.own import read_dictionaries
from fixfeed.transforms.fix.framing.delimiter import read_delimiter
from fixfeed.transforms.fix.prefix.log_format import read_log_format
from fixfeed.transforms.fix.protocol import FIX, Fix
from fixfeed.transforms.fix.reading import VALIDATE, Reading
from fixfeed.transforms.fix.rules.language import Rule as FixRule
from fixfeed.transforms.fix.secrets.masking import read_masking
from fixfeed.transforms.keep import Rule, read_rules
from fixfeed.transforms.nearest import did_you_mean
from fixfeed.wanted import OF_A_RUN, Wanted, columns_of

__all__ = ["HowToRead", "fix_of", "listed", "messages_wanted"]

_PARTIES = {49: "SenderCompID", 56: "TargetCompID"}
_WANTED = ("columns", "include", "exclude", "floats", "workers")


class HowToRead(TypedDict, total=False):
    """How logs are read, in the words of the job's flags (`fixfeed --help`).

    Texts are as for the flags; a list may be one text. `mask_key` is the key of hashes.
    """

    validate: str
    dictionary: str | Sequence[str]
    default_appl_ver_id: str
    mask: str | Sequence[str]
    mask_key: bytes
    delimiter: str | None
    captured_at: str | Sequence[str]
    log_time_zone: str | None
    we_are: str | Sequence[str]


def messages_wanted(
    columns: str | Sequence[str] | None,
    include: str | Sequence[str],
    exclude: str | Sequence[str],
    floats: bool,
    how: HowToRead,
    *,
    without: str = "",
) -> Wanted:
    """Return what is wanted of messages; the column `without` is not to be had."""
    fix = fix_of(how)
    every = [name for name in columns_of(fix.table) if name != without]
    wanted = every if columns is None else listed(columns)
    if without in wanted:
        raise ValueError(f"there is no column {without!r}: what is read is not in a file")
    own_names = fix.reading.dictionaries.own_names
    keys = {name: keys_of(name, own_names) for name in wanted if name not in every}
    return Wanted(
        fix,
        tuple(wanted),
        include=_rules(include, fix),
        exclude=_rules(exclude, fix),
        floats=floats,
        fields={name: found for name, found in keys.items() if found},
    )


def _rules(texts: str | Sequence[str], fix: Fix) -> tuple[Rule, ...]:
    rules = read_rules(listed(texts), fix.reading.dictionaries, fix.reading.masking)
    for rule in rules:
        for name in OF_A_RUN:
            if isinstance(rule, FixRule) and name in rule.columns:
                raise ValueError(
                    f"the rule {rule.text!r} asks about {name}, which only a job fills"
                )
    return tuple(rules)


def fix_of(how: HowToRead) -> Fix:
    """Return FIX as it is to be read. Raises `ValueError`; `TypeError` for an unknown word."""
    for word in how:
        if word not in HowToRead.__annotations__:
            known = [*HowToRead.__annotations__, *_WANTED]
            hint = did_you_mean(word, known) or f"; there are {', '.join(known)}"
            raise TypeError(f"there is no option {word!r}{hint}")
    validate = how.get("validate", FIX.reading.validate)
    if validate not in VALIDATE:
        raise ValueError(f"validate is {validate!r}, expected one of {', '.join(VALIDATE)}")
    dictionaries = read_dictionaries(
        listed(how.get("dictionary", ())), how.get("default_appl_ver_id", "9")
    )
    masking = read_masking(
        listed(how.get("mask", ())), key=how.get("mask_key", b""), own_names=dictionaries.own_names
    )
    log = read_log_format(
        captured_at=listed(how.get("captured_at", ())),
        time_zone=how.get("log_time_zone"),
        we_are=listed(how.get("we_are", ())),
    )
    for tag, name in _PARTIES.items():
        if log.we_are and tag in masking.tags:
            raise ValueError(
                f"we_are compares with {name}, which mask hides; leave out one of them"
            )
    reading = Reading(validate=validate, dictionaries=dictionaries, masking=masking)
    return Fix(reading, log, _delimiter(how.get("delimiter")))


def _delimiter(text: str | None) -> bytes | None:
    try:
        return None if text is None else read_delimiter(text)
    except ValueError as error:
        raise ValueError(f"delimiter is {text!r}, {error}") from error


def listed(one_or_many: Any) -> list[Any]:
    """Return one text or path, or many, as a list."""
    one = isinstance(one_or_many, str | os.PathLike)
    return [one_or_many] if one else list(one_or_many)
