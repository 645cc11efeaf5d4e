"""What a masking hides from rules and lookups, which see what is stored and must not guess."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.dictionary.version import VERSIONS, Definition, definition, tag_key
from fixfeed.transforms.fix.rules.language import Rule, RuleError
from fixfeed.transforms.fix.rules.operands import Kind, Operand
from fixfeed.transforms.fix.schema import COLUMNS
from fixfeed.transforms.fix.secrets.masking import RAW_DATA, SECRETS, Masking

__all__ = ["check_rule", "hidden_from_lookup"]

_SESSION = (49, 56)
"""The masked tags that the column `session` may be made of."""

_WHOLE = ("raw", "fields", "prefix")
"""The columns that hold the values of all fields."""

_NO_NAMES: Mapping[int, str] = MappingProxyType({})


def check_rule(rule: Rule, masking: Masking, own_names: Mapping[int, str] = _NO_NAMES) -> Rule:
    """Return a rule that does not guess under a masking; raise `RuleError` for another one.

    A rule may ask whether a field is there unless the field is dropped. `own_names` are those that
    the rule was read with.
    """
    for term in rule.terms():
        operand = term.operand
        asks_presence = term.operator in ("exists", "missing")
        tags = _tags_of(operand, masking, own_names)
        if asks_presence:
            tags = [tag for tag in tags if masking.how[tag] == "drop"]
            tags = [] if operand.name in _WHOLE else tags
        if tags:
            raise RuleError(
                f"the rule {rule.text!r} asks for {operand.name}, and {_said(tags[0], masking)}: "
                "rules see what is stored, so this one would guess; "
                f"{_remedy(tags[0], own_names)} or leave the rule out"
            )
    return rule


def hidden_from_lookup(
    path: str, column: str, masking: Masking, own_names: Mapping[int, str] = _NO_NAMES
) -> str | None:
    """Return why a lookup joined on a column finds nothing under a masking, else None."""
    tags = _tags_of(Operand(column, column, (), Kind.TEXT), masking, own_names)
    if not tags:
        return None
    return (
        f"the lookup {path} is joined on {column}, and {_said(tags[0], masking)}: lookups see what "
        f"is stored, so this one would find nothing; {_remedy(tags[0], own_names)} or "
        "join on another column"
    )


def _tags_of(operand: Operand, masking: Masking, own_names: Mapping[int, str]) -> list[int]:
    """Return the masked tags whose values an operand shows."""
    tags: set[int] = set()
    if operand.column == "session":
        tags.update(_SESSION)
    elif operand.column in _WHOLE:
        tags |= masking.tags.difference(SECRETS, () if masking.raw_data_everywhere else (RAW_DATA,))
    tags.update(column.tag for column in COLUMNS if column.name == operand.column)
    for key in operand.keys:
        tags |= {tag for tag in masking.tags if key == tag_key(tag)}
        tags |= {tag for tag, name in own_names.items() if name == key}
        tags |= _tags_named(key)
    if any(tag in merged().fields and merged().fields[tag].type == "NUMINGROUP" for tag in tags):
        # Without one of their fields, the entries of a group may run together.
        tags |= {tag for tag in _members() & masking.tags if masking.how[tag] == "drop"}
    return sorted(tags & masking.tags)


@cache
def _members() -> frozenset[int]:
    """Return the tags that are members of groups in any version."""
    found: set[int] = set()

    def collect(content: Definition, members: Iterable[Any], *, inside: bool) -> None:
        for what, _, *inner in members:
            if isinstance(what, str):
                collect(content, content["components"][what], inside=inside)
                continue
            if inside:
                found.add(what)
            if inner:
                collect(content, inner[0], inside=True)

    for content in map(definition, VERSIONS):
        for _, _, members in content["messages"].values():
            collect(content, members, inside=False)
    return frozenset(found)


@cache
def _tags_named(name: str) -> frozenset[int]:
    return frozenset(tag for tag, field in merged().fields.items() if field.name == name)


def _said(tag: int, masking: Masking) -> str:
    done = {"mask": "masked", "hash": "hashed", "drop": "dropped"}[masking.how[tag]]
    where = " in Logons" if tag == RAW_DATA and not masking.raw_data_everywhere else ""
    return f"the values of {tag} are {done}{where}"


def _remedy(tag: int, own_names: Mapping[int, str]) -> str:
    if tag in SECRETS or tag == RAW_DATA:
        # By number: after a name such as Password the word would be taken for one, and not shown.
        return f"keep them (--mask {tag}=keep)"
    field = merged().fields.get(tag)
    return f"leave {field.name if field else own_names.get(tag, str(tag))} out of --mask"
