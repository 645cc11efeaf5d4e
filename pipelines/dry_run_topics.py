"""The part of a dry run that is about topics: what is there, and what sinks have of it."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fixfeed.io.ledger.ledger import Ledger
from fixfeed.pipelines.looked_up import LookedUp
from fixfeed.pipelines.source import Source, Standing

__all__ = ["partitions_of", "show_topics", "standing_of"]


def standing_of(
    sources: Iterable[Source], ledgers: Mapping[str, Ledger | None], rules: str
) -> Standing:
    """Return how the topics of sources stand.

    `ledgers` are those of the sinks that remember what they have, by name, None for new ones.
    """
    everywhere = LookedUp(list(ledgers.values()), rules)
    sinks = {name: LookedUp([ledger], rules) for name, ledger in ledgers.items()}
    told = [source.standing(everywhere, sinks) for source in sources if source.standing is not None]
    return Standing(
        [one for each in told for one in each.partitions],
        [one for each in told for one in each.waited],
        [one for each in told for one in each.unreadable],
    )


def partitions_of(standing: Standing) -> list[dict[str, Any]]:
    """Return the partitions as objects for JSON, in the order of their topics."""
    return [
        {
            "topic": one.topic,
            "partition": one.number,
            "first_offset": one.first,
            "end_offset": one.end,
            "begins_at": one.begins,
            "sinks": {
                name: {"offsets": count, "deleted": one.deleted[name]}
                for name, count in one.stored.items()
            },
        }
        for one in standing.partitions
    ]


def show_topics(partitions: Sequence[Mapping[str, Any]], tell: Callable[[str], None]) -> None:
    """Tell people of partitions that `partitions_of` returned."""
    for topic, group in itertools.groupby(partitions, lambda one: one["topic"]):
        some = list(group)
        left = sum(max(0, one["end_offset"] - max(_places(one))) for one in some)
        count = f"{len(some):,} partition{'' if len(some) == 1 else 's'}"
        tell(f"  topic {topic} ({count}, {left:,} offsets to read)")
        for one in some:
            there = f"offsets {one['first_offset']:,} to {one['end_offset']:,}"
            begins, first = _places(one)
            gone = f"; {first - begins:,} before them were deleted (retention)"
            text = f"    partition {one['partition']}: {there}, from {begins:,} on"
            tell(text + gone * (begins < first))
        there = sum(one["end_offset"] - one["first_offset"] for one in some)
        for name in some[0]["sinks"]:
            has, lacks = (
                sum(one["sinks"][name][what] for one in some) for what in ("offsets", "deleted")
            )
            gone = f", and lacks {lacks:,} that were deleted (retention)" * bool(lacks)
            tell(f"    {name}: is done with {has:,} of the {there:,} offsets that are there{gone}")


def _places(one: Mapping[str, Any]) -> tuple[int, int]:
    """Return where the reading of a partition begins, and its first offset, which may be after."""
    return one["begins_at"], one["first_offset"]
