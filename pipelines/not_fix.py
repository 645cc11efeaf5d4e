"""Finds files with nothing, or almost nothing, read as FIX; mostly their delimiter is unknown."""

from collections.abc import Mapping, Sequence

from fixfeed.io.files.find import File
from fixfeed.pipelines.metrics import Read
from fixfeed.pipelines.plan import Plan

__all__ = ["nothing_read", "without_fix", "words_for"]

_ENOUGH = 20
_MOST = 9
"""A file with this many times more failures than messages is suspicious, from `_ENOUGH` on."""


def without_fix(plan: Plan, read: Mapping[str, Read]) -> list[tuple[File, Read]]:
    """Return the files that were read from their beginning and have no FIX, or hardly any.

    A file that is empty or had nothing new is not among them.
    """
    found = []
    begun = {file.key for file in plan.begun}
    for file in plan.files:
        one = read.get(file.key, Read())
        if file.key not in begun and any(one) and _is_suspicious(one):
            found.append((file, one))
    return found


def _is_suspicious(read: Read) -> bool:
    return not read.messages or read.failures >= max(_ENOUGH, _MOST * read.messages)


def nothing_read(
    plan: Plan, read: Mapping[str, Read], suspicious: Sequence[tuple[File, Read]]
) -> bool:
    """Return whether a run read nothing as FIX although there was something to read.

    Text next to files that were done before is normal, such as a log of events next to one of
    messages. Fields that cannot be read are not normal.
    """
    if not suspicious or sum(map(any, read.values())) > len(suspicious):
        return False
    before = plan.finished or plan.begun
    return not before or any(one.failures for _, one in suspicious)


def words_for(suspicious: Sequence[tuple[File, Read]]) -> list[str]:
    """Return the summary's notes on such files, with what may help."""
    texts = []
    with_fields = [pair for pair in suspicious if pair[1].failures]
    text_only = [pair for pair in suspicious if not pair[1].failures]
    if with_fields:
        file, one = with_fields[0]
        much = "almost nothing" if one.messages else "nothing"
        flag = ", and add --reprocess" if "name it with --delimiter" in one.seen else ""
        texts.append(
            f"{much} in {file.name}{_more(with_fields)} was read as FIX: {one.messages:,} "
            f"messages, {one.failures:,} failures, {one.lines:,} lines without FIX; what was "
            f"seen: {one.seen}{flag}; fixfeed failures shows all"
        )
    if text_only:
        file, one = text_only[0]
        texts.append(
            f"nothing in {file.name}{_more(text_only)} looks like FIX ({one.lines:,} lines); is it "
            "the right file for --input?"
        )
    return texts


def _more(files: Sequence[object]) -> str:
    return f" and {len(files) - 1} more" if len(files) > 1 else ""
