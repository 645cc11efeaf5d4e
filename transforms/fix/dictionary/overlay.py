"""Lays one dictionary over another: a counterparty's over that of its version of FIX."""

from collections.abc import Iterator, Mapping
from typing import Any

from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError

__all__ = ["lay_over"]

_Members = list[Any]


def lay_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dictionary with all that `top` defines, and from `base` what `top` does not.

    All three are as `dictionary.quickfix_xml.read_definition` describes. The result shares
    lists with the two, which stay as they are.

    * The version is `top`'s.
    * A field has `top`'s name and type, and the values of both, with `top`'s meanings. Which
      other values it may hold is decided by `top`, else by `base`.
    * A message, the header and the trailer have `top`'s members in their order, then those of
      `base`'s whose tag is nowhere in `top`'s, not even in a group. A group in both is merged
      likewise, wherever it is; one with no member left is left out.
    * A component is as `top` defines it, else as `base` does. If only `base` has a message or
      component, and it names a component that `top` defines otherwise, that name is replaced by
      `base`'s members. In a message to which `base` adds members, names are replaced by members
      too. A member that is not required in a component, or is in a component that is not required,
      is not required.

    Raises:
      DictionaryError: Two tags would have one name.
    """
    fields = _fields(base["fields"], top["fields"])
    lower = {name: _resolved(one, base["components"]) for name, one in base["components"].items()}
    upper = {name: _resolved(one, top["components"]) for name, one in top["components"].items()}
    changed = {name: one for name, one in lower.items() if upper.get(name, one) != one}

    def merged(below: _Members, above: _Members) -> _Members:
        # Most of a counterparty's file is the standard's: that need not be resolved.
        if below == above == _resolved(below, changed):
            return above
        whole = _resolved(above, lower | upper)
        both = _merged(_resolved(below, lower), whole)
        return above if both == whole else both

    messages = {
        msg_type: [name, admin, _resolved(members, changed)]
        for msg_type, (name, admin, members) in base["messages"].items()
    }
    for msg_type, (name, admin, members) in top["messages"].items():
        if msg_type in base["messages"]:
            members = merged(base["messages"][msg_type][2], members)
        messages[msg_type] = [name, admin, members]
    components = {name: _resolved(one, changed) for name, one in base["components"].items()}
    return {
        "version": top["version"],
        "fields": fields,
        "components": components | top["components"],
        "header": merged(base["header"], top["header"]),
        "trailer": merged(base["trailer"], top["trailer"]),
        "messages": messages,
    }


def _fields(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(base)
    for tag, (name, kind, values, *union) in top.items():
        before = base.get(tag, [])
        listed = before[2] | values if before else values
        fields[tag] = [name, kind, listed, *(union or before[3:])]
    tags: dict[str, str] = {}
    for tag, (name, *_) in fields.items():
        other = tags.setdefault(name, tag)
        if other != tag:
            raise DictionaryError(
                f"tags {other} and {tag} are both named {name} once one dictionary lies over the "
                f"other, expected a name for each: rename one of them in the upper dictionary"
            )
    return fields


def _resolved(members: _Members, components: Mapping[str, _Members]) -> _Members:
    """Return the members with those of the given components in place of their names."""
    result: _Members = []
    for what, required, *inside in members:
        if what in components:
            for tag, needed, *inner in _resolved(components[what], components):
                result.append([tag, needed and required, *inner])
        else:
            result.append([what, required, *(_resolved(one, components) for one in inside)])
    return result


def _merged(below: _Members, above: _Members) -> _Members:
    """Return the members above, followed by those that are only below; both are resolved."""
    taken = {tag for tag, *_ in _all(above)}
    groups = {tag: inside[0] for tag, _, *inside in _all(below) if inside}

    def merged(lower: _Members, upper: _Members) -> _Members:
        result: _Members = []
        for tag, required, *inside in upper:
            result.append([tag, required, *(merged(groups.get(tag, []), one) for one in inside)])
        for tag, required, *inside in lower:
            rest = [merged(one, []) for one in inside]
            if tag not in taken and [] not in rest:
                result.append([tag, required, *rest])
        return result

    return merged(below, above)


def _all(members: _Members) -> Iterator[_Members]:
    """Yield the members and those of the groups among them."""
    for member in members:
        yield member
        for inside in member[2:]:
            yield from _all(inside)
