"""The life of one sample order: from the new order to its last execution, cancel or reject."""

import random
from collections.abc import Callable

from fixfeed.pipelines.sample.after_trade import Trade
from fixfeed.pipelines.sample.event import TEXTS, Event, Fields
from fixfeed.pipelines.sample.executions import Execution, Tick
from fixfeed.pipelines.sample.layouts import decimal, utc

__all__ = ["LONGEST_LIFE", "order_life"]

LONGEST_LIFE = 26
"""An order has at most this many messages."""

_MILLI = 10**6
_MINUTE = 60_000
_NEW, _PARTLY, _FILLED, _CANCELED, _REPLACED, _REJECTED = b"0", b"1", b"2", b"4", b"5", b"8"
_KINDS = {
    "new": (b"0", b"0"),
    "fill": (b"0", b"F"),
    "bust": (b"1", b"H"),
    "correction": (b"2", b"G"),
    "status": (b"3", b"I"),
    "canceled": (b"0", b"4"),
    "replaced": (b"0", b"5"),
    "rejected": (b"0", b"8"),
}
"""ExecTransType (20) up to FIX 4.2, and ExecType (150) from 4.3 on, of what a report is about."""
_TRADERS = (b"ASMITH", b"BKHAN", b"CMEYER", b"DTANAKA", b"EROSSI")


