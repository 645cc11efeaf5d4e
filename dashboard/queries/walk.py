"""Walks over messages in the order of time, from a place on, and stops where time is up."""

import datetime
import time as clock
from collections.abc import Iterator, Sequence
from typing import Any

from fixfeed.dashboard import moments
from fixfeed.dashboard.database import Database
from fixfeed.dashboard.moments import LAST
from fixfeed.dashboard.queries.cursor import Place
from fixfeed.dashboard.queries.known_minutes import known_minutes
from fixfeed.dashboard.queries.order_of_time import TIME_SQL, among, in_time, until
from fixfeed.dashboard.search.conditions import Condition
from fixfeed.dashboard.view import View, seen_sessions

__all__ = ["Walk"]

_PIECE = 4000  # messages that are looked through at first; then what takes a third of the time
_LARGEST_PIECE = 200_000
_CANDIDATES = 500  # rows that are checked at once
_FIRST_MINUTES = 20  # that are asked for at first; then four times as many, and so on
_MINUTES = 500  # at the most
_MINUTE = datetime.timedelta(minutes=1)
_BEYOND = (1 << 63) - 1  # all message_ids


class Walk:
    """One walk over the messages of a view, to older ones or to newer ones.

    After `find`, `reached` is where it had to stop because time was up, and looking goes on there;
    None if it has found enough, or has come to the end.
    """

    def __init__(self, database: Database, view: View, columns: Sequence[str], *, older: bool):
        """Read the search; raises `SearchError`."""
        self.older = older
        self.reached: Place | None = None
        self._database = database
        self._view = view
        self._search = view.search
        searched = self._search.selected
        self._names = (*dict.fromkeys(columns), "time")
        self._selected = ", ".join(
            [
                *dict.fromkeys(columns),
                f"{TIME_SQL} as time",
                *(f"{sql} as {name}" for name, sql in searched.items()),
            ]
        )
        self._kept: list[Condition] = []
        defective = any(
            term.operand.column == "defects" and term.operator != "missing"
            for term in self._search.required()
        )
        self._from = "messages"
        if database.dialect == "sqlite":
            # Without statistics SQLite would rather sort all messages of a symbol.
            self._from += f" indexed by messages_{'defects' if defective else 'time'}"
        self._all = [Condition("defects is not null")] if defective else []
        self._sessions = seen_sessions(database, view)
        if self._sessions is not None:
            self._kept.append(among(database, "session", self._sessions))
        if view.types:
            self._kept.append(among(database, "msg_type", view.types))
        self._conditions = [*self._kept]
        if self._search.rule:
            self._conditions.append(self._search.condition(database))
        self._known = known_minutes(database, self._search)
        self._piece = _PIECE
        self._rows: list[dict[str, Any]] = []

    def find(self, place: Place | None, wanted: int, seconds: float) -> list[dict[str, Any]]:
        """Return the next rows beyond a place, None for the end of time, as they are walked to."""
        self._wanted, self._third = wanted, seconds / 3
        self._deadline = clock.monotonic() + seconds
        if self._sessions == []:
            return []
        timeless = place is not None and place.time is None
        parts = [] if timeless and self.older else [True]
        if self._view.begin is None and self._view.end is None and (timeless or self.older):
            parts.insert(len(parts) if self.older else 0, False)
        for timed in parts:
            inside = place if place is None or (place.time is not None) == timed else None
            walk = self._over_time(inside) if timed else self._over_pieces(inside, timed=False)
            for at in walk:
                if len(self._rows) >= wanted:
                    return self._rows
                if at is not None and clock.monotonic() > self._deadline:
                    self.reached = at
                    return self._rows
        return self._rows

    def _over_time(self, place: Place | None) -> Iterator[Place | None]:
        """Look through what has a time; yield the places that have been reached."""
        if self._known is not None:
            return self._over_minutes(place, self._among_known(place))
        if self._kept:
            return self._over_minutes(place, self._among_counted(place))
        return self._over_pieces(place, timed=True)

    def _over_pieces(self, place: Place | None, *, timed: bool) -> Iterator[Place | None]:
        """Look through all messages, so many at a time."""
        bounds = [*self._all]
        if timed:
            bounds += in_time(self._database, TIME_SQL, self._view)
        bounds.append(Condition(f"{TIME_SQL} is {'not ' if timed else ''}null"))
        order = self._order(timed)
        while True:
            begun = clock.monotonic()
            last = None
            if self._search.rule:
                where = _where([*bounds, *self._beyond(place)])
                found = self._database.rows(
                    f"select {TIME_SQL} as time, message_id from {self._from} where {where.sql}"
                    f" {order} limit 1 offset {self._piece - 1}",
                    *where.values,
                )
                last = Place(found[0]["time"], found[0]["message_id"]) if found else None
            upto = self._up_to(last) if last else []
            yield from self._candidates([*bounds, *upto], place, timed=timed)
            if last is None:
                return
            place = last
            self._learn(clock.monotonic() - begun)
            yield place

    def _over_minutes(
        self, place: Place | None, minutes: Iterator[tuple[datetime.datetime, int]]
    ) -> Iterator[Place | None]:
        """Look through minutes that may have messages."""
        for begin, end in self._ranges(minutes):
            begun = clock.monotonic()
            bounds = [*self._all, *in_time(self._database, TIME_SQL, self._view)]
            bounds.append(Condition(f"{TIME_SQL} >= ?", (self._database.time(begin),)))
            bounds.append(until(self._database, TIME_SQL, end))
            yield from self._candidates(bounds, place, timed=True)
            place = Place(begin, -1) if self.older else Place(end, _BEYOND if end == LAST else -1)
            self._learn(clock.monotonic() - begun)
            yield place

    def _ranges(
        self, minutes: Iterator[tuple[datetime.datetime, int]]
    ) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
        """Yield the stretches of adjacent minutes, with a piece of messages or so at the most."""
        begin = end = None
        total = 0
        for minute, count in minutes:
            after = moments.after(minute, _MINUTE)
            adjacent = after == begin if self.older else minute == end
            if begin is None or end is None or not adjacent or total > self._piece:
                if begin is not None and end is not None:
                    yield begin, end
                begin, end, total = minute, after, 0
            begin, end = min(begin, minute), max(end, after)
            total += count
        if begin is not None and end is not None:
            yield begin, end

    def _among_known(self, place: Place | None) -> Iterator[tuple[datetime.datetime, int]]:
        """Yield the minutes that are known for the search, from a place on."""
        for minute in reversed(self._known or []) if self.older else self._known or []:
            if place is not None and place.time is not None:
                at = place.time.replace(second=0, microsecond=0)
                if minute > at if self.older else minute < at:
                    continue
            yield minute, self._piece

    def _among_counted(self, place: Place | None) -> Iterator[tuple[datetime.datetime, int]]:
        """Yield the minutes with messages of these sessions and types, and how many."""
        after: datetime.datetime | None = place.time if place else None
        view = self._view
        if self.older and view.end and (after is None or view.end <= after):
            after = view.end
        if not self.older and view.begin and (after is None or view.begin > after):
            after = view.begin
        including, asked = True, _FIRST_MINUTES
        while True:
            bounds = [*self._kept, Condition("minute is not null")]
            if after is not None:
                minute = after.replace(second=0, microsecond=0)
                sign = ("<" if self.older else ">") + ("=" if including else "")
                bounds.append(Condition(f"minute {sign} ?", (self._database.time(minute),)))
            if self.older and view.begin:
                first = view.begin.replace(second=0, microsecond=0)
                bounds.append(Condition("minute >= ?", (self._database.time(first),)))
            if not self.older and view.end:
                bounds.append(until(self._database, "minute", view.end))
            where = _where(bounds)
            found = self._database.rows(
                f"select minute, sum(messages) as messages from minute_counts where {where.sql}"
                f" group by minute having sum(messages) > 0"
                f" order by minute {'desc' if self.older else 'asc'} limit {asked}",
                *where.values,
            )
            for row in found:
                yield row["minute"], row["messages"]
            if len(found) < asked:
                return
            after, including, asked = found[-1]["minute"], False, min(4 * asked, _MINUTES)

    def _candidates(
        self, bounds: Sequence[Condition], place: Place | None, *, timed: bool
    ) -> Iterator[Place | None]:
        """Add the rows between a place and the end of the bounds; yield the places reached."""
        while True:
            most = self._wanted - len(self._rows)
            if self._search.rule:
                most = max(most, _CANDIDATES)
            where = _where([*bounds, *self._beyond(place), *self._conditions])
            rows = self._database.rows(
                f"select {self._selected} from {self._from} where {where.sql}"
                f" {self._order(timed)} limit {most}",
                *where.values,
            )
            for row, meant in zip(rows, self._search.matching(rows), strict=True):
                if meant and len(self._rows) < self._wanted:
                    self._rows.append({name: row[name] for name in self._names})
            if len(rows) < most:
                yield None
                return
            place = Place(rows[-1]["time"], rows[-1]["message_id"])
            yield place

    def _beyond(self, place: Place | None) -> list[Condition]:
        """Return the condition that a message is beyond a place.

        Not as a row value, which SQLite compares with an expression only row by row (measured).
        """
        if place is None:
            return []
        sign = "<" if self.older else ">"
        return self._compared(sign, place)

    def _up_to(self, place: Place) -> list[Condition]:
        """Return the condition that a message is not beyond a place."""
        return self._compared(">=" if self.older else "<=", place)

    def _compared(self, sign: str, place: Place) -> list[Condition]:
        if place.time is None:
            return [Condition(f"message_id {sign} ?", (place.message_id,))]
        time = self._database.time(place.time)
        return [
            Condition(f"{TIME_SQL} {sign[0]}= ?", (time,)),
            Condition(f"({TIME_SQL} {sign[0]} ? or message_id {sign} ?)", (time, place.message_id)),
        ]

    def _order(self, timed: bool) -> str:
        way = "desc" if self.older else "asc"
        return f"order by {f'{TIME_SQL} {way}, ' if timed else ''}message_id {way}"

    def _learn(self, took: float) -> None:
        """Choose how many messages to look through at once."""
        if took < self._third / 2:
            self._piece = min(2 * self._piece, _LARGEST_PIECE)
        elif took > self._third:
            self._piece = max(self._piece // 2, 100)


def _where(conditions: Sequence[Condition]) -> Condition:
    return Condition(
        " and ".join(one.sql for one in conditions) or "true",
        tuple(value for one in conditions for value in one.values),
    )
