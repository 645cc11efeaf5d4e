"""The differences between two readings of one message, each with its kind."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fixfeed.pipelines.fidelity.copies import Copy
from fixfeed.pipelines.fidelity.levels import Key, Level, prune
from fixfeed.transforms.fix.secrets.masking import RAW_DATA, SECRETS

__all__ = ["Difference", "compare"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A place in a message that the two read differently.

    `place` shows the groups around it (`453[2].802[1]`), empty at the message's level. `ours` and
    `theirs` are the values there: None if there is no such field, asterisks if they are secret.
    `kind` is one of `KINDS`, empty if the difference is not explained.
    """

    place: str
    tag: Key
    ours: list[str] | None
    theirs: list[str] | None
    kind: str


def compare(ours: Level, theirs: Level, copy: Copy) -> list[Difference]:
    """Return the differences of two readings; `theirs` is that of `copy`.

    It undoes the changes to the copy in both, and looks in `ours` for the fields that the copy
    lacks.
    """
    keys = {key for key, _ in copy.left_out}
    kept = Counter(prune(ours, lambda key: isinstance(key, str) or key in keys))
    wanted = Counter(copy.left_out)
    found = [Difference("", key, None, [value], "") for key, value in (wanted - kept).elements()]
    found += [Difference("", key, [value], None, "") for key, value in (kept - wanted).elements()]
    for added, value in copy.added:
        theirs.fields[added].remove(value)
        if not theirs.fields[added]:
            del theirs.fields[added]
    for place, tag, mine, their in _levels(ours, theirs, ""):
        # A value that is masked in one place may be unmasked in another.
        one, other = (
            values and [copy.masks.get(value, value) for value in values]
            for values in (mine, their)
        )
        if one != other:
            kind = _kind(tag, copy)
            if (
                mine
                and one
                and other
                and sorted(one) == sorted(other)
                and _in_order(mine, copy.values[tag])
            ):
                kind = "repeated_tag"
            found.append(Difference(place, tag, mine, their, kind))
    return [_without_secret(one) for one in found]


def _without_secret(difference: Difference) -> Difference:
    if difference.tag not in (*SECRETS, RAW_DATA):
        return difference
    ours, theirs = (
        values and ["*" * len(value) for value in values]
        for values in (difference.ours, difference.theirs)
    )
    return replace(difference, ours=ours, theirs=theirs)


def _in_order(some: Iterable[str], values: Iterable[str]) -> bool:
    """Return whether `some` occur among `values` in this order."""
    rest = iter(values)
    return all(one in rest for one in some)


def _kind(tag: Key, copy: Copy) -> str:
    if "msg_type_again" in copy.repairs:
        return "msg_type_again"
    if tag in copy.lengths:
        return "data_length"
    return copy.touched.get(tag, "")


Values = list[str] | None


def _levels(ours: Level, theirs: Level, place: str) -> Iterator[tuple[str, Key, Values, Values]]:
    """Yield all places with both readings there: values of fields, and entry counts of groups."""
    for tag in ours.fields | theirs.fields:
        yield place, tag, ours.fields.get(tag), theirs.fields.get(tag)
    for tag in ours.groups | theirs.groups:
        mine, their = ours.groups.get(tag, []), theirs.groups.get(tag, [])
        if len(mine) != len(their):
            yield place, tag, [f"{len(mine)} entries"], [f"{len(their)} entries"]
        inner = f"{place}.{tag}" if place else str(tag)
        for number, (one, other) in enumerate(zip(mine, their, strict=False), 1):
            yield from _levels(one, other, f"{inner}[{number}]")
