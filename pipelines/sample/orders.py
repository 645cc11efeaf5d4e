"""The life of one sample order: from the new order to its last execution, cancel or reject."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from fixfeed.pipelines.sample.layouts import time_text

__all__ = ["LONGEST_LIFE", "TEXTS", "Event", "decimal", "order_life", "utc"]

Fields = list[tuple[int, bytes]]

LONGEST_LIFE = 14
"""An order has at most this many messages."""

TEXTS = (
    b"VWAP until the close",
    "Gr\u00fc\u00dfe vom Desk Z\u00fcrich".encode(),
    "Ordre trait\u00e9 \u00e0 la main".encode("latin-1"),
    "\u8cb7\u3044\u6ce8\u6587".encode(),
    b'client says "no hurry", path C:\\orders',
    b"limit=arrival price, urgency=2",
    b"routed by FIX.4.4",
)
"""Values of Text (58): UTF-8 and Latin-1, quotes, `=`, text that looks like a version."""

_MILLI = 10**6
_NEW, _PARTLY, _FILLED, _CANCELED, _REPLACED, _REJECTED = b"0", b"1", b"2", b"4", b"5", b"8"


@dataclass(slots=True)
class Event:
    """A planned message of the client or the broker; MsgSeqNum and header come later.

    `refers` is the message whose MsgSeqNum a reject names.
    """

    at: int
    client: bool
    kind: str
    body: Fields
    refers: "Event | None" = None
    number: int = 0


def utc(at: int, digits: int) -> bytes:
    """Return a UTCTimestamp with that many decimals of a second."""
    return time_text(at, "%Y%m%d-%H:%M:%S.", digits).encode()


def decimal(hundredths: int) -> bytes:
    """Return a price with two places."""
    return b"%d.%02d" % divmod(hundredths, 100)


def order_life(
    at: int,
    *,
    version: str,
    digits: int,
    tick: tuple[bytes, int, bytes],
    new_id: Callable[[str], bytes],
    rng: random.Random,
) -> list[Event]:
    """Return the messages about one order that arrives at `at`.

    `tick` is the symbol, its price in hundredths and its currency; `new_id` returns a new unique
    identifier that begins with a letter.
    """
    order = _Order(at, version, digits, tick, new_id, rng)
    order.live()
    return order.events


class _Order:
    def __init__(
        self,
        at: int,
        version: str,
        digits: int,
        tick: tuple[bytes, int, bytes],
        new_id: Callable[[str], bytes],
        rng: random.Random,
    ):
        self._at = at
        self._old = version == "FIX.4.2"
        self._digits = digits
        self._symbol, self._price, self._currency = tick
        self._new_id = new_id
        self._rng = rng
        self._quantity = 100 * rng.choice((1, 2, 3, 5, 10, 20, 50))
        self._done = self._value = 0
        self._side = rng.choice((b"1", b"2"))
        self._account = b"ACC%02d" % rng.randint(1, 40)
        self._market = rng.random() < 0.2
        self._id = new_id("C")
        self._order_id = new_id("O")
        self.events: list[Event] = []

    def live(self) -> None:
        rng = self._rng
        self._ask("D", [])
        if rng.random() < 0.03:
            self._report(_REJECTED, _REJECTED, [(103, b"1"), (58, b"Unknown symbol")])
            return
        self._report(_NEW, _NEW, [])
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            self._fill(part=True)
        if rng.random() < 0.2:
            self._replace()
        if rng.random() < 0.2:
            self._cancel()
        elif rng.random() < 0.9:
            self._fill(part=False)

    def _later(self, low: int, high: int) -> int:
        self._at += self._rng.randint(low * _MILLI, high * _MILLI)
        return self._at

    def _ask(self, kind: str, chain: Fields) -> None:
        at = self._at
        body: Fields = [(11, self._id), *chain, (1, self._account)]
        if self._old and kind != "F":
            body.append((21, b"1"))
        if not self._old and kind == "D":
            body += [(453, b"2"), (448, b"DESK%d" % self._rng.randint(1, 5)), (447, b"D")]
            body += [(452, b"1"), (802, b"1"), (523, b"trader.7"), (803, b"2")]
            body += [(448, b"FIRM9"), (447, b"D"), (452, b"13")]
        body += [(55, self._symbol), (54, self._side), (60, utc(at, self._digits))]
        body.append((38, b"%d" % self._quantity))
        if kind != "F":
            body.append((40, b"1" if self._market else b"2"))
            if not self._market:
                body.append((44, decimal(self._price)))
            body += [(15, self._currency), (59, self._rng.choice((b"0", b"3")))]
        if self._rng.random() < 0.15:
            body.append((58, self._rng.choice(TEXTS)))
        if self._rng.random() < 0.1:
            body += [(5001, b"algo=%d" % self._rng.randint(1, 9)), (9702, b"Y"), (20117, b"x7")]
        self.events.append(Event(at, True, kind, body))

    def _report(self, exec_type: bytes, status: bytes, more: Fields) -> None:
        at = self._later(1, 40)
        closed = status in (_CANCELED, _REJECTED)
        left = 0 if closed else self._quantity - self._done
        average = self._value / self._done / 100 if self._done else 0
        body: Fields = [(37, self._order_id), (11, self._id), (17, self._new_id("X"))]
        if self._old:
            body.append((20, b"0"))
        body += [(150, exec_type), (39, status), (1, self._account), (55, self._symbol)]
        body += [(54, self._side), (38, b"%d" % self._quantity)]
        if not self._market:
            body.append((44, decimal(self._price)))
        body += [(151, b"%d" % left), (14, b"%d" % self._done), (6, b"%.4f" % average)]
        self.events.append(Event(at, False, "8", [*body, (60, utc(at, self._digits)), *more]))

    def _fill(self, *, part: bool) -> None:
        left = self._quantity - self._done
        quantity = self._rng.randint(1, max(1, left // 2)) if part else left
        if part and quantity >= left:
            return
        self._at += self._rng.randint(1, 20_000) * _MILLI
        price = max(1, self._price + self._rng.randint(-3, 3))
        self._done += quantity
        self._value += quantity * price
        status = _PARTLY if part else _FILLED
        more: Fields = [(32, b"%d" % quantity), (31, decimal(price)), (15, self._currency)]
        self._report(status if self._old else b"F", status, more)

    def _status(self) -> bytes:
        return _PARTLY if self._done else _NEW

    def _replace(self) -> None:
        before, quantity, price = self._id, self._quantity, self._price
        self._later(50, 30_000)
        self._id = self._new_id("C")
        self._quantity += 100 * self._rng.randint(0, 5)
        self._price += self._rng.randint(-20, 20)
        self._ask("G", [(41, before)])
        if self._rng.random() < 0.15:
            self._refuse(before, b"2", b"Price too far from the market")
            self._id, self._quantity, self._price = before, quantity, price
            return
        status = _REPLACED if self._old else self._status()
        self._report(_REPLACED, status, [(41, before)])

    def _cancel(self) -> None:
        before = self._id
        self._later(50, 60_000)
        self._id = self._new_id("C")
        self._ask("F", [(41, before)])
        if self._rng.random() < 0.2:
            self._refuse(before, b"1", b"Too late to cancel")
            self._id = before
            self._fill(part=False)
            return
        self._report(_CANCELED, _CANCELED, [(41, before)])

    def _refuse(self, before: bytes, answers: bytes, text: bytes) -> None:
        at = self._later(1, 20)
        body: Fields = [(37, self._order_id), (11, self._id), (41, before), (39, self._status())]
        body += [(434, answers), (102, b"0"), (58, text), (60, utc(at, self._digits))]
        self.events.append(Event(at, False, "9", body))
