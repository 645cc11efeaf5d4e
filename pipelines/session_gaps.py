"""The gaps of sessions, as the database of a stream has them now, for its metrics."""

import datetime
import threading
from contextlib import closing
from typing import NamedTuple

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.counters import OTHERS
from fixfeed.pipelines.sinks import Sink

__all__ = ["Gaps", "SessionGaps"]

_EVERY = 10.0  # seconds between two looks
_SESSIONS = 200  # as many as metrics tell apart
_QUERY = """
select session, sum(case when missing > 0 then 1 else 0 end) as gaps, sum(missing) as numbers
from sequences where day >= ? and session is not null
group by session order by numbers desc, session
"""


class Gaps(NamedTuple):
    """What a session lacks: how many gaps there are, and how many numbers in them."""

    gaps: int
    numbers: int


class SessionGaps:
    """Looks again and again, in a thread, so that nobody who asks waits for the database.

    Gaps are those of today and yesterday, in UTC, that nothing has filled (the table `sequences`).
    `now` has them by session; while the database cannot be read, as they were. Of very many
    sessions those that lack the most are told apart, and the others are one.
    """

    def __init__(self, sink: Sink):
        """Begin to look at a database, for as long as the process lives."""
        self.now: dict[str, Gaps] = {}
        self._sink = sink
        threading.Thread(target=self._look, name="gaps", daemon=True).start()

    def _look(self) -> None:
        pause = threading.Event()
        while not pause.wait(_EVERY):
            try:
                ledger = self._sink.look()
                if ledger is not None:
                    with closing(ledger):
                        assert isinstance(ledger, Store)
                        self.now = _gaps_in(ledger)
            except SinkError:
                pass  # storing tells of it


def _gaps_in(store: Store) -> dict[str, Gaps]:
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    rows = [
        (session, Gaps(int(gaps), int(numbers)))
        for session, gaps, numbers in store.query(_QUERY, yesterday.isoformat())
    ]
    found, rest = dict(rows[:_SESSIONS]), [gaps for _, gaps in rows[_SESSIONS:]]
    if rest:
        found[OTHERS] = Gaps(sum(one.gaps for one in rest), sum(one.numbers for one in rest))
    return found
