"""Blocks that are read in one go give what each gives alone."""

import dataclasses
import random

import pytest

from fixfeed.transforms.batch import Block, Piece
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from fixfeed.transforms.together import parsed_together
from tests.protocols.fixed_width import TAPE
from tests.transforms.test_pieces import message

CUT = message("cut")[:-20]
GLUED = message("one")[:30] + message("two")
ODD = [CUT, GLUED, b"no FIX\n", b"", b"8=FIX.4.4\x01", message("x") + b"\x0010=1\x01", b"\n\n"]


def logon(version):
    body = b"35=A\x0134=1\x0149=A\x0156=B\x011137=%d\x01" % version
    whole = b"8=FIXT.1.1\x019=%d\x01" % len(body) + body
    return whole + b"10=%03d\x01" % (sum(whole) % 256)


def block(source, data, **flags):
    return Block(f"peer:{source}", 1000 * source, data, b"\x01", **flags)


def together(blocks):
    return dataclasses.replace(blocks[0], together=blocks[1:])


def rows(batch):
    """All of a batch that can be compared."""
    return {
        **{
            field.name: getattr(batch, field.name)
            for field in dataclasses.fields(batch)
            if field.name not in ("messages", "failures", "children")
        },
        "messages": batch.messages.to_pylist(),
        "failures": batch.failures.to_pylist(),
        "children": {name: found.to_pylist() for name, found in batch.children.items()},
    }


def of_each_alone(blocks):
    return [rows(parsed(FIX, one)) for one in blocks]


@pytest.mark.parametrize("seed", range(20))
def test_blocks_of_many_sources_give_what_each_gives_alone(seed):
    rng = random.Random(seed)
    blocks = []
    for source in range(rng.randrange(2, 30)):
        parts = [message(f"{source}.{n}", n) for n in range(rng.randrange(1, 8))]
        if rng.random() < 0.3:
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(ODD))
        if rng.random() < 0.2:
            at = rng.randrange(len(parts))
            parts[at] = parts[at].replace(b"10=", b"10=9" if rng.random() < 0.5 else b"1O=")
        data = b"".join(part + rng.choice([b"", b"\n", b"\r\n"]) for part in parts)
        pieces = [Piece(0, 1000 * source, 7 * source), Piece(9, 1000 * source + 9, None, "said")]
        blocks.append(block(source, data, witness=str(source), pieces=pieces[: seed % 3]))
    assert list(map(rows, parsed_together(FIX, together(blocks)))) == of_each_alone(blocks)


def test_messages_are_read_by_the_version_that_holds_in_their_own_block():
    order = message("o").replace(b"FIX.4.4", b"FIXT.1.1")
    blocks = [
        block(1, logon(9)),
        block(1, order, context={"FIXT.1.1:A->B": "9"}),
        block(2, order),
        block(3, order, context={"FIXT.1.1:A->B": "9"}),
        block(4, order, context={"FIXT.1.1:A->B": "7"}),
    ]
    assert list(map(rows, parsed_together(FIX, together(blocks)))) == of_each_alone(blocks)


def test_ends_pieces_and_damage_stay_with_their_own_block():
    good = message("good")
    blocks = [
        block(1, good),
        block(2, CUT, provisional=True),
        block(3, good, last=True),
        block(4, b"", provisional=True, error="cannot be read on"),
        block(5, good + CUT, unfinished=len(good)),
        block(6, b"x" * 100, too_long=True),
        block(7, good, within_line=True),
        dataclasses.replace(block(8, good.replace(b"\x01", b"|")), layout=b"|"),
        block(9, good),
    ]
    assert list(map(rows, parsed_together(FIX, together(blocks)))) == of_each_alone(blocks)


def test_blocks_of_another_protocol_are_read_each_alone():
    blocks = [Block(f"tape:{n}", 0, b"A 0010\n", TAPE.sniff(b"").layout) for n in range(3)]
    batches = parsed_together(TAPE, together(blocks))
    assert [batch.source for batch in batches] == ["tape:0", "tape:1", "tape:2"]
    assert [rows(batch) for batch in batches] == [rows(parsed(TAPE, one)) for one in blocks]
