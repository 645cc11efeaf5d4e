"""Finds groups that break the specification, so that two readers may differ on them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fixfeed.pipelines.fidelity.levels import Key
from fixfeed.pipelines.fidelity.structure import Scope

__all__ = ["Nesting", "nesting_of"]


@dataclass
class Nesting:
    """The irregularities in the groups of a message.

    `foreign` are the tags inside a group that have no place in such a message. `touched` are the
    tags that may be nested in more than one way, with the kind of the reason. `depths` has, for
    each field, the number of groups around it.
    """

    foreign: set[Key] = field(default_factory=set)
    touched: dict[Key, str] = field(default_factory=dict)
    depths: list[int] = field(default_factory=list)

    def touch(self, kind: str, tags: Iterable[int], group: Scope | None = None) -> None:
        """Mark tags, and all tags of the group."""
        inside = group.members.keys() | group.inside if group else ()
        for tag in (*tags, *inside):
            self.touched.setdefault(tag, kind)


def nesting_of(keys: Iterable[Key], root: Scope, data_fields: Mapping[int, int]) -> Nesting:
    """Check the fields of a message by their tags; `root` is the message level of its type.

    `data_fields` maps the tags of data fields to those of their lengths; QuickFIX does not get a
    data field without its length.
    """
    result = Nesting()
    stack = [root]
    counts: list[int] = []  # of the open groups
    ended: set[int] = set()
    waiting: list[int] = []  # fields that are in no open group and not at the message level
    begins = False
    before = 0
    for key in keys:
        result.depths.append(len(counts))
        if not isinstance(key, int):
            continue
        if not any(key in scope.members for scope in stack):
            waiting.append(key)
            continue
        outermost = counts[:1], stack[1] if counts else None
        while key not in stack[-1].members:
            stack.pop()
            counts.pop()
            begins = False
        if before != data_fields.get(key, before):
            # QuickFIX does not get this field, so groups do not end or begin there.
            result.touch("data_length_missing", *outermost)
        before = key
        result.depths[-1] = len(counts)
        if counts and waiting:
            result.foreign |= set(waiting) - root.inside
            if root.inside.intersection(waiting):
                result.touch("member_outside", waiting)
                result.touch("member_outside", *outermost)
        waiting = []
        if begins and key != stack[-1].first:
            result.touch("first_field", *outermost)
        inner = stack[-1].members[key]
        begins = inner is not None
        if inner:
            if not counts and key in ended:
                result.touch("group_again", [key])
            ended.add(key)
            stack.append(inner)
            counts.append(key)
    return result
