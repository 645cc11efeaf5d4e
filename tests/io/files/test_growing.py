"""A log that is read while it is written gives the rows of the whole, wherever reading stopped."""

import random
from contextlib import closing

import pytest

from fixfeed.io.files.find import cut_ranges, file_at
from fixfeed.io.files.growing import GrowingFile
from fixfeed.io.files.reading import read_blocks
from fixfeed.transforms.fix.protocol import Fix
from tests.transforms.fix.hostile import hostile_stream
from tests.transforms.fix.messages import encode

MESSAGE = encode([(35, b"0"), (112, b"t")], delimiter=b"|")
NAMED = Fix(delimiter=b"|")


def wrapped(rng):
    """Return a log of messages in JSON, in a container's lines, and headless ones."""
    lines = []
    for number in range(rng.choice([2, 6, 12])):
        text = encode([(35, b"0"), (34, b"%d" % number), (58, b'say "hi"')], delimiter=b"|")
        escaped = text.replace(b'"', b'\\"')
        lines.append(
            rng.choice(
                [
                    text,
                    text[: rng.randrange(len(text))],
                    text[text.find(b"35=") :],
                    text + text[text.find(b"35=") :],
                    b'{"m": "%b", "n": 1}' % escaped,
                    b'{"log":"%b' % escaped[:20] + b'","stream":"stdout"}',
                    b"2025-01-02 09:00:00 IN " + text,
                    b"8=FIX.4.4|9=120|35=0|58=over\n%b\nlines|" % text,
                    b"8=FIX.4.4|9=30|35=0|",
                    b"\x00\x01\x02",
                    b"x" * rng.choice([3, 70]),
                ]
            )
        )
    return b"".join(line + rng.choice([b"\n", b"\n", b"\r\n", b"\r", b""]) for line in lines)


def rows_of(blocks, protocol):
    """Return what is stored: messages, failures, and lines without a message, by position."""
    batches = [protocol.parse(block) for block in blocks]
    columns = ("position", "prefix", "raw", "defects", "appl_ver_id")
    return (
        [tuple(row[one] for one in columns) for b in batches for row in b.messages.to_pylist()],
        [tuple(row.values()) for batch in batches for row in batch.failures.to_pylist()],
        [place for batch in batches for place in batch.skipped_positions.to_pylist()],
    )


def whole(path, protocol=NAMED):
    (part,) = cut_ranges(file_at(str(path), str(path), protocol), ())
    return rows_of(read_blocks(part), protocol)


def grown(path, data, steps, protocol=NAMED, *, again=lambda: False, patience=1e9):
    """Return what is read while a file is written in steps, and then is over."""
    path.write_bytes(data[: min(steps)])
    one, blocks = None, []
    for end in [*sorted(steps), len(data)]:
        with open(path, "ab") as file:
            file.write(data[file.tell() : end])
        if one is None or again():
            at = one.at if one else 0
            file = file_at(str(path), str(path), protocol)
            one = GrowingFile(file, protocol, at=at, patience=patience)
        blocks += one.blocks()
    with closing(one):
        blocks += one.end()
    return rows_of(blocks, protocol)


@pytest.mark.parametrize("log", [hostile_stream, wrapped])
@pytest.mark.parametrize("seed", range(12))
def test_a_log_that_grows_in_steps_is_read_like_the_whole(tmp_path, log, seed):
    rng = random.Random(seed)
    data = log(rng)
    (tmp_path / "whole.log").write_bytes(data)
    steps = [rng.randrange(1, len(data) + 1) for _ in range(rng.choice([1, 3, 12]))]
    read = grown(tmp_path / "day.log", data, steps, again=lambda: rng.random() < 0.2)
    assert read == whole(tmp_path / "whole.log")


def test_bytes_that_are_no_text_are_one_failure_although_half_a_message_follows(tmp_path):
    data = b"\x00\x01\n" + MESSAGE[:-9] + b"\n"
    (tmp_path / "whole.log").write_bytes(data)
    messages, failures, skipped = whole(tmp_path / "whole.log")
    assert [(row[0], row[1]) for row in failures] == [(0, "not_text"), (3, "truncated")]
    assert (messages, skipped) == ([], [])
    assert grown(tmp_path / "day.log", data, [3]) == (messages, failures, skipped)


@pytest.mark.parametrize("rest", [b"", b"8=F", MESSAGE[:20], b"hel"])
@pytest.mark.parametrize("lines", [b"\x00\x01\xff\n", b"\x00\nab\n", b"ab\n\x00\n\xff\x01\r\n"])
def test_lines_that_are_no_text_wait_no_longer_than_patience(tmp_path, lines, rest):
    path = tmp_path / "day.log"
    path.write_bytes(MESSAGE + b"\n" + lines + rest)
    expected = whole(path)
    file = file_at(str(path), str(path), NAMED)
    with closing(GrowingFile(file, NAMED, patience=1e9)) as one:
        is_ended = rest == MESSAGE[:20]  # by a message
        assert rows_of(one.blocks(), NAMED)[1] == (expected[1][:1] if is_ended else [])
        assert one.waits
    with closing(GrowingFile(file, NAMED, patience=0)) as one:
        read = list(one.blocks())
        while one.has_changed():
            read += one.blocks()
        assert (one.at, one.unfinished) == (path.stat().st_size - len(rest), rest != b"")
        assert not any(block.provisional for block in read)
        assert rows_of([*read, *one.end()], NAMED) == expected
        assert [row[1] for row in expected[1]][:1] == ["not_text"]


def test_messages_that_a_wrong_length_holds_up_wait_no_longer_than_patience(tmp_path):
    data = MESSAGE.replace(b"9=11", b"9=999") + b"\n" + 2 * (MESSAGE + b"\n") + MESSAGE[:20]
    path = tmp_path / "day.log"
    path.write_bytes(data)
    file = file_at(str(path), str(path), NAMED)
    with closing(GrowingFile(file, NAMED, patience=1e9)) as one:
        assert list(one.blocks()) == []
        assert one.waits
        assert not one.has_changed()
    with closing(GrowingFile(file, NAMED, patience=0)) as one:
        assert list(one.blocks()) == []
        assert one.has_changed()
        assert b"".join(block.data for block in one.blocks()) == data[:-20]
        assert not one.has_changed()
        assert not one.waits
        assert [(block.data, block.provisional) for block in one.end()] == [(data[-20:], True)]


def test_what_comes_after_half_a_message_has_waited_is_not_read_as_the_end(tmp_path):
    quoted = encode([(35, b"3"), (58, b"was 35=D|10=128|"), (34, b"9")], delimiter=b"|") + b"\n"
    first, cut = MESSAGE + b"\n", quoted.find(b"10=128|") + len(b"10=128|")
    path = tmp_path / "day.log"
    path.write_bytes(first + first[:20])
    file = file_at(str(path), str(path), NAMED)
    with closing(GrowingFile(file, NAMED, patience=0)) as one:
        read = list(one.blocks())
        read += one.blocks()  # half a message has waited
        path.write_bytes(first + first + quoted[:cut])
        read += one.blocks()
        path.write_bytes(first + first + quoted)
        read += one.blocks()
        assert b"".join(block.data for block in read) == first + first + quoted
        messages, failures, _ = rows_of(read, NAMED)
    assert [row[2] for row in messages] == [MESSAGE, MESSAGE, quoted[:-1]]
    assert failures == []
