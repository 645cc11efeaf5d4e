"""Names of counterparties that an option gives, and that no session has: most are mistyped."""

from collections.abc import Collection, Sequence

from fixfeed.pipelines.deriving_by import read_copied
from fixfeed.pipelines.session_names import ends_of
from fixfeed.pipelines.terminal import visible
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["unmatched_copies", "unmatched_parties"]


def unmatched_copies(texts: Sequence[str], sessions: Collection[str]) -> list[str]:
    """Return a sentence for each text of --drop-copy that none of the sessions matches.

    >>> unmatched_copies(["BROKER->DROPCPY"], ["FIX.4.4:BROKER->DROPCOPY"])
    ['drop-copy BROKER->DROPCPY is no session that was read; did you mean BROKER->DROPCOPY?']
    """
    ends = {ends_of(session) for session in sessions}
    found = []
    for text in texts if ends else ():
        copies = read_copied([text])
        if not copies:  # none
            continue
        named, _, firm = (part.strip() for part in text.partition("="))
        if not any(copies.copied(*pair) is not None for pair in ends):
            near = did_you_mean(named, ["->".join(pair) for pair in ends])
            found.append(f"drop-copy {text} is no session that was read{visible(near)}")
        elif firm and not any(firm == sender for sender, _ in ends):
            near = did_you_mean(firm, {sender for sender, _ in ends})
            found.append(f"drop-copy {text}: nothing that was read is from {firm}{visible(near)}")
    return found


def unmatched_parties(we_are: Sequence[str], sessions: Collection[str]) -> list[str]:
    """Return a sentence if none of --we-are is an end of one of the sessions.

    >>> unmatched_parties(["BROKR"], ["FIX.4.4:BROKER->FUND"])
    ['we-are BROKR: nothing that was stored is from or to it; did you mean BROKER?']
    """
    ends = {end for session in sessions for end in ends_of(session)}
    if not (we_are and ends) or ends.intersection(we_are):
        return []
    near = did_you_mean(we_are[0], ends)
    return [f"we-are {', '.join(we_are)}: nothing that was stored is from or to it{visible(near)}"]
