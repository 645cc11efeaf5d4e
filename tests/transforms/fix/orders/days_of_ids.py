"""A venue whose clients begin their ClOrdIDs anew each day, while orders live for days."""

import random

from tests.transforms.fix.messages import encode

DAYS = (3, 4, 5)
HOUR = 3600
MIDNIGHT = 24 * HOUR


class Order:
    """What is true of an order: its ids, its fills, and the numbers of its messages."""

    def __init__(self, cl_ord_id, order_id, good_till_cancel):
        self.cl_ord_id, self.order_id = cl_ord_id, order_id
        self.first_cl_ord_id = cl_ord_id
        self.good_till_cancel = good_till_cancel
        self.original = None
        self.filled, self.is_open, self.pending = 0, True, False
        self.messages = []


class Venue:
    """Three days of a client and a venue: `log` are the messages, `orders` what is true of them.

    ClOrdIDs are 1, 2, 3 ... on each day, of new orders and of requests alike; OrderIDs are never
    used again; what is refused may have none. Requests may be answered on the day after, reports
    may leave out OrigClOrdID, requests the OrderID, and the clocks of both may differ. With `hides`
    some refusals leave out the OrderID as well: then nothing says which order a request means.
    """

    def __init__(self, seed, hides=False):
        self.rng = random.Random(seed)
        self.orders, self.log, self.later = [], [], []
        self.numbers = {True: 0, False: 0}
        self.execution = 0
        rng = self.rng
        self.with_order_id = rng.choice((0, 0.3, 1))
        self.with_original = rng.choice((0.5, 1, 1))
        self.repeats_original = rng.random() < 0.3
        self.skew = rng.choice((0, 0, -2, 2))
        self.refuses_without_order_id = 0.5 * hides
        for self.day in DAYS:
            self.last_id = 0
            self.live()

    def live(self):
        """Let a day pass."""
        rng = self.rng
        self.at = 0.0
        asked, self.later = self.later, []
        for request in asked:
            self.pause(rng.choice((0.5, 3, 20, 3000)))
            self.answer(*request)
        self.at = max(self.at, 8 * HOUR)
        for _ in range(rng.randrange(6, 14)):
            self.pause(rng.choice((1, 60, 600)))
            alive = [one for one in self.orders if one.is_open and not one.pending]
            if alive and rng.random() < 0.6:
                self.act(rng.choice(alive))
            else:
                self.begin()
        self.at = MIDNIGHT - rng.choice((3, 40, 4000))
        for order in [one for one in self.orders if one.is_open and not one.pending]:
            asks = self.day < DAYS[-1] and self.at < MIDNIGHT - 1.5
            if not order.good_till_cancel:
                order.is_open = False
                self.report(order, b"C", b"C", order.cl_ord_id, order.original)
            elif asks and rng.random() < 0.4:
                self.later.append((order, *self.ask(order)))

    def pause(self, seconds):
        self.at += self.rng.random() * seconds + 0.001

    def begin(self):
        own = self.next_id()
        kept = self.rng.random() < 0.5
        order = Order(own, b"O%d" % len(self.orders), kept)
        self.orders.append(order)
        terms = [(38, b"1000"), (44, b"10"), (55, b"X"), (54, b"1"), (59, b"1" if kept else b"0")]
        self.send(order, True, b"D", (11, own), *terms)
        self.pause(1)
        if self.rng.random() < 0.1:
            order.is_open = False
            if self.rng.random() < 0.5:
                order.order_id = b"NONE"
            self.report(order, b"8", b"8", own, None)
        else:
            self.report(order, b"0", b"0", own, None)

    def act(self, order):
        """Let something happen to an order that is open."""
        if self.rng.random() < 0.5:
            self.fill(order)
            return
        asked = self.ask(order)
        if self.rng.random() < 0.3:
            self.pause(1)
            self.fill(order)
        self.pause(5)
        self.answer(order, *asked)

    def fill(self, order):
        order.filled += 10
        original = order.original if self.repeats_original else None
        amount = [(32, b"10"), (31, b"10")]
        self.report(order, b"F", b"1", order.cl_ord_id, original, *amount)

    def ask(self, order):
        """Send a request to replace or to cancel; return what it takes to answer it."""
        own, original = self.next_id(), order.cl_ord_id
        kind = self.rng.choice((b"F", b"G"))
        order.pending = True
        ids = [(11, own), (41, original)]
        if self.rng.random() < self.with_order_id:
            ids.append((37, order.order_id))
        self.send(order, True, kind, *ids, (38, b"1000"), (55, b"X"), (54, b"1"))
        if self.rng.random() < 0.3:
            self.pause(0.5)
            said = b"6" if kind == b"F" else b"E"
            self.report(order, said, said, own, original)
        return kind, own, original

    def answer(self, order, kind, own, original):
        order.pending = False
        if self.rng.random() < 0.25:
            ids = [(11, own), (41, original)]
            if self.rng.random() >= self.refuses_without_order_id:
                ids.append((37, order.order_id))
            self.send(order, False, b"9", *ids, (39, b"0"), (434, b"1"))
            return
        named = original if self.rng.random() < self.with_original else None
        order.cl_ord_id, order.original = own, named
        said = b"4" if kind == b"F" else b"5"
        order.is_open = kind != b"F"
        self.report(order, said, said if kind == b"F" else b"0", own, named)

    def report(self, order, exec_type, status, own, original, *more):
        self.execution += 1
        ids = [(37, order.order_id), (11, own), (17, b"E%d" % self.execution)]
        ids += [(41, original)] if original else []
        state = [(150, exec_type), (39, status), (14, b"%d" % order.filled)]
        self.send(order, False, b"8", *ids, *state, *more)

    def send(self, order, from_client, kind, *fields):
        ends = (b"ANN", b"BRK") if from_client else (b"BRK", b"ANN")
        self.numbers[from_client] += 1
        self.pause(0.01)
        late = 0 if from_client else self.skew
        whole, part = divmod(int((self.at + late) * 1_000_000), 1_000_000)
        day, whole = self.day + whole // MIDNIGHT, whole % MIDNIGHT
        clock = (day, whole // 3600, whole // 60 % 60, whole % 60, part)
        time = b"202503%02d-%02d:%02d:%02d.%06d" % clock
        head = [(35, kind), (49, ends[0]), (56, ends[1])]
        head += [(34, b"%d" % self.numbers[from_client]), (52, time)]
        order.messages.append(len(self.log))
        self.log.append(encode([*head, *fields]) + b"\n")

    def next_id(self):
        self.last_id += 1
        return b"%d" % self.last_id
