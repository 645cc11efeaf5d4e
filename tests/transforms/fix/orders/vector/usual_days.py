"""Random orders as most are, with a share of what is odd: the twins part here or nowhere."""

import random

from tests.transforms.fix.messages import encode
from tests.transforms.fix.orders.odd_days import PAIRS, time_of

QUANTITIES = (b"100", b"250", b"0.3", b"1000000", b"4000000000")
PRICES = (b"10.5", b"0.0001", b"99999999.25", b"-3", None)


class Day:
    """Orders with ids of their own, from new to their end, as `log` a list of messages."""

    def __init__(self, rng):
        self.rng, self.log, self.numbers, self.ids = rng, [], {}, 0

    def send(self, pair, from_client, at, kind, *fields):
        sender, target = pair if from_client else pair[::-1]
        number = self.numbers[sender, target] = self.numbers.get((sender, target), 0) + 1
        head = [(35, kind), (49, sender), (56, target), (34, b"%d" % number), (52, time_of(*at))]
        filled = [field for field in fields if field[1] is not None]
        self.log.append(encode([*head, *filled]) + b"\n")

    def id(self):
        self.ids += 1
        return b"C%d" % self.ids

    def maybe(self, share, value, other=None):
        return value if self.rng.random() < share else other

    def order(self):
        rng = self.rng
        pair, own = rng.choice(PAIRS), self.id()
        order_id = rng.choice((b"O" + own, b"O" + own, b"NONE", None))
        quantity, price = rng.choice(QUANTITIES), rng.choice(PRICES)
        self.day, self.ms = rng.randrange(3, 5), rng.randrange(3_600_000)
        names = (rng.choice((b"acc", None)), rng.choice((b"AAPL", b"X")), rng.choice((b"1", None)))
        terms = [(38, quantity), (44, price), (40, b"2"), (59, self.maybe(0.5, b"1"))]
        what = list(zip((1, 55, 54), names, strict=True))
        list_id = self.maybe(0.1, b"L1")
        asked = (11, own), *what, *terms, (66, list_id)
        if rng.random() < 0.9:
            self.send(pair, True, self.at(), rng.choice((b"D", b"D", b"AB")), *asked)
        done = 0
        for count in range(1, rng.randrange(1, 8)):
            step = rng.choice("nfffffgcrsjtq" if rng.random() < 0.95 else "bx")
            exec_id = b"E%s.%d" % (own, count)
            ids = [(37, order_id), (11, own), (17, exec_id)]
            cum = [(14, b"%d" % done), (151, self.maybe(0.8, b"%d" % max(0, 100 - done)))]
            if step == "n":
                state = rng.choice(((b"0", b"0"), (b"A", b"A"), (None, b"0"), (b"I", b"1")))
                self.report(pair, ids, state, cum)
            elif step == "f":
                last = rng.randrange(0, 40)
                done += last
                state = rng.choice(((b"F", b"1"), (b"1", b"1"), (None, b"1"), (b"F", b"2")))
                cum[0] = (14, b"%d" % (done + (rng.random() < 0.1)))
                fill = [(32, b"%d" % last), (31, price), (6, self.maybe(0.5, b"10.25"))]
                leg = self.maybe(0.2, rng.choice((b"1", b"2")))
                extra = [
                    (442, leg),
                    (198, self.maybe(0.2, b"S" + own)),
                    (58, self.maybe(0.2, b"t")),
                    (38, self.maybe(0.2, b"77")),
                ]
                self.report(pair, ids, state, [*cum, *fill, *extra, (797, self.maybe(0.1, b"Y"))])
            elif step in "gc":
                new = self.id()
                kind = rng.choice((b"G", b"AC")) if step == "g" else b"F"
                changed = [(38, rng.choice(QUANTITIES)), (44, self.maybe(0.5, b"11"))]
                self.send(pair, True, self.at(), kind, (11, new), (41, own), *changed)
                answer = rng.random()
                ids = [(37, order_id), (11, new), (41, self.maybe(0.8, own)), (17, exec_id)]
                if step == "g" and rng.random() < 0.4:
                    state = rng.choice(((b"E", b"E"), (None, b"E"), (b"I", b"E"), (b"F", b"E")))
                    told = [rng.choice((changed[0], (38, quantity))), changed[1]]
                    pending = [*ids[:3], (17, exec_id + b"p")]
                    self.report(pair, pending, state, [*cum, *told])
                if answer < 0.5:
                    letter = b"5" if step == "g" else b"4"
                    state = rng.choice(((letter, letter), (letter, b"0"), (None, letter)))
                    self.report(pair, ids, state, cum)
                    own = new
                elif answer < 0.8:
                    refusal = [(39, rng.choice((b"0", b"8", None))), (102, self.maybe(0.8, b"1"))]
                    self.send(pair, False, self.at(), b"9", *ids[:3], *refusal, (58, b"no"))
            elif step == "r":
                reason = rng.choice((b"1", b"3", None, self.maybe(0.2, b"6")))
                self.report(pair, ids, (b"8", b"8"), [(103, reason), (58, b"refused")])
            elif step == "s":
                self.report(pair, ids, rng.choice(((b"C", b"C"), (b"3", b"3"), (b"4", b"4"))), cum)
            elif step == "j":
                said = [(372, b"D"), (379, own), (380, b"4"), (58, self.maybe(0.5, b"closed"))]
                self.send(pair, False, self.at(), b"j", *said)
            elif step == "t":
                sides = [
                    (552, b"2"),
                    (54, b"1"),
                    (37, order_id or b"O"),
                    (11, own),
                    (54, b"2"),
                    (37, b"Z"),
                ]
                self.send(pair, False, self.at(), b"AE", (571, b"T"), *sides)
            elif step == "q":
                self.send(pair, True, self.at(), b"H", (11, own), (37, order_id))
            elif step == "b":
                self.report(pair, ids, (b"H", b"1"), [(19, b"E%s.1" % own), *cum])
            else:
                self.send(pair, True, self.at(), b"D", (11, own), (97, b"Y"), *what, *terms)

    def report(self, pair, ids, state, rest):
        self.send(pair, False, self.at(), b"8", *ids, (150, state[0]), (39, state[1]), *rest)

    def at(self):
        # Sometimes back: the clocks of two sides.
        self.ms += self.rng.choice(
            (0, 1, 5, 5, 40, 900, 60_000, self.maybe(0.5, -3, 7), self.maybe(0.1, -2000, 3))
        )
        return self.day, max(0, self.ms)


def usual(seed, orders=25):
    rng = random.Random(seed)
    day = Day(rng)
    for _ in range(orders):
        day.order()
    return rng.sample(day.log, rng.randrange(len(day.log) * 3 // 4, len(day.log) + 1))
