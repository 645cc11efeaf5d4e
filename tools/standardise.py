"""Turns QuickFIX's dictionary of a version into that of the FIX standard."""

from collections.abc import Iterator, Sequence
from typing import Any

from orchestra import Orchestra
from standard import ALLOWED, FIELDS, GROUPS, MEMBERS

__all__ = ["standardise"]

_Definition = dict[str, Any]
_Members = list[Any]
_Resolved = dict[int, "_Resolved | None"]

_REFERRING = ("FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2")
"""The versions in which fields refer to others for their values as in FIX 4.4."""


def standardise(name: str, content: _Definition, orchestra: dict[str, Orchestra]) -> None:
    """Add to a dictionary the members, groups and listed values that only the standard has.

    `name` is that of the version (`FIX44`); `orchestra` has the versions with a file. QuickFIX's
    content stays, but members that only QuickFIX requires become optional. The first member of a
    group stays the first.

    Raises:
      SystemExit: An addition has no place.
    """
    for group in GROUPS:
        if group.version == name:
            for msg_type in group.msg_types:
                members = _level(content, content["messages"][msg_type][2], group.path)
                _make_group(members, group.counted_by, group.inside)
    for version, tag, field, kind in FIELDS:
        if version == name:
            content["fields"][str(tag)] = [field, kind, {}]
    for member in MEMBERS:
        if member.version == name:
            if member.place in content["components"]:
                members = content["components"][member.place]
            else:
                members = content["messages"][member.place][2]
            level = _level(content, members, member.path)
            after = member.after
            for tag in member.tags:
                _insert(content, level, after, [tag, 0])
                after = tag
    if name in orchestra:
        _add_members(content, orchestra[name])
        _list_values(content, orchestra[name])
    _allow(name, content["fields"])
    if name in _REFERRING:
        _refer(content["fields"], orchestra["FIX44"])


def _resolve(content: _Definition, members: _Members) -> _Resolved:
    found: _Resolved = {}
    for what, _, *inside in members:
        if isinstance(what, str):
            for tag, inner in _resolve(content, content["components"][what]).items():
                found.setdefault(tag, inner)
        else:
            found.setdefault(what, _resolve(content, inside[0]) if inside else None)
    return found


def _level(content: _Definition, members: _Members, path: Sequence[int]) -> _Members:
    """Return the members of a group, which may be in components."""
    for count in path:
        inside = next(_groups(content, members, count), None)
        if inside is None:
            raise SystemExit(f"{content['version']}: no group {count} of {path}")
        members = inside
    return members


def _groups(content: _Definition, members: _Members, count: int) -> Iterator[_Members]:
    for what, _, *inside in members:
        if isinstance(what, str):
            yield from _groups(content, content["components"][what], count)
        elif what == count and inside:
            yield inside[0]


def _insert(content: _Definition, members: _Members, after: int, new: list[Any]) -> None:
    """Insert a member after another one, or after the component that has that one."""
    for at, (what, *_) in enumerate(members, 1):
        inside = {} if isinstance(what, int) else _resolve(content, content["components"][what])
        if what == after or after in inside:
            members.insert(at, new)
            return
    raise SystemExit(f"{content['version']}: no member {after} for {new} to stand after")


def _make_group(members: _Members, count: int, inside: Sequence[int]) -> None:
    at = [what for what, *_ in members].index(count)
    group = members[at + 1 : at + 1 + len(inside)]
    if [what for what, *_ in group] != list(inside):
        raise SystemExit(f"{inside} are not the fields after {count}, but {group}")
    members[at : at + 1 + len(inside)] = [[*members[at][:2], group]]


def _add_members(content: _Definition, standard: Orchestra) -> None:
    frame = [*content["header"], *content["trailer"]]
    for msg_type, wanted in standard.messages.items():
        members = content["messages"][msg_type][2]
        _complete(content, members, wanted, frame)
        _make_optional(members, standard, msg_type, ())
    for msg_type, wanted in standard.messages.items():
        found = _resolve(content, [*frame, *content["messages"][msg_type][2]])
        if not _has(found, wanted):
            raise SystemExit(f"{content['version']}: {msg_type} lacks members of the standard")


def _complete(
    content: _Definition, members: _Members, wanted: _Resolved, frame: Sequence[Any] = ()
) -> None:
    """Add the members in `wanted` to a level and its groups, unless these or `frame` have them."""
    before = 0
    known = _resolve(content, [*frame, *members])
    for tag, inside in wanted.items():
        if tag not in known:
            new = [tag, 0] if inside is None else [tag, 0, _optional(inside)]
            _insert(content, members, before, new)
        elif inside:
            for group in _groups(content, [*frame, *members], tag):
                _complete(content, group, inside)
        before = tag


def _optional(wanted: _Resolved) -> _Members:
    return [
        [tag, 0] if inside is None else [tag, 0, _optional(inside)]
        for tag, inside in wanted.items()
    ]


def _has(found: _Resolved, wanted: _Resolved) -> bool:
    """Return whether all wanted tags were found, groups as groups."""
    return all(
        tag in found
        and (inside is None) == (found[tag] is None)
        and _has(found[tag] or {}, inside or {})
        for tag, inside in wanted.items()
    )


def _make_optional(
    members: _Members, standard: Orchestra, msg_type: str, path: tuple[int, ...]
) -> None:
    """Make members optional that the standard does not require; components are already like it."""
    for member in members:
        tag = member[0]
        if isinstance(tag, int):
            if (msg_type, path, tag) in standard.optional:
                member[1] = 0
            for inside in member[2:]:
                _make_optional(inside, standard, msg_type, (*path, tag))


def _list_values(content: _Definition, standard: Orchestra) -> None:
    """List values as the standard does; QuickFIX's meanings stay."""
    fields = content["fields"]
    names = {value: one[0] for value, one in content["messages"].items()}
    for tag, one in standard.fields.items():
        listed = names if one.listed_by == 35 else fields[str(one.listed_by)][2]
        values = {value: listed.get(value, meaning) for value, meaning in one.values.items()}
        fields[str(tag)][2] = values | fields[str(tag)][2]
        if values and one.union:
            fields[str(tag)][3:] = [one.union]


def _allow(name: str, fields: dict[str, list[Any]]) -> None:
    """Set the type of the values that fields may hold besides the listed ones."""
    for versions, union, tags in ALLOWED:
        for tag in tags.split() if name in versions else ():
            if not fields[tag][2]:
                raise SystemExit(f"{name}: {tag} has no listed values, so it may hold any")
            fields[tag][3:] = [union]


def _refer(fields: dict[str, list[Any]], standard: Orchestra) -> None:
    """List the values for fields that refer to another field ("Valid values: see PartyRole")."""
    for tag, one in standard.fields.items():
        own, other = fields.get(str(tag)), fields.get(str(one.listed_by))
        if own and other and one.listed_by not in (tag, 35):
            if not own[2]:
                own[2] = dict(other[2])
            if own[2] and not own[3:]:
                own[3:] = other[3:]
