"""Compares both parsers on damaged messages, for as long as you like.

python -m tests.transforms.fix.fuzz --messages 1000000

Prints the first message that they read differently, and exits with 1.
"""

import argparse
import itertools
import random
import sys
import time

from rich.console import Console
from rich.progress import Progress

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.delimiter import sniff_delimiter
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.reading import FIELDS, VALIDATE
from fixfeed.transforms.fix.secrets.masking import DEFAULT, read_masking
from tests.transforms.fix.group_messages import group_log
from tests.transforms.fix.messages import DELIMITERS, SPELLINGS, random_log
from tests.transforms.fix.wrappers import wrapped_log

_MASKINGS = (DEFAULT, read_masking(["Account=hash", "Price", "Text=drop", "448"], key=b"k"))


def difference(seed: object) -> tuple[int, str | None]:
    """Return how many messages the log of a seed has, and how the parsers differ, if at all."""
    rng = random.Random(str(seed))
    make = rng.choice([random_log, group_log])
    delimiter = rng.choice([*DELIMITERS, *DELIMITERS, *SPELLINGS])
    share = {"mutated" if make is random_log else "damaged": rng.choice([0.0, 0.3, 1.0])}
    data = make(rng, rng.choice([1, 3, 50, 300]), delimiter=delimiter, **share)
    if rng.random() < 0.2:
        data = wrapped_log(rng, data)
        delimiter = rng.choice([delimiter, sniff_delimiter(data)])
    logged_on = rng.choice([{}, {}, {"A->B": "6"}, {"A->B": "8"}])
    block = Block("log", 1000, data, delimiter, context=logged_on)
    options = {
        "fields": rng.choice(FIELDS),
        "validate": rng.choice(VALIDATE),
        "fix_json": rng.random() < 0.5,
        "masking": rng.choice(_MASKINGS),
    }
    scalar = parse_block(block, vectorised=False, **options)
    vector = parse_block(block, vectorised=True, **options)
    if vector.messages.equals(scalar.messages):
        same = (
            vector.failures.equals(scalar.failures)
            and vector.skipped_positions == scalar.skipped_positions
        )
        return scalar.read, None if same else f"{options}: other failures or lines"
    for one, other in zip(scalar.messages.to_pylist(), vector.messages.to_pylist(), strict=False):
        if one != other:
            names = [name for name in one if one[name] != other[name]]
            found = "\n".join(f"  {name}: {one[name]!r}\n  not {other[name]!r}" for name in names)
            return scalar.read, f"{options}: {one['raw']!r}\n{found}"
    return scalar.read, f"{options}: {scalar.read} messages, not {vector.read}"


def main() -> int:
    """Run until there were enough messages or the time is up; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.transforms.fix.fuzz", description=__doc__
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    compared, end = 0, time.monotonic() + given.seconds
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("comparing", total=given.messages)
        for number in itertools.count():
            if compared >= given.messages or time.monotonic() > end:
                break
            count, different = difference(f"{given.seed} {number}")
            compared += count
            progress.update(task, completed=compared)
            if different:
                print(f"seed {given.seed}, log {number}: {different}")
                return 1
    print(f"{compared:,} messages and failures compared, seed {given.seed}: no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
