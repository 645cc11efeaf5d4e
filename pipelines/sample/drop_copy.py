"""A drop copy: the execution reports of a session, sent to a third party on another session."""

import random
from collections.abc import Iterator

from fixfeed.pipelines.sample.day import DAY, OPEN, Sent, Session, heartbeat, planned_day, send_day
from fixfeed.pipelines.sample.event import Event

__all__ = ["drop_copy"]

_MILLI = 10**6


def drop_copy(
    session: Session, messages: int, of: Session, of_messages: int, rng: random.Random
) -> Iterator[Sent]:
    """Yield `messages` messages of the session that copies the day of `of`.

    The day is the one that `trading_day(of, of_messages, rng)` makes with the same state of `rng`.
    Heartbeats fill what the reports leave; of more reports than there is room for the last are
    left out.
    """
    reports = [
        Event(event.at + 2 * _MILLI, False, "8", [*event.body, (797, b"Y")], None, event.execution)
        for event in planned_day(of, of_messages, rng)
        if event.kind == "8"
    ]
    room = messages - 4
    del reports[room:]
    missing = room - len(reports)
    beats = [heartbeat(OPEN + DAY * n // missing, rng) for n in range(missing)]
    return send_day(session, sorted([*reports, *beats], key=lambda event: event.at))
