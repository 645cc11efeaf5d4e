"""A trading day of one FIX session: the messages of both sides, ordered by time.

Orders run through a whole life cycle: ClOrdID and OrigClOrdID form chains, CumQty + LeavesQty is
OrderQty while an order is open (LeavesQty is 0 once it is canceled or rejected), AvgPx is the
average of its fills, also after busts and corrections. MsgSeqNum rises by one in each direction;
messages sent again have their old number and PossDupFlag.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fixfeed.pipelines.sample.event import TEXTS, Event, Fields
from fixfeed.pipelines.sample.executions import Execution, Tick
from fixfeed.pipelines.sample.layouts import decimal, encode, utc
from fixfeed.pipelines.sample.orders import LONGEST_LIFE, order_life

__all__ = ["DAY", "OPEN", "Sent", "Session", "heartbeat", "planned_day", "send_day", "trading_day"]

OPEN = 1_735_804_800_000_000_000
"""The time of the logons, 2025-01-02 08:00 UTC, in nanoseconds since 1970."""
DAY = 9 * 3600 * 10**9
"""How long sessions are open, in nanoseconds."""
_MILLI = 10**6
_TICKER = (
    Tick(b"AAPL", 24385, b"USD", b"XNAS"),
    Tick(b"MSFT", 41858, b"USD", b"XNAS"),
    Tick(b"NVDA", 13831, b"USD", b"XNAS"),
    Tick(b"VOD.L", 6834, b"GBX", b"XLON"),
    Tick(b"HSBA.L", 78510, b"GBX", b"XLON"),
    Tick(b"SAP.DE", 23645, b"EUR", b"XETR"),
    Tick(b"7203.T", 314600, b"JPY", b"XTKS"),
)


class Session(NamedTuple):
    """The two sides of a FIX session; the client keeps the log if `client_logs`, else the broker.

    `digits` is the number of decimals of SendingTime; with `quotes` it is mostly market data.
    """

    version: str
    client: str
    broker: str
    client_logs: bool = False
    digits: int = 3
    quotes: bool = False

    @property
    def name(self) -> str:
        """The session's name from the view of the log's owner."""
        sides = (self.client, self.broker) if self.client_logs else (self.broker, self.client)
        return f"{self.version}:{sides[0]}->{sides[1]}"


class Sent(NamedTuple):
    """A message of the day: time, direction in the log, MsgType, bytes, what it says of a fill."""

    at: int
    direction: str
    msg_type: str
    message: bytes
    execution: Execution | None


def trading_day(session: Session, messages: int, rng: random.Random) -> Iterator[Sent]:
    """Yield `messages` messages, from both logons to both logouts, with times on 2025-01-02.

    Deterministic: the same arguments and state of `rng` give the same day. A session needs at least
    four messages, so four is the minimum.
    """
    return send_day(session, planned_day(session, messages, rng))


def planned_day(session: Session, messages: int, rng: random.Random) -> list[Event]:
    """Return what happens between logons and logouts of a day of `messages` messages, by time."""
    day = _Day(session, rng)
    # Resends are made when the numbers are known: one event makes three messages.
    repeats = max(0, messages - 40) // 400
    wanted = max(0, messages - 4 - 3 * repeats)
    events: list[Event] = []
    while len(events) < wanted:
        at = OPEN + 10**9 + (DAY - 900 * 10**9) * len(events) // max(1, wanted)
        room = wanted - len(events)
        events += day.life(at) if room >= LONGEST_LIFE else [heartbeat(at, rng)]
    for n in range(repeats):
        at = OPEN + DAY * (n + 1) // (repeats + 1)
        events.append(Event(at, rng.random() < 0.5, "2", []))
    return sorted(events, key=lambda event: event.at)


def heartbeat(at: int, rng: random.Random) -> Event:
    """Return a heartbeat of either side."""
    return Event(at, rng.random() < 0.5, "0", [])


def send_day(session: Session, events: list[Event]) -> Iterator[Sent]:
    """Yield both logons, the messages of these events, and both logouts."""
    last = max([OPEN + DAY, *(event.at for event in events[-1:])])
    logon: Fields = [(98, b"0"), (108, b"30")]
    if session.version != "FIX.4.0":
        logon.append((141, b"Y"))
    if session.version == "FIXT.1.1":
        logon.append((1137, b"9"))
    start = [Event(OPEN, True, "A", logon), Event(OPEN + 2 * _MILLI, False, "A", logon)]
    close = [(58, b"end of day")]
    stop = [
        Event(last + 10**9, True, "5", close),
        Event(last + 10**9 + 3 * _MILLI, False, "5", close),
    ]
    return _Wire(session).send([*start, *events, *stop])


class _Wire:
    """Numbers events, and writes them as messages."""

    def __init__(self, session: Session):
        self._session = session
        self._next = {True: 1, False: 1}
        self._recent: dict[bool, deque[Event]] = {True: deque(maxlen=20), False: deque(maxlen=20)}

    def send(self, events: list[Event]) -> Iterator[Sent]:
        for event in events:
            if event.kind == "2":
                yield from self._again(event)
                continue
            yield self._number(event)
            if event.kind not in "A0125":
                self._recent[event.client].append(event)

    def _number(self, event: Event) -> Sent:
        event.number = self._next[event.client]
        self._next[event.client] += 1
        if event.refers:
            event.body.insert(0, (45, b"%d" % event.refers.number))
        return self._sent(event, event.number, event.at)

    def _again(self, event: Event) -> Iterator[Sent]:
        """The other side misses a message: it is sent again, and the gap after it is filled."""
        sent = self._recent[not event.client]
        if not sent:
            for n in range(3):
                at = event.at + n * _MILLI
                yield self._number(Event(at, event.client, "0", []))
            return
        lost = sent[0]
        event.body = [(7, b"%d" % lost.number), (16, b"0")]
        yield self._number(event)
        at = event.at + 4 * _MILLI
        yield self._sent(lost, lost.number, at, again=True)
        body: Fields = [(123, b"Y"), (36, b"%d" % self._next[lost.client])]
        fill = Event(event.at + 3 * _MILLI, lost.client, "4", body)
        yield self._sent(fill, lost.number + 1, at + _MILLI // 10, again=True)

    def _sent(self, event: Event, number: int, at: int, *, again: bool = False) -> Sent:
        session = self._session
        sides = [session.client.encode(), session.broker.encode()]
        sender, target = sides if event.client else reversed(sides)
        header: Fields = [(35, event.kind.encode()), (49, sender), (56, target)]
        if session.version == "FIXT.1.1" and event.kind not in "A012345":
            header.insert(1, (1128, b"9"))
        header += [(34, b"%d" % number)]
        if again:
            header += [(43, b"Y"), (122, utc(event.at, session.digits))]
        header += [(52, utc(at, session.digits))]
        message = encode(session.version, header + event.body)
        outgoing = event.client == session.client_logs
        direction = "OUT" if outgoing else "IN"
        return Sent(at + 41_000, direction, event.kind, message, event.execution)


class _Day:
    """Makes the events: orders, market data, news, and the heartbeats of a session."""

    def __init__(self, session: Session, rng: random.Random):
        self._session = session
        self._rng = rng
        self._price = {tick.symbol: tick.price for tick in _TICKER}
        self._count = 0
        self._first = session.version == "FIX.4.0"
        lives: list[tuple[Callable[[int], list[Event]], int]] = [
            (self._order, 6 if session.quotes else 70),
            (self._quotes, 0 if self._first else 80 if session.quotes else 16),
            (self._alive, 12),
            (self._news, 4),
            (self._refused, 3),
        ]
        self._lives = [life for life, _ in lives]
        self._weights = [weight for _, weight in lives]

    def life(self, at: int) -> list[Event]:
        """Return the events of something that begins at `at`, at most `LONGEST_LIFE`."""
        return self._rng.choices(self._lives, self._weights)[0](at)

    def _id(self, letter: str) -> bytes:
        self._count += 1
        if letter == "X" and self._session.version in ("FIX.4.0", "FIX.4.2"):
            return b"%d" % self._count  # Other sessions have the same ExecIDs for other executions.
        return b"%b%b-%06d" % (letter.encode(), self._session.client[:3].encode(), self._count)

    def _tick(self) -> Tick:
        first = self._rng.choice(_TICKER)
        step = round(self._rng.gauss(0, first.price * 0.0004))
        price = max(first.price // 2, self._price[first.symbol] + step)
        self._price[first.symbol] = price
        return first._replace(price=price)

    def _alive(self, at: int) -> list[Event]:
        client = self._rng.random() < 0.5
        if self._rng.random() < 0.8:
            return [heartbeat(at, self._rng), Event(at + 5 * _MILLI, client, "0", [])]
        test: Fields = [(112, self._id("T"))]
        return [Event(at, client, "1", test), Event(at + 9 * _MILLI, not client, "0", test)]

    def _refused(self, at: int) -> list[Event]:
        symbol = self._tick().symbol
        asked = Event(at, True, "D", [(11, self._id("C")), (55, symbol), (54, b"1")])
        answer: Fields
        if self._first:
            answer = [(58, b"Required tag missing")]
            return [asked, Event(at + _MILLI, False, "3", answer, refers=asked)]
        if self._rng.random() < 0.5:
            asked.body += [(60, utc(at, self._session.digits)), (40, b"2")]
            answer = [(371, b"38"), (372, b"D"), (373, b"1"), (58, b"Required tag missing")]
            return [asked, Event(at + _MILLI, False, "3", answer, refers=asked)]
        asked.body += [(60, utc(at, self._session.digits)), (38, b"100"), (40, b"1")]
        answer = [(372, b"D"), (379, asked.body[0][1]), (380, b"4"), (58, b"Market is closed")]
        return [asked, Event(at + _MILLI, False, "j", answer, refers=asked)]

    def _news(self, at: int) -> list[Event]:
        rng = self._rng
        inner: Fields = [
            (35, b"0"),
            (49, b"FEED"),
            (56, b"DESK"),
            (34, b"7"),
            (52, utc(at, self._session.digits)),
        ]
        raw = rng.choice(
            (
                b"earnings=beat",
                b"a\x01b\x0110=000\x01",
                encode("FIX.4.2", inner),
                b"line 1\nline 2, \xff\x00 binary",
            )
        )
        body: Fields = [(148, b"Results of the quarter"), (33, b"1"), (58, rng.choice(TEXTS))]
        if rng.random() < 0.3 and not self._first:
            text = "\u6c7a\u7b97".encode("shift_jis")
            body += [(354, b"%d" % len(text)), (355, text)]
        return [Event(at, False, "B", [*body, (95, b"%d" % len(raw)), (96, raw)])]

    def _quotes(self, at: int) -> list[Event]:
        rng = self._rng
        symbol, price, *_ = self._tick()
        request = self._id("M")
        if rng.random() < 0.1:
            asked: Fields = [(262, request), (263, b"1"), (264, b"5"), (267, b"2"), (269, b"0")]
            asked += [(269, b"1"), (146, b"1"), (55, symbol)]
            return [
                Event(at, True, "V", asked),
                self._snapshot(at + _MILLI, request, symbol, price),
            ]
        if rng.random() < 0.5:
            return [self._snapshot(at, request, symbol, price)]
        entries = rng.randint(1, 4)
        body: Fields = [(262, request), (268, b"%d" % entries)]
        for n in range(entries):
            side = rng.randrange(2)
            body += [
                (279, b"%d" % rng.randrange(3)),
                (269, b"%d" % side),
                (278, b"%b.%d" % (symbol, n)),
            ]
            # In FIX 4.2 an entry without Symbol is of the same one as the entry before it.
            body += [] if n and self._session.version == "FIX.4.2" else [(55, symbol)]
            body += [(270, decimal(price + (side * 2 - 1) * (n + 1)))]
            body += [(271, b"%d" % (100 * rng.randint(1, 40)))]
        return [Event(at, False, "X", body)]

    def _snapshot(self, at: int, request: bytes, symbol: bytes, price: int) -> Event:
        entries = self._rng.randint(1, 10)
        body: Fields = [(262, request), (55, symbol), (268, b"%d" % entries)]
        for n in range(entries):
            away = (n // 2 + 1) * (1 if n % 2 else -1)
            size = 100 * self._rng.randint(1, 90)
            body += [(269, b"%d" % (n % 2)), (270, decimal(price + away)), (271, b"%d" % size)]
        return Event(at, False, "W", body)

    def _order(self, at: int) -> list[Event]:
        return order_life(
            at,
            version=self._session.version,
            digits=self._session.digits,
            tick=self._tick(),
            new_id=self._id,
            rng=self._rng,
        )
