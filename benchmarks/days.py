"""Sample days, for databases of many millions of messages.

    write_days(folder, 10_000_000)     # ten days, in 2.4 GB, made with the memory of one

A day is written by `fixfeed sample`, and the others are its bytes with another date and other ids,
whose characters are the same in another order: so CheckSums stay right.
"""

import datetime
import itertools
import subprocess
import sys
from pathlib import Path

__all__ = ["write_days"]

_LAYOUTS = ("quickfix", "plain")  # both write a date as FIX does
_MARKS = (b"BUY-", b"FUN-")  # what ids have, and nothing else


def write_days(folder: Path, messages: int, *, a_day: int = 1_000_000) -> None:
    """Write logs of days of so many messages, or of one with fewer, to a folder that is made.

    Those of the first day are called as `fixfeed sample` calls them, the others have their date
    before that.
    """
    first, *others = _same_sums(datetime.date(2025, 1, 2))
    needed = -(-messages // a_day) - 1
    if needed > len(others):
        raise ValueError(f"only {1 + len(others)} days are alike: {messages:,} messages need more")
    sample = [sys.executable, "-m", "fixfeed", "sample", "--output", str(folder), "--compress"]
    sample += ["none", "--messages", str(min(messages, a_day)), "--layout", *_LAYOUTS]
    subprocess.run(sample, check=True, stdout=subprocess.DEVNULL)
    logs = list(folder.glob("*.log"))
    orders = itertools.permutations(range(len(_MARKS[0])))
    next(orders)  # that of the first day
    for day, order in zip(others[:needed], orders, strict=False):
        for log in logs:
            data = log.read_bytes().replace(_digits(first), _digits(day))
            for mark in _MARKS:
                data = data.replace(mark, bytes(mark[place] for place in order))
            log.with_name(f"{day}-{log.name}").write_bytes(data)


def _digits(day: datetime.date) -> bytes:
    return b"%d%02d%02d" % (day.year, day.month, day.day)


def _same_sums(first: datetime.date) -> list[datetime.date]:
    """Return the days of its year, from the first on, whose digits have the same sum."""
    days = (first + datetime.timedelta(number) for number in range(366))
    year = [day for day in days if day.year == first.year]
    return [day for day in year if sum(_digits(day)) == sum(_digits(first))]