def order_life(
    at: int,
    *,
    version: str,
    digits: int,
    tick: Tick,
    new_id: Callable[[str], bytes],
    rng: random.Random,
) -> list[Event]:
    """Return the messages about one order that arrives at `at`.

    `new_id` returns a new unique identifier that begins with a letter.
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
        tick: Tick,
        new_id: Callable[[str], bytes],
        rng: random.Random,
    ):
        self._at = at
        self._version = version
        self._old = version in ("FIX.4.0", "FIX.4.2")
        self._digits = digits
        self._tick = tick
        self._price = tick.price
        self._new_id = new_id
        self._rng = rng
        self._quantity = 100 * rng.choice((1, 2, 3, 5, 10, 20, 50))
        self._fills: list[Execution] = []
        self._side = rng.choice((b"1", b"2"))
        self._account = b"ACC%02d" % rng.randint(1, 40)
        self._trader = rng.choice(_TRADERS)
        self._market = rng.random() < 0.2
        self._id = new_id("C")
        self._order_id = new_id("O")
        self.events: list[Event] = []

    @property
    def _done(self) -> int:
        return sum(fill.quantity for fill in self._fills)

    def live(self) -> None:
        rng = self._rng
        self._ask("D", [])
        if rng.random() < 0.03:
            self._report("rejected", _REJECTED, [(103, b"1"), (58, b"Unknown symbol")])
            return
        self._report("new", _NEW, [])
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            self._fill(part=True)
        if rng.random() < 0.05:
            self._amend()
        if rng.random() < 0.05:
            self._ask_status()
        if rng.random() < 0.2:
            self._replace()
        if rng.random() < 0.2:
            self._cancel()
        elif rng.random() < 0.9:
            self._fill(part=False)
        if self._done == self._quantity:
            self._after_trade()
            if rng.random() < 0.04:
                self._amend()

    def _later(self, low: int, high: int) -> int:
        self._at += self._rng.randint(low * _MILLI, high * _MILLI)
        return self._at

    def _client(self, kind: str, body: Fields) -> None:
        if self._old:
            body = [(50, self._trader), *body]
        self.events.append(Event(self._at, True, kind, body))

    def _ask(self, kind: str, chain: Fields) -> None:
        first = self._version == "FIX.4.0"
        body: Fields = [(11, self._id), *chain]
        body.append((125, b"F") if first and kind == "F" else (1, self._account))
        if self._old and kind != "F":
            body.append((21, b"1"))
        if not self._old and kind == "D":
            body += [(453, b"3"), (448, b"DESK%d" % self._rng.randint(1, 5)), (447, b"D")]
            body += [(452, b"1"), (802, b"1"), (523, b"floor 7"), (803, b"25")]
            body += [(448, b"FIRM9"), (447, b"D"), (452, b"13")]
            body += [(448, self._trader), (447, b"D"), (452, b"11")]
        body += [(55, self._tick.symbol), (54, self._side)]
        if not first:
            body.append((60, utc(self._at, self._digits)))
        body.append((38, b"%d" % self._quantity))
        if kind != "F":
            body.append((40, b"1" if self._market else b"2"))
            if not self._market:
                body.append((44, decimal(self._price)))
            body += [(15, self._tick.currency), (59, self._rng.choice((b"0", b"3")))]
        if self._rng.random() < 0.15:
            body.append((58, self._rng.choice(TEXTS)))
        if self._rng.random() < 0.1:
            body += [(5001, b"algo=%d" % self._rng.randint(1, 9)), (9702, b"Y"), (20117, b"x7")]
        self._client(kind, body)

    def _report(
        self,
        what: str,
        status: bytes,
        more: Fields,
        *,
        shown: Execution | None = None,
        execution: Execution | None = None,
    ) -> None:
        """Send an execution report.

        `shown` has LastQty and LastPx; `execution` is what the report changes.
        """
        at = self._later(1, 40)
        done = self._done
        value = sum(fill.quantity * fill.price for fill in self._fills)
        exec_id = execution.exec_id if execution else self._new_id("X")
        body: Fields = [(37, self._order_id), (11, self._id), (17, exec_id)]
        transaction, exec_type = _KINDS[what]
        if self._old:
            body.append((20, transaction))
            # FIX 4.2 has no types for fills, busts, corrections and status: there it is OrdStatus.
            exec_type = exec_type if exec_type.isdigit() else status
        if execution and execution.replaces:
            body.append((19, execution.replaces))
        if self._version != "FIX.4.0":
            body.append((150, exec_type))
        body += [(39, status), (1, self._account), (55, self._tick.symbol), (54, self._side)]
        body.append((38, b"%d" % self._quantity))
        if not self._market:
            body.append((44, decimal(self._price)))
        if shown:
            body += [(32, b"%d" % shown.quantity), (31, decimal(shown.price))]
            body += [(15, self._tick.currency)]
            body += [] if self._old else [(30, self._tick.market)]
        elif self._version == "FIX.4.0":
            body += [(32, b"0"), (31, b"0")]
        if self._version != "FIX.4.0":
            closed = status in (_CANCELED, _REJECTED)
            body.append((151, b"%d" % (0 if closed else self._quantity - done)))
        body += [(14, b"%d" % done), (6, b"%.4f" % (value / done / 100 if done else 0))]
        body += [(60, utc(at, self._digits)), *more]
        self.events.append(Event(at, False, "8", body, execution=execution))

    def _from(self, before: bytes) -> Fields:
        """Return the OrigClOrdID of a report, which FIX 4.0 does not have."""
        return [] if self._version == "FIX.4.0" else [(41, before)]

    def _execution(self, quantity: int, price: int, replaces: bytes = b"") -> Execution:
        symbol = self._tick.symbol.decode()
        return Execution(self._new_id("X"), symbol, quantity, price, replaces)

    def _status(self) -> bytes:
        done = self._done
        return _FILLED if done == self._quantity else _PARTLY if done else _NEW

    def _fill(self, *, part: bool) -> None:
        left = self._quantity - self._done
        quantity = self._rng.randint(1, max(1, left // 2)) if part else left
        if part and quantity >= left:
            return
        self._at += self._rng.randint(1, 20_000) * _MILLI
        price = max(1, self._price + self._rng.randint(-3, 3))
        fill = self._execution(quantity, price)
        self._fills.append(fill)
        self._report("fill", self._status(), [], shown=fill, execution=fill)
        if self._rng.random() < 0.01:
            self._send_again()

    def _send_again(self) -> None:
        """The last report is sent under a new number: it may have been lost on the way."""
        sent = self.events[-1]
        at = self._later(500, 5000)
        self.events.append(
            Event(at, False, "8", [(97, b"Y"), *sent.body], execution=sent.execution)
        )

    def _amend(self) -> None:
        """A fill is busted, or corrected once or twice, or corrected and then busted."""
        if not self._fills:
            return
        place = self._rng.randrange(len(self._fills))
        for bust in self._rng.choice(((True,), (False,), (False, False), (False, True))):
            self._later(1000, 60_000)
            was = self._fills[place]
            if bust:
                del self._fills[place]
                gone = self._execution(0, 0, was.exec_id)
                self._report("bust", self._status(), [], shown=was, execution=gone)
                continue
            quantity = self._rng.randint(was.quantity // 2 + 1, was.quantity)
            right = self._execution(quantity, was.price + self._rng.randint(1, 5), was.exec_id)
            self._fills[place] = right
            self._report("correction", self._status(), [], shown=right, execution=right)

    def _ask_status(self) -> None:
        self._later(1000, 60_000)
        body: Fields = [(11, self._id), (55, self._tick.symbol), (54, self._side)]
        self._client("H", body)
        # Up to FIX 4.2 the answer mostly shows the last fill again.
        shown = self._fills[-1] if self._old and self._fills else None
        self._report("status", self._status(), [], shown=shown)

    def _replace(self) -> None:
        before, quantity, price = self._id, self._quantity, self._price
        self._later(50, 30_000)
        self._id = self._new_id("C")
        self._quantity += 100 * self._rng.randint(0, 5)
        self._price += self._rng.randint(-20, 20)
        self._ask("G", [(41, before)])
        if self._rng.random() < 0.15:
            self._refuse(before, b"2", b"2", b"Price too far from the market")
            self._id, self._quantity, self._price = before, quantity, price
            return
        self._report("replaced", _REPLACED if self._old else self._status(), self._from(before))

    def _cancel(self) -> None:
        before = self._id
        self._later(50, 60_000)
        self._id = self._new_id("C")
        self._ask("F", [(41, before)])
        if self._rng.random() < 0.2:
            self._refuse(before, b"1", b"0", b"Too late to cancel")
            self._id = before
            self._fill(part=False)
            return
        self._report("canceled", _CANCELED, self._from(before))

    def _refuse(self, before: bytes, answers: bytes, reason: bytes, text: bytes) -> None:
        at = self._later(1, 20)
        body: Fields = [(37, self._order_id), (11, self._id), *self._from(before)]
        body += [(39, self._status()), (102, reason), (58, text)]
        if self._version != "FIX.4.0":
            body += [(434, answers), (60, utc(at, self._digits))]
        self.events.append(Event(at, False, "9", body))

    def _after_trade(self) -> None:
        """The fills of a filled order are reported and allocated."""
        rng = self._rng
        trade = Trade(
            self._version,
            self._tick,
            self._side,
            self._account,
            self._id,
            self._order_id,
            tuple(self._fills),
        )
        if not self._old and rng.random() < 0.2:
            at = self._later(100, 3000)
            body = trade.capture_report(self._new_id("R"), utc(at, self._digits))
            self.events.append(Event(at, False, "AE", body))
        if rng.random() < 0.15:
            at = self._later(_MINUTE, 10 * _MINUTE)
            allocation = self._new_id("A")
            body = trade.allocation(allocation, utc(at, self._digits))
            self.events.append(Event(at, True, "J", body))
            at = self._later(5, 500)
            answer = trade.allocation_answer(allocation, utc(at, self._digits))
            self.events.append(Event(at, False, "P", answer))
