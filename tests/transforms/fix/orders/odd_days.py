"""Random orders of a few days, with all that is odd: ids used again, copies, what does not fit."""

import random

from tests.transforms.fix.messages import encode

PAIRS = [(b"ANN", b"BROKER"), (b"BOB", b"BROKER"), (b"BROKER", b"VENUE")]


def time_of(day, at):
    return b"202503%02d-%02d:%02d:%02d.%03d" % (
        day, 9 + at // 3600_000, at // 60_000 % 60, at // 1000 % 60, at % 1000,
    )  # fmt: skip


class Day:
    """Random orders of a few sessions, with all that is odd, as messages with their times.

    Ids come from so few that orders have those of others, on the same and on other days.
    """

    def __init__(self, rng):
        self.rng = rng
        self.sent = []
        self.numbers = {}

    def send(self, pair, from_client, day, at, kind, *fields):
        sender, target = pair if from_client else pair[::-1]
        number = self.numbers[sender, target, day] = self.numbers.get((sender, target, day), 0) + 1
        head = [(35, kind), (49, sender), (56, target), (34, b"%d" % number)]
        time = time_of(day, at)
        self.sent.append((head, time, list(fields)))
        if self.rng.random() < 0.1:
            again = time_of(day, at + self.rng.randrange(90_000))
            copy = [*head, (43, b"Y"), (122, time)]
            if self.rng.random() < 0.2:
                copy.pop()
            self.sent.append((copy, again, list(fields)))

    def order(self, day):
        rng = self.rng
        pair = rng.choice(PAIRS)
        at = rng.randrange(3_600_000)
        id_, order_id = (b"%d" % rng.randrange(12) for _ in range(2))
        order_id = rng.choice((order_id, b"NONE", b"O" + id_))
        quantity, done, status = 100, 0, b"0"
        if rng.random() < 0.9:
            self.send(pair, True, day, at, b"D", (11, id_), (38, b"100"), (55, b"X"), (54, b"1"))
        for _ in range(rng.randrange(6)):
            at += rng.choice((0, 1, 500, 60_000))
            what = rng.randrange(6)
            before, before_day = id_, day
            day = min(day + (rng.random() < 0.1), 28)
            exec_id = b"E%d" % rng.randrange(20)
            if what == 0:
                id_ = b"%d" % rng.randrange(12)
                self.send(pair, True, day, at, rng.choice((b"F", b"G")), (11, id_), (41, before))
            trans, exec_type = b"0", {1: b"4", 2: b"H", 3: b"5"}.get(what, b"F")
            if what > 3:
                done = min(done + rng.randrange(60), quantity)
            status = b"4" if what == 1 else b"2" if done == quantity else b"1"
            fields = [(37, order_id), (11, id_), (17, exec_id), (150, exec_type), (39, status)]
            if what == 2:
                fields += [(19, b"E%d" % rng.randrange(20)), (20, trans)]
            if what == 3:
                fields += [(41, before), (38, b"%d" % rng.randrange(50, 200))]
            if what == 1 and rng.random() < 0.3:
                fields += [(41, before)]
            fields += [(32, b"%d" % rng.randrange(60)), (31, b"10.5"), (14, b"%d" % done)]
            self.send(pair, False, day, at, b"8", *rng.sample(fields, len(fields)))
            assert before_day <= day

    def cancel_all(self, day):
        rng = self.rng
        pair, at, own = rng.choice(PAIRS), rng.randrange(3_600_000), b"%d" % rng.randrange(12)
        if rng.random() < 0.5:
            self.send(pair, False, day, at, b"r", (37, b"M"), (11, own), (530, b"7"), (531, b"7"))
        for one in rng.sample(range(12), rng.randrange(1, 5)):
            names = rng.choice(("both", "both", "41", "37"))
            fields = [(11, own), (17, b"X%d" % one), (150, b"4"), (39, b"4"), (14, b"0")]
            fields += [(41, b"%d" % one)] if names != "37" else []
            fields += [(37, b"O%d" % one)] if names != "41" else []
            self.send(pair, False, day, at + one, b"8", *fields)

    def order_at_midnight(self, day):
        rng, until_midnight = self.rng, 15 * 3_600_000
        pair, id_ = rng.choice(PAIRS), b"%d" % rng.randrange(12)
        at = rng.randrange(-9 * 3_600_000, 3000 - 9 * 3_600_000)
        if rng.random() < 0.9:
            self.send(pair, True, day, at, rng.choice((b"D", b"D", b"F")), (11, id_))
        for number in range(rng.randrange(1, 4)):
            at = until_midnight - rng.choice((1, 50, 4000, 11_000)) + number
            kind = rng.choice((b"0", b"F", b"4", b"C"))
            fields = [(11, id_), (17, b"N%d" % number), (150, kind), (39, b"1"), (32, b"5")]
            fields += [(37, rng.choice((b"O" + id_, b"NONE", b"3")))]
            self.send(pair, False, day - 1, at, b"8", *fields)

    def log(self):
        return [
            encode([*head[:4], (52, time), *head[4:], *fields]) + b"\n"
            for head, time, fields in self.sent
        ]


def made(seed, orders=12):
    rng = random.Random(seed)
    day = Day(rng)
    for _ in range(orders):
        day.order(rng.randrange(3, 7))
    if rng.random() < 0.5:
        day.cancel_all(rng.randrange(3, 7))
    if rng.random() < 0.3:
        day.order_at_midnight(rng.randrange(4, 7))
    return day.log()
